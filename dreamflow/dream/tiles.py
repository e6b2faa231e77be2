"""The gradient of a large image tile by tile, in bounded memory and without seams.

An objective is a sum over the positions of a layer, and so is its gradient. Each position belongs
to exactly one tile; the tile's crop of the image extends beyond its positions by a margin, and the
gradients of all tiles are summed where their crops overlap. Where the margin covers the receptive
field, the sum is the gradient of the whole image. Where it covers less, positions next to a border
respond a little too weakly or strongly, but none is counted twice or left out, and the borders are
shifted at random from step to step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from dreamflow.core.errors import SettingsError, named
from dreamflow.core.logs import get_logger
from dreamflow.core.machine.memory import MB
from dreamflow.dream.objective.objective_term import ObjectiveTerm, vjp
from dreamflow.dream.pass_memory import pass_bytes_per_px
from dreamflow.networks.network import Layer, Network

MAX_EXACT_MARGIN_PX = 64
"""Largest margin, in pixels, that is chosen to cover the whole receptive field."""
MARGIN_PER_RECEPTIVE_FIELD = 1 / 3
"""Margin as a share of a larger receptive field, whose rim contributes little. With a third the
gradient beside a border was off by 3.2% (inception_3b/output) and 1.3% (inception_4c/output), with
a sixth by 22% and 15%."""
MAX_MARGIN_PX = 192
DEFAULT_MARGIN_PX = 96
"""Margin for a layer whose receptive field is unknown."""
MIN_TILE_CORE_PX = 128
"""Smallest side of a tile without its margin, even if the memory limit is exceeded: smaller tiles
would consist of margin."""
MAX_BORDER_SHIFT_SHARE = 1 / 8
"""Largest shift of a border to either side, as a share of a tile's side."""
MAX_PASS_BYTES_PER_PX = 4096
"""Upper bound of a pass, in bytes a pixel: an image within it needs no measurement."""

_logger = get_logger(__name__)


@dataclass(frozen=True)
class TileSpan:
    """One tile along one axis, in pixels.

    Attributes:
        core_start: First pixel that belongs to the tile.
        core_end: End of the pixels that belong to it, exclusive.
        crop_start: First pixel of its crop.
        crop_end: End of its crop, exclusive.
    """

    core_start: int
    core_end: int
    crop_start: int
    crop_end: int


@dataclass(frozen=True)
class Tiling:
    """How an image is divided into tiles.

    Attributes:
        rows: Tiles along the height.
        columns: Tiles along the width.
        margin: Pixels by which a crop extends beyond the pixels of its tile.
        alignment: Borders lie at multiples of this, in pixels, where all layers have a position.
    """

    rows: int
    columns: int
    margin: int
    alignment: int

    def tiles(
        self, height: int, width: int, tile_shift: tuple[float, float] = (0.0, 0.0)
    ) -> Iterator[tuple[TileSpan, TileSpan]]:
        """Yield the spans (down, across) of each tile.

        Args:
            height: Height of the image in pixels.
            width: Width of the image in pixels.
            tile_shift: Shift of the borders (down, across), from -1 to 1, in units of
                `MAX_BORDER_SHIFT_SHARE`.
        """
        across = self.spans(width, self.columns, tile_shift[1])
        for down in self.spans(height, self.rows, tile_shift[0]):
            yield from ((down, span) for span in across)

    def spans(self, side: int, count: int, tile_shift: float) -> list[TileSpan]:
        """Return the spans of `count` tiles along an axis of `side` pixels, with equal crops.

        Crops of different sizes fragment memory, which doubled within six steps.
        """
        borders = [0]
        for number in range(1, count):
            border = side / count * (number + tile_shift * MAX_BORDER_SHIFT_SHARE)
            borders.append(round(border / self.alignment) * self.alignment)
        borders.append(side)
        size = self.crop_size(side, count)
        spans: list[TileSpan] = []
        for start, end in pairwise(borders):
            crop_start = min(max(0, start - self.margin), side - size)
            spans.append(TileSpan(start, end, crop_start, crop_start + size))
        return spans

    def crop_size(self, side: int, count: int) -> int:
        """Return the size of the crops of `count` tiles along an axis of `side` pixels.

        The rest of the axis is a multiple of the alignment, so that the last crop starts at one
        and ends with the image.
        """
        if count == 1:
            return side
        core = side / count
        outer = core * (1 + MAX_BORDER_SHIFT_SHARE) + self.margin
        inner = core + 2 * self.margin if count > 2 else 0
        # One alignment more, because borders are rounded to it.
        size = round_up(math.ceil(max(outer, inner)) + self.alignment, self.alignment)
        return min(side, size + side % self.alignment)


def choose_tiling(
    network: Network, layers: Sequence[str], height: int, width: int, max_bytes: int
) -> Tiling | None:
    """Return the tiles in which a pass stays within a memory limit, or None if it needs none.

    They depend on the arguments alone, so that all runs of a job use the same.

    Args:
        network: The network.
        layers: The layers that a pass computes.
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        max_bytes: Memory limit of a pass.

    Raises:
        SettingsError: A layer depends on the whole image at once, and that exceeds the limit.
    """
    if height * width * MAX_PASS_BYTES_PER_PX <= max_bytes:
        return None
    max_px = max_bytes / pass_bytes_per_px(network, tuple(layers))
    facts = [network.layer(name) for name in layers]
    if any(layer.stride == 0 for layer in facts):
        if height * width <= max_px:
            return None
        raise SettingsError(
            f"a class of {network.name} is computed from the whole picture at once, and "
            f"{width}x{height} takes more than the {max_bytes // MB} MB that a pass may: give more "
            f"{named('memory')}, a smaller {named('size')}, or a layer",
            setting="memory",
            value=max_bytes // MB,
        )
    alignment = math.lcm(*(layer.stride for layer in facts))
    margin = max(round_up(tile_margin(layer), alignment) for layer in facts)
    min_core = max(MIN_TILE_CORE_PX, 2 * alignment, *(layer.smallest for layer in facts))
    rows, columns = 1, 1
    while True:
        tiling = Tiling(rows, columns, margin, alignment)
        if tiling.crop_size(height, rows) * tiling.crop_size(width, columns) <= max_px:
            break
        if height / rows >= width / columns and height / (rows + 1) >= min_core:
            rows += 1
        elif width / (columns + 1) >= min_core:
            columns += 1
        else:
            break
    if rows * columns == 1:
        return None
    _logger.debug("%dx%d is dreamed in %dx%d tiles", width, height, columns, rows)
    return tiling


