"""Frames written to an output that appears complete or not at all."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dreamflow.core.errors import OutputError
from dreamflow.core.interrupts import defer_interrupt
from dreamflow.core.text.path_text import path_from_text, path_to_text
from dreamflow.core.text.wording import format_count
from dreamflow.core.timing import IGNORED_STAGE_TIMES, StageTimes
from dreamflow.jobs.storage.folder import (
    JobFolder,
    job_folder_path,
    read_publishing_frames,
    remove_job_leftovers,
)
from dreamflow.jobs.storage.job_file import ID_KEY, JobMetadata, make_job_id
from dreamflow.jobs.storage.publish import (
    PLATE_FOLDER,
    check_unclaimed,
    count_published_frames,
    is_plate_published,
    publish_output,
    staged_output_path,
)
from dreamflow.jobs.storage.state_file import (
    FRAMES_KEY,
    JOB_STATE_FILE,
    DamagedStateError,
    read_state,
)
from dreamflow.media.files.atomic_file import part_path
from dreamflow.media.files.sequence_name import SequenceName
from dreamflow.media.options import EncodeOptions
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.records.embedded_settings import add_sidecar, check_record_length
from dreamflow.media.write.containers import ContainerFormat, container_format_for
from dreamflow.media.write.output_path import check_output, find_same_file
from dreamflow.media.write.residual_plate import DreamAndPlateWriter, plate_format
from dreamflow.media.write.segments.film_segments import VideoSegmentWriter, choose_segment_frames
from dreamflow.media.write.segments.picture_segments import PictureSegmentWriter
from dreamflow.media.write.segments.piece_ledger import Damage, PieceLedger
from dreamflow.media.write.segments.segment_writer import SegmentWriter
from dreamflow.pipelines.settings.groups import saved_settings_dict
from dreamflow.pipelines.settings.paths import publish_record


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
    if find_same_file(plate, [out]) is not None:
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
    # Pictures hold it, and become the output as they are.
    record = publish_record(metadata["record"], folder)
    plate = path_from_text(metadata["plate"]) if metadata["plate"] else None

    def open_writer_in(
        folder: Path, container: ContainerFormat | None, options: EncodeOptions
    ) -> SegmentWriter:
        identity = output_identity(folder, metadata[ID_KEY])
        if container is None:
            # A plate's pictures are numbered as the dream's are.
            options = replace(options, start_number=encode.start_number)
            out = plate if plate and folder.name == PLATE_FOLDER else Path(metadata["out"])
            sequence = SequenceName.parse(out)
            return PictureSegmentWriter(folder, spec, record, identity, options, sequence)
        own_spec = replace(spec, samples=None) if folder.name == PLATE_FOLDER else spec
        return VideoSegmentWriter(
            folder, container, own_spec, options, metadata["chunk"], identity, times
        )

    segments = open_writer_in(folder, container, encode)
    if plate is None:
        return segments
    plate_folder = folder / PLATE_FOLDER
    staged_plate = staged_output_path(plate_folder, plate)
    return DreamAndPlateWriter(segments, plate_folder, plate, open_writer_in, staged_plate)


def output_identity(folder: Path, job_id: str) -> str:
    """Return what the hashes of an output's pieces begin with: a plate has its own."""
    return f"{job_id} {PLATE_FOLDER if folder.name == PLATE_FOLDER else 'dream'}"


def open_job_segments(folder: Path, metadata: JobMetadata) -> SegmentWriter:
    """Return the writer of the frames that a job in a folder has."""
    return open_segment_writer(
        folder,
        container_format_for(Path(metadata["out"])),
        OutputSpec.from_dict(metadata["outline"]),
        EncodeOptions(**metadata["encode"]),
        metadata,
    )


def count_whole_frames(folder: Path, metadata: JobMetadata) -> tuple[int, list[Damage]]:
    """Return how many frames of a job are whole before the first damaged piece, and its damages."""
    segments = open_job_segments(folder, metadata)
    segments.close()
    saved = count = segments.count()
    with contextlib.suppress(DamagedStateError):
        expected = metadata["outline"]["frames"]
        saved = read_state(folder / JOB_STATE_FILE, metadata[ID_KEY], expected)[FRAMES_KEY]
    damages = segments.find_damages(max(count, saved))
    whole = min([count, *(damage.first for damage in damages)])
    # What was written behind the last state may not have come to the disk before a power cut.
    return whole, [damage for damage in damages if damage.first < saved]


