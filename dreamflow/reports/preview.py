"""One frame, dreamed as the video would be, or on several layers side by side."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from dreamflow.core.callbacks import DoneCallback, MessageCallback
from dreamflow.core.errors import DreamFlowWarning, MediaError
from dreamflow.core.frames import Frame
from dreamflow.core.schedules.timecode import Moment
from dreamflow.dream.octaves import plan_octaves
from dreamflow.dream.options import DreamOptions
from dreamflow.dream.progress import StepCounter
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.matte import CropBox, Matte
from dreamflow.media.read.matte_files import MatteTarget
from dreamflow.media.read.picture_folder import list_source_files
from dreamflow.media.resize import resize_picture
from dreamflow.media.stills import is_still, read_alpha, read_picture
from dreamflow.networks.network import Network
from dreamflow.pipelines.channel_choice import (
    apply_channel_picks,
    describe_channel_picks,
    has_channel_picks,
    make_channel_picks,
)
from dreamflow.pipelines.compositor import Compositor, crop_frame, get_matte_box, make_matte_lookup
from dreamflow.pipelines.dreamer import DreamerControls, open_dreamer_controls
from dreamflow.pipelines.inputs import (
    MATTE_INPUT,
    SOURCE_INPUT,
    InputFiles,
    list_reference_files,
)
from dreamflow.pipelines.settings.options import ShowOptions
from dreamflow.pipelines.video import dream_video
from dreamflow.reports.contact_sheet import draw_contact_sheet
from dreamflow.temporal.options import CarryOptions
from dreamflow.temporal.plans import plan_refinement


def get_matte_frames(frames: tuple[Frame, ...] | Clip, source: Path) -> MatteTarget:
    """Return what a matte goes with: the frames of a clip, or a picture from a file."""
    if isinstance(frames, Clip):
        return MatteTarget.from_clip(frames)
    height, width = frames[0].picture.shape[:2]
    whole = read_picture(source, warn_of_alpha=False).shape
    return MatteTarget(width, height, (whole[1], whole[0]))


def collect_preview_inputs(source: Path, dream: DreamOptions, matte: Matte | None) -> InputFiles:
    """Return the files that a preview depends on."""
    inputs = {SOURCE_INPUT: list_source_files(source), **list_reference_files(dream)}
    return inputs | ({MATTE_INPUT: matte.files} if matte else {})


def render_preview(
    frames: tuple[Frame, ...] | Clip,
    network: Network,
    dream: DreamOptions,
    carry: CarryOptions,
    progress: DoneCallback = lambda done: None,
    show: ShowOptions | None = None,
    matte: Matte | None = None,
    say: MessageCallback = lambda line: None,
    *,
    gains_path: Path | None = None,
    trace_path: Path | None = None,
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
    if has_channel_picks(dream):
        first = frames.first_picture() if isinstance(frames, Clip) else frames[0].picture
        picked = make_channel_picks(dream, network, first)
        for line in describe_channel_picks(network, picked):
            say(line)
        dream = apply_channel_picks(dream, picked)
    box = get_matte_box(matte, carry)
    touch = Compositor(show, None if still else frames.timeline, make_matte_lookup(matte), box)
    steps = StepCounter(estimate_preview_steps(frames, dream, carry), progress)
    is_sheet = wants_contact_sheet(dream)
    dreams = [replace(dream, layer=(layer,)) for layer in dream.layer] if is_sheet else [dream]
    # Only the run-in is dreamed, not the whole clip that a loop goes through.
    carry = replace(carry, loop=False)
    with open_dreamer_controls(gains_path, trace_path, on_step=steps.step) as controls:
        pictures = [
            dream_last_frame(frames, network, one, carry, steps, touch, box, controls)
            for one in dreams
        ]
    return draw_contact_sheet(pictures, dream.layer) if is_sheet else pictures[0]


def estimate_preview_steps(
    frames: tuple[Frame, ...] | Clip, dream: DreamOptions, carry: CarryOptions
) -> list[int]:
    """Return about how many steps each frame of a preview takes, layer after layer of a sheet."""
    moment = frames.timeline.moment_at(Fraction(0)) if isinstance(frames, Clip) else Moment()
    first, later = estimate_frame_steps(dream, carry, moment)
    layers = len(dream.layer) if wants_contact_sheet(dream) else 1
    return [first, *[later] * (len(frames) - 1)] * layers


def estimate_frame_steps(
    dream: DreamOptions, carry: CarryOptions, moment: Moment
) -> tuple[int, int]:
    """Return about how many steps the first frame takes, and each that comes after it."""
    now, carried = dream.at(moment), carry.at(moment)
    first, later = (
        plan_octaves(now),
        plan_refinement(now, carried, carried.carry_iterations)
        if carry.carry
        else plan_octaves(now),
    )
    of_first, of_later = (sum(octave.iterations for octave in plan) for plan in (first, later))
    return of_first, of_later


def add_source_alpha(dreamed: np.ndarray, source: Path) -> np.ndarray:
    """Return a dream with the transparency of the picture that it is of: uint8 (H, W, 4) RGBA.

    Where the source is a film, or has none, the dream is returned as it is.
    """
    alpha = read_alpha(source) if is_still(source) else None
    if alpha is None:
        return dreamed
    return np.dstack([dreamed, resize_picture(alpha, dreamed.shape[1], dreamed.shape[0])])


def wants_contact_sheet(dream: DreamOptions) -> bool:
    """Return whether a contact sheet is drawn: for several layers, none with a weight."""
    return len(dream.layer) > 1 and not any("=" in layer for layer in dream.layer)


def dream_last_frame(
    frames: Iterable[Frame],
    network: Network,
    dream: DreamOptions,
    carry: CarryOptions,
    steps: StepCounter,
    compositor: Compositor,
    box: CropBox | None,
    controls: DreamerControls,
) -> np.ndarray:
    """Return the dream of the last frame. Raises MediaError where it does not decode."""
    last: Frame | None = None
    done = 0
    timeline = frames.timeline if isinstance(frames, Clip) else None
    parts = frames if box is None else (crop_frame(frame, box) for frame in frames)
    for dreamed in dream_video(
        parts, network, None, dream, carry, timeline=timeline, controls=controls
    ):
        done, last = done + 1, dreamed
        steps.finish_parts(steps.parts_done + 1)
    if last is None or (isinstance(frames, Clip) and done < len(frames)):
        raise MediaError("the frame wanted does not decode; choose an earlier one with --at")
    return compositor(last).picture
