"""A contact sheet of looks: one frame dreamed with each of several presets."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dreamflow.core.callbacks import DoneCallback, MessageCallback
from dreamflow.core.errors import DreamFlowError, IneffectiveSettingWarning, named
from dreamflow.core.schedules.timecode import Moment
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.mattes.matte import Matte, open_matte
from dreamflow.networks.network import Network
from dreamflow.pipelines.settings.looks import Look
from dreamflow.reports.contact_sheet import draw_contact_sheet
from dreamflow.reports.preview import (
    PreviewFrames,
    estimate_preview_steps,
    get_matte_frames,
    render_preview,
)


def open_look_mattes(
    looks: Sequence[Look], frames: PreviewFrames, source: Path, layer: str | None = None
) -> list[Matte | None]:
    """Return the matte of each look, None where it has none.

    Raises:
        MediaError: A matte cannot be read.
        SettingsError: A matte does not fit the frames.
    """
    target = get_matte_frames(frames, source, layer)
    return [open_matte(look.show, target) if look.show.matte else None for look in looks]


def estimate_sheet_steps(frames: PreviewFrames, looks: Sequence[Look]) -> int:
    """Return about how many steps a sheet takes."""
    return sum(sum(estimate_preview_steps(frames, look.dream, look.carry)) for look in looks)


def render_looks(
    frames: PreviewFrames,
    looks: Sequence[Look],
    networks: Mapping[str, Network],
    mattes: Sequence[Matte | None],
    progress: DoneCallback = lambda done: None,
    notify: MessageCallback = lambda line: None,
    *,
    gains_path: Path | None = None,
) -> np.ndarray:
    """Dream a frame with each of several looks, and draw a labelled contact sheet of them.

    Warns where a look is scheduled and the frame is a picture: the beginning counts.

    Args:
        frames: The frame to show, after those that lead up to it.
        looks: The looks.
        networks: The networks that they dream with, by name.
        mattes: The matte of each.
        progress: Called with the steps done, out of those that `estimate_sheet_steps` expects.
        notify: Called with a line on channels that were picked.
        gains_path: A TOML file with constants of the temporal step; None is the defaults.

    Returns:
        uint8 (H, W, 3) RGB.

    Raises:
        DreamFlowError: A look cannot be dreamed; the error names it.
    """
    if not isinstance(frames, Clip):
        looks = _take_beginnings(looks)
    pictures: list[np.ndarray] = []
    done = 0
    for look, matte in zip(looks, mattes, strict=True):
        before = done

        def follow(steps: int, before: int = before) -> None:
            progress(before + steps)

        try:
            dreamed = render_preview(
                *(frames, networks[look.dream.network], look.dream, look.carry),
                *(follow, look.show, matte, notify),
                gains_path=gains_path,
            )
        except DreamFlowError as error:
            raise error.located(f"{named('preset')} {look.name}") from error
        pictures.append(dreamed.picture)
        done += sum(estimate_preview_steps(frames, look.dream, look.carry))
        progress(done)
    return draw_contact_sheet(pictures, [look.name for look in looks])


def _take_beginnings(looks: Sequence[Look]) -> list[Look]:
    """Return the looks of a picture: the beginnings of their schedules."""
    scheduled = [look.name for look in looks if look.is_scheduled]
    if scheduled:
        warnings.warn(
            f"a picture has no time: of {', '.join(scheduled)} the beginning of the schedule is "
            "used",
            IneffectiveSettingWarning,
            3,
        )
    at = Moment()
    return [
        replace(look, dream=look.dream.at(at), carry=look.carry.at(at), show=look.show.at(at))
        if look.is_scheduled
        else look
        for look in looks
    ]
