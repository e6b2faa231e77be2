"""A queue of renders: from a TOML file, or of clips that are all to be dreamed alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from dreamflow.errors import SettingsError, nearest
from dreamflow.media.cutlist import FOUND
from dreamflow.media.pictures import is_glob
from dreamflow.options import (
    CarryOptions,
    ClipOptions,
    DreamOptions,
    EncodeOptions,
    GuideOptions,
    ShowOptions,
    SweepOptions,
    VideoSettings,
    ZoomOptions,
)
from dreamflow.presets import checked, load_preset, read_toml
from dreamflow.settings import Options, warn_of_idle

OWN_KEYS = ("source", "out", "preset", "command")
VIDEO, SWEEP, ZOOM, FRAME = "video", "sweep", "zoom", "frame"
GROUPS_OF: dict[str, tuple[type[Options], ...]] = {
    SWEEP: (DreamOptions, CarryOptions, ShowOptions, ClipOptions, EncodeOptions, SweepOptions),
    ZOOM: (DreamOptions, ZoomOptions, EncodeOptions),
    FRAME: (DreamOptions, CarryOptions, ShowOptions, ClipOptions),
}
"""The settings of the commands that a queue knows besides `video`."""
NOT_OF = {
    SWEEP: frozenset({"layer", "loop"}),
    FRAME: frozenset({"start", "end", "every", "fps", "decoder"}),
}
"""Those of them that they have no use for."""


@dataclass(frozen=True)
class Render:
    """One render of a queue."""

    source: Path
    out: Path
    settings: VideoSettings


@dataclass(frozen=True)
class Run:
    """One run, in a queue, of another command than `video`. source: None of a zoom into noise.

    settings: by name, as far as they were given; `at` too, the frame of a clip that is wanted.
    """

    command: str
    source: Path | None
    out: Path
    settings: Mapping[str, Any]


def read_queue(path: Path) -> list[Render | Run]:
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
        hint = nearest(name, ("defaults", "render")) or "; it has [defaults] and [[render]]s"
        raise SettingsError(f"{path}: {name} is unknown{hint}")
    defaults, tables = content.get("defaults", {}), content.get("render", [])
    if not isinstance(defaults, dict) or not isinstance(tables, list) or not tables:
        raise SettingsError(f"{path} has no [[render]]: each needs a source and an out")
    common = settings_of(defaults, f"{path}, [defaults]", path.parent)
    renders: list[Render | Run] = []
    for number, table in enumerate(tables, start=1):
        where = f"{path}, [[render]] {number}"
        command = command_of(table, where)
        source = path.parent / table["source"] if "source" in table else None
        out = path.parent / table["out"]
        if any(out.absolute() == before.out.absolute() for before in renders):
            raise SettingsError(f"{where}: the output {out} is named twice")
        try:
            if source is None or command != VIDEO:
                settings = run_settings(command, common, table, where, path.parent)
                renders.append(Run(command, source, out, settings))
            else:
                chosen = common | settings_of(table, where, path.parent)
                renders.append(Render(source, out, video_settings(chosen)))
        except SettingsError as error:
            said = str(error)
            raise SettingsError(said if said.startswith(where) else f"{where}: {said}") from error
        # A default is for the others, too: it may well do nothing for one of them.
        given = {key.replace("-", "_") for key in table}
        warn_of_idle(given, *groups_of(renders[-1]), where=f"{where}: ")
    return renders


def groups_of(render: Render | Run) -> list[Options]:
    """Return all settings of a render, in their groups."""
    if isinstance(render, Run):
        return groups_with(GROUPS_OF[render.command], render.settings)
    return list(vars(render.settings).values())


def command_of(table: Any, where: str) -> str:
    """Return the command of a render that names what it needs. Raises SettingsError."""
    command = table.get("command", VIDEO) if isinstance(table, dict) else VIDEO
    if command not in (known := (VIDEO, *GROUPS_OF)):
        raise SettingsError(f"{where}: command = {command!r}; there are {', '.join(known)}")
    needed = {"source", "out"}
    if command == ZOOM and "source" not in table:
        needed = {"out"}
    if not isinstance(table, dict) or not all(isinstance(table.get(key), str) for key in needed):
        raise SettingsError(f"{where}: it needs a source and an out")
    return command


def run_settings(
    command: str, common: dict[str, Any], table: dict[str, Any], where: str, folder: Path
) -> dict[str, Any]:
    """Return the settings of a run; of those for all, the ones that its command has."""
    groups = GROUPS_OF[command]
    names = {f.name for group in groups for f in fields(group)}  # type: ignore[arg-type]
    names -= NOT_OF.get(command, frozenset())
    given = dict(table)
    when = {"at": given.pop("at")} if "at" in table and command != SWEEP else {}
    own = settings_of(given, where, folder)
    if strange := set(own) - names:
        raise SettingsError(f"{min(strange)} is not a setting of `dreamflow {command}`")
    chosen = {name: value for name, value in common.items() if name in names} | own
    groups_with(groups, chosen)
    return chosen | ({"at": GuideOptions(**when).at} if when else {})


def groups_with(groups: Iterable[type[Options]], settings: Mapping[str, Any]) -> list[Options]:
    """Return groups made with those of some settings that are theirs. Raises SettingsError."""
    return [
        group(**{f.name: settings[f.name] for f in fields(group) if f.name in settings})  # type: ignore[arg-type]
        for group in groups
    ]


def queue_of(
    clips: Sequence[Path], folder: Path, suffix: str, settings: VideoSettings
) -> list[Render]:
    """Return the renders of clips into a folder, each under its own name with another suffix.

    Raises SettingsError where two would get the same name.
    """
    suffix = f".{suffix.lstrip('.')}" if suffix else ""
    renders: dict[Path, Render] = {}
    for clip in clips:
        name = clip.parent.resolve().name if is_glob(clip) else clip.stem
        out = folder / f"{clip.resolve().name if clip.is_dir() else name}{suffix}"
        if out in renders:
            raise SettingsError(
                f"{renders[out].source} and {clip} would both become {out}: give one another name"
            )
        renders[out] = Render(clip, out, settings)
    return list(renders.values())


def settings_of(table: dict[str, Any], where: str, folder: Path) -> dict[str, Any]:
    """Return the checked settings of a table, over those of its preset."""
    given = dict(table)
    preset = given.pop("preset", None)
    for key in OWN_KEYS:
        given.pop(key, None)
    if preset is not None and not isinstance(preset, str):
        raise SettingsError(f"{where}: preset = {preset!r} is not a text")
    chosen: dict[str, Any] = {}
    if preset:
        beside = folder / preset
        chosen = load_preset(str(beside) if beside.suffix == ".toml" else preset)[1]
    chosen |= checked(given, where)
    if chosen.get("cuts", FOUND[0]) not in FOUND:
        chosen["cuts"] = str((folder / chosen["cuts"]).absolute())
    for key in ("flow_dir", "matte", "guided_by"):
        if chosen.get(key) is not None:
            chosen[key] = str((folder / chosen[key]).absolute())
    return chosen


def video_settings(settings: dict[str, Any]) -> VideoSettings:
    """Return settings by name in their groups. Raises SettingsError for those not of a video."""
    groups: dict[str, Any] = {f.name: type(f.default) for f in fields(VideoSettings)}
    made = {
        name: group(**{f.name: settings.pop(f.name) for f in fields(group) if f.name in settings})
        for name, group in groups.items()
    }
    if settings:
        raise SettingsError(f"{min(settings)} is not a setting of `dreamflow video`")
    return VideoSettings(**made)
