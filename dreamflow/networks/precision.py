"""In which numbers a network computes: its weights and activations, not the picture.

The picture, its gradient, the step and all sums stay float32. bfloat16 has float32's range and 8
bits of mantissa; float16 has 11, and a range from 6e-8 to 65504, so that what is pulled at is
scaled to stay within it (`dreamflow.dream.objective_term.pulled`).

A dream is a climb that any rounding turns aside. Over 7 photographs and 4 layers of googlenet, one
in bfloat16 differed from that in float32 by 4.4 to 9.5 levels a pixel; from that of a picture
changed by a millionth, as another processor's rounding is, float32's own differed by 2.6 to 8.8.
Objective and fine detail were the same to within 0.7% and 0.2%, and so was the flicker of clips.
torchvision's networks were timed only: ResNet, VGG, DenseNet and ConvNeXt take a third to a half of
the time, those of many depthwise convolutions (MobileNet, EfficientNet, ShuffleNet) more than in
float32.
"""

from __future__ import annotations

import time
import warnings

import torch
import torch.nn.functional as F

from dreamflow.core.errors import DreamFlowWarning, SettingsError
from dreamflow.networks.kernels.convolution import onednn_dtypes

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
BFLOAT16_INSTRUCTIONS = ("avx512_bf16", "amx_tile")
"""Instructions for bfloat16, as PyTorch names them; without them it is computed, but slowly."""
TIMING_REPEATS = 3


def choose_dtype(
    precision: str, device: torch.device, bfloat16_validated: bool = True
) -> torch.dtype:
    """Return the dtype that a precision means; "auto" is the `fastest` that is as good.

    tried: whether bfloat16 is known to be as good for the network; else auto is float32. Warns
    where a CPU is slower with it than with float32. Raises SettingsError for what is none.
    """
    if precision == "auto":
        return choose_fastest_dtype(device) if bfloat16_validated else torch.float32
    if precision not in DTYPES:
        raise SettingsError(f"--precision {precision!r}: choose auto, {', '.join(DTYPES)}")
    dtype = DTYPES[precision]
    if (
        device.type == "cpu"
        and dtype != torch.float32
        and time_convolution(dtype) > time_convolution(torch.float32)
    ):
        warnings.warn(f"{precision} is slower than float32 on this processor", DreamFlowWarning, 3)
    return dtype


def choose_fastest_dtype(device: torch.device) -> torch.dtype:
    """Return bfloat16 for a CPU that has instructions for it, else float32.

    By what the processor says, not by a trial: the same machine always chooses the same. Not for
    GPUs, where it was not tried.
    """
    if device.type != "cpu" or torch.bfloat16 not in onednn_dtypes():
        return torch.float32
    has = [getattr(torch.cpu, f"_is_{name}_supported", None) for name in BFLOAT16_INSTRUCTIONS]
    native = any(asked is not None and asked() for asked in has)
    return torch.bfloat16 if native else torch.float32


def time_convolution(dtype: torch.dtype) -> float:
    """Return the seconds that a convolution takes in a dtype on this processor, at best."""
    x = torch.ones(1, 64, 32, 32, dtype=dtype).contiguous(memory_format=torch.channels_last)
    weight = torch.full((64, 64, 3, 3), 1e-3, dtype=dtype)
    spent: list[float] = []
    for _ in range(TIMING_REPEATS):
        started = time.perf_counter()
        F.conv2d(x, weight, padding=1)
        spent.append(time.perf_counter() - started)
    return min(spent)
