"""`dreamflow presets`: list presets, show one, and save one of your own."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated

import typer

from dreamflow.cli.help import CommandGroup
from dreamflow.cli.output.tables import print_table
from dreamflow.cli.output.terminal import print_line
from dreamflow.cli.registry import Command, Section
from dreamflow.cli.settings.shared_options import (
    HiddenDebugOption,
    OverwriteOption,
    complete_presets,
)

presets_app = CommandGroup(
    help="Ready-made settings: list them, show one, save your own.", no_args_is_help=True
)


@presets_app.command("list")
def list_presets(debug: HiddenDebugOption = False) -> None:
    """List the presets that come with DreamFlow, and your own."""
    from dreamflow.core.errors import SettingsError, SkippedItemWarning
    from dreamflow.pipelines.settings.presets import (
        list_preset_files,
        list_user_preset_files,
        load_preset,
    )

    rows = [[name, load_preset(name)[0]] for name in list_preset_files()]
    for name in list_user_preset_files():
        try:
            rows.append([name, load_preset(name)[0]])
        except SettingsError as error:
            warnings.warn(error.message, SkippedItemWarning, 2)
    print_table("presets", [("name", "left"), ("what it does", "left")], rows)


@presets_app.command("show")
def show_preset(
    name: Annotated[
        str,
        typer.Argument(help="A preset's name, or a .toml file.", autocompletion=complete_presets),
    ],
    debug: HiddenDebugOption = False,
) -> None:
    """Print a preset. Its text is a good start for one of your own."""
    from dreamflow.core.files.regular_file import read_file_text
    from dreamflow.pipelines.settings.presets import find_preset_file, load_preset

    load_preset(name)  # refuses a file that is no preset
    typer.echo(read_file_text(find_preset_file(name)).rstrip())


@presets_app.command("save")
def save_look(
    name: Annotated[
        str, typer.Argument(help="A name for `--preset`, or a .toml file.", show_default=False)
    ],
    *,
    like: Annotated[
        Path,
        typer.Option(
            help="Take the look of this dream: what is dreamed, and how it moves.",
            metavar="FILE",
            show_default=False,
        ),
    ],
    description: Annotated[str, typer.Option(help="One line about it.", show_default=False)] = "",
    overwrite: OverwriteOption = False,
    debug: HiddenDebugOption = False,
) -> None:
    """Save the look of a dream as a preset: the settings that differ from the defaults."""
    from dreamflow.pipelines.settings.save_preset import read_look_of, save_preset

    path = save_preset(name, read_look_of(like), description, overwrite=overwrite)
    print_line(f"{path}: the look of {like}")


PRESETS_GROUP = Command("presets", presets_app, Section.SET_UP, 6)
