"""`dreamflow options`: every setting in one table, read from where they are declared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, dataclass, fields
from typing import Annotated, Any

import typer

from dreamflow.cli.app import app
from dreamflow.cli.binding import PANEL_BY_GROUP, OptionGroups
from dreamflow.cli.commands.listing import print_table
from dreamflow.cli.option_groups import ALL_OPTION_GROUPS
from dreamflow.core.errors import SettingsError
from dreamflow.core.options.declaration import Options, flag_of, resolve_field_types

OPTIONS_EXAMPLE = "Example: dreamflow options --command zoom"
OPTIONS_TABLE_HEADINGS = ("option", "meaning", "default", "values", r"\*")


@dataclass(frozen=True)
class OptionRow:
    """A setting. without: those commands of its section that do not have it."""

    flag: str
    meaning: str
    default: str
    values: str
    schedulable: bool
    absent_from: tuple[str, ...]


@dataclass(frozen=True)
class OptionSection:
    """Settings that stand under one heading, and the commands that have most of them."""

    title: str
    commands: tuple[str, ...]
    rows: list[OptionRow]


def build_option_sections(command: str | None = None) -> list[OptionSection]:
    """Return every setting, or those of one command. Raises SettingsError where there is none."""
    takers = dict(iter_option_commands())
    if command is not None and command not in takers:
        known = ", ".join(takers)
        raise SettingsError(f"--command {command}: there is no such command with options: {known}")
    found: list[OptionSection] = []
    for group in ALL_OPTION_GROUPS:
        by_panel: dict[str, list[Field[Any]]] = {}
        for setting in fields_not_inherited(group):
            title = setting.metadata["panel"] or PANEL_BY_GROUP[group.__name__]
            by_panel.setdefault(title, []).append(setting)
        for title, settings in by_panel.items():
            having = {
                setting.name: find_commands_with_setting(group, setting, takers)
                for setting in settings
            }
            names = tuple(name for name in takers if any(name in who for who in having.values()))
            rows = [
                build_option_row(
                    group, setting, tuple(n for n in names if not takers[n].has(setting.name))
                )
                for setting in settings
                if command is None or command in having[setting.name]
            ]
            if rows:
                found.append(OptionSection(title, names, rows))
    return found


def iter_option_commands() -> Iterator[tuple[str, OptionGroups]]:
    """Yield each command that takes settings: its name, and which."""
    for command in app.registered_commands:
        taken = getattr(command.callback, "option_groups", None)
        if taken and command.name:
            yield command.name, taken


def fields_not_inherited(group: type[Options]) -> list[Field[Any]]:
    """Return the settings of a group, of one that refines another only those that differ."""
    inherited = {
        setting.name: setting
        for parent in group.__mro__[1:]
        if issubclass(parent, Options) and parent is not Options
        for setting in fields(parent)  # type: ignore[arg-type]
    }
    return [f for f in fields(group) if not is_same_setting(f, inherited.get(f.name))]  # type: ignore[arg-type]


def is_same_setting(one: Field[Any], other: Field[Any] | None) -> bool:
    """Return whether two settings are one: a class that refines another has it by inheritance."""
    return other is not None and one.metadata == other.metadata and one.default == other.default


def find_commands_with_setting(
    group: type[Options], setting: Field[Any], groups_by_command: dict[str, OptionGroups]
) -> tuple[str, ...]:
    """Return the commands that have a setting of a group."""

    def has(taken: OptionGroups) -> bool:
        return setting.name not in taken.excluded and any(
            issubclass(other, group) and any(is_same_setting(setting, f) for f in fields(other))  # type: ignore[arg-type]
            for other in taken.groups
        )

    return tuple(name for name, taken in groups_by_command.items() if has(taken))


def build_option_row(
    group: type[Options], setting: Field[Any], absent_from: tuple[str, ...]
) -> OptionRow:
    """Return a setting in words."""
    hint = resolve_field_types(group)[setting.name]
    flag = flag_of(setting.name)
    return OptionRow(
        f"{flag}, --no-{flag[2:]}" if hint is bool else flag,
        setting.metadata["help"],
        format_default(setting.default),
        format_allowed_values(setting, hint),
        setting.metadata["scheduled"],
        absent_from,
    )


def format_default(default: Any) -> str:
    """Return a default as it would be given."""
    if default is None:
        return ""
    if isinstance(default, bool):
        return "on" if default else "off"
    if isinstance(default, tuple):
        return " ".join(default)
    return f"{default:g}" if isinstance(default, float) else str(default)


def format_allowed_values(setting: Field[Any], hint: Any) -> str:
    """Return what a setting may be: its choices, its range, or what is to be written."""
    rule = setting.metadata
    low, high, above = rule["low"], rule["high"], rule["above"]
    if rule["choices"]:
        return ", ".join(rule["choices"])
    if hint is bool:
        return "on, off"
    bounds = [f"above {above:g},"] if above is not None else []
    bounds += [f"{low:g}"] if low is not None else []
    bounds += [f"to {high:.10g}"] if high is not None else []
    return " ".join(bounds) or rule["metavar"] or "NAME"


def sections_to_markdown(option_sections: list[OptionSection]) -> str:
    """Return the sections as tables in Markdown."""
    lines: list[str] = []
    for section in option_sections:
        lines += [f"**{section.title}**: {', '.join(f'`{name}`' for name in section.commands)}", ""]
        lines += [
            f"| {' | '.join(OPTIONS_TABLE_HEADINGS)} |",
            "|---" * len(OPTIONS_TABLE_HEADINGS) + "|",
        ]
        for one in section.rows:
            flags = ", ".join(f"`{flag}`" for flag in one.flag.split(", "))
            meaning = one.meaning + format_absent_commands(one)
            mark = r"\*" if one.schedulable else ""
            cells = [flags, meaning, one.default, one.values]
            # What Markdown or HTML would take for its own is shown as it is.
            safe = [cell.replace("|", r"\|").replace("<", "&lt;") for cell in cells]
            lines.append(f"| {' | '.join([*safe, mark])} |")
        lines.append("")
    return "\n".join(lines).rstrip()


def format_absent_commands(option_row: OptionRow) -> str:
    """Return which commands do not have a setting, in words."""
    return f" Not `{'`, `'.join(option_row.absent_from)}`." if option_row.absent_from else ""


def show_options(
    command: Annotated[
        str | None,
        typer.Option(help="Only those of one command, such as video.", show_default=False),
    ] = None,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown, as in the README.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", hidden=True)] = False,
) -> None:
    """List every setting: its meaning, default and values, and the commands that have it.

    What is marked * may change over time (`dreamflow video --help` says how).
    """
    found = build_option_sections(command)
    if as_markdown:
        typer.echo(sections_to_markdown(found))
        return
    for section in found:
        rows = [
            [
                one.flag.partition(",")[0] + ("*" if one.schedulable else ""),
                one.default,
                one.values,
                one.meaning + format_absent_commands(one).replace("`", ""),
            ]
            for one in section.rows
        ]
        columns = [(word, "left") for word in ("option", "default", "values", "meaning")]
        print_table(f"{section.title}: {', '.join(section.commands)}", columns, rows)
        typer.echo()
