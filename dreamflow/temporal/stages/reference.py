"""What a carried dream is compared with: a fresh dream, renewed from time to time."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.state import CarriedDream, DreamState
from dreamflow.temporal.step_settings import StepSettings


def renew(
    state: DreamState, number: int, fresh: Tensor, gain_map: Tensor | None, gains: Gains
) -> DreamState:
    """Take a fresh dream as what a carried one is compared with.

    Args:
        state: What is carried.
        number: Keyframe of the dream.
        fresh: Residual of the fresh dream, (1, 3, H, W).
        gain_map: How much of the objective it gains, see `CarriedDream.reference_gain_map`.
        gains: The constants.
    """
    new = CarriedDream.begin(fresh, gains, gain_map)
    dream = replace(
        state.dreams[number],
        setpoint_target=new.setpoint_target,
        reference_energy=new.reference_energy,
        reference_gain_map=new.reference_gain_map,
    )
    return state.with_dream(number, dream)


def measure_reference(
    number: int, fresh: Tensor, frame: Tensor, settings: StepSettings
) -> tuple[Tensor | None, dict[str, Tensor]]:
    """Return what a fresh dream gains of the objective, nothing at firmness 0.

    Returns:
        (gain at each position of the layer, see `CarriedDream.reference_gain_map`; what is to be
        read back).
    """
    if settings.carry.firmness == 0:
        return None, {}
    gain_map, gained = settings.measure_gain(settings.objectives[number], fresh, frame)
    return gain_map, {f"reference_gain.{number}": gained}
