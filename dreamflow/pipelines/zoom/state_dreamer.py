"""The dream of a zoom's states: how one becomes the next."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from dreamflow.dream.gradient_shaping import GradientShaping
from dreamflow.dream.objective.objective import Objective
from dreamflow.dream.octaves import (
    OctavePlan,
    dream_octaves,
    look_scale_of,
    octave_step_factor,
    plan_full_size,
    plan_octaves,
)
from dreamflow.dream.options import DreamOptions
from dreamflow.dream.progress import StepCallback
from dreamflow.networks.network import Network
from dreamflow.pipelines.settings.options import ZoomOptions
from dreamflow.pipelines.video.reference_frames import ReferenceFrames
from dreamflow.pipelines.zoom.appearance import AppearanceStats, match_appearance
from dreamflow.pipelines.zoom.camera import warp_view
from dreamflow.pipelines.zoom.camera_path import CameraPath

MAX_STEP_LEVELS = 2.5
"""Largest step of a tick, in levels of 255: steps = ceil(growth * tick_s / MAX_STEP_LEVELS)."""
APPEARANCE_RAMP_S = 1.0
"""Seconds in which the target appearance goes from that of the picture to that of its dream."""


class StateDreamer:
    """Dreams the states of a zoom: the first ones, and each from the one before.

    Attributes:
        first_view: float32 (1, 3, H, W) in [0, 1], the picture as the zoom's first state shows it,
            with its margin; in a loop, as its lead-in begins.
        first_dream: The same, dreamed.
    """

    def __init__(
        self,
        picture: Tensor,
        network: Network,
        options: DreamOptions,
        zoom: ZoomOptions,
        path: CameraPath,
        reference_frames: ReferenceFrames | None = None,
        on_step: StepCallback | None = None,
    ) -> None:
        """Dream the first state.

        Args:
            picture: float32 (1, 3, h, w) in [0, 1], of the size of a frame.
            network: Network to dream with, on the picture's device.
            options: Settings of the dream.
            zoom: Settings of the zoom.
            path: Path of its camera.
            reference_frames: What steers the dream.
            on_step: Called after each step of gradient ascent.
        """
        self._network, self._options, self._zoom, self._path = network, options, zoom, path
        self._reference_frames, self._on_step = reference_frames, on_step
        self._look_scale = look_scale_of(options, path.height, path.width)
        tick, margin_px = path.first_tick, path.margin_px
        width, height = path.width + 2 * margin_px, path.height + 2 * margin_px
        self.first_view = warp_view(picture, path.first_view_transform(), width, height)
        plan = plan_octaves(options.at(path.moment_at(tick)), self._look_scale)
        self.first_dream = self._dream(self.first_view, tick, plan)
        self._appearance_range = (
            AppearanceStats.measure(self.first_view, margin_px),
            AppearanceStats.measure(self.first_dream, margin_px),
        )

    def advance(self, state: Tensor, tick: int) -> Tensor:
        """Return the state of a tick.

        Args:
            state: float32 (1, 3, H, W) in [0, 1], the state of the tick before, with its margin.
            tick: Number of the tick, from 1.

        Returns:
            float32 (1, 3, H, W) in [0, 1].
        """
        path = self._path
        height, width = state.shape[2:]
        # What comes into view is taken from the opposite side, as the dream itself does it: its
        # steps are taken on an image that is rolled about.
        state = warp_view(state, path.state_transform(tick - 1), width, height, "wrap")
        moment, tick_s = path.moment_at(tick), float(path.tick_s)
        options, zoom = self._options.at(moment), self._zoom.at(moment)
        if options.iterations:
            firmness = 1 - (1 - zoom.steadiness) ** tick_s
            target = self._target_appearance(tick)
            state = match_appearance(state, target, firmness, path.margin_px).clamp(0, 1)
            plan = make_growth_plan(options, zoom.growth * tick_s, self._look_scale)
            state = self._dream(state, tick, plan)
        return state.clamp(0, 1)

    def _target_appearance(self, tick: int) -> AppearanceStats:
        view, dream = self._appearance_range
        ramp = min(1.0, tick * float(self._path.tick_s) / APPEARANCE_RAMP_S)
        return view.interpolate(dream, 1.0 if self._zoom.loop else ramp)

    def _dream(self, state: Tensor, tick: int, plan: Sequence[OctavePlan]) -> Tensor:
        """Return a state dreamed on, with the settings of a tick."""
        moment = self._path.moment_at(tick)
        options = self._options.at(moment)
        reference = self._reference_frames.at(moment.time) if self._reference_frames else None
        objective = Objective(
            self._network, self._options.layers.at(moment), reference, options.guidance
        )
        key = (options.seed, tick)
        shaping = GradientShaping.from_options(options, objective.stride)
        dreamed = dream_octaves(
            *(state, objective, plan, options.jitter, key), shaping=shaping, on_step=self._on_step
        )
        # In the order of pixels in memory that OpenCV works on.
        return dreamed.contiguous(memory_format=torch.channels_last)


def make_growth_plan(
    options: DreamOptions, levels: float, look_scale: float = 1.0
) -> list[OctavePlan]:
    """Return the plan of a tick, coarse to fine, in steps of at most 2.5 levels.

    Args:
        options: Settings of the dream.
        levels: How far each octave is dreamed on, in levels of 255.
        look_scale: See `look_scale_of`.
    """
    steps = math.ceil(levels / MAX_STEP_LEVELS)
    plan = [
        OctavePlan(octave, options.octave_scale, steps, levels / steps * share, look_scale)
        for octave in reversed(range(options.octaves))
        if steps and (share := octave_step_factor(options, octave))
    ]
    return plan + plan_full_size(options, plan, look_scale)
