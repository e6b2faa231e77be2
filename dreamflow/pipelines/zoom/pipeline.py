"""An endless zoom: a camera moves into a dream that is dreamed on as it comes nearer.

The dream has a clock of its own, which ticks so many times a second of the journey, whatever the
frame rate is. At a tick the camera's view of the last state becomes the next state, is led back to
the look that it is to have, and is dreamed on. A frame is what the camera sees between two ticks,
of both states, one fading into the other: so the same journey at another frame rate shows the same
pictures at the same times.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from dreamflow.core.errors import SettingsError
from dreamflow.core.frames import Frame
from dreamflow.core.keyed_random import jitter_offset
from dreamflow.core.schedules.timecode import Moment, Timeline
from dreamflow.core.tensors import array_to_tensor, tensor_to_array
from dreamflow.dream.gradient_shaping import GradientShaping
from dreamflow.dream.objective import Objective
from dreamflow.dream.octaves import OctavePlan, dream_octaves, octave_step_factor, plan_octaves
from dreamflow.dream.options import DreamOptions
from dreamflow.media.read.clip import to_exact_rate
from dreamflow.networks.network import Network
from dreamflow.pipelines.channel_choice import apply_channel_picks, make_channel_picks
from dreamflow.pipelines.noise import noise_about, with_noise
from dreamflow.pipelines.pipeline import PipelineState
from dreamflow.pipelines.reference_frames import open_reference_frames
from dreamflow.pipelines.settings.options import ZoomOptions
from dreamflow.pipelines.zoom.appearance import AppearanceStats, match_appearance
from dreamflow.pipelines.zoom.camera import SimilarityTransform, make_camera_transform, warp_view
from dreamflow.pipelines.zoom.loop_closure import LoopClosure

ZOOM_MARGIN_SHARE = 0.05
"""What is dreamed around the frame on each side, as a share of its longer side, so that what comes
into view has been dreamed on for a while."""
MIN_MARGIN_PX = 8
MIN_ZOOM_SIDE_PX = 8
MAX_STEP_LEVELS = 2.5
"""Levels of 255: where more is to be dreamed at a tick, it takes several steps."""
APPEARANCE_RAMP_S = 1.0
"""Seconds in which a picture takes on the look of its dream."""
LAYER_FADE_SHARE = 0.5
"""How much of a layer's time passes in fading from one to the next."""
SUBPIXEL_STEPS = 1 << 20
GRID_JITTER_KEY = -1
"""Keeps the shifts of the pixel grid apart from those of the dream."""


def make_zoom_timeline(zoom: ZoomOptions) -> Timeline:
    """Return the rate and the length of a zoom: whole frames, one at least."""
    rate = to_exact_rate(zoom.fps)
    return Timeline(rate, max(1, round(Fraction(str(zoom.seconds)) * rate)) / rate)


def parse_zoom_layers(zoom: ZoomOptions) -> list[str]:
    """Return the layers of a zoom in their order, none where --layer holds what is dreamed.

    Raises SettingsError for a list with a gap.
    """
    if zoom.layers is None:
        return []
    names = [name.strip() for name in zoom.layers.split(",")]
    if not all(names):
        raise SettingsError(f"--layers {zoom.layers!r}: write A,B,C; `dreamflow layers` lists them")
    return names


