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

from dreamflow.blend import parse_layers
from dreamflow.clock import Moment, Timeline
from dreamflow.dream import Objective, OctavePlan, Shaping, dream, emphasis, first_plan
from dreamflow.dream.chance import jitter_offset
from dreamflow.errors import SettingsError
from dreamflow.frames import Frame
from dreamflow.journeys.edge import from_array, to_array
from dreamflow.journeys.exemplars import open_exemplars
from dreamflow.journeys.homecoming import Homecoming
from dreamflow.journeys.journey import State
from dreamflow.journeys.noise import noise_about, with_noise
from dreamflow.journeys.picked import pick, settled
from dreamflow.media.clip import exact_rate
from dreamflow.motion.camera import Move, moved, seen
from dreamflow.motion.look import Look, kept
from dreamflow.networks import Network
from dreamflow.options import DreamOptions, ZoomOptions
from dreamflow.schedule import layer_schedule

MARGIN = 0.05
"""What is dreamed around the frame on each side, as a share of its longer side, so that what comes
into view has been dreamed on for a while."""
LEAST_MARGIN_PX = 8
LEAST_SIDE_PX = 8
LARGEST_STEP = 2.5
"""Levels of 255: where more is to be dreamed at a tick, it takes several steps."""
GROWING_S = 1.0
"""Seconds in which a picture takes on the look of its dream."""
FADE = 0.5
"""How much of a layer's time passes in fading from one to the next."""
SUBPIXELS = 1 << 20
GRID_KEY = -1
"""Keeps the shifts of the pixel grid apart from those of the dream."""


def zoom_timeline(zoom: ZoomOptions) -> Timeline:
    """Return the rate and the length of a zoom: whole frames, one at least."""
    rate = exact_rate(zoom.fps)
    return Timeline(rate, max(1, round(Fraction(str(zoom.seconds)) * rate)) / rate)


def zoom_layers(zoom: ZoomOptions) -> list[str]:
    """Return the layers of a zoom in their order, none where --layer holds what is dreamed.

    Raises SettingsError for a list with a gap.
    """
    if zoom.layers is None:
        return []
    names = [name.strip() for name in zoom.layers.split(",")]
    if not all(names):
        raise SettingsError(f"--layers {zoom.layers!r}: write A,B,C; `dreamflow layers` lists them")
    return names


def layers_over(zoom: ZoomOptions, dream: DreamOptions) -> DreamOptions:
    """Return the settings of the dream with the zoom's layers on a schedule, where it has any.

    Each has the same share of the time, half of which passes in cross-fades. A loop begins in the
    middle of the first layer, and comes back to it.
    """
    names = zoom_layers(zoom)
    if not names:
        return dream
    share = 100 / len(names)
    changes = [share * number for number in range(1, len(names))]
    if zoom.loop:
        changes = [share * (number + 0.5) for number in range(len(names))]
        names.append(names[0])
    keyframes = [f"0%: {names[0]}"]
    for change, before, after in zip(changes, names[:-1], names[1:], strict=True):
        times = (change - share * FADE / 2, change + share * FADE / 2)
        keyframes += [f"{times[0]:.6f}%: {before}", f"{times[1]:.6f}%: {after}"]
    return replace(dream, layer=(", ".join(keyframes),))


