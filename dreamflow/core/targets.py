"""What one part of an objective is: a layer, some of its channels, or some classes.

inception_4c/output                     a layer
inception_4c/output:61                  one of its channels, counted from 0
inception_4c/output:3:7:10-20           several, and ranges, both ends included
inception_4c/output:strongest 5         those that respond most to the picture; weakest, random
class:tabby                             a class that the network knows, by name
class:281   class:tabby:tiger cat   class:151-268       by number, several, and a range

Commas part keyframes, and + parts the layers of a blend: so a list has colons.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from dreamflow.core.errors import SettingsError

CLASS_LAYER = "class"
"""The layer of a network's classes: one channel each. It is dreamed on by them alone."""
PICK_KINDS = ("strongest", "weakest", "random")
"""Channels by how they respond to the picture; random ones are of those that respond at all."""
PICK_SYNTAX = "strongest 5, weakest 5 or random 5"


@dataclass(frozen=True)
class ChannelPick:
    """So many channels, chosen by how they respond to a picture."""

    kind: str
    count: int

    @classmethod
    def parse(cls, text: str) -> ChannelPick | None:
        """Return the choice that `strongest 5` is, or None where a text is none."""
        match = re.fullmatch(rf"({'|'.join(PICK_KINDS)})\s*([0-9]{{1,6}})", text.strip())
        return cls(match[1], int(match[2])) if match and int(match[2]) else None

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"{self.kind} {self.count}"


@dataclass(frozen=True)
class Target:
    """A layer; or only these channels of it, rising; or those picked; or classes by name."""

    layer: str
    channels: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    pick: ChannelPick | None = None

    @property
    def is_whole_layer(self) -> bool:
        """Whether all channels of the layer are meant."""
        return not (self.channels or self.names or self.pick)

    def __str__(self) -> str:
        """Return it as it is written, in the shortest form."""
        items = [
            *format_channel_ranges(self.channels),
            *self.names,
            *([str(self.pick)] if self.pick else []),
        ]
        return ":".join([self.layer, *items])


def format_channel_ranges(channels: tuple[int, ...]) -> list[str]:
    """Return rising numbers in words, three and more in a row as a range."""
    found: list[list[int]] = []
    for channel in channels:
        if found and channel == found[-1][-1] + 1:
            found[-1].append(channel)
        else:
            found.append([channel])
    texts: list[str] = []
    for run in found:
        texts += [f"{run[0]}-{run[-1]}"] if len(run) > 2 else map(str, run)
    return texts


def parse_target(text: str) -> Target:
    """Return the target that a text names. Raises SettingsError where it is none."""
    layer, colon, rest = text.partition(":")
    layer = layer.strip()
    items = [" ".join(item.split()) for item in rest.split(":")] if colon else []
    if len(items) == 1 and (pick := ChannelPick.parse(items[0])):
        return Target(layer, pick=pick)
    channels: set[int] = set()
    names: list[str] = []
    for item in items:
        match = re.fullmatch(r"([0-9]{1,6})(?:\s*-\s*([0-9]{1,6}))?", item)
        if match and int(match[1]) <= (last := int(match[2] or match[1])):
            channels.update(range(int(match[1]), last + 1))
        elif layer == CLASS_LAYER and re.search(r"[^\W\d]", item) and not ChannelPick.parse(item):
            names.append(item)
        else:
            raise SettingsError(
                f"{text.strip()!r}: {item!r} is no channel; write {layer}:61, {layer}:10-20, "
                f"{layer}:3:7:61 or {layer}:strongest 5"
            )
    if not layer:
        raise SettingsError(f"{text.strip()!r} names no layer")
    return Target(layer, tuple(sorted(channels)), tuple(dict.fromkeys(names)))


def list_target_layers(names: Iterable[str]) -> tuple[str, ...]:
    """Return the layers that some targets are in, each once."""
    return tuple(dict.fromkeys(parse_target(name).layer for name in names))
