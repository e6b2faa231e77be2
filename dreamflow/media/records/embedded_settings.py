"""The record of an output's settings: embedded in the file, and in a .json beside it."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any

import av.error

from dreamflow.core.errors import MediaError, OutputError, SettingsError, StorageWarning, named
from dreamflow.core.files.documents import DocumentError, fit_schema, is_table, parse_json
from dreamflow.core.files.regular_file import read_file_bytes
from dreamflow.media.depth.write_exr import read_exr_record
from dreamflow.media.files.atomic_file import make_write_error, part_path, sync_to_disk
from dreamflow.media.files.film_file import open_film
from dreamflow.media.records.picture_comments import read_comment
from dreamflow.media.records.record_schema import MAX_RECORD_BYTES, RecordDocument
from dreamflow.media.stills.read import is_picture

RECORD_VERSION_KEY = "dreamflow"
"""Key of the version that wrote a record; it tells records from other comments."""
REQUESTED_SETTINGS_KEY = "asked"
"""Key of the settings as they were given, where a record's own differ from them."""
MAX_EMBEDDED_BYTES = 15 * 2**20
"""Bytes of a record in an output: FFmpeg reads texts of up to 16 MiB from Matroska."""
FOLDER_SETTINGS_FILE = "settings.json"
"""Name of the record in a folder of pictures."""


def sidecar_path(output: Path) -> Path:
    """Return the path of an output's .json: `dream.mp4.json`, or a file in a folder of PNGs."""
    if output.is_dir() or not output.suffix:
        return output / FOLDER_SETTINGS_FILE
    return output.with_name(output.name + ".json")


def format_record_comment(record: dict[str, Any], ascii_only: bool = False) -> str:
    """Return a record as one line of JSON, to be embedded in a file."""
    return json.dumps(record, ensure_ascii=ascii_only, separators=(",", ":"))


def check_record_length(record: dict[str, Any]) -> None:
    """Check that every format can hold a record.

    Raises:
        SettingsError: It is too long.
    """
    length = len(format_record_comment(record, ascii_only=True))
    if length > MAX_EMBEDDED_BYTES:
        raise SettingsError(
            f"the settings have {length / 2**20:.0f} MB, and an output holds at most "
            f"{MAX_EMBEDDED_BYTES / 2**20:.0f} MB of them: use fewer keyframes",
            value=length,
            allowed=f"at most {MAX_EMBEDDED_BYTES} bytes",
        )


def write_sidecar(output: Path, record: dict[str, Any], part_folder: Path | None = None) -> None:
    """Write the record into the .json beside an output, completely or not at all.

    Args:
        output: The output.
        record: The record.
        part_folder: Where the unfinished file lies, on the same drive; None is beside the output.

    Raises:
        OutputError: It cannot be written, or another file of that name is there.
    """
    path = sidecar_path(output)
    if os.path.lexists(path) and not is_record_file(path):
        raise OutputError(
            f"{path} is not of DreamFlow's making, and is left as it is", where=str(path)
        )
    text = json.dumps(record, ensure_ascii=False, indent=2) + "\n"
    part = part_path(path if part_folder is None else part_folder / path.name)
    try:
        part.write_text(text, encoding="utf-8")
        sync_to_disk(part)
        part.replace(path)
    except OSError as error:
        raise make_write_error(path, error) from error
    finally:
        part.unlink(missing_ok=True)


def is_record_file(path: Path) -> bool:
    """Return whether a .json file is a record that DreamFlow wrote, or an empty file."""
    try:
        content = read_file_bytes(path, MAX_RECORD_BYTES)
        record = parse_json(content) if content else {RECORD_VERSION_KEY: ""}
    except (OSError, DocumentError):
        return False
    return isinstance(record, dict) and (RECORD_VERSION_KEY in record or not record)


def add_sidecar(output: Path, record: dict[str, Any], part_folder: Path | None = None) -> None:
    """Write the record beside an output; warns where that cannot be, since it is in it too."""
    try:
        write_sidecar(output, record, part_folder)
    except OutputError as error:
        warnings.warn(f"{error.message}; the settings are in the output alone", StorageWarning, 2)


def read_record(output: Path) -> dict[str, Any]:
    """Return the record of an output: the embedded one, else that in the .json beside it.

    Args:
        output: A video, picture, folder of pictures, or the .json itself.

    Raises:
        SettingsError: There is no such file, or no record, or one that is damaged.
    """
    if not output.exists():
        raise SettingsError(
            f"{named('like')} {output}: there is no such file",
            setting="like",
            value=str(output),
            where=str(output),
        )
    sidecar = output if output.suffix.lower() == ".json" else sidecar_path(output)
    documents: list[bytes | str] = []
    problem = ""
    if output != sidecar and not output.is_dir():
        documents.append(read_embedded_comment(output))
    try:
        if sidecar.exists():
            documents.append(read_file_bytes(sidecar, MAX_RECORD_BYTES))
    except OSError as error:
        problem = f"{sidecar.name} cannot be read: {error.strerror or error}"
    for document in documents:
        try:
            record = parse_json(document)
        except DocumentError:
            continue
        if is_table(record) and RECORD_VERSION_KEY in record:
            try:
                fit_schema(record, RecordDocument)
            except DocumentError as error:
                problem = f"its settings are damaged: {error}"
                continue
            return record
    if problem:
        raise SettingsError(
            f"{named('like')} {output}: {problem}",
            setting="like",
            value=str(output),
            where=str(output),
        )
    raise SettingsError(
        f"{named('like')} {output}: it holds no DreamFlow settings, and neither does "
        f"{sidecar.name} beside it",
        setting="like",
        value=str(output),
        where=str(output),
    )


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
    return read_record_if_any(output).get("settings", {})


def read_embedded_comment(output: Path) -> str:
    """Return the comment inside a video or picture, or "" where it has none."""
    if output.suffix.lower() == ".exr":
        return read_exr_record(output)
    if is_picture(output) or output.suffix.lower() == ".gif":
        return read_comment(output)
    try:
        with open_film(output) as container:
            tags = {key.lower(): value for key, value in container.metadata.items()}
    except (av.error.FFmpegError, MediaError, ValueError):
        return ""
    return tags.get("comment", "")
