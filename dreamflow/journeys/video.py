"""A clip, dreamed frame by frame, the dream carried along the motion of the scene."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
from torch import Tensor

from dreamflow.clock import Moment, Timeline
from dreamflow.dream import Objective, OctavePlan, dream, first_plan
from dreamflow.errors import SettingsError
from dreamflow.frames import Frame
from dreamflow.journeys.edge import from_array, to_array, to_image, to_picture
from dreamflow.media.clip import Clip
from dreamflow.motion import (
    Carried,
    Mark,
    estimate_motion,
    find_shots,
    held,
    marked_at,
    regions,
    strength,
    to_gray,
)
from dreamflow.networks import Network
from dreamflow.options import CarryOptions, DreamOptions
from dreamflow.schedule import LayerSchedule

LOOSEST = 0.15
"""By how much the decay falls at stability 0."""
LOST_TRUST = 0.15
"""Where less of a frame than this can be traced back, it is dreamed like the first of a shot."""
SETTLING = 0.5
"""How much of the way to settled an area goes in a frame: four frames for nine tenths."""
YOUNG = 0.2
"""Areas less settled than 1 less this get the extra iterations."""
UNCOVER_STEP = 3.0
"""Size of those, in steps: a few large ones are as strong as a new dream, and over at once."""
RETARGET_S = Fraction(1, 2)
"""Where what is dreamed is on a schedule, a new dream is made this often, in seconds, to see how
strong one is now; it costs a few carried frames."""
RETARGETING = 0.2
"""How much of the way the strength held goes to that of a new dream in a frame."""


def carried_plan(options: DreamOptions, carry: CarryOptions) -> list[OctavePlan]:
    """Return the plan of a carried frame: few iterations, most of them at full size.

    Small steps, mostly at full size, hold a dream far better than few large ones. The stability
    scales them, from twice their size at 0 to nothing at 1.
    """
    step = carry.carry_step * 2 * (1 - carry.stability)
    return [
        OctavePlan(octave, options.octave_scale, carry.carry_iterations >> octave, step)
        for octave in reversed(range(options.octaves))
        if step > 0 and carry.carry_iterations >> octave
    ]


def carried_share(carry: CarryOptions) -> float:
    """Return the decay at a stability: as given at 0.5, 1 at 1, and some less at 0."""
    if carry.stability >= 0.5:
        return carry.decay + (1 - carry.decay) * (2 * carry.stability - 1)
    return max(0.0, carry.decay - LOOSEST * (1 - 2 * carry.stability))


class VideoDreamer:
    """Dreams the frames of a clip one after the other; holds what is carried between them."""

    def __init__(
        self,
        network: Network,
        options: DreamOptions,
        carry: CarryOptions,
        timeline: Timeline | None = None,
    ) -> None:
        """Make ready. timeline: what schedules count on; without one there can be none.

        Raises SettingsError for a layer that the network does not have, or a schedule that cannot
        be over this timeline.
        """
        self.given = (options, carry)
        self.timeline = timeline
        if timeline is not None:
            options.check_over(timeline)
            carry.check_over(timeline)
        elif options.schedules or carry.schedules:
            raise SettingsError(
                "a schedule needs the rate and length of the clip: give dream_video its timeline"
            )
        layers = options.schedules.get("layer")
        self.layers = layers.layers if isinstance(layers, LayerSchedule) else {}
        for name in self.layers:
            network.layer(name)
        self.network = network
        self.device = network.device
        self._set(Moment() if timeline is None else timeline.at(Fraction(0)))
        self.trusted = 0.0
        """Share of the last frame that was carried over, from 0 (a new shot) to 1."""
        self._gray: np.ndarray | None = None
        self._carried: Carried | None = None
        self._wanted: tuple[float, ...] = ()
        self._goal: tuple[float, ...] = ()
        self._goal_of: tuple[DreamOptions, Fraction] | None = None

    def _set(self, moment: Moment) -> None:
        """Take the settings of a moment."""
        options, carry = self.given
        self.options, self.carry = options.at(moment), carry.at(moment)
        self.objective = Objective.of(self.network, self.options.layer)

    def reset(self) -> None:
        """Forget what is carried: the next frame begins a new shot."""
        self._gray = self._carried = None

    def __call__(self, frame: Frame, mark: Mark = Mark.SAME) -> Frame:
        """Return the dream of the next frame: the same index and time, another picture.

        mark: a cut lets go of what is carried. Over a flash it is held as it was, and the frame
        after the flash goes on from the one before.
        """
        if self.timeline is not None:
            self._set(self.timeline.at(frame.time))
        self.network.check_size(self.layers, *frame.picture.shape[:2])
        if self.options.iterations == 0:
            self.reset()
            return frame
        if mark is Mark.CUT:
            self.reset()
        source = to_image(frame.picture, self.device)
        gray = to_gray(frame.picture) if self.carry.carry else None
        key = (self.options.seed, frame.index)
        flash = mark is Mark.FLASH and self._carried is not None
        coming = self._carried if flash else self._coming(gray)
        if coming is None:
            self.trusted = 0.0
            plan = first_plan(self.options)
            dreamed = dream(source, self.objective, plan, self.options.jitter, key)
            settled = np.ones(frame.picture.shape[:2], np.float32)
        else:
            self._retarget(source, frame.time, key)
            dreamed = self._refine(source, coming, key)
            settled = coming.settled + SETTLING * (1 - coming.settled)
        if self.carry.carry and not flash:
            residual = to_array(dreamed - source)
            self._gray, self._carried = gray, Carried(residual, settled)
            if coming is None:
                self._wanted = self._goal = strength(residual)
                self._goal_of = (self.options, frame.time)
        return replace(frame, picture=to_picture(dreamed))

    def _coming(self, gray: np.ndarray | None) -> Carried | None:
        """Return what this frame, uint8 (H, W), begins with, or None where a new shot begins."""
        if gray is None or self._gray is None or self._carried is None:
            return None
        if self._gray.shape != gray.shape:
            return None
        motion = estimate_motion(self._gray, gray)
        self.trusted = float(motion.trust.mean())
        if self.trusted < LOST_TRUST:
            return None
        moved = self._carried.along(motion, carried_share(self.carry))
        lower = bool(self.given[0].schedules)
        residual = held(moved.residual, self._wanted, self.carry.firmness, lower)
        return replace(moved, residual=residual)

    def _retarget(self, source: Tensor, time: Fraction, key: tuple[int, int]) -> None:
        """Let the strength that is held follow a schedule: to that of a new dream, as it is now."""
        if not self.given[0].schedules or self._goal_of is None or self.carry.firmness == 0:
            return
        measured, when = self._goal_of
        if self.options != measured and time - when >= RETARGET_S:
            anew = dream(source, self.objective, first_plan(self.options), self.options.jitter, key)
            self._goal = strength(to_array(anew - source))
            self._goal_of = (self.options, time)
        pairs = zip(self._wanted, self._goal, strict=True)
        self._wanted = tuple(old + RETARGETING * (new - old) for old, new in pairs)

    def _refine(self, source: Tensor, coming: Carried, key: tuple[int, int]) -> Tensor:
        image = (source + from_array(coming.residual, self.device)).clamp_(0, 1)
        image = self._catch_up(image, 1 - coming.settled, key)
        plan = carried_plan(self.options, self.carry)
        return dream(image, self.objective, plan, self.options.jitter, key)

    def _catch_up(self, image: Tensor, young: np.ndarray, key: tuple[int, int]) -> Tensor:
        """Dream harder where the scene came into view, on just the parts that hold such areas."""
        iterations = self.carry.uncover_iterations
        if iterations == 0:
            return image
        plan = [
            OctavePlan(octave, self.options.octave_scale, steps, UNCOVER_STEP * self.options.step)
            for octave, steps in ((1, iterations // 2), (0, iterations))
            if octave < self.options.octaves
        ]
        image = image.clone()
        for number, (rows, columns) in enumerate(regions(young > YOUNG, self.objective.smallest)):
            part = image[:, :, rows, columns]
            weight = from_array(young[rows, columns], self.device)
            # The region's number, from 1, keeps its shifts apart from those of the refinement.
            part_key = (*key, 1 + number)
            image[:, :, rows, columns] = dream(
                part, self.objective, plan, self.options.jitter, part_key, weight
            )
        return image


def dream_video(
    frames: Iterable[Frame],
    network: Network,
    layer: str | Sequence[str] | None = None,
    options: DreamOptions | None = None,
    carry: CarryOptions | None = None,
    cuts: Sequence[Fraction] | None = None,
    timeline: Timeline | None = None,
) -> Iterator[Frame]:
    """Yield the dream of each frame of a clip, as it is finished.

    frames: of one size, in order; a Clip is one. layer: a layer's name, or several as
    `NAME=WEIGHT`; None takes those of `options`. cuts: the times at which new shots begin; None
    finds them, unless `carry.cuts` is "none". timeline: what schedules count on; None takes that
    of a Clip. A few frames are held in memory. Raises SettingsError for an unknown layer, frames
    too small for it, or a schedule that cannot be.
    """
    options, carry = options or DreamOptions(), carry or CarryOptions()
    if layer is not None:
        options = replace(options, layer=(layer,) if isinstance(layer, str) else tuple(layer))
    if timeline is None and isinstance(frames, Clip):
        timeline = frames.timeline
    dreamer = VideoDreamer(network, options, carry, timeline)
    for frame, mark in marked_frames(frames, carry, cuts):
        yield dreamer(frame, mark)


def marked_frames(
    frames: Iterable[Frame], carry: CarryOptions, cuts: Sequence[Fraction] | None
) -> Iterator[tuple[Frame, Mark]]:
    """Return a clip's frames, each with its mark, as the options want new shots to be found."""
    if cuts is None and carry.carry and carry.cuts != "none":
        return find_shots(frames)
    return marked_at(frames, cuts or ())
