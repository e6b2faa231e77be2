"""Settings that a command takes from a preset (`--preset`) or from an earlier dream (`--like`).

Flags beat a preset, a preset beats `--like`, and that beats the defaults.
"""

from __future__ import annotations

import warnings
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import typer

from dreamflow.cli.terminal import print_note, word_flags
from dreamflow.core.errors import DreamFlowWarning, SettingsError, named
from dreamflow.core.options.declaration import flag_of, format_setting_value, plain_value
from dreamflow.media.options import ClipOptions, EncodeOptions
from dreamflow.pipelines.settings.groups import groups_by_saved_setting
from dreamflow.pipelines.settings.options import ShowOptions, SweepOptions, ZoomOptions
from dreamflow.pipelines.settings.presets import load_preset, validate_settings

FILE_SETTINGS = ("matte", "cuts", "guided_by", "flow_dir")
"""Settings that name files to be read."""
CUTS_WITHOUT_FILE = ("auto", "none")
"""Values of `cuts` that name no file."""
LIKE_SETTINGS_KEY = "dreamflow.like"
"""Key of typer's `ctx.meta`: settings from `--like` that no preset overrides."""
SETTINGS_OF_ONE_COMMAND = (ShowOptions, SweepOptions, ZoomOptions)
"""Classes whose settings only some commands take; in a preset they are for these."""


def is_given(ctx: typer.Context, name: str) -> bool:
    """Return whether an option stands on the command line."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def get_like_settings(ctx: typer.Context) -> dict[str, Any]:
    """Return the settings from `--like` that no preset overrides, as plain values."""
    return ctx.meta.get(LIKE_SETTINGS_KEY, {})


def add_default_settings(ctx: typer.Context, settings: dict[str, Any]) -> None:
    """Make settings the defaults of the options that the command line does not give."""
    plain = {name: plain_value(value) for name, value in settings.items()}
    ctx.default_map = {**(ctx.default_map or {}), **plain}


def apply_preset(ctx: typer.Context, name: str | None) -> str | None:
    """Read a preset before the other options are; the callback of `--preset`."""
    if not name or ctx.resilient_parsing:
        return name
    settings = load_preset(name)[1]
    report_named_files(name, settings)
    add_default_settings(ctx, settings)
    ctx.meta[LIKE_SETTINGS_KEY] = {
        key: value for key, value in get_like_settings(ctx).items() if key not in settings
    }
    own = {parameter.name for parameter in ctx.command.params}
    groups = groups_by_saved_setting()
    foreign = [
        setting
        for setting in settings
        if setting not in own and all(group in SETTINGS_OF_ONE_COMMAND for group in groups[setting])
    ]
    if foreign:
        do, are = ("does", "is") if len(foreign) == 1 else ("do", "are")
        warnings.warn(
            f"{named('preset')} {name} is made for another command: {', '.join(foreign)} {do} "
            f"nothing for `{ctx.info_name}`, and {are} left out",
            DreamFlowWarning,
            2,
        )
    return name


def report_named_files(preset: str, settings: Mapping[str, Any]) -> None:
    """Print which files a preset names, before one of them is opened."""
    named_files = [
        f"{flag_of(setting)} {settings[setting]}"
        for setting in FILE_SETTINGS
        if settings.get(setting) and settings[setting] not in CUTS_WITHOUT_FILE
    ]
    if named_files:
        print_note(word_flags(f"{named('preset')} {preset} names files: {', '.join(named_files)}"))


def apply_like(ctx: typer.Context, output: Path | None) -> Path | None:
    """Read the settings of an output before the other options are; the callback of `--like`."""
    if not output or ctx.resilient_parsing:
        return output
    from dreamflow.media.embedded_settings import read_record

    settings = read_record(output).get("settings")
    if not isinstance(settings, dict):
        raise SettingsError(
            f"{named('like')} {output}: the file holds no DreamFlow settings",
            setting="like",
            value=output,
            where=str(output),
        )
    from_preset = dict(ctx.default_map or {})
    add_default_settings(ctx, validate_settings(settings, str(output)))
    add_default_settings(ctx, from_preset)
    ctx.meta[LIKE_SETTINGS_KEY] = {
        name: value for name, value in settings.items() if name not in from_preset
    }
    return output


def report_inherited_clip_settings(ctx: typer.Context, flags: Container[str]) -> None:
    """Print which size and which frames `--like` brings along, unless a flag overrides them.

    Args:
        ctx: The context of the command.
        flags: Names of the settings that the command line gives.
    """
    settings = get_like_settings(ctx)
    inherited = [
        f"{flag_of(name)} {settings[name]}"
        for name in ("size", "start", "end", "every", "fps")
        if name in settings and settings[name] != getattr(ClipOptions, name) and name not in flags
    ]
    if inherited:
        print_note(f"from {ctx.params['like'].name} also: {', '.join(inherited)}")


def drop_unusable_encode_settings(
    ctx: typer.Context, out: Path | None, encode: dict[str, Any], flags: Container[str]
) -> dict[str, Any]:
    """Return settings of `EncodeOptions` without those from `--like` that an output cannot use.

    Each that is left out is printed, with the reason.

    Args:
        ctx: The context of the command.
        out: The output; None where it is not known.
        encode: Settings of `EncodeOptions`, by name.
        flags: Names of the settings that the command line gives; these stay.
    """
    loose = {name for name in get_like_settings(ctx) if name in encode and name not in flags}
    if out is None or not loose:
        return encode
    from dreamflow.media.write.containers import find_unusable_settings

    dropped = find_unusable_settings(out, encode, loose)
    for name, (value, reason) in dropped.items():
        shown = "" if value is True else f" {format_setting_value(value)}"
        source, why = ctx.params["like"].name, reason.worded(flag_of)
        print_note(f"from {source} without {flag_of(name)}{shown}: {why}")
    return encode | {name: getattr(EncodeOptions, name) for name in dropped}
