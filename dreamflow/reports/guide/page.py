"""The web page of the guide: one HTML file that loads nothing from outside of its folder."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from dreamflow.core.options.declaration import flag_of
from dreamflow.dream.options import DreamOptions
from dreamflow.media.options import FilmOptions
from dreamflow.networks.network import Layer
from dreamflow.reports.page_folder import load_page_template

TEMPLATE_PATH = Path(__file__).with_name("page.html")

CATEGORY_DESCRIPTIONS = {
    "contour and texture": "Lines, tiles and scales: the drawing of the picture becomes a surface.",
    "swirls and fur": "Strokes that curl and flow together, spots and coats, the first odd eye.",
    "cellular structures": "The picture falls into small cells.",
    "deeper dreams": "What the network knows of the world: animals, birds, buildings. "
    "Each layer is more complex than the one before.",
}
"""Descriptions of the categories of the 2015 guide, in its order."""

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
"""What the author of the 2015 guide saw in his portrait, by layer of GoogLeNet."""

DEPTH_SECTION_TITLES = ("shallow layers", "middle layers", "deep layers")
"""Titles of the sections of a network whose layers have no categories."""


@dataclass(frozen=True)
class LayerEntry:
    """A layer on the page.

    Attributes:
        layer: Facts of the layer.
        picture: Path of its picture from the page, or empty.
        thumbnail: Path of its thumbnail from the page.
        failure: Why it failed, or empty.
    """

    layer: Layer
    picture: str
    thumbnail: str
    failure: str

    @property
    def description(self) -> str:
        """What the 2015 guide saw in the layer, or an empty string."""
        return LAYER_DESCRIPTIONS.get(self.layer.name, "") if self.layer.category else ""


@dataclass(frozen=True)
class LayerSection:
    """Layers under one heading, with a description of them."""

    title: str
    description: str
    entries: list[LayerEntry]


def group_by_category(entries: Sequence[LayerEntry]) -> list[LayerSection]:
    """Return the layers by category, those of the 2015 guide first; without any, by depth."""
    if not any(entry.layer.category for entry in entries):
        return group_by_depth(entries)
    categories = dict.fromkeys(
        [*CATEGORY_DESCRIPTIONS, *(entry.layer.category for entry in entries)]
    )
    sections = [
        LayerSection(
            category or "other layers",
            CATEGORY_DESCRIPTIONS.get(category, ""),
            [entry for entry in entries if entry.layer.category == category],
        )
        for category in categories
    ]
    return [section for section in sections if section.entries]


def group_by_depth(entries: Sequence[LayerEntry]) -> list[LayerSection]:
    """Return the layers in three sections with about as many depths each, shallow to deep."""
    depths = sorted({entry.layer.depth for entry in entries})
    sections: list[LayerSection] = []
    for number, title in enumerate(DEPTH_SECTION_TITLES):
        third = depths[len(depths) * number // 3 : len(depths) * (number + 1) // 3]
        members = [entry for entry in entries if entry.layer.depth in third]
        if members:
            several = f"Depth {third[0]} to {third[-1]}."
            description = several if len(third) > 1 else f"Depth {third[0]}."
            sections.append(LayerSection(title, description, members))
    return sections


def format_reproduce_command(
    record: dict[str, Any], source: str, layer: str, weights: str | None = None
) -> str:
    """Return the command line that reproduces one picture of a guide.

    Args:
        record: Record of the guide.
        source: The guide's source, as the command is to name it.
        layer: Name of the layer.
        weights: File of weights that the command is to name.
    """
    settings = record["settings"]
    words = ["dreamflow", "frame", f"./{source}" if source.startswith("-") else source]
    words += [f"{layer.replace('/', '-')}.png", "--layer", layer]
    for setting in (*fields(DreamOptions), *fields(FilmOptions)):
        value = settings.get(setting.name, setting.default)
        if setting.name != "layer" and value != setting.default:
            words += [flag_of(setting.name), str(value)]
    if settings["size"] is not None:
        words += ["--size", settings["size"]]
    if record["at"] is not None:
        words += ["--at", record["at"]]
    if weights is not None:
        words += ["--weights", weights]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def render_guide_page(
    record: dict[str, Any],
    named_source: str,
    entries: Sequence[LayerEntry],
    source: tuple[str, str],
    weights: str | None = None,
) -> str:
    """Return the HTML of the page.

    Args:
        record: Record of the guide.
        named_source: The guide's source, as the commands name it.
        entries: The layers that it shows.
        source: Paths from the page of the source's picture and thumbnail.
        weights: File of weights that the commands name.
    """
    commands = {
        entry.layer.name: format_reproduce_command(record, named_source, entry.layer.name, weights)
        for entry in entries
    }
    depths = [entry.layer.depth for entry in entries]
    return load_page_template(TEMPLATE_PATH).render(
        record=record,
        settings=record["settings"],
        sections=group_by_category(entries),
        commands=commands,
        source=source,
        total=len(entries),
        done=sum(bool(entry.picture) for entry in entries),
        failed=sum(bool(entry.failure) for entry in entries),
        shallowest=min(depths),
        deepest=max(depths),
    )
