"""A pipeline rendered to a file so that nothing is lost when the render is interrupted.

A job lives in a folder beside its output, `dream.mp4.job`:

    job.json      the settings, inputs and machine; at the end, that the output is being published
    state.npz     how many frames are written, and the pipeline's state after them
    state_*.npz   a few earlier states, from which a damaged piece can be dreamed again
    chunk_*       encoded segments, joined at the end; pending_*.rgb: frames not encoded yet
    pieces.jsonl  sizes and hashes of the segments
    sound.npz     the analysis of the sound that schedules hear
    whole*        the complete output, until it is published; see `jobs.storage.publish`
    lock          held by the process at work

Each file is complete at any moment: it is replaced, never rewritten. To resume a job, the same
command is given again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from dreamflow.core.errors import OutputError
from dreamflow.core.machine.machine import Machine
from dreamflow.core.machine.memory import MB
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.text.path_text import path_to_text
from dreamflow.jobs.controls import RenderControls, RenderResult
from dreamflow.jobs.output import (
    check_output_and_plate,
    close_published_job,
    describe_whole_frames,
    finish_output,
    make_job_metadata,
    open_segment_writer,
)
from dreamflow.jobs.resume.changes import HEARD_KEY, LEGACY_MACHINE_DEFAULTS, check_job_unchanged
from dreamflow.jobs.resume.fingerprints import (
    INPUTS_KEY,
    UNLIMITED_FILES,
    FileFingerprint,
    check_inputs_intact,
    fingerprint_inputs,
    hash_fingerprints,
)
from dreamflow.jobs.resume.repair import repair_pieces
from dreamflow.jobs.runner import JobRun, describe_all_done, restore_pipeline
from dreamflow.jobs.storage.folder import JobFolder, has_shards, job_folder_path
from dreamflow.jobs.storage.job_file import ID_KEY, JobMetadata, read_job_file
from dreamflow.jobs.storage.kept_states import list_kept_states, read_kept_state
from dreamflow.jobs.storage.publish import count_published_frames
from dreamflow.jobs.storage.resources import warn_if_disk_low
from dreamflow.jobs.storage.state_file import (
    FRAMES_KEY,
    JOB_STATE_FILE,
    PIPELINE_KEY,
    DamagedStateError,
    read_state,
)
from dreamflow.jobs.watch import LatestFrameWriter
from dreamflow.media.files.atomic_file import atomic_write, make_write_error
from dreamflow.media.options import EncodeOptions
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.records.embedded_settings import sidecar_path
from dreamflow.media.sound.hearing import Hearing
from dreamflow.media.write.containers import container_format_for
from dreamflow.pipelines.hearing import KEPT_ANALYSIS_FILE
from dreamflow.pipelines.inputs import InputFiles
from dreamflow.pipelines.pipeline import Pipeline, PipelineState


@dataclass(frozen=True)
class JobSpec:
    """What a job renders, where to, and what it depends on.

    Attributes:
        pipeline: Makes the frames.
        output_path: The output; without a suffix it is a folder of PNGs.
        output_spec: Size, timing and sound of the frames.
        encode: How the frames are encoded.
        record: The settings, kept with the output; a job resumes only with the same ones.
        inputs: The files that the frames depend on; a job resumes only with the same ones.
        machine: The machine that the network computes on.
        rebuild: Makes the pipeline anew, to dream a damaged piece again; None where that cannot be.
        intermediates: Folders of DreamFlow's that only this job reads: they go when it is done.
        hearing: What its schedules hear, if anything; the sound's analysis is kept with the job.
        prepare: Called with the job's folder, which is held, and its metadata before the first
            frame: keeps there what the pipeline needs.
    """

    pipeline: Pipeline
    output_path: Path
    output_spec: OutputSpec
    encode: EncodeOptions
    record: dict[str, Any]
    inputs: InputFiles
    machine: Machine
    rebuild: Callable[[], Pipeline] | None = None
    intermediates: Sequence[Path] = ()
    hearing: Hearing | None = None
    prepare: Callable[[Path, JobMetadata], None] = lambda folder, metadata: None


@dataclass(frozen=True)
class _OpenJob:
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


def restore_machine_options(out: Path, machine: MachineOptions) -> MachineOptions:
    """Return where to work: as the output's job did, if it has one, but for what is given.

    Args:
        out: The output.
        machine: The options given; those at their defaults are taken from the job.
    """
    metadata = read_job_file(job_folder_path(out))
    if metadata is None:
        return machine
    begun = LEGACY_MACHINE_DEFAULTS | metadata.get("machine", {})
    return replace(
        machine,
        device=begun.get("device", "auto") if machine.device == "auto" else machine.device,
        threads=machine.threads or begun.get("threads", 0),
        memory=machine.memory or begun.get("memory", 0),
        precision=begun["precision"] if machine.precision == "auto" else machine.precision,
    )


def find_kept_folder(out: Path, controls: RenderControls) -> Path | None:
    """Return the job's folder that may keep what was computed before; None where it starts over."""
    return None if controls.fresh else job_folder_path(out)


