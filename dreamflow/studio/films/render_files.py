"""What a render leaves beside the queue: its log and the picture of its latest frame."""

from __future__ import annotations

from pathlib import Path

from dreamflow.core.files.regular_file import read_file_text

MAX_LOG_BYTES = 4 * 2**20


class RenderFiles:
    """The files of the renders, by the keys of these."""

    def __init__(self, folder: Path) -> None:
        """Name their folder."""
        self._folder = folder

    def log_path(self, key: str) -> Path:
        """Return the file with what a render has printed."""
        return self._folder / f"{key}.log"

    def latest_path(self, key: str) -> Path:
        """Return the picture of a render's latest frame."""
        return self._folder / f"{key}.png"

    def read_log(self, key: str) -> list[str]:
        """Return the lines that a render has printed; none where there is no log."""
        try:
            text = read_file_text(self.log_path(key), MAX_LOG_BYTES, errors="replace")
        except OSError:
            return []
        return [line for line in text.splitlines() if line.strip()]

    def delete(self, key: str) -> None:
        """Delete a render's files."""
        for path in (self.log_path(key), self.latest_path(key)):
            path.unlink(missing_ok=True)
