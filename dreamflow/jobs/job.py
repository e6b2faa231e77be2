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
from pathlib import Path
from typing import Any

from dreamflow.core.errors import OutputError
from dreamflow.jobs.controls import RenderControls, RenderResult
from dreamflow.jobs.job_spec import JobSpec
from dreamflow.jobs.open_job import open_job, read_job_state
from dreamflow.jobs.output import (
    check_output_and_plate,
    close_published_job,
    finish_output,
    open_segment_writer,
)
from dreamflow.jobs.resume.fingerprints import check_inputs_intact
from dreamflow.jobs.resume.repair import repair_pieces
from dreamflow.jobs.runner import JobRun, describe_all_done, restore_pipeline
from dreamflow.jobs.storage.folder import JobFolder, job_folder_path
from dreamflow.jobs.storage.job_file import ID_KEY, read_job_file
from dreamflow.jobs.storage.publish import count_published_frames
from dreamflow.jobs.storage.resources import warn_if_disk_low
from dreamflow.jobs.storage.state_file import FRAMES_KEY
from dreamflow.jobs.watch import LatestFrameWriter
from dreamflow.media.files.atomic_file import make_write_error
from dreamflow.media.records.embedded_settings import sidecar_path
from dreamflow.media.write.containers import container_format_for
from dreamflow.pipelines.pipeline import PipelineState


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
    job = job.with_whole_path()
    others = [sidecar_path(job.output_path), controls.plate_path, controls.trace_path]
    reserved = [job.output_path, *filter(None, others), *job.sources]
    watcher = LatestFrameWriter(controls.watch_path, reserved) if controls.watch_path else None
    with open_job(job, controls) as opened:
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
    job = job.with_whole_path()
    with open_job(job, controls) as opened:
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
        job.output_path, controls.overwrite, False, job.sources, controls.plate_path
    )
    with JobFolder(job_folder_path(job.output_path)) as folder:
        metadata = read_job_file(folder.path)
        if metadata is None:
            raise OutputError(f"{folder.path} is no job any more", where=str(folder.path))
        if published_frames := count_published_frames(job.output_path):
            close_published_job(folder, job.output_path, metadata["record"], job.intermediates)
            return RenderResult(published_frames, 0)
        state = read_job_state(job, folder, metadata, controls)
        if state is not None:
            restore_pipeline(job.pipeline, state, folder.path)
        return _run(job, folder, metadata, state, controls, None)


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
