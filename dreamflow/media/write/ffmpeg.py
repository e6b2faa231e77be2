"""Running the ffmpeg binary of imageio-ffmpeg: its exit code is checked, its errors are kept."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import IO, Any, cast

import av
import av.container
import av.error
import imageio_ffmpeg
import numpy as np

from dreamflow.core.errors import DependencyError, OutputError
from dreamflow.media.files.atomic_file import DISK_FULL_MESSAGE

STDERR_TAIL_LINES = 30
"""Last lines of ffmpeg's stderr that are kept for an error message."""
FFMPEG_LOG_PREFIX = re.compile(r"^\[[^\]]+ @ 0x[0-9a-f]+\] ")
"""Which of its parts ffmpeg speaks of, and where that lies in memory."""
WINDOWS_NEW_PROCESS_GROUP = 0x200
DETACHED_PROCESS_OPTIONS: dict[str, Any] = (
    {"creationflags": WINDOWS_NEW_PROCESS_GROUP}
    if sys.platform == "win32"
    else {"start_new_session": True}
)
"""Options of subprocess that keep Ctrl-C from ffmpeg, which must live on to finish its file."""
VARIABLE_RATE_TIME_BASE = Fraction(1, 90_000)
"""Seconds of a unit of time of unevenly spaced frames: MPEG's system clock, 90 kHz."""


def ffmpeg_path() -> str:
    """Return the path of the ffmpeg binary.

    Raises:
        DependencyError: There is none.
    """
    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise DependencyError(f"no ffmpeg: {error}; pip install imageio-ffmpeg") from error


def ffmpeg_command_line(arguments: Sequence[str]) -> list[str]:
    """Return the command line of a quiet, non-interactive run of ffmpeg."""
    return [ffmpeg_path(), "-hide_banner", "-nostdin", "-loglevel", "error", "-y", *arguments]


def run_ffmpeg_command(arguments: Sequence[str], purpose: str) -> None:
    """Run ffmpeg to its end.

    Args:
        arguments: Its arguments.
        purpose: What it is run for, such as "writing the GIF"; begins the error.

    Raises:
        OutputError: It failed; the message has its own.
    """
    run = cast("Callable[..., subprocess.CompletedProcess[bytes]]", subprocess.run)
    command = ffmpeg_command_line(arguments)
    process = run(command, capture_output=True, check=False, **DETACHED_PROCESS_OPTIONS)
    if process.returncode:
        lines = process.stderr.decode(errors="replace").splitlines()
        raise OutputError(f"{purpose} failed: {summarise_stderr(lines, process.returncode)}")


def summarise_stderr(lines: Sequence[str], exit_code: int) -> str:
    """Return the most telling line of ffmpeg's stderr: of a full disk, else the first one."""
    clean = [line.strip() for line in lines if line.strip()]
    for line in clean:
        if "No space left" in line:
            return f"{DISK_FULL_MESSAGE} (No space left on device): free some space"
    if clean:
        return FFMPEG_LOG_PREFIX.sub("", clean[0])
    return (
        f"ffmpeg was killed (signal {-exit_code})"
        if exit_code < 0
        else f"ffmpeg ended with code {exit_code}"
    )


@cache
def has_ffmpeg_option(name: str) -> bool:
    """Return whether ffmpeg has an option of its command line; older ones have fewer."""
    command = [ffmpeg_path(), "-hide_banner", "-h", "long"]
    listing = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return re.search(rf"^-{name}\b", listing, re.MULTILINE) is not None


@dataclass(frozen=True)
class RawFrames:
    """How frames come that are piped into ffmpeg.

    Attributes:
        pixel_format: FFmpeg's name of it.
        shape: Of each frame as uint8; (height, width, 3) of RGB, (bytes,) of other samples.
        options: ffmpeg's options of the input.
    """

    pixel_format: str
    shape: tuple[int, ...]
    options: tuple[str, ...] = ()


