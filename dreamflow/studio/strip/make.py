"""The program of the process that makes a strip: one pass over the source."""

from __future__ import annotations

import contextlib
import os
import signal
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from dreamflow.core.errors import (
    DamagedSourceWarning,
    DreamFlowError,
    DreamFlowWarning,
    OutputError,
)
from dreamflow.core.frames import Frame
from dreamflow.media.files.atomic_file import atomic_write
from dreamflow.media.write.ffmpeg import run_ffmpeg_command
from dreamflow.studio.strip.document import STRIP_FILM, STRIP_SOUND, StripDocument, write_strip

STRIP_NICENESS = 15
"""The worker, which dreams what is looked at, has 10."""
FILM_SIDE_PX = 480
"""Longer side of the small film."""
SOUND_RATE = "128k"
"""Bit rate of the sound."""
THUMBNAIL_SIDE_PX = 128
THUMBNAILS = 32
"""How many thumbnails there are, evenly over the source."""


def make_strip(source: str, folder: str) -> None:
    """Make the strip of a source in a folder; what is known of it is written again and again.

    Args:
        source: A clip.
        folder: The folder, which is there.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the studio, which ends this one
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(STRIP_NICENESS)
    strip = _Strip(Path(source), Path(folder))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore", DreamFlowWarning)  # they were told when it was opened
        warnings.simplefilter("always", DamagedSourceWarning)  # but for what only decoding finds
        try:
            strip.make()
        except (DreamFlowError, OSError) as error:
            strip.write(failure=str(error))
            return
    strip.write(is_done=True, damage=[str(one.message) for one in caught])


class _Strip:
    """A strip that is being made."""

    def __init__(self, source: Path, folder: Path) -> None:
        self._source, self._folder = source, folder
        self._frames, self._thumbnails, self._cuts = 0, list[int](), list[int]()
        self._has_sound = False

    def make(self) -> None:
        from dreamflow.media.options import ClipOptions
        from dreamflow.media.read.clip import Clip
        from dreamflow.reports.compare.build import encode_for_browsers
        from dreamflow.temporal.shots import Mark, find_shots

        clip = Clip(self._source, ClipOptions(size=str(FILM_SIDE_PX)))
        step = max(1, len(clip) // THUMBNAILS)

        def look() -> Iterator[Frame]:
            for number, (frame, mark) in enumerate(find_shots(clip)):
                self._frames = number + 1
                if mark is Mark.CUT and number:
                    self._cuts.append(frame.index)
                if number % step == 0:
                    self._keep_thumbnail(frame)
                    self.write()
                yield frame

        if clip.info.sound_codecs:
            with contextlib.suppress(OutputError):  # it plays without
                self._keep_sound(float(clip.info.start_offset))
        encode_for_browsers(look(), clip, self._folder / STRIP_FILM)

    def _keep_sound(self, offset_s: float) -> None:
        """Encode the main sound track for browsers, from the first frame on."""
        with atomic_write(self._folder / STRIP_SOUND) as part:
            words = ["-i", str(self._source.absolute()), "-map", "0:a:0", "-ac", "2"]
            words += ["-af", "aresample=async=1:first_pts=0", "-ss", f"{offset_s:.6f}"]
            words += ["-c:a", "aac", "-b:a", SOUND_RATE, "-map_metadata", "-1"]
            run_ffmpeg_command([*words, str(part.absolute())], "the sound for playing")
        self._has_sound = True

    def _keep_thumbnail(self, frame: Frame) -> None:
        picture = Image.fromarray(frame.picture)
        picture.thumbnail((THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX))
        picture.save(self._folder / f"{frame.index}.jpg", quality=80)
        self._thumbnails.append(frame.index)

    def write(
        self, *, is_done: bool = False, failure: str = "", damage: Sequence[str] = ()
    ) -> None:
        document = StripDocument(
            frames=self._frames,
            thumbnails=self._thumbnails,
            cuts=self._cuts,
            is_done=is_done,
            has_sound=self._has_sound,
            damage=list(damage),
            failure=failure,
        )
        write_strip(self._folder, document)
