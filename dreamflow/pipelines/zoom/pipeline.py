"""An endless zoom: a camera moves into a dream that is dreamed on as it comes nearer.

The dream has a clock of its own, which ticks a fixed number of times a second, whatever the frame
rate is. At a tick the camera's view of the last state becomes the next state, is pulled towards its
target appearance, and is dreamed on. A frame is what the camera sees between two ticks, of both
states, one fading into the other: so the same zoom shows the same pictures at the same times at any
frame rate.

A loop is dreamed in two parts. First comes a lead-in, which is not shown: the last seconds of the
loop, from the picture on. It ends on the loop's first state. When the loop comes to those seconds,
the lead-in is dreamed once more beside it, and the loop dissolves into it.

States are tensors on the network's device, float32 (1, 3, H, W); only a frame that is yielded comes
to the host.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from torch import Tensor

from dreamflow.core.errors import SettingsError, named
from dreamflow.core.files.documents import DocumentError
from dreamflow.core.frames import Frame
from dreamflow.core.schedules.signals import Signals
from dreamflow.core.schedules.timecode import Timeline
from dreamflow.core.tensors import picture_to_tensor, tensor_to_picture
from dreamflow.dream.options import DreamOptions
from dreamflow.dream.progress import StepCallback
from dreamflow.media.picture_input import PictureInput, as_picture
from dreamflow.media.read.frame_rate import to_exact_rate
from dreamflow.media.sound.options import SoundOptions
from dreamflow.networks.loading import as_network
from dreamflow.networks.network import Network
from dreamflow.pipelines.channel_choice import apply_channel_picks, make_channel_picks
from dreamflow.pipelines.pipeline import PipelineState
from dreamflow.pipelines.settings.keywords import KeywordSettings
from dreamflow.pipelines.settings.options import ZoomOptions
from dreamflow.pipelines.video.reference_frames import open_reference_frames
from dreamflow.pipelines.zoom.camera import SimilarityTransform, warp_view
from dreamflow.pipelines.zoom.camera_path import CameraPath
from dreamflow.pipelines.zoom.hearing import DEFAULT_ZOOM_S, fit_zoom_to_audio, hear_zoom
from dreamflow.pipelines.zoom.loop_closure import LoopClosure
from dreamflow.pipelines.zoom.state import ZoomState
from dreamflow.pipelines.zoom.state_dreamer import StateDreamer
from dreamflow.temporal.noise_base import noise_base_of

MIN_FRAME_SIDE_PX = 8
"""Smallest side of a zoom's frames."""
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


