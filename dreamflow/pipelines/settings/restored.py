"""Settings made again of the record that they were kept in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from dreamflow.core.errors import SettingsError
from dreamflow.core.options.declaration import Options, resolve_field_types
from dreamflow.core.options.validation import read_setting_text
from dreamflow.pipelines.settings.groups import VideoSettings, saved_settings_dict
from dreamflow.pipelines.settings.options import SweepOptions
from dreamflow.pipelines.settings.paths import change_paths


def restore_video_settings(recorded: Mapping[str, Any], folder: Path) -> VideoSettings:
    """Return the settings of a clip whose record has these.

    Args:
        recorded: All saved settings of a video, by name, as plain values.
        folder: What relative paths in them count from.

    Raises:
        SettingsError: They are none of this version's, or lose something on the way.
    """
    return VideoSettings(**_restore_groups(recorded, folder, _groups_of_video()))


def restore_sweep_settings(
    recorded: Mapping[str, Any], folder: Path
) -> tuple[VideoSettings, SweepOptions]:
    """Return the settings of a sweep whose record has these; see `restore_video_settings`."""
    groups = _restore_groups(recorded, folder, {**_groups_of_video(), "sweep": SweepOptions})
    sweep = groups.pop("sweep")
    return VideoSettings(**groups), sweep


def _groups_of_video() -> dict[str, type[Options]]:
    return {part.name: type(getattr(VideoSettings, part.name)) for part in fields(VideoSettings)}


def _restore_groups(
    recorded: Mapping[str, Any], folder: Path, kinds: Mapping[str, type[Options]]
) -> dict[str, Any]:
    """Return groups of settings made of a record that has all that they save, and nothing else."""
    located = change_paths(recorded, lambda path: str(folder / path))
    groups: dict[str, Any] = {}
    for group_name, group in kinds.items():
        types = resolve_field_types(group)
        groups[group_name] = group(
            **{
                setting.name: read_setting_text(located[setting.name], types[setting.name])
                for setting in fields(group)  # type: ignore[arg-type]
                if setting.metadata["saved"] and setting.name in located
            }
        )
    again = saved_settings_dict(*groups.values())
    for name, value in located.items():
        if again.get(name) != value:
            raise SettingsError(
                f"the setting {name} {value!r} is none of this version of DreamFlow",
                setting=name,
                value=value,
            )
    return groups
