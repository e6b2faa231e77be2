"""The files of a film that is being written: its encoded segments, and its raw frames."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dreamflow.media.write.segments.piece_ledger import Damage, PieceLedger
from dreamflow.media.write.segments.raw_frames import RawFrameFile


class SegmentFiles:
    """Which file holds which frames, and whether it holds what was written.

    Attributes:
        folder: The folder of the files.
        segment_frames: Frames of a segment.
        ledger: Sizes and hashes of the files.
    """

    def __init__(
        self,
        folder: Path,
        ledger: PieceLedger,
        segment_frames: int,
        segment_suffix: str,
        frame_shape: tuple[int, ...],
    ) -> None:
        """Take what the files are.

        Args:
            folder: The folder, which need not exist yet.
            ledger: Sizes and hashes of the files.
            segment_frames: Frames of a segment.
            segment_suffix: Suffix of encoded segments.
            frame_shape: Of the frames, uint8: (H, W, 3) of RGB, (bytes,) of other samples.
        """
        self.folder, self.ledger, self.segment_frames = folder, ledger, segment_frames
        self._segment_suffix, self._frame_shape = segment_suffix, frame_shape

    def segment_path(self, number: int) -> Path:
        """Return the file of an encoded segment, numbered from 0."""
        return self.folder / f"chunk_{number:06d}{self._segment_suffix}"

    @property
    def rest_path(self) -> Path:
        """File of the frames after the last full segment, encoded to make an output of them.

        It has a name of its own: where the raw frames of a full segment are damaged, an output may
        be made of those before the damage, and the segment itself stays as it is.
        """
        return self.folder / f"chunk_rest{self._segment_suffix}"

    def raw_frames_path(self, number: int) -> Path:
        """Return the file of a segment's raw frames, numbered from 0."""
        return self.folder / f"pending_{number:06d}.rgb"

    def raw_frames(self, number: int) -> RawFrameFile:
        """Return the raw frames of a segment, numbered from 0."""
        first = number * self.segment_frames
        return RawFrameFile(self.raw_frames_path(number), self._frame_shape, self.ledger, first)

    def list_segment_paths(self, frames: int) -> list[Path]:
        """Return the files of the segments that hold so many frames, once all are encoded."""
        full, rest = divmod(frames, self.segment_frames)
        return [*map(self.segment_path, range(full)), *([self.rest_path] if rest else [])]

    def find_unencoded(self, frames: int) -> list[Damage]:
        """Return what of an output of so many frames is not encoded, or is damaged."""
        return self.find_damaged_segments(self.list_segment_paths(frames), frames)

    def find_damages(self, frames: int) -> list[Damage]:
        """Return the pieces of the first `frames` frames that are not what was written.

        A segment whose raw frames are whole is not damaged: it is encoded again.
        """
        full, rest = divmod(frames, self.segment_frames)
        damages = [
            damage
            for damage in self.find_damaged_segments(map(self.segment_path, range(full)), frames)
            if self.raw_frames(damage.first // self.segment_frames).find_damage(self.segment_frames)
        ]
        if rest and (damage := self.raw_frames(full).find_damage(rest)):
            damages.append(damage)
        return damages

    def find_damaged_segments(self, paths: Iterable[Path], frames: int) -> list[Damage]:
        """Return the damages of the encoded segments of the first `frames` frames, in order."""
        damages: list[Damage] = []
        for number, path in enumerate(paths):
            if problem := self.ledger.find_problem(path):
                first = number * self.segment_frames
                stop = min(first + self.segment_frames, frames)
                damages.append(Damage(path, problem, first, stop))
        return damages

    def count(self) -> int:
        """Return the number of frames in complete segments, and raw after them."""
        frames = number = 0
        while True:
            # Raw frames count first: earlier versions encoded the rest under a segment's name.
            encoded = self.segment_frames if self.segment_path(number).is_file() else 0
            available = min(self.segment_frames, self.raw_frames(number).count()) or encoded
            frames, number = frames + available, number + 1
            if available < self.segment_frames:
                return frames

    def remove_after(self, encoded: int, frames: int) -> None:
        """Delete every file but the first encoded segments, and raw frames behind them.

        Args:
            encoded: How many segments stay as they are.
            frames: How many frames of the film stay, raw behind those segments.
        """
        full, rest = divmod(frames, self.segment_frames)
        self.rest_path.unlink(missing_ok=True)
        number = encoded
        while self.segment_path(number).exists() or number <= full:
            self.segment_path(number).unlink(missing_ok=True)
            number += 1
        self.ledger.keep({self.segment_path(n).name for n in range(encoded)})
        for path in self.folder.glob("pending_*.rgb"):
            if path not in map(self.raw_frames_path, range(encoded, full + bool(rest))):
                path.unlink()
