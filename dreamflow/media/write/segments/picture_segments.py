"""The frames of an output of pictures that is being written: each frame is a file of its own."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Iterator, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any

from dreamflow.core.errors import LeftOutWarning, SettingsError, named
from dreamflow.core.frames import Frame
from dreamflow.media.depth.original import PictureOriginal
from dreamflow.media.depth.read import as_deep_picture
from dreamflow.media.depth.write import EXR_SUFFIX, prepare_original, write_deep_picture
from dreamflow.media.files.atomic_file import make_write_error, sync_to_disk
from dreamflow.media.files.sequence_name import SequenceName
from dreamflow.media.options import NUMBERED_AS_SOURCE, NUMBERED_BY_NAME, EncodeOptions
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.records.embedded_settings import format_record_comment, write_sidecar
from dreamflow.media.stills.write import write_picture
from dreamflow.media.write.segments.piece_ledger import Damage, DamagedPiecesError, PieceLedger
from dreamflow.media.write.tracks.extras import warn_of_lost_extras
from dreamflow.media.write.tracks.sound import warn_of_lost_tracks


def frame_file_name(number: int, suffix: str = ".png") -> str:
    """Return the name of frame `number`, from 0, in a folder of pictures."""
    return f"frame_{number:06d}{suffix}"


def choose_file_numbers(
    start_number: str, output_spec: OutputSpec, as_source: bool = False
) -> Iterator[int]:
    """Return the numbers in the names of an output's pictures, without end.

    Args:
        start_number: Number of the first one, "source", or "auto".
        output_spec: The frames' numbers in the source.
        as_source: Whether "auto" means the source's numbers, where it has some, and not from 0.

    Raises:
        SettingsError: The source's frames have no numbers.
    """
    if start_number == NUMBERED_BY_NAME:
        start_number = NUMBERED_AS_SOURCE if as_source and output_spec.frame_numbers else "0"
    if start_number != NUMBERED_AS_SOURCE:
        return count(int(start_number))
    if not output_spec.frame_numbers:
        raise SettingsError(
            f"{named('start_number')} {start_number}: the source's frames are not numbered; give "
            "the number of the first one",
            setting="start_number",
            value=start_number,
            allowed="a number",
        )
    numbers = output_spec.frame_numbers
    return chain(numbers, count(numbers[-1] + 1))


class PictureSegmentWriter:
    """Keeps the frames of an output of pictures as `frames/frame_000000.png` and so on.

    Attributes:
        frames: Number of frames written.
        pictures_folder: The folder of the pictures.
    """

    def __init__(
        self,
        folder: Path,
        output_spec: OutputSpec,
        record: dict[str, Any],
        identity: str,
        encode: EncodeOptions | None = None,
        sequence: SequenceName | None = None,
    ) -> None:
        """Use an empty folder, or that of an interrupted render.

        Args:
            folder: The folder, which exists by the first frame.
            output_spec: Timing of the frames, and their numbers in the source.
            record: Settings to embed; {} for none.
            identity: What tells the pieces of this output from those of any other.
            encode: How the pictures are numbered and written; None is the defaults.
            sequence: Their names; None is a folder of PNGs.

        Raises:
            SettingsError: The source's frames have no numbers.
        """
        self.frames = 0
        self._spec = output_spec
        self._encode, self._sequence = encode or EncodeOptions(), sequence
        self._suffix = sequence.suffix if sequence else ".png"
        self._choose_numbers()  # refuses a source without numbers
        self.pictures_folder = folder / "frames"
        self._ledger = PieceLedger(folder, identity)
        self._comment = format_record_comment(record) if record else ""
        self._synced_frames = 0

    def _choose_numbers(self) -> Iterator[int]:
        as_source = self._sequence is not None
        return choose_file_numbers(self._encode.start_number, self._spec, as_source)

    def picture_path(self, number: int) -> Path:
        """Return the file of frame `number`, from 0."""
        return self.pictures_folder / frame_file_name(number, self._suffix)

    @property
    def can_flush(self) -> bool:
        """False: there is nothing to encode."""
        return False

    def write(self, frame: Frame) -> None:
        """Add a frame, (H, W, 3) uint8.

        Raises:
            OutputError: It cannot be written.
        """
        self._write_picture(self.frames, frame)
        self.frames += 1

    def _write_picture(self, number: int, frame: Frame) -> None:
        try:
            self.pictures_folder.mkdir(exist_ok=True)
        except OSError as error:
            raise make_write_error(self.pictures_folder, error) from error
        path, original = self.picture_path(number), frame.original
        finished = frame.finished and frame.finished.file
        if self._suffix == EXR_SUFFIX and original is None and finished is None:
            deep = as_deep_picture(frame.picture).original
            original, _ = prepare_original(path, deep, self._encode)
        if finished is not None:
            _take_over(finished, path)
        elif isinstance(original, PictureOriginal):
            write_deep_picture(path, original, self._comment, self._encode)
        else:
            write_picture(path, frame.picture, self._comment)
        self._ledger.record(path)

    def flush(self) -> None:
        """Bring all pictures onto the disk."""
        for number in range(self._synced_frames, self.frames):
            sync_to_disk(self.picture_path(number))
        if self.frames > self._synced_frames:
            sync_to_disk(self.pictures_folder)
            self._ledger.sync()
        self._synced_frames = self.frames

    def prune(self, frames: int) -> None:
        """Delete nothing: there are no raw frames."""

    def find_damages(self, frames: int) -> list[Damage]:
        """Return the pictures of the first `frames` frames that are not what was written."""
        problems = (
            (number, self._ledger.find_problem(self.picture_path(number)))
            for number in range(frames)
        )
        return [
            Damage(self.picture_path(number), problem, number, number + 1)
            for number, problem in problems
            if problem
        ]

    def rewrite(self, first: int, frames: Sequence[Frame]) -> None:
        """Replace pictures from number `first` on.

        Raises:
            OutputError: They cannot be written.
        """
        for number, frame in enumerate(frames, start=first):
            self._write_picture(number, frame)
            sync_to_disk(self.picture_path(number))
        self._ledger.sync()

    def resume(self, frames: int, keep_rest: bool = False) -> None:
        """Go on after the first `frames` frames; later pictures are deleted, or else left alone.

        Raises:
            DamagedPiecesError: Some of them are missing, or are not what was written.
        """
        if damages := self.find_damages(frames):
            raise DamagedPiecesError(self.pictures_folder.parent, damages, frames)
        self.frames = self._synced_frames = frames
        if keep_rest:
            return
        resumed = {self.picture_path(number) for number in range(frames)}
        for path in set(self.pictures_folder.glob("*")) - resumed:
            path.unlink()
        self._ledger.keep({path.name for path in resumed})

    def close(self) -> None:
        """Do nothing: there is nothing being encoded."""

    def count(self) -> int:
        """Return the number of pictures without a gap."""
        number = 0
        while self.picture_path(number).is_file():
            number += 1
        return number

    def warn_of_changes(self) -> None:
        """Warn of what pictures do not hold: sound, tags, uneven times, how long the last lasts."""
        spec = self._spec
        pictures = "a sequence of pictures" if self._sequence else "a folder of PNGs"
        warn_of_lost_tracks(pictures, spec)
        warn_of_lost_extras("", pictures, spec)
        is_held = spec.length >= (spec.frames + 1) / spec.rate
        if is_held or not spec.constant_rate:
            what = "how long its last frame is held" if spec.constant_rate else "the frames' times"
            warnings.warn(
                f"{pictures} does not keep {what}; set {named('fps')} to repeat frames instead",
                LeftOutWarning,
                2,
            )

    def write_output(self, part: Path, output_spec: OutputSpec, record: dict[str, Any]) -> None:
        """Make a folder of the pictures; one of PNGs has the settings in it.

        Args:
            part: The folder to make.
            output_spec: Does not count.
            record: Settings to write; {} for none.

        Raises:
            DamagedPiecesError: A picture is not what was written.
            OutputError: The folder cannot be written.
        """
        if damages := self.find_damages(self.frames):
            raise DamagedPiecesError(self.pictures_folder.parent, damages, self.frames)
        shutil.rmtree(part, ignore_errors=True)
        try:
            part.mkdir()
            names = map(self._output_name, self._choose_numbers())
            for number, name in zip(range(self.frames), names, strict=False):
                _link_or_copy(self.picture_path(number), part / name)
        except OSError as error:
            raise make_write_error(part, error) from error
        if record and self._sequence is None:
            write_sidecar(part, record)

    def _output_name(self, number: int) -> str:
        return self._sequence.name_of(number) if self._sequence else frame_file_name(number)


def _take_over(finished: Path, path: Path) -> None:
    """Have a finished picture under a name, in place of what has that name. Raises OutputError."""
    try:
        path.unlink(missing_ok=True)
        _link_or_copy(finished, path)
    except OSError as error:
        raise make_write_error(path, error) from error


def _link_or_copy(source: Path, target: Path) -> None:
    """Make a hard link to a file, or a copy where the file system has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
