"""Renders that are killed or interrupted at random moments, each in a process forked from this one.

    python faults.py FOLDER SIGNALS ARGUMENTS...

Renders into FOLDER/0/ undisturbed. Then renders into FOLDER/1/ with a signal at a random moment,
and resumes with a signal again until the render is done; and so on in FOLDER/2/, until SIGNALS
signals of each kind have ended a process. Prints one line of JSON: `renders`, and how many signals
of each kind.
"""

from __future__ import annotations

import functools
import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import av  # noqa: F401  what takes long to import is imported before the clock starts
import cv2  # noqa: F401
import torch  # noqa: F401

import dreamflow.jobs.controls as controls
import dreamflow.jobs.renders.render_video
import dreamflow.jobs.runner as runner
import dreamflow.reports.preview  # noqa: F401
from dreamflow.cli.entry_point import main

RENDER_TIMEOUT_S = 300
MAX_RENDERS_PER_SIGNAL = 40
SIGNALS = {"kill": signal.SIGKILL, "int": signal.SIGINT}

# Short segments and frequent checkpoints, so that a short render has many moments of each kind.
controls.RenderControls = functools.partial(  # type: ignore[misc]
    controls.RenderControls, checkpoint_interval_s=0.05, segment_frames=8
)
runner.MAX_CHECKPOINT_TIME_SHARE = 1.0


def render_with_signal(
    arguments: list[str], folder: Path, delay_s: float | None, signal_number: int
) -> int:
    """Render in a child process.

    Args:
        arguments: Those of the command line.
        folder: Where it runs.
        delay_s: Seconds from the first frame's work to the signal; None sends none.
        signal_number: The signal.

    Returns:
        The exit status; negative where a signal ended the process.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    signal.alarm(RENDER_TIMEOUT_S)
    os.chdir(folder)
    log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    run = runner.JobRun.run

    def run_with_timer(job_run: runner.JobRun) -> None:
        if delay_s is not None:
            threading.Timer(delay_s, os.kill, (os.getpid(), signal_number)).start()
        run(job_run)

    runner.JobRun.run = run_with_timer
    sys.argv = ["dreamflow", *arguments]
    try:
        main()
    except SystemExit as stop:
        os._exit(int(stop.code or 0))
    os._exit(99)


def run_fault_rounds(root: Path, signals: int, arguments: list[str]) -> dict[str, int]:
    """Render until so many signals of each kind have ended a process, and return the counts."""
    chance = random.Random(signals)
    (root / "0").mkdir()
    started_s = time.monotonic()
    assert render_with_signal(arguments, root / "0", None, 0) == 0, (root / "0" / "log").read_text()
    length_s = time.monotonic() - started_s
    renders = 0
    counted: dict[str, int] = {}
    for name, signal_number in SIGNALS.items():
        codes: list[int] = []
        while len(codes) < signals:
            renders += 1
            assert renders <= MAX_RENDERS_PER_SIGNAL * signals, "most signals come too late"
            folder = root / str(renders)
            folder.mkdir()
            code = None
            while code != 0:
                delay_s, started_s = chance.uniform(0, length_s), time.monotonic()
                code = render_with_signal(arguments, folder, delay_s, signal_number)
                if code == 0:  # the one before may have been slow, and most signals come too late
                    length_s = min(length_s, time.monotonic() - started_s)
                codes += [code] if code else []
                log = (folder / "log").read_text()
                assert code in (0, -signal_number, 128 + signal_number), (code, log)
                if (folder / arguments[2]).exists() and not list(folder.glob("*.job/job.json")):
                    for empty in folder.glob("*.job"):
                        empty.rmdir()
                    break  # the signal came when all was done
        counted[name] = len(codes)
    return {"renders": renders, **counted}


if __name__ == "__main__":
    root, signals, *arguments = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs have none
    print(json.dumps(run_fault_rounds(Path(root), int(signals), arguments)))
