"""The one place where a step's numbers come to the host: once a frame, in one transfer."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dreamflow.core.errors import SettingsError, named
from dreamflow.temporal.control.effort_controller import update_effort
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.state import DreamState, HostFacts, Pending
from dreamflow.temporal.step_settings import StepSettings


@dataclass(frozen=True)
class ReadBack:
    """A state with nothing pending, and the numbers that were, by name."""

    state: DreamState
    numbers: dict[str, float]


def read_back(state: DreamState, settings: StepSettings, gains: Gains) -> ReadBack:
    """Read what the step before left on the device, and let the controller learn from it.

    Args:
        state: The state after that step.
        settings: Those of that step.
        gains: The constants.

    Raises:
        SettingsError: The frame's dream is not finite, as in float16 it may become.

    Returns:
        The state, its controllers and `facts` up to date. Without anything pending, the same.
    """
    pending = state.pending
    if pending.values is None:
        return ReadBack(state, {})
    values = np.asarray(pending.values.tolist(), np.float32)
    count = len(pending.names)
    numbers = dict(zip(pending.names, values[:count].tolist(), strict=True))
    if not numbers["finite"]:
        raise SettingsError(
            f"the dream of a frame is not finite: what a network computes may be too large for "
            f"{named('precision')} float16; give bfloat16 or float32",
            setting="precision",
        )
    for name, value in numbers.items():
        kind, _, number = name.partition(".")
        if kind == "reference_gain":
            dream = replace(state.dreams[int(number)], reference_gain=value)
            state = state.with_dream(int(number), dream)
    for name, value in numbers.items():
        kind, _, number = name.partition(".")
        if kind == "gain":
            dream = update_effort(
                state.dreams[int(number)],
                value,
                numbers[f"gain_seconds.{number}"],
                settings.carry.firmness,
                settings.smallest_effort(gains),
                gains,
            )
            state = state.with_dream(int(number), dream)
    uncovered = values[count:].reshape(pending.grid)
    facts = HostFacts(
        numbers["young_share"],
        numbers["missing"],
        uncovered if uncovered.any() else None,
        numbers["missing_on_movers"],
    )
    return ReadBack(replace(state, facts=facts, pending=Pending()), numbers)
