"""`dreamflow layers`: list the layers of a network."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from dreamflow.cli.output.tables import Column, print_table
from dreamflow.cli.registry import Command, Section
from dreamflow.cli.settings.shared_options import HiddenDebugOption, JsonOption
from dreamflow.core.text.wording import format_count
from dreamflow.dream.options import DreamOptions


def layers_command(
    network: Annotated[
        str, typer.Option(help="Network whose layers are listed: `dreamflow models list`.")
    ] = DreamOptions.network,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Weights of a small network of your own (`dreamflow distill`).",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    category: Annotated[
        str | None,
        typer.Option(help="Only categories that contain this word.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
    debug: HiddenDebugOption = False,
) -> None:
    """List the layers that can be dreamed on, shallow to deep.

    Stride: pixels of the picture from one position of the layer to the next. Field: side of the
    square that a position sees, in pixels. Depth: convolutions between the picture and the layer.
    Smallest: shortest side that a picture may have, in pixels. Category: how a 2015 guide to deep
    dream layers describes it.
    """
    from dreamflow.networks.loading import network_layers
    from dreamflow.pipelines.layer_choice import select_layers

    known = network_layers(network, weights)
    categories = [category] if category else []
    layers = [known[name] for name in select_layers(network, known, (), categories)]
    if as_json:
        typer.echo(json.dumps([asdict(layer) for layer in layers], indent=2))
        return
    headings = ("channels", "stride", "field", "depth", "smallest")
    columns: list[Column] = [("layer", "left"), *((heading, "right") for heading in headings)]
    if any(layer.category for layer in layers):
        columns.append(("category", "left"))
    rows = [
        [
            *(layer.name, str(layer.channels), str(layer.stride)),
            *(str(layer.receptive_field or "-"), str(layer.depth), str(layer.smallest)),
            layer.category,
        ][: len(columns)]
        for layer in layers
    ]
    print_table(f"{network}: {format_count(len(layers), 'layer')}", columns, rows)


LAYERS = Command("layers", layers_command, Section.SET_UP, 1, "dreamflow layers --category fur")
