"""How far flow is believed: where it leads back, looks alike, and is not drawn out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import make_texture
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from temporal_scenes import GAINS

from dreamflow.core.imaging.positions import inside_frame
from dreamflow.core.opencv import cv2
from dreamflow.temporal.flow.flow_pair import FlowPair
from dreamflow.temporal.motion.confidence import (
    ABSOLUTE_TOLERANCE_PX,
    check_consistency,
    flow_positions,
    forward_backward_confidence,
    photometric_consistency,
    uncompressed_mask,
)

HEIGHT, WIDTH = 48, 64
STILL = np.zeros((HEIGHT, WIDTH, 2), np.float32)
SNOW = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
FLOWS = arrays(np.float32, (7, 9, 2), elements=st.floats(-12, 12, width=32))


def enlarged(flow: np.ndarray, factor: int) -> np.ndarray:
    """Return a flow (H, W, 2) of the same scene at several times the size."""
    return factor * np.repeat(np.repeat(flow, factor, 0), factor, 1)


def shrunk(values: np.ndarray, factor: int) -> np.ndarray:
    """Return the mean of each factor x factor block of an array (H, W)."""
    height, width = values.shape
    return values.reshape(height // factor, factor, width // factor, factor).mean((1, 3))


# --- Forward and backward


def test_flow_out_of_the_frame_or_not_led_back_is_not_believed() -> None:
    backward = np.zeros((32, 32, 2), np.float32)
    backward[:, :8, 0] = -20
    forward = np.zeros_like(backward)
    forward[16:, :, 1] = 9
    confidence = forward_backward_confidence(FlowPair(backward, forward), GAINS)
    assert confidence[:, :8].max() == 0, "out of the frame"
    assert confidence[20:, 12:].max() == 0, "not led back"
    assert confidence[4:10, 16:].min() > 0.9


@given(FLOWS, FLOWS)
def test_confidence_is_a_share_and_0_where_flow_leaves_the_frame(
    backward: np.ndarray, forward: np.ndarray
) -> None:
    confidence = forward_backward_confidence(FlowPair(backward, forward), GAINS)
    assert confidence.dtype == np.float32
    assert confidence.min() >= 0
    assert confidence.max() <= 1
    outside = ~inside_frame(*flow_positions(backward))
    assert not confidence[outside].any()


def test_a_frame_ends_half_a_pixel_beyond_its_outermost_centres() -> None:
    x, y = np.full((2, 3), [-0.6, 0.0, 2.4], np.float32), np.zeros((2, 3), np.float32)
    assert inside_frame(x, y).tolist() == [[False, True, True]] * 2
    assert not inside_frame(x, y - 0.6).any()
    tensors = torch.from_numpy(x), torch.from_numpy(y)
    assert inside_frame(*tensors).tolist() == inside_frame(x, y).tolist()


def test_the_check_is_that_of_ruder() -> None:
    """At 320 pixels, |b + f|^2 <= 0.01 (|b|^2 + |f|^2) + 0.5."""
    assert GAINS.flow_absolute_tolerance * 320 == pytest.approx(ABSOLUTE_TOLERANCE_PX, rel=0.01)
    backward = np.full((9, 9, 2), (3, 0), np.float32)
    for error, consistent in ((0.79, True), (0.81, False)):
        forward = np.full((9, 9, 2), (error - 3, 0), np.float32)
        assert check_consistency(FlowPair(backward, forward))[4, 4] == consistent


@pytest.mark.parametrize("factor", [2, 4])
def test_confidence_scales_with_the_frame(factor: int) -> None:
    random = np.random.default_rng(0)
    coarse = random.normal(0, 0.6, (12, 16, 2)).astype(np.float32)
    error = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    backward = np.full((HEIGHT, WIDTH, 2), (2, 1), np.float32)
    flow = FlowPair(backward, error - backward)
    large = FlowPair(enlarged(flow.backward, factor), enlarged(flow.forward, factor))
    # Tolerances of a small frame are too few pixels for its blur to be exact.
    one, other = (forward_backward_confidence(pair, GAINS) for pair in (flow, large))
    assert 0.05 < one.mean() < 0.95
    assert np.abs(shrunk(other, factor) - one).mean() < 0.05


# --- Pictures


@pytest.mark.parametrize(
    ("difference", "shift", "low", "high"),
    [
        pytest.param(0, 0, 1, 1, id="snow"),
        pytest.param(40, 0, 0, 0, id="another ground"),
        pytest.param(0, 100, 0, 0, id="out of the frame"),
        pytest.param(round(1.4 * GAINS.photometric_tolerance), 0, 0.55, 0.65, id="partly"),
    ],
)
def test_what_looks_alike_is_consistent(
    difference: int, shift: float, low: float, high: float
) -> None:
    alike = photometric_consistency(
        SNOW, SNOW - np.uint8(difference), STILL + shift, GAINS.photometric_tolerance, GAINS
    )
    assert alike.min() >= low - 1e-6
    assert alike.max() <= high + 1e-6


def test_a_tolerance_may_differ_from_pixel_to_pixel() -> None:
    tolerance = np.full((HEIGHT, WIDTH), GAINS.photometric_tolerance, np.float32)
    tolerance[:, 32:] = GAINS.completed_tolerance
    alike = photometric_consistency(SNOW, SNOW - np.uint8(7), STILL, tolerance, GAINS)
    assert alike[:, :32].max() < 1 == alike[:, 32:].min()


@pytest.mark.parametrize("factor", [2, 4])
def test_photometric_consistency_scales_with_the_frame(factor: int) -> None:
    before, here = (
        cv2.resize(make_texture(HEIGHT, WIDTH, seed), (factor * WIDTH, factor * HEIGHT))
        // np.uint8(8)
        for seed in (0, 1)
    )
    reduced = [
        cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        for picture in (before, here)
    ]
    still, tolerance = np.zeros((*here.shape[:2], 2), np.float32), GAINS.photometric_tolerance
    large = photometric_consistency(before, here, still, tolerance, GAINS)
    small = photometric_consistency(reduced[0], reduced[1], STILL, tolerance, GAINS)
    assert 0.05 < small.mean() < 0.95
    assert np.abs(shrunk(large, factor) - small).mean() < 0.08


# --- Compression


def make_wake() -> np.ndarray:
    """Return a flow whose left half draws each pixel out of half a pixel, or the inverse."""
    wake = STILL.copy()
    wake[:, :32, 0] = np.minimum(0, np.arange(-16, 16) / 2)
    return wake


def test_what_would_be_drawn_out_to_streaks_is_not_believed() -> None:
    wake, inner = make_wake(), np.s_[8:-8]
    assert uncompressed_mask(wake, GAINS)[inner, 20:28].min() == 1
    assert uncompressed_mask(wake, GAINS)[inner, 40:].min() == 1
    assert uncompressed_mask(-wake, GAINS)[inner, 4:12].max() == 0


@settings(max_examples=20)
@given(st.floats(0, 0.07))
def test_a_zoom_is_believed(share: float) -> None:
    zoom = np.dstack(np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))).astype(np.float32) * -share
    assert uncompressed_mask(zoom, GAINS).min() == 1


@pytest.mark.parametrize("size", [(1, 1), (1, 64), (64, 1)])
def test_a_row_of_pixels_is_not_compressed(size: tuple[int, int]) -> None:
    assert (
        uncompressed_mask(np.ones((*size, 2), np.float32), GAINS).tolist() == np.ones(size).tolist()
    )


@pytest.mark.parametrize("factor", [2, 4])
def test_compression_scales_with_the_frame(factor: int) -> None:
    random = np.random.default_rng(0).normal(0, 1.2, (6, 8, 2)).astype(np.float32)
    large = cv2.resize(random, (factor * WIDTH, factor * HEIGHT), interpolation=cv2.INTER_CUBIC)
    small = cv2.resize(large, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    one, other = uncompressed_mask(small, GAINS), uncompressed_mask(large * factor, GAINS)
    assert 0.05 < one.mean() < 0.95
    assert np.abs(shrunk(other, factor) - one).mean() < 0.03
