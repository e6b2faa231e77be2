"""Frames into a file that appears whole or not at all."""

from __future__ import annotations

import shlex
import shutil
import warnings
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dreamflow.core.errors import DreamFlowWarning, OutputError
from dreamflow.core.frames import Frame
from dreamflow.core.interrupts import defer_interrupt
from dreamflow.core.timing import IGNORED_STAGE_TIMES, StageTimes
from dreamflow.core.wording import format_count
from dreamflow.jobs.storage.folder import (
    JobFolder,
    is_job_folder,
    job_folder_path,
    read_publishing_frames,
    remove_job_leftovers,
)
from dreamflow.jobs.storage.publish import (
    PLATE_FOLDER,
    count_published_frames,
    is_plate_published,
    publish_output,
)
from dreamflow.media.atomic_file import part_path
from dreamflow.media.options import EncodeOptions
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.read.clip import Clip
from dreamflow.media.write.containers import ContainerFormat, container_format_for
from dreamflow.media.write.metadata import write_sidecar
from dreamflow.media.write.output_path import check_output, staged_output_path
from dreamflow.media.write.picture_segments import PictureSegmentWriter
from dreamflow.media.write.residual_plate import DreamAndPlateWriter, plate_format
from dreamflow.media.write.segments import SegmentWriter, VideoSegmentWriter, choose_segment_frames
from dreamflow.pipelines.settings.groups import saved_settings_dict


def check_output_and_plate(
    out: Path, overwrite: bool, fresh: bool, sources: Iterable[Path], plate: Path | None = None
) -> None:
    """Raise OutputError or SettingsError where an output, or its plate, cannot be written.

    Where they are in their places, but their job was not cleared away, the render may go on. An
    empty folder of a job, whose process was killed while it was cleared away, is removed.
    """
    remove_job_leftovers(job_folder_path(out))
    check_output(out, overwrite or (not fresh and count_published_frames(out) > 0), sources)
    if plate is None:
        return
    plate_format(plate)
    check_output(plate, overwrite or (not fresh and is_plate_published(plate, out)), sources)
    if plate.absolute() == out.absolute():
        raise OutputError(f"{plate} is the dream itself; give the plate another name")


def open_segment_writer(
    folder: Path,
    kind: ContainerFormat | None,
    outline: OutputSpec,
    encode: EncodeOptions,
    job_metadata: dict[str, Any],
    times: StageTimes = IGNORED_STAGE_TIMES,
) -> SegmentWriter:
    """Return the reel in a job folder. kind: None for a folder of PNGs. facts: of the job."""

    def make(folder: Path, kind: ContainerFormat | None, encode: EncodeOptions) -> SegmentWriter:
        if kind is None:
            return PictureSegmentWriter(folder, job_metadata["record"])
        return VideoSegmentWriter(folder, kind, outline, encode, job_metadata["chunk"], times)

    reel = make(folder, kind, encode)
    if plate := job_metadata.get("plate"):
        staged = staged_output_path(folder / PLATE_FOLDER, Path(plate))
        return DreamAndPlateWriter(reel, folder / PLATE_FOLDER, Path(plate), make, staged)
    return reel


def make_job_metadata(
    out: Path,
    outline: OutputSpec,
    encode: EncodeOptions,
    record: dict[str, Any],
    segment_frames: int | None = None,
    plate: Path | None = None,
) -> dict[str, Any]:
    """Return what must be known of a job to make the output of the frames in its folder."""
    return {
        "out": out.name,
        "record": record,
        "outline": outline.to_dict(),
        "encode": saved_settings_dict(encode),
        "chunk": segment_frames or choose_segment_frames(outline),
        "plate": plate and str(plate.absolute()),
    }


def finish_output(
    folder: JobFolder,
    segments: SegmentWriter,
    output_path: Path,
    output_spec: OutputSpec,
    record: dict[str, Any],
    ends_job: bool = True,
) -> None:
    """Make the output of a job's frames, and put it where it belongs, with its settings beside it.

    ends: whether the job is over then; its folder is removed. Raises OutputError; then nothing has
    changed but that what was made anew lies in the folder.
    """
    made = staged_output_path(folder.path, output_path)
    outputs = {made: output_path}
    if isinstance(segments, DreamAndPlateWriter):
        outputs = {
            segments.staged_plate: segments.plate_target,
            **outputs,
        }  # the film last: with it, all is done
    here = made.exists() and all(one.exists() or place.exists() for one, place in outputs.items())
    if not (ends_job and here and read_publishing_frames(folder.path) == segments.frames):
        folder.mark_publishing(0)
        part = part_path(made)
        segments.write_output(part, output_spec, record)
        if made.is_dir():
            shutil.rmtree(made)
        part.replace(made)
        if ends_job:
            folder.mark_publishing(segments.frames)
    with defer_interrupt(raise_after=False):
        for part, place in outputs.items():
            if part.exists():
                publish_output(part, place)
        add_sidecar(output_path, record)
        if ends_job:
            folder.remove()