def tile_margin(layer: Layer) -> int:
    """Return the margin, in pixels, of a crop around the positions of a layer in its tile."""
    field = layer.receptive_field
    if not field:
        return DEFAULT_MARGIN_PX
    exact = field // 2 + layer.stride
    reduced = min(MAX_MARGIN_PX, round(field * MARGIN_PER_RECEPTIVE_FIELD))
    return min(exact, max(MAX_EXACT_MARGIN_PX, reduced))


def round_up(pixels: int, multiple: int) -> int:
    """Return the smallest multiple that is not smaller."""
    return -(-pixels // multiple) * multiple


def tiled_gradients(
    network: Network,
    terms: Sequence[ObjectiveTerm],
    image: Tensor,
    tiling: Tiling,
    tile_shift: tuple[float, float] = (0.0, 0.0),
    cotangent: Callable[[ObjectiveTerm, Tensor], Tensor] = ObjectiveTerm.cotangent,
) -> list[Tensor]:
    """Return the gradient of each term, summed over the positions of its layer.

    Args:
        network: The network.
        terms: The terms of an objective.
        image: (1, 3, H, W) float32 RGB in [0, 1].
        tiling: How the image is divided.
        tile_shift: Shift of the borders (down, across), from -1 to 1; see `Tiling.tiles`.
        cotangent: Returns the gradient of a term with respect to some positions of its layer's
            activation, (1, C, h, w) for (1, C, h, w).

    Returns:
        (1, 3, H, W) float32 for each term.
    """
    height, width = image.shape[2:]
    layers = tuple(dict.fromkeys(term.layer for term in terms))
    totals = [torch.zeros_like(image) for _ in terms]
    rescale = network.dtype == torch.float16
    for down, across in tiling.tiles(height, width, tile_shift):
        window = _crop_window(down, across)
        crop = image[window].detach().requires_grad_(True)
        activations = network.activations(crop, layers)
        for number, (term, total) in enumerate(zip(terms, totals, strict=True), start=1):
            activation = activations[term.layer]
            owned = _owned_window(network, term, (down, across), (height, width))
            cotangents = torch.zeros_like(activation)
            cotangents[owned] = cotangent(term, activation.detach()[owned])
            total[window] += vjp(activation, cotangents, crop, number < len(terms), rescale)
    return totals


def tiled_means(
    network: Network,
    terms: Sequence[ObjectiveTerm],
    image: Tensor,
    tiling: Tiling,
    measure: Callable[[ObjectiveTerm, Tensor], Tensor],
) -> list[Tensor]:
    """Return a mean over the positions of each term's layer, each position counted once.

    Where the margin covers less than the receptive field, the mean is as close to that of the whole
    image as the gradient is.

    Args:
        network: The network.
        terms: The terms of an objective.
        image: (1, 3, H, W) float32 RGB in [0, 1].
        tiling: How the image is divided.
        measure: Returns the mean of a term over the positions of an activation (1, C, h, w).

    Returns:
        A () tensor for each term.
    """
    height, width = image.shape[2:]
    layers = tuple(dict.fromkeys(term.layer for term in terms))
    sums = [image.new_zeros(()) for _ in terms]
    counts = [0] * len(terms)
    for down, across in tiling.tiles(height, width):
        activations = network.activations(image[_crop_window(down, across)], layers)
        for number, term in enumerate(terms):
            window = _owned_window(network, term, (down, across), (height, width))
            owned = activations[term.layer][window]
            count = owned.shape[-2] * owned.shape[-1]
            if count:
                sums[number] += measure(term, owned) * count
                counts[number] += count
    return [total / count for total, count in zip(sums, counts, strict=True)]


def _crop_window(down: TileSpan, across: TileSpan) -> tuple[slice, ...]:
    """Return the crop of a tile, as an index of an image (1, 3, H, W)."""
    rows, columns = (slice(span.crop_start, span.crop_end) for span in (down, across))
    return slice(None), slice(None), rows, columns


def _owned_window(
    network: Network,
    term: ObjectiveTerm,
    spans: tuple[TileSpan, TileSpan],
    size: tuple[int, int],
) -> tuple[slice, ...]:
    """Return the positions of a tile, as an index of an activation (1, C, h, w) of its crop."""
    stride = network.layer(term.layer).stride
    rows, columns = (
        owned_positions(span, stride, side) for span, side in zip(spans, size, strict=True)
    )
    return slice(None), slice(None), rows, columns


def owned_positions(span: TileSpan, stride: int, side: int) -> slice:
    """Return which positions of a crop belong to its tile, along one axis of `side` pixels."""
    end = None if span.core_end == side else (span.core_end - span.crop_start) // stride
    return slice((span.core_start - span.crop_start) // stride, end)
