"""What is to be said of a film before it is dreamed: what is missing, converted, left out."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from dreamflow.core.errors import named
from dreamflow.core.text.wording import format_count
from dreamflow.media.colour.carried_tags import ColourTags
from dreamflow.media.colour.colour_tags import has_high_bit_depth
from dreamflow.media.colour.premultiplied import PREMULTIPLIED_NOTE, looks_premultiplied
from dreamflow.media.colour.rgb_conversion import ColourConversion
from dreamflow.media.colour.side_data import SideData
from dreamflow.media.read.probing.beginning import Beginning
from dreamflow.media.read.video.video_info import Doubt, transparency_note

MIN_MISSING_S = 0.5
"""Seconds from which on a header's longer duration means that the file is cut short."""


class Damage(NamedTuple):
    """What is missing at the end of a film.

    Attributes:
        missing_s: Seconds that it is shorter than it says, as far as that is known.
        is_cut: Whether its file ends before its structure does.
    """

    missing_s: float
    is_cut: bool


def damage_notes(
    path: Path, left_out: int, frames: int, rate: Fraction, damage: Damage
) -> list[str]:
    """Return warnings of what is not there.

    Args:
        path: The film.
        left_out: Frames at its beginning that do not decode.
        frames: Frames that it has without them.
        rate: Frames per second.
        damage: What is missing at its end.
    """
    notes: list[str] = []
    if left_out > 0:
        notes.append(
            f"{path.name} begins with {format_count(left_out, 'frame')} that cannot be decoded: "
            f"left out, {frames} of {frames + left_out} remain"
        )
    if damage.missing_s > MIN_MISSING_S:
        missing = round(damage.missing_s * rate)
        notes.append(
            f"{path.name} is damaged or cut short: its last {damage.missing_s:.1f} s are missing, "
            f"{missing} of {format_count(frames + missing, 'frame')}"
        )
    elif damage.is_cut:
        notes.append(
            f"{path.name} is damaged or cut short: the file ends within a frame, and "
            f"{format_count(frames, 'frame')} are there"
        )
    return notes


def conversion_notes(path: Path, colour: ColourConversion, begin: Beginning) -> list[str]:
    """Return warnings of what the conversion to 8-bit RGB of BT.709 loses."""
    notes: list[str] = []
    if colour.hdr_transfer and colour.hdr_transfer.is_hdr:
        notes.append(
            f"{path.name} is HDR ({colour.hdr_transfer.transfer}): it is tone-mapped to SDR"
        )
    elif colour.hdr_transfer:
        notes.append(f"{path.name} has a wide gamut: it is brought to that of BT.709")
    elif has_high_bit_depth(begin.frame):
        notes.append(f"{path.name} has more than 8 bits a channel: it is dreamed in 8")
    if colour.has_alpha:
        notes.append(transparency_note(path))
    return notes


def left_out_notes(path: Path, side_data: SideData) -> list[str]:
    """Return warnings of what no dream keeps of HDR."""
    if not side_data.dynamic_metadata:
        return []
    kinds = " and ".join(side_data.dynamic_metadata)
    return [f"{path.name} has {kinds} metadata, made for each picture as it was: left out"]


def tag_doubts(
    path: Path, colour: ColourConversion, tags: ColourTags, side_data: SideData
) -> list[Doubt]:
    """Return warnings of metadata that belong to HDR in a film whose tags say nothing of it."""
    is_hdr = colour.hdr_transfer is not None and colour.hdr_transfer.is_hdr
    says_hdr = tags.mastering_display or tags.content_light or side_data.dynamic_metadata
    if is_hdr or not says_hdr:
        return []
    warning = (
        f"{path.name} has metadata of HDR, and its tags name no PQ or HLG: it is read as SDR; "
        f"{named('input_space')} PQ or HLG reads it as HDR"
    )
    return [Doubt("input_space", warning)]


def alpha_doubts(path: Path, colour: ColourConversion, begin: Beginning) -> list[Doubt]:
    """Return the warning of a film whose first frame looks premultiplied."""
    if not colour.has_alpha or colour.own_matrix is not None:
        return []
    colours, alpha = colour.to_deep_rgb(begin.frame)
    if alpha is None or not looks_premultiplied(colours, alpha):
        return []
    return [Doubt("alpha", f"{path.name}: {PREMULTIPLIED_NOTE}")]
