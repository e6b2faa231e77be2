"""How hard a carried frame is dreamed on: a PI controller of the objective, and its local gains.

A carried dream has further steps in every frame, and would grow without end: on a panning clip it
climbed to twice the objective within three seconds. So the controller compares what the dream has
gained of the objective with what a fresh dream gains, and sets the effort, in units of the steps
that the settings ask for:

    overshoot   = gain_ema / reference_gain / setpoint
    effort      = base_effort * overshoot ** (-p_exponent * firmness)
    base_effort *= overshoot ** (-i_exponent * firmness * seconds)          at each measurement

All of it is the host's, on numbers read back of the frame before; `local_gain`, `missing_forms` and
`perceived_age` are maps on the compute device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from dreamflow.core.imaging.filters import resize_linear
from dreamflow.temporal.control.gains import REFERENCE_S, Gains
from dreamflow.temporal.options import CarryOptions
from dreamflow.temporal.state import CarriedDream

MAX_OVERSHOOT = 10.0


def duration_in_frames(seconds: float, gains: Gains) -> float:
    """Return a frame's duration in frames of `REFERENCE_S`, at most that of `longest_frame`."""
    return min(seconds, gains.longest_frame) / REFERENCE_S


def decay_for(carry: CarryOptions, frames: float, gains: Gains) -> float:
    """Return the share of the residual that is kept over a frame.

    `decay` at stability 0.5, all of it at 1, and `decay_drop` less at 0.
    """
    if carry.stability >= 0.5:
        decay = carry.decay + (1 - carry.decay) * (2 * carry.stability - 1)
    else:
        decay = max(0.0, carry.decay - gains.decay_drop * (1 - 2 * carry.stability))
    return decay**frames


def settled_share(carry: CarryOptions, gains: Gains) -> float:
    """Return the share of its setpoint that a band settles at where nothing is dreamed on.

    A band decays by d and is pulled by (setpoint / rms) ** s, at most by 1 / d, in each frame: so
    it settles at d ** ((1 - s) / s) of its setpoint.
    """
    pull = min(1.0, gains.band_pull * carry.firmness)
    decay = decay_for(carry, 1.0, gains)
    if decay == 1 or pull == 1:
        return 1.0
    return 0.0 if pull == 0 else decay ** ((1 - pull) / pull)


def overshoot_of(dream: CarriedDream, gains: Gains) -> float:
    """Return how far a dream has outgrown a fresh one, 0.1 to 10; 1 where that is not known."""
    if math.isnan(dream.gain_ema) or not dream.reference_gain > 0:
        return 1.0
    ratio = dream.gain_ema / dream.reference_gain / gains.setpoint
    return min(MAX_OVERSHOOT, max(1 / MAX_OVERSHOOT, ratio))


def choose_effort(
    dreams: Sequence[CarriedDream], firmness: float, min_effort: float, gains: Gains
) -> float:
    """Return the effort of a carried frame, the mean over the dreams carried; 1 at firmness 0.

    Args:
        dreams: The carried dreams: one, or two within a cross-fade.
        firmness: The setting.
        min_effort: Smallest effort: that of the gains, or more where nothing but the dream moves.
        gains: The constants.

    Returns:
        Effort, in the steps that the settings ask for.
    """
    if firmness == 0:
        return 1.0
    efforts = [
        dream.base_effort * overshoot_of(dream, gains) ** (-gains.p_exponent * firmness)
        for dream in dreams
    ]
    return sum(_clamped(effort, min_effort, gains) for effort in efforts) / len(efforts)


def update_effort(
    dream: CarriedDream,
    measured_gain: float,
    seconds: float,
    firmness: float,
    min_effort: float,
    gains: Gains,
) -> CarriedDream:
    """Return a dream with a new measurement of its gain in its average and its base effort.

    Args:
        dream: The carried dream.
        measured_gain: How much of the objective it has gained over its source.
        seconds: Time since the measurement before.
        firmness: The setting.
        min_effort: See `choose_effort`.
        gains: The constants.

    Returns:
        The dream with another `gain_ema` and `base_effort`.
    """
    average = measured_gain
    if not math.isnan(dream.gain_ema):
        share = 1 - math.exp(-seconds / gains.gain_ema_time)
        average = dream.gain_ema + share * (measured_gain - dream.gain_ema)
    dream = replace(dream, gain_ema=average)
    exponent = -gains.i_exponent * firmness * seconds
    base = dream.base_effort * overshoot_of(dream, gains) ** exponent
    return replace(dream, base_effort=_clamped(base, min_effort, gains))


