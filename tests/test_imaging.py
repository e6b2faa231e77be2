"""Image operations agree between OpenCV and PyTorch, and run on any device."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from conftest import make_texture
from torch import Tensor

from dreamflow.core.imaging.arrays import as_array, as_tensor
from dreamflow.core.imaging.filters import (
    gaussian_blur,
    pyramid_down,
    pyramid_up,
    resize_area,
    resize_linear,
)
from dreamflow.core.imaging.masks import apply_mask, mix_by_mask, repeat_channels
from dreamflow.core.imaging.pyramid import join_bands, split_bands
from dreamflow.core.imaging.warp import Border, Kernel, pixel_positions, sample, warp

OPENCV_POSITION_STEPS = 32
"""OpenCV rounds sampling positions to 1/32 of a pixel: only there both backends can agree."""
TOLERANCE = 2e-5
"""Of values in [0, 1]."""

KERNELS: tuple[Kernel, ...] = ("lanczos", "linear")
BORDERS: tuple[Border, ...] = ("repeat", "mirror", "wrap")
SIZES = ((48, 64), (37, 53), (9, 8), (2, 3))


def make_image(height: int, width: int, channels: int = 3) -> Tensor:
    """Return a float32 (1, channels, height, width) image in [0, 1] with fine detail."""
    noise = np.random.default_rng(height * width).random((height, width, channels), np.float32)
    return as_tensor(noise)


def make_positions(height: int, width: int) -> Tensor:
    """Return positions, many of them beyond the borders: float32 (1, 2, height, width)."""
    generator = np.random.default_rng(1)
    steps = generator.integers(-400, 400, (height, width, 2)) / OPENCV_POSITION_STEPS
    return pixel_positions(height, width, torch.device("cpu")) + as_tensor(steps.astype(np.float32))


def assert_backends_agree(operation: Callable[..., Tensor], *arguments: object) -> None:
    """Compare an operation on a CPU with OpenCV and with PyTorch."""
    expected = operation(*arguments)
    actual = operation(*arguments, backend="torch")
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype == torch.float32
    torch.testing.assert_close(actual, expected, rtol=0, atol=TOLERANCE)


# --- masks


@pytest.mark.parametrize("size", SIZES)
def test_a_mask_does_to_each_channel_what_it_does_to_one(size: tuple[int, int]) -> None:
    mask, image = make_image(*size, channels=1), make_image(*size)
    assert_backends_agree(repeat_channels, mask, image)
    assert torch.equal(apply_mask(image, mask), image * mask)
    mixed = torch.lerp(image, 1 - image, mask)
    torch.testing.assert_close(mix_by_mask(image, 1 - image, mask), mixed)


# --- sampling


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("channels", [1, 3])
def test_sampling_agrees_beyond_the_borders_too(
    kernel: Kernel, border: Border, channels: int
) -> None:
    image = make_image(37, 53, channels)
    assert_backends_agree(sample, image, make_positions(29, 41), kernel, border)


@pytest.mark.parametrize("kernel", KERNELS)
def test_warping_agrees(kernel: Kernel) -> None:
    flow = make_positions(40, 56) - pixel_positions(40, 56, torch.device("cpu"))
    assert_backends_agree(warp, make_image(40, 56), flow, kernel)


@pytest.mark.parametrize("backend", ["auto", "torch"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_whole_pixels_are_taken_as_they_are(kernel: Kernel, backend: str) -> None:
    image = make_image(20, 31)
    flow = torch.tensor([2.0, -1.0]).view(1, 2, 1, 1).expand(1, 2, 20, 31)
    expected = {
        "repeat": image[..., np.arange(-1, 19).clip(0), :][..., np.arange(2, 33).clip(max=30)],
        "wrap": image.roll((1, -2), (2, 3)),
    }
    torch.testing.assert_close(warp(image, flow, kernel, backend), expected["repeat"])
    positions = flow + pixel_positions(20, 31, image.device)
    wrapped = sample(image, positions, kernel, "wrap", backend)
    torch.testing.assert_close(wrapped, expected["wrap"])


# --- filters


@pytest.mark.parametrize("size", SIZES)
def test_pyramid_steps_agree_at_even_and_odd_sizes(size: tuple[int, int]) -> None:
    image = make_image(*size)
    assert_backends_agree(pyramid_down, image)
    small = pyramid_down(image)
    assert small.shape[2:] == ((size[0] + 1) // 2, (size[1] + 1) // 2)
    assert_backends_agree(pyramid_up, small, size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("sigma", [0.6, 1.5, 4.0])
def test_blurring_agrees(size: tuple[int, int], sigma: float) -> None:
    assert_backends_agree(gaussian_blur, make_image(*size), sigma)


@pytest.mark.parametrize("size", [(48, 64), (24, 16), (13, 11), (2, 2)])
def test_resizing_by_area_agrees(size: tuple[int, int]) -> None:
    assert_backends_agree(resize_area, make_image(48, 64), size)


@pytest.mark.parametrize("size", [(48, 64), (24, 32), (96, 128), (31, 100)])
def test_linear_resizing_agrees(size: tuple[int, int]) -> None:
    assert_backends_agree(resize_linear, make_image(48, 64), size)


@pytest.mark.parametrize("size", SIZES)
def test_joined_bands_are_the_image(size: tuple[int, int]) -> None:
    image = make_image(*size)
    bands = split_bands(image)
    assert len(bands) == {48: 4, 37: 4, 9: 2, 2: 1}[size[0]]
    torch.testing.assert_close(join_bands(bands), image)


# --- memory and devices


def test_arrays_and_tensors_share_memory() -> None:
    array = make_texture(6, 8).astype(np.float32)
    image = as_tensor(array)
    assert image.shape == (1, 3, 6, 8)
    assert np.shares_memory(as_array(image), array)
    plane = as_tensor(array[..., 0].copy())
    assert plane.shape == (1, 1, 6, 8)
    assert as_array(plane).shape == (6, 8)


META_OPERATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "pyramid_down": pyramid_down,
    "pyramid_up": lambda image: pyramid_up(pyramid_down(image), (37, 53)),
    "gaussian_blur": lambda image: gaussian_blur(image, 1.5),
    "resize_area": lambda image: resize_area(image, (5, 7)),
    "resize_linear": lambda image: resize_linear(image, (50, 60)),
    "join_bands": lambda image: join_bands(split_bands(image)),
    "warp": lambda image: warp(image, torch.zeros(1, 2, 30, 40, device=image.device)),
    **{
        f"sample_{kernel}_{border}": lambda image, kernel=kernel, border=border: sample(
            image, pixel_positions(30, 40, image.device), kernel, border
        )
        for kernel in KERNELS
        for border in BORDERS
    },
}


@pytest.mark.parametrize("name", META_OPERATIONS)
def test_meta_device_runs_every_operation(name: str) -> None:
    image = make_image(37, 53)
    result = META_OPERATIONS[name](image.to("meta"))
    assert result.device.type == "meta"
    assert result.shape == META_OPERATIONS[name](image).shape
