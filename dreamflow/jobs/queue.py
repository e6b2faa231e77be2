"""A queue of renders: from a TOML file, or of clips that are all dreamed alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from dreamflow.core.errors import SettingsError
from dreamflow.core.files.documents import is_table, read_toml
from dreamflow.core.options.declaration import Options, warn_ineffective_settings
from dreamflow.core.options.validation import coerce
from dreamflow.core.schedules.timecode import Timecode
from dreamflow.core.text.did_you_mean import suggest_similar
from dreamflow.dream.options import DreamOptions
from dreamflow.media.options import ClipOptions, EncodeOptions
from dreamflow.media.read.sequences.picture_files import is_file_pattern
from dreamflow.media.sound.options import SoundOptions
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.settings.options import ShowOptions, SweepOptions, ZoomOptions
from dreamflow.pipelines.settings.paths import change_paths
from dreamflow.pipelines.settings.presets import load_preset, validate_settings
from dreamflow.temporal.options import CarryOptions

NON_SETTING_KEYS = ("source", "out", "preset", "command")
"""Keys of a [[render]] that are no settings."""
VIDEO_COMMAND, SWEEP_COMMAND, ZOOM_COMMAND, FRAME_COMMAND = "video", "sweep", "zoom", "frame"
VIDEO_OPTION_GROUPS: dict[str, type[Options]] = {
    "dream": DreamOptions,
    "carry": CarryOptions,
    "clip": ClipOptions,
    "encode": EncodeOptions,
    "show": ShowOptions,
    "sound": SoundOptions,
}
"""The groups of `video`, by their names in VideoSettings."""
OPTION_GROUPS_BY_COMMAND: dict[str, tuple[type[Options], ...]] = {
    SWEEP_COMMAND: (
        DreamOptions,
        CarryOptions,
        ShowOptions,
        ClipOptions,
        EncodeOptions,
        SoundOptions,
        SweepOptions,
    ),
    ZOOM_COMMAND: (DreamOptions, ZoomOptions, EncodeOptions, SoundOptions),
    FRAME_COMMAND: (DreamOptions, CarryOptions, ShowOptions, ClipOptions, SoundOptions),
}
"""The settings of the commands that a queue knows besides `video`."""
EXCLUDED_SETTINGS_BY_COMMAND = {
    SWEEP_COMMAND: frozenset({"layer", "loop"}),
    FRAME_COMMAND: frozenset({"start", "end", "every", "fps", "decoder", "audio_out"}),
}
"""Settings of these groups that a command does not take."""


@dataclass(frozen=True)
class QueuedVideo:
    """One clip to be dreamed.

    Attributes:
        source: The clip.
        out: The output.
        settings: All settings.
    """

    source: Path
    out: Path
    settings: VideoSettings


@dataclass(frozen=True)
class QueuedCommand:
    """One run of another command than `video`.

    Attributes:
        command: `sweep`, `zoom` or `frame`.
        source: The picture or clip; None for a zoom into noise.
        out: The output.
        settings: The settings given, by name; `at`, the frame of a clip, is one of them.
    """

    command: str
    source: Path | None
    out: Path
    settings: Mapping[str, Any]


def read_queue(path: Path) -> list[QueuedVideo | QueuedCommand]:
    """Return the renders of a queue.

        [defaults]          # settings for all renders, as in a preset, and `preset`
        preset = "fur"

        [[render]]          # each with a source, an output, and settings that override the others
        source = "a.mp4"
        out = "a_dream.mp4"
        step = 2.0
        command = "video"   # the default; or sweep, zoom or frame

    A render's settings override its preset's, and these override the defaults.

    Args:
        path: A TOML file. Paths in it are looked for from its folder.

    Raises:
        SettingsError: The file is not TOML; a key is unknown or missing, or its value out of range;
            or two renders have the same output. The error names the render and the key.
    """
    content = read_toml(path)
    tables = content.get("render", [])
    _check_sections(content, path)
    where = f"{path}, [defaults]"
    common = resolve_table_settings(content.get("defaults", {}), where, path.parent)
    renders: list[QueuedVideo | QueuedCommand] = []
    for number, table in enumerate(tables, start=1):
        where = f"{path}, [[render]] {number}"
        render = _read_render(table, common, where, path.parent)
        if any(render.out.absolute() == earlier.out.absolute() for earlier in renders):
            raise SettingsError(f"{where}: the output {render.out} is named twice", where=where)
        # Only the render's own keys: a default may well be ineffective in one of the renders.
        keys = {key.replace("-", "_") for key in table}
        warn_ineffective_settings(keys, *get_option_groups(render), prefix=f"{where}: ")
        renders.append(render)
    return renders


def _check_sections(content: Mapping[str, Any], path: Path) -> None:
    if unknown := set(content) - {"defaults", "render"}:
        name = min(unknown)
        hint = suggest_similar(name, ("defaults", "render"))
        hint = hint or "; it has [defaults] and [[render]]s"
        raise SettingsError(f"{path}: {name} is unknown{hint}", where=str(path))
    defaults, tables = content.get("defaults", {}), content.get("render", [])
    if not isinstance(defaults, dict) or not isinstance(tables, list) or not tables:
        raise SettingsError(
            f"{path} has no [[render]]: each needs a source and an out", where=str(path)
        )


def _read_render(
    table: Any, common: Mapping[str, Any], where: str, folder: Path
) -> QueuedVideo | QueuedCommand:
    """Return the render of a table. Raises SettingsError."""
    command = parse_command(table, where)
    source = folder / table["source"] if "source" in table else None
    out = folder / table["out"]
    try:
        if source is None or command != VIDEO_COMMAND:
            settings = resolve_command_settings(command, common, table, where, folder)
            return QueuedCommand(command, source, out, settings)
        settings = {**common, **resolve_table_settings(table, where, folder)}
        return QueuedVideo(source, out, build_video_settings(settings))
    except SettingsError as error:
        if error.message.startswith(where):
            raise
        raise error.located(where) from None


def get_option_groups(render: QueuedVideo | QueuedCommand) -> list[Options]:
    """Return all settings of a render, in their groups."""
    if isinstance(render, QueuedCommand):
        return build_option_groups(OPTION_GROUPS_BY_COMMAND[render.command], render.settings)
    return list(vars(render.settings).values())


def parse_command(table: Any, where: str) -> str:
    """Return the command of a [[render]].

    Raises:
        SettingsError: The command is unknown, or the table lacks a source or an output.
    """
    command = table.get("command", VIDEO_COMMAND) if is_table(table) else VIDEO_COMMAND
    commands = (VIDEO_COMMAND, *OPTION_GROUPS_BY_COMMAND)
    if command not in commands:
        raise SettingsError(
            f"{where}: command = {command!r}; there are {', '.join(commands)}",
            setting="command",
            value=command,
            allowed=", ".join(commands),
            where=where,
        )
    required = {"source", "out"}
    if command == ZOOM_COMMAND and "source" not in table:
        required = {"out"}
    if not is_table(table) or not all(isinstance(table.get(key), str) for key in required):
        raise SettingsError(f"{where}: it needs a source and an out", where=where)
    return command


def resolve_command_settings(
    command: str, common: Mapping[str, Any], table: Mapping[str, Any], where: str, folder: Path
) -> dict[str, Any]:
    """Return the checked settings of a run, by name.

    Args:
        command: The command.
        common: Settings for all renders; those that the command does not take are left out.
        table: The run's own table.
        where: The table, for errors.
        folder: Where paths are looked for.

    Raises:
        SettingsError: The command does not take a setting of the table, or a value is wrong.
    """
    groups = OPTION_GROUPS_BY_COMMAND[command]
    names = {f.name for group in groups for f in fields(group)}  # type: ignore[arg-type]
    names -= EXCLUDED_SETTINGS_BY_COMMAND.get(command, frozenset())
    given = dict(table)
    at = given.pop("at", None) if command != SWEEP_COMMAND else None
    own = resolve_table_settings(given, where, folder)
    if others := set(own) - names:
        raise SettingsError(f"{min(others)} is not a setting of `dreamflow {command}`")
    settings = {name: value for name, value in common.items() if name in names} | own
    build_option_groups(groups, settings)
    return settings | ({} if at is None else {"at": parse_frame_timecode(at)})


def parse_frame_timecode(value: Any) -> str:
    """Return the text of a timecode; a frame may be given by its number.

    Raises:
        SettingsError: It is not a timecode.
    """
    text = coerce("at", value, str)
    try:
        Timecode.parse(text)
    except SettingsError as error:
        raise error.located("at", " ") from None
    return text


def build_option_groups(
    groups: Iterable[type[Options]], settings: Mapping[str, Any]
) -> list[Options]:
    """Return groups with those of the settings that they have. Raises SettingsError."""
    return [
        group(**{f.name: settings[f.name] for f in fields(group) if f.name in settings})  # type: ignore[arg-type]
        for group in groups
    ]


def queue_clips(
    clips: Sequence[Path], folder: Path, suffix: str, settings: VideoSettings
) -> list[QueuedVideo]:
    """Return the renders of clips into a folder, each under its own name.

    Args:
        clips: The clips.
        folder: Where the outputs go.
        suffix: Suffix of the outputs, with or without its dot; "" for folders of PNGs.
        settings: Settings of all renders.

    Raises:
        SettingsError: Two outputs would have the same name.
    """
    suffix = f".{suffix.lstrip('.')}" if suffix else ""
    renders: dict[Path, QueuedVideo] = {}
    for clip in clips:
        name = clip.parent.resolve().name if is_file_pattern(clip) else clip.stem
        out = folder / f"{clip.resolve().name if clip.is_dir() else name}{suffix}"
        if out in renders:
            raise SettingsError(
                f"{renders[out].source} and {clip} would both become {out}: give one another name"
            )
        renders[out] = QueuedVideo(clip, out, settings)
    return list(renders.values())


def resolve_table_settings(table: Mapping[str, Any], where: str, folder: Path) -> dict[str, Any]:
    """Return the checked settings of a table, by name, over those of its preset.

    Args:
        table: Settings, and keys that are none.
        where: The table, for errors.
        folder: Where paths are looked for.

    Raises:
        SettingsError: A setting or the preset is unknown, or a value is wrong.
    """
    given = {key: value for key, value in table.items() if key not in NON_SETTING_KEYS}
    preset = table.get("preset")
    if preset is not None and not isinstance(preset, str):
        raise SettingsError(f"{where}: preset = {preset!r} is not a text", where=where)
    settings: dict[str, Any] = {}
    if preset:
        beside = folder / preset
        _, settings = load_preset(str(beside) if beside.suffix == ".toml" else preset)
    settings |= validate_settings(given, where)
    return change_paths(settings, lambda path: str((folder / path).absolute()))


def build_video_settings(settings: Mapping[str, Any]) -> VideoSettings:
    """Return settings by name in their groups.

    Raises:
        SettingsError: A setting is not one of a video, or settings do not fit together.
    """
    groups = build_option_groups(VIDEO_OPTION_GROUPS.values(), settings)
    known = {f.name for group in VIDEO_OPTION_GROUPS.values() for f in fields(group)}  # type: ignore[arg-type]
    if others := set(settings) - known:
        raise SettingsError(f"{min(others)} is not a setting of `dreamflow video`")
    return VideoSettings(**dict(zip(VIDEO_OPTION_GROUPS, groups, strict=True)))  # type: ignore[arg-type]
