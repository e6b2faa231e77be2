"""The web page of the guide: one file that asks for nothing outside of its folder."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamflow.core.options.declaration import flag_of
from dreamflow.dream.options import DreamOptions
from dreamflow.networks.network import Layer

if TYPE_CHECKING:
    from jinja2 import Template

INDEX_FILE = "index.html"

CATEGORY_DESCRIPTIONS = {
    "contour and texture": "Lines, tiles and scales: the drawing of the picture becomes a surface.",
    "swirls and fur": "Strokes that curl and flow together, spots and coats, the first odd eye.",
    "cellular structures": "The picture falls into small cells.",
    "deeper dreams": "What the network knows of the world: animals, birds, buildings. "
    "Each layer is more complex than the one before.",
}
"""What is seen in each category of the 2015 guide, in its order."""

LAYER_DESCRIPTIONS = {
    "conv1/7x7_s2": "a contour filter for photographs",
    "pool1/3x3_s2": "line art",
    "pool1/norm1": "line art",
    "conv2/3x3_reduce": "line art",
    "conv2/3x3": "metal scales",
    "conv2/norm2": "tiles, reptile scales",
    "inception_3a/1x1": "tiles, reptile scales",
    "inception_3a/5x5": "bands, like a mummy's",
    "inception_3a/pool_proj": "mosaic tiles",
    "inception_3a/3x3_reduce": "cells, like tobacco",
    "inception_3a/output": "swirls, the odd eye",
    "inception_3b/3x3": "leopard spots",
    "inception_3b/5x5": "cubist tiling that follows the image",
    "inception_3b/5x5_reduce": "cubist tiling that follows the image",
    "inception_3b/pool_proj": "swirls, the odd eye",
    "inception_4b/pool": "dogs, dog-slugs, birds",
    "inception_4c/1x1": "traces of dogs, fur",
}
"""What the author of the 2015 guide saw in his portrait, dreamed on GoogLeNet."""

DEPTH_SECTION_TITLES = ("shallow layers", "middle layers", "deep layers")
"""Sections of a network whose layers have no categories."""


@dataclass(frozen=True)
class LayerEntry:
    """A layer on the page. picture, thumbnail: paths from the page; picture is "" where none is."""

    layer: Layer
    picture: str
    thumbnail: str
    failure: str

    @property
    def words(self) -> str:
        """What was seen in the layer in 2015, or nothing."""
        return LAYER_DESCRIPTIONS.get(self.layer.name, "") if self.layer.category else ""


@dataclass(frozen=True)
class LayerSection:
    """Layers under one heading."""

    title: str
    words: str
    shown: list[LayerEntry]


def group_by_category(entries: Sequence[LayerEntry]) -> list[LayerSection]:
    """Return the layers by category, those of the 2015 guide first; by depth where none has one."""
    if not any(item.layer.category for item in entries):
        return group_by_depth(entries)
    there = dict.fromkeys([*CATEGORY_DESCRIPTIONS, *(item.layer.category for item in entries)])
    found = {name: [item for item in entries if item.layer.category == name] for name in there}
    return [
        LayerSection(name or "other layers", CATEGORY_DESCRIPTIONS.get(name, ""), items)
        for name, items in found.items()
        if items
    ]


def group_by_depth(entries: Sequence[LayerEntry]) -> list[LayerSection]:
    """Return the layers in three parts of about as many depths each, shallow to deep."""
    depths = sorted({item.layer.depth for item in entries})
    parts: list[LayerSection] = []
    for number, title in enumerate(DEPTH_SECTION_TITLES):
        third = depths[len(depths) * number // 3 : len(depths) * (number + 1) // 3]
        items = [item for item in entries if item.layer.depth in third]
        if items:
            words = f"Depth {third[0]} to {third[-1]}." if len(third) > 1 else f"Depth {third[0]}."
            parts.append(LayerSection(title, words, items))
    return parts


def format_reproduce_command(
    record: dict[str, Any], path: Path, layer: str, weights: Path | None = None
) -> str:
    """Return the command that makes one picture of a guide again."""
    settings = record["settings"]
    source = str(path)
    words = ["dreamflow", "frame", f"./{source}" if source.startswith("-") else source]
    words += [f"{layer.replace('/', '-')}.png", "--layer", layer]
    for setting in fields(DreamOptions):
        value = settings.get(setting.name, setting.default)
        if setting.name != "layer" and value != setting.default:
            words += [flag_of(setting.name), str(value)]
    if settings["size"] is not None:
        words += ["--size", settings["size"]]
    if record["at"] is not None:
        words += ["--at", record["at"]]
    if weights is not None:
        words += ["--weights", str(weights)]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


@lru_cache(maxsize=1)
def load_page_template() -> Template:
    """Return the page's template; whatever it is given is escaped."""
    from jinja2 import Environment, StrictUndefined

    text = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(text)


def render_guide_page(
    record: dict[str, Any],
    path: Path,
    entries: Sequence[LayerEntry],
    source: tuple[str, str],
    weights: Path | None = None,
) -> str:
    """Return the HTML of the page.

    record: of the guide. path: of its source, as the commands name it. source: the source's picture
    and thumbnail, as paths from the page. weights: file that the commands name.
    """
    commands = {
        item.layer.name: format_reproduce_command(record, path, item.layer.name, weights)
        for item in entries
    }
    depths = [item.layer.depth for item in entries]
    return load_page_template().render(
        record=record,
        settings=record["settings"],
        sections=group_by_category(entries),
        commands=commands,
        source=source,
        total=len(entries),
        done=sum(bool(item.picture) for item in entries),
        failed=sum(bool(item.failure) for item in entries),
        shallowest=min(depths),
        deepest=max(depths),
    )
