"""The settings and the objective of each moment of a timeline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from dreamflow.core.errors import SettingsError, named
from dreamflow.core.schedules.timecode import Moment, Timeline
from dreamflow.dream.objective.objective import Objective
from dreamflow.dream.objective.objective_term import ObjectiveTerm
from dreamflow.dream.objective.reference import ReferenceFeatures
from dreamflow.dream.options import DreamOptions
from dreamflow.networks.network import Network
from dreamflow.pipelines.video.reference_frames import open_reference_frames
from dreamflow.temporal.options import CarryOptions


@dataclass(frozen=True)
class FrameSettings:
    """The settings of one frame; no setting is a schedule any more.

    Attributes:
        options: Settings of the dream.
        carry: How the dream is carried from the frame before.
        objective: What is maximised.
        keyframe_weights: Weights of the keyframes of the layer schedule that the moment lies on or
            between, by their number from 0; their squares add up to 1. Consecutive keyframes of the
            same layers count as the first of them. {0: 1.0} without a layer schedule.
    """

    options: DreamOptions
    carry: CarryOptions
    objective: Objective
    keyframe_weights: dict[int, float]


class SettingsTimeline:
    """The settings over a whole timeline.

    Attributes:
        network: The network, on its compute device.
        options: Settings of the dream, as they were given.
        carry: How the dream is carried, as it was given.
        timeline: The timeline of schedules, if there is one.
        first_settings: The settings of the first frame.
        settings_vary: Whether other settings than the layers change over time.
        reference_varies: Whether the reference is a clip.
    """

    def __init__(
        self,
        network: Network,
        options: DreamOptions,
        carry: CarryOptions,
        timeline: Timeline | None = None,
    ) -> None:
        """Check all settings before the work begins.

        Args:
            network: The network, on its compute device.
            options: Settings of the dream.
            carry: How the dream is carried from frame to frame.
            timeline: The timeline of schedules; without it there can be none.

        Raises:
            SettingsError: The network lacks a layer, or a schedule does not fit the timeline.
            MediaError: The reference cannot be read.
        """
        self.network, self.options, self.carry, self.timeline = network, options, carry, timeline
        if timeline is not None:
            options.check_schedules(timeline)
            carry.check_schedules(timeline)
        elif options.schedules or carry.schedules:
            raise SettingsError(
                f"a schedule needs the rate and length of the clip: give a {named('timeline')}",
                setting="timeline",
            )
        self._layers = options.layers
        self._first_of_run = _number_first_of_runs(self._layers.blends)
        for target in self._layers.targets:
            ObjectiveTerm.from_target(network, target)
        self._reference_frames = open_reference_frames(network, options, timeline)
        self._reference: ReferenceFeatures | None = None
        if self._reference_frames:
            self._reference_frames.at(Fraction(0)).check_size(self._layers.layers)
        self.first_settings = self.at(Fraction(0))
        self.settings_vary = any(name != "layer" for name in options.schedules)
        self.reference_varies = bool(self._reference_frames and self._reference_frames.is_clip)

    def at(self, time: Fraction) -> FrameSettings:
        """Return the settings of a frame, `time` seconds after the first frame that is dreamed."""
        moment = Moment() if self.timeline is None else self.timeline.moment_at(time)
        options = self.options.at(moment)
        if self._reference_frames:
            self._reference = self._reference_frames.at(moment.time if self.timeline else time)
        blend = self._layers.at(moment)
        objective = Objective(self.network, blend, self._reference, options.guidance)
        self._guidance = options.guidance
        return FrameSettings(
            options, self.carry.at(moment), objective, self._keyframe_weights_at(moment)
        )

    def _keyframe_weights_at(self, moment: Moment) -> dict[int, float]:
        before, after, share = self._layers.find_interval(moment)
        first, second = self._first_of_run[before], self._first_of_run[after]
        if share == 0 or first == second:
            return {first: 1.0}
        # A cross-fade of equal power: cos² + sin² = 1.
        angle = share * math.pi / 2
        return {first: math.cos(angle), second: math.sin(angle)}

    def objective_at_keyframe(self, keyframe: int) -> Objective:
        """Return the objective of a keyframe of the layer schedule, with the reference of `at`.

        Args:
            keyframe: Its number from 0.
        """
        blend = self._layers.blends[keyframe]
        return Objective(self.network, blend, self._reference, self._guidance)

    def check_size(self, height: int, width: int) -> None:
        """Check that frames are large enough for every layer of the schedule.

        Args:
            height: Height of the frames in pixels.
            width: Width of the frames in pixels.

        Raises:
            SettingsError: They are too small for a layer; the error names it.
        """
        if not self._layers.is_constant:
            self.network.check_size(self._layers.layers, height, width)


def _number_first_of_runs(blends: Sequence[object]) -> list[int]:
    """Return for each item the number of the first item of its run of equal ones."""
    numbers: list[int] = []
    for number, blend in enumerate(blends):
        continues_run = number > 0 and blend == blends[number - 1]
        numbers.append(numbers[-1] if continues_run else number)
    return numbers
