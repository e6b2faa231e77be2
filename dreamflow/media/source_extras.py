"""What a source holds besides pictures, sound, subtitles and chapters: tags, time code, fonts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamflow.core.text.path_text import path_from_text, path_to_text


@dataclass(frozen=True)
class SourceExtras:
    """What of a source can go with an output's frames.

    Attributes:
        path: The source.
        tags: (name, text) of the tags that a person may miss, by FFmpeg's names.
        timecode: Time code of the output's first frame, `01:02:03:04` or, with dropped numbers,
            `01:02:03;04`; "" where there is none.
        attachments: Names of attached files, such as fonts.
        covers: Indices of the streams that are cover pictures.
        other_tracks: What the remaining tracks are, such as "a second film" or "data".
    """

    path: Path
    tags: tuple[tuple[str, str], ...] = ()
    timecode: str = ""
    attachments: tuple[str, ...] = ()
    covers: tuple[int, ...] = ()
    other_tracks: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the extras as values that JSON can hold."""
        return {
            "path": path_to_text(self.path.absolute()),
            "tags": [list(tag) for tag in self.tags],
            "timecode": self.timecode,
            "attachments": list(self.attachments),
            "covers": list(self.covers),
            "other_tracks": list(self.other_tracks),
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> SourceExtras:
        """Return the extras whose `to_dict` gave these values."""
        return cls(
            path_from_text(plain["path"]),
            tuple((name, text) for name, text in plain["tags"]),
            plain["timecode"],
            tuple(plain["attachments"]),
            tuple(plain["covers"]),
            tuple(plain["other_tracks"]),
        )
