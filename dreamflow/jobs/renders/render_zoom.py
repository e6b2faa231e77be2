"""A zoom dreamed into a file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dreamflow.core.errors import SettingsError, named
from dreamflow.jobs.controls import RenderControls, RenderResult
from dreamflow.jobs.job import render_job
from dreamflow.jobs.job_spec import JobSpec
from dreamflow.jobs.resume.begun_job import find_kept_folder
from dreamflow.jobs.resume.picked_channels import resolve_channel_picks
from dreamflow.jobs.storage.folder import is_job_folder, job_folder_path
from dreamflow.jobs.storage.publish import count_published_frames
from dreamflow.media.options import DEFAULT_FRAME_TIMECODE, NUMBERED_BY_NAME
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.read.sequences.picture_files import list_source_files
from dreamflow.media.records.embedded_settings import REQUESTED_SETTINGS_KEY, read_record_if_any
from dreamflow.media.sound.hearing import Hearing
from dreamflow.media.stills.read import is_still, read_picture
from dreamflow.media.write.segments.picture_segments import frame_file_name
from dreamflow.networks.network import Network
from dreamflow.pipelines.inputs import (
    FORWARD_FRAMES_INPUT,
    PICTURE_INPUT,
    InputFiles,
    list_audio_files,
    list_reference_files,
)
from dreamflow.pipelines.settings.groups import diff_settings
from dreamflow.pipelines.settings.paths import publish_record, publish_settings
from dreamflow.pipelines.settings.record import build_settings_record
from dreamflow.pipelines.zoom.hearing import fit_zoom_to_audio, hear_zoom
from dreamflow.pipelines.zoom.pipeline import ZoomPipeline, schedule_zoom_layers
from dreamflow.pipelines.zoom.reversed import ReversedPlayback
from dreamflow.pipelines.zoom.start_picture import ZoomSettings, make_zoom_output_spec

PICTURE_HASH_KEY = "picture_sha256"
"""Key of a record: the SHA-256 of the pixels that a reversed zoom began with."""
COMPARED_RECORD_KEYS = ("network", "source", PICTURE_HASH_KEY)
"""What must be the same for the forward frames of a reversed zoom to be used again."""
NOISE_SOURCE = Path("noise")
"""The source in the record of a zoom that begins with noise."""


def forward_frames_folder(out: Path) -> Path:
    """Return the folder that holds the frames of a reversed zoom until all are dreamed."""
    return out.resolve().with_name(f"{out.stem.replace('.', '_')}_forwards")


def render_zoom(
    source: Path | None,
    picture: np.ndarray,
    out: Path,
    network: Network,
    settings: ZoomSettings,
    controls: RenderControls | None = None,
    at: str = DEFAULT_FRAME_TIMECODE,
    hearing: Hearing | None = None,
) -> RenderResult:
    """Dream a zoom into a file; resumes where the same render was interrupted.

    Args:
        source: The file that the picture comes from; None for noise.
        picture: What the zoom begins with; see `make_zoom_start_picture`.
        out: The output; without a suffix it is a folder of PNGs.
        network: The network, on its compute device.
        settings: All settings, which are kept with the output.
        controls: How the render is followed, and what it may replace.
        at: Timecode of the picture, where the source is a clip.
        hearing: What its schedules hear, where that is open already; see `hear_zoom`.

    Raises:
        SettingsError: A setting does not fit the network or the picture.
        DreamFlowError: See `render_job`.
    """
    controls = controls or RenderControls()
    settings = replace(settings, zoom=fit_zoom_to_audio(settings.zoom, settings.sound))
    dreamed_into = forward_frames_folder(out) if settings.zoom.reverse else out
    dream, picks = resolve_channel_picks(
        schedule_zoom_layers(settings.zoom, settings.dream),
        network,
        lambda: picture,
        dreamed_into,
        controls,
    )
    if picks:
        picks[REQUESTED_SETTINGS_KEY] |= {
            "layer": list(settings.dream.layer),
            "layers": settings.zoom.layers,
        }
        settings = replace(settings, dream=dream, zoom=replace(settings.zoom, layers=None))
    record = build_settings_record(
        "zoom", source or NOISE_SOURCE, network, *vars(settings).values()
    )
    is_clip = source is not None and not is_still(source)
    spec = make_zoom_output_spec(settings, picture, *([source] if source else []))

    if hearing is None:
        kept_in = find_kept_folder(out, controls)
        hearing = hear_zoom(settings.dream, settings.zoom, settings.sound, kept_in)
    signals = hearing and hearing.signals

    def build_forward() -> ZoomPipeline:
        return ZoomPipeline(picture, network, settings.dream, settings.zoom, signals)

    build = (lambda: _play_reversed(out, spec)) if settings.zoom.reverse else build_forward
    job = JobSpec(
        pipeline=build(),
        output_path=out,
        output_spec=spec,
        encode=settings.encode,
        record=record | picks | ({"at": at} if is_clip else {}),
        inputs={
            **_list_zoom_files(source, settings, at),
            **list_audio_files(settings.sound),
            **(hearing.files if hearing else {}),
        },
        machine=network.machine,
        rebuild=build,
        hearing=hearing,
    )
    if not settings.zoom.reverse:
        return render_job(job, controls)
    job.record[PICTURE_HASH_KEY] = hashlib.sha256(picture.tobytes()).hexdigest()
    return _render_reversed(job, build_forward, controls)


def _list_zoom_files(source: Path | None, settings: ZoomSettings, at: str) -> InputFiles:
    files: dict[str, list[Path]] = {}
    if source and is_still(source):
        files = {PICTURE_INPUT: [source]}
    elif source:
        files = {f"frame at {at}": list_source_files(source)}
    return files | list_reference_files(settings.dream)


def _play_reversed(out: Path, spec: OutputSpec) -> ReversedPlayback:
    """Return the pipeline that shows the forward frames of an output from the last to the first."""
    folder = forward_frames_folder(out)
    return ReversedPlayback(
        lambda number: read_picture(folder / frame_file_name(number)), spec.frames, spec.rate
    )


def _render_reversed(
    job: JobSpec, build_forward: Callable[[], ZoomPipeline], controls: RenderControls
) -> RenderResult:
    """Dream a zoom into a folder of frames, then render the job that shows them reversed."""
    folder, count = forward_frames_folder(job.output_path), job.output_spec.frames
    dreamed_frames, steps = 0, count
    is_published = not controls.fresh and count_published_frames(job.output_path) > 0
    if (
        not is_published
        and folder.exists()
        and read_record_if_any(folder).get("command") != job.record["command"]
    ):
        raise _make_other_frames_error(folder)
    # A forward job that was killed while its frames were published is cleared away by resuming it.
    if not is_published and (
        controls.fresh
        or not has_all_frames(folder, job.record, count)
        or is_job_folder(job_folder_path(folder))
    ):
        forward_job = replace(
            job,
            pipeline=build_forward(),
            output_path=folder,
            output_spec=replace(job.output_spec, music=None),
            encode=replace(job.encode, start_number=NUMBERED_BY_NAME),
            rebuild=build_forward,
        )
        steps = forward_job.pipeline.total  # more than the frames where a loop has a lead-in

        def report_forward(done: int, total: int) -> None:
            controls.progress(done, steps + count)

        forward_controls = replace(
            controls,
            progress=report_forward,
            overwrite=True,
        )
        dreamed_frames = render_job(forward_job, forward_controls).dreamed_frames

    def report_reversed(done: int, total: int) -> None:
        controls.progress(steps + done, steps + count)

    reversed_controls = replace(
        controls,
        progress=report_reversed,
        watch_path=None,
    )
    frames = [folder / frame_file_name(number) for number in range(count)]
    job = replace(job, inputs={**job.inputs, FORWARD_FRAMES_INPUT: frames}, intermediates=[folder])
    result = render_job(job, reversed_controls)
    return replace(result, dreamed_frames=dreamed_frames)


def _make_other_frames_error(folder: Path) -> SettingsError:
    return SettingsError(
        f"{folder} holds other frames: remove it, or dream this zoom anew with {named('fresh')}",
        setting="fresh",
        where=str(folder),
    )


def has_all_frames(folder: Path, record: dict[str, Any], count: int) -> bool:
    """Return whether a folder holds all `count` frames of a zoom with the settings of a record.

    Raises:
        SettingsError: It holds the frames of another zoom, or other files.
    """
    if not folder.exists():
        return False
    found = publish_record(read_record_if_any(folder), folder)
    settings = publish_settings(record["settings"], folder)
    has_other_settings = diff_settings(found.get("settings", {}), settings)
    if has_other_settings or any(found.get(key) != record[key] for key in COMPARED_RECORD_KEYS):
        raise _make_other_frames_error(folder)
    return all((folder / frame_file_name(number)).exists() for number in range(count))
