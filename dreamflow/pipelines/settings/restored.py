"""Settings made again of the record that they were kept in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

from dreamflow.core.errors import SettingsError
from dreamflow.core.options.declaration import Options, resolve_field_types
from dreamflow.core.options.validation import read_setting_text
from dreamflow.pipelines.settings.groups import VideoSettings, saved_settings_dict
from dreamflow.pipelines.settings.paths import change_paths


def restore_video_settings(recorded: Mapping[str, Any], folder: Path) -> VideoSettings:
    """Return the settings of a clip whose record has these.

    Args:
        recorded: All saved settings of a video, by name, as plain values.
        folder: What relative paths in them count from.

    Raises:
        SettingsError: They are none of this version's, or lose something on the way.
    """
    located = change_paths(recorded, lambda path: str(folder / path))
    groups: dict[str, Any] = {}
    for part in fields(VideoSettings):
        group = type(cast(Options, getattr(VideoSettings, part.name)))
        types = resolve_field_types(group)
        groups[part.name] = group(
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
    return VideoSettings(**groups)
