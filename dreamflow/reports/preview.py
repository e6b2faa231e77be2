"""A preview: one frame dreamed as in the video, or on several layers side by side."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from dreamflow.core.callbacks import DoneCallback, MessageCallback
from dreamflow.core.errors import IneffectiveSettingWarning, MediaError, named
from dreamflow.core.frames import Frame
from dreamflow.core.schedules.timecode import Moment
from dreamflow.dream.octaves import look_scale_of, plan_octaves
from dreamflow.dream.options import DreamOptions
from dreamflow.dream.progress import StepCounter
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.mattes.matte import Matte
from dreamflow.media.read.mattes.matte_crop import CropBox
from dreamflow.media.read.mattes.matte_files import MatteTarget
from dreamflow.media.read.sequences.picture_files import list_source_files
from dreamflow.media.resize import resize_picture
from dreamflow.media.stills.read import is_still, read_alpha, read_picture_size
from dreamflow.networks.network import Network
from dreamflow.pipelines.channel_choice import (
    apply_channel_picks,
    describe_channel_picks,
    has_channel_picks,
    make_channel_picks,
)
from dreamflow.pipelines.compositor import Compositor, crop_frame, get_matte_box, make_matte_lookup
from dreamflow.pipelines.dreamer_controls import DreamerControls, open_dreamer_controls
from dreamflow.pipelines.inputs import MATTE_INPUT, SOURCE_INPUT, InputFiles, list_reference_files
from dreamflow.pipelines.settings.options import ShowOptions
from dreamflow.pipelines.video.dream_video import dream_video
from dreamflow.reports.contact_sheet import draw_contact_sheet
from dreamflow.temporal.control.effort_controller import settled_share
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.control.plans import plan_refinement
from dreamflow.temporal.options import CarryOptions

MIN_SETTLED_SHARE = 0.9
"""Share of a still's strength from which on a film is as strong to the eye."""
RUN_IN_FRAMES = 30
"""Frames of a run-in in which a dream settles."""
PreviewFrames = tuple[Frame, ...] | Clip
"""The frames up to the one that is shown: a picture as a single frame, or a part of a clip."""


@dataclass(frozen=True)
class DreamedPreview:
    """What is dreamed of a preview, before it is composited.

    Attributes:
        frames: The frame, with its source; of a contact sheet one for each layer.
        sheet_layers: The layers of a contact sheet; () of a single frame.
    """

    frames: tuple[Frame, ...]
    sheet_layers: tuple[str, ...] = ()


def get_matte_frames(frames: PreviewFrames, source: Path, layer: str | None = None) -> MatteTarget:
    """Return the frames that a matte is for: those of a clip, or a picture's from its file."""
    if isinstance(frames, Clip):
        return MatteTarget.from_clip(frames)
    height, width = frames[0].picture.shape[:2]
    return MatteTarget(width, height, read_picture_size(source, layer))


def collect_preview_inputs(source: Path, dream: DreamOptions, matte: Matte | None) -> InputFiles:
    """Return the files that a preview depends on, by the name of the input."""
    inputs = {SOURCE_INPUT: list_source_files(source), **list_reference_files(dream)}
    return inputs | ({MATTE_INPUT: matte.files} if matte else {})


