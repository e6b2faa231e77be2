"""Frames into a file that appears whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from dreamflow.errors import OutputError
from dreamflow.frames import Frame
from dreamflow.media.clip import Clip
from dreamflow.media.film import FilmWriter
from dreamflow.media.formats import format_of
from dreamflow.media.interrupt import finished_first
from dreamflow.media.keep import note_kept, partial_path, worth_keeping
from dreamflow.media.metadata import FOLDER_FILE, as_comment, write_sidecar
from dreamflow.media.outline import Outline
from dreamflow.media.stills import working_path, write_picture
from dreamflow.options import EncodeOptions


class Writer(Protocol):
    """Takes frames; on leaving its `with` block the output appears under its name.

    `frames` is how many were written. After Ctrl-C what was finished is kept as `partial`.
    """

    frames: int
    partial: Path

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def write(self, frame: Frame) -> None:
        """Add a frame. Raises OutputError."""
        ...


def check_output(path: Path, overwrite: bool, sources: Iterable[Path] = ()) -> None:
    """Raise OutputError where an output must not or cannot be written.

    Its folder is missing, it exists and `overwrite` is False, or it is one of the sources.
    """
    folder = path.resolve().parent
    if not folder.is_dir():
        raise OutputError(f"the folder {folder} does not exist; make it first")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"the folder {folder} cannot be written to")
    if path.resolve() == Path.cwd():
        raise OutputError(f"{path} is the folder you are in; name a new one")
    for source in sources:
        if path.exists() and source.exists() and path.samefile(source):
            raise OutputError(f"{path} is the source itself; give the output another name")
    if not path.exists():
        return
    if path.suffix and path.is_dir():
        raise OutputError(f"{path} is a folder; give the output another name")
    if not path.suffix and path.is_file():
        raise OutputError(f"{path} is a file; name a new folder, or add a suffix such as .mp4")
    empty = path.is_dir() and not any(path.iterdir())
    if not overwrite and not empty:
        raise OutputError(f"{path} exists already; add --overwrite to replace it")
    strange = [p.name for p in path.iterdir() if not _ours(p)] if path.is_dir() else []
    if strange:
        raise OutputError(f"{path} holds other files ({strange[0]}); name a new folder")


def _ours(path: Path) -> bool:
    return path.name == FOLDER_FILE or (path.name.startswith("frame_") and path.suffix == ".png")


def open_writer(
    path: str | Path,
    outline: Outline,
    *,
    encode: EncodeOptions | None = None,
    record: dict[str, Any] | None = None,
    overwrite: bool = False,
) -> Writer:
    """Open an output for frames of this size and timing, with this sound.

    path: .mp4, .m4v, .mov, .mkv, .webm or .gif, or a name without suffix for a folder of PNGs.
    record: settings to embed, and to write beside the output. Raises OutputError.
    """
    path = Path(path)
    kind = format_of(path)
    check_output(path, overwrite, outline.sources)
    if kind is None:
        return PicturesWriter(path.resolve(), record or {})
    return FilmWriter(path, kind, outline, encode or EncodeOptions(), record or {})


def write_video(
    path: str | Path,
    frames: Iterable[Frame],
    clip: Clip | Outline,
    *,
    crf: int = EncodeOptions.crf,
    record: dict[str, Any] | None = None,
    overwrite: bool = False,
) -> int:
    """Write frames made from a clip to a file, with the clip's sound; return how many.

    clip: what the frames were made from, or the outline of frames made from nothing.
    crf: quality, from 0 (lossless) to 51. See `open_writer` for the names it takes, for `record`
    and for what it raises.
    """
    encode = EncodeOptions(crf=crf)
    outline = clip.outline if isinstance(clip, Clip) else clip
    with open_writer(path, outline, encode=encode, record=record, overwrite=overwrite) as writer:
        for frame in frames:
            writer.write(frame)
    return writer.frames


class PicturesWriter:
    """A folder of PNGs, `frame_000000.png` and on, which appears when it is complete."""

    def __init__(self, path: Path, record: dict[str, Any]) -> None:
        self.path = path
        self.record = record
        self.frames = 0
        self.partial = partial_path(path)
        self._part = working_path(path, "part")

    def __enter__(self) -> Self:
        try:
            self._part.mkdir()
        except OSError as error:
            raise OutputError(f"{self.path} cannot be made: {error.strerror}") from error
        return self

    def write(self, frame: Frame) -> None:
        """Add a frame. Raises OutputError."""
        path = self._part / f"frame_{self.frames:06d}.png"
        with finished_first():
            write_picture(path, frame.picture, as_comment(self.record) if self.record else "")
            self.frames += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish(self.path)
            elif self.frames and worth_keeping(kind):
                self._finish(self.partial)
                note_kept(error, self.frames, self.partial)
        finally:
            shutil.rmtree(self._part, ignore_errors=True)

    def _finish(self, target: Path) -> None:
        if self.record:
            write_sidecar(self._part, self.record)
        try:
            shutil.rmtree(target, ignore_errors=True)
            self._part.replace(target)
        except OSError as error:
            raise OutputError(f"{target} cannot be written: {error.strerror}") from error
