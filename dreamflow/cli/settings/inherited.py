"""Settings that a command takes from a preset, or from an earlier dream.

`--like` takes the look of a dream: what is dreamed, and how it moves. `--like-all` takes all of its
settings, those of that one film too: its size, its part of the clip, its matte. Flags beat a
preset, a preset beats an earlier dream, and that beats the defaults.
"""

from __future__ import annotations

import warnings
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import typer

from dreamflow.cli.output.terminal import print_note, word_flags
from dreamflow.core.errors import (
    DifferentFramesWarning,
    IneffectiveSettingWarning,
    SettingsError,
    named,
)
from dreamflow.core.files.documents import is_table
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.options.declaration import flag_of, format_setting_value, plain_value
from dreamflow.dream.options import DreamOptions
from dreamflow.media.options import EncodeOptions
from dreamflow.pipelines.settings.groups import (
    defaults_of,
    find_foreign_settings,
    is_of_the_look,
    path_settings,
)
from dreamflow.pipelines.settings.looks import expand_preset_names
from dreamflow.pipelines.settings.presets import load_preset, validate_settings

INHERITED_KEY = "dreamflow.inherited"
"""Key of typer's `ctx.meta`: the `InheritedSettings`."""
CLIP_SETTINGS = ("size", "start", "end", "every", "fps")
"""Settings of an earlier dream that a line names where they are taken over."""


@dataclass(frozen=True)
class InheritedSettings:
    """What a command takes from an earlier dream.

    Attributes:
        path: The dream; None where there is none.
        settings: What is taken and not overridden by a preset, as plain values.
        left_out: Settings of the dream that are not taken, as they belong to its film.
        network: The network that it was dreamed with; "" where that is not known.
        weights_sha256: SHA-256 of the file of its weights; "" where that is not known.
    """

    path: Path | None = None
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    left_out: dict[str, Any] = field(default_factory=dict[str, Any])
    network: str = ""
    weights_sha256: str = ""


