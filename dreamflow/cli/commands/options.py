"""`dreamflow options`: every setting in one table, read from where it is declared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from typing import Annotated, Any, cast

import typer

from dreamflow.cli.output.tables import Column, print_table
from dreamflow.cli.registry import Command, Section, load_commands
from dreamflow.cli.settings.binding import CommandSettings, panel_title, settings_of
from dreamflow.cli.settings.shared_options import HiddenDebugOption
from dreamflow.core.errors import SettingsError, named
from dreamflow.core.options.declaration import Options, flag_of, resolve_field_types
from dreamflow.core.text.did_you_mean import suggest_similar

MARKDOWN_HEADINGS = ("option", "meaning", "default", "values", r"\*")


@dataclass(frozen=True)
class OptionRow:
    """A setting in words.

    Attributes:
        flag: Its flag; of a switch both, `--carry, --no-carry`.
        meaning: Its line of help.
        default: Its default, as it would be given.
        values: What it may be.
        schedulable: Whether it may change over time.
        absent_from: Commands of its section that do not take it.
    """

    flag: str
    meaning: str
    default: str
    values: str
    schedulable: bool
    absent_from: tuple[str, ...]


@dataclass(frozen=True)
class OptionSection:
    """Settings under one heading, and the commands that take any of them."""

    title: str
    commands: tuple[str, ...]
    rows: list[OptionRow]


def options_command(
    command: Annotated[
        str | None,
        typer.Option(help="Only those of one command, such as video.", show_default=False),
    ] = None,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown, as in docs/options.md.")
    ] = False,
    debug: HiddenDebugOption = False,
) -> None:
    """List every setting: its meaning, default and values, and the commands that take it.

    Settings marked * may change over time (`dreamflow video --help` says how).
    """
    sections = build_option_sections(command)
    if as_markdown:
        typer.echo(sections_to_markdown(sections))
        return
    headings = ("option", "default", "values", "meaning")
    columns: list[Column] = [(heading, "left") for heading in headings]
    for section in sections:
        rows = [
            [
                row.flag.partition(",")[0] + ("*" if row.schedulable else ""),
                *(row.default, row.values),
                row.meaning + format_absent_commands(row).replace("`", ""),
            ]
            for row in section.rows
        ]
        print_table(f"{section.title}: {', '.join(section.commands)}", columns, rows)
        typer.echo()


OPTIONS = Command("options", options_command, Section.SET_UP, 3, "dreamflow options --command zoom")


def build_option_sections(command: str | None = None) -> list[OptionSection]:
    """Return every setting, or those of one command.

    Raises:
        SettingsError: There is no such command, or it takes no settings.
    """
    takers = collect_command_settings()
    if command is not None and command not in takers:
        raise SettingsError(
            f"{named('command')} {command}: no such command has settings"
            f"{suggest_similar(command, takers) or '; choose ' + ', '.join(takers)}",
            setting="command",
            value=command,
            allowed=", ".join(takers),
        )
    sections: list[OptionSection] = []
    for group in list_option_groups(takers):
        by_title: dict[str, list[Field[Any]]] = {}
        for setting in own_settings(group):
            title = setting.metadata["panel"] or panel_title(group)
            by_title.setdefault(title, []).append(setting)
        for title, settings in by_title.items():
            section = build_section(title, group, settings, takers, command)
            sections += [section] if section.rows else []
    return sections


def collect_command_settings() -> dict[str, CommandSettings]:
    """Return the settings that each command takes, by its name; commands without are left out."""
    taken = {command.name: settings_of(command.run) for command in load_commands()}
    return {name: settings for name, settings in taken.items() if settings is not None}


def list_option_groups(takers: Mapping[str, CommandSettings]) -> list[type[Options]]:
    """Return all classes of settings that commands take, a base before what refines it."""
    groups = [group for settings in takers.values() for group in settings.groups]
    bases_first = (base for group in groups for base in reversed(group.__mro__) if base in groups)
    return list(dict.fromkeys(bases_first))


def own_settings(group: type[Options]) -> list[Field[Any]]:
    """Return the settings of a class; of one that refines another, only those that differ."""
    inherited = {
        setting.name: setting
        for parent in group.__mro__[1:]
        if issubclass(parent, Options) and parent is not Options
        for setting in fields(parent)  # type: ignore[arg-type]
    }
    return [f for f in fields(group) if not is_same_setting(f, inherited.get(f.name))]  # type: ignore[arg-type]


def is_same_setting(one: Field[Any], other: Field[Any] | None) -> bool:
    """Return whether one setting is the other, inherited."""
    return other is not None and one.metadata == other.metadata and one.default == other.default


def build_section(
    title: str,
    group: type[Options],
    settings: list[Field[Any]],
    takers: Mapping[str, CommandSettings],
    command: str | None,
) -> OptionSection:
    """Return one section of the table.

    Args:
        title: Its heading.
        group: The class that declares the settings.
        settings: The settings.
        takers: The settings that each command takes.
        command: The only command whose settings are listed; None for all.
    """
    commands_by_setting = {
        setting.name: find_commands_with_setting(group, setting, takers) for setting in settings
    }
    names = tuple(
        name for name in takers if any(name in found for found in commands_by_setting.values())
    )
    rows = [
        build_option_row(
            group, setting, tuple(name for name in names if not takers[name].has(setting.name))
        )
        for setting in settings
        if command is None or command in commands_by_setting[setting.name]
    ]
    return OptionSection(title, names, rows)


def find_commands_with_setting(
    group: type[Options], setting: Field[Any], takers: Mapping[str, CommandSettings]
) -> tuple[str, ...]:
    """Return the commands that take a setting just as a class declares it."""

    def takes(settings: CommandSettings) -> bool:
        return setting.name not in settings.excluded and any(
            issubclass(other, group) and any(is_same_setting(setting, f) for f in fields(other))  # type: ignore[arg-type]
            for other in settings.groups
        )

    return tuple(name for name, settings in takers.items() if takes(settings))


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
        return " ".join(cast("tuple[str, ...]", default))
    return f"{default:g}" if isinstance(default, float) else str(default)


def format_allowed_values(setting: Field[Any], hint: Any) -> str:
    """Return what a setting may be: its choices, its range, or its placeholder."""
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


def sections_to_markdown(sections: list[OptionSection]) -> str:
    """Return the sections as tables in Markdown."""
    lines: list[str] = []
    for section in sections:
        lines += [f"**{section.title}**: {', '.join(f'`{name}`' for name in section.commands)}", ""]
        lines.append(f"| {' | '.join(MARKDOWN_HEADINGS)} |")
        lines.append("|---" * len(MARKDOWN_HEADINGS) + "|")
        for row in section.rows:
            flags = ", ".join(f"`{flag}`" for flag in row.flag.split(", "))
            meaning = row.meaning + format_absent_commands(row)
            cells = [flags, meaning, row.default, row.values]
            # "|" would end a cell, "<" begin a tag.
            escaped = [cell.replace("|", r"\|").replace("<", "&lt;") for cell in cells]
            mark = r"\*" if row.schedulable else ""
            lines.append(f"| {' | '.join([*escaped, mark])} |")
        lines.append("")
    return "\n".join(lines).rstrip()


def format_absent_commands(row: OptionRow) -> str:
    """Return which commands of its section do not take a setting: ` Not `sweep`.`, or nothing."""
    return f" Not `{'`, `'.join(row.absent_from)}`." if row.absent_from else ""
