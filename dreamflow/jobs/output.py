"""Frames written to an output that appears complete or not at all."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dreamflow.core.errors import DreamFlowWarning, OutputError
from dreamflow.core.interrupts import defer_interrupt
from dreamflow.core.timing import IGNORED_STAGE_TIMES, StageTimes
from dreamflow.jobs.storage.folder import (
    JobFolder,
    job_folder_path,
    read_publishing_frames,
    remove_job_leftovers,
)
from dreamflow.jobs.storage.publish import (
    PLATE_FOLDER,
    check_unclaimed,
    count_published_frames,
    is_plate_published,
    publish_output,
    staged_output_path,
)
from dreamflow.media.atomic_file import part_path
from dreamflow.media.embedded_settings import check_record_length, write_sidecar
from dreamflow.media.options import EncodeOptions
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.write.containers import ContainerFormat
from dreamflow.media.write.output_path import check_output
from dreamflow.media.write.picture_segments import PictureSegmentWriter
from dreamflow.media.write.residual_plate import DreamAndPlateWriter, plate_format
from dreamflow.media.write.segments import SegmentWriter, VideoSegmentWriter, choose_segment_frames
from dreamflow.pipelines.settings.groups import saved_settings_dict
from dreamflow.pipelines.settings.paths import publish_record

JobMetadata = dict[str, Any]
"""What a job's job.json holds. Of any job: `out` (the output's name), `record`, `outline` (the
OutputSpec), `encode`, `chunk` (frames of a segment), `plate`. Of one that can be resumed also:
`inputs` (their fingerprints), `machine`, `command`."""


def check_output_and_plate(
    out: Path, overwrite: bool, fresh: bool, sources: Iterable[Path], plate: Path | None = None
) -> None:
    """Check that an output and its plate can be written; removes an empty folder of a killed job.

    An output that exists is accepted where it was published by a job that was then killed.

    Args:
        out: The output.
        overwrite: Whether an output that exists may be replaced.
        fresh: Whether the render starts over.
        sources: Files and folders that must not be replaced.
        plate: The plate, if there is one.

    Raises:
        OutputError: One of them cannot be written.
        SettingsError: The plate's format loses too much.
    """
    remove_job_leftovers(job_folder_path(out))
    is_published = not fresh and count_published_frames(out) > 0
    check_output(out, overwrite or is_published, sources)
    if plate is None:
        return
    plate_format(plate)
    is_published = not fresh and is_plate_published(plate, out)
    check_output(plate, overwrite or is_published, sources)
    if plate.absolute() == out.absolute():
        raise OutputError(f"{plate} is the dream itself; give the plate another name")


def open_segment_writer(
    folder: Path,
    container: ContainerFormat | None,
    spec: OutputSpec,
    encode: EncodeOptions,
    metadata: JobMetadata,
    times: StageTimes = IGNORED_STAGE_TIMES,
) -> SegmentWriter:
    """Return the writer of the frames in a job's folder, and of their plate where it has one.

    Args:
        folder: The job's folder.
        container: Format of the output; None is a folder of PNGs.
        spec: Size and timing of the frames.
        encode: How they are encoded.
        metadata: The job's metadata.
        times: Counts the time that encoding takes.
    """
    start_number = encode.start_number  # a plate in PNGs is numbered as the dream is
    # Pictures hold it, and become the output as they are.
    record = publish_record(metadata["record"], folder)

    def open_writer_in(
        folder: Path, container: ContainerFormat | None, encode: EncodeOptions
    ) -> SegmentWriter:
        if container is None:
            return PictureSegmentWriter(folder, spec, record, start_number)
        return VideoSegmentWriter(folder, container, spec, encode, metadata["chunk"], times)

    segments = open_writer_in(folder, container, encode)
    plate = metadata.get("plate")
    if not plate:
        return segments
    plate_folder = folder / PLATE_FOLDER
    staged_plate = staged_output_path(plate_folder, Path(plate))
    return DreamAndPlateWriter(segments, plate_folder, Path(plate), open_writer_in, staged_plate)


def make_job_metadata(
    out: Path,
    spec: OutputSpec,
    encode: EncodeOptions,
    record: dict[str, Any],
    segment_frames: int | None = None,
    plate: Path | None = None,
) -> JobMetadata:
    """Return what is needed to make the output of a job's frames.

    Args:
        out: The output.
        spec: Size and timing of the frames.
        encode: How they are encoded.
        record: The settings, which are kept with the output.
        segment_frames: Frames of a segment; None chooses by the frames' size.
        plate: The plate, if there is one.

    Raises:
        SettingsError: The settings are too long to be kept with the output.
    """
    check_record_length(record)
    return {
        "out": out.name,
        "record": record,
        "outline": spec.to_dict(),
        "encode": saved_settings_dict(encode),
        "chunk": segment_frames or choose_segment_frames(spec),
        "plate": plate and str(plate.absolute()),
    }


def finish_output(
    folder: JobFolder,
    segments: SegmentWriter,
    out: Path,
    spec: OutputSpec,
    record: dict[str, Any],
    ends_job: bool = True,
    *,
    overwrite: bool,
) -> None:
    """Make the output of a job's frames and publish it, with its settings beside it.

    Args:
        folder: The job's folder.
        segments: The writer of its frames.
        out: The output.
        spec: Size, timing and sound of the frames.
        record: The settings.
        ends_job: Whether the job's folder is removed afterwards.
        overwrite: Whether an output that exists by now may be replaced.

    Raises:
        OutputError: It cannot be made or published; nothing outside of the folder has changed then.
    """
    staged = staged_output_path(folder.path, out)
    output_by_staged = {staged: out}
    if isinstance(segments, DreamAndPlateWriter):
        # The dream comes last: once it is published, the job is done.
        output_by_staged = {segments.staged_plate: segments.plate_target, **output_by_staged}
    is_complete = staged.exists() and all(
        path.exists() or output.exists() for path, output in output_by_staged.items()
    )
    is_marked = ends_job and read_publishing_frames(folder.path) == segments.frames
    if not (is_complete and is_marked):
        folder.mark_publishing(0)
        part = part_path(staged)
        segments.write_output(part, spec, publish_record(record, out))
        if staged.is_dir():
            shutil.rmtree(staged)
        part.replace(staged)
        if ends_job:
            folder.mark_publishing(segments.frames)
    complete = {path: output for path, output in output_by_staged.items() if path.exists()}
    for path, output in complete.items():
        check_unclaimed(path, output, overwrite)
    with defer_interrupt(raise_after=False):
        for path, output in complete.items():
            publish_output(path, output, overwrite)
        add_sidecar(out, record)
        if ends_job:
            folder.remove()


def add_sidecar(out: Path, record: dict[str, Any]) -> None:
    """Write an output's settings beside it; a folder of PNGs has them in it already."""
    if record and out.suffix:
        try:
            write_sidecar(out, publish_record(record, out))
        except OutputError as error:
            warnings.warn(
                f"{error.message}; the settings are in the output alone", DreamFlowWarning, 2
            )


def close_published_job(folder: JobFolder, out: Path, record: dict[str, Any]) -> None:
    """End a job whose output is published already."""
    with defer_interrupt(raise_after=False):
        add_sidecar(out, record)
        folder.remove()
