"""Settings become command-line options: names, types, defaults and help are declared only once."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, cast, get_args, get_type_hints

import typer

from dreamflow.cli.output.terminal import print_note
from dreamflow.cli.progress.options import ProgressOptions
from dreamflow.cli.settings.inherited import (
    drop_unusable_encode_settings,
    is_given,
    report_inherited,
    warn_other_weights,
)
from dreamflow.core.options.declaration import (
    Options,
    flag_of,
    format_setting_value,
    plain_value,
    resolve_field_types,
    warn_ineffective_settings,
)
from dreamflow.core.options.validation import read_setting_text
from dreamflow.media.options import EncodeOptions

CONTEXT_PARAMETER = "ctx"
"""The parameter through which a command gets typer's context."""
MOST_USED_PANEL = "Most used"
"""The first heading in the help of commands that take presets."""
MOST_USED_SETTINGS = frozenset(
    {
        *("preset", "at", "overwrite", "layer", "layers", "category", "iterations", "step"),
        *("stability", "size", "start", "end", "seconds", "speed", "quality", "folder", "suffix"),
    }
)
"""The options that are listed under `MOST_USED_PANEL`."""


@dataclass(frozen=True)
class CommandSettings:
    """The settings that a command takes.

    Attributes:
        groups: The classes that declare them.
        excluded: Names of settings of these classes that the command does not take.
    """

    groups: tuple[type[Options], ...]
    excluded: tuple[str, ...]

    def has(self, name: str) -> bool:
        """Return whether the command takes a setting of this name."""
        return any(name in self.names_in(group) for group in self.groups)

    def names_in(self, group: type[Options]) -> list[str]:
        """Return the names of the settings of one class that the command takes."""
        names = [setting.name for setting in fields(group)]  # type: ignore[arg-type]
        return [name for name in names if name not in self.excluded]


def panel_title(group: type[Options]) -> str:
    """Return the heading of a class of settings: its `PANEL`, or `Sweep` for `SweepOptions`."""
    return getattr(group, "PANEL", group.__name__.removesuffix("Options"))


def settings_of(command: Any) -> CommandSettings | None:
    """Return the settings of a command that was made by `with_options`; None for others."""
    return getattr(command, "command_settings", None)


def escape_markup(text: str) -> str:
    """Return a text in which rich sees no markup."""
    return text.replace("[", r"\[")


def with_options(command: Callable[..., Any], without: Sequence[str] = ()) -> Callable[..., Any]:
    """Replace each parameter that is a class of settings by one command-line option per setting.

    The command is called with instances of these classes, which check the values. What is given on
    the command line and has no effect is warned of.

    Args:
        command: A function for typer, with type hints.
        without: Names of settings that the command does not take; they keep their defaults.

    Returns:
        The function to register with typer.
    """
    hints = get_type_hints(command, include_extras=True)
    groups = {name: hint for name, hint in hints.items() if is_options_class(hint)}
    settings = CommandSettings(tuple(groups.values()), tuple(without))
    takes_context = CONTEXT_PARAMETER in hints

    @functools.wraps(command)
    def run(*positional: Any, **given: Any) -> Any:
        take = given.get if takes_context else given.pop
        context: typer.Context | None = take(CONTEXT_PARAMETER, None)
        flags = {name for name in given if context and is_given(context, name)}
        # Progress first: it says what is being done, before anything that takes time.
        for parameter, group in sorted(groups.items(), key=lambda g: g[1] is not ProgressOptions):
            types = resolve_field_types(group)
            own = {
                name: read_setting_text(given.pop(name), types[name])
                for name in settings.names_in(group)
                if name in given
            }
            if context and group is EncodeOptions:
                own = drop_unusable_encode_settings(context, find_output_path(given), own, flags)
            given[parameter] = options = group(**own)
            warn_ineffective_settings(flags, options)
            if context and isinstance(options, ProgressOptions) and options.kind == "bar":
                announce(context)
        if context:
            report_inherited(context, flags)
            warn_other_weights(context, list(given.values()))
        return command(*positional, **given)

    parameters = build_parameters(command, hints, settings)
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    run.command_settings = settings  # type: ignore[attr-defined]
    return run


