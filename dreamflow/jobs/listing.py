"""Jobs on the disk: what they hold, and how they are ended."""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

from dreamflow.core.errors import DamagedJobWarning, DreamFlowError, MediaError, OutputError, named
from dreamflow.core.text.path_text import path_from_text
from dreamflow.jobs.output import (
    check_output_and_plate,
    close_published_job,
    count_whole_frames,
    finish_output,
    open_job_segments,
)
from dreamflow.jobs.resume.fingerprints import UNLIMITED_FILES, check_inputs_intact
from dreamflow.jobs.resume.first_format import adopt_first_format
from dreamflow.jobs.storage.folder import (
    JobFolder,
    has_shards,
    is_job_folder,
    is_job_locked,
    remove_job_leftovers,
)
from dreamflow.jobs.storage.job_file import (
    ID_KEY,
    JOB_FOLDER_SUFFIX,
    JobMetadata,
    job_output_path,
    read_job_file,
)
from dreamflow.jobs.storage.publish import count_published_frames
from dreamflow.jobs.storage.state_file import (
    JOB_STATE_FILE,
    PIPELINE_KEY,
    DamagedStateError,
    read_state,
)
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.write.output_path import check_output
from dreamflow.media.write.segments.piece_ledger import DamagedPiecesError


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
        return job_output_path(self.folder, self.job_metadata)

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
        is_saved = (self.folder / JOB_STATE_FILE).exists() or has_shards(self.folder)
        if is_resumable and not is_saved:
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
    segments = open_job_segments(folder, metadata)
    segments.close()
    return JobInfo(folder, metadata, segments.count(), expected_frames, is_job_locked(folder))


def list_jobs_in(folder: Path) -> list[JobInfo]:
    """Return the jobs in a folder, by name; warns of each that cannot be read."""
    jobs: list[JobInfo] = []
    for path in sorted(folder.glob(f"*{JOB_FOLDER_SUFFIX}")):
        try:
            if path.is_dir() and read_job_file(path) is not None:
                jobs.append(inspect_job(path))
        except (DreamFlowError, OSError) as error:
            message = error.message if isinstance(error, DreamFlowError) else f"{path}: {error}"
            warnings.warn(f"{message}; `dreamflow jobs remove` removes it", DamagedJobWarning, 2)
    return jobs


def list_jobs_below(folder: Path) -> list[JobInfo]:
    """Return the jobs in a folder, then those in each folder in it, where a batch has put them."""
    inner = [
        path
        for path in sorted(folder.iterdir())
        if path.suffix != JOB_FOLDER_SUFFIX and not path.name.startswith(".") and path.is_dir()
    ]
    return [job for each in (folder, *inner) for job in list_jobs_in(each)]


def finish_job(
    folder: Path, output_path: Path | None = None, overwrite: bool = False, silent: bool = False
) -> tuple[Path, int]:
    """Make an output of the frames that a job has.

    Where a piece is damaged, the output ends before it, and the job stays.

    Args:
        folder: The job's folder.
        output_path: Another output than the job's own, of the same suffix: then the job stays, and
            can be resumed. None makes the job's output and its plate, and ends the job.
        overwrite: Whether an output that exists may be replaced.
        silent: Whether the source is left out: the output has no sound, and it does not matter
            whether the source is there and unchanged.

    Returns:
        The output, and the number of its frames.

    Raises:
        OutputError: The folder is not a job's, has no whole frame yet, or is being worked on; or
            the output cannot be written.
        MediaError: An input of the job is gone or has changed.
    """
    adopt_first_format(folder)
    job = inspect_job(folder)
    out, spec = output_path or job.output_path, job.output_spec
    if out.suffix.lower() != job.output_path.suffix.lower():
        raise OutputError(
            f"{out}: the frames are encoded for {job.output_path.suffix or 'a folder of PNGs'}; "
            "give the output that suffix"
        )
    published_frames = count_published_frames(out) if output_path is None else 0
    if not job.frames and not published_frames:
        raise OutputError(f"{folder} has no frame yet")
    metadata = job.job_metadata
    reserved = [*spec.sources, *list_input_files(metadata)]
    if output_path is None:
        plate = metadata["plate"]
        check_output_and_plate(
            out, overwrite, False, reserved, path_from_text(plate) if plate else None
        )
    else:
        check_output(out, overwrite, reserved)
        metadata = metadata | {"plate": None}
    with JobFolder(folder) as held:
        if published_frames:
            close_published_job(held, out, job.job_metadata["record"])
            return out, published_frames
        frames, damages = count_whole_frames(folder, metadata)
        if not frames:
            raise DamagedPiecesError(folder, damages, job.frames)
        if damages:
            warnings.warn(
                f"{folder} is damaged from frame {frames} on: the output ends there, and the job "
                f"stays; the command that began it dreams the rest again with {named('repair')}",
                DamagedJobWarning,
                2,
            )
        if silent:
            spec = replace(spec, sound=None, music=None)
        else:
            _check_job_inputs(folder, metadata)
        ends_job = output_path is None and not damages
        segments = open_job_segments(folder, metadata)
        try:
            segments.resume(frames, keep_rest=True)
            finish_output(held, segments, out, spec, metadata, ends_job, overwrite=overwrite)
        finally:
            segments.close()
    return out, frames


def list_input_files(metadata: JobMetadata) -> list[Path]:
    """Return the files that a job reads; none of a job that a program began."""
    files: dict[str, list[str]] = metadata.get("input_files") or {}
    return [path_from_text(text) for paths in files.values() for text in paths]


def _check_job_inputs(folder: Path, metadata: JobMetadata) -> None:
    """Check that the inputs of a job are what they were. Raises MediaError."""
    if not metadata.get("inputs"):
        return
    files_read = UNLIMITED_FILES
    with contextlib.suppress(DamagedStateError):
        state = read_state(folder / JOB_STATE_FILE, metadata[ID_KEY])
        files_read = state[PIPELINE_KEY].get("read", files_read)
    files = {
        name: [path_from_text(text) for text in paths]
        for name, paths in metadata["input_files"].items()
    }
    try:
        check_inputs_intact(metadata["inputs"], files, files_read)
    except MediaError as error:
        error.add_note(f"with {named('silent')} the output is made without the source's sound")
        raise


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
