"""What is kept of a render that does not come to its end."""

from __future__ import annotations

from pathlib import Path

from dreamflow.errors import DreamFlowError


def partial_path(path: Path, suffix: str | None = None) -> Path:
    """Return where what was finished of an output is kept: `dream.partial.mp4`."""
    return path.with_name(f"{path.stem}.partial{path.suffix if suffix is None else suffix}")


def worth_keeping(kind: type[BaseException] | None) -> bool:
    """Return whether frames made before this exception are the artist's, and so are kept."""
    return kind is not None and issubclass(
        kind, (KeyboardInterrupt, DreamFlowError, MemoryError, RuntimeError)
    )


def note_kept(error: BaseException | None, frames: int, partial: Path) -> None:
    """Say with an error what of the work is kept, and where."""
    if error is not None:
        error.add_note(f"the {frames} frames finished are kept in {partial}")
