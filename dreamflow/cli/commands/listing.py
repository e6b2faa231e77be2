"""Commands that tell: the layers, the presets, and what works on this machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from dreamflow.cli import terminal
from dreamflow.cli.help import CommandGroup
from dreamflow.core.wording import format_count
from dreamflow.dream.options import DreamOptions

LAYERS_EXAMPLE = "Example: dreamflow layers --category fur"
CLASSES_EXAMPLE = "Example: dreamflow classes terrier"
DOCTOR_LABEL_WIDTH = len("weights of places365")
"""Of what `doctor` looks at."""
presets_app = CommandGroup(help="Ready-made settings.", no_args_is_help=True)


def print_table(title: str, columns: list[tuple[str, str]], rows: list[list[str]]) -> None:
    """Print a table on stdout; columns are (heading, "left" or "right")."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        title=escape(title), title_justify="left", box=None, pad_edge=False, header_style="bold"
    )
    for number, (heading, side) in enumerate(columns, start=1):
        # The last column gives way where the terminal is narrow.
        kept = number < len(columns)
        justify = "right" if side == "right" else "left"
        table.add_column(heading, justify=justify, no_wrap=kept, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    # Channel 100 of a layer, `:100:` between others, were an emoji.
    out = Console(highlight=False, emoji=False)
    if not out.is_terminal:
        out = Console(highlight=False, emoji=False, width=200)
    out.print(table)


def layers_command(
    network: Annotated[
        str, typer.Option(help="Network whose layers are listed: `dreamflow models list`.")
    ] = DreamOptions.network,
    weights: Annotated[
        Path | None,
        typer.Option(help="Weights of a pocket of your own.", metavar="FILE", show_default=False),
    ] = None,
    category: Annotated[
        str | None, typer.Option(help="Only categories that hold this word.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    debug: Annotated[bool, typer.Option("--debug", hidden=True)] = False,
) -> None:
    """List the layers that can be dreamed on, shallow to deep.

    Stride: pixels of the picture per position. Field: pixels, a side, that a position sees.
    Depth: convolutions from the picture. Smallest: least side of a picture, in pixels.
    Category: what the 2015 guide to deep dream layers saw in it.
    """
    from dreamflow.networks.loading import network_layers
    from dreamflow.pipelines.layer_choice import select_layers

    known = network_layers(network, weights)
    categories = [category] if category else []
    found = [known[name] for name in select_layers(network, known, (), categories)]
    if as_json:
        typer.echo(json.dumps([asdict(layer) for layer in found], indent=2))
        return
    numbers = ("channels", "stride", "field", "depth", "smallest")
    columns = [("layer", "left"), *((word, "right") for word in numbers)]
    if any(layer.category for layer in found):
        columns.append(("category", "left"))
    rows = [
        [
            layer.name,
            *map(str, (layer.channels, layer.stride, layer.receptive_field or "-", layer.depth)),
            str(layer.smallest),
            layer.category,
        ][: len(columns)]
        for layer in found
    ]
    print_table(f"{network}: {format_count(len(found), 'layer')}", columns, rows)


def classes_command(
    word: Annotated[
        str | None,
        typer.Argument(
            help="Only names that hold this word, or are of its kind: dog, bird, fish.",
            metavar="WORD",
            show_default=False,
        ),
    ] = None,
    network: Annotated[
        str, typer.Option(help="Network whose classes are listed: `dreamflow models list`.")
    ] = "googlenet",
    debug: Annotated[bool, typer.Option("--debug", hidden=True)] = False,
) -> None:
    """List the classes that a network knows, which can be dreamed on: --layer class:tabby.

    One a line, its number first. Names come with torchvision.
    """
    from dreamflow.core.errors import SettingsError
    from dreamflow.networks.classes import expected_class_layer, load_class_names, search_classes

    names = load_class_names(network)
    if not names:
        has = (
            "have no names here, only numbers"
            if expected_class_layer(network)
            else "there are none"
        )
        raise SettingsError(f"classes of {network}: {has}")
    numbers = range(len(names)) if word is None else search_classes(word, names)
    found = [f"{number:4d}  {names[number]}" for number in numbers]
    if not found:
        raise SettingsError(f"{network} knows no class with {word!r} in its name")
    typer.echo("\n".join(found))


@presets_app.command("list")
def list_presets(debug: Annotated[bool, typer.Option("--debug", hidden=True)] = False) -> None:
    """List the presets that come with DreamFlow."""
    from dreamflow.pipelines.settings.presets import list_preset_files, load_preset

    rows = [[name, load_preset(name)[0]] for name in list_preset_files()]
    print_table("presets", [("name", "left"), ("what it does", "left")], rows)


@presets_app.command("show")
def show_preset(
    name: Annotated[str, typer.Argument(help="A preset's name, or a .toml file.")],
    debug: Annotated[bool, typer.Option("--debug", hidden=True)] = False,
) -> None:
    """Print a preset: its file is a good start for one of your own."""
    from dreamflow.pipelines.settings.presets import find_preset_file, load_preset

    load_preset(name)
    typer.echo(find_preset_file(name).read_text(encoding="utf-8").rstrip())


def doctor_command(debug: Annotated[bool, typer.Option("--debug", hidden=True)] = False) -> None:
    """Tell what of DreamFlow works on this machine, and what is missing."""
    from dreamflow.reports.doctor import run_checks

    missing: list[str] = []
    for found in run_checks():  # PyTorch alone takes seconds: each line is shown when it is known
        lacking = found.required and not found.passed
        missing += [found.name] if lacking else []
        state = "ok" if found.passed else ("MISSING" if lacking else "-")
        typer.echo(f"{state:<7}  {found.name:<{DOCTOR_LABEL_WIDTH}}  {found.detail}")
    if missing:
        terminal.print_error(f"not ready to dream: {', '.join(missing)}")
        raise typer.Exit(1)