def is_given(ctx: typer.Context, name: str) -> bool:
    """Return whether an option stands on the command line."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def get_inherited(ctx: typer.Context) -> InheritedSettings:
    """Return what the command takes from an earlier dream."""
    return ctx.meta.get(INHERITED_KEY, InheritedSettings())


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
    inherited = get_inherited(ctx)
    ctx.meta[INHERITED_KEY] = replace(inherited, settings=without(inherited.settings, settings))
    own = {parameter.name or "" for parameter in ctx.command.params}
    if foreign := find_foreign_settings(settings, own):
        do, are = ("does", "is") if len(foreign) == 1 else ("do", "are")
        warnings.warn(
            f"{named('preset')} {name} is made for another command: {', '.join(foreign)} {do} "
            f"nothing for `{ctx.info_name}`, and {are} left out",
            IneffectiveSettingWarning,
            2,
        )
    return name


def apply_presets(ctx: typer.Context, names: list[str] | None) -> list[str] | None:
    """Read the presets of a command that takes several before the other options are.

    A single one becomes the defaults of the other options. Several are looks of a contact sheet,
    and are only checked: the command builds them from what is not a preset's.
    """
    if not names or ctx.resilient_parsing:
        return names
    expanded = expand_preset_names(names)
    if len(expanded) == 1:
        apply_preset(ctx, expanded[0])
        return expanded
    for name in expanded:
        report_named_files(name, load_preset(name)[1])
    return expanded


def report_named_files(preset: str, settings: Mapping[str, Any]) -> None:
    """Print which files a preset names, before one of them is opened."""
    if not path_settings() & settings.keys():
        return
    from dreamflow.pipelines.settings.paths import given_paths  # loads the readers of media

    named_files = [f"{flag_of(name)} {path}" for name, path in given_paths(settings)]
    if named_files:
        print_note(word_flags(f"{named('preset')} {preset} names files: {', '.join(named_files)}"))


def without(settings: Mapping[str, Any], names: Container[str]) -> dict[str, Any]:
    """Return those of some settings that are not among the given names."""
    return {name: value for name, value in settings.items() if name not in names}


def apply_like(ctx: typer.Context, output: Path | None) -> Path | None:
    """Read the look of an output before the other options are; the callback of `--like`."""
    return inherit(ctx, output, "like")


def apply_like_all(ctx: typer.Context, output: Path | None) -> Path | None:
    """Read all settings of an output before the other options are; that of `--like-all`."""
    return inherit(ctx, output, "like_all")


def inherit(ctx: typer.Context, output: Path | None, option: str) -> Path | None:
    """Make settings of an output the defaults of the options that the command line does not give.

    Args:
        ctx: The context of the command.
        output: The output; None where the option is not given.
        option: `like` or `like_all`.

    Raises:
        SettingsError: The output records no settings, or both options are given.
    """
    if not output or ctx.resilient_parsing:
        return output
    from dreamflow.media.records.embedded_settings import read_record
    from dreamflow.pipelines.settings.paths import locate_settings

    if get_inherited(ctx).path:
        raise SettingsError(
            f"give {named('like')}, for the look of a dream, or {named('like_all')}, for all of "
            "its settings, not both",
            setting=option,
            value=output,
        )
    try:
        record = read_record(output)
    except SettingsError as error:
        if output.exists():
            error.add_note(
                f"to dream what is in a picture into yours: {named('guided_by')} {output}"
            )
        raise
    settings, network = record.get("settings"), record.get("network")
    network = network if is_table(network) else {}
    if not is_table(settings):
        raise SettingsError(
            f"{named(option)} {output}: the file holds no DreamFlow settings",
            setting=option,
            value=output,
            where=str(output),
        )
    settings = locate_settings(validate_settings(settings, str(output)), output)
    settings = {name: plain_value(value) for name, value in settings.items()}
    taken = {name: v for name, v in settings.items() if option != "like" or is_of_the_look(name)}
    from_preset = dict(ctx.default_map or {})
    add_default_settings(ctx, taken)
    add_default_settings(ctx, from_preset)
    ctx.meta[INHERITED_KEY] = InheritedSettings(
        output,
        without(taken, from_preset),
        without(settings, {*taken, *from_preset}),
        str(network.get("name", "")),
        str(network.get("weights_sha256", "")),
    )
    return output


def report_inherited(ctx: typer.Context, flags: Container[str]) -> None:
    """Print what an earlier dream brings along besides its look, and what of it is left out.

    Args:
        ctx: The context of the command.
        flags: Names of the settings that the command line gives; these are not printed.

    Raises:
        SettingsError: A file that the earlier dream was made with is not found.
    """
    inherited = get_inherited(ctx)
    if inherited.path is None:
        return
    from dreamflow.pipelines.settings.paths import find_missing  # loads the readers of media

    own = {parameter.name for parameter in ctx.command.params}
    noteworthy = {*CLIP_SETTINGS, *path_settings()}

    def words(settings: Mapping[str, Any]) -> str:
        return ", ".join(
            f"{flag_of(name)} {format_setting_value(value)}"
            for name, value in settings.items()
            if name in own and name not in flags and value not in defaults_of(name)
        )

    for name, path in find_missing(inherited.settings).items():
        if name in own and name not in flags:
            raise SettingsError(
                f"{inherited.path.name} was made with {named(name)} {path}, which is neither here "
                f"nor beside it: give {named(name)} with its path",
                setting=name,
                value=path,
                where=str(inherited.path),
            )
    also = words({name: v for name, v in inherited.settings.items() if name in noteworthy})
    if also:
        print_note(f"from {inherited.path.name} also: {also}")
    if left_out := words(inherited.left_out):
        print_note(
            f"from {inherited.path.name} only the look, without {left_out}: --like-all takes all"
        )


def warn_other_weights(ctx: typer.Context, options: Sequence[object]) -> None:
    """Warn where a dream takes the network of an earlier one, but other weights of it.

    Args:
        ctx: The context of the command.
        options: The settings of the command.
    """
    inherited = get_inherited(ctx)
    networks = [one.network for one in options if isinstance(one, DreamOptions)]
    if inherited.path is None or not inherited.weights_sha256 or inherited.network not in networks:
        return
    from dreamflow.networks.weights.cache import find_listed_weights
    from dreamflow.networks.weights.checksums import compute_checksum
    from dreamflow.networks.weights.registry import describe_hash

    given = next((one.weights for one in options if isinstance(one, MachineOptions)), None)
    path = given or find_listed_weights(inherited.network)
    expected = inherited.weights_sha256
    # Without a file, loading the network says so.
    if path is None or not path.is_file() or compute_checksum(path, "sha256") == expected:
        return
    warnings.warn(
        f"{inherited.path.name} was dreamed with other weights of {inherited.network}, "
        f"{describe_hash(expected)}, so this dream will differ: give a file of those as "
        f"{named('weights')}",
        DifferentFramesWarning,
        2,
    )


def drop_unusable_encode_settings(
    ctx: typer.Context, out: Path | None, encode: dict[str, Any], flags: Container[str]
) -> dict[str, Any]:
    """Return settings of `EncodeOptions` without inherited ones that an output cannot use.

    Each that is left out is printed, with the reason.

    Args:
        ctx: The context of the command.
        out: The output; None where it is not known.
        encode: Settings of `EncodeOptions`, by name.
        flags: Names of the settings that the command line gives; these stay.
    """
    inherited = get_inherited(ctx)
    loose = {name for name in inherited.settings if name in encode and name not in flags}
    if out is None or inherited.path is None or not loose:
        return encode
    from dreamflow.media.write.containers import find_unusable_settings

    dropped = find_unusable_settings(out, encode, loose)
    for name, (value, reason) in dropped.items():
        shown = "" if value is True else f" {format_setting_value(value)}"
        why = reason.worded(flag_of)
        print_note(f"from {inherited.path.name} without {flag_of(name)}{shown}: {why}")
    return encode | {name: getattr(EncodeOptions, name) for name in dropped}
