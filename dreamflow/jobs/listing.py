"""Jobs on the disk: what they hold, and how they are ended."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

from dreamflow.core.errors import DreamFlowWarning, OutputError
from dreamflow.jobs.output import (
    JobMetadata,
    check_output_and_plate,
    close_published_job,
    finish_output,
    open_segment_writer,
)
from dreamflow.jobs.storage.folder import (
    JOB_FOLDER_SUFFIX,
    JOB_STATE_FILE,
    JobFolder,
    is_job_folder,
    is_job_locked,
    read_job_file,
    remove_job_leftovers,
)
from dreamflow.jobs.storage.publish import count_published_frames
from dreamflow.media.options import EncodeOptions
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.write.containers import container_format_for
from dreamflow.media.write.output_path import check_output
from dreamflow.media.write.segments import SegmentWriter


@dataclass(frozen=True)
class JobInfo:
    """What a job on the disk holds.

    Attributes:
        folder: The job's folder.
        job_metadata: What its job.json holds.
        frames: Frames of its output that are there.
        expected_frames: Frames that its output is to have.
        is_running: Whether a process works on it.
    """

    folder: Path
    job_metadata: JobMetadata
    frames: int
    expected_frames: int
    is_running: bool

    @property
    def output_path(self) -> Path:
        """The job's output."""
        return self.folder.with_name(self.job_metadata["out"])

    @property
    def output_spec(self) -> OutputSpec:
        """Size, timing and sound of its frames."""
        return OutputSpec.from_dict(self.job_metadata["outline"])

    @property
    def status(self) -> str:
        """Whether the job runs, in words, and that it begins anew where it was never saved."""
        if self.is_running:
            return "runs"
        is_resumable = "inputs" in self.job_metadata  # frames that a program wrote have none
        if is_resumable and not (self.folder / JOB_STATE_FILE).exists():
            return "stopped unsaved: it begins anew"
        return "stopped"

    @property
    def size_bytes(self) -> int:
        """Size of the folder on the disk, in bytes."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())


def inspect_job(folder: Path) -> JobInfo:
    """Return what a job's folder holds.

    Raises:
        OutputError: The folder is not a job's, or cannot be read.
    """
    metadata = read_job_file(folder)
    if metadata is None:
        raise OutputError(f"{folder} is no job of DreamFlow's: `dreamflow jobs list` shows them")
    expected_frames = OutputSpec.from_dict(metadata["outline"]).frames
    segments = _open_job_segments(folder, metadata)
    return JobInfo(folder, metadata, segments.count(), expected_frames, is_job_locked(folder))


def list_jobs_in(folder: Path) -> list[JobInfo]:
    """Return the jobs in a folder, by name; warns of each that cannot be read."""
    jobs: list[JobInfo] = []
    for path in sorted(folder.glob(f"*{JOB_FOLDER_SUFFIX}")):
        try:
            if path.is_dir() and read_job_file(path) is not None:
                jobs.append(inspect_job(path))
        except OutputError as error:
            warnings.warn(
                f"{error.message}; `dreamflow jobs remove` removes it", DreamFlowWarning, 2
            )
    return jobs


def finish_job(
    folder: Path, output_path: Path | None = None, overwrite: bool = False
) -> tuple[Path, int]:
    """Make an output of the frames that a job has.

    Args:
        folder: The job's folder.
        output_path: Another output than the job's own, of the same suffix: then the job stays, and
            can be resumed. None makes the job's output and its plate, and ends the job.
        overwrite: Whether an output that exists may be replaced.

    Returns:
        The output, and the number of its frames.

    Raises:
        OutputError: The folder is not a job's, has no frame yet, or is being worked on; or the
            output cannot be written.
    """
    job = inspect_job(folder)
    out, spec, record = output_path or job.output_path, job.output_spec, job.job_metadata["record"]
    if out.suffix.lower() != job.output_path.suffix.lower():
        raise OutputError(
            f"{out}: the frames are encoded for {job.output_path.suffix or 'a folder of PNGs'}; "
            "give the output that suffix"
        )
    published_frames = count_published_frames(out) if output_path is None else 0
    if not job.frames and not published_frames:
        raise OutputError(f"{folder} has no frame yet")
    metadata = job.job_metadata
    if output_path is None:
        plate = metadata.get("plate")
        check_output_and_plate(out, overwrite, False, spec.sources, Path(plate) if plate else None)
    else:
        check_output(out, overwrite, spec.sources)
        metadata = metadata | {"plate": None}
    with JobFolder(folder) as held:
        if published_frames:
            close_published_job(held, out, record)
            return out, published_frames
        segments = _open_job_segments(folder, metadata)
        try:
            segments.resume(job.frames)
            ends_job = output_path is None
            finish_output(held, segments, out, spec, record, ends_job, overwrite=overwrite)
        finally:
            segments.close()
    return out, job.frames


def remove_job(folder: Path) -> None:
    """Remove a job and its frames, or what is left of one.

    Raises:
        OutputError: The folder is not a job's, or is being worked on.
    """
    if remove_job_leftovers(folder):
        return
    if not is_job_folder(folder):
        inspect_job(folder)
    with JobFolder(folder) as held:
        held.remove()


def _open_job_segments(folder: Path, metadata: JobMetadata) -> SegmentWriter:
    container = container_format_for(Path(metadata["out"]))
    spec = OutputSpec.from_dict(metadata["outline"])
    encode = EncodeOptions(**metadata["encode"])
    return open_segment_writer(folder, container, spec, encode, metadata)
