"""What is known of a strip, as its process writes it: a file in its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field

from dreamflow.core.files.documents import Count, DocumentError, fit_schema, parse_json
from dreamflow.core.files.regular_file import read_file_text
from dreamflow.media.files.atomic_file import atomic_write

STRIP_FILE, STRIP_FILM, STRIP_SOUND = "strip.json", "film.mp4", "sound.m4a"
Line = Annotated[str, Meta(max_length=10_000)]


class StripDocument(Struct, frozen=True, kw_only=True):
    """The file.

    Attributes:
        frames: How many frames have been looked at.
        thumbnails: Numbers of the frames of the thumbnails.
        cuts: Numbers of the first frames of shots, without the film's first.
        is_done: Whether all frames have been looked at, and the small film is there.
        has_sound: Whether its sound is there too, from the first frame on.
        damage: What of it cannot be decoded, a line each.
        failure: Why the rest cannot be looked at, or "".
    """

    frames: Count = 0
    thumbnails: Annotated[list[Count], Meta(max_length=1000)] = field(default_factory=list[Count])
    cuts: Annotated[list[Count], Meta(max_length=100_000)] = field(default_factory=list[Count])
    is_done: bool = False
    has_sound: bool = False
    damage: Annotated[list[Line], Meta(max_length=100)] = field(default_factory=list[Line])
    failure: Line = ""


def read_strip(folder: Path) -> StripDocument | None:
    """Return what is known of the strip in a folder; None where that is nothing."""
    try:
        return fit_schema(parse_json(read_file_text(folder / STRIP_FILE)), StripDocument)
    except (OSError, UnicodeError, DocumentError):
        return None


def write_strip(folder: Path, document: StripDocument) -> None:
    """Write what is known of a strip. Raises OutputError."""
    with atomic_write(folder / STRIP_FILE) as part:
        part.write_bytes(msgspec.json.encode(document))
