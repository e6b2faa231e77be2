"""Whether a job may go on: what it was begun with, compared with what it is given now."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamflow.core.errors import DifferentFramesWarning, SettingsError, named
from dreamflow.core.options.declaration import format_setting_value
from dreamflow.jobs.resume.fingerprints import describe_input, input_setting, is_input_unchanged
from dreamflow.media.records.embedded_settings import RECORD_VERSION_KEY
from dreamflow.pipelines.settings.groups import diff_settings

LEGACY_MACHINE_DEFAULTS = {"precision": "float32"}
"""What a job ran with whose metadata lacks the key: older versions gave no choice."""
HEARD_KEY = "heard"
"""Key of a record: the hash of what the schedules hear."""
MAX_SHOWN_VALUE_CHARS = 60
"""A longer value is cut in messages."""
MAX_SHOWN_CHANGES = 3
"""Changes that a message names at most."""


@dataclass(frozen=True)
class Change:
    """One thing that differs from what a job began with.

    Attributes:
        words: What it was then, and is now; settings keep their mark (`named`).
        setting: The setting, or the input's name.
    """

    words: str
    setting: str


def find_changes(
    before: Mapping[str, Any], now: Mapping[str, Any], files_read: int
) -> list[Change]:
    """Return how a job's settings, inputs and machine differ from those it began with.

    Args:
        before: The job's metadata as they were written when it began.
        now: The metadata that it would begin with now.
        files_read: How many files of a clip of pictures the job has read; those behind may change.

    Returns:
        The differences, the most important ones first.
    """
    begun, given = before["record"], now["record"]
    if begun["command"] != given["command"]:
        return [Change(f"by `{begun['command']}`, not `{given['command']}`", "command")]
    changes = [
        _change_of(name, was, given["settings"].get(name))
        for name, was in diff_settings(begun["settings"], given["settings"]).items()
    ]
    if not changes and begun["network"] != given["network"]:
        changes.append(Change(f"other weights of {begun['network']['name']}", "weights"))
    for name, fingerprint in before["inputs"].items():
        if not is_input_unchanged(name, fingerprint, now["inputs"].get(name, []), files_read):
            changes.append(Change(f"another {describe_input(name)}", input_setting(name)))
    if not changes and begun.get(HEARD_KEY) != given.get(HEARD_KEY):
        changes.append(Change("another analysis of the sound", "audio"))
    if before.get("plate") != now.get("plate"):
        changes.append(_change_of("plate", before.get("plate"), now.get("plate")))
    was, samples = (_samples_of(metadata) for metadata in (before, now))
    if not changes and was != samples:
        changes.append(Change(f"frames of {was}, not {samples}", "codec"))
    for name, was in (LEGACY_MACHINE_DEFAULTS | before.get("machine", {})).items():
        if was != now["machine"][name]:
            changes.append(_change_of(name, was, now["machine"][name]))
    return changes


def _samples_of(metadata: Mapping[str, Any]) -> str:
    """Return the pixel format of a job's frames; older versions made 8-bit RGB of all."""
    samples = metadata["outline"].get("samples")
    return samples["pixel_format"] if samples else "8-bit RGB"


def _change_of(setting: str, was: Any, value: Any) -> Change:
    return Change(f"{named(setting)} {_format_value(was)}, not {_format_value(value)}", setting)


def check_job_unchanged(
    folder: Path, before: Mapping[str, Any], now: Mapping[str, Any], files_read: int
) -> None:
    """Check that a job can go on with the settings, inputs and machine that are given now.

    Warns where it was begun by another version of DreamFlow or PyTorch.

    Args:
        folder: The job's folder.
        before: The job's metadata as they were written when it began.
        now: The metadata that it would begin with now.
        files_read: How many files of a clip of pictures the job has read; those behind may change.

    Raises:
        SettingsError: Something differs, or the job was written by a program and not a command.
    """
    if "inputs" not in before:
        raise SettingsError(
            f"the job {folder.name} was not begun by this command, and cannot go on: finish it "
            f"with `dreamflow jobs finish {folder}`, or start over with {named('fresh')}",
            where=folder.name,
        )
    if changes := find_changes(before, now, files_read):
        words = " and ".join(change.words for change in changes[:MAX_SHOWN_CHANGES])
        raise SettingsError(
            f"the job {folder.name} was begun with {words}: give the same settings, or start over "
            f"with {named('fresh')}",
            setting=changes[0].setting,
            where=folder.name,
        )
    for key, program in ((RECORD_VERSION_KEY, "DreamFlow"), ("torch", "PyTorch")):
        version_before, version_now = before["record"].get(key), now["record"].get(key)
        if version_before != version_now:
            warnings.warn(
                f"the job {folder.name} was begun with {program} {version_before}, this is "
                f"{version_now}: frames from here on may differ a little",
                DifferentFramesWarning,
                2,
            )


def _format_value(value: Any) -> str:
    text = format_setting_value(value)
    return text if len(text) <= MAX_SHOWN_VALUE_CHARS else f"{text[:MAX_SHOWN_VALUE_CHARS]}..."
