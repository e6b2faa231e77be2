"""The steps of a carried frame in each octave: for all of it, for new areas, for lost forms."""

from __future__ import annotations

import math
from dataclasses import replace

from dreamflow.dream.octaves import OctavePlan, octave_step_factor, plan_full_size, plan_octaves
from dreamflow.dream.options import DreamOptions
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.options import CarryOptions

FACTOR_TOLERANCE = 0.05
"""A sum of factors has reached a count where it falls short of it by less than this."""


def spread_steps(amount: float, frames: float, most: int) -> tuple[int, float]:
    """Return iterations and the size of each, for an amount of steps a frame of `REFERENCE_S`.

    A smaller amount makes fewer iterations; they are smaller only once there is just one.

    Args:
        amount: Steps of full size in a frame of `REFERENCE_S`.
        frames: Duration of the frame at hand, in such frames.
        most: Iterations at most, in a frame of `REFERENCE_S`.

    Returns:
        (iterations, size), their product amount * frames.
    """
    if most == 0:
        return 0, 0.0
    limit = max(1, math.ceil(most * frames - 1e-6))
    iterations = min(limit, max(1, round(amount * frames)))
    return iterations, amount * frames / iterations


def plan_refinement(
    options: DreamOptions, carry: CarryOptions, iterations: int, look_scale: float = 1.0
) -> list[OctavePlan]:
    """Return the plan of a carried frame's refinement, most iterations in the finest octave.

    Small steps, mostly at full size, hold a dream far better than few large ones. Where the look is
    that of a smaller size they are taken there, and a few at full size. The stability
    scales them, from twice their size at 0 to nothing at 1. Octaves that a fresh dream emphasises
    less have smaller steps; those that it emphasises more have more of them instead of larger ones,
    which would flicker.

    Args:
        options: Settings of the dream at the moment.
        carry: Settings of the temporal step at the moment.
        iterations: In the look's finest octave; each coarser octave has half as many.
        look_scale: See `look_scale_of`.
    """
    step = carry.carry_step * 2 * (1 - carry.stability)
    plan: list[OctavePlan] = []
    for octave in reversed(range(options.octaves)):
        factor = octave_step_factor(options, octave)
        count = iterations >> octave
        if factor > 1 and octave > 0:
            count = max(count, round(factor * iterations / 2**octave))
        if factor > 0 and step > 0 and count:
            size = step * min(1.0, factor)
            plan.append(OctavePlan(octave, options.octave_scale, count, size, look_scale))
    return plan + plan_full_size(options, plan, look_scale)


def plan_fill(
    options: DreamOptions,
    carry: CarryOptions,
    frames: float,
    gains: Gains,
    look_scale: float = 1.0,
) -> list[OctavePlan]:
    """Return the plan for what has come into view: `uncover_iterations`, half of them smaller.

    One octave down they make its forms, at full size their detail. Twice as many gained 2% of the
    objective on what moves, which has further steps where it is weak; see `plan_movers`. Where a
    fresh dream has its large steps in coarser octaves they are made there too: without them what
    comes into view would lack the large forms of the look.
    """
    count, step = carry.uncover_iterations, gains.fill_step * options.step
    forms = count // 2 if options.octaves > 1 else 0
    plan: list[OctavePlan] = []
    for octave in octaves_with_steps(options, 0, min(2, options.octaves)):
        amount = forms if octave else count - forms
        plan += _fill_octave(options, octave, amount, step, frames, look_scale)
    return plan + plan_full_size(options, plan, look_scale)


def octaves_with_steps(options: DreamOptions, finest: int, count: int) -> list[int]:
    """Return the finest octaves that have as many steps in all as `count` octaves without a tilt.

    Args:
        options: Settings of the dream at the moment.
        finest: The finest of them.
        count: Smallest number of octaves, and smallest sum of their `octave_step_factor`; less only
            where there are no more octaves.

    Returns:
        Numbers of the octaves, coarse to fine.
    """
    octaves, total = list[int](), 0.0
    for octave in range(finest, options.octaves):
        if len(octaves) >= count and total > count - FACTOR_TOLERANCE:
            break
        octaves.insert(0, octave)
        total += octave_step_factor(options, octave)
    return octaves


