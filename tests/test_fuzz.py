"""Damaged videos never crash the process, and never end in anything but one clear line.

Each damaged copy is decoded in another process, since a decoder that corrupts its memory crashes
it. A few copies run with the suite; `DREAMFLOW_FUZZ=30 pytest tests/test_fuzz.py` does 30 of each
video.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import REPO_ROOT, SHARED_DIR, run_ffmpeg

COPIES = int(os.environ.get("DREAMFLOW_FUZZ", "2"))
FRAMES = 12
TIMEOUT_S = 60
"""For each copy: one that takes longer counts as a crash."""
SCRIPT = REPO_ROOT / "tests" / "scripts" / "decode_files.py"

OPTIONS_BY_NAME = {
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
REAL_CLIPS = (
    "bear_odd_161x121_vp9.webm",
    "desk_interlaced_h264.mp4",
    "handheld_plant_aac.mp4",
    "reddot_alpha_vp9.webm",
    "roadtrip_vp9_10bit_bt2020.webm",
    "talkinghead_av1_aac.mp4",
    "talkinghead_flv.flv",
    "traffic_48x48_raw.avi",
)


def damage(content: bytes, seed: int) -> bytes:
    """Flip bits, few or many, anywhere or in the first 2,000 bytes, and sometimes truncate."""
    rng = random.Random(seed)
    data = bytearray(content)
    reach = len(data) if seed % 2 else min(len(data), 2000)
    for _ in range(rng.choice((1, 3, 10, 40, 200))):
        data[rng.randrange(reach)] ^= 1 << rng.randrange(8)
    return bytes(data[: rng.randrange(len(data))] if seed % 5 == 4 else data)


class DecoderProcess:
    """A process that decodes videos one by one; a new one after a crash."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> DecoderProcess:
        return self

    def __exit__(self, *error: object) -> None:
        self.end()

    def end(self) -> int:
        """Let the process end, and return its exit code."""
        process, self.process = self.process, None
        if process is None:
            return 0
        assert process.stdin
        assert process.stdout
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()
        return process.wait()

    def decode(self, path: Path) -> object:
        """Return the number of frames, an error's message, or a dict that describes a fault."""
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, str(SCRIPT)],
                env={**os.environ, "PYTHONPATH": str(REPO_ROOT)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        assert self.process.stdin
        assert self.process.stdout
        timer = threading.Timer(TIMEOUT_S, self.process.kill)
        timer.start()
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        timer.cancel()
        return json.loads(answer) if answer else {"crash": self.end()}


@pytest.fixture(scope="module")
def decoder() -> Iterator[DecoderProcess]:
    with DecoderProcess() as process:
        yield process
        assert process.end() == 0, "the decoder's process ends without a crash"


def check_damaged_copies(decoder: DecoderProcess, video: Path, folder: Path) -> None:
    """Assert that damaged copies of a video give frames, or one clear line."""
    faults: list[str] = []
    for copy in range(COPIES):
        seed = 1000 * copy + sum(video.name.encode())
        path = folder / f"{seed}_{video.name}"
        path.write_bytes(damage(video.read_bytes(), seed))
        outcome = decoder.decode(path)
        decoded = isinstance(outcome, int) and 0 < outcome <= FRAMES
        refused = isinstance(outcome, str) and path.name in outcome and "\n" not in outcome
        if not (decoded or refused):
            faults.append(f"{path}: {outcome}")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("name", OPTIONS_BY_NAME)
def test_damaged_generated_videos(decoder: DecoderProcess, tmp_path: Path, name: str) -> None:
    source = ("-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25", "-frames:v", str(FRAMES))
    run_ffmpeg(*source, "-pix_fmt", "yuv420p", *OPTIONS_BY_NAME[name], tmp_path / name)
    check_damaged_copies(decoder, tmp_path / name, tmp_path)


@pytest.mark.clips
@pytest.mark.parametrize("name", REAL_CLIPS)
def test_damaged_real_clips(decoder: DecoderProcess, tmp_path: Path, name: str) -> None:
    check_damaged_copies(decoder, SHARED_DIR / "clips" / name, tmp_path)
