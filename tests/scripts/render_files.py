"""Render a few frames of each file, every one in a process forked from this one.

    python render_files.py FOLDER SECONDS FILES...

Each output is FOLDER/<number>/d.mp4. Of files damaged in their middle all frames are encoded, and
none is dreamed. Prints a JSON list with, for each file: its exit code, how long it took, and what
was printed. A process that takes longer than SECONDS is killed.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
import time
from pathlib import Path

import av  # noqa: F401  what takes long to load is loaded once, before forking
import cv2  # noqa: F401
import torch  # noqa: F401

import dreamflow.jobs.renders.render_video
import dreamflow.networks.caffe.googlenet
import dreamflow.networks.loading
import dreamflow.reports.preview  # noqa: F401
from dreamflow.cli.entry_point import main

FAST_OPTIONS = ("--size", "64", "--layer", "conv1/7x7_s2", "--octaves", "1", "--iterations", "1")
DAMAGED_NAME_PARTS = ("byteflips", "zeroed", "corrupted", "truncated_faststart")
MAX_PROCESSES = 2


def build_parser(folder: Path) -> None:
    """Refuse a film that is not there: what parses command lines is built once, before forking."""
    sys.argv = ["dreamflow", "video", str(folder / "none.mp4"), str(folder / "d.mp4")]
    with contextlib.suppress(SystemExit), contextlib.redirect_stderr(io.StringIO()):
        main()


def start_render(source: str, folder: Path, timeout_s: int) -> int:
    """Render in a child process, and return its id."""
    folder.mkdir()
    child = os.fork()
    if child:
        return child
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(timeout_s)
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    options = ["--threads", "1"]
    damaged = any(part in source for part in DAMAGED_NAME_PARTS)
    options += ["--iterations", "0", "--no-carry"] if damaged else ["--end", "4"]
    sys.argv = ["dreamflow", "video", source, str(folder / "d.mp4"), *FAST_OPTIONS, *options]
    try:
        main()
    except SystemExit as stop:
        os._exit(int(stop.code or 0))
    os._exit(99)


def render_all(files: list[str], root: Path, timeout_s: int) -> list[dict[str, object]]:
    """Render all files, some at once, and return the outcome of each."""
    waiting, running = dict(enumerate(files)), {}
    outcomes: dict[int, dict[str, object]] = {}
    while waiting or running:
        while waiting and len(running) < MAX_PROCESSES:
            number = min(waiting)
            child = start_render(waiting.pop(number), root / str(number), timeout_s)
            running[child] = (number, time.monotonic())
        child, status = os.wait()
        number, started = running.pop(child)
        outcomes[number] = {
            "code": os.waitstatus_to_exitcode(status),
            "seconds": round(time.monotonic() - started, 1),
            "printed": (root / str(number) / "log").read_text(errors="replace"),
        }
    return [outcomes[number] for number in sorted(outcomes)]


if __name__ == "__main__":
    root, timeout_s, *files = sys.argv[1:]
    build_parser(Path(root))
    print(json.dumps(render_all(files, Path(root), int(timeout_s))))
