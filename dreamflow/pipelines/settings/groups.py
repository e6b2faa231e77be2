"""Groups of settings: those of a clip, those that are kept, and what is kept of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from dreamflow.core.options.declaration import Options, plain_value
from dreamflow.dream.options import DreamOptions
from dreamflow.media.options import ClipOptions, EncodeOptions
from dreamflow.pipelines.settings.options import ShowOptions, SweepOptions, ZoomOptions
from dreamflow.temporal.options import CarryOptions


@dataclass(frozen=True)
class VideoSettings:
    """All the settings of a rendered clip, in their groups."""

    dream: DreamOptions = DreamOptions()
    carry: CarryOptions = CarryOptions()
    clip: ClipOptions = ClipOptions()
    encode: EncodeOptions = EncodeOptions()
    show: ShowOptions = ShowOptions()


SAVED_OPTION_GROUPS: tuple[type[Options], ...] = (
    DreamOptions,
    CarryOptions,
    ClipOptions,
    EncodeOptions,
    ShowOptions,
    SweepOptions,
    ZoomOptions,
)
"""The groups whose settings are saved with an output and may stand in a preset."""


def groups_by_saved_setting() -> dict[str, tuple[type[Options], ...]]:
    """Return the name of every saved setting, and the groups that have it.

    Commands that mean the same by a name have it each with a default of its own.
    """
    found: dict[str, tuple[type[Options], ...]] = {}
    for group in SAVED_OPTION_GROUPS:
        for setting in fields(group):  # type: ignore[arg-type]
            found[setting.name] = (*found.get(setting.name, ()), group)
    return found


def saved_settings_dict(*groups: Options) -> dict[str, Any]:
    """Return the saved settings of these groups as plain values, ready for TOML or JSON."""
    plain: dict[str, Any] = {}
    for group in groups:
        for setting in fields(group):  # type: ignore[arg-type]
            if setting.metadata["saved"]:
                value = getattr(group, setting.name)
                plain[setting.name] = plain_value(value)
    return plain


def defaults_of(name: str) -> list[Any]:
    """Return the defaults of a saved setting, one of each group that has it, as plain values."""
    return [plain_value(getattr(group, name)) for group in groups_by_saved_setting().get(name, ())]


def diff_settings(previous: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that differ from those wanted, both as plain values, and what they were.

    kept: those of what was made before, maybe by an older DreamFlow. One that it did not know yet
    was as by default.
    """
    found: dict[str, Any] = {}
    for name in dict.fromkeys([*current, *previous]):
        was = [previous[name]] if name in previous else defaults_of(name)
        if name not in current or current[name] not in was:
            found[name] = was[0] if was else None
    return found
