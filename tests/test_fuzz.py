"""Damaged films never bring the process down, and never end in anything but one clear line.

Each damaged copy is opened and decoded in another process, since a decoder that corrupts its memory
takes the process with it. A few run with the suite; `DREAMFLOW_FUZZ=30 pytest tests/test_fuzz.py`
does 30 copies of each film.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from conftest import SHARED_DIR, run_ffmpeg

COPIES = int(os.environ.get("DREAMFLOW_FUZZ", "2"))
FRAMES = 12
TIME_LIMIT_S = 60
"""For each film: one that hangs counts as a crash."""

WORKER = """
import json, sys, traceback, warnings
from dreamflow.core.errors import DreamFlowError
from dreamflow import open_clip
warnings.simplefilter("ignore")
for line in sys.stdin:
    try:
        clip = open_clip(line.rstrip("\\n"), size="64", end="12")
        outcome = sum(1 for _ in clip)
    except DreamFlowError as error:
        outcome = str(error)
    except BaseException:
        outcome = {"traceback": traceback.format_exc()}
    print(json.dumps(outcome), flush=True)
"""

MADE = {
    "h264.mp4": ("-c:v", "libx264"),
    "hevc.mkv": ("-c:v", "libx265", "-x265-params", "log-level=none"),
    "vp8.webm": ("-c:v", "libvpx"),
    "vp9.webm": ("-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p"),
    "av1.mp4": ("-c:v", "libsvtav1", "-svtav1-params", "lp=1"),
    "mpeg2.mpg": ("-c:v", "mpeg2video"),
    "mpeg4.avi": ("-c:v", "mpeg4"),
    "raw.avi": ("-c:v", "rawvideo", "-pix_fmt", "bgr24"),
    "mjpeg.mov": ("-c:v", "mjpeg", "-pix_fmt", "yuvj444p"),
    "prores.mov": ("-c:v", "prores_ks"),
    "ffv1.mkv": ("-c:v", "ffv1", "-pix_fmt", "gbrp"),
    "444.mp4": ("-c:v", "libx264", "-pix_fmt", "yuv444p"),
    "interlaced.ts": ("-c:v", "libx264", "-x264-params", "tff=1"),
    "palette.gif": (),
    "animated.webp": (),
}
REAL = (
    "bear_odd_161x121_vp9.webm",
    "desk_interlaced_h264.mp4",
    "handheld_plant_aac.mp4",
    "reddot_alpha_vp9.webm",
    "roadtrip_vp9_10bit_bt2020.webm",
    "talkinghead_av1_aac.mp4",
    "talkinghead_flv.flv",
    "traffic_48x48_raw.avi",
)


def damaged(whole: bytes, seed: int) -> bytes:
    """Return a film with bits flipped, few or many, anywhere or in its head, and cut at times."""
    chance = random.Random(seed)
    data = bytearray(whole)
    reach = len(data) if seed % 2 else min(len(data), 2000)
    for _ in range(chance.choice((1, 3, 10, 40, 200))):
        data[chance.randrange(reach)] ^= 1 << chance.randrange(8)
    return bytes(data[: chance.randrange(len(data))] if seed % 5 == 4 else data)


class Worker:
    """A process that opens and decodes films, one by one; a new one after a crash."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *error: object) -> None:
        if self.process is not None:
            self._end()

    def _end(self) -> int:
        process, self.process = self.process, None
        assert process and process.stdin and process.stdout
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()
        return process.wait()

    def open(self, path: Path) -> object:
        """Return what came of a film: how many frames, an error's line, or a fault."""
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, "-c", WORKER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        assert self.process.stdin and self.process.stdout
        limit = threading.Timer(TIME_LIMIT_S, self.process.kill)
        limit.start()
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        limit.cancel()
        return json.loads(answer) if answer else {"crash": self._end()}


def check(whole: Path, folder: Path) -> None:
    """Assert that damaged copies of a film give frames, or one clear line."""
    faults: list[str] = []
    with Worker() as worker:
        for copy in range(COPIES):
            seed = 1000 * copy + sum(whole.name.encode())
            path = folder / f"{seed}_{whole.name}"
            path.write_bytes(damaged(whole.read_bytes(), seed))
            outcome = worker.open(path)
            fine = isinstance(outcome, int) and 0 < outcome <= FRAMES
            refused = isinstance(outcome, str) and path.name in outcome and "\n" not in outcome
            if not (fine or refused):
                faults.append(f"{path}: {outcome}")
        assert worker.process is None or worker._end() == 0, "it came to its end in good order"
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("name", MADE)
def test_damaged_made_films(tmp_path: Path, name: str) -> None:
    source = ("-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25", "-frames:v", str(FRAMES))
    run_ffmpeg(*source, "-pix_fmt", "yuv420p", *MADE[name], tmp_path / name)
    check(tmp_path / name, tmp_path)


@pytest.mark.clips
@pytest.mark.parametrize("name", REAL)
def test_damaged_real_films(tmp_path: Path, name: str) -> None:
    check(SHARED_DIR / "clips" / name, tmp_path)
