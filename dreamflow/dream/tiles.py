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

from dreamflow.core.errors import SettingsError
from dreamflow.core.machine.memory import MB
from dreamflow.dream.objective_term import ObjectiveTerm, vjp
from dreamflow.networks.network import Layer, Network

MAX_EXACT_MARGIN_PX = 64
"""Pixels; a margin of all that the positions see is taken up to this."""
MARGIN_PER_RECEPTIVE_FIELD = 1 / 3
"""Of the receptive field is enough beyond it, for its rim counts little. With a third the gradient
was off by 3.2% beside a border (inception_3b/output) and 1.3% (inception_4c/output), with a sixth
by 22% and 15%."""
MAX_MARGIN_PX = 192
DEFAULT_MARGIN_PX = 96
"""Where nobody knows what a layer sees."""
MIN_TILE_CORE_PX = 128
"""Smaller tiles would be all margin: rather is the memory's share overstepped."""
MAX_BORDER_SHIFT_SHARE = 1 / 8
"""Borders move by so much of a tile's side at most, either way."""
MEMORY_PROBE_SIDE_PX = 128
"""Side of the picture with which it is seen how much memory a pass takes."""
FRAGMENTATION_FACTOR, LARGEST_ACTIVATION_COPIES = 1.5, 3.5
"""At its peak a pass takes what it keeps, half as much again in holes between, and so many times
the largest activation that it keeps. So it was with googlenet: 375, 790 and 852 bytes a pixel were
seen for conv2/3x3, inception_4c/output and inception_5b/output, and 360, 796 and 922 come out."""
MAX_PASS_BYTES_PER_PX = 4096
"""Bytes a pixel; a picture that may take so much is taken whole without a probe."""


@dataclass(frozen=True)
class TileSpan:
    """One tile along one axis, in pixels: it owns start to end, its crop is low to high."""

    core_start: int
    core_end: int
    crop_start: int
    crop_end: int


@dataclass(frozen=True)
class Tiling:
    """How a picture is cut. margin: pixels around what a tile owns. unit: borders are at its
    multiples, where all layers have a position."""

    rows: int
    columns: int
    margin: int
    alignment: int

    def tiles(
        self, height: int, width: int, tile_shift: tuple[float, float] = (0.0, 0.0)
    ) -> Iterator[tuple[TileSpan, TileSpan]]:
        """Yield each tile's (down, across). moved: the borders' shift, from -1 to 1 of `MOVED`."""
        across = self.spans(width, self.columns, tile_shift[1])
        for down in self.spans(height, self.rows, tile_shift[0]):
            yield from ((down, span) for span in across)

    def spans(self, side: int, count: int, tile_shift: float) -> list[TileSpan]:
        """Return the tiles along an axis of `side` pixels; their crops are all of one size.

        Crops of many sizes leave holes in the memory: it was seen to double within six steps.
        """
        borders = [0]
        for number in range(1, count):
            at = side / count * (number + tile_shift * MAX_BORDER_SHIFT_SHARE)
            borders.append(round(at / self.alignment) * self.alignment)
        borders.append(side)
        size = self.crop_size(side, count)
        spans: list[TileSpan] = []
        for start, end in pairwise(borders):
            low = min(max(0, start - self.margin), side - size)
            spans.append(TileSpan(start, end, low, low + size))
        return spans

    def crop_size(self, side: int, count: int) -> int:
        """Return the size of the crops along an axis.

        It leaves a multiple of the unit over, so that the last crop begins at one and ends with
        the picture.
        """
        if count == 1:
            return side
        core = side / count
        outer = core * (1 + MAX_BORDER_SHIFT_SHARE) + self.margin
        inner = core + 2 * self.margin if count > 2 else 0
        # Each border is rounded to the unit.
        size = (
            round_up(math.ceil(max(outer, inner)) + self.alignment, self.alignment)
            + side % self.alignment
        )
        return min(side, size)


def choose_tiling(
    network: Network, names: Sequence[str], height: int, width: int, max_bytes: int
) -> Tiling | None:
    """Return how to cut a picture so that a pass takes no more than `memory` bytes; None: not.

    It is a matter of size, layers and `memory` alone, so that all runs of a job do the same. Raises
    SettingsError where a layer sees the whole picture at once, and that takes more.
    """
    if height * width * MAX_PASS_BYTES_PER_PX <= max_bytes:
        return None
    pixels = max_bytes / pass_bytes_per_px(network, tuple(names))
    layers = [network.layer(name) for name in names]
    if any(layer.stride == 0 for layer in layers):
        if height * width <= pixels:
            return None
        raise SettingsError(
            f"a class of {network.name} is seen in the whole picture at once, and {width}x{height} "
            f"takes more than the {max_bytes // MB} MB that a pass may: give more --memory, a smaller "
            "--size, or a layer"
        )
    unit = math.lcm(*(layer.stride for layer in layers))
    margin = max(round_up(tile_margin(layer), unit) for layer in layers)
    least = max(MIN_TILE_CORE_PX, 2 * unit, *(layer.smallest for layer in layers))
    rows, columns = 1, 1
    while True:
        tiling = Tiling(rows, columns, margin, unit)
        if tiling.crop_size(height, rows) * tiling.crop_size(width, columns) <= pixels:
            break
        if height / rows >= width / columns and height / (rows + 1) >= least:
            rows += 1
        elif width / (columns + 1) >= least:
            columns += 1
        else:
            break
    return tiling if rows * columns > 1 else None


