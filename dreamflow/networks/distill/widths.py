"""The shape of a pocket's trunk: channels and ranks of its convolutions."""

from __future__ import annotations

from dreamflow.core.errors import SettingsError
from dreamflow.networks.caffe.googlenet_graph import WidthRule, make_googlenet_nodes
from dreamflow.networks.caffe.pocket import TrunkShape, absorb_pool_branches
from dreamflow.networks.distill.options import DistillOptions

EARLY_LAYERS = ("conv1/7x7_s2", "conv2/3x3_reduce")
"""Layers whose width is the setting `early_width`."""
CHANNEL_MULTIPLE = 8
"""Channels come in multiples of this, which processors compute in one go."""


def make_trunk_shape(options: DistillOptions) -> TrunkShape:
    """Return the shape of the trunk that options ask for.

    A convolution with no more channels than its rank stays one.

    Raises:
        SettingsError: `widths` or `ranks` cannot be read.
    """
    width = absorb_pool_branches(make_width_rule(options))
    channels = {
        node.name: node.channels for node in make_googlenet_nodes(width) if node.kind == "conv"
    }
    ranks = parse_ranks(options.ranks)
    return TrunkShape(width, {name: n for name, n in ranks.items() if n < channels[name]})


def make_width_rule(options: DistillOptions) -> WidthRule:
    """Return the rule that gives a convolution's channels.

    A convolution takes its share from `widths` where it, or its module, is named there, and from
    `early_width` or `width` otherwise; the result is rounded to a multiple of `CHANNEL_MULTIPLE`.

    Raises:
        SettingsError: `widths` names something that is no layer or module, or is not written as a
            list of names with shares.
    """
    shares = parse_widths(options.widths)

    def width(name: str, channels: int) -> int:
        general = options.early_width if name in EARLY_LAYERS else options.width
        share = shares.get(name, shares.get(name.split("/")[0], general))
        return max(CHANNEL_MULTIPLE, CHANNEL_MULTIPLE * round(channels * share / CHANNEL_MULTIPLE))

    return width


def parse_widths(text: str) -> dict[str, float]:
    """Return the shares by layer or module from a list such as `conv1/7x7_s2 0.25, inception_3a 1`.

    Raises:
        SettingsError: A name is no layer or module with convolutions, or a share is not above 0 and
            at most 1.
    """
    convolutions = [node.name for node in make_googlenet_nodes() if node.kind == "conv"]
    known = {*convolutions, *(name.split("/")[0] for name in convolutions)}
    shares: dict[str, float] = {}
    for item, name, share_text in _split_items(text):
        try:
            share = float(share_text)
        except ValueError:
            share = 0.0
        if name not in known or not 0 < share <= 1:
            raise SettingsError(
                f"widths: {item!r} is not a layer or module with its share of the channels, above "
                "0 and at most 1, such as 'inception_3a 0.375'",
                setting="widths",
                value=item,
            )
        shares[name] = share
    return shares


def parse_ranks(text: str) -> dict[str, int]:
    """Return the ranks by layer from a list such as `conv1/7x7_s2 16, conv2/3x3 32`.

    Raises:
        SettingsError: A name is no convolution of a kernel above 1x1, or a rank is no whole number
            above 0.
    """
    known = {
        node.name for node in make_googlenet_nodes() if node.kind == "conv" and node.kernel > 1
    }
    ranks: dict[str, int] = {}
    for item, name, rank_text in _split_items(text):
        if name not in known or not rank_text.isdecimal() or int(rank_text) < 1:
            raise SettingsError(
                f"ranks: {item!r} is not a 3x3, 5x5 or 7x7 convolution with a number of channels "
                "above 0, such as 'conv2/3x3 32'",
                setting="ranks",
                value=item,
            )
        ranks[name] = int(rank_text)
    return ranks


def _split_items(text: str) -> list[tuple[str, str, str]]:
    """Return each item of a comma-separated list, its name, and its value in text."""
    items = filter(None, (part.strip() for part in text.split(",")))
    splits = ((item, *item.rpartition(" ")) for item in items)
    return [(item, name.strip(), value) for item, name, _, value in splits]
