"""`dreamflow doctor`: check what works on this machine."""

from __future__ import annotations

import typer

from dreamflow.cli.output.terminal import print_error, word_flags
from dreamflow.cli.registry import Command, Section
from dreamflow.cli.settings.shared_options import HiddenDebugOption

LABEL_WIDTH = len("weights of places365")
"""Characters of the longest name of a check."""


def doctor_command(debug: HiddenDebugOption = False) -> None:
    """Check which parts of DreamFlow work on this machine, and which are missing."""
    from dreamflow.reports.doctor import run_checks

    missing: list[str] = []
    for check in run_checks():  # loading PyTorch takes seconds: each line is printed when known
        is_missing = check.required and not check.passed
        missing += [check.name] if is_missing else []
        state = "ok" if check.passed else ("MISSING" if is_missing else "-")
        typer.echo(f"{state:<7}  {check.name:<{LABEL_WIDTH}}  {word_flags(check.detail)}")
    if missing:
        print_error(f"not ready to dream: {', '.join(missing)}")
        raise typer.Exit(1)


DOCTOR = Command("doctor", doctor_command, Section.SET_UP, 5)
