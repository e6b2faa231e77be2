"""The gradient of a large picture, tile by tile, in bounded memory and without seams.

An objective is a sum over the positions of a layer, and so is its gradient. Each tile owns some of
the positions, each position is owned by one tile, and the tile's crop of the picture reaches beyond
them by a margin. What the tiles give is added up where their crops overlap. Where the margin holds
all that the positions see, the sum is the gradient of the whole picture; where it holds less,
the positions next to a border see an end of the picture that is none. They respond a little too
weakly or strongly then, but none is counted twice or left out, and the borders are moved at random
from step to step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor

from dreamflow.dream.aim import Aim, pulled
from dreamflow.errors import SettingsError
from dreamflow.memory import MB
from dreamflow.networks.network import Layer, Network
from dreamflow.target import layers_of

SURE_MARGIN = 64
"""Pixels; a margin of all that the positions see is taken up to this."""
MARGIN_SHARE = 1 / 3
"""Of the receptive field is enough beyond it, for its rim counts little. With a third the gradient
was off by 3.2% beside a border (inception_3b/output) and 1.3% (inception_4c/output), with a sixth
by 22% and 15%."""
MOST_MARGIN = 192
UNKNOWN_MARGIN = 96
"""Where nobody knows what a layer sees."""
LEAST_CORE = 128
"""Smaller tiles would be all margin: rather is the memory's share overstepped."""
MOVED = 1 / 8
"""Borders move by so much of a tile's side at most, either way."""
PROBE = 128
"""Side of the picture with which it is seen how much memory a pass takes."""
HOLES, BEHIND = 1.5, 3.5
"""At its peak a pass takes what it keeps, half as much again in holes between, and so many times
the largest activation that it keeps. So it was with googlenet: 375, 790 and 852 bytes a pixel were
seen for conv2/3x3, inception_4c/output and inception_5b/output, and 360, 796 and 922 come out."""
PLENTY = 4096
"""Bytes a pixel; a picture that may take so much is taken whole without a probe."""


@dataclass(frozen=True)
class Span:
    """One tile along one axis, in pixels: it owns start to end, its crop is low to high."""

    start: int
    end: int
    low: int
    high: int


@dataclass(frozen=True)
class Tiling:
    """How a picture is cut. margin: pixels around what a tile owns. unit: borders are at its
    multiples, where all layers have a position."""

    rows: int
    columns: int
    margin: int
    unit: int

    def tiles(
        self, height: int, width: int, moved: tuple[float, float] = (0.0, 0.0)
    ) -> Iterator[tuple[Span, Span]]:
        """Yield each tile's (down, across). moved: the borders' shift, from -1 to 1 of `MOVED`."""
        across = self.spans(width, self.columns, moved[1])
        for down in self.spans(height, self.rows, moved[0]):
            yield from ((down, span) for span in across)

    def spans(self, side: int, count: int, moved: float) -> list[Span]:
        """Return the tiles along an axis of `side` pixels; their crops are all of one size.

        Crops of many sizes leave holes in the memory: it was seen to double within six steps.
        """
        borders = [0]
        for number in range(1, count):
            at = side / count * (number + moved * MOVED)
            borders.append(round(at / self.unit) * self.unit)
        borders.append(side)
        size = self.crop(side, count)
        spans: list[Span] = []
        for start, end in pairwise(borders):
            low = min(max(0, start - self.margin), side - size)
            spans.append(Span(start, end, low, low + size))
        return spans

    def crop(self, side: int, count: int) -> int:
        """Return the size of the crops along an axis.

        It leaves a multiple of the unit over, so that the last crop begins at one and ends with
        the picture.
        """
        if count == 1:
            return side
        core = side / count
        outer = core * (1 + MOVED) + self.margin
        inner = core + 2 * self.margin if count > 2 else 0
        # Each border is rounded to the unit.
        size = up(math.ceil(max(outer, inner)) + self.unit, self.unit) + side % self.unit
        return min(side, size)


def choose_tiling(
    network: Network, names: Sequence[str], height: int, width: int, memory: int
) -> Tiling | None:
    """Return how to cut a picture so that a pass takes no more than `memory` bytes; None: not.

    It is a matter of size, layers and `memory` alone, so that all runs of a job do the same. Raises
    SettingsError where a layer sees the whole picture at once, and that takes more.
    """
    if height * width * PLENTY <= memory:
        return None
    names = layers_of(names)
    pixels = memory / pass_bytes(network, names)
    layers = [network.layer(name) for name in names]
    if any(layer.stride == 0 for layer in layers):
        if height * width <= pixels:
            return None
        raise SettingsError(
            f"a class of {network.name} is seen in the whole picture at once, and {width}x{height} "
            f"takes more than the {memory // MB} MB that a pass may: give more --memory, a smaller "
            "--size, or a layer"
        )
    unit = math.lcm(*(layer.stride for layer in layers))
    margin = max(up(margin_of(layer), unit) for layer in layers)
    least = max(LEAST_CORE, 2 * unit, *(layer.smallest for layer in layers))
    rows, columns = 1, 1
    while True:
        tiling = Tiling(rows, columns, margin, unit)
        if tiling.crop(height, rows) * tiling.crop(width, columns) <= pixels:
            break
        if height / rows >= width / columns and height / (rows + 1) >= least:
            rows += 1
        elif width / (columns + 1) >= least:
            columns += 1
        else:
            break
    return tiling if rows * columns > 1 else None


