"""How commands show their help: what is used most first, and each setting in few lines."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand, TyperOption

MACHINE_PANEL = "Machine"
"""Where `--help` stands, of commands that have the panel."""


class CompactHelpCommand(TyperCommand):
    """A command with a help that a person reads."""

    def __init__(self, *arguments: Any, help: str | None = None, **more: Any) -> None:
        # Typer keeps the line breaks of a docstring, which are not those of the terminal.
        paragraphs = (help or "").split("\n\n")
        flowing = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
        super().__init__(*arguments, help=flowing or None, **more)

    def get_help_option(self, ctx: Any) -> Any:
        """Return `--help`, which stands in the last panel."""
        option = super().get_help_option(ctx)
        panels = {getattr(parameter, "rich_help_panel", None) for parameter in self.params}
        if isinstance(option, TyperOption):
            option.metavar = ""
            if MACHINE_PANEL in panels:
                option.rich_help_panel = MACHINE_PANEL
        return option

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Show the help; of a switch that is off, only how it is put on."""
        for flag in (p for p in self.params if isinstance(p, TyperOption) and p.is_flag):
            flag.metavar = ""
        switches = [p for p in self.params if isinstance(p, TyperOption) and p.secondary_opts]
        kept = [(switch.opts, switch.secondary_opts) for switch in switches]
        for switch in switches:
            both = "/".join([*switch.opts, *switch.secondary_opts])
            switch.opts, switch.secondary_opts = [both] if switch.default else switch.opts, []
        try:
            super().format_help(ctx, formatter)
        finally:
            for switch, (opts, secondary) in zip(switches, kept, strict=True):
                switch.opts, switch.secondary_opts = opts, secondary


class CommandGroup(typer.Typer):
    """A group of commands whose help is readable."""

    def command(self, name: str | None = None, **more: Any) -> Any:
        """Add a command, as typer does."""
        return super().command(name, **{"cls": CompactHelpCommand, **more})
