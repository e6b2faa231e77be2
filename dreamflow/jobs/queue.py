"""A queue of renders: from a TOML file, or of clips that are all to be dreamed alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from dreamflow.core.errors import SettingsError, named, suggest_similar
from dreamflow.core.options.declaration import Options, coerce, warn_ineffective_settings
from dreamflow.core.schedules.timecode import Timecode
from dreamflow.dream.options import DreamOptions
from dreamflow.media.options import ClipOptions, EncodeOptions
from dreamflow.media.read.cut_list import CUTS_KEYWORDS
from dreamflow.media.read.picture_folder import is_glob
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.settings.options import ShowOptions, SweepOptions, ZoomOptions
from dreamflow.pipelines.settings.presets import load_preset, read_toml, validate_settings
from dreamflow.temporal.options import CarryOptions

NON_SETTING_KEYS = ("source", "out", "preset", "command")
VIDEO_COMMAND, SWEEP_COMMAND, ZOOM_COMMAND, FRAME_COMMAND = "video", "sweep", "zoom", "frame"
OPTION_GROUPS_BY_COMMAND: dict[str, tuple[type[Options], ...]] = {
    SWEEP_COMMAND: (
        DreamOptions,
        CarryOptions,
        ShowOptions,
        ClipOptions,
        EncodeOptions,
        SweepOptions,
    ),
    ZOOM_COMMAND: (DreamOptions, ZoomOptions, EncodeOptions),
    FRAME_COMMAND: (DreamOptions, CarryOptions, ShowOptions, ClipOptions),
}
"""The settings of the commands that a queue knows besides `video`."""
EXCLUDED_SETTINGS_BY_COMMAND = {
    SWEEP_COMMAND: frozenset({"layer", "loop"}),
    FRAME_COMMAND: frozenset({"start", "end", "every", "fps", "decoder"}),
}
"""Those of them that they have no use for."""


@dataclass(frozen=True)
class QueuedVideo:
    """One render of a queue."""

    source: Path
    out: Path
    settings: VideoSettings


@dataclass(frozen=True)
class QueuedCommand:
    """One run, in a queue, of another command than `video`. source: None of a zoom into noise.

    settings: by name, as far as they were given; `at` too, the frame of a clip that is wanted.
    """

    command: str
    source: Path | None
    out: Path
    settings: Mapping[str, Any]


def read_queue(path: Path) -> list[QueuedVideo | QueuedCommand]:
    """Return the renders of a queue:

        [defaults]          # settings for all: those of presets, and `preset`
        preset = "fur"

        [[render]]          # each with a source, an output, and settings that beat the others
        source = "a.mp4"
        out = "a_dream.mp4"
        step = 2.0
        command = "video"   # the usual one; or sweep, zoom or frame

    Paths are looked for from the file's folder. A render's settings beat its preset's, and these
    the defaults. Raises SettingsError, with the render and the key, for a file that is no TOML,
    what is unknown, missing or out of range, or an output that is named twice.
    """
    content = read_toml(path)
    if strange := set(content) - {"defaults", "render"}:
        name = min(strange)
        hint = (
            suggest_similar(name, ("defaults", "render")) or "; it has [defaults] and [[render]]s"
        )
        raise SettingsError(f"{path}: {name} is unknown{hint}")
    defaults, tables = content.get("defaults", {}), content.get("render", [])
    if not isinstance(defaults, dict) or not isinstance(tables, list) or not tables:
        raise SettingsError(f"{path} has no [[render]]: each needs a source and an out")
    common = resolve_table_settings(defaults, f"{path}, [defaults]", path.parent)
    renders: list[QueuedVideo | QueuedCommand] = []
    for number, table in enumerate(tables, start=1):
        where = f"{path}, [[render]] {number}"
        command = parse_command(table, where)
        source = path.parent / table["source"] if "source" in table else None
        out = path.parent / table["out"]
        if any(out.absolute() == before.out.absolute() for before in renders):
            raise SettingsError(f"{where}: the output {out} is named twice")
        try:
            if source is None or command != VIDEO_COMMAND:
                settings = resolve_command_settings(command, common, table, where, path.parent)
                renders.append(QueuedCommand(command, source, out, settings))
            else:
                chosen = common | resolve_table_settings(table, where, path.parent)
                renders.append(QueuedVideo(source, out, build_video_settings(chosen)))
        except SettingsError as error:
            said = str(error)
            raise SettingsError(said if said.startswith(where) else f"{where}: {said}") from error
        # A default is for the others, too: it may well do nothing for one of them.
        given = {key.replace("-", "_") for key in table}
        warn_ineffective_settings(given, *get_option_groups(renders[-1]), prefix=f"{where}: ")
    return renders


def get_option_groups(render: QueuedVideo | QueuedCommand) -> list[Options]:
    """Return all settings of a render, in their groups."""
    if isinstance(render, QueuedCommand):
        return build_option_groups(OPTION_GROUPS_BY_COMMAND[render.command], render.settings)
    return list(vars(render.settings).values())


def parse_command(table: Any, where: str) -> str:
    """Return the command of a render that names what it needs. Raises SettingsError."""
    command = table.get("command", VIDEO_COMMAND) if isinstance(table, dict) else VIDEO_COMMAND
    if command not in (known := (VIDEO_COMMAND, *OPTION_GROUPS_BY_COMMAND)):
        raise SettingsError(f"{where}: command = {command!r}; there are {', '.join(known)}")
    needed = {"source", "out"}
    if command == ZOOM_COMMAND and "source" not in table:
        needed = {"out"}
    if not isinstance(table, dict) or not all(isinstance(table.get(key), str) for key in needed):
        raise SettingsError(f"{where}: it needs a source and an out")
    return command


def resolve_command_settings(
    command: str, common: dict[str, Any], table: dict[str, Any], where: str, folder: Path
) -> dict[str, Any]:
    """Return the settings of a run; of those for all, the ones that its command has."""
    groups = OPTION_GROUPS_BY_COMMAND[command]
    names = {f.name for group in groups for f in fields(group)}  # type: ignore[arg-type]
    names -= EXCLUDED_SETTINGS_BY_COMMAND.get(command, frozenset())
    given = dict(table)
    at = given.pop("at", None) if command != SWEEP_COMMAND else None
    own = resolve_table_settings(given, where, folder)
    if strange := set(own) - names:
        raise SettingsError(f"{min(strange)} is not a setting of `dreamflow {command}`")
    chosen = {name: value for name, value in common.items() if name in names} | own
    build_option_groups(groups, chosen)
    return chosen | ({"at": parse_frame_timecode(at)} if at is not None else {})


def parse_frame_timecode(value: Any) -> str:
    """Return the text of a timecode: of a frame number, its digits. Raises SettingsError."""
    text = coerce("at", value, str)
    try:
        Timecode.parse(text)
    except SettingsError as error:
        raise error.located(named("at"), " ") from None
    return text


def build_option_groups(
    groups: Iterable[type[Options]], settings: Mapping[str, Any]
) -> list[Options]:
    """Return groups made with those of some settings that are theirs. Raises SettingsError."""
    return [
        group(**{f.name: settings[f.name] for f in fields(group) if f.name in settings})  # type: ignore[arg-type]
        for group in groups
    ]


def queue_clips(
    clips: Sequence[Path], folder: Path, suffix: str, settings: VideoSettings
) -> list[QueuedVideo]:
    """Return the renders of clips into a folder, each under its own name with another suffix.

    Raises SettingsError where two would get the same name.
    """
    suffix = f".{suffix.lstrip('.')}" if suffix else ""
    renders: dict[Path, QueuedVideo] = {}
    for clip in clips:
        name = clip.parent.resolve().name if is_glob(clip) else clip.stem
        out = folder / f"{clip.resolve().name if clip.is_dir() else name}{suffix}"
        if out in renders:
            raise SettingsError(
                f"{renders[out].source} and {clip} would both become {out}: give one another name"
            )
        renders[out] = QueuedVideo(clip, out, settings)
    return list(renders.values())


def resolve_table_settings(table: dict[str, Any], where: str, folder: Path) -> dict[str, Any]:
    """Return the checked settings of a table, over those of its preset."""
    given = dict(table)
    preset = given.pop("preset", None)
    for key in NON_SETTING_KEYS:
        given.pop(key, None)
    if preset is not None and not isinstance(preset, str):
        raise SettingsError(f"{where}: preset = {preset!r} is not a text")
    chosen: dict[str, Any] = {}
    if preset:
        beside = folder / preset
        chosen = load_preset(str(beside) if beside.suffix == ".toml" else preset)[1]
    chosen |= validate_settings(given, where)
    if chosen.get("cuts", CUTS_KEYWORDS[0]) not in CUTS_KEYWORDS:
        chosen["cuts"] = str((folder / chosen["cuts"]).absolute())
    for key in ("flow_dir", "matte", "guided_by"):
        if chosen.get(key) is not None:
            chosen[key] = str((folder / chosen[key]).absolute())
    return chosen


def build_video_settings(settings: dict[str, Any]) -> VideoSettings:
    """Return settings by name in their groups. Raises SettingsError for those not of a video."""
    groups: dict[str, Any] = {f.name: type(f.default) for f in fields(VideoSettings)}
    made = {
        name: group(**{f.name: settings.pop(f.name) for f in fields(group) if f.name in settings})
        for name, group in groups.items()
    }
    if settings:
        raise SettingsError(f"{min(settings)} is not a setting of `dreamflow video`")
    return VideoSettings(**made)
