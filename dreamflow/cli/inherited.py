"""Settings that a command takes from elsewhere: from a preset, or from a dream made before."""

from __future__ import annotations

import warnings
from collections.abc import Container
from pathlib import Path
from typing import Any

import typer

from dreamflow.cli.terminal import print_note
from dreamflow.core.errors import DreamFlowWarning, SettingsError
from dreamflow.core.options.declaration import flag_of, format_setting_value, plain_value
from dreamflow.media.options import ClipOptions, EncodeOptions
from dreamflow.pipelines.settings.groups import groups_by_saved_setting
from dreamflow.pipelines.settings.options import ShowOptions, SweepOptions, ZoomOptions
from dreamflow.pipelines.settings.presets import load_preset, validate_settings

LIKE_SETTINGS_KEY = "dreamflow.taken"
"""Of the context, what --like brings, but for what a preset has beaten."""


def add_default_settings(ctx: typer.Context, settings: dict[str, Any]) -> None:
    """Let settings stand where the command line says nothing: flags beat them, they defaults."""
    plain = {name: plain_value(value) for name, value in settings.items()}
    ctx.default_map = {**(ctx.default_map or {}), **plain}


def apply_preset(ctx: typer.Context, name: str | None) -> str | None:
    """Read a preset before the other options are."""
    if name and not ctx.resilient_parsing:
        settings = load_preset(name)[1]
        add_default_settings(ctx, settings)
        ctx.meta[LIKE_SETTINGS_KEY] = {
            taken: value
            for taken, value in ctx.meta.get(LIKE_SETTINGS_KEY, {}).items()
            if taken not in settings
        }
        own = {parameter.name for parameter in ctx.command.params}
        known = groups_by_saved_setting()
        journeys = (ShowOptions, SweepOptions, ZoomOptions)
        others = [
            setting
            for setting in settings
            if setting not in own and all(group in journeys for group in known[setting])
        ]
        if others:
            left = "does nothing" if len(others) == 1 else "do nothing"
            warnings.warn(
                f"--preset {name} is made for another command: {', '.join(others)} {left} for "
                f"`{ctx.info_name}`, and {'is' if len(others) == 1 else 'are'} left out",
                DreamFlowWarning,
                2,
            )
    return name


def apply_like(ctx: typer.Context, output: Path | None) -> Path | None:
    """Read the settings of an output before the other options are; a preset beats them."""
    if output and not ctx.resilient_parsing:
        from dreamflow.media.write.metadata import read_record

        record = read_record(output)
        before = dict(ctx.default_map or {})
        settings = record.get("settings")
        if not isinstance(settings, dict):
            raise SettingsError(f"--like {output}: it holds no DreamFlow settings")
        add_default_settings(ctx, validate_settings(settings, str(output)))
        add_default_settings(ctx, before)
        ctx.meta[LIKE_SETTINGS_KEY] = {
            name: value for name, value in settings.items() if name not in before
        }
    return output


def report_inherited_clip_settings(ctx: typer.Context, flags: Container[str]) -> None:
    """Say which frames and what size --like brings along, but for what a flag has beaten."""
    brought = ctx.meta.get(LIKE_SETTINGS_KEY, {})
    taken = [
        f"{flag_of(name)} {brought[name]}"
        for name in ("size", "start", "end", "every", "fps")
        if name in brought and brought[name] != getattr(ClipOptions, name) and name not in flags
    ]
    if taken:
        print_note(f"from {ctx.params['like'].name} also: {', '.join(taken)}")


def drop_unusable_encode_settings(
    ctx: typer.Context, out: Path | None, encode: dict[str, Any], flags: Container[str]
) -> dict[str, Any]:
    """Return how to encode an output, without what --like brings that it has no use for; say so.

    encode: settings of `EncodeOptions`. flags: the settings that the command line gives.
    """
    loose = {
        name for name in ctx.meta.get(LIKE_SETTINGS_KEY, {}) if name in encode and name not in flags
    }
    if out is None or not loose:
        return encode
    from dreamflow.media.write.containers import find_unusable_settings

    left = find_unusable_settings(out, encode, loose)
    for name, (value, why) in left.items():
        shown = "" if value is True else f" {format_setting_value(value)}"
        print_note(
            f"from {ctx.params['like'].name} without {flag_of(name)}{shown}: {why.worded(flag_of)}"
        )
    return encode | {name: getattr(EncodeOptions, name) for name in left}
