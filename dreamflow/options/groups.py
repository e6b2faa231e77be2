"""Groups of settings: those of a clip, those that are kept, and what is kept of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from dreamflow.options.carry import CarryOptions
from dreamflow.options.dream import DreamOptions
from dreamflow.options.frames import ClipOptions, EncodeOptions, ShowOptions
from dreamflow.options.journeys import SweepOptions, ZoomOptions
from dreamflow.options.machine import MachineOptions
from dreamflow.options.sheets import (
    ChannelDreamOptions,
    ChannelsOptions,
    GuideDreamOptions,
    GuideOptions,
)
from dreamflow.options.training import DistillOptions
from dreamflow.settings import Options, plain_value


@dataclass(frozen=True)
class VideoSettings:
    """All the settings of a rendered clip, in their groups."""

    dream: DreamOptions = DreamOptions()
    carry: CarryOptions = CarryOptions()
    clip: ClipOptions = ClipOptions()
    encode: EncodeOptions = EncodeOptions()
    show: ShowOptions = ShowOptions()


EVERY: tuple[type[Options], ...] = (
    DreamOptions,
    GuideDreamOptions,
    GuideOptions,
    ChannelDreamOptions,
    ChannelsOptions,
    CarryOptions,
    ShowOptions,
    ClipOptions,
    EncodeOptions,
    MachineOptions,
    SweepOptions,
    ZoomOptions,
    DistillOptions,
)
"""All groups, in the order in which they are listed."""

GROUPS: tuple[type[Options], ...] = (
    DreamOptions,
    CarryOptions,
    ClipOptions,
    EncodeOptions,
    ShowOptions,
    SweepOptions,
    ZoomOptions,
)
"""The groups whose settings are saved with an output and may stand in a preset."""


def saved_fields() -> dict[str, tuple[type[Options], ...]]:
    """Return the name of every saved setting, and the groups that have it.

    Commands that mean the same by a name have it each with a default of its own.
    """
    found: dict[str, tuple[type[Options], ...]] = {}
    for group in GROUPS:
        for setting in fields(group):  # type: ignore[arg-type]
            found[setting.name] = (*found.get(setting.name, ()), group)
    return found


def as_dict(*groups: Options) -> dict[str, Any]:
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
    return [plain_value(getattr(group, name)) for group in saved_fields().get(name, ())]


def altered(kept: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that differ from those wanted, both as plain values, and what they were.

    kept: those of what was made before, maybe by an older DreamFlow. One that it did not know yet
    was as by default.
    """
    found: dict[str, Any] = {}
    for name in dict.fromkeys([*wanted, *kept]):
        was = [kept[name]] if name in kept else defaults_of(name)
        if name not in wanted or wanted[name] not in was:
            found[name] = was[0] if was else None
    return found
