"""Which outputs of a batch are finished, judged by the settings and inputs that they record."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dreamflow.core.errors import OutputError
from dreamflow.media.sound.options import SoundOptions
from dreamflow.pipelines.settings.groups import diff_settings, saved_settings_dict
from dreamflow.pipelines.settings.looks import add_layer_weights
from dreamflow.pipelines.settings.options import ZoomOptions
from dreamflow.reports.options import GuideOptions

if TYPE_CHECKING:
    from dreamflow.jobs.queue import QueuedCommand, QueuedVideo


def is_already_done(render: QueuedVideo | QueuedCommand) -> bool:
    """Return whether an output is there, complete and made with the same settings.

    Raises:
        OutputError: It is, but was made from other files than those that are there now.
    """
    from dreamflow.jobs.queue import QueuedCommand
    from dreamflow.jobs.resume.fingerprints import find_changed_inputs
    from dreamflow.jobs.storage.folder import is_job_folder, job_folder_path
    from dreamflow.media.records.embedded_settings import read_record_if_any
    from dreamflow.pipelines.settings.paths import publish_record, publish_settings

    if not render.out.exists() or is_job_folder(job_folder_path(render.out)):
        return False
    record = publish_record(read_record_if_any(render.out), render.out)
    if isinstance(render, QueuedCommand):
        settings = collect_queued_settings(render)
        published = publish_settings(settings, render.out)
        is_same = record_matches_command(render, record, published)
    else:
        settings = collect_video_settings(render)
        is_same = record_matches_video(record, publish_settings(settings, render.out))
    if is_same and (changed := find_changed_inputs(record, render.source, settings)):
        raise OutputError(
            f"{render.out} was made from another {' and another '.join(changed)} than there is "
            "now; move it away to have it dreamed anew",
            value=render.out,
        )
    return is_same


def collect_queued_settings(entry: QueuedCommand) -> dict[str, Any]:
    """Return all settings of a command, as its output records them."""
    from dreamflow.jobs.queue import SWEEP_COMMAND, get_option_groups
    from dreamflow.pipelines.zoom.hearing import fit_zoom_to_audio

    groups = get_option_groups(entry)
    sound = next((group for group in groups if isinstance(group, SoundOptions)), SoundOptions())
    settings = saved_settings_dict(
        *(fit_zoom_to_audio(g, sound) if isinstance(g, ZoomOptions) else g for g in groups)
    )
    if entry.command == SWEEP_COMMAND:
        del settings["layer"]  # in the record it is the schedule that was made of `layers`
    return settings


def record_matches_command(
    entry: QueuedCommand, record: dict[str, Any], settings: dict[str, Any]
) -> bool:
    """Return whether a record is that of a command with these settings."""
    from dreamflow.media.records.embedded_settings import requested_settings

    at = entry.settings.get("at", GuideOptions.at)
    return (
        record.get("command") == entry.command
        and record.get("at", at) == at  # the record of a still has none
        and not settings.keys() & diff_settings(requested_settings(record), settings).keys()
    )


def collect_video_settings(entry: QueuedVideo) -> dict[str, Any]:
    """Return all settings of a video, as its output records them."""
    settings = replace(entry.settings, dream=add_layer_weights(entry.settings.dream))
    return saved_settings_dict(*vars(settings).values())


def record_matches_video(record: dict[str, Any], settings: dict[str, Any]) -> bool:
    """Return whether a record is that of a video with these settings."""
    from dreamflow.media.records.embedded_settings import requested_settings

    return record.get("command") == "video" and not diff_settings(
        requested_settings(record), settings
    )
