"""Groups of settings: those of a video, and those that are saved with an output."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from dreamflow.core.options.declaration import Options, plain_value
from dreamflow.dream.options import DreamOptions
from dreamflow.media.options import ClipOptions, EncodeOptions
from dreamflow.media.sound.options import SoundOptions
from dreamflow.pipelines.settings.options import ShowOptions, SweepOptions, ZoomOptions
from dreamflow.temporal.options import CarryOptions

SETTINGS_OF_ONE_COMMAND = (ShowOptions, SweepOptions, ZoomOptions)
"""Classes whose settings only some commands take; in a preset they are for these."""


@dataclass(frozen=True)
class VideoSettings:
    """All the settings of a dreamed clip, in their groups."""

    dream: DreamOptions = DreamOptions()
    carry: CarryOptions = CarryOptions()
    clip: ClipOptions = ClipOptions()
    encode: EncodeOptions = EncodeOptions()
    show: ShowOptions = ShowOptions()
    sound: SoundOptions = SoundOptions()


SAVED_OPTION_GROUPS: tuple[type[Options], ...] = (
    DreamOptions,
    CarryOptions,
    ClipOptions,
    EncodeOptions,
    ShowOptions,
    SoundOptions,
    SweepOptions,
    ZoomOptions,
)
"""The groups whose settings are saved with an output, and may stand in a preset."""


LOOK_GROUPS = (DreamOptions, CarryOptions)
"""The groups whose settings make the look of a dream: what is dreamed, and how it moves."""
SETTINGS_OF_ONE_FILM = frozenset({"cuts", "flow_dir", "loop"})
"""Settings of these groups that are made for one film, and no part of a look."""


def is_of_the_look(name: str) -> bool:
    """Return whether a setting is a part of a dream's look, and not of one film alone."""
    names = {setting.name for group in LOOK_GROUPS for setting in fields(group)}
    return name in names - SETTINGS_OF_ONE_FILM


def find_foreign_settings(settings: Iterable[str], own: Container[str]) -> list[str]:
    """Return the settings of a preset that make it one for another kind of dream.

    Those of how a dream is carried are none of these: a look for films is one for pictures, too.

    Args:
        settings: Names of the settings of the preset.
        own: Names of the settings that the command or function takes.
    """
    groups = groups_by_saved_setting()
    return [
        name
        for name in settings
        if name not in own and all(group in SETTINGS_OF_ONE_COMMAND for group in groups[name])
    ]


def groups_by_saved_setting() -> dict[str, tuple[type[Options], ...]]:
    """Return the groups that have each saved setting, by its name.

    A setting that several commands share is in several groups, each with its own default.
    """
    groups: dict[str, tuple[type[Options], ...]] = {}
    for group in SAVED_OPTION_GROUPS:
        for setting in fields(group):  # type: ignore[arg-type]
            if setting.metadata["saved"]:
                groups[setting.name] = (*groups.get(setting.name, ()), group)
    return groups


def saved_settings_dict(*groups: Options) -> dict[str, Any]:
    """Return the saved settings of some groups as plain values, ready for TOML or JSON."""
    return {
        setting.name: plain_value(getattr(group, setting.name))
        for group in groups
        for setting in fields(group)  # type: ignore[arg-type]
        if setting.metadata["saved"]
    }


def path_settings() -> frozenset[str]:
    """Return the names of the settings that name a file or folder."""
    return frozenset(
        setting.name
        for group in SAVED_OPTION_GROUPS
        for setting in fields(group)  # type: ignore[arg-type]
        if setting.metadata["is_path"]
    )


def defaults_of(name: str) -> list[Any]:
    """Return the defaults of a saved setting as plain values, one for each group that has it."""
    return [plain_value(getattr(group, name)) for group in groups_by_saved_setting().get(name, ())]


def diff_settings(previous: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that have changed, with their previous values.

    Args:
        previous: Settings of an earlier output, as plain values. A setting that an older version
            did not have yet counts as being at its default.
        current: Settings now, as plain values.
    """
    changed: dict[str, Any] = {}
    for name in dict.fromkeys([*current, *previous]):
        accepted = [previous[name]] if name in previous else defaults_of(name)
        if name not in current or current[name] not in accepted:
            changed[name] = accepted[0] if accepted else None
    return changed
