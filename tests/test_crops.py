"""Crops hold the disoccluded blocks of a frame, and little else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporal_scenes import GAINS

from dreamflow.core.imaging.filters import grid_size
from dreamflow.core.opencv import cv2
from dreamflow.temporal.motion.crops import Crop, find_crops

HEIGHT, WIDTH, MIN_SIDE_PX = 210, 300, 64


def shares_of(mask: np.ndarray) -> np.ndarray:
    """Return the share of each block of a bool (H, W) mask that is set."""
    height, width = mask.shape
    rows, columns = grid_size(height, width, GAINS.crop_block * max(height, width))
    return cv2.resize(mask.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA)


def crops_of(mask: np.ndarray, min_side_px: int = MIN_SIDE_PX) -> list[Crop]:
    """Return the crops of a bool (H, W) mask."""
    height, width = mask.shape
    return find_crops(shares_of(mask), height, width, min_side_px, GAINS)


def cover(crops: list[Crop], height: int, width: int) -> np.ndarray:
    """Return which pixels lie in a crop, bool (H, W)."""
    covered = np.zeros((height, width), bool)
    for rows, columns in crops:
        covered[rows, columns] = True
    return covered


def test_crops_hold_every_area_but_specks() -> None:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[20:60, 10:40] = mask[150:190, 240:290] = True
    crops = crops_of(mask)
    assert len(crops) == 2
    assert cover(crops, HEIGHT, WIDTH)[mask].all()
    speck = mask.copy()
    speck[100, 100] = True
    assert crops_of(speck) == crops


def test_a_crop_without_a_margin_holds_what_is_marked_and_is_smaller() -> None:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[60:150, 90:210] = True
    (with_margin,) = crops_of(mask)
    (without,) = find_crops(shares_of(mask), HEIGHT, WIDTH, MIN_SIDE_PX, GAINS, margin_blocks=0)
    covered = cover([without], HEIGHT, WIDTH)
    assert covered[mask].all()
    assert covered.sum() < cover([with_margin], HEIGHT, WIDTH).sum()


def test_a_thin_strip_takes_no_crop_and_a_broad_one_does() -> None:
    """A pan's strip of three pixels at the edge is not worth half of the frame."""
    strip = np.zeros((HEIGHT, WIDTH), bool)
    strip[:, :3] = True
    assert crops_of(strip) == []
    strip[:, :40] = True
    ((rows, columns),) = crops_of(strip)
    assert rows == slice(0, HEIGHT)
    assert columns.start == 0
    assert 64 <= columns.stop < WIDTH / 2


def test_what_moves_has_a_crop_however_small_it_is() -> None:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[96:112, 140:158] = True
    nothing = np.zeros_like(shares_of(mask))
    assert find_crops(shares_of(mask), HEIGHT, WIDTH, 16, GAINS) == []
    crops = find_crops(nothing, HEIGHT, WIDTH, 16, GAINS, shares_of(mask))
    covered = cover(crops, HEIGHT, WIDTH)
    assert covered[mask].all()
    assert covered.mean() < 0.15


def test_a_mover_beside_the_strip_of_a_pan_does_not_take_the_frame_with_it() -> None:
    strip, mover = np.zeros((2, HEIGHT, WIDTH), bool)
    strip[-30:] = strip[:, -30:] = True
    mover[90:180, 105:165] = True
    crops = find_crops(shares_of(strip), HEIGHT, WIDTH, 16, GAINS, shares_of(mover))
    covered = cover(crops, HEIGHT, WIDTH)
    assert covered[strip | mover].all()
    assert len(crops) > 1
    assert covered.mean() < 0.75
    assert sum(cover([crop], HEIGHT, WIDTH).mean() for crop in crops) < 0.9


@given(st.lists(st.tuples(st.integers(0, 13), st.integers(0, 19)), min_size=1, max_size=12))
def test_crops_hold_what_moves_wherever_it_is(blocks: list[tuple[int, int]]) -> None:
    movers = np.zeros(shares_of(np.zeros((HEIGHT, WIDTH), bool)).shape, np.float32)
    for row, column in blocks:
        movers[row, column] = 1
    crops = find_crops(np.zeros_like(movers), HEIGHT, WIDTH, 16, GAINS, movers)
    pixels = np.kron(movers, np.ones((HEIGHT // movers.shape[0], WIDTH // movers.shape[1]))) > 0
    assert cover(crops, *pixels.shape)[pixels].all()


def test_nothing_disoccluded_has_no_crop_and_all_of_it_one() -> None:
    assert crops_of(np.zeros((50, 50), bool), 16) == []
    assert crops_of(np.ones((50, 70), bool), 16) == [(slice(0, 50), slice(0, 70))]


@given(
    st.integers(0, 140), st.integers(0, 230), st.integers(60, 70), st.integers(60, 70), st.data()
)
def test_every_crop_lies_in_the_frame_and_is_large_enough(
    top: int, left: int, down: int, across: int, data: st.DataObject
) -> None:
    smallest = data.draw(st.integers(1, 400))
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[top : top + down, left : left + across] = True
    crops = crops_of(mask, smallest)
    assert cover(crops, HEIGHT, WIDTH)[mask].all()
    for rows, columns in crops:
        assert 0 <= rows.start < rows.stop <= HEIGHT
        assert 0 <= columns.start < columns.stop <= WIDTH
        assert rows.stop - rows.start >= min(smallest, HEIGHT)
        assert columns.stop - columns.start >= min(smallest, WIDTH)


@pytest.mark.parametrize("factor", [2, 3])
def test_crops_scale_with_the_frame(factor: int) -> None:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[20:70, 30:90] = True
    large = np.repeat(np.repeat(mask, factor, 0), factor, 1)
    expected = [
        tuple(slice(side.start * factor, side.stop * factor) for side in crop)
        for crop in crops_of(mask, 1)
    ]
    assert crops_of(large, 1) == expected
