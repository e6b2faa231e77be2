"""Options dataclasses become command-line options, so that no default is ever typed twice."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer

from dreamflow.cli.help import MACHINE_PANEL
from dreamflow.cli.inherited import (
    apply_like,
    apply_preset,
    drop_unusable_encode_settings,
    report_inherited_clip_settings,
)
from dreamflow.core.options.declaration import (
    Options,
    flag_of,
    format_setting_value,
    plain_value,
    resolve_field_types,
    warn_ineffective_settings,
)
from dreamflow.media.options import EncodeOptions

PANEL_BY_GROUP = {
    "DreamOptions": "Dream",
    "GuideDreamOptions": "Dream",
    "ChannelDreamOptions": "Dream",
    "ChannelsOptions": "Sheet",
    "GuideOptions": "Guide",
    "CarryOptions": "Motion",
    "ShowOptions": "What is shown",
    "ClipOptions": "Which frames",
    "EncodeOptions": "Output",
    "SweepOptions": "Sweep",
    "ZoomOptions": "Zoom",
    "DistillOptions": "Training",
    "MachineOptions": MACHINE_PANEL,
}
CONTEXT_PARAMETER = "ctx"
"""The parameter in which a command is given typer's context."""
MOST_USED_PANEL = "Most used"
"""The first panel of commands that take presets."""
MOST_USED_SETTINGS = frozenset(
    {
        *("preset", "at", "overwrite", "layer", "layers", "category", "iterations", "step"),
        *("stability", "size", "start", "end", "seconds", "speed", "quality", "folder", "suffix"),
    }
)
"""The settings that stand there."""


def complete_presets(incomplete: str) -> list[str]:
    """Return the presets that a shell completes to."""
    from dreamflow.pipelines.settings.presets import list_preset_files

    return [name for name in list_preset_files() if name.startswith(incomplete)]


AtOption = Annotated[
    str,
    typer.Option(
        help="Which frame of a clip: 48, 2s, 1:02.5 or 40%.",
        metavar="WHEN",
        rich_help_panel="Which frames",
    ),
]
PresetOption = Annotated[
    str | None,
    typer.Option(
        "--preset",
        help="Settings by name (`dreamflow presets list`), or a .toml file.",
        metavar="NAME",
        is_eager=True,
        callback=apply_preset,
        autocompletion=complete_presets,
        rich_help_panel="Dream",
    ),
]
LikeOption = Annotated[
    Path | None,
    typer.Option(
        "--like",
        help="Take all settings from a dream made before.",
        metavar="FILE",
        is_eager=True,
        callback=apply_like,
        rich_help_panel="Dream",
    ),
]
OverwriteOption = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace an output that exists.", rich_help_panel="Output"),
]
FreshOption = Annotated[
    bool,
    typer.Option(
        "--fresh",
        help="Start over where a render was broken off, instead of going on.",
        rich_help_panel="Output",
    ),
]
WatchOption = Annotated[
    Path | None,
    typer.Option(
        "--watch",
        help="Keep the latest frame in this picture, to look at meanwhile.",
        metavar="FILE",
        rich_help_panel="Output",
    ),
]
PlateOption = Annotated[
    Path | None,
    typer.Option(
        "--plate",
        help="Also write what the dream changed: 128 + dream - source, for compositing.",
        metavar="FILE",
        rich_help_panel="Output",
    ),
]
DebugOption = Annotated[
    bool,
    typer.Option(
        "--debug", help="Show where in the code an error came from.", rich_help_panel=MACHINE_PANEL
    ),
]