def render_preview(
    frames: PreviewFrames,
    network: Network,
    dream: DreamOptions,
    carry: CarryOptions,
    progress: DoneCallback = lambda done: None,
    show: ShowOptions | None = None,
    matte: Matte | None = None,
    notify: MessageCallback = lambda line: None,
    *,
    gains_path: Path | None = None,
    trace_path: Path | None = None,
) -> Frame:
    """Dream frames, and return the dream of the last one as it is shown.

    Several layers without weights give a labelled contact sheet, one picture each. Warns of a
    schedule on a picture, of which the beginning is used.

    Args:
        frames: The frame to show, after those that lead up to it.
        network: Network to dream with.
        dream: Settings of the dream.
        carry: Settings of the temporal step.
        progress: Called with the steps done, out of those that `estimate_preview_steps` expects.
        show: How much of the dream is shown.
        matte: Where it is shown.
        notify: Called with a line on the channels that were picked, the same as for the whole clip.
        gains_path: A TOML file with constants of the temporal step; None is the defaults.
        trace_path: A JSONL file for each frame's trace.

    Returns:
        The dreamed frame, with its original where the last of the frames has one; or, of several
        layers, a frame whose picture is the sheet.

    Raises:
        MediaError: The last frame cannot be decoded.
        SettingsError: A setting does not fit the network or the frames.
    """
    show = show or ShowOptions()
    dream, carry, show = at_beginning_of_picture(frames, dream, carry, show)
    compositor = open_preview_compositor(frames, carry, show, matte)
    dreamed = dream_preview(
        *(frames, network, dream, carry, progress, notify),
        box=get_matte_box(matte, carry),
        gains_path=gains_path,
        trace_path=trace_path,
    )
    return compose_preview(dreamed, compositor)


def at_beginning_of_picture(
    frames: PreviewFrames, dream: DreamOptions, carry: CarryOptions, show: ShowOptions
) -> tuple[DreamOptions, CarryOptions, ShowOptions]:
    """Return settings as they are for frames: those of a picture at their schedules' beginning."""
    if isinstance(frames, Clip) or not (dream.schedules or carry.schedules or show.schedules):
        return dream, carry, show
    warnings.warn(
        "a picture has no time: the beginning of the schedule is used",
        IneffectiveSettingWarning,
        3,
    )
    return dream.at(Moment()), carry.at(Moment()), show.at(Moment())


def open_preview_compositor(
    frames: PreviewFrames, carry: CarryOptions, show: ShowOptions, matte: Matte | None
) -> Compositor:
    """Return what composites the dreams of frames. Raises SettingsError as `Compositor` does."""
    timeline = frames.timeline if isinstance(frames, Clip) else None
    return Compositor(show, timeline, make_matte_lookup(matte), get_matte_box(matte, carry))


def dream_preview(
    frames: PreviewFrames,
    network: Network,
    dream: DreamOptions,
    carry: CarryOptions,
    progress: DoneCallback = lambda done: None,
    notify: MessageCallback = lambda line: None,
    *,
    box: CropBox | None = None,
    gains_path: Path | None = None,
    trace_path: Path | None = None,
) -> DreamedPreview:
    """Dream frames as `render_preview` does, without showing them; its arguments are the same.

    Args:
        frames: The frames; schedules do not go with those of a picture.
        network: Network to dream with.
        dream: Settings of the dream.
        carry: Settings of the temporal step.
        progress: Called with the steps done.
        notify: Called with a line on the channels that were picked.
        box: Part of the frames to dream; None is all of them.
        gains_path: A TOML file with constants of the temporal step.
        trace_path: A JSONL file for each frame's trace.

    Raises:
        MediaError: The last frame cannot be decoded.
        SettingsError: A setting does not fit the network or the frames.
    """
    if has_channel_picks(dream):
        first = frames.first_picture() if isinstance(frames, Clip) else frames[0].picture
        picks = make_channel_picks(dream, network, first)
        for line in describe_channel_picks(network, picks):
            notify(line)
        dream = apply_channel_picks(dream, picks)
    steps = StepCounter(estimate_preview_steps(frames, dream, carry), progress)
    is_sheet = wants_contact_sheet(dream)
    dreams = [replace(dream, layer=(layer,)) for layer in dream.layer] if is_sheet else [dream]
    # Only the run-in is dreamed, not the whole clip that a loop goes through.
    carry = replace(carry, loop=False)
    with open_dreamer_controls(gains_path, trace_path, on_step=steps.step) as controls:
        dreamed = [
            dream_last_frame(frames, network, one, carry, steps, box, controls) for one in dreams
        ]
    return DreamedPreview(tuple(dreamed), dream.layer if is_sheet else ())


def compose_preview(dreamed: DreamedPreview, compositor: Compositor) -> Frame:
    """Return what was dreamed as it is shown: a frame, or a contact sheet of several layers."""
    composed = [compositor(last) for last in dreamed.frames]
    if not dreamed.sheet_layers:
        return composed[0]
    sheet = draw_contact_sheet([frame.picture for frame in composed], dreamed.sheet_layers)
    return Frame(composed[0].index, composed[0].time, sheet)


