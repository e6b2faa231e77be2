"""The settings of one frame's temporal step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from dreamflow.dream.gradient_shaping import GradientShaping
from dreamflow.dream.objective.objective import Objective
from dreamflow.dream.octaves import OctavePlan, dream_octaves, plan_octaves, resize_image
from dreamflow.dream.options import DreamOptions
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.options import CarryOptions

Key = tuple[int, int]
"""(seed, frame index): what all randomness of a frame depends on."""
REGROWTH_KEY, FILL_KEY, MOVERS_KEY, FRESH_MOVERS_KEY, LARGE_FORMS_KEY = 0, 1, 2, 3, 4
"""Appended to a frame's key, so that each of its dreams has random shifts of its own. The fresh
dream of a frame, and the refinement of a carried one, take the key as it is."""


@dataclass(frozen=True)
class StepSettings:
    """The settings of one frame's step, all plain values.

    Attributes:
        dream: Settings of the dream at the moment.
        carry: Settings of the temporal step at the moment.
        objective: What is maximised at the moment: of all keyframes that are blended.
        objectives: What is maximised at each keyframe of the layers that is blended.
        weights: Share of each keyframe, their squares adding up to 1.
        seconds: Time since the frame before.
        look_scale: How many times larger the whole frame is than the size of its look; see
            `look_scale_of`.
        renew: Whether a fresh dream is made, to see how strong one is now.
        renew_movers: Whether one is made of what moves by itself alone, on crops.
        settings_change: Whether the strength of a fresh dream changes over time.
        min_effort: Smallest effort; None is that of the gains.
        on_step: Called after each step of the gradient ascent, for progress.
    """

    dream: DreamOptions
    carry: CarryOptions
    objective: Objective
    objectives: Mapping[int, Objective]
    weights: Mapping[int, float]
    seconds: float
    look_scale: float = 1.0
    renew: bool = False
    renew_movers: bool = False
    settings_change: bool = False
    min_effort: float | None = None
    on_step: Callable[[], None] | None = None

    @property
    def shaping(self) -> GradientShaping:
        """How gradients and the dream are shaped."""
        return GradientShaping.from_options(self.dream, self.objective.stride)

    def dream_fresh(
        self, keyframe: int, frame: Tensor, key: tuple[int, ...], *, of_crops: bool = False
    ) -> Tensor:
        """Return the dream of a frame by itself, on the layers of a keyframe: (1, 3, H, W).

        of_crops: Whether it is a montage of crops; the dream's own zoom, which is about the middle
            of the frame, is left out then.
        """
        objective = self.objectives[keyframe]
        options = replace(self.dream, iteration_zoom=0.0) if of_crops else self.dream
        return dream_fresh(frame, objective, options, key, self.look_scale, self.on_step)

    def dream_carried(
        self,
        image: Tensor,
        frame: Tensor,
        plan: Sequence[OctavePlan],
        weight: Tensor,
        key: tuple[int, ...],
        jitter: int | None = None,
    ) -> Tensor:
        """Return an image dreamed on, (1, 3, H, W), without the dream's own zoom.

        `refine` applies the zoom, once a frame and about the middle of the whole frame.

        Args:
            image: (1, 3, H, W), what is carried: a frame, or a montage of crops.
            frame: What it is dreamed on, alike.
            plan: The octaves, coarse to fine.
            weight: (1, 1, H, W), factor on the steps at each pixel.
            key: Key of the randomness.
            jitter: Largest random shift before each step, in pixels; None is that of the settings.
        """
        return dream_octaves(
            image,
            self.objective,
            plan,
            self.dream.jitter if jitter is None else jitter,
            key,
            weight,
            replace(self.shaping, iteration_zoom=1.0),
            frame,
            on_step=self.on_step,
        )

    def measure_gain(
        self, objective: Objective, dream: Tensor, frame: Tensor
    ) -> tuple[Tensor | None, Tensor]:
        """Return how much of an objective a dream gains over its frame, at the look's size.

        See `Objective.measure_gain`.

        Args:
            objective: What is measured.
            dream: (1, 3, H, W), RGB in [0, 1].
            frame: The frame that it is the dream of, alike.
        """
        height, width = dream.shape[2:]
        size = OctavePlan(0, 1.0, 0, 0.0, self.look_scale).size(height, width)
        before, after = resize_image(frame, size), resize_image(dream, size)
        return objective.measure_gain(after, before)

    @property
    def min_crop_side_px(self) -> int:
        """The smallest side in pixels of a crop that reaches all layers at the look's size."""
        return math.ceil(self.objective.min_side_px * max(1.0, self.look_scale))

    def smallest_effort(self, gains: Gains) -> float:
        """Return the smallest effort."""
        return gains.min_effort if self.min_effort is None else self.min_effort


def dream_fresh(
    frame: Tensor,
    objective: Objective,
    options: DreamOptions,
    key: tuple[int, ...],
    look_scale: float = 1.0,
    on_step: Callable[[], None] | None = None,
) -> Tensor:
    """Return the dream of a frame by itself, float32 (1, 3, H, W), RGB in [0, 1]."""
    plan = plan_octaves(options, look_scale)
    shaping = GradientShaping.from_options(options, objective.stride)
    return dream_octaves(
        frame, objective, plan, options.jitter, key, shaping=shaping, on_step=on_step
    )