def schedule_zoom_layers(zoom: ZoomOptions, dream: DreamOptions) -> DreamOptions:
    """Return the settings of the dream with the zoom's layers on a schedule, where it has any.

    Each has the same share of the time, half of which passes in cross-fades. A loop begins in the
    middle of the first layer, and comes back to it.
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
    """Dreams a zoom, tick by tick; all its state is one picture and two numbers. A Journey."""

    def __init__(
        self,
        picture: np.ndarray,
        network: Network,
        dream: DreamOptions | None = None,
        zoom: ZoomOptions | None = None,
    ) -> None:
        """Begin with a picture: uint8 (H, W, 3) RGB, of the size of the frames.

        Raises SettingsError for a layer that the network does not have or that the picture is too
        small for, and for a schedule that cannot be.
        """
        self.network = network
        self.zoom = zoom or ZoomOptions()
        dream = schedule_zoom_layers(self.zoom, dream or DreamOptions())
        self.options = apply_channel_picks(dream, make_channel_picks(dream, network, picture))
        self.timeline = make_zoom_timeline(self.zoom)
        self.height, self.width = picture.shape[:2]
        for group in (self.options, self.zoom):
            group.check_schedules(self.timeline)
        if min(self.height, self.width) < MIN_ZOOM_SIDE_PX:
            raise SettingsError(
                f"a zoom of {self.width}x{self.height} is too small: give at least "
                f"{MIN_ZOOM_SIDE_PX} pixels a side"
            )
        network.check_size(self.options.layers.layers, self.height, self.width)
        self._reference_frames = open_reference_frames(network, self.options, self.timeline)
        length = self.timeline.length
        self.done, self.total = 0, int(length * self.timeline.rate)
        self.ticks = max(1, round(length * self.zoom.ticks))
        self.tick_s = length / self.ticks
        self.margin_px = max(MIN_MARGIN_PX, round(ZOOM_MARGIN_SHARE * max(self.height, self.width)))
        self._initialise(picture)

    def _initialise(self, picture: np.ndarray) -> None:
        pixels = picture.astype(np.float32) / 255
        if self.options.noise:
            noise = noise_about(self.width, self.height, self.options.seed)
            pixels = with_noise(picture, noise, self.options.noise)
        around = SimilarityTransform(1, -complex(self.margin_px, self.margin_px))
        wide, high = self.width + 2 * self.margin_px, self.height + 2 * self.margin_px
        start = warp_view(pixels, around, wide, high)
        now = self.options.at(self._moment_at(0))
        home = self._dream_state(start, 0, plan_octaves(now))
        self._appearance_range = (
            AppearanceStats.of(start, self.margin_px),
            AppearanceStats.of(home, self.margin_px),
        )
        self._loop_closure: LoopClosure | None = None
        if self.zoom.loop:
            moves = [self._camera_transform(tick) for tick in range(self.ticks)]
            self._loop_closure = LoopClosure(home, self._frame_origin(0), moves, float(self.tick_s))
        self.restore({"done": 0, "tick": 0, "dream": home if self.zoom.loop else start})

    def state(self) -> PipelineState:
        """Return what is needed to go on after the frame yielded last."""
        return {"done": self.done, "tick": self._tick, "dream": self._state_before}

    def restore(self, state: PipelineState) -> None:
        """Go on from a state of the same journey: its frames from there are the same."""
        self.done, self._tick = state["done"], state["tick"]
        self._state_before: np.ndarray = state["dream"]
        self._state_after: np.ndarray | None = None

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames still to come."""
        while self.done < self.total:
            frame = self._render_frame(self.done)
            self.done += 1
            yield frame

    def _render_frame(self, number: int) -> Frame:
        """Return a frame, none from before the one that was made last."""
        time = number / self.timeline.rate
        tick = min(int(time / self.tick_s), self.ticks - 1)
        while self._tick < tick:
            self._state_before, self._state_after = self._next_state(), None
            self._tick += 1
        share = float(time / self.tick_s - tick)
        so_far = self._camera_transform(tick, share)
        view = self._warp_frame(self._state_before, so_far, tick)
        if share > 0:
            self._state_after = self._next_state()
            rest = self._camera_transform(tick).inverse().then(so_far)
            view += np.float32(share) * (self._warp_frame(self._state_after, rest, tick + 1) - view)
        return Frame(number, time, np.rint(view.clip(0, 1) * 255).astype(np.uint8))

    def _next_state(self) -> np.ndarray:
        """Return the state of the next tick, float32 (H, W, 3) in [0, 1], with its margin."""
        if self._state_after is not None:
            return self._state_after
        tick = self._tick + 1
        corner = self._frame_origin(tick)
        move = self._camera_transform(self._tick).with_origins(
            self._frame_origin(self._tick), corner
        )
        height, width = self._state_before.shape[:2]
        # What comes into view goes on from the other side, as the dream itself does: its steps
        # are taken on a picture rolled about.
        state = warp_view(self._state_before, move, width, height, wrap=True)
        options, zoom = self.options.at(self._moment_at(tick)), self.zoom.at(self._moment_at(tick))
        if options.iterations:
            begun, goal = self._appearance_range
            age = 1.0 if zoom.loop else min(1.0, float(tick * self.tick_s) / APPEARANCE_RAMP_S)
            firmness = 1 - (1 - zoom.steadiness) ** float(self.tick_s)
            state = match_appearance(
                state, begun.interpolate(goal, age), firmness, self.margin_px
            ).clip(0, 1)
            levels = zoom.growth * float(self.tick_s)
            state = self._dream_state(state, tick, make_growth_plan(options, levels))
        return (
            self._loop_closure.blend_toward_first(state, tick, corner)
            if self._loop_closure
            else state.clip(0, 1)
        )

    def _dream_state(self, state: np.ndarray, tick: int, plan: Sequence[OctavePlan]) -> np.ndarray:
        """Return a state dreamed on, with the layers of a tick."""
        moment = self._moment_at(tick)
        options = self.options.at(moment)
        exemplar = self._reference_frames.at(moment.time) if self._reference_frames else None
        blend = self.options.layers.at(moment)
        objective = Objective(self.network, blend, exemplar, options.guidance)
        image = array_to_tensor(state, self.network.device)
        key, shaping = (options.seed, tick), GradientShaping.from_options(options)
        return tensor_to_array(
            dream_octaves(image, objective, plan, options.jitter, key, shaping=shaping)
        )

    def _moment_at(self, tick: float) -> Moment:
        return self.timeline.moment_at(Fraction(tick) * self.tick_s)

    def _camera_transform(self, tick: int, share: float = 1.0) -> SimilarityTransform:
        """Return how the camera moves in a share of the time from a tick to the next."""
        now = self.zoom.at(self._moment_at(tick + 0.5))
        return make_camera_transform(
            share * float(self.tick_s),
            now.speed,
            now.rotation,
            complex(now.centre_x * (self.width - 1), now.centre_y * (self.height - 1)) / 100,
            complex(now.drift_x, now.drift_y) * self.width / 100,
        )

    def _frame_origin(self, tick: int) -> complex:
        """Return where the frame's first pixel lies in the state of a tick.

        The pixel grids of the ticks are shifted against each other by random parts of a pixel:
        else each place would be resampled at the same phase for ever, and rings of sharp and soft
        detail would show. The first and the last have none: so a loop closes to the pixel.
        """
        whole = complex(self.margin_px, self.margin_px)
        if tick in (0, self.ticks):
            return whole
        across, down = jitter_offset(SUBPIXEL_STEPS, self.options.seed, GRID_JITTER_KEY, tick)
        return whole + complex(across, down) / (2 * SUBPIXEL_STEPS)

    def _warp_frame(self, state: np.ndarray, move: SimilarityTransform, tick: int) -> np.ndarray:
        return warp_view(
            state, move.with_origins(self._frame_origin(tick), 0), self.width, self.height
        )


def make_growth_plan(options: DreamOptions, levels: float) -> list[OctavePlan]:
    """Return what is dreamed at a tick: so many levels of 255 in every octave, coarse to fine."""
    steps = math.ceil(levels / MAX_STEP_LEVELS)
    return [
        OctavePlan(octave, options.octave_scale, steps, levels / steps * share)
        for octave in reversed(range(options.octaves))
        if steps and (share := octave_step_factor(options, octave))
    ]


def dream_zoom(
    picture: np.ndarray,
    network: Network,
    dream: DreamOptions | None = None,
    zoom: ZoomOptions | None = None,
) -> Iterator[Frame]:
    """Yield the frames of a zoom into a picture, as they are finished.

    picture: uint8 (H, W, 3) RGB, of the size of the frames; `coloured_noise` makes one out of
    nothing. `zoom.reverse` is left to whoever shows them: they come in the order in which they are
    dreamed. Raises SettingsError, see ZoomJourney.
    """
    return iter(ZoomPipeline(picture, network, dream, zoom))
