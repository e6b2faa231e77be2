"""ComfyUI's side: pictures as it passes them, its progress bar and its interrupt."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import wraps
from typing import ParamSpec, TypeVar

import comfy.model_management
import comfy.utils
import numpy as np
import torch

import dreamflow

P = ParamSpec("P")
T = TypeVar("T")


def with_gradients(run: Callable[P, T]) -> Callable[P, T]:
    """Return the function of a node with gradients allowed.

    ComfyUI runs its nodes in PyTorch's inference mode, in which a dream has no gradient to climb.
    """

    @wraps(run)
    def run_with_gradients(*args: P.args, **kwargs: P.kwargs) -> T:
        with torch.inference_mode(False), torch.enable_grad():
            return run(*args, **kwargs)

    return run_with_gradients


def to_pictures(images: torch.Tensor) -> list[np.ndarray]:
    """Return a batch of images as pictures.

    Args:
        images: (B, H, W, C) float, 0 to 1; of more than three channels the first three are taken.

    Returns:
        uint8 (H, W, 3) RGB each.
    """
    rgb = images[..., :3].detach().cpu().float().clamp(0, 1)
    return list((rgb * 255).round().to(torch.uint8).numpy())


def to_images(pictures: Iterable[np.ndarray]) -> torch.Tensor:
    """Return pictures, uint8 (H, W, 3) RGB, as a batch of images, (B, H, W, 3) float, 0 to 1."""
    return torch.from_numpy(np.stack(list(pictures))).float() / 255


def to_frames(images: torch.Tensor, fps: float) -> list[dreamflow.Frame]:
    """Return a batch of images as the frames of a clip."""
    rate = Fraction(fps).limit_denominator(1001)
    return [
        dreamflow.Frame(index, index / rate, picture)
        for index, picture in enumerate(to_pictures(images))
    ]


def stop_if_interrupted() -> None:
    """Raise ComfyUI's own exception where its user has pressed "interrupt"."""
    comfy.model_management.throw_exception_if_processing_interrupted()


def follow(total: int) -> Callable[[int], None]:
    """Return a function that shows in the node how many of a total are done."""
    bar = comfy.utils.ProgressBar(total)

    def show(done: int) -> None:
        bar.update_absolute(done, total)
        stop_if_interrupted()

    return show
