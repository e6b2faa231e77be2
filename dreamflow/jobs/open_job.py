"""A job's folder, held: begun anew, or found as an interrupted render left it."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from dreamflow.core.machine.memory import MB
from dreamflow.core.text.path_text import path_to_text
from dreamflow.jobs.controls import RenderControls
from dreamflow.jobs.job_spec import JobSpec
from dreamflow.jobs.output import check_output_and_plate, describe_whole_frames, make_job_metadata
from dreamflow.jobs.resume.changes import HEARD_KEY, check_job_unchanged
from dreamflow.jobs.resume.fingerprints import (
    INPUTS_KEY,
    UNLIMITED_FILES,
    FileFingerprint,
    fingerprint_inputs,
    hash_fingerprints,
)
from dreamflow.jobs.runner import restore_pipeline
from dreamflow.jobs.storage.folder import JobFolder, has_shards, job_folder_path
from dreamflow.jobs.storage.job_file import ID_KEY, JobMetadata, read_job_file
from dreamflow.jobs.storage.kept_states import list_kept_states, read_kept_state
from dreamflow.jobs.storage.publish import count_published_frames
from dreamflow.jobs.storage.state_file import (
    FRAMES_KEY,
    JOB_STATE_FILE,
    PIPELINE_KEY,
    DamagedStateError,
    read_state,
)
from dreamflow.media.files.atomic_file import atomic_write
from dreamflow.pipelines.hearing import KEPT_ANALYSIS_FILE
from dreamflow.pipelines.pipeline import PipelineState


@dataclass(frozen=True)
class OpenJob:
    """A job whose folder is held.

    Attributes:
        folder: Its folder.
        metadata: What its job.json holds.
        state: What it goes on from; None at the beginning.
        published_frames: Frames of its output, where that is published already.
    """

    folder: JobFolder
    metadata: JobMetadata
    state: PipelineState | None
    published_frames: int = 0


@contextlib.contextmanager
def open_job(job: JobSpec, controls: RenderControls) -> Generator[OpenJob]:
    """Hold a job's folder: a new one, or that of the same render, whose pipeline is restored.

    Raises:
        SettingsError: The job was begun with other settings, inputs or on another machine.
        OutputError: Its output cannot be written, another process works on the job, or its state
            was written by another version.
        MediaError: An input is gone or has changed.
    """
    out = job.output_path
    published_frames = 0 if controls.fresh else count_published_frames(out)
    check_output_and_plate(
        out, controls.overwrite, controls.fresh, job.sources, controls.plate_path
    )
    # Of an output that is published, nothing is read any more: its inputs may be gone.
    published = read_job_file(job_folder_path(out)) if published_frames else None
    metadata = describe_job(
        job, controls, fingerprint_inputs(job.inputs) if published is None else published["inputs"]
    )
    with JobFolder(job_folder_path(out)) as folder:
        begun = None if controls.fresh else read_job_file(folder.path)
        if begun is None:
            folder.start_over(metadata)
            _keep_analysis(job, folder)
            yield OpenJob(folder, metadata, None)
            return
        state = None if published_frames else read_job_state(job, folder, begun, controls)
        files_read = state[PIPELINE_KEY].get("read", UNLIMITED_FILES) if state else 0
        check_job_unchanged(folder.path, begun, metadata, files_read)
        record = begun["record"] | {INPUTS_KEY: metadata["record"][INPUTS_KEY]}
        metadata = begun | {
            "inputs": metadata["inputs"],
            "input_files": metadata["input_files"],
            "record": record,
        }
        if published_frames:
            yield OpenJob(folder, metadata, None, published_frames)
            return
        if state is not None:
            restore_pipeline(job.pipeline, state, folder.path)
        elif not has_shards(folder.path):
            controls.notify("killed before it was first saved: from the beginning")
        folder.write_job_file(metadata)
        _keep_analysis(job, folder)
        yield OpenJob(folder, metadata, state)


def _keep_analysis(job: JobSpec, folder: JobFolder) -> None:
    """Write the analysis of what a job hears into its folder, where it is not there yet."""
    if job.hearing is None or not job.hearing.kept:
        return
    path = folder.path / KEPT_ANALYSIS_FILE
    if not path.exists() or path.read_bytes() != job.hearing.kept:
        with atomic_write(path) as part:
            part.write_bytes(job.hearing.kept)


def describe_job(
    job: JobSpec, controls: RenderControls, fingerprints: Mapping[str, list[FileFingerprint]]
) -> JobMetadata:
    """Return a job's metadata, ready for JSON."""
    record = job.record | {INPUTS_KEY: hash_fingerprints(fingerprints)}
    if job.hearing is not None:
        record[HEARD_KEY] = job.hearing.signals.digest
    return make_job_metadata(
        job.output_path,
        job.output_spec,
        job.encode,
        record,
        controls.segment_frames,
        controls.plate_path,
    ) | {
        "inputs": fingerprints,
        "input_files": {
            name: [path_to_text(path.absolute()) for path in files]
            for name, files in job.inputs.items()
        },
        "machine": {
            "device": str(job.machine.device).removesuffix(":0"),
            "threads": torch.get_num_threads(),
            "memory": job.machine.memory_limit // MB,
            "precision": record["precision"],
        },
        "command": {"words": list(controls.resume_command), "folder": path_to_text(Path.cwd())},
    }


def read_job_state(
    job: JobSpec, folder: JobFolder, metadata: JobMetadata, controls: RenderControls
) -> PipelineState | None:
    """Return the state that a job goes on from; None where it was never saved.

    Of a state that is damaged, the last kept one takes the place, where that is asked for.
    """
    path = folder.path / JOB_STATE_FILE
    if not path.exists() and not list_kept_states(folder.path):
        return None
    try:
        return read_state(path, metadata[ID_KEY], job.output_spec.frames)
    except DamagedStateError as error:
        if not controls.repair:
            raise DamagedStateError(
                f"{error.message}; {describe_whole_frames(folder.path, metadata)}",
                setting=error.setting,
                where=error.where,
            ) from error
        state = read_kept_state(folder.path, metadata[ID_KEY], job.output_spec.frames)
        frames = 0 if state is None else state[FRAMES_KEY]
        controls.notify(f"{JOB_STATE_FILE} is damaged: dreaming on from frame {frames}")
        return state
