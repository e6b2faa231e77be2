"""The controller of a carried dream: its effort, its local gains, and its independence of rate."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from temporal_scenes import FRAME_RATES, GAINS, make_residual, make_state
from torch import Tensor

from dreamflow.core.imaging.filters import gaussian_blur
from dreamflow.temporal.control.effort_controller import (
    choose_effort,
    decay_for,
    duration_in_frames,
    equal_power_mix,
    local_gain,
    missing_forms,
    mix_residuals,
    overshoot_of,
    perceived_age,
    update_effort,
)
from dreamflow.temporal.control.gains import REFERENCE_S
from dreamflow.temporal.options import CarryOptions
from dreamflow.temporal.state import CarriedDream

FIRMNESS = 0.2
EMPTY = CarriedDream.begin(torch.zeros(1, 3, 16, 16), GAINS)


def make_dream(reference_gain: float = math.nan, gain_ema: float = math.nan) -> CarriedDream:
    """Return a dream that has gained so much, where a fresh one gains so much."""
    return replace(EMPTY, reference_gain=reference_gain, gain_ema=gain_ema)


def effort_of(
    dream: CarriedDream, firmness: float = FIRMNESS, smallest: float = GAINS.min_effort
) -> float:
    """Return the effort of a frame that one dream is carried to."""
    return choose_effort([dream], firmness, smallest, GAINS)


def make_uneven_dream(left: float, right: float) -> CarriedDream:
    """Return a dream whose halves are so many times as strong as a fresh one."""
    fresh = make_residual(96, 192, sigma=0.01)
    factors = torch.where(torch.arange(192) < 96, left, right)
    return replace(CarriedDream.begin(fresh, GAINS), residual=fresh * factors)


# --- Effort


def test_a_dream_that_has_outgrown_a_fresh_one_is_dreamed_on_less() -> None:
    gained = (0.5, GAINS.setpoint, 1.05, 1.2, 9.0)
    efforts = [effort_of(make_dream(1.0, gain)) for gain in gained]
    assert efforts[0] == GAINS.max_effort
    assert efforts[1] == pytest.approx(GAINS.initial_effort)
    assert efforts[1] > efforts[2] > efforts[3] >= efforts[4] == GAINS.min_effort


@pytest.mark.parametrize(
    ("gain_ema", "firmness", "expected"),
    [
        pytest.param(9.0, 0.0, 1.0, id="firmness 0"),
        pytest.param(1e-300, 1.0, GAINS.max_effort, id="all but gone"),
        pytest.param(-2.0, FIRMNESS, GAINS.max_effort, id="less than its source"),
    ],
)
def test_the_effort_stays_within_its_limits(
    gain_ema: float, firmness: float, expected: float
) -> None:
    assert effort_of(make_dream(1.0, gain_ema), firmness) == expected


@pytest.mark.parametrize(
    ("reference_gain", "gain_ema"),
    [(math.nan, math.nan), (1.0, math.nan), (math.nan, 1.0), (-1.0, 2.0), (0.0, 2.0)],
)
def test_an_unknown_gain_leaves_the_effort_as_it_is(reference_gain: float, gain_ema: float) -> None:
    dream = make_dream(reference_gain, gain_ema)
    assert overshoot_of(dream, GAINS) == 1
    assert effort_of(dream) == GAINS.initial_effort


def test_a_still_has_a_smallest_effort_of_its_own() -> None:
    assert effort_of(make_dream(1.0, 9.0), smallest=1.0) == 1.0


def test_two_dreams_have_the_mean_of_their_efforts() -> None:
    strong, weak = make_dream(1.0, 9.0), make_dream(1.0, 0.1)
    both = choose_effort([strong, weak], FIRMNESS, GAINS.min_effort, GAINS)
    assert both == pytest.approx((GAINS.min_effort + GAINS.max_effort) / 2)


def test_the_base_effort_learns_from_each_measurement() -> None:
    strong, weak = make_dream(1.0, 1.5), make_dream(1.0, 0.8)
    for _ in range(50):
        last = strong
        strong = update_effort(strong, 1.5, 1 / 12, FIRMNESS, GAINS.min_effort, GAINS)
        weak = update_effort(weak, 0.8, 1 / 12, FIRMNESS, GAINS.min_effort, GAINS)
        assert strong.base_effort <= last.base_effort
    assert strong.base_effort == GAINS.min_effort
    assert weak.base_effort == GAINS.max_effort


def test_the_base_effort_stays_at_the_setpoint() -> None:
    dream = make_dream(1.0, GAINS.setpoint)
    after = update_effort(dream, GAINS.setpoint, 1 / 12, FIRMNESS, GAINS.min_effort, GAINS)
    assert after.base_effort == pytest.approx(GAINS.initial_effort)


def test_the_first_measurement_is_the_average() -> None:
    after = update_effort(make_dream(1.0), 3.0, 1 / 12, FIRMNESS, GAINS.min_effort, GAINS)
    assert after.gain_ema == 3.0


@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(0.001, 2))
def test_the_average_lies_between_what_it_was_and_what_is_measured(
    average: float, measured: float, seconds: float
) -> None:
    dream = make_dream(1.0, average)
    after = update_effort(dream, measured, seconds, FIRMNESS, GAINS.min_effort, GAINS).gain_ema
    assert min(average, measured) - 1e-9 <= after <= max(average, measured) + 1e-9


# --- Frame rates


@given(gain=st.floats(0.9, 1.1), firmness=st.floats(0, 0.3))
def test_the_base_effort_goes_alike_in_equal_times(gain: float, firmness: float) -> None:
    """At a constant gain the integral depends on time alone."""
    efforts = []
    for rate in FRAME_RATES:
        dream = make_dream(1.0, gain)
        for _ in range(rate // 6):
            dream = update_effort(
                dream, gain, 1 / rate, firmness, 0.0, replace(GAINS, max_effort=8)
            )
        efforts.append(dream.base_effort)
    assert efforts == pytest.approx([efforts[0]] * len(efforts))


@given(first=st.floats(-5, 5), measured=st.floats(-5, 5))
def test_the_average_gain_goes_alike_in_equal_times(first: float, measured: float) -> None:
    averages = []
    for rate in FRAME_RATES:
        dream = make_dream(1.0, first)
        for _ in range(rate // 6):
            dream = update_effort(dream, measured, 1 / rate, FIRMNESS, GAINS.min_effort, GAINS)
        averages.append(dream.gain_ema)
    assert averages == pytest.approx([averages[0]] * len(averages))


@given(stability=st.floats(0, 1), decay=st.floats(0, 1))
def test_as_much_is_kept_in_equal_times(stability: float, decay: float) -> None:
    carry = CarryOptions(stability=stability, decay=decay)
    kept = []
    for rate in FRAME_RATES:
        frames = duration_in_frames(1 / rate, GAINS)
        kept.append(decay_for(carry, frames, GAINS) ** (rate // 6))
    assert kept == pytest.approx([kept[0]] * len(kept))


def test_durations_are_in_frames_of_the_reference_and_bounded() -> None:
    assert duration_in_frames(REFERENCE_S, GAINS) == pytest.approx(1)
    assert duration_in_frames(REFERENCE_S / 4, GAINS) == pytest.approx(1 / 4)
    longest = GAINS.longest_frame / REFERENCE_S
    for seconds in (GAINS.longest_frame, 1 / 24, 100.0):
        assert duration_in_frames(seconds, GAINS) == pytest.approx(longest)


def test_the_dial_goes_from_boiling_to_locked() -> None:
    dials = (0.0, 0.25, 0.5, 0.75, 1.0)
    kept = [decay_for(CarryOptions(stability=dial), 1.0, GAINS) for dial in dials]
    assert kept == sorted(kept)
    assert kept[-1] == 1
    assert kept[0] == pytest.approx(CarryOptions.decay - GAINS.decay_drop)
    assert kept[2] == pytest.approx(CarryOptions.decay)


# --- Maps


def test_where_a_dream_is_weaker_than_elsewhere_it_is_dreamed_harder() -> None:
    ratio = make_uneven_dream(0.7, 1.4).energy_ratio(GAINS)
    gain = local_gain([ratio], 0.25, GAINS)
    assert gain[..., :3].min() > 1.1
    assert gain[..., -3:].max() < 0.9
    torch.testing.assert_close(local_gain([ratio], 0.0, GAINS), torch.ones_like(ratio))
    even = EMPTY.energy_ratio(GAINS)
    torch.testing.assert_close(local_gain([even], 0.25, GAINS), torch.ones_like(even))


@given(left=st.floats(0.01, 10), firmness=st.floats(0, 1))
def test_local_gains_stay_within_their_limits(left: float, firmness: float) -> None:
    ratio = torch.tensor([left, 1.0, 1.0]).view(1, 1, 1, 3)
    gain = local_gain([ratio], firmness, GAINS)
    assert gain.min() >= GAINS.min_local_gain
    assert gain.max() <= GAINS.max_local_gain


def test_forms_are_missing_where_they_have_faded_and_fine_lines_are_not() -> None:
    forms = gaussian_blur(make_residual(96, 192), 3.0)
    lines = 0.03 * torch.where(torch.arange(192) % 2 == 0, 1.0, -1.0)
    left = (torch.arange(192) < 96).float()
    fresh = CarriedDream.begin(forms + lines, GAINS)
    faded = replace(fresh, residual=forms * (1 - 0.5 * left) + lines)
    missing = missing_forms([faded.energy_ratio(GAINS)])
    columns = missing.shape[3]
    assert missing[..., : columns // 4].mean() == pytest.approx(0.5, abs=0.05)
    assert missing[..., -(columns // 4) :].max() < 0.02
    without_lines = replace(fresh, residual=forms)
    assert missing_forms([without_lines.energy_ratio(GAINS)]).max() < 0.02


@given(st.lists(st.floats(0, 100), min_size=1, max_size=2))
def test_missing_forms_are_a_share(ratios: list[float]) -> None:
    missing = missing_forms([torch.full((1, 1, 2, 2), ratio) for ratio in ratios])
    assert missing.min() >= 0
    assert missing.max() <= 1


def test_bare_areas_count_as_young_however_long_they_were_in_view() -> None:
    dream = make_uneven_dream(0.02, 1.0)
    ratio = dream.energy_ratio(GAINS)
    age = perceived_age([dream], [ratio], 0.25, GAINS)
    assert age[..., :48].max() < 0.1
    assert age[..., -48:].min() > 0.6
    assert perceived_age([dream], [ratio], 0.0, GAINS).min() == 1, "at firmness 0 age alone counts"


def test_the_youngest_of_two_dreams_counts() -> None:
    one, other = EMPTY, replace(EMPTY, age=torch.full((1, 1, 16, 16), 0.3))
    assert perceived_age([one, other], [], 0.0, GAINS).max() == pytest.approx(0.3)


# --- Cross-fades


def alike(common: float) -> tuple[Tensor, Tensor]:
    """Return two residuals of one power that have so much in common."""
    one, apart = make_residual(32, 48, seed=1), make_residual(32, 48, seed=2)
    apart = apart - (apart * one).sum() / one.square().sum() * one
    apart = apart * (one.square().sum() / apart.square().sum()).sqrt()
    return one, common * one + math.sqrt(1 - common**2) * apart


@given(turn=st.floats(0, math.pi / 2), common=st.floats(0, 1))
def test_a_mix_of_two_dreams_is_as_strong_as_each(turn: float, common: float) -> None:
    one, other = alike(common)
    dreams = {3: CarriedDream.begin(one, GAINS), 5: CarriedDream.begin(other, GAINS)}
    shares = {3: torch.tensor(math.cos(turn)), 5: torch.tensor(math.sin(turn))}
    mixed = mix_residuals(dreams, equal_power_mix(dreams, shares))
    assert float(mixed.square().mean()) == pytest.approx(float(one.square().mean()), rel=1e-3)


def test_one_dream_is_shown_as_it_is() -> None:
    state = make_state(CarriedDream.begin(make_residual(32, 48), GAINS))
    weights = equal_power_mix(state.dreams, state.weights)
    assert weights == {0: 1.0}
    assert torch.equal(mix_residuals(state.dreams, weights), state.dreams[0].residual)
