"""Renders that are struck down at random moments, each in a process forked from this one.

    python faults.py FOLDER STRIKES kill|int ARGUMENTS...

Renders into FOLDER/0/ undisturbed, and into FOLDER/1/ and on with a signal at a random moment,
again and again until they are done, until so many have struck. Prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import av  # noqa: F401  what takes long to load is loaded before the clock starts
import cv2  # noqa: F401
import torch  # noqa: F401

import dreamflow.jobs.job as job
import dreamflow.media.write.segments
from dreamflow.cli import main

(
    job.JOB_CHECKPOINT_INTERVAL_S,
    job.MAX_CHECKPOINT_TIME_SHARE,
    dreamflow.media.write.segments.MAX_SEGMENT_FRAMES,
) = 0.05, 1.0, 12
RENDER_TIMEOUT_S = 120


def render_with_signal(
    arguments: list[str], folder: Path, delay_s: float | None, signal_number: int
) -> int:
    """Render in a child, and strike it so many seconds after its work begins; its exit status."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    signal.alarm(RENDER_TIMEOUT_S)
    os.chdir(folder)
    log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    run = job._JobRun.run

    def timed(work: job._JobRun) -> None:
        if delay_s is not None:
            threading.Timer(delay_s, os.kill, (os.getpid(), signal_number)).start()
        run(work)

    job._JobRun.run = timed
    sys.argv = ["dreamflow", *arguments]
    try:
        main()
    except SystemExit as stop:
        os._exit(int(stop.code or 0))
    os._exit(99)


def run_fault_rounds(
    root: Path, strikes: int, signal_number: int, arguments: list[str]
) -> dict[str, object]:
    """Strike so often, and return what happened."""
    chance = random.Random(strikes)
    (root / "0").mkdir()
    started = time.monotonic()
    assert render_with_signal(arguments, root / "0", None, signal_number) == 0, (
        root / "0" / "log"
    ).read_text()
    length = time.monotonic() - started
    codes: list[int] = []
    renders = 0
    while len(codes) < strikes:
        renders += 1
        assert renders <= 5 * strikes, "most strikes miss"
        folder = root / str(renders)
        folder.mkdir()
        code = None
        while code != 0:
            code = render_with_signal(arguments, folder, chance.uniform(0, length), signal_number)
            codes += [code] if code else []
            assert code in (0, -signal_number, 128 + signal_number), (
                code,
                (folder / "log").read_text(),
            )
            if (folder / arguments[2]).exists() and not list(folder.glob("*.job/job.json")):
                for empty in folder.glob("*.job"):
                    empty.rmdir()
                break  # struck when all was done
    return {"strikes": len(codes), "renders": renders}


if __name__ == "__main__":
    root, strikes, name, *arguments = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs have none
    sign = {"kill": signal.SIGKILL, "int": signal.SIGINT}[name]
    print(json.dumps(run_fault_rounds(Path(root), int(strikes), sign, arguments)))
