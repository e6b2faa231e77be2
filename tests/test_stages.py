"""The stages of the temporal step, one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from temporal_scenes import (
    FRAME_RATES,
    GAINS,
    SMALL_DREAM,
    make_pan,
    make_residual,
    make_settings,
    make_state,
    make_uniform_motion,
)
from torch import Tensor

from dreamflow.core.imaging.arrays import image_size
from dreamflow.core.tensors import picture_to_tensor
from dreamflow.dream.objective.objective import Objective
from dreamflow.networks.network import Network
from dreamflow.temporal.control.bands import BandEnergies, measure_bands
from dreamflow.temporal.control.effort_controller import mix_residuals, perceived_age
from dreamflow.temporal.control.gains import REFERENCE_S
from dreamflow.temporal.flow.completion import still_motion
from dreamflow.temporal.options import CarryOptions
from dreamflow.temporal.stages.advect import advect, advect_reference
from dreamflow.temporal.stages.equalise import equalise
from dreamflow.temporal.stages.observe import observe, pack
from dreamflow.temporal.stages.refine import refine, share_for_young, step_sizes
from dreamflow.temporal.stages.regrow import weight_of_large_forms
from dreamflow.temporal.stages.settle import settle
from dreamflow.temporal.state import CarriedDream, Ground, HostFacts

HEIGHT, WIDTH = 40, 50
NO_DECAY = CarryOptions(stability=1)


def make_dream(residual: Tensor, age: float = 1.0) -> CarriedDream:
    """Return the carried dream of a residual, all of one age."""
    dream = CarriedDream.begin(residual, GAINS)
    return replace(dream, age=torch.full_like(dream.age, age))


# --- Advect


def test_no_motion_leaves_the_residual_alone() -> None:
    residual = make_residual(HEIGHT, WIDTH)
    state, motion = make_state(make_dream(residual)), still_motion(HEIGHT, WIDTH, GAINS)
    for _ in range(20):
        state = advect(state, motion, make_settings(carry=NO_DECAY), GAINS)
    assert torch.equal(state.dreams[0].residual, residual)


def test_decay_and_confidence_weigh_what_is_carried() -> None:
    confidence = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    state = make_state(make_dream(torch.ones(1, 3, 8, 8), age=0.5))
    motion = make_uniform_motion(0, 0, 8, 8, confidence)
    decaying = make_settings(carry=CarryOptions(decay=0.8))
    dream = advect(state, motion, decaying, GAINS).dreams[0]
    expected = torch.from_numpy(confidence)
    torch.testing.assert_close(dream.residual[0, 1], 0.8 * expected)
    torch.testing.assert_close(dream.age[0, 0], 0.5 * expected)


def test_the_reference_energy_moves_with_the_scene() -> None:
    """And where the scene is new, it is that of the frame's mean."""
    residual = make_residual(96, 192, sigma=0.01)
    residual[..., 48:96] *= 5
    dream = make_dream(residual)
    torch.testing.assert_close(dream.energy_ratio(GAINS), torch.ones_like(dream.reference_energy))
    confidence = np.ones((96, 192), np.float32)
    confidence[:, :48] = 0
    motion = make_uniform_motion(-48, 0, 96, 192, confidence)
    after = advect(make_state(dream), motion, make_settings(carry=NO_DECAY), GAINS).dreams[0]
    columns = dream.reference_energy.shape[3]
    shift = columns // 4
    moved, before = after.reference_energy[..., shift + 1 : -1], dream.reference_energy
    # Cells are 14 pixels wide, so a shift of 48 is no whole number of them.
    positions = torch.arange(shift + 1, columns - 1) - 48 * columns / 192
    low = positions.floor().long()
    expected = torch.lerp(before[..., low], before[..., low + 1], positions - low)
    torch.testing.assert_close(moved, expected, rtol=0.05, atol=0)
    assert after.reference_energy[..., 0] == pytest.approx(float(before.mean()), rel=0.05)
    ratio = after.energy_ratio(GAINS)
    assert ratio[..., shift + 1 :].min() > 0.5
    assert ratio[..., 0].max() < 0.1


