"""Which operators a pass runs on: PyTorch's private, faster ones where they work, else public ones.

PyTorch promises neither to keep its private operators nor what they return, so every use of one is
in this module. Each is tried once, at its first use, on a small input against the public operators;
where it raises or differs, its fallback is used:

- `mkldnn._convolution_pointwise` and `mkldnn._reorder_convolution_weight`, a convolution fused
  with its ReLU on oneDNN: `conv2d`, then `relu`.
- `mkldnn._get_mkldnn_serialized_md`, the layout of a reordered weight: each layout counts as one of
  its own.
- `max_pool2d_with_indices_backward.grad_input` on an empty input, a pool's gradient without its
  input: the same gradient with the input kept.
- `maybe_clear_saved_tensors`, which lets a gradient free each tensor when it has used it: all are
  freed at its end.
- `torch.cpu._is_*_supported` and `mkldnn._is_mkldnn_bf16_supported`, whether the processor computes
  in bfloat16: float32.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

logger = logging.getLogger(__name__)

KernelChoice = Literal["auto", "plain"]
"""auto: private operators where they pass their self-test. plain: public operators only."""

PoolWindow = tuple[list[int], list[int], list[int], list[int], bool]
"""Kernel, stride, padding and dilation of a max pool, down and across; and its `ceil_mode`."""

SELF_TEST_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 2.0**-5}
"""Largest difference from the public operator, as a share of its largest value, by dtype: the
rounding of a sum of about 100 products, in another order."""

LAYOUT_GAP = slice(108, 112)
"""Bytes of oneDNN's description of a tensor that hold nothing in particular: what the compiler
leaves between the count of dimensions, 12 dimensions and the dtype, and the next 64-bit number."""

BFLOAT16_INSTRUCTIONS = ("avx512_bf16", "amx_tile")
"""Instructions that compute in bfloat16, by PyTorch's names; without them it is emulated."""


def reorder_convolution_weight(weight: Tensor, shape: torch.Size, stride: int, pad: int) -> Tensor:
    """Return a weight (O, I, k, k) in the layout that oneDNN wants for inputs of a shape."""
    operator = torch.ops.mkldnn._reorder_convolution_weight
    return operator(weight, [pad, pad], [stride, stride], [1, 1], 1, list(shape))


def describe_layout(reordered: Tensor) -> bytes | None:
    """Return the layout of a weight from `reorder_convolution_weight`: equal for equal layouts.

    None where it cannot be told.
    """
    try:
        description: Tensor = torch.ops.mkldnn._get_mkldnn_serialized_md(reordered)
    except (AttributeError, RuntimeError):
        return None
    layout = bytearray(description.numpy().tobytes())
    layout[LAYOUT_GAP] = bytes(len(layout[LAYOUT_GAP]))
    return bytes(layout)


def convolve_onednn(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: int,
    pad: int,
    activation: Literal["relu", "none"],
) -> Tensor:
    """Convolve on oneDNN, the activation fused.

    Args:
        x: (N, I, H, W) on the CPU.
        weight: (O, I, k, k), as `reorder_convolution_weight` returns it for x's shape.
        bias: (O,), or None.
        stride: Of both axes, in positions.
        pad: Zeros on each side of both axes.
        activation: What follows the convolution.

    Returns:
        (N, O, h, w), channels-last.
    """
    operator = torch.ops.mkldnn._convolution_pointwise
    pads, strides = [pad, pad], [stride, stride]
    return operator(x, weight, bias, pads, strides, [1, 1], 1, activation, [], "")


def convolution_input_gradient(
    grad: Tensor, weight: Tensor, shape: torch.Size, stride: int, pad: int
) -> Tensor:
    """Return the gradient of a convolution's input (N, I, H, W), by a public operator.

    Args:
        grad: Of the convolution, (N, O, h, w).
        weight: (O, I, k, k).
        shape: Of the input, of which nothing else is needed.
        stride: Of both axes, in positions.
        pad: Zeros on each side of both axes.
    """
    x = grad.new_empty(1).expand(shape)
    pads, strides = [pad, pad], [stride, stride]
    back, _, _ = torch.ops.aten.convolution_backward(
        grad, x, weight, None, strides, pads, [1, 1], False, [0, 0], 1, [True, False, False]
    )
    return back


def pool_gradient_without_input(
    grad: Tensor, shape: torch.Size, window: PoolWindow, index: Tensor
) -> Tensor:
    """Return a max pool's gradient from its indices and its input's shape alone (CPU only)."""
    back = torch.empty(shape, dtype=grad.dtype, memory_format=torch.channels_last)
    operator = torch.ops.aten.max_pool2d_with_indices_backward.grad_input
    operator(grad, back, *window, index, grad_input=back)
    return back