def add_sidecar(output_path: Path, record: dict[str, Any]) -> None:
    """Write an output's settings beside it; a folder has them in it already."""
    if record and output_path.suffix:
        try:
            write_sidecar(output_path, record)
        except OutputError as error:
            warnings.warn(f"{error}; the settings are in the output alone", DreamFlowWarning, 2)


def close_published_job(folder: JobFolder, target: Path, record: dict[str, Any]) -> None:
    """End a job whose output is in its place already."""
    with defer_interrupt(raise_after=False):
        add_sidecar(target, record)
        folder.remove()


class OutputWriter:
    """Takes frames into a job folder; on leaving its `with` block they become the output.

    Where that fails, or the block does, the frames stay in the folder, and the error says so.
    """

    def __init__(
        self,
        path: Path,
        kind: ContainerFormat | None,
        outline: OutputSpec,
        encode: EncodeOptions,
        record: dict[str, Any],
    ) -> None:
        self.path = path
        self.folder = JobFolder(job_folder_path(path))
        self._spec, self._record = outline, record
        self._job_metadata = make_job_metadata(path, outline, encode, record)
        self._segments = open_segment_writer(
            self.folder.path, kind, outline, encode, self._job_metadata
        )

    @property
    def frames(self) -> int:
        """How many frames were written."""
        return self._segments.frames

    def __enter__(self) -> Self:
        self.folder.__enter__()
        if is_job_folder(self.folder.path) and (kept := self._segments.count()):
            self.folder.__exit__()
            raise OutputError(
                f"{self.folder.path} holds {format_count(kept, 'frame')} of an earlier render: "
                "`dreamflow jobs` finishes or removes it"
            )
        self._segments.warn_of_changes()
        self.folder.start_over(self._job_metadata)
        return self

    def write(self, frame: Frame) -> None:
        """Add a frame. Raises OutputError where the disk is full, ffmpeg died, or sizes differ."""
        with defer_interrupt():
            self._segments.write(frame)
        if self._segments.can_flush:
            self._segments.flush()
            self._segments.prune(self._segments.frames)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                finish_output(self.folder, self._segments, self.path, self._spec, self._record)
            elif not self.frames:
                self.folder.remove()
            else:
                self._add_job_note(error)
        except BaseException as failed:
            self._add_job_note(failed)
            raise
        finally:
            self._segments.close()
            self.folder.__exit__()

    def _add_job_note(self, error: BaseException | None) -> None:
        if error is not None:
            job = self.folder.path
            error.add_note(
                f"what is finished, {format_count(self.frames, 'frame')}, is kept in {job}: "
                f"`dreamflow jobs finish {shlex.quote(str(job))}` makes the output of it"
            )


def open_writer(
    path: str | Path,
    output_spec: OutputSpec,
    *,
    encode: EncodeOptions | None = None,
    record: dict[str, Any] | None = None,
    overwrite: bool = False,
) -> OutputWriter:
    """Open an output for frames of this size and timing, with this sound.

    path: .mp4, .m4v, .mov, .mkv, .webm, .gif or .webp; without suffix, a folder of PNGs.
    record: settings to embed, and to write beside the output. Raises OutputError.
    """
    path = Path(path)
    kind = container_format_for(path)
    check_output(path, overwrite, output_spec.sources)
    return OutputWriter(
        path if kind else path.resolve(), kind, output_spec, encode or EncodeOptions(), record or {}
    )


def write_video(
    path: str | Path,
    frames: Iterable[Frame],
    clip: Clip | OutputSpec,
    *,
    codec: str = EncodeOptions.codec,
    quality: str = EncodeOptions.quality,
    crf: int | None = EncodeOptions.crf,
    lossless: bool = EncodeOptions.lossless,
    record: dict[str, Any] | None = None,
    overwrite: bool = False,
) -> int:
    """Write frames made from a clip to a file, with the clip's sound; return how many.

    clip: what the frames were made from, or the outline of frames made from nothing.
    codec, quality, crf, lossless: as in EncodeOptions. See `open_writer` for the names it takes,
    for `record` and for what it raises. Where something fails, the frames so far stay in the job
    folder that the error names.
    """
    encode = EncodeOptions(codec=codec, quality=quality, crf=crf, lossless=lossless)
    outline = clip.output_spec if isinstance(clip, Clip) else clip
    with open_writer(path, outline, encode=encode, record=record, overwrite=overwrite) as writer:
        for frame in frames:
            writer.write(frame)
    return writer.frames
