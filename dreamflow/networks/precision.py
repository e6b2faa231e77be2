"""The dtype that a network computes in: of its weights and activations, not of the image.

The image, its gradient, the step and all sums stay float32. bfloat16 has float32's range and 8 bits
of mantissa; float16 has 11, and a range from 6e-8 to 65504, so that the cotangent of an activation
is scaled to stay within it (`dreamflow.dream.objective.objective_term`).

Any rounding turns an ascent aside. Over 7 photographs and 4 layers of googlenet, a dream in
bfloat16 differs from the one in float32 by 4.4 to 9.5 levels a pixel; float32's own dream of an
image changed by a millionth, as another processor's rounding changes it, differs by 2.6 to 8.8.
Objective and fine detail agree within 0.7% and 0.2%, and so does the flicker of clips.
torchvision's networks were only timed: ResNet, VGG, DenseNet and ConvNeXt take a third to a half of
float32's time in bfloat16; those of many depthwise convolutions (MobileNet, EfficientNet,
ShuffleNet) take longer than in float32.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable

import torch
import torch.nn.functional as F

from dreamflow.core.errors import SettingsError, SpeedWarning, named
from dreamflow.networks.kernels.selection import has_fast_bfloat16

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
"""Dtypes that a network may compute in, by the name of the precision."""
TIMING_REPEATS = 3
"""Convolutions that are timed; the fastest counts."""


def time_convolution(dtype: torch.dtype) -> float:
    """Return the seconds that a convolution takes in a dtype on this processor, at best."""
    x = torch.ones(1, 64, 32, 32, dtype=dtype).contiguous(memory_format=torch.channels_last)
    weight = torch.full((64, 64, 3, 3), 1e-3, dtype=dtype)
    seconds: list[float] = []
    for _ in range(TIMING_REPEATS):
        started = time.perf_counter()
        F.conv2d(x, weight, padding=1)
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def choose_dtype(
    precision: str,
    device: torch.device,
    bfloat16_validated: bool = True,
    *,
    fast_bfloat16: Callable[[], bool] = has_fast_bfloat16,
    seconds_per_convolution: Callable[[torch.dtype], float] = time_convolution,
) -> torch.dtype:
    """Return the dtype of a precision, warning where a CPU is slower in it than in float32.

    Args:
        precision: "auto", or a key of `DTYPES`. "auto" is `choose_fastest_dtype`.
        device: Where the network computes.
        bfloat16_validated: Whether dreams in bfloat16 are known to be as good for the network;
            where they are not, "auto" is float32.
        fast_bfloat16: Returns whether the processor computes in bfloat16 natively.
        seconds_per_convolution: Times a dtype on the processor.

    Returns:
        The dtype of weights and activations.

    Raises:
        SettingsError: The precision is unknown.
    """
    if precision == "auto":
        if not bfloat16_validated:
            return torch.float32
        return choose_fastest_dtype(device, fast_bfloat16)
    if precision not in DTYPES:
        allowed = f"auto, {', '.join(DTYPES)}"
        raise SettingsError(
            f"{named('precision')} {precision!r}: choose {allowed}",
            setting="precision",
            value=precision,
            allowed=allowed,
        )
    dtype = DTYPES[precision]
    is_trial_needed = device.type == "cpu" and dtype != torch.float32
    if is_trial_needed and seconds_per_convolution(dtype) > seconds_per_convolution(torch.float32):
        warnings.warn(
            f"{precision} is slower than float32 on this processor: give {named('precision')} "
            "float32 to be faster",
            SpeedWarning,
            3,
        )
    return dtype


def choose_fastest_dtype(
    device: torch.device, fast_bfloat16: Callable[[], bool] = has_fast_bfloat16
) -> torch.dtype:
    """Return bfloat16 for a CPU that computes in it natively, else float32.

    By what the processor reports, not by a trial: the same machine always chooses the same. GPUs
    get float32, since bfloat16 was not tried there.

    Args:
        device: Where the network computes.
        fast_bfloat16: Returns whether the processor computes in bfloat16 natively.
    """
    return torch.bfloat16 if device.type == "cpu" and fast_bfloat16() else torch.float32
