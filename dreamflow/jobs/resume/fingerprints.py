"""Fingerprints of the files that an output depends on: whether they are still the same files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dreamflow.core.errors import MediaError, named
from dreamflow.core.files.regular_file import open_regular_file
from dreamflow.media.read.sequences.picture_files import list_source_files
from dreamflow.media.sound.options import split_data
from dreamflow.pipelines.inputs import (
    AUDIO_INPUT,
    CUTS_INPUT,
    DATA_INPUT,
    FIXED_MATTE_INPUT,
    FLOW_INPUT,
    FORWARD_FRAMES_INPUT,
    GAINS_INPUT,
    MATTE_INPUT,
    PLAYLIST_INPUT,
    REFERENCE_INPUT,
    InputFiles,
    list_flow_files,
)

MAX_FULL_HASH_BYTES = 16 * 2**20
"""A single file up to this size is hashed whole; of a larger one, HASHED_PARTS parts are."""
HASHED_PARTS = 64
"""Parts that are hashed of a large single file, or of each that a playlist names, evenly spread
from its start to its end."""
HASHED_END_PARTS = 2
"""Parts hashed of each of several files: its start and its end."""
HASHED_PART_BYTES = 64 * 2**10

UNLIMITED_FILES = 2**53
"""More files than there are: all of an input's files count."""
INPUTS_KEY = "inputs"
"""Key of a record: a hash of each input's fingerprint, by the input's name."""

FileFingerprint = list[str]
"""Name ("" for a single file), size in bytes and hash of a file."""

_SETTING_BY_INPUT = {
    CUTS_INPUT: "cuts",
    FLOW_INPUT: "flow_dir",
    MATTE_INPUT: "matte",
    FIXED_MATTE_INPUT: "matte",
    REFERENCE_INPUT: "guided_by",
    GAINS_INPUT: "gains",
    AUDIO_INPUT: "audio",
    DATA_INPUT: "data",
}


def describe_input(name: str) -> str:
    """Return an input in words: its setting, where one names it, or what it is, such as `clip`."""
    setting = _SETTING_BY_INPUT.get(name)
    return name if setting is None else f"{named(setting)} file"


def input_setting(name: str) -> str:
    """Return the setting that names an input, or the input's own name, such as `clip`."""
    return _SETTING_BY_INPUT.get(name, name)


def fingerprint_input(name: str, files: Sequence[Path]) -> list[FileFingerprint]:
    """Return the name, size and hash of each file of an input.

    Args:
        name: The input's name. A single file counts as one whatever it is called, but for flow,
            to which files may be added.
        files: Its files. A single one is hashed whole up to 16 MB; of a larger one, 64 parts are
            hashed; so is each file of a playlist. Of each of several others, the two ends are.

    Raises:
        MediaError: A file cannot be read.
    """
    is_single_file = len(files) == 1 and name != FLOW_INPUT
    parts = HASHED_PARTS if is_single_file or name == PLAYLIST_INPUT else HASHED_END_PARTS
    return [_fingerprint_file(path, "" if is_single_file else path.name, parts) for path in files]


def fingerprint_inputs(inputs: InputFiles) -> dict[str, list[FileFingerprint]]:
    """Return the fingerprint of each input, by its name. Raises MediaError."""
    return {name: fingerprint_input(name, files) for name, files in inputs.items()}


def hash_fingerprints(fingerprints: Mapping[str, list[FileFingerprint]]) -> dict[str, str]:
    """Return a hash of each input's fingerprint, for a record: 32 hex digits, by its name."""
    return {
        name: hashlib.sha256(json.dumps(files).encode()).hexdigest()[:32]
        for name, files in fingerprints.items()
        if name != FORWARD_FRAMES_INPUT
    }


def find_changed_inputs(
    record: Mapping[str, Any], source: Path | None, settings: Mapping[str, Any]
) -> list[str]:
    """Return the inputs whose files are no longer those that an output was made from.

    Args:
        record: The output's record. One of an older version may lack some or all inputs.
        source: The clip or picture that it would be made from now.
        settings: The settings that it would be made with now, by name.

    Returns:
        The changed inputs in words. One whose files are gone is not compared.
    """
    changed: list[str] = []
    for name, hash_before in record.get(INPUTS_KEY, {}).items():
        setting = _SETTING_BY_INPUT.get(name)
        path = source if setting is None else settings.get(setting)
        if path is None:
            continue
        try:
            files = _list_files(name, path)
            hash_now = hash_fingerprints(fingerprint_inputs({name: files}))[name]
        except MediaError:
            continue
        if hash_now != hash_before:
            changed.append(describe_input(name))
    return changed


def _list_files(name: str, value: Any) -> list[Path]:
    """Return the files that an input's setting names. Raises MediaError where they are gone."""
    if name == FLOW_INPUT:
        return list_flow_files(value)
    if name == DATA_INPUT:
        return [Path(split_data(text)[1]) for text in value]
    return list_source_files(Path(value))


def is_input_unchanged(
    name: str, before: list[FileFingerprint], now: list[FileFingerprint], files_read: int
) -> bool:
    """Return whether an input's files are still the same, as far as they were read.

    Args:
        name: The input's name.
        before: Its fingerprint when the job began.
        now: Its fingerprint now.
        files_read: How many files of a clip of pictures were read so far. Those behind may change,
            but not their names. Flow files may be added, and no file of a fixed matte or of a
            playlist may change.
    """
    if name == FLOW_INPUT:
        return {tuple(file) for file in before} <= {tuple(file) for file in now}
    if name in (FIXED_MATTE_INPUT, FORWARD_FRAMES_INPUT, PLAYLIST_INPUT):
        return before == now
    same_names = [file[0] for file in before] == [file[0] for file in now]
    compared = max(1, files_read)
    return same_names and before[:compared] == now[:compared]


def check_inputs_intact(
    initial_fingerprints: Mapping[str, Sequence[FileFingerprint]],
    inputs: InputFiles,
    files_read: int = UNLIMITED_FILES,
) -> None:
    """Check that the inputs are still what they were when they were read.

    Args:
        initial_fingerprints: Their fingerprints then.
        inputs: Their files.
        files_read: How many files of a clip of pictures were read; those behind may change.

    Raises:
        MediaError: An input is gone, or has changed.
    """
    for name, files in inputs.items():
        what, setting = describe_input(name), input_setting(name)
        before = [list(fingerprint) for fingerprint in initial_fingerprints[name]]
        try:
            is_same = is_input_unchanged(name, before, fingerprint_input(name, files), files_read)
        except MediaError as error:
            gone = error.located(f"the {what} is gone: bring it back, and give the command again")
            gone.setting = setting
            raise gone from error
        if not is_same:
            raise MediaError(
                f"the {what} has changed since it was read: bring back what it was, and give the "
                "command again",
                setting=setting,
                where=str(files[0]) if files else None,
            )


def _fingerprint_file(path: Path, name: str, parts: int) -> FileFingerprint:
    is_spread = parts == HASHED_PARTS
    max_full_hash_bytes = MAX_FULL_HASH_BYTES if is_spread else parts * HASHED_PART_BYTES
    digest = hashlib.sha256()
    try:
        size = path.stat().st_size
        with open_regular_file(path) as file:
            if size <= max_full_hash_bytes:
                digest.update(file.read())
            else:
                for part in range(parts):
                    file.seek((size - HASHED_PART_BYTES) * part // (parts - 1))
                    digest.update(file.read(HASHED_PART_BYTES))
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror}") from error
    return [name.encode(errors="replace").decode(), str(size), digest.hexdigest()[:32]]