def describe_film_difference(
    frames: PreviewFrames, dream: DreamOptions, carry: CarryOptions
) -> str | None:
    """Return in a line why a film will not go on as a still of it looks; None where it will.

    Args:
        frames: The frames of the preview.
        dream: Settings of the dream.
        carry: Settings of the temporal step.

    Returns:
        None for a picture, for a preview with a run-in, and where frames are dreamed one by one.
    """
    if not isinstance(frames, Clip) or len(frames) > 1 or not carry.carry:
        return None
    moment = frames.timeline.moment_at(Fraction(0))
    dream, carry = dream.at(moment), carry.at(moment)
    reasons: list[str] = []
    if settled_share(carry, Gains()) < MIN_SETTLED_SHARE:
        reasons.append(f"{named('firmness')} {carry.firmness:g} does not hold its strength")
    if dream.iteration_zoom != 0:
        reasons.append(f"{named('iteration_zoom')} moves it on in each frame")
    if not reasons:
        return None
    return (
        f"in the film the dream will change from this still on: {' and '.join(reasons)}; "
        f"{named('run_in')} {RUN_IN_FRAMES} shows it"
    )


def estimate_preview_steps(
    frames: PreviewFrames, dream: DreamOptions, carry: CarryOptions
) -> list[int]:
    """Return about how many steps each frame of a preview takes, layer after layer of a sheet."""
    moment = frames.timeline.moment_at(Fraction(0)) if isinstance(frames, Clip) else Moment()
    size = (frames.height, frames.width) if isinstance(frames, Clip) else frames[-1].whole_size
    first, later = estimate_frame_steps(dream, carry, moment, look_scale_of(dream, *size))
    layers = len(dream.layer) if wants_contact_sheet(dream) else 1
    return [first, *[later] * (len(frames) - 1)] * layers


def estimate_frame_steps(
    dream: DreamOptions, carry: CarryOptions, moment: Moment, look_scale: float = 1.0
) -> tuple[int, int]:
    """Return about how many steps the first frame takes, and each later one."""
    dream, carry = dream.at(moment), carry.at(moment)
    first = later = plan_octaves(dream, look_scale)
    if carry.carry:
        later = plan_refinement(dream, carry, carry.carry_iterations, look_scale)
    return sum(octave.iterations for octave in first), sum(octave.iterations for octave in later)


def add_source_alpha(dreamed: np.ndarray, source: Path, layer: str | None = None) -> np.ndarray:
    """Return a dream with the transparency of its source picture: uint8 (H, W, 4) RGBA.

    A dream of a clip, or of a picture without transparency, is returned as it is.
    """
    alpha = read_alpha(source, layer) if is_still(source) else None
    if alpha is None:
        return dreamed
    return np.dstack([dreamed, resize_picture(alpha, dreamed.shape[1], dreamed.shape[0])])


def wants_contact_sheet(dream: DreamOptions) -> bool:
    """Return whether a preview is a contact sheet: of several layers, none with a weight."""
    return len(dream.layer) > 1 and not any("=" in layer for layer in dream.layer)


def dream_last_frame(
    frames: PreviewFrames,
    network: Network,
    dream: DreamOptions,
    carry: CarryOptions,
    steps: StepCounter,
    box: CropBox | None = None,
    controls: DreamerControls | None = None,
) -> Frame:
    """Return the dream of the last of some frames.

    Args:
        frames: The frames.
        network: Network to dream with.
        dream: Settings of the dream.
        carry: Settings of the temporal step.
        steps: Counts the steps, a part for each frame.
        controls: Gains, trace and callbacks of the dreamer.
        box: Part of the frames to dream; None is all of them.
        controls: Gains and callbacks.

    Raises:
        MediaError: The last frame cannot be decoded.
    """
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
        raise MediaError(
            f"the frame wanted cannot be decoded: choose an earlier one with {named('at')}",
            setting="at",
        )
    return last