class FfmpegFramePipe:
    """Pipes frames into a running ffmpeg, evenly spaced or each at its own time."""

    def __init__(
        self,
        width: int,
        height: int,
        rate: Fraction,
        constant_rate: bool,
        arguments: Sequence[str],
        inputs: Sequence[Path] = (),
        frames: RawFrames | None = None,
    ) -> None:
        """Start ffmpeg.

        Args:
            width: Of the frames, in pixels.
            height: Of the frames, in pixels.
            rate: Frames per second; the mean where they come unevenly.
            constant_rate: Whether frames come evenly, so that their times do not count.
            arguments: ffmpeg's arguments that follow the inputs.
            inputs: Files that are its second input and so on.
            frames: How they come; None is 8-bit RGB.
        """
        self._size = width, height
        self._frames = frames or RawFrames("rgb24", (height, width, 3))
        source = [*self._frames.options]
        if constant_rate:
            source += ["-f", "rawvideo", "-pix_fmt", self._frames.pixel_format]
            source += ["-s", f"{width}x{height}"]
            source += ["-framerate", f"{rate.numerator}/{rate.denominator}", "-i", "-"]
            timing: list[str] = []
        else:
            source += ["-f", "nut", "-i", "-"]
            timing = ["-fps_mode", "passthrough"]
        for path in inputs:
            source += ["-i", str(path.absolute())]
        command = ffmpeg_command_line([*source, *timing, *arguments])
        command.remove("-nostdin")
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            **DETACHED_PROCESS_OPTIONS,
        )
        self._stderr_tail: deque[str] = deque(maxlen=STDERR_TAIL_LINES)
        self._stderr_reader = threading.Thread(target=self._read_stderr, daemon=True)
        self._stderr_reader.start()
        self._nut_muxer = None if constant_rate else self._open_nut_muxer(rate)

    @property
    def _stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._stderr_tail.append(line.decode(errors="replace"))

    def _open_nut_muxer(self, rate: Fraction) -> av.container.OutputContainer:
        nut = av.open(self._stdin, "w", format="nut")
        stream = nut.add_stream("rawvideo", rate=rate)
        stream.width, stream.height = self._size
        stream.pix_fmt = self._frames.pixel_format
        stream.codec_context.time_base = VARIABLE_RATE_TIME_BASE
        return nut

    def write(self, picture: np.ndarray, time: Fraction) -> None:
        """Send a frame.

        Args:
            picture: (height, width, 3) uint8 RGB, or the bytes of other samples, (bytes,) uint8.
            time: When it is shown, in seconds.

        Raises:
            OutputError: The frame has another type or size, or ffmpeg failed.
        """
        shape = self._frames.shape
        if picture.shape != shape or picture.dtype != np.uint8:
            raise OutputError(
                f"a frame is {picture.dtype} {picture.shape}, but this film's are uint8 {shape}"
            )
        try:
            if self._nut_muxer is None:
                self._stdin.write(np.ascontiguousarray(picture).data)
                return
            # A packet of raw video is the samples of its frame, one after the other.
            packet = av.Packet(picture.tobytes())
            packet.stream = self._nut_muxer.streams.video[0]
            packet.time_base = VARIABLE_RATE_TIME_BASE
            packet.pts = packet.dts = round(time / VARIABLE_RATE_TIME_BASE)
            packet.is_keyframe = True
            self._nut_muxer.mux(packet)
        except (BrokenPipeError, av.error.FFmpegError, OSError) as error:
            raise OutputError(f"encoding failed: {self._wait_for_exit()[1]}") from error

    def close(self) -> None:
        """Send the end of the input and wait for ffmpeg.

        Raises:
            OutputError: It failed.
        """
        with contextlib.suppress(av.error.FFmpegError, OSError):  # the exit code counts
            if self._nut_muxer is not None:
                self._nut_muxer.close()
        exit_code, message = self._wait_for_exit()
        if exit_code:
            raise OutputError(f"encoding failed: {message}")

    def kill(self) -> None:
        """Stop ffmpeg at once."""
        self._process.kill()
        self._wait_for_exit()

    def _wait_for_exit(self) -> tuple[int, str]:
        """Return ffmpeg's exit code, and its most telling error."""
        with contextlib.suppress(OSError):  # a process that died has closed its end
            self._stdin.close()
        exit_code = self._process.wait()
        self._stderr_reader.join()
        if self._process.stderr is not None:
            self._process.stderr.close()
        return exit_code, summarise_stderr(list(self._stderr_tail), exit_code)
