"""The application: the options that stand before a command, and all commands."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from dreamflow._version import __version__
from dreamflow.cli.help import CommandGroup
from dreamflow.cli.output.report import REPORT_VARIABLE
from dreamflow.cli.registry import load_commands
from dreamflow.core.text.spelling import to_british_spelling

app = CommandGroup(
    name="dreamflow",
    help="Turn clips into dreams that move with the scene.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": to_british_spelling,
    },
    epilog="Start with: dreamflow frame CLIP look.png --layer inception_4c/output",
)


def print_version(requested: bool) -> None:
    """Print the version and stop, where it is asked for."""
    if requested:
        typer.echo(f"dreamflow {__version__}")
        raise typer.Exit


@app.callback()
def root_callback(
    ctx: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=print_version, is_eager=True, help="Print the version."),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Also show the log: what is done, and how.")
    ] = False,
    report: Annotated[
        Literal["text", "json"],
        typer.Option(
            envvar=REPORT_VARIABLE,
            show_envvar=False,
            help="Messages and progress on stderr: text, or json, an object a line, for programs.",
        ),
    ] = "text",
) -> None:
    """Turn clips into dreams that move with the scene."""
    if verbose:
        from dreamflow.cli.output.log import show_log

        ctx.call_on_close(show_log())


for declaration in load_commands():
    declaration.register(app)
