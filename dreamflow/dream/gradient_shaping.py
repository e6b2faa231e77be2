"""How a gradient is changed before a step along it, and the shaping of a whole dream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamflow.core.imaging.filters import gaussian_blur
from dreamflow.core.imaging.pyramid import join_bands, split_bands
from dreamflow.dream.objective.objective import normalise_gradient
from dreamflow.dream.options import DreamOptions
from dreamflow.dream.random_affine import RandomAffineSampler, magnify
from dreamflow.dream.source_colour import apply_source_colour

BLUR_SIGMA_FACTORS = (0.5, 1.0, 2.0)
"""Sigmas of the blurs that `smooth_gradient` averages, in units of the smoothing."""
MIN_SMOOTHED_STRIDE_PX = 16
"""Stride from which on gradient "auto" is smoothed: in GoogLeNet from inception_4a on."""
AUTOMATIC_SMOOTHING_PX = 1.0
"""On inception_4c at 320 px it costs 2 to 4% of the objective and takes over half of the excess
flicker away; 2 px would cost a third."""
MIN_GRADIENT_RMS = 1e-20
"""Floor of the root mean square that a band is divided by."""
FLAT_STEPS = 4.0
"""Differences below this many steps count as less than an edge in total-variation descent."""


@dataclass(frozen=True)
class GradientShaping:
    """How gradients and dreams are shaped; the fields are those of `DreamOptions`.

    A shaped gradient has the mean absolute value that it had, so that a step has the same size;
    total-variation descent is added on top.

    Attributes:
        gradient: "plain", "smooth" or "laplacian".
        smoothing: Sigma of the blur of a smooth gradient, in pixels.
        levels: Bands of a laplacian gradient.
        total_variation: Weight of total-variation descent on the residual.
        colour: "free", "luminance" or "source".
        iteration_zoom: Factor by which the residual is scaled after each iteration.
        random_affine: Random rotation and scale before each step, if any.
    """

    gradient: str = "plain"
    smoothing: float = 1.0
    levels: int = 4
    total_variation: float = 0.0
    colour: str = "free"
    iteration_zoom: float = 1.0
    random_affine: RandomAffineSampler | None = None

    @classmethod
    def from_options(cls, options: DreamOptions, stride: int) -> Self:
        """Return the shaping that options ask for.

        Args:
            options: They hold plain values, no schedules.
            stride: Image pixels per position of the layers dreamed on; see `Objective.stride`.
        """
        gradient, smoothing = options.gradient, options.smoothing
        if gradient == "auto":
            smoothing = automatic_smoothing(stride)
            gradient = "smooth" if smoothing > 0 else "plain"
        random_affine = None
        if options.jitter_rotation > 0 or options.jitter_scale > 0:
            max_scale = 1 + options.jitter_scale / 100
            random_affine = RandomAffineSampler(options.jitter_rotation, max_scale)
        return cls(
            gradient,
            smoothing,
            options.laplacian_levels,
            options.total_variation,
            options.colour,
            1 + options.iteration_zoom / 100,
            random_affine,
        )

    @property
    def changes_gradient(self) -> bool:
        """Whether gradients are changed."""
        return self.gradient != "plain" or self.colour == "luminance" or self.total_variation > 0

    @property
    def needs_source(self) -> bool:
        """Whether a step depends on the residual, the dream minus its source."""
        return self.total_variation > 0 or self.iteration_zoom != 1

    def shape_gradient(self, gradient: Tensor, residual: Tensor, step: float) -> Tensor:
        """Return the direction of a step.

        Args:
            gradient: (1, 3, H, W) float32, gradient of the objective.
            residual: (1, 3, H, W) float32, dream minus source, in units of full scale.
            step: Mean absolute change of the step, in units of full scale.

        Returns:
            (1, 3, H, W) float32 of the mean absolute value of `gradient`, 1 at most, plus the
            total-variation descent.
        """
        size = gradient.abs().mean().clamp_max(1.0)
        if self.colour == "luminance":
            # The gradient with respect to an equal change of all three channels.
            gradient = gradient.sum(1, keepdim=True).expand_as(gradient)
        if self.gradient == "smooth":
            gradient = smooth_gradient(gradient, self.smoothing)
        elif self.gradient == "laplacian":
            gradient = normalise_laplacian(gradient, self.levels)
        # As long as before: a bounded step towards no response stays so.
        gradient = normalise_gradient(gradient) * size
        if self.total_variation > 0:
            descent = total_variation_descent(residual, step * self.total_variation)
            gradient = gradient + self.total_variation * descent
        return gradient

    def apply_colour(self, image: Tensor, source: Tensor) -> Tensor:
        """Return a dream in its final colours; both are (1, 3, H, W) in [0, 1]."""
        return image if self.colour == "free" else apply_source_colour(image, source)

    def zoom_residual(
        self, image: Tensor, source: Tensor, iterations: float, weight: Tensor | None = None
    ) -> Tensor:
        """Return a dream with its residual scaled as often as in some iterations.

        Args:
            image: (1, 3, H, W), the dream.
            source: (1, 3, H, W), its source, which stays.
            iterations: Number of iterations.
            weight: (1, 1, H, W) in [0, 1], share of the change that is taken; None for all of it.
        """
        scaled = magnify(image - source, self.iteration_zoom**iterations)
        zoomed = (source + scaled).clamp_(0.0, 1.0)
        return zoomed if weight is None else image + weight * (zoomed - image)


def automatic_smoothing(stride: int) -> float:
    """Return the smoothing of gradient "auto" for layers of a stride, both in pixels.

    Deep layers draw large forms and fill what lies between them with hatching, which flickers;
    what shallow ones draw is fine itself.
    """
    if 0 < stride < MIN_SMOOTHED_STRIDE_PX:
        return 0.0
    return AUTOMATIC_SMOOTHING_PX


def smooth_gradient(gradient: Tensor, smoothing: float) -> Tensor:
    """Return the mean of three Gaussian blurs of a gradient (1, C, H, W), as many dream tools do.

    Args:
        gradient: (1, C, H, W) float32.
        smoothing: Sigma of the middle blur, in pixels.
    """
    total = torch.zeros_like(gradient)
    for factor in BLUR_SIGMA_FACTORS:
        total += gaussian_blur(gradient, smoothing * factor)
    return total.div_(len(BLUR_SIGMA_FACTORS))


def normalise_laplacian(gradient: Tensor, levels: int) -> Tensor:
    """Return a gradient whose Laplacian bands all have root mean square 1.

    After Mordvintsev's TensorFlow notebook on deep dreams (2016), where the base keeps its mean.
    Here it does not, because a dream that is carried from frame to frame would change colour.

    Args:
        gradient: (1, C, H, W) float32.
        levels: Number of bands above the base; a small image has fewer.
    """
    *bands, base = split_bands(gradient, levels)
    bands.append(base - base.mean((2, 3), keepdim=True))
    return join_bands(
        [band / band.square().mean().sqrt().clamp_min(MIN_GRADIENT_RMS) for band in bands]
    )


def forward_differences(image: Tensor) -> tuple[Tensor, Tensor]:
    """Return each pixel's difference to its right and to its lower neighbour; 0 at the border."""
    across = F.pad(image[..., 1:] - image[..., :-1], (0, 1))
    down = F.pad(image[..., 1:, :] - image[..., :-1, :], (0, 0, 0, 1))
    return across, down


def total_variation_descent(residual: Tensor, step: float) -> Tensor:
    """Return the direction in which the total variation (Rudin et al. 1992) falls.

    The gradient's length is softened to `sqrt(length^2 + (FLAT_STEPS * step)^2)`, so that a step
    does not overshoot where the image is nearly flat, which would make ripples.

    Args:
        residual: (1, C, H, W) float32.
        step: Length of the step along the direction, in the units of the residual.
    """
    across, down = forward_differences(residual)
    length = (across.square() + down.square() + (FLAT_STEPS * step) ** 2).sqrt()
    across, down = across / length, down / length
    return across - F.pad(across[..., :-1], (1, 0)) + down - F.pad(down[..., :-1, :], (0, 0, 1, 0))
