"""How many channels each convolution of a pocket's trunk has."""

from __future__ import annotations

from dreamflow.core.errors import SettingsError
from dreamflow.networks.caffe.googlenet_graph import WidthRule, make_googlenet_nodes
from dreamflow.networks.distill.options import DistillOptions

EARLY_LAYERS = ("conv1/7x7_s2", "conv2/3x3_reduce")
"""Layers whose width is the setting `early_width`."""
CHANNEL_MULTIPLE = 8
"""Channels come in multiples of this, which processors compute in one go."""


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
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, _, share_text = item.rpartition(" ")
        try:
            share = float(share_text)
        except ValueError:
            share = 0.0
        if name.strip() not in known or not 0 < share <= 1:
            raise SettingsError(
                f"widths: {item!r} is not a layer or module with its share of the channels, above "
                "0 and at most 1, such as 'inception_3a 0.375'",
                setting="widths",
                value=item,
            )
        shares[name.strip()] = share
    return shares
