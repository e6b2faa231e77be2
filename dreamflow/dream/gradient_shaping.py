"""What is made of a gradient before a step is taken along it, and of the colour of a dream."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamflow.dream.objective import normalise_gradient
from dreamflow.dream.options import DreamOptions
from dreamflow.dream.random_affine import RandomAffineSampler, magnify

BLUR_SIGMA_FACTORS = (0.5, 1.0, 2.0)
"""The standard deviations of the blurs whose mean is taken, in units of the smoothing."""
BLUR_RADIUS_SIGMAS = 3.0
"""Standard deviations that a blur's kernel reaches."""
MIN_PYRAMID_LEVEL_PX = 4
BT709_LUMA_WEIGHTS = (0.2126, 0.7152, 0.0722)
"""Of R, G and B (ITU-R BT.709)."""


@dataclass(frozen=True)
class GradientShaping:
    """How gradients are shaped. The fields are those of DreamOptions, zooms and scales as factors.

    The gradient keeps mean absolute value 1, so that a step is as large as without; what total
    variation takes away comes on top.
    """

    gradient: str = "plain"
    smoothing: float = 1.0
    levels: int = 4
    total_variation: float = 0.0
    colour: str = "free"
    iteration_zoom: float = 1.0
    random_affine: RandomAffineSampler | None = None

    @classmethod
    def from_options(cls, options: DreamOptions) -> Self:
        """Return the shaping that options ask for; they hold plain values, no schedules."""
        turns = options.jitter_rotation > 0 or options.jitter_scale > 0
        return cls(
            options.gradient,
            options.smoothing,
            options.laplacian_levels,
            options.total_variation,
            options.colour,
            1 + options.iteration_zoom / 100,
            RandomAffineSampler(options.jitter_rotation, 1 + options.jitter_scale / 100)
            if turns
            else None,
        )

    @property
    def changes_gradient(self) -> bool:
        """Whether a gradient is changed at all."""
        plain = self.gradient == "plain" and self.colour != "luminance"
        return not plain or self.total_variation > 0

    @property
    def needs_source(self) -> bool:
        """Whether a step depends on what the dream changed of its source."""
        return self.total_variation > 0 or self.iteration_zoom != 1

    def shape_gradient(self, gradient: Tensor, change: Tensor, step: float) -> Tensor:
        """Return the direction to step in, of mean absolute value 1 but for total variation.

        gradient: (1, 3, H, W). change: the dream so far, less its source, (1, 3, H, W) in units of
        1. step: how far it will be gone, in the same units.
        """
        if self.colour == "luminance":
            # What a change of all three channels alike does to the objective.
            gradient = gradient.sum(1, keepdim=True).expand_as(gradient)
        if self.gradient == "smooth":
            gradient = smooth_gradient(gradient, self.smoothing)
        elif self.gradient == "laplacian":
            gradient = normalise_laplacian(gradient, self.levels)
        gradient = normalise_gradient(gradient)
        if self.total_variation > 0:
            gradient = gradient + self.total_variation * total_variation_descent(
                change, step * self.total_variation
            )
        return gradient

    def apply_colour(self, image: Tensor, source: Tensor) -> Tensor:
        """Return a dream in the colours that it is to have; both (1, 3, H, W) in [0, 1]."""
        return image if self.colour == "free" else apply_source_colour(image, source)

    def zoom_residual(
        self, image: Tensor, source: Tensor, iterations: float, weight: Tensor | None = None
    ) -> Tensor:
        """Return a dream with what it changed of the source zoomed, as after so many iterations.

        weight: (1, 1, H, W) in [0, 1], how much of the new dream there is where.
        """
        flowed = (source + magnify(image - source, self.iteration_zoom**iterations)).clamp_(
            0.0, 1.0
        )
        return flowed if weight is None else image + weight * (flowed - image)


def smooth_gradient(gradient: Tensor, smoothing: float) -> Tensor:
    """Return the mean of three Gaussian blurs of (1, C, H, W), as in many dream tools.

    smoothing: the standard deviation of the middle one, in pixels.
    """
    blurs = [gaussian_blur(gradient, smoothing * times) for times in BLUR_SIGMA_FACTORS]
    return torch.stack(blurs).mean(0)