def _clamped(effort: float, min_effort: float, gains: Gains) -> float:
    return min(gains.max_effort, max(min_effort, effort))


def local_gain(energy_ratios: Sequence[Tensor], firmness: float, gains: Gains) -> Tensor:
    """Return how much harder to dream where a dream is weaker than elsewhere.

    A dream stays weak where the flow is lost; without this, the controller would make up for that
    by more effort everywhere.

    Args:
        energy_ratios: Of each carried dream, (1, 1, h, w); see `CarriedDream.energy_ratio`.
        firmness: The setting.
        gains: The constants.

    Returns:
        (1, 1, h, w), a factor of the step: 1 at the geometric mean.
    """
    power = -gains.local_gain_power * firmness
    factors = [(ratio / ratio.log().mean().exp()) ** power for ratio in energy_ratios]
    mean = torch.stack(factors).mean(0)
    return mean.clamp(gains.min_local_gain, gains.max_local_gain)


def missing_forms(energy_ratios: Sequence[Tensor]) -> Tensor:
    """Return which share of the amplitude of the dream's forms is missing: (1, 1, h, w), 0 to 1.

    What is carried along an imperfect flow is never quite where its forms were: they fade, most on
    what moves, and steps at full size do not make them again.
    """
    return torch.stack([(1 - ratio.sqrt()).clamp_min(0) for ratio in energy_ratios]).mean(0)


def perceived_age(
    dreams: Sequence[CarriedDream],
    energy_ratios: Sequence[Tensor],
    firmness: float,
    gains: Gains,
) -> Tensor:
    """Return the age of the scene, (1, 1, H, W) in [0, 1], bare areas counted as young.

    What came in at the edge of the frame was too narrow there for anything to grow on it: where it
    is bare it counts as new, however long it has been in view. At firmness 0 age alone counts.
    """
    ages = [dream.age for dream in dreams]
    if firmness > 0:
        size = (ages[0].shape[2], ages[0].shape[3])
        for ratio in energy_ratios:
            grown = 1 - (1 - (ratio / gains.bare_below).clamp_max(1)).sqrt()
            ages.append(resize_linear(grown, size))
    return torch.stack(ages).amin(0) if len(ages) > 1 else ages[0]


def equal_power_mix(
    dreams: dict[int, CarriedDream], weights: dict[int, Tensor]
) -> dict[int, Tensor]:
    """Return weights of two dreams at which both together are as strong as each.

    The squares of the weights add up to 1, which is right for two dreams that have nothing in
    common. The more they have in common, the stronger they are together.

    Args:
        dreams: The carried dreams by their keyframe.
        weights: () tensors by keyframe, their squares adding up to 1.

    Returns:
        The weights, divided by the length of the mixed residual.
    """
    if len(weights) == 1:
        return weights
    one, other = (dreams[number].residual for number in weights)
    first, second = weights.values()
    product = (one * other).sum()
    power = (one.square().sum() * other.square().sum()).sqrt()
    common = (product / power.clamp_min(1e-12)).clamp_min(0)
    length = (first**2 + second**2 + 2 * first * second * common).sqrt()
    return {number: weight / length for number, weight in weights.items()}


def mix_residuals(dreams: dict[int, CarriedDream], weights: dict[int, Tensor]) -> Tensor:
    """Return the residual that is shown of the dreams carried, (1, 3, H, W)."""
    if len(weights) == 1:
        ((number, weight),) = weights.items()
        return dreams[number].residual * weight
    return torch.stack([dreams[number].residual * w for number, w in weights.items()]).sum(0)