def render_job(job: JobSpec, controls: RenderControls | None = None) -> RenderResult:
    """Render a job, from where it was interrupted if it was begun before.

    On any error and on KeyboardInterrupt, the frames made so far are in the job's folder, and a
    note on the error says so.

    Args:
        job: What to render.
        controls: How it is followed, and what it may replace.

    Raises:
        SettingsError: The job was begun with other settings, inputs or on another machine.
        OutputError: The output cannot be written, another process works on the job, or its state
            was written by another version.
        MemoryFullError: The memory does not suffice.
        MediaError: An input is gone or has changed, or cannot be read.
    """
    controls = controls or RenderControls()
    job = with_whole_path(job)
    others = [sidecar_path(job.output_path), controls.plate_path, controls.trace_path]
    reserved = [job.output_path, *filter(None, others), *_list_sources(job)]
    watcher = LatestFrameWriter(controls.watch_path, reserved) if controls.watch_path else None
    with _open_job(job, controls) as opened:
        if opened.published_frames:
            controls.notify(f"{describe_all_done(opened.published_frames)}: clearing away")
            record = opened.metadata["record"]
            close_published_job(opened.folder, job.output_path, record, job.intermediates)
            return RenderResult(opened.published_frames, 0)
        return _run(job, opened.folder, opened.metadata, opened.state, controls, watcher)


def prepare_job(job: JobSpec, controls: RenderControls | None = None) -> Path:
    """Begin a job as `render_job` does, without rendering a frame; return its folder.

    Raises:
        DreamFlowError: As `render_job`.
    """
    controls = controls or RenderControls()
    job = with_whole_path(job)
    with _open_job(job, controls) as opened:
        if not opened.published_frames:
            job.prepare(opened.folder.path, opened.metadata)
        return opened.folder.path


def resume_job(job: JobSpec, controls: RenderControls) -> RenderResult:
    """Go on with a job as its folder has it, on whatever machine this is.

    Args:
        job: What its folder says that it is.
        controls: How it is followed, and what it may replace.

    Raises:
        DreamFlowError: As `render_job`.
    """
    check_output_and_plate(
        job.output_path, controls.overwrite, False, _list_sources(job), controls.plate_path
    )
    with JobFolder(job_folder_path(job.output_path)) as folder:
        metadata = read_job_file(folder.path)
        if metadata is None:
            raise OutputError(f"{folder.path} is no job any more", where=str(folder.path))
        if published_frames := count_published_frames(job.output_path):
            close_published_job(folder, job.output_path, metadata["record"], job.intermediates)
            return RenderResult(published_frames, 0)
        state = _read_state(job, folder, metadata, controls)
        if state is not None:
            restore_pipeline(job.pipeline, state, folder.path)
        return _run(job, folder, metadata, state, controls, None)


def with_whole_path(job: JobSpec) -> JobSpec:
    """Return a job whose output, where that is a folder, is named by its whole path."""
    if container_format_for(job.output_path) is None:
        return replace(job, output_path=job.output_path.resolve())
    return job


