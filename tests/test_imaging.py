"""Image operations: exact where they can be, and the same on every device."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from temporal_scenes import make_residual
from torch import Tensor

from dreamflow.core.imaging import filters, warp
from dreamflow.core.imaging.filters import (
    gaussian_blur,
    pyramid_down,
    pyramid_up,
    resize_area,
    resize_linear,
)
from dreamflow.core.imaging.pyramid import BANDS, join_bands, split_bands
from dreamflow.core.imaging.warp import Border, Kernel, sample
from dreamflow.core.imaging.warp import warp as warp_image

SIDES = st.integers(1, 70)


def make_flow(dx: float, dy: float, height: int, width: int) -> Tensor:
    """Return the backward flow (dx, dy) everywhere, float32 (1, 2, height, width)."""
    return torch.tensor([dx, dy]).view(1, 2, 1, 1).expand(1, 2, height, width).contiguous()


# --- Pyramids


@settings(max_examples=30, deadline=None)
@given(SIDES, SIDES)
def test_bands_add_up_to_the_image(height: int, width: int) -> None:
    image = make_residual(height, width)
    bands = split_bands(image)
    assert 1 <= len(bands) <= BANDS + 1
    torch.testing.assert_close(join_bands(bands), image, atol=1e-6, rtol=0)


def test_a_large_image_has_all_bands_and_each_has_half_the_size() -> None:
    bands = split_bands(make_residual(75, 101))
    sizes = [tuple(band.shape[2:]) for band in bands]
    assert sizes == [(75, 101), (38, 51), (19, 26), (10, 13), (5, 7)]


def test_a_flat_image_has_empty_bands() -> None:
    *bands, rest = split_bands(torch.full((1, 3, 40, 50), 0.3))
    assert max(float(band.abs().max()) for band in bands) < 1e-6
    torch.testing.assert_close(rest, torch.full_like(rest, 0.3))


# --- Warps


def test_warping_by_whole_pixels_is_exact() -> None:
    image = make_residual(20, 30, sigma=1.0)
    warped = warp_image(image, make_flow(2, -1, 20, 30))
    torch.testing.assert_close(warped[..., 3:-3, 3:-3], image[..., 2:-4, 5:-1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("kernel", ["lanczos", "linear"])
def test_warping_along_no_motion_changes_nothing(kernel: Kernel) -> None:
    image = make_residual(20, 30)
    assert torch.equal(warp_image(image, make_flow(0, 0, 20, 30), kernel), image)


def test_samples_outside_the_frame_repeat_its_edge() -> None:
    image = make_residual(20, 30)
    warped = warp_image(image, make_flow(100, 0, 20, 30))
    torch.testing.assert_close(warped, image[..., -1:].expand_as(image), atol=1e-5, rtol=0)


# --- Without OpenCV, as on a GPU


@pytest.fixture
def off_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every operation take the way that it takes on a device other than the CPU."""
    for module in (filters, warp):
        monkeypatch.setattr(module, "on_cpu", lambda image: False)


OPERATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "pyramid_down": pyramid_down,
    "pyramid_up": lambda image: pyramid_up(image, (2 * image.shape[2] - 1, 2 * image.shape[3])),
    "blur by 0.6 px": lambda image: gaussian_blur(image, 0.6),
    "blur by 3 px": lambda image: gaussian_blur(image, 3.0),
    "resize_area": lambda image: resize_area(image, (5, 7)),
    "resize_linear": lambda image: resize_linear(image, (50, 61)),
}


@pytest.fixture(scope="module")
def image() -> Tensor:
    return make_residual(33, 40, sigma=1.0)


@pytest.fixture(scope="module")
def expected(image: Tensor) -> dict[str, Tensor]:
    """What OpenCV makes of the image."""
    return {name: operation(image) for name, operation in OPERATIONS.items()}


@pytest.mark.parametrize("name", OPERATIONS)
def test_filters_are_those_of_opencv(
    image: Tensor, expected: dict[str, Tensor], off_cpu: None, name: str
) -> None:
    torch.testing.assert_close(OPERATIONS[name](image), expected[name], atol=1e-5, rtol=1e-5)


KERNELS_AND_BORDERS: list[tuple[Kernel, Border]] = [
    ("lanczos", "repeat"),
    ("lanczos", "mirror"),
    ("linear", "repeat"),
    ("linear", "wrap"),
]


@pytest.fixture(scope="module")
def positions() -> Tensor:
    """Positions about the image, on thirty-seconds of a pixel as OpenCV rounds them to."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(-20 * 32, 55 * 32, (1, 2, 30, 50), generator=generator) / 32


@pytest.fixture(scope="module")
def samples(image: Tensor, positions: Tensor) -> dict[tuple[Kernel, Border], Tensor]:
    """What OpenCV samples of the image."""
    return {pair: sample(image, positions, *pair) for pair in KERNELS_AND_BORDERS}


@pytest.mark.parametrize("pair", KERNELS_AND_BORDERS, ids=" ".join)
def test_samples_are_those_of_opencv(
    image: Tensor,
    positions: Tensor,
    samples: dict[tuple[Kernel, Border], Tensor],
    off_cpu: None,
    pair: tuple[Kernel, Border],
) -> None:
    torch.testing.assert_close(sample(image, positions, *pair), samples[pair], atol=1e-3, rtol=0)
