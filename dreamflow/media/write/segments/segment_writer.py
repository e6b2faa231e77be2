"""What every writer of an output's frames can do, whatever the output's format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from dreamflow.core.frames import Frame
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.write.segments.piece_ledger import Damage


class SegmentWriter(Protocol):
    """Keeps the frames of an output in a folder.

    Attributes:
        frames: Number of frames written.
    """

    frames: int

    @property
    def can_flush(self) -> bool:
        """Whether `flush` would begin to encode a segment."""
        ...

    def write(self, frame: Frame) -> None:
        """Add a frame. Raises OutputError; the frames before it stay."""
        ...

    def flush(self) -> None:
        """Bring all frames onto the disk. Raises OutputError; no frame is lost."""
        ...

    def prune(self, frames: int) -> None:
        """Delete raw frames that are needed only to resume before frame number `frames`."""
        ...

    def find_damages(self, frames: int) -> list[Damage]:
        """Return the pieces of the first `frames` frames that are not what was written."""
        ...

    def rewrite(self, first: int, frames: Sequence[Frame]) -> None:
        """Replace frames from number `first` on: all frames of some pieces. Raises OutputError."""
        ...

    def resume(self, frames: int, keep_rest: bool = False) -> None:
        """Go on after the first `frames` frames; later ones are deleted, or else left alone.

        Raises DamagedPiecesError where some are missing, or are not what was written.
        """
        ...

    def close(self) -> None:
        """Stop encoding; another writer can resume."""
        ...

    def count(self) -> int:
        """Return the number of frames in the folder, whoever wrote them."""
        ...

    def warn_of_changes(self) -> None:
        """Warn of what the output changes in the frames."""
        ...

    def write_output(self, part: Path, output_spec: OutputSpec, record: dict[str, Any]) -> None:
        """Make the output of all frames under a name in the folder.

        Raises OutputError, and DamagedPiecesError where a piece is not what was written.
        """
        ...