def build_option_parameter(setting: Field[Any], hint: Any, panel: str) -> inspect.Parameter:
    """Return the command's parameter for one setting."""
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
    shown = (
        "" if default in (None, []) or hint is bool else format_setting_value(plain_value(default))
    )
    option = typer.Option(
        *names,
        # Where typer writes the defaults, each takes a line of its own.
        help=escape_markup(rule["help"])
        + (f" [dim]{escape_markup(f'[{shown}]')}[/dim]" if shown else ""),
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


def escape_markup(text: str) -> str:
    """Return a text as rich's markup writes it: with no brackets that mean something."""
    return text.replace("[", r"\[")


@dataclass(frozen=True)
class OptionGroups:
    """The settings that a command takes: groups, but not these names."""

    groups: tuple[type[Options], ...]
    excluded: tuple[str, ...]

    def has(self, name: str) -> bool:
        """Return whether the command has a setting of this name."""
        named = {setting.name for group in self.groups for setting in fields(group)}  # type: ignore[arg-type]
        return name in named and name not in self.excluded


def with_options(command: Callable[..., Any], without: Sequence[str] = ()) -> Callable[..., Any]:
    """Spread each parameter that is an Options class into one command-line option per field.

    The command is called with the Options objects, made (and so checked) from what was given; what
    was not is as by default. Warns of what was given on the command line and does nothing.
    without: names of settings that the command has no use for; they stay at their defaults.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, type[Options]] = {}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        hint = hints[parameter.name]
        if isinstance(hint, type) and issubclass(hint, Options):
            groups[parameter.name] = hint
            panel, types = PANEL_BY_GROUP[hint.__name__], resolve_field_types(hint)
            parameters += [
                build_option_parameter(setting, types[setting.name], panel)
                for setting in fields(hint)  # type: ignore[arg-type]
                if setting.name not in without
            ]
        else:
            parameters.append(parameter.replace(annotation=hint))

    @functools.wraps(command)
    def called(*positional: Any, **given: Any) -> Any:
        context = (
            given.get(CONTEXT_PARAMETER)
            if CONTEXT_PARAMETER in hints
            else given.pop(CONTEXT_PARAMETER, None)
        )
        flags = {name for name in given if context and is_given(context, name)}
        if context:
            report_inherited_clip_settings(context, flags)
        for parameter, group in groups.items():
            names = [f.name for f in fields(group) if f.name not in without]  # type: ignore[arg-type]
            own = {name: given.pop(name) for name in names if name in given}
            if context and group is EncodeOptions:
                own = drop_unusable_encode_settings(context, find_output_path(given), own, flags)
            given[parameter] = made = group(**own)
            warn_ineffective_settings(flags, made)
        return command(*positional, **given)

    positional = [p for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    named = [p for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    if CONTEXT_PARAMETER not in hints:
        kind = inspect.Parameter.KEYWORD_ONLY
        named.append(inspect.Parameter(CONTEXT_PARAMETER, kind, annotation=typer.Context))
    if any(parameter.name == "preset" for parameter in named):
        named = move_most_used_first(named)
    called.__signature__ = inspect.Signature(positional + named)  # type: ignore[attr-defined]
    called.option_groups = OptionGroups(tuple(groups.values()), tuple(without))  # type: ignore[attr-defined]
    called.__annotations__ = {p.name: p.annotation for p in [*positional, *named]}
    return called


def find_output_path(given: Mapping[str, Any]) -> Path | None:
    """Return what a command writes, as far as it says; of `batch`, a name like all of them."""
    if "suffix" in given:
        return Path(".".join(filter(None, ("dream", given["suffix"].lstrip(".")))))
    return given["out"] or given.get("image")


def is_given(ctx: typer.Context, name: str) -> bool:
    """Return whether an option stands on the command line."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def move_most_used_first(options: list[inspect.Parameter]) -> list[inspect.Parameter]:
    """Return a command's options with those that are used most in a panel of their own, first."""
    first: list[inspect.Parameter] = []
    for parameter in (option for option in options if option.name in MOST_USED_SETTINGS):
        hint, declared = get_args(parameter.annotation)
        own = copy.copy(declared)  # other commands have the same one
        own.rich_help_panel = MOST_USED_PANEL
        first.append(parameter.replace(annotation=Annotated[hint, own]))
    return first + [option for option in options if option.name not in MOST_USED_SETTINGS]