def take_saved_tensors(ctx: Any) -> list[Tensor]:
    """Return what an autograd function has saved; the list alone holds it where that is possible.

    PyTorch keeps it where the same gradient is asked for again.
    """
    saved = list(ctx.saved_tensors)
    if clear := getattr(ctx, "maybe_clear_saved_tensors", None):
        clear()
    return saved


def passes_self_test(
    name: str, fast: Callable[[], Tensor], plain: Callable[[], Tensor], tolerance: float
) -> bool:
    """Return whether an operator runs and gives what the public one gives.

    Args:
        name: Of the operator, for the log.
        fast: Runs the private operator.
        plain: Runs the public one.
        tolerance: Largest difference allowed, as a share of the public one's largest value.
    """
    try:
        with torch.no_grad():
            expected, actual = plain().float(), fast().float()
        if actual.shape == expected.shape:
            error = float((actual - expected).abs().max() / expected.abs().max())
            if error <= tolerance:
                return True
            reason = f"differs by {error:.2g}"
        else:
            reason = f"returns {tuple(actual.shape)}, not {tuple(expected.shape)}"
    except Exception as error:  # a missing or changed operator can raise anything
        reason = f"raises {type(error).__name__}"
    logger.info("%s %s: using PyTorch's public operators instead", name, reason)
    return False


@lru_cache
def onednn_convolution_works(dtype: torch.dtype) -> bool:
    """Return whether oneDNN's fused convolutions pass their self-test in a dtype."""
    if dtype not in SELF_TEST_TOLERANCE:
        return False
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 8, 12, 10, generator=generator).to(dtype)
    x = x.contiguous(memory_format=torch.channels_last)
    weight = torch.randn(16, 8, 3, 3, generator=generator).to(dtype)
    weight = weight.contiguous(memory_format=torch.channels_last)
    bias = torch.randn(16, generator=generator).to(dtype)

    def fast() -> Tensor:
        if not torch.backends.mkldnn.is_available():
            raise RuntimeError("this PyTorch is built without oneDNN")
        if dtype == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            raise RuntimeError("oneDNN has no bfloat16 on this processor")
        ordered = [reorder_convolution_weight(weight, x.shape, stride, 1) for stride in (1, 2)]
        relu = convolve_onednn(x, ordered[1], bias, 2, 1, "relu")
        return torch.cat(
            [relu.flatten(), convolve_onednn(x, ordered[0], None, 1, 1, "none").flatten()]
        )

    def plain() -> Tensor:
        relu = F.conv2d(x, weight, bias, 2, 1).relu()
        return torch.cat([relu.flatten(), F.conv2d(x, weight, None, 1, 1).flatten()])

    name = f"oneDNN's convolution in {str(dtype).removeprefix('torch.')}"
    return passes_self_test(name, fast, plain, SELF_TEST_TOLERANCE[dtype])


def uses_onednn(device: torch.device, dtype: torch.dtype, kernels: KernelChoice = "auto") -> bool:
    """Return whether convolutions on a device, in a dtype, run on oneDNN's fused operators."""
    return kernels == "auto" and device.type == "cpu" and onednn_convolution_works(dtype)


@lru_cache(maxsize=1)
def pool_gradient_without_input_works() -> bool:
    """Return whether `pool_gradient_without_input` passes its self-test."""
    x = torch.randn(1, 8, 12, 10, generator=torch.Generator().manual_seed(0))
    x = x.contiguous(memory_format=torch.channels_last)
    window: PoolWindow = ([3, 3], [2, 2], [0, 0], [1, 1], True)
    out, index = torch.ops.aten.max_pool2d_with_indices(x, *window)
    return passes_self_test(
        "the pool's gradient without its input",
        lambda: pool_gradient_without_input(out, x.shape, window, index),
        lambda: torch.ops.aten.max_pool2d_with_indices_backward(out, x, *window, index),
        tolerance=0.0,
    )


def has_bfloat16_instructions(cpu: Any = torch.cpu) -> bool:
    """Return whether the processor has instructions for bfloat16.

    Args:
        cpu: The module that says so; a PyTorch that cannot say counts as a processor without.
    """
    checks = [getattr(cpu, f"_is_{name}_supported", None) for name in BFLOAT16_INSTRUCTIONS]
    return any(check is not None and check() for check in checks)


def has_fast_bfloat16() -> bool:
    """Return whether convolutions in bfloat16 run natively on this processor."""
    return onednn_convolution_works(torch.bfloat16) and has_bfloat16_instructions()


def describe_kernels() -> str:
    """Return which operators passes on the CPU run on, in words."""
    dtypes = [
        str(dtype).removeprefix("torch.")
        for dtype in SELF_TEST_TOLERANCE
        if onednn_convolution_works(dtype)
    ]
    convolutions = f"oneDNN, ReLU fused ({', '.join(dtypes)})" if dtypes else "plain PyTorch"
    pools = "input not kept" if pool_gradient_without_input_works() else "plain PyTorch"
    return f"convolutions: {convolutions}; max pools: {pools}"
