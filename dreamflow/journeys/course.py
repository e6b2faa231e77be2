"""What is dreamed when: the settings and the objective of each moment of a timeline."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from dreamflow.clock import Moment, Timeline
from dreamflow.dream import Objective
from dreamflow.dream.aim import Aim
from dreamflow.dream.exemplar import Exemplar
from dreamflow.errors import SettingsError
from dreamflow.journeys.exemplars import open_exemplars
from dreamflow.networks import Network
from dreamflow.options import CarryOptions, DreamOptions
from dreamflow.schedule import LayerSchedule
from dreamflow.target import layers_of


@dataclass(frozen=True)
class Now:
    """The settings of one moment, all of them plain values.

    shares: of the keyframes of the layers, by their number from 0, that the moment lies on or
    between; their squares add up to 1. Keyframes in a row of the same layers are one, the first.
    Without a schedule of layers it is {0: 1.0}.
    """

    options: DreamOptions
    carry: CarryOptions
    objective: Objective
    shares: dict[int, float]


class Course:
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
            options.check_over(timeline)
            carry.check_over(timeline)
        elif options.schedules or carry.schedules:
            raise SettingsError("a schedule needs the rate and length of the clip: give a timeline")
        found = options.schedules.get("layer")
        self._layers = found if isinstance(found, LayerSchedule) else None
        self._run: list[int] = []
        for number, blend in enumerate(self._layers.blends if self._layers else ()):
            goes_on = number > 0 and self._layers and blend == self._layers.blends[number - 1]
            self._run.append(self._run[-1] if goes_on else number)
            for name in blend:
                Aim.at(network, name)
        self._exemplars = open_exemplars(network, options, timeline)
        self._exemplar: Exemplar | None = None
        if self._exemplars and self._layers:
            self._exemplars.at(Fraction(0)).check(layers_of(self._layers.layers))
        self.first = self.at(Fraction(0))
        """The settings of the first frame."""
        self.numbers_move = any(name != "layer" for name in options.schedules)
        """Whether how hard is dreamed changes over time."""
        self.guide_moves = self._exemplars is not None and self._exemplars.moves
        """Whether what guides the dream changes over time."""

    def at(self, time: Fraction) -> Now:
        """Return the settings of a frame; time: seconds from the first of the frames at hand."""
        moment = Moment() if self.timeline is None else self.timeline.at(time)
        options = self.options.at(moment)
        shares = {0: 1.0}
        if self._layers:
            before, after, share = self._layers.place(moment)
            before, after, turn = self._run[before], self._run[after], share * math.pi / 2
            shares = {before: math.cos(turn), after: math.sin(turn)}
            if share == 0 or before == after:
                shares = {before: 1.0}
        if self._exemplars:
            self._exemplar = self._exemplars.at(moment.time if self.timeline else time)
        objective = Objective.of(self.network, options.layer, self._exemplar, options.guidance)
        self._guidance = options.guidance
        return Now(options, self.carry.at(moment), objective, shares)

    def objective_of(self, keyframe: int) -> Objective:
        """Return what is dreamed at a keyframe of the layers, from 0, with the guide of `at`."""
        blend = self._layers.blends[keyframe] if self._layers else self.first.objective.weights
        return Objective(self.network, blend, self._exemplar, self._guidance)

    def check_size(self, height: int, width: int) -> None:
        """Raise SettingsError where frames are too small for a layer that is yet to come."""
        if self._layers:
            self.network.check_size(self._layers.layers, height, width)
