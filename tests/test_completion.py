"""Flow is completed by the motion around where it is arbitrary, and the pictures agree."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import make_texture
from hypothesis import given, settings
from hypothesis import strategies as st
from temporal_scenes import GAINS

from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.flow.completion import complete_flow, pull_push
from dreamflow.temporal.flow.estimators import MAX_FLOW_SIDE_PX, estimate_dis
from dreamflow.temporal.flow.flo_files import NOWHERE_PX
from dreamflow.temporal.flow.flow_pair import FlowPair
from dreamflow.temporal.motion.confidence import forward_backward_confidence
from dreamflow.temporal.motion.motion import Motion

Region = tuple[slice, slice]
LOST: Region = np.s_[30:96, 20:100]
INNER: Region = np.s_[40:90, 30:90]
PAN = (4, 2)


def make_snow(height: int, width: int) -> np.ndarray:
    """Return a blank picture, uint8 (height, width, 3)."""
    return np.full((height, width, 3), 230, np.uint8)


def pan_with_lost_flow(
    height: int,
    width: int,
    lost: Region,
    lost_flow: np.ndarray | float,
    pan: tuple[float, float] = PAN,
) -> FlowPair:
    """Return the flow of a pan, in a region replaced by one that does not lead back."""
    backward = np.full((height, width, 2), pan, np.float32)
    forward = -backward
    backward[lost] = lost_flow
    return FlowPair(backward, forward)


def random_flow(lost: Region) -> np.ndarray:
    """Return arbitrary flow of the size of a region."""
    rows, columns = (side.stop - side.start for side in lost)
    return np.random.default_rng(0).normal(0, 30, (rows, columns, 2)).astype(np.float32)


def backward_of(motion: Motion) -> np.ndarray:
    """Return the backward flow of a motion, (H, W, 2)."""
    return motion.backward[0].permute(1, 2, 0).numpy()


def confidence_of(motion: Motion) -> np.ndarray:
    """Return the confidence of a motion, (H, W)."""
    return motion.confidence[0, 0].numpy()


# --- Pull-push


@settings(max_examples=25)
@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_known_flow_stays_and_all_else_is_filled(
    height: int, width: int, data: st.DataObject
) -> None:
    flow = np.random.default_rng(0).normal(0, 5, (height, width, 2)).astype(np.float32)
    known = np.zeros((height, width), np.float32)
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    known[top : top + 10, left : left + 25] = 1
    result = pull_push(flow, known)
    np.testing.assert_allclose(result[known == 1], flow[known == 1], atol=1e-5)
    assert np.isfinite(result).all()
    even = pull_push(np.full_like(flow, 3), known)
    np.testing.assert_allclose(even, 3, atol=1e-4)


# --- Completion


def test_where_flow_is_arbitrary_the_motion_around_is_taken() -> None:
    flow, snow = pan_with_lost_flow(96, 128, LOST, random_flow(LOST)), make_snow(96, 128)
    motion = complete_flow(flow, snow, snow, GAINS)
    np.testing.assert_allclose(backward_of(motion)[INNER], np.full((50, 60, 2), PAN), atol=0.2)
    assert confidence_of(motion)[INNER].min() > 0.9
    believed = forward_backward_confidence(flow, GAINS) == 1
    np.testing.assert_allclose(backward_of(motion)[believed], flow.backward[believed], atol=1e-4)


def test_where_the_pictures_do_not_agree_flow_is_left_and_not_believed() -> None:
    flow, snow = pan_with_lost_flow(96, 128, LOST, random_flow(LOST)), make_snow(96, 128)
    here = snow.copy()
    here[LOST] = make_texture(66, 80)
    motion = complete_flow(flow, snow, here, GAINS)
    assert confidence_of(motion)[INNER].mean() < 0.1
    middle = np.s_[50:80, 40:80]
    np.testing.assert_allclose(backward_of(motion)[middle], flow.backward[middle], atol=1e-4)


def test_large_frames_are_completed_at_the_size_that_flow_is_estimated_at() -> None:
    assert MAX_FLOW_SIDE_PX < 1280
    lost, inner = np.s_[300:700, 200:1000], np.s_[400:600, 300:900]
    flow, snow = pan_with_lost_flow(720, 1280, lost, 40, (8, 4)), make_snow(720, 1280)
    motion = complete_flow(flow, snow, snow, GAINS)
    assert motion.backward.shape == (1, 2, 720, 1280)
    assert motion.confidence.shape == (1, 1, 720, 1280)
    np.testing.assert_allclose(backward_of(motion)[inner], np.full((200, 600, 2), (8, 4)), atol=0.2)
    assert motion.confidence.min() >= 0
    assert motion.confidence.max() <= 1


def test_beside_unknown_flow_nothing_is_believed_that_points_out_of_a_large_frame() -> None:
    lost = np.s_[200:300, 200:1000]
    flow = pan_with_lost_flow(360, 1280, lost, NOWHERE_PX, (4, 0))
    motion = complete_flow(flow, make_snow(360, 1280), make_snow(360, 1280), GAINS)
    assert confidence_of(motion)[230:270, 300:900].min() > 0.9, "it goes with the motion around"
    believed = confidence_of(motion) > 0
    assert np.abs(backward_of(motion)[believed] - (4, 0)).max() < 1280


@pytest.mark.parametrize("factor", [2, 4])
def test_completion_scales_with_the_frame(factor: int) -> None:
    small, large = (
        complete_flow(
            pan_with_lost_flow(
                96 * n,
                128 * n,
                (slice(30 * n, 96 * n), slice(20 * n, 100 * n)),
                40 * n,
                (4 * n, 2 * n),
            ),
            make_snow(96 * n, 128 * n),
            make_snow(96 * n, 128 * n),
            Gains(crop_block=0.1),  # blocks of whole pixels at each size
        )
        for n in (1, factor)
    )
    assert large.mean_confidence == pytest.approx(small.mean_confidence, abs=0.02)
    np.testing.assert_allclose(large.disoccluded, small.disoccluded, atol=0.15)
    sampled = backward_of(large)[factor // 2 :: factor, factor // 2 :: factor] / factor
    assert np.abs(sampled - backward_of(small)).mean() < 0.5


def test_what_looks_alike_is_believed_unless_it_is_drawn_out() -> None:
    blank = make_snow(48, 64)
    still = np.zeros((48, 64, 2), np.float32)
    lost = FlowPair(still, still + 50)
    assert confidence_of(complete_flow(lost, blank, blank, GAINS)).min() == 1
    assert confidence_of(complete_flow(lost, blank, blank - np.uint8(40), GAINS)).max() == 0
    out = FlowPair(still + 100, still)
    assert confidence_of(complete_flow(out, blank, blank, GAINS)).max() == 0
    wake = still.copy()
    wake[:, :32, 0] = -np.minimum(0, np.arange(-16, 16) / 2)
    drawn = complete_flow(FlowPair(wake, -wake), blank, blank - np.uint8(40), GAINS)
    assert confidence_of(drawn)[8:-8, 4:12].max() == 0


def test_a_zoom_of_three_percent_a_frame_is_believed() -> None:
    blank = make_snow(48, 64)
    zoom = np.dstack(np.meshgrid(np.arange(64), np.arange(48))).astype(np.float32) * -0.03
    motion = complete_flow(FlowPair(zoom, -zoom), blank, blank, GAINS)
    assert motion.confidence.min() == 1


def test_frames_of_a_row_of_pixels_have_a_motion() -> None:
    row = make_texture(1, 64)
    motion = complete_flow(estimate_dis(row, row), row, row, GAINS)
    assert motion.confidence.shape == (1, 1, 1, 64)
    assert motion.backward.isfinite().all()


# --- A scene of which all is known


def exact_scene() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return two frames, the true backward flow, and where it is hidden.

    A square of 32 pixels moves 6 to the right over a ground that moves 2 to the left.
    """
    ground, square = make_texture(96, 140, 1), make_texture(32, 32, 2)
    frames: list[np.ndarray] = []
    for number in (0, 1):
        frame = ground[:, 10 + 2 * number : 120 + 2 * number].copy()
        frame[30:62, 40 + 6 * number : 72 + 6 * number] = square
        frames.append(frame)
    flow = np.zeros((96, 110, 2), np.float32)
    flow[..., 0] = 2
    flow[30:62, 46:78, 0] = -6
    hidden = np.zeros((96, 110), bool)
    hidden[30:62, 38:46] = True  # ground that the square lay on in the frame before
    hidden[:, 108:] = True  # what came in from the right
    return frames[0], frames[1], flow, hidden


def test_flow_and_confidence_of_a_scene_of_which_all_is_known() -> None:
    import cv2

    before, here, truth, hidden = exact_scene()
    flow = estimate_dis(before, here)
    seen = ~cv2.dilate(hidden.astype(np.uint8), np.ones((9, 9))).astype(bool)
    inner = np.zeros_like(seen)
    inner[8:-8, 8:-8] = True
    error = np.linalg.norm(flow.backward - truth, axis=-1)
    assert np.median(error[seen & inner]) < 0.3
    confidence = forward_backward_confidence(flow, GAINS)
    assert confidence[hidden].mean() < 0.35
    assert confidence[seen & inner].mean() > 0.85
