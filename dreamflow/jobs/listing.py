"""Jobs that lie on the disk: what there is of them, and how they are ended."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamflow.core.errors import DreamFlowWarning, OutputError
from dreamflow.jobs.output import (
    check_output,
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
from dreamflow.media.write.segments import SegmentWriter


@dataclass(frozen=True)
class JobInfo:
    """A job on the disk. frames: of its output, that are there; of: how many it is to have."""

    folder: Path
    job_metadata: dict[str, Any]
    frames: int
    expected_frames: int
    is_running: bool

    @property
    def output_path(self) -> Path:
        """The output that it is the job of."""
        return self.folder.with_name(self.job_metadata["out"])

    @property
    def status(self) -> str:
        """Whether it runs, in words, and where it begins anew where none of it could go on."""
        if self.is_running:
            return "runs"
        goes_on = "inputs" in self.job_metadata  # one that a program writes only ends
        if goes_on and not (self.folder / JOB_STATE_FILE).exists():
            return "stopped unsaved: it begins anew"
        return "stopped"

    @property
    def size_bytes(self) -> int:
        """How much the folder takes on the disk."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())


def inspect_job(folder: Path) -> JobInfo:
    """Return what there is of a job. Raises OutputError where a folder is none."""
    facts = read_job_file(folder)
    if facts is None:
        raise OutputError(f"{folder} is no job of DreamFlow's: `dreamflow jobs list` shows them")
    outline = OutputSpec.from_dict(facts["outline"])
    reel = _open_job_segments(folder, facts, outline)
    return JobInfo(folder, facts, reel.count(), outline.frames, is_job_locked(folder))


def list_jobs_in(folder: Path) -> list[JobInfo]:
    """Return the jobs in a folder, by name; of one that cannot be read only a warning comes."""
    found: list[JobInfo] = []
    for path in sorted(folder.glob(f"*{JOB_FOLDER_SUFFIX}")):
        try:
            if path.is_dir() and read_job_file(path) is not None:
                found.append(inspect_job(path))
        except OutputError as error:
            warnings.warn(f"{error}; `dreamflow jobs remove` removes it", DreamFlowWarning, 2)
    return found


def finish_job(
    folder: Path, output_path: Path | None = None, overwrite: bool = False
) -> tuple[Path, int]:
    """Make an output of the frames that a job has; return it, and their number.

    target: another output than the job's own, of the same suffix; then the job stays, and can go
    on. Else it is ended, and its plate is made, too. Raises OutputError, also where one of them
    exists and is not to be overwritten.
    """
    kept = inspect_job(folder)
    out = output_path or kept.output_path
    outline = OutputSpec.from_dict(kept.job_metadata["outline"])
    if out.suffix.lower() != kept.output_path.suffix.lower():
        raise OutputError(
            f"{out}: the frames are encoded for {kept.output_path.suffix or 'a folder of PNGs'}; give the "
            "output that suffix"
        )
    there = count_published_frames(out) if output_path is None else 0
    if not kept.frames and not there:
        raise OutputError(f"{folder} has no frame yet")
    if output_path is None:
        plate = kept.job_metadata.get("plate")
        check_output_and_plate(
            out, overwrite, False, outline.sources, Path(plate) if plate else None
        )
    else:
        check_output(out, overwrite, outline.sources)
    record = kept.job_metadata["record"]
    with JobFolder(folder) as held:
        if there:
            close_published_job(held, out, record)
            return out, there
        facts = kept.job_metadata if output_path is None else kept.job_metadata | {"plate": None}
        reel = _open_job_segments(folder, facts, outline)
        try:
            reel.resume(kept.frames)
            finish_output(held, reel, out, outline, record, ends_job=output_path is None)
        finally:
            reel.close()
    return out, kept.frames


def remove_job(folder: Path) -> None:
    """Remove a job and its frames, or what is left of one. Raises OutputError: none, or it runs."""
    if remove_job_leftovers(folder):
        return
    if not is_job_folder(folder):
        inspect_job(folder)
    with JobFolder(folder) as held:
        held.remove()


def _open_job_segments(
    folder: Path, job_metadata: dict[str, Any], outline: OutputSpec
) -> SegmentWriter:
    kind = container_format_for(Path(job_metadata["out"]))
    return open_segment_writer(
        folder, kind, outline, EncodeOptions(**job_metadata["encode"]), job_metadata
    )