def test_half_confidence_still_carries_most_of_the_reference_energy() -> None:
    energy = CarriedDream.begin(
        make_residual(96, 192) * torch.linspace(0.2, 2, 192), GAINS
    ).reference_energy
    full, half = (
        advect_reference(energy, make_uniform_motion(0, 0, 96, 192, confidence), None, GAINS)
        for confidence in (1.0, 0.5)
    )
    share = (half - energy.mean()) / (full - energy.mean())
    torch.testing.assert_close(
        share, torch.full_like(share, 0.5**GAINS.reference_confidence_power), rtol=0.01, atol=0
    )


def test_an_area_without_a_dream_never_has_less_than_none() -> None:
    energy = torch.zeros(1, 1, 4, 13)
    energy[..., 6:] = 0.1
    # At this size a mean of nothing but ones comes to a little more than 1.
    assert advect_reference(energy, still_motion(48, 160, GAINS), None, GAINS).min() >= 0


def test_a_dream_of_another_keyframe_is_dropped() -> None:
    state = make_state(make_dream(make_residual(8, 8)), make_dream(make_residual(8, 8)))
    after = advect(state, still_motion(8, 8, GAINS), make_settings(), GAINS)
    assert set(after.dreams) == {0}


@pytest.mark.parametrize("rate", FRAME_RATES)
def test_as_much_of_a_residual_is_kept_in_equal_times(rate: int) -> None:
    state, motion = make_state(make_dream(torch.ones(1, 3, 8, 8))), still_motion(8, 8, GAINS)
    for _ in range(rate // 6):
        state = advect(state, motion, make_settings(seconds=1 / rate), GAINS)
    expected = CarryOptions.decay ** (1 / 6 / REFERENCE_S)
    assert float(state.dreams[0].residual.mean()) == pytest.approx(expected, rel=1e-4)


def test_a_slow_clip_is_carried_as_one_of_the_longest_frames() -> None:
    state, motion = make_state(make_dream(make_residual())), make_uniform_motion(1, 0, 64, 96)
    slow, longest = (
        advect(state, motion, make_settings(seconds=seconds), GAINS).dreams[0].residual
        for seconds in (1 / 24, GAINS.longest_frame)
    )
    assert torch.equal(slow, longest)


# --- Equalise


def test_what_holds_still_does_not_make_up_for_what_moves() -> None:
    fresh = make_residual(96, 192, sigma=0.01)
    halves = torch.where(torch.arange(192) < 96, 0.5, 1.3)
    dream = replace(make_dream(fresh), residual=fresh * halves)
    state, motion, settings = make_state(dream), still_motion(96, 192, GAINS), make_settings()
    for _ in range(8):
        state = equalise(advect(state, motion, settings, GAINS), motion, settings, GAINS)
    before_ratio, after_ratio = dream.energy_ratio(GAINS), state.dreams[0].energy_ratio(GAINS)
    assert (after_ratio[..., -3:] < 0.85 * before_ratio[..., -3:]).all()
    # What comes down is given back to the whole: what is weak gains by it.
    assert (after_ratio[..., :2] > 1.3 * before_ratio[..., :2]).all()
    assert float(state.dreams[0].residual.std()) == pytest.approx(float(fresh.std()), rel=0.02)


def test_what_is_too_strong_in_places_does_not_leave_the_whole_weak() -> None:
    fresh = make_residual(96, 192, sigma=0.01)
    halves = torch.where(torch.arange(192) < 96, 0.8, 1.166)
    dream = replace(make_dream(fresh), residual=fresh * halves)
    state, motion, settings = make_state(dream), still_motion(96, 192, GAINS), make_settings()
    after = equalise(advect(state, motion, settings, GAINS), motion, settings, GAINS).dreams[0]
    assert float(after.residual.std()) > 0.98 * float(fresh.std())


def test_firmness_0_equalises_nothing() -> None:
    dream = replace(make_dream(make_residual()), residual=make_residual() * 3)
    motion = still_motion(*image_size(dream.residual), GAINS)
    settings = make_settings(carry=CarryOptions(firmness=0))
    after = equalise(make_state(dream), motion, settings, GAINS)
    assert torch.equal(after.dreams[0].residual, dream.residual)


@pytest.mark.parametrize("rate", FRAME_RATES)
@pytest.mark.parametrize("confidence", [1.0, 0.92])
def test_what_fades_on_the_way_is_given_back(rate: int, confidence: float) -> None:
    residual = make_residual(96, 192) + torch.tensor([0.05, 0.0, -0.1]).view(1, 3, 1, 1)
    state, motion = make_state(make_dream(residual)), still_motion(96, 192, GAINS)
    share = confidence ** (1 / rate / REFERENCE_S)
    motion = replace(motion, confidence=motion.confidence * share, mean_confidence=share)
    settings = make_settings(seconds=1 / rate)
    for _ in range(rate):
        state = equalise(advect(state, motion, settings, GAINS), motion, settings, GAINS)
        state = settle(state, state.dreams[0].residual, settings, GAINS)
    fresh, after = (measure_bands(one, GAINS) for one in (residual, state.dreams[0].residual))
    torch.testing.assert_close(after.bands[1:], fresh.bands[1:], rtol=0.05, atol=0)
    torch.testing.assert_close(after.mean, fresh.mean, rtol=0.05, atol=1e-3)


def test_what_is_left_of_a_lost_flow_does_not_grow_at_once() -> None:
    residual = make_residual(96, 192)
    state, motion = make_state(make_dream(residual)), still_motion(96, 192, GAINS)
    seen = (torch.arange(192) < 48).float().expand(1, 1, 96, 192)
    motion = replace(motion, confidence=seen, mean_confidence=0.25)
    state = equalise(advect(state, motion, make_settings(), GAINS), motion, make_settings(), GAINS)
    left = state.dreams[0].residual[..., :40]
    assert left.square().mean() < 1.3 * residual[..., :40].square().mean()


# --- Settle


@pytest.mark.parametrize("rate", FRAME_RATES)
def test_ages_and_setpoints_approach_alike_in_equal_times(rate: int) -> None:
    dream = make_dream(make_residual(), age=0.0)
    target = dream.setpoint_target
    low = BandEnergies(0.5 * target.lines, 0.5 * target.bands, 0.5 * target.mean)
    state, residual = make_state(replace(dream, setpoint=low)), make_residual()
    for _ in range(rate // 2):
        state = settle(state, residual, make_settings(seconds=1 / rate), GAINS)
    after = state.dreams[0]
    expected_age = 1 - np.exp(-0.5 / GAINS.age_time)
    torch.testing.assert_close(after.age, torch.full_like(after.age, expected_age))
    left = 0.5 * np.exp(-0.5 / GAINS.setpoint_time)
    torch.testing.assert_close(after.setpoint.bands, (1 - left) * target.bands, rtol=1e-4, atol=0)


def test_a_long_pause_ages_a_dream_by_the_longest_frame() -> None:
    state = make_state(make_dream(make_residual(), age=0.0))
    pause, longest = (
        settle(state, make_residual(), make_settings(seconds=seconds), GAINS).dreams[0].age
        for seconds in (100.0, GAINS.longest_frame)
    )
    assert torch.equal(pause, longest)


def test_at_firmness_0_the_setpoint_stays() -> None:
    dream = make_dream(make_residual())
    doubled = CarriedDream.begin(2 * make_residual(), GAINS).setpoint
    state = make_state(replace(dream, setpoint_target=doubled))
    loose = make_settings(carry=CarryOptions(firmness=0))
    after = settle(state, make_residual(), loose, GAINS).dreams[0]
    assert torch.equal(after.setpoint.bands, dream.setpoint.bands)


@pytest.mark.parametrize("age", [0.0, 0.5, 1.0])
def test_what_two_dreams_show_together_changes_as_it_was_dreamed(age: float) -> None:
    state = make_state(*(make_dream(make_residual(seed=seed), age) for seed in (1, 2)))
    shown = mix_residuals(state.dreams, state.weights) + make_residual(sigma=0.01, seed=3)
    after = settle(state, shown, make_settings(weights={0: 0.7, 1: 0.7}), GAINS)
    torch.testing.assert_close(mix_residuals(after.dreams, state.weights), shown)


def test_coverage_grows_faster_than_age() -> None:
    dream = make_dream(make_residual(8, 8), age=0.3)
    coverage = dream.coverage(GAINS)
    assert coverage.min() == pytest.approx(1 - 0.7**GAINS.coverage_power)
    assert make_dream(make_residual(8, 8)).coverage(GAINS).min() == 1
    assert make_dream(make_residual(8, 8), age=0.0).coverage(GAINS).max() == 0


# --- Step sizes


def sizes_of(age: Tensor, size: float, iterations: int) -> Tensor:
    """Return the step sizes on a dream that is as strong as a fresh one, of some ages."""
    dream = replace(make_dream(make_residual(*age.shape)), age=age.view(1, 1, *age.shape))
    ratio = [dream.energy_ratio(GAINS)]
    return step_sizes([dream], ratio, size, iterations, make_settings(), 1.0, GAINS)[0, 0]


def test_young_areas_take_larger_steps_than_the_rest() -> None:
    age = torch.ones(48, 64)
    age[:12] = 0
    carried = CarryOptions.carry_iterations
    sizes = sizes_of(age, 0.1, carried)
    assert sizes[0].min() == pytest.approx(GAINS.young_step)
    assert sizes[-1].max() == pytest.approx(0.1)


def test_young_areas_do_not_lack_the_iterations_that_the_rest_can_do_without() -> None:
    age = torch.ones(48, 64)
    age[0, :30] = 0
    sizes = sizes_of(age, 0.3, 1)
    assert sizes[0, 0] == pytest.approx(2 * GAINS.young_step)
    assert sizes[-1, 0] == pytest.approx(0.3)


def test_young_steps_do_not_make_large_steps_smaller() -> None:
    sizes = sizes_of(torch.zeros(16, 16), 5.0, CarryOptions.carry_iterations)
    torch.testing.assert_close(sizes, torch.full_like(sizes, 5.0))


def test_weak_areas_take_larger_steps_than_strong_ones() -> None:
    fresh = make_residual(96, 192, sigma=0.01)
    halves = torch.where(torch.arange(192) < 96, 0.7, 1.4)
    dream = replace(make_dream(fresh), residual=fresh * halves)
    ratio = [dream.energy_ratio(GAINS)]
    sizes = step_sizes([dream], ratio, 1.0, 3, make_settings(), 1.0, GAINS)
    assert sizes[..., :60].min() > 1.2 * sizes[..., -60:].max()
    assert sizes.max() > 1
    assert torch.equal(perceived_age([dream], ratio, 0.0, GAINS), dream.age)


def test_the_largest_forms_are_for_what_is_new_and_does_not_move_by_itself() -> None:
    residual, nothing = make_residual(), torch.zeros(1, 1, 64, 96)
    hidden = nothing.clone()
    hidden[..., 48:] = 1
    ground = Ground(residual, nothing, hidden, nothing, torch.zeros(1, 4, 1, 1))
    weights: list[Tensor] = []
    for age in (0.0, 0.5, 1.0):
        state = make_state(replace(make_dream(residual, age), ground=ground))
        weights.append(weight_of_large_forms(state, torch.full((1, 1, 6, 10), 0.5), GAINS))
        assert weights[-1][..., 48:].max() == 0
    new, young, old = (weight[..., :48].mean() for weight in weights)
    assert new == pytest.approx(1)
    assert 0 < young < 0.2
    assert old == 0


# --- Observe and pack


@pytest.mark.parametrize("rate", [10, 24, *FRAME_RATES, 240])
def test_the_objective_is_measured_at_intervals_of_time(noise_network: Network, rate: int) -> None:
    objective = Objective.parse(noise_network, SMALL_DREAM.layer)
    frame = picture_to_tensor(make_pan(1, height=32, width=32)[0])
    state = make_state(make_dream(make_residual(32, 32)))
    settings, seconds = make_settings(objective, seconds=1 / rate), []
    for _ in range(rate):
        state, measured = observe(state, frame, frame, settings, GAINS)
        if measured:
            seconds.append(float(measured["gain_seconds.0"]))
    duration = min(1 / rate, GAINS.longest_frame)
    every = max(1, int(np.ceil(GAINS.measure_interval / duration - 1e-6)))
    assert len(seconds) == rate // every
    counted = duration * every
    assert seconds == pytest.approx([counted] * len(seconds))


@pytest.mark.parametrize(
    "values",
    [
        {"carry": CarryOptions(stability=1)},
        {"carry": CarryOptions(firmness=0)},
        {"weights": {0: 0.7, 1: 0.7}},
    ],
    ids=["locked", "firmness 0", "cross-fade"],
)
def test_nothing_is_measured_that_changes_nothing(values: dict[str, Any]) -> None:
    state = replace(make_state(make_dream(make_residual(16, 16))), since_measured=10.0)
    frame = torch.zeros(1, 3, 16, 16)
    after, measured = observe(state, frame, frame, make_settings(**values), GAINS)
    assert measured == {}
    assert after.since_measured == 0


@settings(max_examples=25)
@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.floats(0, 1),
)
def test_what_is_packed_are_shares(height: int, width: int, age: float) -> None:
    state = make_state(make_dream(make_residual(height, width), age))
    pending = pack(state, {}, make_settings(), GAINS)
    assert pending.values is not None
    values = dict(zip(pending.names, pending.values.tolist(), strict=False))
    blocks = pending.values[len(pending.names) :]
    assert blocks.numel() == pending.grid[0] * pending.grid[1]
    assert blocks.min() >= 0
    assert blocks.max() <= 1 + 1e-6
    for name in ("young_share", "missing", "coverage"):
        assert 0 <= values[name] <= 1 + 1e-6
    assert values["young_share"] == (age < GAINS.young_below_age)
    covered = 1 - (1 - age) ** GAINS.coverage_power
    if abs(covered - GAINS.fill_below_coverage) > 1e-6:
        assert blocks.min() == pytest.approx(float(covered < GAINS.fill_below_coverage))


# --- Refine


def refinement(network: Network, effort: float, facts: HostFacts) -> dict[str, float]:
    """Return what a refinement did whose controller asks for an effort."""
    objective = Objective.parse(network, SMALL_DREAM.layer)
    frame = picture_to_tensor(make_pan(1, height=32, width=32)[0])
    dream = replace(make_dream(make_residual(32, 32, sigma=0.01)), base_effort=effort)
    state = replace(make_state(dream), facts=facts)
    settings = make_settings(objective)
    ratios = state.energy_ratios(settings.weights, GAINS)
    _, done = refine(frame, frame, state, ratios, settings, GAINS, (0, 1))
    return done


def test_more_effort_is_more_work(noise_network: Network) -> None:
    done = [
        refinement(noise_network, effort, HostFacts())
        for effort in (GAINS.max_effort, 1.0, 0.6, 0.3, 0.1, GAINS.min_effort)
    ]
    work = [one["iterations"] * one["step"] for one in done]
    assert work == sorted(work, reverse=True)
    assert len(set(work)) == len(work)
    assert done[1]["iterations"] == CarryOptions.carry_iterations
    assert done[1]["step"] == pytest.approx(CarryOptions.carry_step)


def test_many_young_areas_get_all_iterations(noise_network: Network) -> None:
    few, many = (
        refinement(noise_network, 0.1, HostFacts(young_share=share))
        for share in (0.5 * GAINS.young_share, 2 * GAINS.young_share)
    )
    assert few["iterations"] == 1
    assert many["iterations"] == CarryOptions.carry_iterations
    assert few["step"] == pytest.approx(many["step"] * many["iterations"])


@given(st.floats(0, 1), st.floats(0.2, 4))
def test_iterations_for_what_is_young_come_and_go_evenly(young: float, gain: float) -> None:
    """At a limit, more iterations would lift the dream over it, and fewer let it fall, for ever."""

    def share(young: float, gain: float) -> float:
        dream = replace(make_dream(make_residual(8, 8)), reference_gain=1.0, gain_ema=gain)
        state = replace(make_state(dream), facts=HostFacts(young_share=young))
        return share_for_young(state, [dream], GAINS)

    here = share(young, gain)
    assert 0 <= here <= 1
    assert share(min(1.0, young + 0.001), gain) == pytest.approx(here, abs=0.05)
    assert share(young, gain * 1.002) == pytest.approx(here, abs=0.2)
    assert share(young, gain * 1.002) <= here <= share(min(1.0, young + 0.001), gain)


def test_a_fresh_dream_of_what_moves_stays_what_it_is_compared_with() -> None:
    """Where flow is believed in part, the reference is that of its like, not of the whole frame."""
    moves = torch.zeros(1, 1, 32, 32)
    moves[..., :16] = 1
    motion = make_uniform_motion(0, 0, 32, 32, confidence=0.9)
    reference = 1 + 2 * moves
    for _ in range(30):
        reference = advect_reference(reference, motion, (moves, moves), GAINS)
    assert float(reference[..., 2:14].mean()) == pytest.approx(3, rel=0.05)
    assert float(reference[..., 18:30].mean()) == pytest.approx(1, rel=0.05)