def count_zoom_frames(
    zoom: ZoomOptions, timeline: Timeline, height: int, width: int, seed: int
) -> int:
    """Return how many pictures a zoom dreams: its frames, and the ticks of a loop's lead-in.

    Args:
        zoom: Settings of the zoom.
        timeline: Its timeline, with what its schedules hear.
        height: Height of a frame in pixels.
        width: Width of a frame in pixels.
        seed: Seed of the dream.
    """
    path = CameraPath(zoom, timeline, width, height, seed)
    return int(timeline.length * timeline.rate) + path.lead_in_ticks


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
    """A pipeline that dreams a zoom, tick by tick; its state is one or two images, and numbers."""

    def __init__(
        self,
        picture: np.ndarray,
        network: Network,
        dream: DreamOptions | None = None,
        zoom: ZoomOptions | None = None,
        signals: Signals | None = None,
        on_step: StepCallback | None = None,
    ) -> None:
        """Begin with a picture.

        Args:
            picture: uint8 (H, W, 3) RGB, of the size of the frames.
            network: Network to dream with; the zoom is computed on its device.
            dream: Settings of the dream.
            zoom: Settings of the zoom.
            signals: What schedules hear, if anything.
            on_step: Called after each step of gradient ascent.

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
        reference_frames = open_reference_frames(network, self.options, self.timeline)
        self.path = CameraPath(self.zoom, self.timeline, width, height, self.options.seed)
        image = noise_base_of(picture_to_tensor(picture, network.device), self.options)
        self._dreamer = StateDreamer(
            image, network, self.options, self.zoom, self.path, reference_frames, on_step
        )
        self._loop_closure = LoopClosure(self.path) if self.zoom.loop else None
        first = self._dreamer.first_dream if self._loop_closure else self._dreamer.first_view
        self.done = 0
        self.total = self.path.lead_in_ticks + int(self.timeline.length * self.timeline.rate)
        self._set_state(ZoomState(-self.path.lead_in_ticks, first))

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

    def _set_state(self, state: ZoomState) -> None:
        self._state_before, self._state_after = state, None
        self._saved_state: PipelineState | None = None

    def state(self) -> PipelineState:
        """Return what is needed to continue after the frame yielded last."""
        if self._saved_state is None:
            self._saved_state = self._state_before.save(is_loop=self.zoom.loop)
        return {"done": self.done, **self._saved_state}

    def restore(self, state: PipelineState) -> None:
        """Continue from a state of the same zoom: the frames after it are the same."""
        restored = ZoomState.load(state, self.network.device)
        images = [image for image in (restored.image, restored.lead_in) if image is not None]
        if any(image.shape != self._dreamer.first_view.shape for image in images):
            raise DocumentError("its images are not of the zoom's size")
        if not -self.path.lead_in_ticks <= restored.tick <= self.path.ticks:
            raise DocumentError("its tick is none of the zoom's")
        self.done = state["done"]
        self._set_state(restored)

    def __iter__(self) -> Iterator[Frame | None]:
        """Yield None for each tick of a loop's lead-in, then the frames still to come."""
        lead_in_ticks = self.path.lead_in_ticks
        while self.done < lead_in_ticks:
            self._set_state(self._next_state())
            self.done += 1
            yield None
        while self.done < self.total:
            number = self.done - lead_in_ticks
            time = number / self.timeline.rate
            frame = Frame(number, time, tensor_to_picture(self.view_at(time)))
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
        while self._state_before.tick < tick:
            self._set_state(self._next_state())
        share = float(time / path.tick_s - tick)
        moved = path.transform(tick, share)
        view = self._view_of(self._state_before, moved)
        if share > 0:
            self._state_after = self._next_state()
            remaining = path.transform(tick).inverse().then(moved)
            view = view + share * (self._view_of(self._state_after, remaining) - view)
        return view

    def _view_of(self, state: ZoomState, transform: SimilarityTransform) -> Tensor:
        """Return what the camera sees of a state."""
        path = self.path
        from_state = transform.with_origins(path.origin(state.tick), 0)
        return warp_view(state.image, from_state, path.width, path.height)

    def _next_state(self) -> ZoomState:
        """Return the state of the next tick."""
        if self._state_after is not None:
            return self._state_after
        before, dreamer, closure = self._state_before, self._dreamer, self._loop_closure
        tick = before.tick + 1
        if closure is None or tick not in closure.ticks:
            # The ticks of a lead-in are the last ones of its loop.
            tick_of_loop = tick if tick > 0 else tick + self.path.ticks
            return ZoomState(tick, dreamer.advance(before.image, tick_of_loop))
        begun = dreamer.first_dream if before.lead_in is None else before.lead_in
        lead_in = dreamer.advance(begun, tick)
        if tick == closure.ticks[-1]:
            return ZoomState(tick, lead_in)
        image = dreamer.advance(before.image, tick)
        return ZoomState(tick, closure.dissolve(image, lead_in, tick), lead_in)


def dream_zoom(
    picture: PictureInput,
    network: Network | str | None = None,
    dream: DreamOptions | None = None,
    zoom: ZoomOptions | None = None,
    *,
    on_step: StepCallback | None = None,
    preset: str | None = None,
    **settings: Any,
) -> Iterator[Frame]:
    """Yield the frames of a zoom into a picture, as they are finished.

    Args:
        picture: uint8 (H, W, 3) RGB, an image of Pillow's or a path, of the size of the frames.
        network: Network to dream with; a name loads one, None the default.
        dream: Settings of the dream.
        zoom: Settings of the zoom. `reverse` has no effect here: frames come in the order in which
            they are dreamed.
        on_step: Called after each step of gradient ascent; what it raises ends the dream.
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
    network = as_network(network or dream.network)
    sound = given.over(SoundOptions())
    zoom = fit_zoom_to_audio(zoom, sound)
    hearing = hear_zoom(schedule_zoom_layers(zoom, dream), zoom, sound)
    signals = hearing and hearing.signals
    pipeline = ZoomPipeline(as_picture(picture), network, dream, zoom, signals, on_step)
    return (frame for frame in pipeline if frame is not None)
