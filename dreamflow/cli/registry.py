"""How a command declares itself, and how the declarations are found.

Each module in `cli/commands/` declares its command as a `Command`, such as `VIDEO = Command(...)`.
The application, its help, shell completion and the table of options are all made from these
declarations, so a new command is one new file there.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

import typer

from dreamflow.cli import commands
from dreamflow.cli.help import CommandGroup


class Section(Enum):
    """A heading of `dreamflow --help`, in the order in which they are shown."""

    RENDER = "Render"
    PREVIEW = "Preview"
    INSPECT = "Inspect and measure"
    SET_UP = "Look up and set up"


@dataclass(frozen=True)
class Command:
    """The declaration of a command.

    Attributes:
        name: The word after `dreamflow`.
        run: The function behind it, or a group of subcommands.
        section: The heading of `dreamflow --help` that it is listed under.
        position: Its place under that heading, counted from 1. Groups come after commands.
        example: A whole command line, shown at the end of its help.
    """

    name: str
    run: Callable[..., Any] | CommandGroup
    section: Section
    position: int
    example: str = ""

    def register(self, app: typer.Typer) -> None:
        """Add the command to an application."""
        panel = self.section.value
        if isinstance(self.run, CommandGroup):
            app.add_typer(self.run, name=self.name, rich_help_panel=panel)
            return
        epilog = f"Example: {self.example}" if self.example else None
        app.command(self.name, epilog=epilog, rich_help_panel=panel)(self.run)


@lru_cache(maxsize=1)
def load_commands() -> tuple[Command, ...]:
    """Return the declarations of all commands, in the order of `dreamflow --help`."""
    modules = [
        importlib.import_module(f"{commands.__name__}.{module.name}")
        for module in pkgutil.iter_modules(commands.__path__)
    ]
    declared = [
        value for module in modules for value in vars(module).values() if isinstance(value, Command)
    ]
    order = list(Section)
    return tuple(sorted(declared, key=lambda one: (order.index(one.section), one.position)))