def gaussian_blur(image: Tensor, sigma: float) -> Tensor:
    """Return a Gaussian blur of (1, C, H, W); beyond the border its pixels are repeated."""
    reach = max(1, math.ceil(BLUR_RADIUS_SIGMAS * sigma))
    x = torch.arange(-reach, reach + 1, dtype=image.dtype, device=image.device)
    kernel = torch.exp(-0.5 * (x / sigma) ** 2)
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    planes = image.transpose(0, 1)
    planes = F.conv2d(F.pad(planes, (reach, reach, 0, 0), "replicate"), kernel)
    planes = F.conv2d(F.pad(planes, (0, 0, reach, reach), "replicate"), kernel.transpose(2, 3))
    return planes.transpose(0, 1)


def normalise_laplacian(gradient: Tensor, levels: int) -> Tensor:
    """Return a gradient (1, C, H, W) whose Laplacian levels are all of standard deviation 1.

    After Mordvintsev's TensorFlow notebook on deep dreams (2016), where the base keeps its mean:
    here it does not, since a dream that is carried from frame to frame would change colour.
    """
    parts = build_laplacian_pyramid(gradient, levels)
    parts[-1] = parts[-1] - parts[-1].mean((2, 3), keepdim=True)
    return collapse_laplacian_pyramid(
        [part / part.square().mean().sqrt().clamp_min(1e-20) for part in parts]
    )


def build_laplacian_pyramid(image: Tensor, levels: int) -> list[Tensor]:
    """Return the levels of a Laplacian pyramid (Burt and Adelson 1983) of (1, C, H, W).

    Fine to coarse, each half as large; last the base. A small image has fewer.
    """
    found: list[Tensor] = []
    for _ in range(levels):
        height, width = image.shape[2:]
        if min(height, width) < 2 * MIN_PYRAMID_LEVEL_PX:
            break
        size = ((height + 1) // 2, (width + 1) // 2)
        small = F.interpolate(image, size, mode="bilinear", antialias=True, align_corners=False)
        found.append(image - upsample_like(small, image))
        image = small
    return [*found, image]


def collapse_laplacian_pyramid(levels: list[Tensor]) -> Tensor:
    """Return the image of Laplacian levels, fine to coarse, the base last."""
    image = levels[-1]
    for level in reversed(levels[:-1]):
        image = upsample_like(image, level) + level
    return image


def upsample_like(small: Tensor, like: Tensor) -> Tensor:
    """Return an image resized up to another one's size."""
    return F.interpolate(small, like.shape[2:], mode="bilinear", align_corners=False)


def total_variation(image: Tensor) -> float:
    """Return the mean length of the gradient from pixel to pixel, of (1, C, H, W)."""
    across, down = forward_differences(image)
    return float((across.square() + down.square()).sqrt().mean())


def forward_differences(image: Tensor) -> tuple[Tensor, Tensor]:
    """Return each pixel's difference to the next one across, and down; 0 at the far border."""
    across = F.pad(image[..., 1:] - image[..., :-1], (0, 1))
    down = F.pad(image[..., 1:, :] - image[..., :-1, :], (0, 0, 0, 1))
    return across, down


def total_variation_descent(change: Tensor, step: float) -> Tensor:
    """Return the direction that lowers the total variation (Rudin et al. 1992) of (1, C, H, W).

    step: how far it will be gone, in the change's units. Differences smaller than four steps are
    treated as less than edges: so a step is never past the goal, where it would ripple.
    """
    across, down = forward_differences(change)
    length = (across.square() + down.square() + (4 * step) ** 2).sqrt()
    across, down = across / length, down / length
    return across - F.pad(across[..., :-1], (1, 0)) + down - F.pad(down[..., :-1, :], (0, 0, 1, 0))


def compute_luma(image: Tensor) -> Tensor:
    """Return the luma (1, 1, H, W) of an image (1, 3, H, W) in R'G'B'."""
    return (image * image.new_tensor(BT709_LUMA_WEIGHTS).view(1, 3, 1, 1)).sum(1, keepdim=True)


def apply_source_colour(image: Tensor, source: Tensor) -> Tensor:
    """Return the luminance of one image in the colours of another, both (1, 3, H, W) in [0, 1].

    The colour differences are the source's, or a share of them where a pixel so dark or so bright
    cannot hold them: the hue stays, and nothing is clipped.
    """
    light = compute_luma(image).clamp(0.0, 1.0)
    colour = source - compute_luma(source)
    up, down = colour.amax(1, keepdim=True), -colour.amin(1, keepdim=True)
    held = torch.minimum((1 - light) / up.clamp_min(1e-6), light / down.clamp_min(1e-6))
    return (light + colour * held.clamp_max(1.0)).clamp_(0.0, 1.0)
