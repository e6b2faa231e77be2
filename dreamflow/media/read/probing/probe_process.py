"""Probing in a process of its own, so that a crash of a decoder library is an error and no more.

FFmpeg's libraries read files from anywhere, and some files make them crash. The process loads no
PyTorch, serves one file after the other, and ends when it is idle.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
import traceback
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from dreamflow.core.errors import DreamFlowError, MediaError
from dreamflow.media.read.probing.video_facts import WantedTracks, read_video_facts
from dreamflow.media.read.video.video_info import VideoInfo

IDLE_S = 20.0
"""Seconds without a file after which the process ends."""
SERVE_COMMAND = "from dreamflow.media.read.probing.probe_process import serve; serve()"
PACKAGE_ROOT = Path(__file__).resolve().parents[4]
"""The folder that DreamFlow is imported from."""
LENGTH_BYTES = struct.Struct("<Q")
"""What comes before each message: its length in bytes."""


class ProbeProcess:
    """A process that probes files; it is started when needed, and again after a crash."""

    def __init__(self, program: str = SERVE_COMMAND) -> None:
        """Prepare to start a process.

        Args:
            program: The Python program that it runs.
        """
        self._program = program
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def probe(self, path: Path, wanted: WantedTracks, film_format: str | None = None) -> VideoInfo:
        """Return the facts of a video file; see `read_video_facts`.

        Raises:
            MediaError: It cannot be read, or a library crashes on it.
            SettingsError: It has no such track.
        """
        with self._lock:
            request = _current_folder(), path, wanted, film_format
            answer = self._ask(request)
            exit_code = 0 if answer is not None else self._stop()
            if answer is None and exit_code == 0:  # it was idle, and ended just now
                answer = self._ask(request)
            if answer is None:
                raise _make_crash_error(path, self._stop() or exit_code)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def close(self) -> None:
        """End the process, if one runs."""
        with self._lock:
            self._stop()

    def _ask(self, request: tuple[str, Path, WantedTracks, str | None]) -> Any:
        """Return the process's answer to a request, None where it ended without one."""
        process = self._process
        if process is None or process.poll() is not None:
            self._stop()
            process = self._process = _start_process(self._program)
        assert process.stdin
        assert process.stdout
        try:
            _send(process.stdin, request)
            return _receive(process.stdout)
        except OSError:
            return None
        except BaseException:
            process.kill()  # an answer that nobody waits for would be taken for the next one's
            self._stop()
            raise

    def _stop(self) -> int:
        """End the process, and return its exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        for pipe in (process.stdin, process.stdout):
            assert pipe
            with contextlib.suppress(OSError):
                pipe.close()
        return process.wait()


@lru_cache(maxsize=1)
def shared_probe_process() -> ProbeProcess:
    """Return the one process for all files of this program."""
    process = ProbeProcess()
    atexit.register(process.close)
    return process


def _current_folder() -> str:
    """Return the folder that relative paths begin in, "" where it is gone."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def _start_process(program: str) -> subprocess.Popen[bytes]:
    # The same packages as here, this one first, whatever the current folder holds.
    folders = [str(PACKAGE_ROOT), *filter(None, sys.path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    return subprocess.Popen(
        [sys.executable, "-P", "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,  # Ctrl-C is for the program
    )


def _make_crash_error(path: Path, exit_code: int) -> MediaError:
    how = f"exit code {exit_code}"
    if exit_code < 0:
        with contextlib.suppress(ValueError):
            how = signal.Signals(-exit_code).name
    return MediaError(
        f"{path} cannot be read: FFmpeg's libraries crash on it ({how}); convert it with another "
        "program first",
        where=str(path),
    )


def _send(pipe: IO[bytes], message: Any) -> None:
    data = pickle.dumps(message)
    pipe.write(LENGTH_BYTES.pack(len(data)) + data)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> Any:
    """Return the next message, None where the other side has closed."""
    head = pipe.read(LENGTH_BYTES.size)
    if len(head) < LENGTH_BYTES.size:
        return None
    (length,) = LENGTH_BYTES.unpack(head)
    data = pipe.read(length)
    return pickle.loads(data) if len(data) == length else None


def serve() -> None:
    """Answer requests on standard input until it is closed, or idle; the process's main function.

    What libraries print goes to standard error, since answers go to standard output.
    """
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    while True:
        idle = threading.Timer(IDLE_S, os._exit, (0,))
        idle.daemon = True
        idle.start()
        request = _receive(sys.stdin.buffer)
        idle.cancel()
        if request is None:
            return
        folder, path, wanted, film_format = request
        try:
            if folder:
                os.chdir(folder)
            answer: Any = read_video_facts(path, wanted, film_format)
        except DreamFlowError as error:
            answer = error
        except Exception:
            answer = RuntimeError(traceback.format_exc())
        _send(answers, answer)
