"""The application, and what stands before the commands."""

from __future__ import annotations

from typing import Annotated

import typer

import dreamflow
from dreamflow.cli.help import App


def as_spelt_here(flag: str) -> str:
    """Return a flag, given without its dashes, in British spelling: `--color` is `--colour`."""
    return flag.replace("color", "colour").replace("center", "centre")


app = App(
    name="dreamflow",
    help="Turn clips into dreams that move with the scene.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": as_spelt_here,
    },
    epilog="Start with: dreamflow frame CLIP look.png --layer inception_4c/output",
)


def show_version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        typer.echo(f"dreamflow {dreamflow.__version__}")
        raise typer.Exit


@app.callback()
def before(
    version: Annotated[
        bool,
        typer.Option("--version", callback=show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Turn clips into dreams that move with the scene."""
