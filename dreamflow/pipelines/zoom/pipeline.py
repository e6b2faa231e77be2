"""An endless zoom: a camera moves into a dream that is dreamed on as it comes nearer.

The dream has a clock of its own, which ticks a fixed number of times a second, whatever the frame
rate is. At a tick the camera's view of the last state becomes the next state, is pulled towards its
target appearance, and is dreamed on. A frame is what the camera sees between two ticks, of both
states, one fading into the other: so the same zoom shows the same pictures at the same times at any
frame rate.

States are tensors on the network's device, float32 (1, 3, H, W); only a frame that is yielded comes
to the host.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dreamflow.core.errors import SettingsError, named
from dreamflow.core.frames import Frame
from dreamflow.core.schedules.signals import Signals
from dreamflow.core.schedules.timecode import Timeline
from dreamflow.core.tensors import (
    array_to_tensor,
    picture_to_tensor,
    tensor_to_array,
    tensor_to_picture,
)
from dreamflow.dream.gradient_shaping import GradientShaping
from dreamflow.dream.objective import Objective
from dreamflow.dream.octaves import OctavePlan, dream_octaves, octave_step_factor, plan_octaves
from dreamflow.dream.options import DreamOptions
from dreamflow.media.picture_input import PictureInput, as_picture
from dreamflow.media.read.frame_rate import to_exact_rate
from dreamflow.media.sound.options import SoundOptions
from dreamflow.networks.network import Network
from dreamflow.pipelines.channel_choice import apply_channel_picks, make_channel_picks
from dreamflow.pipelines.pipeline import PipelineState
from dreamflow.pipelines.reference_frames import open_reference_frames
from dreamflow.pipelines.settings.keywords import KeywordSettings
from dreamflow.pipelines.settings.options import ZoomOptions
from dreamflow.pipelines.zoom.appearance import AppearanceStats, match_appearance
from dreamflow.pipelines.zoom.camera import SimilarityTransform, warp_view
from dreamflow.pipelines.zoom.camera_path import CameraPath
from dreamflow.pipelines.zoom.hearing import DEFAULT_ZOOM_S, fit_zoom_to_audio, hear_zoom
from dreamflow.pipelines.zoom.loop_closure import LoopClosure
from dreamflow.temporal.noise_base import noise_base_of

MIN_FRAME_SIDE_PX = 8
"""Smallest side of a zoom's frames."""
MAX_STEP_LEVELS = 2.5
"""Largest step of a tick, in levels of 255: steps = ceil(growth * tick_s / MAX_STEP_LEVELS)."""
APPEARANCE_RAMP_S = 1.0
"""Seconds in which the target appearance goes from that of the picture to that of its dream."""
LAYER_FADE_SHARE = 0.5
"""Share of a layer's time that is a cross-fade to or from its neighbours."""


def make_zoom_timeline(zoom: ZoomOptions, signals: Signals | None = None) -> Timeline:
    """Return the rate and the length of a zoom: a whole number of frames, at least one.

    Args:
        zoom: Settings of the zoom.
        signals: What its schedules hear, if anything.
    """
    rate, seconds = to_exact_rate(zoom.fps), zoom.seconds or DEFAULT_ZOOM_S
    frames = max(1, round(Fraction(str(seconds)) * rate))
    return Timeline(rate, frames / rate, signals=signals)


def parse_zoom_layers(zoom: ZoomOptions) -> list[str]:
    """Return the layers of a zoom in their order; empty where `DreamOptions.layer` holds them.

    Raises:
        SettingsError: A name in the list is empty.
    """
    if zoom.layers is None:
        return []
    names = [name.strip() for name in zoom.layers.split(",")]
    if not all(names):
        raise SettingsError(
            f"{named('layers')} {zoom.layers!r}: write A,B,C; `dreamflow layers` lists them",
            setting="layers",
            value=zoom.layers,
            allowed="A,B,C",
        )
    return names


def schedule_zoom_layers(zoom: ZoomOptions, dream: DreamOptions) -> DreamOptions:
    """Return the settings of the dream with the zoom's layers as a schedule, if it has any.

    Each layer has the same share of the time, half of which is cross-fades. A loop begins in the
    middle of the first layer and returns to it.

    Raises:
        SettingsError: See `parse_zoom_layers`.
    """
    names = parse_zoom_layers(zoom)
    if not names:
        return dream
    share = 100 / len(names)
    changes = [share * number for number in range(1, len(names))]
    if zoom.loop:
        changes = [share * (number + 0.5) for number in range(len(names))]
        names.append(names[0])
    keyframes = [f"0%: {names[0]}"]
    for change, before, after in zip(changes, names[:-1], names[1:], strict=True):
        times = (change - share * LAYER_FADE_SHARE / 2, change + share * LAYER_FADE_SHARE / 2)
        keyframes += [f"{times[0]:.6f}%: {before}", f"{times[1]:.6f}%: {after}"]
    return replace(dream, layer=(", ".join(keyframes),))


