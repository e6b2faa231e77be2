"""Frames into a file that appears whole or not at all."""

from __future__ import annotations

import os
import shlex
import shutil
import warnings
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dreamflow.errors import DreamFlowWarning, OutputError
from dreamflow.frames import Frame
from dreamflow.media.clip import Clip
from dreamflow.media.folder import (
    JobFolder,
    drop_remains,
    frames_marked,
    is_job,
    job_path,
)
from dreamflow.media.formats import Format, format_of
from dreamflow.media.interrupt import finished_first
from dreamflow.media.metadata import write_sidecar
from dreamflow.media.outline import Outline
from dreamflow.media.placing import (
    PLATE,
    check_ours,
    finished_path,
    frames_placed,
    move,
    plate_is_placed,
)
from dreamflow.media.plate import PlatedReel, plate_format
from dreamflow.media.reel import FilmReel, Reel, chunk_frames
from dreamflow.media.reel_pictures import PicturesReel
from dreamflow.media.whole import part_of
from dreamflow.options import EncodeOptions, as_dict
from dreamflow.wording import counted


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
    if path.is_dir():
        check_ours(path)


def check_target(
    out: Path, overwrite: bool, fresh: bool, sources: Iterable[Path], plate: Path | None = None
) -> None:
    """Raise OutputError or SettingsError where an output, or its plate, cannot be written.

    Where they are in their places, but their job was not cleared away, the render may go on. An
    empty folder of a job, whose process was killed while it was cleared away, is removed.
    """
    drop_remains(job_path(out))
    check_output(out, overwrite or (not fresh and frames_placed(out) > 0), sources)
    if plate is None:
        return
    plate_format(plate)
    check_output(plate, overwrite or (not fresh and plate_is_placed(plate, out)), sources)
    if plate.absolute() == out.absolute():
        raise OutputError(f"{plate} is the dream itself; give the plate another name")


def reel_of(
    folder: Path,
    kind: Format | None,
    outline: Outline,
    encode: EncodeOptions,
    facts: dict[str, Any],
) -> Reel:
    """Return the reel in a job folder. kind: None for a folder of PNGs. facts: of the job."""

    def make(folder: Path, kind: Format | None, encode: EncodeOptions) -> Reel:
        if kind is None:
            return PicturesReel(folder, facts["record"])
        return FilmReel(folder, kind, outline, encode, facts["chunk"])

    reel = make(folder, kind, encode)
    if plate := facts.get("plate"):
        return PlatedReel(reel, folder / PLATE, Path(plate), make)
    return reel


def job_facts(
    out: Path,
    outline: Outline,
    encode: EncodeOptions,
    record: dict[str, Any],
    chunk: int | None = None,
    plate: Path | None = None,
) -> dict[str, Any]:
    """Return what must be known of a job to make the output of the frames in its folder."""
    return {
        "out": out.name,
        "record": record,
        "outline": outline.as_plain(),
        "encode": as_dict(encode),
        "chunk": chunk or chunk_frames(outline),
        "plate": plate and str(plate.absolute()),
    }


def finish_output(
    folder: JobFolder,
    reel: Reel,
    target: Path,
    outline: Outline,
    record: dict[str, Any],
    ends: bool = True,
) -> None:
    """Make the output of a job's frames, and put it where it belongs, with its settings beside it.

    ends: whether the job is over then; its folder is removed. Raises OutputError; then nothing has
    changed but that what was made anew lies in the folder.
    """
    made = finished_path(folder.path, target)
    outputs = {made: target}
    if isinstance(reel, PlatedReel):
        outputs = {reel.part: reel.target, **outputs}  # the film last: with it, all is done
    here = made.exists() and all(one.exists() or place.exists() for one, place in outputs.items())
    if not (ends and here and frames_marked(folder.path) == reel.frames):
        folder.mark(0)
        part = part_of(made)
        reel.output(part, outline, record)
        if made.is_dir():
            shutil.rmtree(made)
        part.replace(made)
        if ends:
            folder.mark(reel.frames)
    with finished_first(stops=False):
        for part, place in outputs.items():
            if part.exists():
                move(part, place)
        add_sidecar(target, record)
        if ends:
            folder.remove()


def add_sidecar(target: Path, record: dict[str, Any]) -> None:
    """Write an output's settings beside it; a folder has them in it already."""
    if record and target.suffix:
        try:
            write_sidecar(target, record)
        except OutputError as error:
            warnings.warn(f"{error}; the settings are in the output alone", DreamFlowWarning, 2)


def clear_away(folder: JobFolder, target: Path, record: dict[str, Any]) -> None:
    """End a job whose output is in its place already."""
    with finished_first(stops=False):
        add_sidecar(target, record)
        folder.remove()


class Writer:
    """Takes frames into a job folder; on leaving its `with` block they become the output.

    Where that fails, or the block does, the frames stay in the folder, and the error says so.
    """

    def __init__(
        self,
        path: Path,
        kind: Format | None,
        outline: Outline,
        encode: EncodeOptions,
        record: dict[str, Any],
    ) -> None:
        self.path = path
        self.folder = JobFolder(job_path(path))
        self._outline, self._record = outline, record
        self._facts = job_facts(path, outline, encode, record)
        self._reel = reel_of(self.folder.path, kind, outline, encode, self._facts)

    @property
    def frames(self) -> int:
        """How many frames were written."""
        return self._reel.frames

    def __enter__(self) -> Self:
        self.folder.__enter__()
        if is_job(self.folder.path) and (kept := self._reel.found()):
            self.folder.__exit__()
            raise OutputError(
                f"{self.folder.path} holds {counted(kept, 'frame')} of an earlier render: "
                "`dreamflow jobs` finishes or removes it"
            )
        self._reel.warn()
        self.folder.begin(self._facts)
        return self

    def write(self, frame: Frame) -> None:
        """Add a frame. Raises OutputError where the disk is full, ffmpeg died, or sizes differ."""
        with finished_first():
            self._reel.write(frame)
        if self._reel.ripe:
            self._reel.seal()
            self._reel.forget(self._reel.frames)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                finish_output(self.folder, self._reel, self.path, self._outline, self._record)
            elif not self.frames:
                self.folder.remove()
            else:
                self._note(error)
        except BaseException as failed:
            self._note(failed)
            raise
        finally:
            self._reel.close()
            self.folder.__exit__()

    def _note(self, error: BaseException | None) -> None:
        if error is not None:
            job = self.folder.path
            error.add_note(
                f"what is finished, {counted(self.frames, 'frame')}, is kept in {job}: "
                f"`dreamflow jobs finish {shlex.quote(str(job))}` makes the output of it"
            )


def open_writer(
    path: str | Path,
    outline: Outline,
    *,
    encode: EncodeOptions | None = None,
    record: dict[str, Any] | None = None,
    overwrite: bool = False,
) -> Writer:
    """Open an output for frames of this size and timing, with this sound.

    path: .mp4, .m4v, .mov, .mkv, .webm, .gif or .webp; without suffix, a folder of PNGs.
    record: settings to embed, and to write beside the output. Raises OutputError.
    """
    path = Path(path)
    kind = format_of(path)
    check_output(path, overwrite, outline.sources)
    return Writer(
        path if kind else path.resolve(), kind, outline, encode or EncodeOptions(), record or {}
    )


def write_video(
    path: str | Path,
    frames: Iterable[Frame],
    clip: Clip | Outline,
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
    outline = clip.outline if isinstance(clip, Clip) else clip
    with open_writer(path, outline, encode=encode, record=record, overwrite=overwrite) as writer:
        for frame in frames:
            writer.write(frame)
    return writer.frames