def _list_sources(job: JobSpec) -> list[Path]:
    """Return the files and folders that a job reads, and must not write to."""
    return [*job.output_spec.sources, *(path for files in job.inputs.values() for path in files)]


@contextlib.contextmanager
def _open_job(job: JobSpec, controls: RenderControls) -> Generator[_OpenJob]:
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
        out, controls.overwrite, controls.fresh, _list_sources(job), controls.plate_path
    )
    # Of an output that is published, nothing is read any more: its inputs may be gone.
    published = read_job_file(job_folder_path(out)) if published_frames else None
    metadata = _describe_job(
        job, controls, fingerprint_inputs(job.inputs) if published is None else published["inputs"]
    )
    with JobFolder(job_folder_path(out)) as folder:
        begun = None if controls.fresh else read_job_file(folder.path)
        if begun is None:
            folder.start_over(metadata)
            _keep_analysis(job, folder)
            yield _OpenJob(folder, metadata, None)
            return
        state = None if published_frames else _read_state(job, folder, begun, controls)
        files_read = state[PIPELINE_KEY].get("read", UNLIMITED_FILES) if state else 0
        check_job_unchanged(folder.path, begun, metadata, files_read)
        record = begun["record"] | {INPUTS_KEY: metadata["record"][INPUTS_KEY]}
        metadata = begun | {
            "inputs": metadata["inputs"],
            "input_files": metadata["input_files"],
            "record": record,
        }
        if published_frames:
            yield _OpenJob(folder, metadata, None, published_frames)
            return
        if state is not None:
            restore_pipeline(job.pipeline, state, folder.path)
        elif not has_shards(folder.path):
            controls.notify("killed before it was first saved: from the beginning")
        folder.write_job_file(metadata)
        _keep_analysis(job, folder)
        yield _OpenJob(folder, metadata, state)


def _keep_analysis(job: JobSpec, folder: JobFolder) -> None:
    """Write the analysis of what a job hears into its folder, where it is not there yet."""
    if job.hearing is None or not job.hearing.kept:
        return
    path = folder.path / KEPT_ANALYSIS_FILE
    if not path.exists() or path.read_bytes() != job.hearing.kept:
        with atomic_write(path) as part:
            part.write_bytes(job.hearing.kept)


def _describe_job(
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


def _read_state(
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


def _run(
    job: JobSpec,
    folder: JobFolder,
    metadata: dict[str, Any],
    state: PipelineState | None,
    controls: RenderControls,
    watcher: LatestFrameWriter | None,
) -> RenderResult:
    """Render the remaining frames into a job's folder, and make the output of all of them."""
    container, spec = container_format_for(job.output_path), job.output_spec
    segments = open_segment_writer(
        folder.path, container, spec, job.encode, metadata, controls.stage_times
    )
    run = JobRun(job.pipeline, segments, folder, metadata, controls, watcher)
    try:
        # The writer is closed before a note is added, which may remove the folder.
        with contextlib.closing(segments):
            job.prepare(folder.path, metadata)
            if controls.repair and state is not None:
                repair_pieces(
                    folder.path,
                    metadata[ID_KEY],
                    segments,
                    state[FRAMES_KEY],
                    metadata["chunk"],
                    job.rebuild,
                    controls,
                )
            run.resume(state)
            segments.warn_of_changes()
            remaining_frames = spec.frames - segments.frames
            warn_if_disk_low(folder.path, spec, remaining_frames, is_video=container is not None)
            done_before = job.pipeline.done
            run.run()
            # Sound is taken from the source only now, and frames may have been read of another.
            check_inputs_intact(metadata["inputs"], job.inputs)
            with controls.stage_times.stage("encode"):
                finish_output(
                    folder,
                    segments,
                    job.output_path,
                    spec,
                    metadata,
                    intermediates=job.intermediates,
                    overwrite=controls.overwrite,
                )
    except OSError as error:
        failed = make_write_error(Path(error.filename or folder.path), error)
        run.add_resume_note(failed)
        raise failed from error
    except BaseException as error:
        run.add_resume_note(error)
        raise
    return RenderResult(segments.frames, job.pipeline.done - done_before)