def plan_movers(
    options: DreamOptions,
    carry: CarryOptions,
    missing: float,
    area: float,
    frames: float,
    gains: Gains,
    look_scale: float = 1.0,
) -> list[OctavePlan]:
    """Return the plan for what moves and is weak, after that for what has come into view.

    A warp takes a third of what has been gained there, on some networks more than the few steps of
    `plan_fill` give. More steps at full size give most for their time, larger ones nothing; with
    momentum half as many reach as far.

    Args:
        options: Settings of the dream at the moment.
        carry: Settings of the temporal step at the moment.
        missing: Missing amplitude of the objective on what moves, 0 to 1.
        area: Share of the frame that is dreamed for it: where it is large there are fewer steps.
        frames: Duration of the frame, in frames of `gains.REFERENCE_S`.
        gains: The constants.
        look_scale: See `look_scale_of`.
    """
    urgency = gains.mover_urgency * (missing - gains.mover_patience)
    share = min(1.0, max(0.0, urgency))
    most = min(carry.uncover_iterations * gains.mover_effort, gains.mover_max_work / area)
    amount = round(most * share)
    step = gains.mover_step * options.step
    plan = _fill_octave(options, 0, amount, step, frames, look_scale)
    return [replace(part, momentum=gains.mover_momentum) for part in plan]


def _fill_octave(
    options: DreamOptions,
    octave: int,
    amount: int,
    step: float,
    frames: float,
    look_scale: float,
) -> list[OctavePlan]:
    """Return the plan of large steps in one octave, none where there are none to take."""
    factor = octave_step_factor(options, octave) if amount else 0.0
    if not factor:
        return []
    iterations, size = spread_steps(amount, frames, amount)
    return [OctavePlan(octave, options.octave_scale, iterations, step * factor * size, look_scale)]


def plan_regrowth(
    options: DreamOptions,
    carry: CarryOptions,
    missing: float,
    frames: float,
    gains: Gains,
    look_scale: float = 1.0,
) -> list[OctavePlan]:
    """Return the plan for forms that have faded, none where little is missing.

    However stable the dream, what is gone is made anew: locked to a scene that moves, it would go
    bare in a few seconds. It is made at half the size; coarser too where a fresh dream has its
    large steps there, and where much is missing, since what came into view lacks the large forms.

    Args:
        options: Settings of the dream at the moment.
        carry: Settings of the temporal step at the moment.
        missing: Largest missing amplitude in the frame, 0 to 1 (`missing_forms`).
        frames: Duration of the frame, in frames of `REFERENCE_S`.
        gains: The constants.
        look_scale: See `look_scale_of`.
    """
    amount = carry.carry_iterations * gains.regrow_iterations
    if options.octaves == 1 or amount == 0 or missing < gains.regrow_above:
        return []
    octave = octave_of_forms(options, gains)
    amount = max(1, round(amount))
    iterations, size = spread_steps(amount, frames, amount)
    size *= min(gains.regrow_max, gains.regrow_step * carry.firmness * missing)
    size *= max(1.0, 2 * (1 - carry.stability))
    octaves = octaves_with_steps(options, octave, 1)
    shares = dict.fromkeys(octaves, 1.0)
    if (coarser := octaves[0] + 1) < options.octaves:
        shares = {coarser: min(1.0, missing / max(gains.regrow_above, 1e-6) - 1)} | shares
    plan: list[OctavePlan] = []
    for number, share in shares.items():
        step = carry.carry_step * size * share * min(1.0, octave_step_factor(options, number))
        if iterations and step > 0:
            plan.append(OctavePlan(number, options.octave_scale, iterations, step, look_scale))
    return plan


def plan_large_forms(
    options: DreamOptions,
    carry: CarryOptions,
    missing: float,
    frames: float,
    gains: Gains,
    look_scale: float = 1.0,
) -> list[OctavePlan]:
    """Return the plan for the largest forms of what has come into view, made before its regrowth.

    They are those of the octaves coarser than the regrowth's, which a look of few octaves has not.
    Without them what came into view would stay flat, and a shot fade while the camera moves. Their
    octaves are small and take little time, so that `large_forms` of a fresh dream's steps are taken
    there, as `carry_iterations` larger ones. The arguments are those of `plan_regrowth`.
    """
    if carry.carry_iterations == 0 or missing < gains.regrow_above or gains.large_forms == 0:
        return []
    finest = octave_of_forms(options, gains) + 2
    iterations, size = spread_steps(carry.carry_iterations, frames, carry.carry_iterations)
    factor = gains.large_forms * size / carry.carry_iterations
    return [
        replace(part, iterations=iterations, step=part.step * part.iterations * factor)
        for part in plan_octaves(options, look_scale)
        if part.octave >= finest
    ]


def octave_of_forms(options: DreamOptions, gains: Gains) -> int:
    """Return the octave that lost forms are dreamed at, the one nearest to `regrow_scale`."""
    nearest = round(math.log(gains.regrow_scale) / math.log(options.octave_scale))
    return min(max(1, nearest), options.octaves - 1)
