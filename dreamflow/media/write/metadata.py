"""The settings that travel with an output: inside the file, and in a .json beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import av.error

from dreamflow.core.errors import OutputError, SettingsError
from dreamflow.media.stills import is_picture, make_exif_description, read_comment

RECORD_VERSION_KEY = "dreamflow"
"""The key that tells our comments from others: its value is the version that wrote them."""
REQUESTED_SETTINGS_KEY = "asked"
"""The key of those settings, as they were given, that stand otherwise among a record's."""
VP8X_EXIF_FLAG = 0x08
"""Of the features in a WebP's first chunk, VP8X."""
FOLDER_SETTINGS_FILE = "settings.json"


def sidecar_path(output: Path) -> Path:
    """Return the path of the .json beside an output: `dream.mp4.json`, or in a folder of PNGs."""
    if output.is_dir() or not output.suffix:
        return output / FOLDER_SETTINGS_FILE
    return output.with_name(output.name + ".json")


def format_record_comment(record: dict[str, Any], ascii_only: bool = False) -> str:
    """Return a record as the one line of JSON that is embedded in a file; plain: in ASCII."""
    return json.dumps(record, ensure_ascii=ascii_only, separators=(",", ":"))


def write_sidecar(output: Path, record: dict[str, Any]) -> None:
    """Write the .json beside an output."""
    path = sidecar_path(output)
    try:
        path.write_text(json.dumps(record, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}") from error


def read_record(output: Path) -> dict[str, Any]:
    """Return the record of an output: what is embedded in it, else the .json beside it.

    A .json itself is read as it is. Raises SettingsError where there is none.
    """
    if not output.exists():
        raise SettingsError(f"--like {output}: there is no such file")
    beside = output if output.suffix.lower() == ".json" else sidecar_path(output)
    texts = [] if output == beside or output.is_dir() else [read_embedded_comment(output)]
    if beside.is_file():
        texts.append(beside.read_text(encoding="utf-8", errors="replace"))
    for text in texts:
        try:
            record = json.loads(text)
        except ValueError:
            continue
        if isinstance(record, dict) and RECORD_VERSION_KEY in record:
            return record
    raise SettingsError(
        f"--like {output}: it holds no DreamFlow settings, and neither does {beside.name} beside it"
    )


def read_record_if_any(output: Path) -> dict[str, Any]:
    """Return the record of an output, or {} where it has none."""
    try:
        return read_record(output)
    except SettingsError:
        return {}


def requested_settings(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record's settings as they were asked for, before channels were picked by them."""
    return {**record.get("settings", {}), **record.get(REQUESTED_SETTINGS_KEY, {})}


def read_recorded_settings(output: Path) -> dict[str, Any]:
    """Return the settings that an output was made with, or {} where it does not say."""
    settings = read_record_if_any(output).get("settings")
    return settings if isinstance(settings, dict) else {}


def add_gif_comment(path: Path, text: str) -> None:
    """Put a comment into a GIF, right after its header (GIF89a specification, section 24)."""
    whole = path.read_bytes()
    flags = whole[10]
    colours = 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0
    at, data = 13 + colours, text.encode()
    blocks = b"".join(
        bytes([len(data[i : i + 255])]) + data[i : i + 255] for i in range(0, len(data), 255)
    )
    path.write_bytes(whole[:at] + b"\x21\xfe" + blocks + b"\x00" + whole[at:])


def add_webp_comment(path: Path, text: str) -> None:
    """Put a description into an animated WebP, as an EXIF chunk at its end (RFC 9649, 2.7)."""
    whole, exif = bytearray(path.read_bytes()), make_exif_description(text)
    exif += b"\0" * (len(exif) % 2)
    whole[20] |= VP8X_EXIF_FLAG
    whole += b"EXIF" + len(exif).to_bytes(4, "little") + exif
    whole[4:8] = (len(whole) - 8).to_bytes(4, "little")
    path.write_bytes(whole)


def read_embedded_comment(output: Path) -> str:
    """Return the comment inside a film or picture, or an empty string."""
    if is_picture(output) or output.suffix.lower() == ".gif":
        return read_comment(output)
    try:
        with av.open(str(output.absolute())) as container:
            tags = {key.lower(): value for key, value in container.metadata.items()}
    except (av.error.FFmpegError, ValueError):
        return ""
    return tags.get("comment", "")
