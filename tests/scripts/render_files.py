"""Render a few frames of each file, one after the other, in a process forked from this one.

    python render_files.py FOLDER SECONDS FILES...

Each output is FOLDER/<number>/d.mp4. Of files damaged in their middle all frames are encoded, and
none is dreamed. Prints a JSON list with, for each file: its exit code, how long it took, and what
was printed. A file that takes longer than SECONDS, or crashes, ends the process; the next one has
another.
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


def build_parser(folder: Path) -> None:
    """Refuse a film that is not there: what parses command lines is built once, before forking."""
    sys.argv = ["dreamflow", "video", str(folder / "none.mp4"), str(folder / "d.mp4")]
    with contextlib.suppress(SystemExit), contextlib.redirect_stderr(io.StringIO()):
        main()


def render(source: str, folder: Path) -> int:
    """Render a file into a folder, and return the exit code."""
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    options = ["--threads", "1"]
    damaged = any(part in source for part in DAMAGED_NAME_PARTS)
    options += ["--iterations", "0", "--no-carry"] if damaged else ["--end", "4"]
    sys.argv = ["dreamflow", "video", source, str(folder / "d.mp4"), *FAST_OPTIONS, *options]
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 99


def start_renders(files: dict[int, str], root: Path, timeout_s: int) -> int:
    """Render files in a child process, and return its id; each outcome goes to a file."""
    child = os.fork()
    if child:
        return child
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    for number, source in files.items():
        signal.alarm(timeout_s)
        started = time.monotonic()
        (root / str(number)).mkdir()
        code = render(source, root / str(number))
        outcome = {"code": code, "seconds": round(time.monotonic() - started, 1)}
        (root / f"{number}.json").write_text(json.dumps(outcome))
    os._exit(0)


def render_all(files: list[str], root: Path, timeout_s: int) -> list[dict[str, object]]:
    """Render all files, and return the outcome of each."""
    outcomes: list[dict[str, object]] = []
    while len(outcomes) < len(files):
        rest = {number: files[number] for number in range(len(outcomes), len(files))}
        _, status = os.waitpid(start_renders(rest, root, timeout_s), 0)
        for number in rest:
            told = root / f"{number}.json"
            is_told = told.exists()
            outcome = json.loads(told.read_text()) if is_told else {"seconds": 0.0}
            outcome.setdefault("code", os.waitstatus_to_exitcode(status))
            outcome["printed"] = (root / str(number) / "log").read_text(errors="replace")
            outcomes.append(outcome)
            if not is_told:  # it has ended the process
                break
    return outcomes


if __name__ == "__main__":
    root, timeout_s, *files = sys.argv[1:]
    build_parser(Path(root))
    print(json.dumps(render_all(files, Path(root), int(timeout_s))))