def describe_whole_frames(folder: Path, metadata: JobMetadata) -> str:
    """Return in words which frames of a job can be made an output of."""
    whole, _ = count_whole_frames(folder, metadata)
    if not whole:
        return "no frame is whole"
    return (
        f"{format_count(whole, 'frame')} {'is' if whole == 1 else 'are'} whole: `dreamflow jobs "
        "finish` makes an output of them"
    )


def open_ledger(folder: Path, job_id: str) -> PieceLedger:
    """Return the ledger of the pieces in a job's folder, or in that of its plate."""
    return PieceLedger(folder, output_identity(folder, job_id))


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
        ID_KEY: make_job_id(),
        "out": out.name.encode(errors="replace").decode(),
        "record": record,
        "outline": spec.to_dict(),
        "encode": saved_settings_dict(encode),
        "chunk": segment_frames or choose_segment_frames(spec),
        "plate": plate and path_to_text(plate.absolute()),
    }


def finish_output(
    folder: JobFolder,
    segments: SegmentWriter,
    out: Path,
    spec: OutputSpec,
    metadata: JobMetadata,
    ends_job: bool = True,
    intermediates: Sequence[Path] = (),
    *,
    overwrite: bool,
) -> None:
    """Make the output of a job's frames and publish it, with its settings beside it.

    Args:
        folder: The job's folder.
        segments: The writer of its frames.
        out: The output.
        spec: Size, timing and sound of the frames.
        metadata: The job's metadata.
        ends_job: Whether the job's folder is removed afterwards.
        intermediates: Folders that are removed before it.
        overwrite: Whether an output that exists by now may be replaced.

    Raises:
        DamagedPiecesError: A piece is not what was written.
        OutputError: It cannot be made or published; nothing outside of the folder has changed then.
    """
    record, job_id = metadata["record"], metadata[ID_KEY]
    staged = staged_output_path(folder.path, out)
    output_by_staged = {staged: out}
    if isinstance(segments, DreamAndPlateWriter):
        # The dream comes last: once it is published, the job is done.
        output_by_staged = {segments.staged_plate: segments.plate_target, **output_by_staged}
    ledgers = {path: open_ledger(path.parent, job_id) for path in output_by_staged}
    is_complete = staged.exists() and all(
        _is_whole(path, ledgers[path]) if path.exists() else output.exists()
        for path, output in output_by_staged.items()
    )
    is_marked = ends_job and read_publishing_frames(folder.path) == segments.frames
    if not (is_complete and is_marked):
        folder.mark_publishing(0)
        part = part_path(staged)
        segments.write_output(part, spec, publish_record(record, out))
        if staged.is_dir():
            shutil.rmtree(staged)
        part.replace(staged)
        for path in output_by_staged:
            if path.is_file():  # a folder is made of pieces that are recorded
                ledgers[path].record(path)
                ledgers[path].sync()
        if ends_job:
            folder.mark_publishing(segments.frames)
    complete = {path: output for path, output in output_by_staged.items() if path.exists()}
    for path, output in complete.items():
        check_unclaimed(path, output, overwrite)
    with defer_interrupt(raise_after=False):
        for path, output in complete.items():
            publish_output(path, output, overwrite)
        if record and out.suffix:  # a folder of PNGs has them in it already
            add_sidecar(out, publish_record(record, out), folder.path)
        if ends_job:
            _end_job(folder, intermediates)


def _is_whole(staged: Path, ledger: PieceLedger) -> bool:
    """Return whether a finished output is what was written; a folder has pieces that are checked.

    A folder gets its name when it is complete.
    """
    return staged.is_dir() or not ledger.find_problem(staged)


def close_published_job(
    folder: JobFolder, out: Path, record: dict[str, Any], intermediates: Sequence[Path] = ()
) -> None:
    """End a job whose output is published already; see `finish_output`."""
    with defer_interrupt(raise_after=False):
        if record and out.suffix:
            add_sidecar(out, publish_record(record, out), folder.path)
        _end_job(folder, intermediates)


def _end_job(folder: JobFolder, intermediates: Sequence[Path]) -> None:
    for path in intermediates:
        shutil.rmtree(path, ignore_errors=True)
    folder.remove()
