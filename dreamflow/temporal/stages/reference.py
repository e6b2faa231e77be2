"""What a carried dream is compared with: a fresh dream, renewed from time to time."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from dreamflow.temporal.gains import Gains
from dreamflow.temporal.state import CarriedDream, DreamState
from dreamflow.temporal.step_settings import StepSettings


def renew(state: DreamState, number: int, fresh: Tensor, gains: Gains) -> DreamState:
    """Take a fresh dream's residual (1, 3, H, W) as what a carried one is compared with."""
    new = CarriedDream.begin(fresh, gains)
    dream = replace(
        state.dreams[number],
        setpoint_target=new.setpoint_target,
        reference_energy=new.reference_energy,
    )
    return state.with_dream(number, dream)


def measure_reference(
    number: int, fresh: Tensor, frame: Tensor, settings: StepSettings
) -> dict[str, Tensor]:
    """Return what a fresh dream gains of the objective, to be read back; nothing at firmness 0."""
    if settings.carry.firmness == 0:
        return {}
    objective = settings.objectives[number]
    return {f"reference_gain.{number}": settings.measure_gain(objective, fresh, frame)}
