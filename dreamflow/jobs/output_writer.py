"""Frames that a program makes, written to a file: the writer of the Python interface."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dreamflow.core.errors import OutputError, SettingsError, named
from dreamflow.core.frames import Frame
from dreamflow.core.interrupts import defer_interrupt
from dreamflow.core.text.wording import format_count
from dreamflow.jobs.output import finish_output, make_job_metadata, open_segment_writer
from dreamflow.jobs.storage.folder import JobFolder, is_job_folder, job_folder_path
from dreamflow.media.options import ClipOptions, EncodeOptions
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.frame_rate import to_exact_rate
from dreamflow.media.write.containers import ContainerFormat, container_format_for
from dreamflow.media.write.output_path import check_output


class OutputWriter:
    """Takes frames into a job's folder; on leaving its `with` block they become the output.

    Where that or the block fails, the frames stay in the folder, and a note on the error says so.

    Attributes:
        path: The output.
        folder: The job's folder.
    """

    def __init__(
        self,
        path: Path,
        container: ContainerFormat | None,
        spec: OutputSpec,
        encode: EncodeOptions,
        record: dict[str, Any],
        overwrite: bool = False,
    ) -> None:
        self.path = path
        self.folder = JobFolder(job_folder_path(path))
        self._spec, self._record, self._overwrite = spec, record, overwrite
        self._metadata = make_job_metadata(path, spec, encode, record)
        self._segments = open_segment_writer(
            self.folder.path, container, spec, encode, self._metadata
        )

    @property
    def frames(self) -> int:
        """Number of frames written."""
        return self._segments.frames

    def __enter__(self) -> Self:
        """Begin the job.

        Raises:
            OutputError: There is a job of the same output, or its folder cannot be made.
        """
        self.folder.__enter__()
        if is_job_folder(self.folder.path) and (earlier_frames := self._segments.count()):
            self.folder.__exit__()
            raise OutputError(
                f"{self.folder.path} holds {format_count(earlier_frames, 'frame')} of an earlier "
                "render: `dreamflow jobs` finishes or removes it"
            )
        self._segments.warn_of_changes()
        self.folder.start_over(self._metadata)
        return self

    def write(self, frame: Frame) -> None:
        """Add a frame.

        Raises:
            OutputError: The disk is full, the encoder failed, or the frame has another size.
        """
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
        """Make the output, or keep the frames where the block failed."""
        try:
            if kind is None:
                finish_output(
                    self.folder,
                    self._segments,
                    self.path,
                    self._spec,
                    self._metadata,
                    overwrite=self._overwrite,
                )
            elif not self.frames:
                self.folder.remove()
            else:
                self._add_job_note(error)
        except BaseException as failure:
            self._add_job_note(failure)
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
    """Open an output for frames that are made one by one.

    Args:
        path: .mp4, .m4v, .mov, .mkv, .webm, .gif or .webp; without a suffix, a folder of PNGs.
        output_spec: Size, timing and sound of the frames.
        encode: How they are encoded.
        record: Settings to embed, and to write beside the output.
        overwrite: Whether an output that exists may be replaced.

    Returns:
        A context manager; see `OutputWriter`.

    Raises:
        OutputError: The output cannot be written, or has an unknown suffix.
    """
    path = Path(path)
    container = container_format_for(path)
    check_output(path, overwrite, output_spec.sources)
    return OutputWriter(
        path if container else path.resolve(),
        container,
        output_spec,
        encode or EncodeOptions(),
        record or {},
        overwrite,
    )


def write_video(
    path: str | Path,
    frames: Iterable[Frame],
    clip: Clip | OutputSpec | None = None,
    *,
    fps: float | None = None,
    codec: str = EncodeOptions.codec,
    quality: str = EncodeOptions.quality,
    crf: int | None = EncodeOptions.crf,
    lossless: bool = EncodeOptions.lossless,
    record: dict[str, Any] | None = None,
    overwrite: bool = False,
) -> int:
    """Write frames to a file: those made from a clip with its sound, or any at a rate.

    Where something fails, the frames so far stay in the job's folder that the error names.

    Args:
        path: .mp4, .m4v, .mov, .mkv, .webm, .gif or .webp; without a suffix, a folder of PNGs.
        frames: The frames, in order.
        clip: The clip that they were made from, whose size, timing and sound the output has.
        fps: Frames per second, for those of a zoom or of a picture's sweep, which have no clip.
        codec: As in `EncodeOptions`.
        quality: As in `EncodeOptions`.
        crf: As in `EncodeOptions`.
        lossless: As in `EncodeOptions`.
        record: Settings to embed, and to write beside the output.
        overwrite: Whether an output that exists may be replaced.

    Returns:
        The number of frames written.

    Raises:
        OutputError: The output cannot be written.
        SettingsError: The encoder's settings do not fit together, there is no frame, or not either
            a clip or a rate.
    """
    encode = EncodeOptions(codec=codec, quality=quality, crf=crf, lossless=lossless)
    if clip is None and fps is not None:
        spec, frames = _describe_frames(frames, fps)
    elif clip is not None and fps is None:
        spec = clip.output_spec if isinstance(clip, Clip) else clip
    else:
        raise SettingsError(
            f"give either the clip that the frames were made from, or {named('fps')}", setting="fps"
        )
    with open_writer(path, spec, encode=encode, record=record, overwrite=overwrite) as writer:
        for frame in frames:
            writer.write(frame)
    return writer.frames


def _describe_frames(frames: Iterable[Frame], fps: float) -> tuple[OutputSpec, Iterable[Frame]]:
    """Return the size of the first frame at a rate, as a film of it alone has it, and all frames.

    Raises:
        SettingsError: There is no frame, or the rate is not above 0.
    """
    ClipOptions(fps=fps)  # refuses what is out of range
    rate = to_exact_rate(fps)
    coming = iter(frames)
    first = next(coming, None)
    if first is None:
        raise SettingsError("there is no frame to write", setting="frames")
    height, width = first.picture.shape[:2]
    return OutputSpec(width, height, rate, 1, Fraction(1) / rate), chain([first], coming)
