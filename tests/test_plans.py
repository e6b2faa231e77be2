"""Plans of a carried frame: how many steps of which size in which octave."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporal_scenes import FRAME_RATES, GAINS

from dreamflow.dream.octaves import OctavePlan, plan_octaves
from dreamflow.dream.options import DreamOptions
from dreamflow.temporal.control.gains import REFERENCE_S
from dreamflow.temporal.control.plans import (
    plan_fill,
    plan_large_forms,
    plan_movers,
    plan_refinement,
    plan_regrowth,
    spread_steps,
)
from dreamflow.temporal.options import CarryOptions

DREAM, CARRY = DreamOptions(), CarryOptions()
DEEP_DREAM = DreamOptions(octaves=6)
AMOUNTS = st.floats(0, 40)
DURATIONS = st.floats(0.05, 2)


def work(plan: list[OctavePlan]) -> float:
    """Return the sum of all steps of a plan."""
    return sum(part.iterations * part.step for part in plan)


# --- Steps of a duration


@given(AMOUNTS, DURATIONS, st.integers(1, 40))
def test_steps_and_their_size_make_the_amount(amount: float, frames: float, most: int) -> None:
    iterations, size = spread_steps(amount, frames, most)
    assert iterations * size == pytest.approx(amount * frames)
    assert 1 <= iterations <= max(1, most * frames + 1)


@given(AMOUNTS, st.integers(1, 40))
def test_steps_add_up_to_the_same_in_equal_times(amount: float, most: int) -> None:
    totals = []
    for rate in FRAME_RATES:
        iterations, size = spread_steps(amount, 1 / (rate * REFERENCE_S), most)
        totals.append(rate * iterations * size)
    assert totals == pytest.approx([totals[0]] * len(totals))


def test_no_steps_are_none() -> None:
    assert spread_steps(3.0, 1.0, 0) == (0, 0.0)


# --- Refinement


@pytest.mark.parametrize(
    ("octaves", "iterations", "expected"),
    [(4, 3, [(1, 1), (0, 3)]), (1, 8, [(0, 8)]), (4, 0, [])],
)
def test_coarser_octaves_have_half_as_many_iterations(
    octaves: int, iterations: int, expected: list[tuple[int, int]]
) -> None:
    plan = plan_refinement(DreamOptions(octaves=octaves), CARRY, iterations)
    assert [(part.octave, part.iterations) for part in plan] == expected


@pytest.mark.parametrize(("stability", "factor"), [(0.0, 2.0), (0.5, 1.0), (0.75, 0.5), (1.0, 0.0)])
def test_stability_scales_the_steps(stability: float, factor: float) -> None:
    plan = plan_refinement(DREAM, replace(CARRY, stability=stability), 3)
    assert all(part.step == pytest.approx(factor * CARRY.carry_step) for part in plan)
    assert bool(plan) == (factor > 0)


# --- Fill


def test_what_came_into_view_gets_large_steps_at_full_size_and_one_octave_down() -> None:
    carry = replace(CARRY, uncover_iterations=5)
    plan = plan_fill(DREAM, carry, 1.0, GAINS)
    assert [(part.octave, part.iterations) for part in plan] == [(1, 2), (0, 3)]
    assert all(part.step == GAINS.fill_step * DREAM.step for part in plan)
    (only,) = plan_fill(DreamOptions(octaves=1), carry, 1.0, GAINS)
    assert (only.octave, only.iterations) == (0, 5)
    assert plan_fill(DREAM, replace(CARRY, uncover_iterations=0), 1.0, GAINS) == []


@pytest.mark.parametrize(
    ("options", "octaves"),
    [
        pytest.param(DreamOptions(octaves=5, octave_tilt=0.7), [3, 2, 1, 0], id="large forms"),
        pytest.param(DreamOptions(octaves=5), [1, 0], id="even"),
        pytest.param(DreamOptions(octaves=5, octave_tilt=-0.7), [1, 0], id="fine detail"),
    ],
)
def test_what_came_into_view_gets_the_large_forms_of_the_look(
    options: DreamOptions, octaves: list[int]
) -> None:
    plan = plan_fill(options, CARRY, 1.0, GAINS)
    assert [part.octave for part in plan] == octaves
    even = plan_fill(replace(options, octave_tilt=0.0), CARRY, 1.0, GAINS)
    assert work(plan) > 0.95 * work(even)


def test_what_moves_has_more_steps_the_weaker_it_is_and_no_larger_ones() -> None:
    plans = [
        plan_movers(DREAM, CARRY, missing, 0.1, 1.0, GAINS) for missing in (0.1, 0.13, 0.9, 1.0)
    ]
    for little in (0.0, GAINS.mover_patience):
        assert plan_movers(DREAM, CARRY, little, 0.1, 1.0, GAINS) == []
    parts = [part for (part,) in plans]
    assert {(part.octave, part.step) for part in parts} == {(0, GAINS.mover_step * DREAM.step)}
    assert parts[0].iterations < parts[1].iterations < parts[2].iterations
    assert parts[2] == parts[3], "what one frame may cost is bounded"


def test_what_moves_has_fewer_steps_where_it_fills_the_frame() -> None:
    plans = [plan_movers(DREAM, CARRY, 1.0, area, 1.0, GAINS) for area in (0.05, 0.5, 1.0)]
    few, fewer, fewest = (sum(part.iterations for part in plan) for plan in plans)
    assert few > fewer > fewest
    assert all(
        steps * area <= GAINS.mover_max_work + area / 2
        for steps, area in ((fewer, 0.5), (fewest, 1.0))
    )


@pytest.mark.parametrize("rate", FRAME_RATES)
def test_fill_and_regrowth_do_the_same_in_equal_times(rate: int) -> None:
    frames = 1 / (rate * REFERENCE_S)
    each_second = 1 / REFERENCE_S
    for plan_of in (
        lambda duration: plan_fill(DREAM, CARRY, duration, GAINS),
        lambda duration: plan_movers(DREAM, CARRY, 0.5, 0.1, duration, GAINS),
        lambda duration: plan_regrowth(DREAM, CARRY, 0.5, duration, GAINS),
        lambda duration: plan_large_forms(DEEP_DREAM, CARRY, 0.5, duration, GAINS),
    ):
        assert rate * work(plan_of(frames)) == pytest.approx(each_second * work(plan_of(1.0)))


# --- Regrowth


def test_regrowth_is_at_half_the_size_and_grows_with_what_is_missing() -> None:
    part = plan_regrowth(DREAM, CARRY, 0.2, 1.0, replace(GAINS, regrow_max=16))[-1]
    assert part.scale**part.octave == pytest.approx(GAINS.regrow_scale, rel=0.05)
    assert part.step == pytest.approx(GAINS.regrow_step * CARRY.firmness * 0.2 * CARRY.carry_step)
    largest = plan_regrowth(DREAM, CARRY, 0.9, 1.0, GAINS)[-1]
    assert largest.step == pytest.approx(GAINS.regrow_max * CARRY.carry_step)
    assert largest.iterations == round(CARRY.carry_iterations * GAINS.regrow_iterations)


def test_the_more_is_missing_the_larger_are_the_steps_of_a_coarser_octave() -> None:
    (alone,) = plan_regrowth(DREAM, CARRY, GAINS.regrow_above, 1.0, GAINS)
    shares = [0.0]
    for factor in (1.3, 1.8, 2, 4):
        coarse, usual = plan_regrowth(DREAM, CARRY, factor * GAINS.regrow_above, 1.0, GAINS)
        assert (coarse.octave, usual.octave) == (alone.octave + 1, alone.octave)
        shares.append(coarse.step / usual.step)
    assert shares == sorted(shares)
    assert shares[-2:] == pytest.approx([1, 1])


def test_regrowth_of_large_forms_has_as_much_in_coarser_octaves() -> None:
    plan = plan_regrowth(replace(DREAM, octaves=5, octave_tilt=0.7), CARRY, 0.9, 1.0, GAINS)
    usual = plan_regrowth(replace(DREAM, octaves=5), CARRY, 0.9, 1.0, GAINS)
    assert plan[0].octave > usual[0].octave
    assert work(plan) > 0.95 * work(usual)


def test_regrowth_takes_the_nearest_octave_that_there_is() -> None:
    (part,) = plan_regrowth(DreamOptions(octaves=2, octave_scale=4.0), CARRY, 0.5, 1.0, GAINS)
    assert part.octave == 1


def test_regrowth_goes_on_when_locked_and_is_larger_when_loose() -> None:
    usual = plan_regrowth(DREAM, CARRY, 0.9, 1.0, GAINS)
    assert plan_regrowth(DREAM, replace(CARRY, stability=1), 0.9, 1.0, GAINS) == usual
    loose = plan_regrowth(DREAM, replace(CARRY, stability=0), 0.9, 1.0, GAINS)
    assert loose == [replace(part, step=2 * part.step) for part in usual]


@pytest.mark.parametrize(
    ("options", "carry", "missing"),
    [
        pytest.param(DREAM, CARRY, 0.9 * GAINS.regrow_above, id="little is missing"),
        pytest.param(DREAM, replace(CARRY, firmness=0), 0.5, id="firmness 0"),
        pytest.param(DREAM, replace(CARRY, carry_iterations=0), 0.5, id="no iterations"),
        pytest.param(DreamOptions(octaves=1), CARRY, 0.5, id="one octave"),
    ],
)
def test_nothing_regrows(options: DreamOptions, carry: CarryOptions, missing: float) -> None:
    assert plan_regrowth(options, carry, missing, 1.0, GAINS) == []


# --- Large forms


def test_the_largest_forms_are_those_below_the_regrowth_as_the_look_weights_them() -> None:
    tilted = replace(DEEP_DREAM, octave_tilt=0.5)
    for options in (DEEP_DREAM, tilted):
        plan = plan_large_forms(options, CARRY, 0.9, 1.0, GAINS)
        regrowth = plan_regrowth(DEEP_DREAM, CARRY, 0.9, 1.0, GAINS)
        assert [part.octave for part in plan] == [5, 4]
        assert max(part.octave for part in regrowth) == 3
        fresh = [part for part in plan_octaves(options) if part.octave >= 4]
        for part, alone in zip(plan, fresh, strict=True):
            assert work([part]) == pytest.approx(GAINS.large_forms * work([alone]))
            assert part.iterations < alone.iterations


def test_where_little_is_missing_or_octaves_are_few_no_large_forms_are_made() -> None:
    assert plan_large_forms(DEEP_DREAM, CARRY, 0.9 * GAINS.regrow_above, 1.0, GAINS) == []
    assert plan_large_forms(DEEP_DREAM, replace(CARRY, carry_iterations=0), 1, 1.0, GAINS) == []
    assert plan_large_forms(DreamOptions(), CARRY, 0.9, 1.0, GAINS) == []