def tile_margin(layer: Layer) -> int:
    """Return how far, in pixels, a crop reaches beyond the positions of a layer that it owns."""
    field = layer.receptive_field
    if not field:
        return DEFAULT_MARGIN_PX
    whole = field // 2 + layer.stride
    return min(
        whole,
        max(MAX_EXACT_MARGIN_PX, min(MAX_MARGIN_PX, round(field * MARGIN_PER_RECEPTIVE_FIELD))),
    )


def round_up(pixels: int, multiple: int) -> int:
    """Return the next multiple of a unit."""
    return -(-pixels // multiple) * multiple


@lru_cache(maxsize=64)
def pass_bytes_per_px(network: Network, layers: tuple[str, ...]) -> float:
    """Return the memory that a pass to some layers takes, in bytes a pixel.

    Seen from what two small passes keep; the difference leaves the weights out.
    """
    side = max(MEMORY_PROBE_SIDE_PX, *(network.layer(name).smallest for name in layers))
    small, large = (saved_tensor_bytes(network, layers, side * times) for times in (1, 2))
    return (estimate_peak_bytes(large) - estimate_peak_bytes(small)) / (3 * side * side)


def estimate_peak_bytes(saved_bytes: Sequence[int]) -> float:
    """Return the peak of a pass that keeps so many bytes of each activation."""
    return FRAGMENTATION_FACTOR * sum(saved_bytes) + LARGEST_ACTIVATION_COPIES * max(saved_bytes)


def saved_tensor_bytes(network: Network, layers: Sequence[str], side: int) -> list[int]:
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
        found = network.activations(image, layers)
    for activation in found.values():
        keep(activation)
    return list(kept.values())


def tiled_gradients(
    network: Network,
    terms: Sequence[ObjectiveTerm],
    image: Tensor,
    tiling: Tiling,
    tile_shift: tuple[float, float] = (0.0, 0.0),
    cotangent: Callable[[ObjectiveTerm, Tensor], Tensor] = ObjectiveTerm.cotangent,
) -> list[Tensor]:
    """Return the gradient (1, 3, H, W) of what each aim climbs, summed over its positions.

    wanted: gives the gradient for some positions' activation, (1, C, h, w), of the same shape.
    """
    height, width = image.shape[2:]
    names = tuple(dict.fromkeys(aim.layer for aim in terms))
    totals = [torch.zeros_like(image) for _ in terms]
    for down, across in tiling.tiles(height, width, tile_shift):
        window = (
            ...,
            slice(down.crop_start, down.crop_end),
            slice(across.crop_start, across.crop_end),
        )
        crop = image[window].detach().requires_grad_(True)
        found = network.activations(crop, names)
        for number, (aim, total) in enumerate(zip(terms, totals, strict=True), start=1):
            activation = found[aim.layer]
            stride = network.layer(aim.layer).stride
            owned = (
                ...,
                owned_positions(down, stride, height),
                owned_positions(across, stride, width),
            )
            responses = torch.zeros_like(activation)
            responses[owned] = cotangent(aim, activation.detach()[owned])
            scaled = network.dtype == torch.float16
            total[window] += vjp(activation, responses, crop, number < len(terms), scaled)
    return totals


def tiled_means(
    network: Network,
    terms: Sequence[ObjectiveTerm],
    image: Tensor,
    tiling: Tiling,
    measure: Callable[[ObjectiveTerm, Tensor], Tensor],
) -> list[Tensor]:
    """Return a mean over the positions of each aim's layer for an image (1, 3, H, W).

    measure: gives the mean of a term over the positions of an activation (1, C, h, w). Each position
    is counted once. Where the margin holds less than the positions see, the mean is as near to that
    of the whole picture as the gradient is.
    """
    height, width = image.shape[2:]
    layers = tuple(dict.fromkeys(aim.layer for aim in terms))
    sums = [image.new_zeros(()) for _ in terms]
    counts = [0] * len(terms)
    for down, across in tiling.tiles(height, width):
        crop = image[
            ..., slice(down.crop_start, down.crop_end), slice(across.crop_start, across.crop_end)
        ]
        found = network.activations(crop, layers)
        for number, aim in enumerate(terms):
            stride = network.layer(aim.layer).stride
            rows, columns = (
                owned_positions(down, stride, height),
                owned_positions(across, stride, width),
            )
            owned = found[aim.layer][..., rows, columns]
            count = owned.shape[-2] * owned.shape[-1]
            if count:
                sums[number] += measure(aim, owned) * count
                counts[number] += count
    return [total / count for total, count in zip(sums, counts, strict=True)]


def owned_positions(span: TileSpan, stride: int, side: int) -> slice:
    """Return which of a crop's positions a tile owns, along one axis of `side` pixels."""
    end = None if span.core_end == side else (span.core_end - span.crop_start) // stride
    return slice((span.core_start - span.crop_start) // stride, end)
