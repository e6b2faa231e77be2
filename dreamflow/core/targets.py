"""What a dream maximises: layers, their channels, classes, and weighted sets of them.

inception_4c/output                     a layer
inception_4c/output:61                  one of its channels, counted from 0
inception_4c/output:3:7:10-20           several channels and ranges, both ends included
inception_4c/output:strongest 5         the five channels that respond most; also weakest, random
class:tabby                             a class of the network's classifier, by name
class:281   class:tabby:tiger cat   class:151-268       by number, several, a range

Commas separate keyframes and `+` the targets of a blend, so lists use colons.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dreamflow.core.errors import SettingsError, named

CLASS_LAYER = "class"
"""Name of the layer that holds a network's classes, one channel each."""
PICK_KINDS = ("strongest", "weakest", "random")
"""How channels are picked by their response to a picture; "random" is of all that respond."""
PICK_SYNTAX = "strongest 5, weakest 5 or random 5"
MIN_FADED_WEIGHT = 1e-6
"""Targets whose weight in a cross-fade is smaller than this are left out."""

_PICK_PATTERN = re.compile(rf"({'|'.join(PICK_KINDS)})\s*([0-9]{{1,6}})")
_CHANNELS_PATTERN = re.compile(r"([0-9]{1,6})(?:\s*-\s*([0-9]{1,6}))?")


@dataclass(frozen=True)
class ChannelPick:
    """A number of channels to be picked by their response to a picture.

    Attributes:
        kind: One of `PICK_KINDS`.
        count: Number of channels, at least 1.
    """

    kind: str
    count: int

    @classmethod
    def parse(cls, text: str) -> ChannelPick | None:
        """Return the pick that a text such as `strongest 5` names, or None for any other text."""
        match = _PICK_PATTERN.fullmatch(text.strip())
        return cls(match[1], int(match[2])) if match and int(match[2]) else None

    def __str__(self) -> str:
        """Return the text that `parse` reads."""
        return f"{self.kind} {self.count}"


@dataclass(frozen=True)
class Target:
    """A layer, some of its channels, or classes.

    Attributes:
        layer: Name of the layer; `CLASS_LAYER` for classes.
        channels: Channels in rising order; empty for all of them.
        names: Classes given by name.
        pick: Channels that are still to be picked by a picture.
    """

    layer: str
    channels: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    pick: ChannelPick | None = None

    @property
    def is_whole_layer(self) -> bool:
        """Whether the target is all channels of the layer."""
        return not (self.channels or self.names or self.pick)

    def __str__(self) -> str:
        """Return the shortest text that `parse_target` reads."""
        items = [
            *format_channel_ranges(self.channels),
            *self.names,
            *([str(self.pick)] if self.pick else []),
        ]
        return ":".join([self.layer, *items])


@dataclass(frozen=True)
class Blend:
    """Targets with a weight each.

    Attributes:
        weights: Finite weight, not zero, of each target. Negative weights minimise.
    """

    weights: Mapping[Target, float]

    @property
    def targets(self) -> tuple[Target, ...]:
        """The targets in the order in which they were given."""
        return tuple(self.weights)

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers of the targets, each once."""
        return tuple(dict.fromkeys(target.layer for target in self.weights))

    @property
    def texts(self) -> tuple[str, ...]:
        """The `NAME=WEIGHT` texts that `parse_blend` reads."""
        return tuple(f"{target}={weight!r}" for target, weight in self.weights.items())

    def __str__(self) -> str:
        """Return the names of the targets."""
        return " + ".join(map(str, self.weights))

    def cross_fade(self, other: Blend, share: float) -> Blend | None:
        """Return the blend part of the way to another one, or None where the two cancel out.

        Both are scaled to length 1 and weighted by cos(share * pi / 2) and sin(share * pi / 2).
        Gradients of layers a few apart are nearly orthogonal (cosines of 0 to 0.4), so the
        direction of the dream turns at an almost constant rate; with linear weights it would turn
        twice as fast in the middle as at the ends.

        Args:
            other: The blend that the fade ends with.
            share: From 0, this blend, to 1, the other.
        """
        mixed: dict[Target, float] = {}
        for blend, factor in (
            (self, math.cos(share * math.pi / 2)),
            (other, math.sin(share * math.pi / 2)),
        ):
            length = math.hypot(*blend.weights.values())
            for target, weight in blend.weights.items():
                mixed[target] = mixed.get(target, 0.0) + factor * weight / length
        remaining = {t: weight for t, weight in mixed.items() if abs(weight) > MIN_FADED_WEIGHT}
        return Blend(remaining) if remaining else None


def parse_target(text: str) -> Target:
    """Return the target that a text names.

    Raises:
        SettingsError: The text names no layer, or something that is no channel of one.
    """
    layer, colon, rest = text.partition(":")
    layer = layer.strip()
    items = [" ".join(item.split()) for item in rest.split(":")] if colon else []
    if len(items) == 1 and (pick := ChannelPick.parse(items[0])):
        return Target(layer, pick=pick)
    channels: set[int] = set()
    names: list[str] = []
    for item in items:
        match = _CHANNELS_PATTERN.fullmatch(item)
        if match and int(match[1]) <= (last := int(match[2] or match[1])):
            channels.update(range(int(match[1]), last + 1))
        elif layer == CLASS_LAYER and re.search(r"[^\W\d]", item) and not ChannelPick.parse(item):
            names.append(item)
        else:
            raise SettingsError(
                f"{text.strip()!r}: {item!r} is no channel; write {layer}:61, {layer}:10-20, "
                f"{layer}:3:7:61 or {layer}:strongest 5",
                setting="layer",
                value=text.strip(),
            )
    if not layer:
        raise SettingsError(f"{text.strip()!r} names no layer", setting="layer", value=text.strip())
    return Target(layer, tuple(sorted(channels)), tuple(dict.fromkeys(names)))


def parse_blend(layers: Sequence[str]) -> Blend:
    """Return the blend of `NAME` or `NAME=WEIGHT` texts; a bare name has weight 1.

    Raises:
        SettingsError: A weight is not a finite number or is zero, a target is none or is given
            twice, or there is no text.
    """
    weights: dict[Target, float] = {}
    for text in layers:
        name, equals, number = text.partition("=")
        try:
            weight = float(number) if equals else 1.0
        except ValueError:
            weight = math.nan
        if not name.strip() or not math.isfinite(weight) or weight == 0:
            raise SettingsError(
                f"layer {text.strip()!r}: write NAME=WEIGHT, the weight not zero",
                setting="layer",
                value=text.strip(),
                allowed="NAME=WEIGHT, the weight not zero",
            )
        target = parse_target(name)
        if target in weights:
            raise SettingsError(
                f"layer {target} is given twice; give it one weight",
                setting="layer",
                value=str(target),
            )
        weights[target] = weight
    if not weights:
        raise SettingsError(
            f"no layer is given: name at least one with {named('layer')}", setting="layer"
        )
    return Blend(weights)


def format_channel_ranges(channels: Sequence[int]) -> list[str]:
    """Return rising channels as texts, three or more in a row as a range."""
    runs: list[list[int]] = []
    for channel in channels:
        if runs and channel == runs[-1][-1] + 1:
            runs[-1].append(channel)
        else:
            runs.append([channel])
    texts: list[str] = []
    for run in runs:
        texts += [f"{run[0]}-{run[-1]}"] if len(run) > 2 else map(str, run)
    return texts
