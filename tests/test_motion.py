"""Flow and motion as values: reversed, resized, transferred."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from temporal_scenes import GAINS, make_pan, make_uniform_motion

from dreamflow.core.imaging.warp import warp
from dreamflow.core.tensors import picture_to_tensor
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.flow.completion import complete_flow, make_motion, still_motion
from dreamflow.temporal.flow.estimators import estimate_dis
from dreamflow.temporal.flow.flow_pair import FlowPair
from dreamflow.temporal.motion.confidence import forward_backward_confidence

CPU = torch.device("cpu")


@pytest.mark.parametrize(("dx", "dy"), [(3, 0), (0, -4), (-5, 2)])
def test_backward_flow_points_into_the_previous_frame(dx: int, dy: int) -> None:
    before, here = make_pan(2, dx, dy)
    flow = estimate_dis(before, here)
    inner = np.s_[16:-16, 16:-16]
    np.testing.assert_allclose(np.median(flow.backward[inner], axis=(0, 1)), (-dx, -dy), atol=0.2)
    assert forward_backward_confidence(flow, GAINS)[inner].mean() > 0.95
    motion = complete_flow(flow, before, here, GAINS).to(CPU).resized((96, 96))
    warped = warp(picture_to_tensor(before), motion.backward)
    difference = (warped - picture_to_tensor(here)).abs()[..., 16:-16, 16:-16]
    assert float(difference.mean()) < 4 / 255
    assert motion.confidence[..., 16:-16, 16:-16].mean() > 0.95


def test_a_reversed_pair_has_its_flows_swapped() -> None:
    flow = FlowPair(np.zeros((4, 5, 2), np.float32), np.ones((4, 5, 2), np.float32))
    assert flow.reversed.backward is flow.forward
    assert flow.reversed.forward is flow.backward
    assert flow.nbytes == 2 * 4 * 5 * 2 * 4


def test_no_motion_is_believed_everywhere() -> None:
    motion = still_motion(40, 50, GAINS)
    assert not motion.backward.any()
    assert motion.confidence.min() == 1
    assert motion.mean_confidence == 1
    assert motion.disoccluded.max() == 0


def test_a_motion_of_a_smaller_frame_is_enlarged_with_its_flow() -> None:
    motion = make_uniform_motion(2, -3, 48, 64, 0.5).to(CPU).resized((96, 192))
    assert motion.backward.shape == (1, 2, 96, 192)
    assert motion.confidence.shape == (1, 1, 96, 192)
    assert float(motion.backward[:, 0].mean()) == pytest.approx(6)
    assert float(motion.backward[:, 1].mean()) == pytest.approx(-6)
    assert motion.confidence.mean() == pytest.approx(0.5) == motion.mean_confidence


def test_blocks_say_how_much_of_them_is_disoccluded() -> None:
    confidence = np.ones((100, 200), np.float32)
    confidence[:, :30] = 0
    still = np.zeros((100, 200, 2), np.float32)
    motion = make_motion(still, confidence, 100, 200, Gains(crop_block=0.1))
    assert motion.disoccluded.shape == (5, 10)
    np.testing.assert_allclose(motion.disoccluded[:, :3], [[1, 0.5, 0]] * 5, atol=1e-6)


@pytest.mark.parametrize("factor", [0.5, 2])
def test_blocks_are_those_of_the_frame_at_any_size_of_its_flow(factor: float) -> None:
    confidence = np.ones((100, 200), np.float32)
    confidence[:, :40] = 0
    still, size = np.zeros((100, 200, 2), np.float32), (round(100 * factor), round(200 * factor))
    motion = make_motion(still, confidence, *size, Gains(crop_block=0.1))
    assert motion.disoccluded.shape == (5, 10)
    np.testing.assert_allclose(motion.disoccluded[:, :3], [[1, 1, 0]] * 5, atol=1e-6)
