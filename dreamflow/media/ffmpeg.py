"""imageio-ffmpeg's binary, with its exit code watched and its complaints kept."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from fractions import Fraction
from typing import IO, Any

import av
import av.container
import av.error
import imageio_ffmpeg
import numpy as np

from dreamflow.errors import DependencyError, OutputError

KEPT_LINES = 30
APART: dict[str, Any] = (
    {"creationflags": 0x200} if sys.platform == "win32" else {"start_new_session": True}
)
"""Ctrl-C is for us alone: ffmpeg must live on to finish what it has of the film."""
CLOCK = Fraction(1, 90_000)
"""Time base of frames that come unevenly, in seconds: MPEG's own clock."""


def ffmpeg_path() -> str:
    """Return the path of the ffmpeg binary. Raises DependencyError where there is none."""
    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise DependencyError(f"no ffmpeg: {error}; pip install imageio-ffmpeg") from error


def command(arguments: Sequence[str]) -> list[str]:
    """Return the whole command line of a quiet, non-interactive run of ffmpeg."""
    return [ffmpeg_path(), "-hide_banner", "-nostdin", "-loglevel", "error", "-y", *arguments]


def run(arguments: Sequence[str], purpose: str) -> None:
    """Run ffmpeg to its end. Raises OutputError with its own last words where it fails."""
    done = subprocess.run(command(arguments), capture_output=True, check=False, **APART)
    if done.returncode:
        words = done.stderr.decode(errors="replace").splitlines()
        raise OutputError(f"{purpose} failed: {last_words(words, done.returncode)}")


def last_words(lines: Sequence[str], code: int) -> str:
    """Return the most telling of ffmpeg's lines: a full disk first, else the first complaint."""
    clean = [line.strip() for line in lines if line.strip()]
    for line in clean:
        if "No space left" in line:
            return "the disk is full (No space left on device): free some space"
    if clean:
        return clean[0]
    return f"ffmpeg was killed (signal {-code})" if code < 0 else f"ffmpeg ended with code {code}"


class FramePipe:
    """Feeds uint8 RGB frames to a running ffmpeg, evenly or each at its own time."""

    def __init__(
        self,
        width: int,
        height: int,
        rate: Fraction,
        constant_rate: bool,
        arguments: Sequence[str],
    ) -> None:
        """Start ffmpeg; `arguments` are what follows its input. Raises OutputError."""
        self._size = (height, width)
        if constant_rate:
            source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"]
            source += ["-framerate", f"{rate.numerator}/{rate.denominator}", "-i", "-"]
            timing: list[str] = []
        else:
            source = ["-f", "nut", "-i", "-"]
            timing = ["-fps_mode", "passthrough", "-enc_time_base", "demux"]
        line = command([*source, *timing, *arguments])
        line.remove("-nostdin")
        self._process = subprocess.Popen(
            line,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            **APART,
        )
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._nut = None if constant_rate else self._open_nut(rate)

    @property
    def _stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    def _listen(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._lines.append(line.decode(errors="replace"))

    def _open_nut(self, rate: Fraction) -> av.container.OutputContainer:
        nut = av.open(self._stdin, "w", format="nut")
        stream = nut.add_stream("rawvideo", rate=rate)
        stream.height, stream.width = self._size
        stream.pix_fmt = "rgb24"
        stream.codec_context.time_base = CLOCK
        return nut

    def write(self, picture: np.ndarray, time: Fraction) -> None:
        """Send one uint8 (H, W, 3) RGB frame, shown at `time` seconds. Raises OutputError."""
        if picture.shape != (*self._size, 3) or picture.dtype != np.uint8:
            raise OutputError(
                f"a frame is {picture.dtype} {picture.shape}, but this film's are uint8 "
                f"{(*self._size, 3)}"
            )
        try:
            if self._nut is None:
                self._stdin.write(np.ascontiguousarray(picture).data)
                return
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = round(time / CLOCK), CLOCK
            self._nut.mux(self._nut.streams.video[0].encode(frame))
        except (BrokenPipeError, av.error.FFmpegError, OSError) as error:
            raise OutputError(f"encoding failed: {self._end()[1]}") from error

    def close(self) -> None:
        """Send the end and wait for ffmpeg. Raises OutputError where it did not end well."""
        with contextlib.suppress(av.error.FFmpegError, OSError):  # the exit code tells
            if self._nut is not None:
                self._nut.close()
        code, words = self._end()
        if code:
            raise OutputError(f"encoding failed: {words}")

    def kill(self) -> None:
        """Stop ffmpeg at once."""
        self._process.kill()
        self._end()

    def _end(self) -> tuple[int, str]:
        with contextlib.suppress(OSError):  # where it has died before, its exit code tells
            self._stdin.close()
        code = self._process.wait()
        self._listener.join()
        if self._process.stderr is not None:
            self._process.stderr.close()
        return code, last_words(list(self._lines), code)
