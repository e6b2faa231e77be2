"""`dreamflow completion`: the script that completes commands and options in a shell."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from dreamflow.cli.registry import Command, Section
from dreamflow.cli.settings.shared_options import HiddenDebugOption

PROGRAM = "dreamflow"
COMPLETION_VARIABLE = "_DREAMFLOW_COMPLETE"
"""Environment variable in which the shell asks Typer for what comes next."""


def completion_command(
    shell: Annotated[
        Literal["bash", "zsh", "fish", "powershell"],
        typer.Argument(help="bash, zsh, fish or powershell.", metavar="SHELL", show_default=False),
    ],
    debug: HiddenDebugOption = False,
) -> None:
    """Print the script that completes commands and options in a shell.

    For bash: dreamflow completion bash > ~/.local/share/bash-completion/completions/dreamflow
    """
    from typer.completion import (
        get_completion_script,  # pyright: ignore[reportPrivateImportUsage]
    )

    typer.echo(
        get_completion_script(prog_name=PROGRAM, complete_var=COMPLETION_VARIABLE, shell=shell)
    )


COMPLETION = Command(
    "completion", completion_command, Section.SET_UP, 8, "dreamflow completion bash"
)
