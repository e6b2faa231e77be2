"""What a job was begun with, told from what it is given now."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dreamflow.core.errors import DreamFlowWarning, MediaError, SettingsError
from dreamflow.core.options.declaration import format_setting_value
from dreamflow.media.read.picture_folder import list_source_files
from dreamflow.media.write.metadata import RECORD_VERSION_KEY
from dreamflow.pipelines.reference_frames import REFERENCE_INPUT
from dreamflow.pipelines.settings.groups import diff_settings

MAX_FULL_HASH_BYTES = 16 * 2**20
"""Films up to this size are hashed whole; of larger ones, parts all over them."""
HASHED_PARTS = 64
HASHED_PART_BYTES = 64 * 2**10
LEGACY_MACHINE_DEFAULTS = {"precision": "float32"}
"""What a job worked in that does not say so: an older DreamFlow gave no choice."""
MAX_SHOWN_VALUE_CHARS = 60
"""Characters of a value, at most, that are shown of it."""
FLOW_INPUT = "--flow-dir"
"""The name of the input that files may be added to."""

MATTE_INPUT = "--matte"
"""The name of the input that says where the dream is shown."""
FIXED_MATTE_INPUT = "--matte files"
"""The same where none of its files may change, whether they were read or not."""

CUTS_INPUT = "--cuts file"
"""The name of the input that says where shots begin."""

SOURCE_INPUT = "source"
"""The name of the input that a preview is of."""

INPUTS_KEY = "inputs"
"""The key of a record under which it tells its inputs from others: for each, a hash."""

InputFiles = Mapping[str, Sequence[Path]]
"""The files that a render depends on, under the name that the user knows them by. Of several, those
that were not read yet may change: a picture that was broken is mended, flow that was missing is
added."""


def fingerprint_input(name: str, files: Sequence[Path]) -> list[list[str]]:
    """Return what tells an input's files from others: the name, size and hash of each.

    The hash is of all of a small file, and of parts all over a large one: of 64, or, where there
    are several files, of its two ends. Raises MediaError where a file is gone.
    """
    alone = len(files) == 1 and name != FLOW_INPUT
    return [_fingerprint_file(path, HASHED_PARTS if alone else 2) for path in files]


def fingerprint_inputs(inputs: InputFiles) -> dict[str, list[list[str]]]:
    """Return the fingerprint of each input, by its name."""
    return {name: fingerprint_input(name, files) for name, files in inputs.items()}


def hash_fingerprints(fingerprints: Mapping[str, list[list[str]]]) -> dict[str, str]:
    """Return a hash of each of some fingerprints, by its name."""
    return {
        name: hashlib.sha256(json.dumps(files).encode()).hexdigest()[:32]
        for name, files in fingerprints.items()
    }


def find_changed_inputs(
    record: Mapping[str, Any], source: Path | None, settings: Mapping[str, Any]
) -> list[str]:
    """Return the inputs, by name, that are others than those that an output was made from.

    source, settings: those that it would be made with now. What is gone, and what an older
    DreamFlow did not keep, is not compared.
    """
    paths = {
        FLOW_INPUT: settings.get("flow_dir"),
        MATTE_INPUT: settings.get("matte"),
        FIXED_MATTE_INPUT: settings.get("matte"),
        CUTS_INPUT: settings.get("cuts"),
        REFERENCE_INPUT: settings.get("guided_by"),
    }
    found: list[str] = []
    for name, before in record.get(INPUTS_KEY, {}).items():
        path = paths.get(name, source)
        if path is None:
            continue
        try:
            files = list_flow_files(path) if name == FLOW_INPUT else list_source_files(Path(path))
            now = hash_fingerprints(fingerprint_inputs({name: files}))
        except MediaError:
            continue
        if now != {name: before}:
            found.append(name)
    return found


def list_flow_files(folder: str | Path) -> list[Path]:
    """Return the files of motion from elsewhere that a folder holds."""
    return sorted(Path(folder).glob("*.flo"))


def _fingerprint_file(path: Path, parts: int) -> list[str]:
    seen = hashlib.sha256()
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            if size <= (MAX_FULL_HASH_BYTES if parts > 2 else parts * HASHED_PART_BYTES):
                seen.update(file.read())
            else:
                for part in range(parts):
                    file.seek((size - HASHED_PART_BYTES) * part // (parts - 1))
                    seen.update(file.read(HASHED_PART_BYTES))
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror}") from error
    name = "" if parts > 2 else path.name.encode(errors="replace").decode()
    return [name, str(size), seen.hexdigest()[:32]]


def _is_unchanged(
    before: list[list[str]], now: list[list[str]], name: str, files_read: int
) -> bool:
    """Return whether files are those that they were, as far as they were read."""
    if name == FLOW_INPUT:
        return {tuple(file) for file in before} <= {tuple(file) for file in now}
    if name == FIXED_MATTE_INPUT:
        return before == now
    alike = [file[0] for file in before] == [file[0] for file in now]
    return alike and before[: max(1, files_read)] == now[: max(1, files_read)]


def describe_changes(before: dict[str, Any], now: dict[str, Any], files_read: int) -> list[str]:
    """Return in words what of a job has changed, the first things first.

    before, now: its facts. read: how many files of a clip of pictures were read.
    """
    found: list[str] = []
    then, record = before["record"], now["record"]
    if then["command"] != record["command"]:
        return [f"by `{then['command']}`, not `{record['command']}`"]
    old, new = then["settings"], record["settings"]
    for name, was in diff_settings(old, new).items():
        found.append(f"{name} {_format_value(was)}, not {_format_value(new.get(name))}")
    if not found and then["network"] != record["network"]:
        found.append(f"other weights of {then['network']['name']}")
    for name, kept in before["inputs"].items():
        if not _is_unchanged(kept, now["inputs"].get(name, []), name, files_read):
            found.append(f"another {name}")
    if before.get("plate") != now.get("plate"):
        found.append(
            f"plate {_format_value(before.get('plate'))}, not {_format_value(now.get('plate'))}"
        )
    for name, value in (LEGACY_MACHINE_DEFAULTS | before["machine"]).items():
        if value != now["machine"][name]:
            found.append(f"{name} {value}, not {now['machine'][name]}")
    return found


def check_job_unchanged(
    folder: Path, before: dict[str, Any], now: dict[str, Any], files_read: int
) -> None:
    """Raise SettingsError where a job was begun with other settings, sources, or on another device.

    read: how many files of a clip of pictures were read; those behind may have changed. A job of
    another PyTorch or DreamFlow goes on, with a warning.
    """
    if "inputs" not in before:
        raise SettingsError(
            f"the job {folder.name} was not begun by this command, and cannot go on: finish it "
            f"with `dreamflow jobs finish {folder}`, or give --fresh to start over"
        )
    if found := describe_changes(before, now, files_read):
        raise SettingsError(
            f"the job {folder.name} was begun with {' and '.join(found[:3])}: give the same "
            "settings, or --fresh to start over"
        )
    for name, what in ((RECORD_VERSION_KEY, "DreamFlow"), ("torch", "PyTorch")):
        then, this = before["record"].get(name), now["record"].get(name)
        if then != this:
            warnings.warn(
                f"the job {folder.name} was begun with {what} {then}, this is {this}: frames from "
                "here on may differ a little",
                DreamFlowWarning,
                2,
            )


def check_inputs_intact(initial_fingerprints: dict[str, Any], inputs: InputFiles) -> None:
    """Raise MediaError where a source that gave too few frames is not there as it was."""
    for name, files in inputs.items():
        try:
            same = fingerprint_input(name, files) == initial_fingerprints[name]
        except MediaError as error:
            raise MediaError(f"the {name} is gone: {error}") from error
        if not same:
            raise MediaError(f"the {name} has changed while it was read")


def _format_value(value: Any) -> str:
    text = format_setting_value(value)
    return text if len(text) <= MAX_SHOWN_VALUE_CHARS else f"{text[:MAX_SHOWN_VALUE_CHARS]}..."