def announce(context: typer.Context) -> None:
    """Print what is being done, before the libraries for it are loaded, which takes seconds."""
    names = [p.name for p in context.command.params if p.param_type_name == "argument"]
    words: list[str] = []
    for name in names:
        value = context.params.get(name or "")
        given = cast("list[Any]", value) if isinstance(value, list) else [value]
        words += [str(word) for word in given if word is not None]
    print_note(f"getting ready: {context.info_name} {' '.join(words)}".rstrip())


def is_options_class(hint: Any) -> bool:
    """Return whether a type hint is a class of settings."""
    return isinstance(hint, type) and issubclass(hint, Options)


def build_parameters(
    command: Callable[..., Any], hints: Mapping[str, Any], settings: CommandSettings
) -> list[inspect.Parameter]:
    """Return the parameters of a command for typer, classes of settings replaced by options."""
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        hint = hints[parameter.name]
        if not is_options_class(hint):
            parameters.append(parameter.replace(annotation=hint))
            continue
        types, names = resolve_field_types(hint), settings.names_in(hint)
        parameters += [
            build_option_parameter(setting, types[setting.name], panel_title(hint))
            for setting in fields(hint)
            if setting.name in names
        ]
    keyword_only = inspect.Parameter.KEYWORD_ONLY
    positional = [p for p in parameters if p.kind is not keyword_only]
    options = [p for p in parameters if p.kind is keyword_only]
    if CONTEXT_PARAMETER not in hints:
        options.append(inspect.Parameter(CONTEXT_PARAMETER, keyword_only, annotation=typer.Context))
    if any(parameter.name == "preset" for parameter in options):
        options = move_most_used_first(options)
    return positional + options


def build_option_parameter(setting: Field[Any], hint: Any, panel: str) -> inspect.Parameter:
    """Return the parameter of a command for one setting, listed under a heading of its help."""
    flag, rule = flag_of(setting.name), setting.metadata
    metavar = rule["metavar"]
    names = [f"{flag}/--no-{flag[2:]}"] if hint is bool else [flag]
    default: Any = setting.default
    if hint == tuple[str, ...]:
        hint, default = list[str], list(default)
    elif rule["scheduled"]:
        metavar = f"<{'int' if int in get_args(hint) else 'float'}>*"
        hint, default = str, f"{default:g}"
    elif hint is bool:
        metavar = ""
    has_shown_default = default not in (None, []) and hint is not bool
    shown = f"[{format_setting_value(plain_value(default))}]" if has_shown_default else ""
    option = typer.Option(
        *names,
        # Typer would print each default on a line of its own.
        help=escape_markup(rule["help"]) + (f" [dim]{escape_markup(shown)}[/dim]" if shown else ""),
        metavar=metavar,
        rich_help_panel=rule["panel"] or panel,
        show_default=False,
    )
    return inspect.Parameter(
        setting.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[hint, option],
    )


def move_most_used_first(options: list[inspect.Parameter]) -> list[inspect.Parameter]:
    """Return the options of a command, the most used ones first and under their own heading."""
    first: list[inspect.Parameter] = []
    for parameter in (option for option in options if option.name in MOST_USED_SETTINGS):
        hint, declared = get_args(parameter.annotation)
        own = copy.copy(declared)  # shared with other commands
        own.rich_help_panel = MOST_USED_PANEL
        first.append(parameter.replace(annotation=Annotated[hint, own]))
    return first + [option for option in options if option.name not in MOST_USED_SETTINGS]


def find_output_path(given: Mapping[str, Any]) -> Path | None:
    """Return the output that a command line names; for `batch`, a name like all of its outputs."""
    if "suffix" in given:
        return Path(".".join(filter(None, ("dream", given["suffix"].lstrip(".")))))
    return given["out"] or given.get("image")