class ZoomJourney:
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
        dream = layers_over(self.zoom, dream or DreamOptions())
        self.options = settled(dream, pick(dream, network, picture))
        self.timeline = zoom_timeline(self.zoom)
        self.height, self.width = picture.shape[:2]
        for group in (self.options, self.zoom):
            group.check_over(self.timeline)
        if min(self.height, self.width) < LEAST_SIDE_PX:
            raise SettingsError(
                f"a zoom of {self.width}x{self.height} is too small: give at least "
                f"{LEAST_SIDE_PX} pixels a side"
            )
        schedule = layer_schedule(self.options.layer)
        names = schedule.layers if schedule else parse_layers(self.options.layer)
        network.check_size(names, self.height, self.width)
        self._exemplars = open_exemplars(network, self.options, self.timeline)
        length = self.timeline.length
        self.done, self.total = 0, int(length * self.timeline.rate)
        self.ticks = max(1, round(length * self.zoom.ticks))
        self.interval = length / self.ticks
        self.margin = max(LEAST_MARGIN_PX, round(MARGIN * max(self.height, self.width)))
        self._begin(picture)

    def _begin(self, picture: np.ndarray) -> None:
        pixels = picture.astype(np.float32) / 255
        if self.options.noise:
            noise = noise_about(self.width, self.height, self.options.seed)
            pixels = with_noise(picture, noise, self.options.noise)
        around = Move(1, -complex(self.margin, self.margin))
        wide, high = self.width + 2 * self.margin, self.height + 2 * self.margin
        start = seen(pixels, around, wide, high)
        now = self.options.at(self._moment(0))
        home = self._dreamed(start, 0, first_plan(now))
        self._looks = Look.of(start, self.margin), Look.of(home, self.margin)
        self._home: Homecoming | None = None
        if self.zoom.loop:
            moves = [self._move(tick) for tick in range(self.ticks)]
            self._home = Homecoming(home, self._corner(0), moves, float(self.interval))
        self.restore({"done": 0, "tick": 0, "dream": home if self.zoom.loop else start})

    def state(self) -> State:
        """Return what is needed to go on after the frame yielded last."""
        return {"done": self.done, "tick": self._tick, "dream": self._before}

    def restore(self, state: State) -> None:
        """Go on from a state of the same journey: its frames from there are the same."""
        self.done, self._tick = state["done"], state["tick"]
        self._before: np.ndarray = state["dream"]
        self._after: np.ndarray | None = None

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames still to come."""
        while self.done < self.total:
            frame = self._frame(self.done)
            self.done += 1
            yield frame

    def _frame(self, number: int) -> Frame:
        """Return a frame, none from before the one that was made last."""
        time = number / self.timeline.rate
        tick = min(int(time / self.interval), self.ticks - 1)
        while self._tick < tick:
            self._before, self._after = self._next(), None
            self._tick += 1
        share = float(time / self.interval - tick)
        so_far = self._move(tick, share)
        view = self._view(self._before, so_far, tick)
        if share > 0:
            self._after = self._next()
            rest = self._move(tick).back().then(so_far)
            view += np.float32(share) * (self._view(self._after, rest, tick + 1) - view)
        return Frame(number, time, np.rint(view.clip(0, 1) * 255).astype(np.uint8))

    def _next(self) -> np.ndarray:
        """Return the state of the next tick, float32 (H, W, 3) in [0, 1], with its margin."""
        if self._after is not None:
            return self._after
        tick = self._tick + 1
        corner = self._corner(tick)
        move = self._move(self._tick).between(self._corner(self._tick), corner)
        height, width = self._before.shape[:2]
        # What comes into view goes on from the other side, as the dream itself does: its steps
        # are taken on a picture rolled about.
        state = seen(self._before, move, width, height, round_about=True)
        options, zoom = self.options.at(self._moment(tick)), self.zoom.at(self._moment(tick))
        if options.iterations:
            begun, goal = self._looks
            age = 1.0 if zoom.loop else min(1.0, float(tick * self.interval) / GROWING_S)
            firmness = 1 - (1 - zoom.steadiness) ** float(self.interval)
            state = kept(state, begun.towards(goal, age), firmness, self.margin).clip(0, 1)
            levels = zoom.growth * float(self.interval)
            state = self._dreamed(state, tick, growth_plan(options, levels))
        return self._home.met(state, tick, corner) if self._home else state.clip(0, 1)

    def _dreamed(self, state: np.ndarray, tick: int, plan: Sequence[OctavePlan]) -> np.ndarray:
        """Return a state dreamed on, with the layers of a tick."""
        moment = self._moment(tick)
        options = self.options.at(moment)
        exemplar = self._exemplars.at(moment.time) if self._exemplars else None
        objective = Objective.of(self.network, options.layer, exemplar, options.guidance)
        image = from_array(state, self.network.device)
        key, shaping = (options.seed, tick), Shaping.of(options)
        return to_array(dream(image, objective, plan, options.jitter, key, shaping=shaping))

    def _moment(self, tick: float) -> Moment:
        return self.timeline.at(Fraction(tick) * self.interval)

    def _move(self, tick: int, share: float = 1.0) -> Move:
        """Return how the camera moves in a share of the time from a tick to the next."""
        now = self.zoom.at(self._moment(tick + 0.5))
        return moved(
            share * float(self.interval),
            now.speed,
            now.rotation,
            complex(now.centre_x * (self.width - 1), now.centre_y * (self.height - 1)) / 100,
            complex(now.drift_x, now.drift_y) * self.width / 100,
        )

    def _corner(self, tick: int) -> complex:
        """Return where the frame's first pixel lies in the state of a tick.

        The pixel grids of the ticks are shifted against each other by random parts of a pixel:
        else each place would be resampled at the same phase for ever, and rings of sharp and soft
        detail would show. The first and the last have none: so a loop closes to the pixel.
        """
        whole = complex(self.margin, self.margin)
        if tick in (0, self.ticks):
            return whole
        across, down = jitter_offset(SUBPIXELS, self.options.seed, GRID_KEY, tick)
        return whole + complex(across, down) / (2 * SUBPIXELS)

    def _view(self, state: np.ndarray, move: Move, tick: int) -> np.ndarray:
        return seen(state, move.between(self._corner(tick), 0), self.width, self.height)


def growth_plan(options: DreamOptions, levels: float) -> list[OctavePlan]:
    """Return what is dreamed at a tick: so many levels of 255 in every octave, coarse to fine."""
    steps = math.ceil(levels / LARGEST_STEP)
    return [
        OctavePlan(octave, options.octave_scale, steps, levels / steps * share)
        for octave in reversed(range(options.octaves))
        if steps and (share := emphasis(options, octave))
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
    return iter(ZoomJourney(picture, network, dream, zoom))
