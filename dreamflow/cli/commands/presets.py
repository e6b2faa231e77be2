"""`dreamflow presets`: list presets, and show one."""

from __future__ import annotations

from typing import Annotated

import typer

from dreamflow.cli.help import CommandGroup
from dreamflow.cli.registry import Command, Section
from dreamflow.cli.shared_options import HiddenDebugOption, complete_presets
from dreamflow.cli.tables import print_table

presets_app = CommandGroup(help="Ready-made settings: list them, show one.", no_args_is_help=True)


@presets_app.command("list")
def list_presets(debug: HiddenDebugOption = False) -> None:
    """List the presets that come with DreamFlow."""
    from dreamflow.pipelines.settings.presets import list_preset_files, load_preset

    rows = [[name, load_preset(name)[0]] for name in list_preset_files()]
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
    from dreamflow.core.regular_file import read_file_text
    from dreamflow.pipelines.settings.presets import find_preset_file, load_preset

    load_preset(name)  # refuses a file that is no preset
    typer.echo(read_file_text(find_preset_file(name)).rstrip())


PRESETS_GROUP = Command("presets", presets_app, Section.SET_UP, 6)
