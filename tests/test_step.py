"""The temporal step: pure, on the device, nothing read back but in one place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import make_texture
from torch import Tensor

from dreamflow.core.tensors import picture_to_tensor
from dreamflow.dream.objective.objective import Objective
from dreamflow.dream.options import DreamOptions
from dreamflow.networks.network import Network
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.flow.completion import complete_flow, still_motion
from dreamflow.temporal.flow.estimators import estimate_dis
from dreamflow.temporal.motion.motion import Motion
from dreamflow.temporal.options import CarryOptions
from dreamflow.temporal.readback import read_back
from dreamflow.temporal.state import DreamState, HostFacts
from dreamflow.temporal.state_tree import state_from_tree, state_to_tree
from dreamflow.temporal.step import begin, hold, step
from dreamflow.temporal.step_settings import StepSettings

GAINS = Gains()
DREAM = DreamOptions(layer=("conv2/3x3",), octaves=2, iterations=2, jitter=4)
CARRY = CarryOptions()
HEIGHT, WIDTH = 72, 96


def settings_of(
    network: Network, dream: DreamOptions = DREAM, carry: CarryOptions = CARRY, **more: object
) -> StepSettings:
    objective = Objective.parse(network, dream.layer)
    values = {
        "dream": dream,
        "carry": carry,
        "objective": objective,
        "objectives": {0: objective},
        "weights": {0: 1.0},
        "seconds": 1 / 24,
    }
    return StepSettings(**(values | more))  # type: ignore[arg-type]


def frame_at(shift: int, device: str = "cpu") -> Tensor:
    picture = make_texture(HEIGHT, WIDTH + 16)[:, shift : shift + WIDTH]
    return picture_to_tensor(np.ascontiguousarray(picture), torch.device(device))


def motion_between(one: int, other: int) -> Motion:
    before, here = (
        np.ascontiguousarray(make_texture(HEIGHT, WIDTH + 16)[:, s : s + WIDTH])
        for s in (one, other)
    )
    flow = estimate_dis(before, here)
    motion = complete_flow(flow, before, here, GAINS)
    return motion.to(torch.device("cpu"))


def carried_frames(network: Network, count: int) -> tuple[DreamState, list[Tensor]]:
    """Return the state after a few carried frames of a pan, and their dreams."""
    settings = settings_of(network)
    result = begin(frame_at(0), settings, GAINS, (0, 0))
    dreams = [result.dream]
    for number in range(1, count):
        state = read_back(result.state, settings, GAINS).state
        motion = motion_between(number - 1, number)
        result = step(state, frame_at(number), motion, settings, GAINS, (0, number))
        dreams.append(result.dream)
    return result.state, dreams


def test_a_step_changes_nothing_that_it_is_given(noise_network: Network) -> None:
    settings = settings_of(noise_network)
    state = read_back(begin(frame_at(0), settings, GAINS, (0, 0)).state, settings, GAINS).state
    residual, frame = state.dreams[0].residual.clone(), frame_at(1)
    before = frame.clone()
    motion = motion_between(0, 1)
    first = step(state, frame, motion, settings, GAINS, (0, 1))
    second = step(state, frame, motion, settings, GAINS, (0, 1))
    assert torch.equal(first.dream, second.dream)
    assert torch.equal(state.dreams[0].residual, residual)
    assert torch.equal(frame, before)


def test_a_restored_state_goes_on_to_the_bit(noise_network: Network) -> None:
    settings = settings_of(noise_network)
    state, _ = carried_frames(noise_network, 4)
    again = state_from_tree(state_to_tree(state), torch.device("cpu"))
    results = []
    for one in (state, again):
        ready = read_back(one, settings, GAINS).state
        motion = motion_between(3, 4)
        results.append(step(ready, frame_at(4), motion, settings, GAINS, (0, 4)))
    assert torch.equal(results[0].dream, results[1].dream)


def test_the_dream_is_carried_along_the_motion(noise_network: Network) -> None:
    """Without steps a carried dream is the one before it, moved, as far as it is kept."""
    carry = CarryOptions(carry_iterations=0, uncover_iterations=0, firmness=0, stability=1)
    settings = settings_of(noise_network, carry=carry)
    state = begin(frame_at(0), settings, GAINS, (0, 0)).state
    still = still_motion(HEIGHT, WIDTH, GAINS)
    result = step(state, frame_at(0), still, settings, GAINS, (0, 1))
    kept = (frame_at(0) + state.dreams[0].residual).clamp(0, 1)
    torch.testing.assert_close(result.dream, kept, atol=1e-5, rtol=0)


def test_what_came_into_view_is_young_and_dreamed_on(noise_network: Network) -> None:
    settings = settings_of(noise_network)
    state = read_back(begin(frame_at(0), settings, GAINS, (0, 0)).state, settings, GAINS).state
    still = still_motion(HEIGHT, WIDTH, GAINS)
    confidence = torch.ones(1, 1, HEIGHT, WIDTH)
    confidence[..., : WIDTH // 3] = 0
    shares = np.zeros_like(still.disoccluded)
    shares[:, : shares.shape[1] // 3] = 1
    motion = replace(still, confidence=confidence, disoccluded=shares)
    result = step(state, frame_at(0), motion, settings, GAINS, (0, 1))
    age = result.state.dreams[0].age
    assert result.trace.crops >= 1
    assert float(age[..., : WIDTH // 3 - 2].max()) < 0.5 < float(age[..., WIDTH // 3 + 2 :].min())
    change = (result.dream - frame_at(0)).abs()
    assert float(change[..., : WIDTH // 4].mean()) > 0.25 * float(change[..., WIDTH // 2 :].mean())


def test_a_flash_moves_nothing(noise_network: Network) -> None:
    settings = settings_of(noise_network)
    state = read_back(begin(frame_at(0), settings, GAINS, (0, 0)).state, settings, GAINS).state
    result = hold(state, frame_at(0), settings, GAINS, (0, 1), HEIGHT, WIDTH)
    assert result.dream.shape == (1, 3, HEIGHT, WIDTH)


def test_the_trace_tells_what_was_seen_and_done(noise_network: Network) -> None:
    settings = settings_of(noise_network)
    state = read_back(begin(frame_at(0), settings, GAINS, (0, 0)).state, settings, GAINS).state
    result = step(state, frame_at(1), motion_between(0, 1), settings, GAINS, (0, 7))
    numbers = read_back(result.state, settings, GAINS).numbers
    trace = result.trace.completed(numbers)
    row = trace.as_row()
    assert row["frame"] == 7
    assert row["iterations"] >= 1
    assert 0 < row["confidence"] <= 1
    assert {"advect", "equalise", "fill", "regrow", "refine", "observe"} <= set(row["milliseconds"])
    assert {"young_share", "missing", "coverage", "energy.0", "setpoint.0"} <= set(row["numbers"])


def on_meta(state: DreamState) -> DreamState:
    """Return a state on the meta device, with host facts that ask for every stage."""
    meta = torch.device("meta")
    tree = state_to_tree(state)
    tree["pending"] = {"names": (), "values": None, "grid": (0, 0)}
    uncovered = np.zeros((8, 10), np.float32)
    uncovered[2:5, 2:5] = 1
    moved = state_from_tree(tree, meta)
    return replace(moved, facts=HostFacts(0.5, 0.5, uncovered))


@pytest.mark.parametrize("renew", [False, True])
def test_meta_device_runs_a_step(
    noise_network: Network, meta_network: Network, renew: bool
) -> None:
    """Where there is no memory nothing can be read back: the step asks nothing of the host."""
    state, _ = carried_frames(noise_network, 2)
    state = on_meta(state)
    still = still_motion(HEIGHT, WIDTH, GAINS)
    uncovered = np.zeros((8, 10), np.float32)
    uncovered[2:5, 2:5] = 1
    motion = replace(still, disoccluded=uncovered).to(torch.device("meta"))
    settings = settings_of(
        meta_network, renew=renew, carry=CarryOptions(uncover_iterations=2), seconds=0.2
    )
    result = step(state, frame_at(1, "meta"), motion, settings, GAINS, (0, 1))
    assert result.dream.device.type == "meta"
    assert result.dream.shape == (1, 3, HEIGHT, WIDTH)
    assert result.trace.crops == 1
    assert result.trace.regrow_step > 0
    assert result.state.pending.values is not None
    assert "gain.0" in result.state.pending.names


def test_meta_device_begins_and_cross_fades(meta_network: Network) -> None:
    weights = {0: 0.8, 1: 0.6}
    one, other = (Objective.parse(meta_network, (x,)) for x in ("conv2/3x3", "conv1/7x7_s2"))
    more = {"objectives": {0: one, 1: other}, "weights": weights}
    settings = settings_of(meta_network, **more)
    state = begin(frame_at(0, "meta"), settings, GAINS, (0, 0)).state
    motion = still_motion(HEIGHT, WIDTH, GAINS).to(torch.device("meta"))
    state = replace(state, facts=HostFacts(0.5, 0.5, None))
    result = step(state, frame_at(1, "meta"), motion, settings, GAINS, (0, 1))
    assert result.dream.device.type == "meta"
    assert set(result.state.dreams) == {0, 1}
