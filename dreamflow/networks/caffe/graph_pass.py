"""A pass over a graph: its steps, forwards and, for the gradient of the image, back.

PyTorch sees a pass as one operation. Where images are small, what it does for each of a hundred
operations takes as long as the operations themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from dreamflow.networks.caffe.node import INPUT_NODE
from dreamflow.networks.caffe.operations import Operation
from dreamflow.networks.kernels.selection import take_saved_tensors


@dataclass(frozen=True)
class Step:
    """One operation of a pass.

    Attributes:
        operation: What is computed.
        inputs: The layers that it reads.
        outputs: The layers that it computes.
        releases: The layers that nothing reads afterwards.
    """

    operation: Operation
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    releases: tuple[str, ...] = ()


def release_when_read(steps: Sequence[Step], names: Sequence[str]) -> tuple[Step, ...]:
    """Return steps that release each layer behind its last reader, but for those of some names."""
    last_reader = {source: n for n, step in enumerate(steps) for source in step.inputs}
    released = [
        tuple(name for name in step.inputs if last_reader[name] == n and name not in names)
        for n, step in enumerate(steps)
    ]
    return tuple(
        replace(step, releases=of_step) for step, of_step in zip(steps, released, strict=True)
    )


def run_pass(x: Tensor, steps: Sequence[Step], names: tuple[str, ...]) -> dict[str, Tensor]:
    """Return some layers of an image, differentiable where the image is.

    Args:
        x: (N, 3, H, W), as the first layer takes it.
        steps: Of the pass, each behind those that compute its inputs.
        names: Of the layers wanted.

    Returns:
        (N, C, h, w) by layer.
    """
    if torch.is_grad_enabled() and x.requires_grad:
        maps = cast(tuple[Tensor, ...], _Pass.apply(x, steps, names))
        return dict(zip(names, maps, strict=True))
    layers = _run_forwards(x, steps)
    return {name: layers[name] for name in names}


@dataclass(frozen=True)
class _Record:
    """What a pass keeps for its gradient.

    Attributes:
        tensors: Of all steps, in order.
        steps: For each step, how many of them are its own, and the shape of its first input.
    """

    tensors: list[Tensor] = field(default_factory=list[Tensor])
    steps: list[tuple[int, torch.Size]] = field(default_factory=list[tuple[int, torch.Size]])


def _run_forwards(
    x: Tensor, steps: Sequence[Step], record: _Record | None = None
) -> dict[str, Tensor]:
    """Return the layers that the steps have not released; writes to the record."""
    layers = {INPUT_NODE: x}
    for step in steps:
        inputs = [layers[name] for name in step.inputs]
        outputs, kept = step.operation.compute(*inputs)
        if record is not None:
            record.tensors.extend(kept)
            record.steps.append((len(kept), inputs[0].shape))
        layers.update(zip(step.outputs, outputs, strict=True))
        for name in step.releases:
            del layers[name]
    return layers


def _run_backwards(
    steps: Sequence[Step], grads: dict[str, Tensor], record: _Record
) -> Tensor | None:
    """Return the gradient of the image from that of some layers; empties the record."""
    for step in reversed(steps):
        count, shape = record.steps.pop()
        kept = tuple(record.tensors.pop() for _ in range(count))[::-1]
        upstream = [grads.pop(name, None) for name in step.outputs]
        if all(grad is None for grad in upstream):
            continue
        back = step.operation.pull_back(upstream, kept, shape)
        for name, grad in zip(step.inputs, back, strict=True):
            grads[name] = grads[name] + grad if name in grads else grad
    return grads.get(INPUT_NODE)


class _Pass(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, steps: Sequence[Step], names: tuple[str, ...]
    ) -> tuple[Tensor, ...]:
        record = _Record()
        layers = _run_forwards(x, steps, record)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*record.tensors)
        ctx.steps, ctx.names, ctx.recorded = steps, names, record.steps
        return tuple(layers[name] for name in names)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor | None
    ) -> tuple[Tensor | None, None, None]:
        wanted = zip(ctx.names, grads, strict=True)
        by_name = {name: grad for name, grad in wanted if grad is not None}
        record = _Record(take_saved_tensors(ctx), list(ctx.recorded))
        return _run_backwards(ctx.steps, by_name, record), None, None