def margin_of(layer: Layer) -> int:
    """Return how far, in pixels, a crop reaches beyond the positions of a layer that it owns."""
    field = layer.receptive_field
    if not field:
        return UNKNOWN_MARGIN
    whole = field // 2 + layer.stride
    return min(whole, max(SURE_MARGIN, min(MOST_MARGIN, round(field * MARGIN_SHARE))))


def up(pixels: int, unit: int) -> int:
    """Return the next multiple of a unit."""
    return -(-pixels // unit) * unit


@lru_cache(maxsize=64)
def pass_bytes(network: Network, names: tuple[str, ...]) -> float:
    """Return the memory that a pass to some layers takes, in bytes a pixel.

    Seen from what two small passes keep; the difference leaves the weights out.
    """
    side = max(PROBE, *(network.layer(name).smallest for name in names))
    small, large = (kept_bytes(network, names, side * times) for times in (1, 2))
    return (taken(large) - taken(small)) / (3 * side * side)


def taken(kept: Sequence[int]) -> float:
    """Return the peak of a pass that keeps so many bytes of each activation."""
    return HOLES * sum(kept) + BEHIND * max(kept)


def kept_bytes(network: Network, names: Sequence[str], side: int) -> list[int]:
    """Return how many bytes a forward pass keeps of each tensor that the pass back will want.

    side: of the square picture that it is given.
    """
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    image = torch.zeros(1, 3, side, side, device=network.device, requires_grad=True)
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda kept: kept):
        found = network.activations(image, names)
    for activation in found.values():
        keep(activation)
    return list(kept.values())


def tiled_gradients(
    network: Network,
    aims: Sequence[Aim],
    image: Tensor,
    tiling: Tiling,
    moved: tuple[float, float] = (0.0, 0.0),
    wanted: Callable[[Aim, Tensor], Tensor] = Aim.wanted,
) -> list[Tensor]:
    """Return the gradient (1, 3, H, W) of what each aim climbs, summed over its positions.

    wanted: gives the gradient for some positions' activation, (1, C, h, w), of the same shape.
    """
    height, width = image.shape[2:]
    names = tuple(dict.fromkeys(aim.layer for aim in aims))
    totals = [torch.zeros_like(image) for _ in aims]
    for down, across in tiling.tiles(height, width, moved):
        window = (..., slice(down.low, down.high), slice(across.low, across.high))
        crop = image[window].detach().requires_grad_(True)
        found = network.activations(crop, names)
        for number, (aim, total) in enumerate(zip(aims, totals, strict=True), start=1):
            activation = found[aim.layer]
            stride = network.layer(aim.layer).stride
            owned = (..., positions(down, stride, height), positions(across, stride, width))
            responses = torch.zeros_like(activation)
            responses[owned] = wanted(aim, activation.detach()[owned])
            scaled = network.dtype == torch.float16
            total[window] += pulled(activation, responses, crop, number < len(aims), scaled)
    return totals


def tiled_means(
    network: Network,
    aims: Sequence[Aim],
    image: Tensor,
    tiling: Tiling,
    value: Callable[[Aim, Tensor], float],
) -> list[float]:
    """Return a mean over the positions of each aim's layer for an image (1, 3, H, W).

    value: gives the mean of an aim over the positions of an activation (1, C, h, w). Each position
    is counted once. Where the margin holds less than the positions see, the mean is as near to that
    of the whole picture as the gradient is.
    """
    height, width = image.shape[2:]
    layers = tuple(dict.fromkeys(aim.layer for aim in aims))
    sums, counts = [0.0] * len(aims), [0] * len(aims)
    for down, across in tiling.tiles(height, width):
        crop = image[..., slice(down.low, down.high), slice(across.low, across.high)]
        found = network.activations(crop, layers)
        for number, aim in enumerate(aims):
            stride = network.layer(aim.layer).stride
            rows, columns = positions(down, stride, height), positions(across, stride, width)
            owned = found[aim.layer][..., rows, columns]
            count = owned.shape[-2] * owned.shape[-1]
            if count:
                sums[number] += value(aim, owned) * count
                counts[number] += count
    return [total / count for total, count in zip(sums, counts, strict=True)]


def positions(span: Span, stride: int, side: int) -> slice:
    """Return which of a crop's positions a tile owns, along one axis of `side` pixels."""
    end = None if span.end == side else (span.end - span.low) // stride
    return slice((span.start - span.low) // stride, end)
