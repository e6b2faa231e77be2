"""`dreamflow man`: the manual page, made from the commands and their help."""

from __future__ import annotations

import re
from typing import Any

import typer
import typer.main

from dreamflow._version import __version__
from dreamflow.cli.registry import Command, Section
from dreamflow.cli.settings.shared_options import HiddenDebugOption

RICH_MARK = re.compile(r"(?<!\\)\[/?[a-z ]+\]")
"""A mark of Rich, such as `[bold]`; not a bracket that is escaped."""
EXIT_CODES = {
    0: "All is done.",
    1: "An error, which one line on stderr names.",
    2: "The command line cannot be read.",
    130: "Stopped by Ctrl-C; what is done is kept.",
}
ENVIRONMENT = {
    "DREAMFLOW_HOME": "Folder for weights and presets, in place of the user's own.",
    "DREAMFLOW_OFFLINE": "Forbids downloads.",
    "DREAMFLOW_PROGRESS": "How progress is shown where --progress is not given.",
    "DREAMFLOW_REPORT": "text or json, where --report is not given.",
}


def man_command(debug: HiddenDebugOption = False) -> None:
    """Print the manual page: `dreamflow man > dreamflow.1`, and `man ./dreamflow.1` shows it."""
    typer.echo(build_man_page())


MAN = Command("man", man_command, Section.SET_UP, 9, "dreamflow man > dreamflow.1")


def build_man_page() -> str:
    """Return the manual page in roff."""
    from dreamflow.cli.app import app

    root: Any = typer.main.get_command(app)
    lines = [
        f'.TH DREAMFLOW 1 "" "dreamflow {__version__}" "User Commands"',
        ".SH NAME",
        "dreamflow \\- deep dream for video, carried along the motion of the scene",
        ".SH SYNOPSIS",
        ".B dreamflow",
        "[\\-\\-verbose] [\\-\\-report json]",
        ".I COMMAND",
        "\\&...",
        ".SH DESCRIPTION",
        escape_roff(root.help),
        "This page lists every command with its options;",
        ".B dreamflow COMMAND \\-\\-help",
        "has them under headings, with their ranges.",
        ".SH OPTIONS",
        *describe_options(root),
        ".SH COMMANDS",
    ]
    for name, command in sorted(root.commands.items()):
        lines += describe_command(name, command)
    lines += [".SH EXIT STATUS", *describe_terms({str(k): v for k, v in EXIT_CODES.items()})]
    lines += [".SH ENVIRONMENT", *describe_terms(ENVIRONMENT)]
    return "\n".join(lines)


def describe_command(name: str, command: Any) -> list[str]:
    """Return a command, or a group with its commands, in roff."""
    arguments = [one.metavar or one.name.upper() for one in command.params if is_argument(one)]
    words = " ".join(part for part in (name, *arguments, "[OPTIONS]") if part)
    lines = [f".SS {escape_roff(words)}", escape_roff(command.help)]
    for inner_name, inner in sorted(getattr(command, "commands", {}).items()):
        lines += describe_command(f"{name} {inner_name}", inner)
    return lines + describe_options(command)


def is_argument(parameter: Any) -> bool:
    """Return whether a parameter of a command is one of its arguments."""
    return parameter.param_type_name == "argument"


def describe_options(command: Any) -> list[str]:
    """Return the options of a command in roff; hidden ones are left out."""
    shown = [one for one in command.params if not is_argument(one) and not one.hidden]
    return describe_terms(
        {escape_roff(", ".join([*one.opts, *one.secondary_opts])): one.help for one in shown}
    )


def describe_terms(terms: dict[str, str]) -> list[str]:
    """Return a list of terms and what they mean in roff."""
    return [
        line
        for term, meaning in terms.items()
        for line in (".TP", f".B {term}", escape_roff(meaning))
    ]


def escape_roff(text: str | None) -> str:
    """Return a text on one line, in which roff finds no command of its own."""
    line = " ".join((text or "").split())
    line = RICH_MARK.sub("", line).replace("\\[", "[")  # as Rich escapes a bracket
    line = line.replace("\\", "\\\\").replace("-", "\\-")
    return f"\\&{line}" if line[:1] in (".", "'") else line
