"""How commands and groups show their help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from dreamflow.core.errors import SettingsError, named

MACHINE_PANEL = "Machine"
"""The heading that `--help` is listed under, in commands that have it."""


GIVEN_ONCE = ("preset", "like", "like_all")
"""Options that stand for many settings: a second one would replace the first as a whole, unless the
command takes several."""
SHEET_HINT = "`dreamflow frame` draws several presets on one sheet"


class CompactHelpCommand(TyperCommand):
    """A command whose help is short: paragraphs fill the terminal, a setting takes few lines."""

    def __init__(self, *arguments: Any, help: str | None = None, **more: Any) -> None:
        # Typer keeps the line breaks of a docstring, which do not fit the terminal's width.
        paragraphs = (help or "").split("\n\n")
        flowing = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
        super().__init__(*arguments, help=flowing or None, **more)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the command line.

        Raises:
            SettingsError: An option of `GIVEN_ONCE` is given twice; the last would win silently.
        """
        if args and not ctx.resilient_parsing:
            *_, given = self.make_parser(ctx).parse_args(list(args))
            once = [one for one in given if one.name in GIVEN_ONCE and not one.multiple]
            names = [parameter.name for parameter in once]
            if twice := next((name for name in names if names.count(name) > 1), None):
                hint = f"; {SHEET_HINT}" if twice == "preset" else ""
                raise SettingsError(
                    f"{named(twice)} is given twice, and only one can count: give one, and the "
                    f"settings that differ as options{hint}",
                    setting=twice,
                )
        return super().parse_args(ctx, args)

    def get_help_option(self, ctx: Any) -> Any:
        """Return `--help`, moved to the last panel."""
        option = super().get_help_option(ctx)
        panels = {getattr(parameter, "rich_help_panel", None) for parameter in self.params}
        if isinstance(option, TyperOption):
            option.metavar = ""
            if MACHINE_PANEL in panels:
                option.rich_help_panel = MACHINE_PANEL
        return option

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help. A switch that is off is shown only by the flag that puts it on."""
        hide_flag_metavars(self.params)
        switches = [p for p in self.params if isinstance(p, TyperOption) and p.secondary_opts]
        before = [(switch.opts, switch.secondary_opts) for switch in switches]
        for switch in switches:
            both = "/".join([*switch.opts, *switch.secondary_opts])
            switch.opts, switch.secondary_opts = [both] if switch.default else switch.opts, []
        try:
            super().format_help(ctx, formatter)
        finally:
            for switch, (opts, secondary) in zip(switches, before, strict=True):
                switch.opts, switch.secondary_opts = opts, secondary


class CompactHelpGroup(TyperGroup):
    """A group whose help shows flags without a type."""

    def get_help_option(self, ctx: Any) -> Any:
        """Return `--help`, without a type."""
        option = super().get_help_option(ctx)
        if isinstance(option, TyperOption):
            option.metavar = ""
        return option

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help."""
        hide_flag_metavars(self.params)
        super().format_help(ctx, formatter)


class CommandGroup(typer.Typer):
    """A group of commands with compact help."""

    def __init__(self, **more: Any) -> None:
        more.setdefault("cls", CompactHelpGroup)
        super().__init__(**more)

    def command(self, name: str | None = None, **more: Any) -> Any:
        """Add a command, as `typer.Typer.command` does."""
        more.setdefault("cls", CompactHelpCommand)
        return super().command(name, **more)


def hide_flag_metavars(parameters: Sequence[Any]) -> None:
    """Show flags, which take no value, without the type `<bool>`."""
    for parameter in parameters:
        if isinstance(parameter, TyperOption) and parameter.is_flag:
            parameter.metavar = ""
