"""What is dreamed when: the settings and the objective of each moment of a timeline."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from dreamflow.core.errors import SettingsError
from dreamflow.core.schedules.timecode import Moment, Timeline
from dreamflow.dream.objective import Objective
from dreamflow.dream.objective_term import ObjectiveTerm
from dreamflow.dream.options import DreamOptions
from dreamflow.dream.reference import ReferenceFeatures
from dreamflow.networks.network import Network
from dreamflow.pipelines.reference_frames import open_reference_frames
from dreamflow.temporal.options import CarryOptions


@dataclass(frozen=True)
class FrameSettings:
    """The settings of one moment, all of them plain values.

    shares: of the keyframes of the layers, by their number from 0, that the moment lies on or
    between; their squares add up to 1. Keyframes in a row of the same layers are one, the first.
    Without a schedule of layers it is {0: 1.0}.
    """

    options: DreamOptions
    carry: CarryOptions
    objective: Objective
    keyframe_weights: dict[int, float]


class SettingsTimeline:
    """The settings over the whole of a timeline, as they were given."""

    def __init__(
        self,
        network: Network,
        options: DreamOptions,
        carry: CarryOptions,
        timeline: Timeline | None = None,
    ) -> None:
        """Look at everything before the work begins. timeline: what schedules count on.

        Raises SettingsError for a layer that the network does not have, or a schedule that cannot
        be on this timeline, or has none.
        """
        self.network, self.options, self.carry, self.timeline = network, options, carry, timeline
        if timeline is not None:
            options.check_schedules(timeline)
            carry.check_schedules(timeline)
        elif options.schedules or carry.schedules:
            raise SettingsError("a schedule needs the rate and length of the clip: give a timeline")
        self._layers = options.layers
        self._first_of_run: list[int] = []
        for number, blend in enumerate(self._layers.blends):
            goes_on = number > 0 and blend == self._layers.blends[number - 1]
            self._first_of_run.append(self._first_of_run[-1] if goes_on else number)
            for target in blend.targets:
                ObjectiveTerm.from_target(network, target)
        self._reference_frames = open_reference_frames(network, options, timeline)
        self._reference: ReferenceFeatures | None = None
        if self._reference_frames:
            self._reference_frames.at(Fraction(0)).check_size(self._layers.layers)
        self.first_settings = self.at(Fraction(0))
        """The settings of the first frame."""
        self.settings_vary = any(name != "layer" for name in options.schedules)
        """Whether how hard is dreamed changes over time."""
        self.reference_varies = (
            self._reference_frames is not None and self._reference_frames.is_clip
        )
        """Whether what guides the dream changes over time."""

    def at(self, time: Fraction) -> FrameSettings:
        """Return the settings of a frame; time: seconds from the first of the frames at hand."""
        moment = Moment() if self.timeline is None else self.timeline.moment_at(time)
        options = self.options.at(moment)
        before, after, share = self._layers.find_interval(moment)
        before, after = self._first_of_run[before], self._first_of_run[after]
        turn = share * math.pi / 2
        shares = {before: math.cos(turn), after: math.sin(turn)}
        if share == 0 or before == after:
            shares = {before: 1.0}
        if self._reference_frames:
            self._reference = self._reference_frames.at(moment.time if self.timeline else time)
        blend = self._layers.at(moment)
        objective = Objective(self.network, blend, self._reference, options.guidance)
        self._guidance = options.guidance
        return FrameSettings(options, self.carry.at(moment), objective, shares)

    def objective_at_keyframe(self, keyframe: int) -> Objective:
        """Return what is dreamed at a keyframe of the layers, from 0, with the guide of `at`."""
        blend = self._layers.blends[keyframe]
        return Objective(self.network, blend, self._reference, self._guidance)

    def check_size(self, height: int, width: int) -> None:
        """Raise SettingsError where frames are too small for a layer that is yet to come."""
        if not self._layers.is_constant:
            self.network.check_size(self._layers.layers, height, width)
