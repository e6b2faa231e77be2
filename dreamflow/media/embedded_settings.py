"""The record of an output's settings: embedded in the file, and in a .json beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av.error

from dreamflow.core.errors import MediaError, OutputError, SettingsError, named
from dreamflow.core.regular_file import parse_json, read_file_text
from dreamflow.media.picture_comments import read_comment
from dreamflow.media.read.video.film_file import open_film
from dreamflow.media.stills import is_picture

RECORD_VERSION_KEY = "dreamflow"
"""Key of the version that wrote a record; it tells records from other comments."""
REQUESTED_SETTINGS_KEY = "asked"
"""Key of the settings as they were given, where a record's own differ from them."""
MAX_RECORD_BYTES = 15 * 2**20
"""Bytes of a record: FFmpeg reads texts of up to 16 MiB from Matroska."""
FOLDER_SETTINGS_FILE = "settings.json"
"""Name of the record in a folder of pictures."""


def sidecar_path(output: Path) -> Path:
    """Return the path of an output's .json: `dream.mp4.json`, or a file in a folder of PNGs."""
    if output.is_dir() or not output.suffix:
        return output / FOLDER_SETTINGS_FILE
    return output.with_name(output.name + ".json")


def format_record_comment(record: dict[str, Any], ascii_only: bool = False) -> str:
    """Return a record as one line of JSON, to be embedded in a file."""
    text = json.dumps(record, ensure_ascii=ascii_only, separators=(",", ":"))
    # The halves that stand for bytes of a name that is not UTF-8 are escaped, as JSON does it.
    return text.encode(errors="backslashreplace").decode()


def check_record_length(record: dict[str, Any]) -> None:
    """Check that every format can hold a record.

    Raises:
        SettingsError: It is too long.
    """
    length = len(format_record_comment(record, ascii_only=True))
    if length > MAX_RECORD_BYTES:
        raise SettingsError(
            f"the settings have {length / 2**20:.0f} MB, and an output holds at most "
            f"{MAX_RECORD_BYTES / 2**20:.0f} MB of them: use fewer keyframes",
            value=length,
            allowed=f"at most {MAX_RECORD_BYTES} bytes",
        )


def write_sidecar(output: Path, record: dict[str, Any]) -> None:
    """Write the record into the .json beside an output.

    Raises:
        OutputError: It cannot be written.
    """
    path = sidecar_path(output)
    try:
        text = json.dumps(record, ensure_ascii=False, indent=2) + "\n"
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}", where=str(path)) from error


def read_record(output: Path) -> dict[str, Any]:
    """Return the record of an output: the embedded one, else that in the .json beside it.

    Args:
        output: A video, picture, folder of pictures, or the .json itself.

    Raises:
        SettingsError: There is no such file, or no record.
    """
    if not output.exists():
        raise SettingsError(
            f"{named('like')} {output}: there is no such file",
            setting="like",
            value=str(output),
            where=str(output),
        )
    sidecar = output if output.suffix.lower() == ".json" else sidecar_path(output)
    texts: list[str] = []
    if output != sidecar and not output.is_dir():
        texts.append(read_embedded_comment(output))
    if sidecar.is_file():
        texts.append(_read_sidecar(sidecar))
    for text in texts:
        try:
            record = parse_json(text)
        except ValueError:
            continue
        if isinstance(record, dict) and RECORD_VERSION_KEY in record:
            return record
    raise SettingsError(
        f"{named('like')} {output}: it holds no DreamFlow settings, and neither does "
        f"{sidecar.name} beside it",
        setting="like",
        value=str(output),
        where=str(output),
    )


def _read_sidecar(path: Path) -> str:
    try:
        return read_file_text(path, errors="replace")
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be read: {error.strerror}", setting="like", where=str(path)
        ) from error


def read_record_if_any(output: Path) -> dict[str, Any]:
    """Return the record of an output, or {} where it has none."""
    try:
        return read_record(output)
    except SettingsError:
        return {}


def requested_settings(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record's settings as they were given, before channels were picked by them."""
    return {**record.get("settings", {}), **record.get(REQUESTED_SETTINGS_KEY, {})}


def read_recorded_settings(output: Path) -> dict[str, Any]:
    """Return the settings in the record of an output, or {} where it has none."""
    settings = read_record_if_any(output).get("settings")
    return settings if isinstance(settings, dict) else {}


def read_embedded_comment(output: Path) -> str:
    """Return the comment inside a video or picture, or "" where it has none."""
    if is_picture(output) or output.suffix.lower() == ".gif":
        return read_comment(output)
    try:
        with open_film(output) as container:
            tags = {key.lower(): value for key, value in container.metadata.items()}
    except (av.error.FFmpegError, MediaError, ValueError):
        return ""
    return tags.get("comment", "")