class ZoomPipeline:
    """A pipeline that dreams a zoom, tick by tick; its state is one image and two numbers."""

    def __init__(
        self,
        picture: np.ndarray,
        network: Network,
        dream: DreamOptions | None = None,
        zoom: ZoomOptions | None = None,
        signals: Signals | None = None,
    ) -> None:
        """Begin with a picture.

        Args:
            picture: uint8 (H, W, 3) RGB, of the size of the frames.
            network: Network to dream with; the zoom is computed on its device.
            dream: Settings of the dream.
            zoom: Settings of the zoom.
            signals: What schedules hear, if anything.

        Raises:
            SettingsError: The network does not have a layer, the picture is too small for one, or
                a schedule is invalid.
        """
        self.network, self.zoom = network, zoom or ZoomOptions()
        dream = schedule_zoom_layers(self.zoom, dream or DreamOptions())
        self.options = apply_channel_picks(dream, make_channel_picks(dream, network, picture))
        self.timeline = make_zoom_timeline(self.zoom, signals)
        height, width = picture.shape[:2]
        self._check(height, width)
        self._reference_frames = open_reference_frames(network, self.options, self.timeline)
        self.done, self.total = 0, int(self.timeline.length * self.timeline.rate)
        self.path = CameraPath(self.zoom, self.timeline, width, height, self.options.seed)
        image = picture_to_tensor(picture, network.device)
        self._initialise(noise_base_of(image, self.options))

    def _check(self, height: int, width: int) -> None:
        """Raise SettingsError where schedules, layers and the size of a frame do not fit."""
        for group in (self.options, self.zoom):
            group.check_schedules(self.timeline)
        if min(height, width) < MIN_FRAME_SIDE_PX:
            raise SettingsError(
                f"a zoom of {width}x{height} is too small: give at least {MIN_FRAME_SIDE_PX} "
                "pixels a side",
                setting="size",
                value=f"{width}x{height}",
                allowed=f"at least {MIN_FRAME_SIDE_PX} pixels a side",
            )
        self.network.check_size(self.options.layers.layers, height, width)

    def _initialise(self, image: Tensor) -> None:
        path = self.path
        enlarged = SimilarityTransform(1, -complex(path.margin_px, path.margin_px))
        width, height = path.width + 2 * path.margin_px, path.height + 2 * path.margin_px
        start = warp_view(image, enlarged, width, height)
        first_dream = self._dream_state(start, 0, plan_octaves(self.options.at(path.moment_at(0))))
        self._appearance_range = (
            AppearanceStats.measure(start, path.margin_px),
            AppearanceStats.measure(first_dream, path.margin_px),
        )
        self._loop_closure: LoopClosure | None = None
        if self.zoom.loop:
            transforms = [path.transform(tick) for tick in range(path.ticks)]
            tick_s = float(path.tick_s)
            self._loop_closure = LoopClosure(first_dream, path.origin(0), transforms, tick_s)
        self._set_state(first_dream if self.zoom.loop else start, tick=0)

    def _set_state(self, image: Tensor, tick: int) -> None:
        self._tick, self._state_before = tick, image
        self._state_after: Tensor | None = None
        self._saved_state: np.ndarray | None = None

    def state(self) -> PipelineState:
        """Return what is needed to continue after the frame yielded last."""
        if self._saved_state is None:
            self._saved_state = tensor_to_array(self._state_before)
        return {"done": self.done, "tick": self._tick, "dream": self._saved_state}

    def restore(self, state: PipelineState) -> None:
        """Continue from a state of the same zoom: the frames after it are the same."""
        self.done = state["done"]
        self._set_state(array_to_tensor(state["dream"], self.network.device), state["tick"])

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames still to come."""
        while self.done < self.total:
            time = self.done / self.timeline.rate
            frame = Frame(self.done, time, tensor_to_picture(self.view_at(time)))
            self.done += 1
            yield frame

    def view_at(self, time: Fraction) -> Tensor:
        """Return what the camera sees at a time, none before that of the last call.

        Args:
            time: Seconds from the first frame.

        Returns:
            float32 (1, 3, H, W) on the network's device; values may leave [0, 1] by a little.
        """
        path = self.path
        tick = min(int(time / path.tick_s), path.ticks - 1)
        while self._tick < tick:
            self._set_state(self._next_state(), self._tick + 1)
        share = float(time / path.tick_s - tick)
        moved = path.transform(tick, share)
        view = self._view_of(self._state_before, moved, tick)
        if share > 0:
            self._state_after = self._next_state()
            remaining = path.transform(tick).inverse().then(moved)
            view = view + share * (self._view_of(self._state_after, remaining, tick + 1) - view)
        return view

    def _view_of(self, state: Tensor, transform: SimilarityTransform, tick: int) -> Tensor:
        """Return what the camera sees of the state of a tick."""
        path = self.path
        from_state = transform.with_origins(path.origin(tick), 0)
        return warp_view(state, from_state, path.width, path.height)

    def _next_state(self) -> Tensor:
        """Return the state of the next tick: float32 (1, 3, H, W) in [0, 1], with its margin."""
        if self._state_after is not None:
            return self._state_after
        path, tick = self.path, self._tick + 1
        height, width = self._state_before.shape[2:]
        # What comes into view is taken from the opposite side, as the dream itself does it: its
        # steps are taken on an image that is rolled about.
        transform = path.state_transform(self._tick)
        state = warp_view(self._state_before, transform, width, height, "wrap")
        moment, tick_s = path.moment_at(tick), float(path.tick_s)
        options, zoom = self.options.at(moment), self.zoom.at(moment)
        if options.iterations:
            start, dreamed = self._appearance_range
            ramp = 1.0 if zoom.loop else min(1.0, tick * tick_s / APPEARANCE_RAMP_S)
            target = start.interpolate(dreamed, ramp)
            firmness = 1 - (1 - zoom.steadiness) ** tick_s
            state = match_appearance(state, target, firmness, path.margin_px).clamp(0, 1)
            plan = make_growth_plan(options, zoom.growth * tick_s)
            state = self._dream_state(state, tick, plan)
        if self._loop_closure:
            return self._loop_closure.blend_toward_first(state, tick, path.origin(tick))
        return state.clamp(0, 1)

    def _dream_state(self, state: Tensor, tick: int, plan: Sequence[OctavePlan]) -> Tensor:
        """Return a state dreamed on, with the settings of a tick."""
        moment = self.path.moment_at(tick)
        options = self.options.at(moment)
        reference = self._reference_frames.at(moment.time) if self._reference_frames else None
        objective = Objective(
            self.network, self.options.layers.at(moment), reference, options.guidance
        )
        key = (options.seed, tick)
        shaping = GradientShaping.from_options(options, objective.stride)
        dreamed = dream_octaves(state, objective, plan, options.jitter, key, shaping=shaping)
        # In the order of pixels in memory that OpenCV works on.
        return dreamed.contiguous(memory_format=torch.channels_last)


def make_growth_plan(options: DreamOptions, levels: float) -> list[OctavePlan]:
    """Return the plan of a tick, coarse to fine, in steps of at most 2.5 levels.

    Args:
        options: Settings of the dream.
        levels: How far each octave is dreamed on, in levels of 255.
    """
    steps = math.ceil(levels / MAX_STEP_LEVELS)
    return [
        OctavePlan(octave, options.octave_scale, steps, levels / steps * share)
        for octave in reversed(range(options.octaves))
        if steps and (share := octave_step_factor(options, octave))
    ]


def dream_zoom(
    picture: PictureInput,
    network: Network,
    dream: DreamOptions | None = None,
    zoom: ZoomOptions | None = None,
    *,
    preset: str | None = None,
    **settings: Any,
) -> Iterator[Frame]:
    """Yield the frames of a zoom into a picture, as they are finished.

    Args:
        picture: uint8 (H, W, 3) RGB, an image of Pillow's or a path, of the size of the frames;
            `coloured_noise` makes one out of nothing.
        network: Network to dream with.
        dream: Settings of the dream.
        zoom: Settings of the zoom. `reverse` has no effect here: frames come in the order in which
            they are dreamed.
        preset: Name of a preset, or path of a .toml file: its settings override those of `dream`
            and `zoom`.
        **settings: Single settings by name, such as `speed=1.5`; they override the preset.

    Raises:
        SettingsError: A setting is unknown, or see `ZoomPipeline`.
    """
    given = KeywordSettings.read(
        "dream_zoom", preset, settings, ZoomOptions, DreamOptions, SoundOptions
    )
    dream, zoom = given.over(dream or DreamOptions()), given.over(zoom or ZoomOptions())
    sound = given.over(SoundOptions())
    zoom = fit_zoom_to_audio(zoom, sound)
    hearing = hear_zoom(schedule_zoom_layers(zoom, dream), zoom, sound)
    signals = hearing and hearing.signals
    return iter(ZoomPipeline(as_picture(picture), network, dream, zoom, signals))
