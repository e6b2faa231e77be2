"""One frame, dreamed as the video would be, or on several layers side by side."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from dreamflow.clock import Moment
from dreamflow.dream import first_plan
from dreamflow.dream.follow import Steps, followed
from dreamflow.errors import DreamFlowWarning, MediaError
from dreamflow.frames import Frame
from dreamflow.journeys import dream_video
from dreamflow.journeys.carried import carried_plan
from dreamflow.journeys.exemplars import guide_files
from dreamflow.journeys.picked import pick, settled, told, wants_picture
from dreamflow.journeys.sheet import contact_sheet
from dreamflow.journeys.shown import Shown, box_of, cut_out, matte_of
from dreamflow.media import Clip, is_still, read_picture
from dreamflow.media.matte import Box, Matte
from dreamflow.media.matte_files import Frames
from dreamflow.media.pictures import files_of
from dreamflow.media.readers import fitted
from dreamflow.media.stills import read_alpha
from dreamflow.networks import Network
from dreamflow.options import (
    CarryOptions,
    ClipOptions,
    DreamOptions,
    GuideOptions,
    ShowOptions,
    fit_size,
)
from dreamflow.render.inputs import MATTE, SOURCE, Inputs
from dreamflow.render.job import Progress, Say


def frames_before(
    source: Path, at: str, run_in: int, size: str | None, warn_of_alpha: bool = True
) -> tuple[Frame, ...] | Clip:
    """Return the frame at `at` and up to `run_in` before it; of a picture, just the picture.

    Raises MediaError, or SettingsError for a frame that there is not. Warns where a picture is
    asked for a moment.
    """
    if is_still(source):
        meant = ["--at"] if at != GuideOptions.at else []
        meant += ["--run-in"] if run_in else []
        if meant:
            do = "does" if len(meant) == 1 else "do"
            warnings.warn(
                f"{source.name} is a picture: {' and '.join(meant)} {do} nothing for it",
                DreamFlowWarning,
                2,
            )
        picture = read_picture(source, warn_of_alpha)
        width, height = fit_size(size, picture.shape[1], picture.shape[0])
        return (Frame(0, Fraction(0), fitted(picture, width, height)),)
    clip = Clip(source, ClipOptions(size=size))
    if clip.info.pixel_aspect != 1:
        warnings.warn(
            f"the pixels of {source.name} are not square ({clip.info.pixel_aspect}): a picture of "
            "it looks squeezed, the video will not",
            DreamFlowWarning,
            2,
        )
    number = clip.frame_at(at)
    return clip.between(max(0, number - run_in), number + 1)


def frames_of(frames: tuple[Frame, ...] | Clip, source: Path) -> Frames:
    """Return what a matte goes with: the frames of a clip, or a picture from a file."""
    if isinstance(frames, Clip):
        return Frames.of(frames)
    height, width = frames[0].picture.shape[:2]
    whole = read_picture(source, warn_of_alpha=False).shape
    return Frames(width, height, (whole[1], whole[0]))


def preview_inputs(source: Path, dream: DreamOptions, matte: Matte | None) -> Inputs:
    """Return the files that a preview depends on."""
    inputs = {SOURCE: files_of(source), **guide_files(dream)}
    return inputs | ({MATTE: matte.files} if matte else {})


def first_of(frames: Iterable[Frame]) -> Frame:
    """Return the first frame. Raises MediaError where it does not decode."""
    frame = next(iter(frames), None)
    if frame is None:
        raise MediaError("the frame wanted does not decode; choose an earlier one with --at")
    return frame


def render_preview(
    frames: tuple[Frame, ...] | Clip,
    network: Network,
    dream: DreamOptions,
    carry: CarryOptions,
    progress: Progress = lambda done: None,
    show: ShowOptions | None = None,
    matte: Matte | None = None,
    say: Say = lambda line: None,
) -> np.ndarray:
    """Return the dream of the last of the frames, the others dreamed before it.

    Several layers without weights give a labelled contact sheet, one picture each. progress: called
    with the steps done, of those that `preview_steps` expects. say: called with the channels
    picked, which are those that the whole clip is dreamed with.
    uint8 (H, W, 3) RGB. Raises MediaError where the last frame does not decode, and warns of a
    schedule on a picture, of which the beginning is taken.
    """
    show = show or ShowOptions()
    still = not isinstance(frames, Clip)
    if still and (dream.schedules or carry.schedules or show.schedules):
        warnings.warn(
            "a picture has no time: the beginning of the schedule is taken", DreamFlowWarning, 2
        )
        dream, carry, show = dream.at(Moment()), carry.at(Moment()), show.at(Moment())
    if wants_picture(dream):
        first = frames.first_picture() if isinstance(frames, Clip) else frames[0].picture
        picked = pick(dream, network, first)
        for line in told(network, picked):
            say(line)
        dream = settled(dream, picked)
    box = box_of(matte, carry)
    touch = Shown(show, None if still else frames.timeline, matte_of(matte), box)
    steps = Steps(preview_steps(frames, dream, carry), progress)
    if not is_sheet(dream):
        return last_dreamed(frames, network, dream, carry, steps, touch, box)
    alone = [replace(dream, layer=(layer,)) for layer in dream.layer]
    pictures = [last_dreamed(frames, network, one, carry, steps, touch, box) for one in alone]
    return contact_sheet(pictures, dream.layer)


def preview_steps(
    frames: tuple[Frame, ...] | Clip, dream: DreamOptions, carry: CarryOptions
) -> list[int]:
    """Return about how many steps each frame of a preview takes, layer after layer of a sheet."""
    moment = frames.timeline.at(Fraction(0)) if isinstance(frames, Clip) else Moment()
    first, later = frame_steps(dream, carry, moment)
    layers = len(dream.layer) if is_sheet(dream) else 1
    return [first, *[later] * (len(frames) - 1)] * layers


def frame_steps(dream: DreamOptions, carry: CarryOptions, moment: Moment) -> tuple[int, int]:
    """Return about how many steps the first frame takes, and each that comes after it."""
    now, carried = dream.at(moment), carry.at(moment)
    first, later = first_plan(now), carried_plan(now, carried) if carry.carry else first_plan(now)
    of_first, of_later = (sum(octave.iterations for octave in plan) for plan in (first, later))
    return of_first, of_later


def as_transparent(dreamed: np.ndarray, source: Path) -> np.ndarray:
    """Return a dream with the transparency of the picture that it is of: uint8 (H, W, 4) RGBA.

    Where the source is a film, or has none, the dream is returned as it is.
    """
    alpha = read_alpha(source) if is_still(source) else None
    if alpha is None:
        return dreamed
    return np.dstack([dreamed, fitted(alpha, dreamed.shape[1], dreamed.shape[0])])


def is_sheet(dream: DreamOptions) -> bool:
    """Return whether a contact sheet is drawn: for several layers, none with a weight."""
    return len(dream.layer) > 1 and not any("=" in layer for layer in dream.layer)


def last_dreamed(
    frames: Iterable[Frame],
    network: Network,
    dream: DreamOptions,
    carry: CarryOptions,
    steps: Steps,
    touch: Shown,
    box: Box | None,
) -> np.ndarray:
    """Return the dream of the last frame. Raises MediaError where it does not decode."""
    last: Frame | None = None
    done = 0
    timeline = frames.timeline if isinstance(frames, Clip) else None
    parts = frames if box is None else (cut_out(frame, box) for frame in frames)
    with followed(steps.step):
        for dreamed in dream_video(parts, network, None, dream, carry, timeline=timeline):
            done, last = done + 1, dreamed
            steps.reach(steps.parts_done + 1)
    if last is None or (isinstance(frames, Clip) and done < len(frames)):
        raise MediaError("the frame wanted does not decode; choose an earlier one with --at")
    return touch(last).picture
