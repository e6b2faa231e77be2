"""Damaged films and pictures never crash the process, and end in nothing but one clear line.

Damaged copies are decoded in another process, since a decoder that corrupts its memory crashes it.
A few copies run with the suite; `DREAMFLOW_FUZZ=30 pytest tests/test_fuzz.py` does 30 of each video
and 240 of each kind of file that needs more than an encoder.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from coded_fields import code_frames
from conftest import REPO_ROOT, SHARED_DIR, make_film, make_texture, run_ffmpeg
from PIL import Image

from dreamflow.core.opencv import cv2

COPIES = int(os.environ.get("DREAMFLOW_FUZZ", "2"))
FRAMES = 12
TIMEOUT_S = 300
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


def check_damaged_copies(
    decoder: DecoderProcess, source: Path, folder: Path, copies: int = COPIES
) -> None:
    """Assert that damaged copies of a file give frames, or one clear line.

    Of a folder of pictures, one picture is damaged in each copy.
    """
    faults: list[str] = []
    for copy in range(copies):
        seed = 1000 * copy + sum(source.name.encode())
        path = folder / f"{seed}_{source.name}"
        target, original = path, source
        if source.is_dir():
            shutil.copytree(source, path)
            pictures = sorted(source.iterdir())
            original = pictures[seed % len(pictures)]
            target = path / original.name
        target.write_bytes(damage(original.read_bytes(), seed))
        outcome = decoder.decode(path)
        decoded = isinstance(outcome, int) and 0 < outcome <= FRAMES
        named = isinstance(outcome, str) and (path.name in outcome or target.name in outcome)
        if not (decoded or (named and "\n" not in str(outcome))):
            faults.append(f"{path}: {outcome}")
    assert not faults, "\n".join(faults)


@pytest.fixture(scope="module")
def decoder() -> Iterator[DecoderProcess]:
    with DecoderProcess() as process:
        yield process
        assert process.end() == 0, "the decoder's process ends without a crash"


@pytest.mark.parametrize("name", OPTIONS_BY_NAME)
def test_damaged_generated_videos(decoder: DecoderProcess, tmp_path: Path, name: str) -> None:
    source = ("-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25", "-frames:v", str(FRAMES))
    run_ffmpeg(*source, "-pix_fmt", "yuv420p", *OPTIONS_BY_NAME[name], tmp_path / name)
    check_damaged_copies(decoder, tmp_path / name, tmp_path)


@pytest.mark.clips
@pytest.mark.parametrize("name", REAL_CLIPS)
def test_damaged_real_clips(decoder: DecoderProcess, tmp_path: Path, name: str) -> None:
    check_damaged_copies(decoder, SHARED_DIR / "clips" / name, tmp_path)


# --- kinds that need more than an encoder


def make_edited(path: Path) -> None:
    """Make a film whose edit list begins behind a key frame."""
    whole = make_film(path.with_name("whole.mp4"), frames=14, options=("-g", "14"))
    run_ffmpeg("-ss", "0.2", "-i", whole, "-c", "copy", path)


def make_joined(path: Path) -> None:
    parts = [make_film(path.with_name(f"{n}.ts"), frames=n) for n in (5, 6)]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))


def make_fields(path: Path) -> None:
    raw = path.with_suffix(".h264")
    raw.write_bytes(
        b"".join(code_frames([make_texture(64, 64, n)[..., 0] for n in range(6)], [True] * 6))
    )
    run_ffmpeg("-framerate", "50", "-i", raw, "-c", "copy", path)


def make_attached(path: Path) -> None:
    font = path.with_name("font.ttf")
    font.write_bytes(bytes(4000))
    options = ("-attach", str(font), "-metadata:s:t", "mimetype=application/x-truetype-font")
    make_film(path, frames=6, options=options)


def make_held(path: Path) -> None:
    make_film(path, frames=2, rate="1/3", sound=True)


def make_picture(path: Path, shade: int = 0) -> None:
    Image.fromarray(make_texture(48, 64, shade)).save(path)


def make_animation(path: Path) -> None:
    first, *others = [Image.fromarray(make_texture(48, 64, n)) for n in range(5)]
    first.save(path, save_all=True, append_images=others, duration=50)


def make_exr(path: Path) -> None:
    pixels = make_texture(48, 64) / np.float32(255)
    OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION}, {"RGB": pixels}).write(str(path))


def make_psd(path: Path) -> None:
    header = struct.pack(">4sH6xHIIHH", b"8BPS", 1, 3, 48, 64, 8, 3)
    planes = make_texture(48, 64).transpose(2, 0, 1).tobytes()
    path.write_bytes(header + bytes(3 * 4) + b"\0\0" + planes)


def make_float_picture(path: Path) -> None:
    assert cv2.imwrite(str(path), make_texture(48, 64) / np.float32(255))


def make_folder(path: Path) -> None:
    path.mkdir()
    make_one = KINDS[f"picture.{path.suffix[1:]}"]
    for number in range(4):
        make_one(path / f"shot_{number:04d}{path.suffix}")


KINDS: dict[str, Callable[[Path], object]] = {
    "edited.mp4": make_edited,
    "joined.ts": make_joined,
    "fields.ts": make_fields,
    "attached.mkv": make_attached,
    "held.mp4": make_held,
    "raw.h264": make_film,
    "raw.hevc": lambda path: make_film(path, options=("-x265-params", "log-level=none")),
    "raw.obu": lambda path: make_film(
        path, options=("-c:v", "libsvtav1", "-svtav1-params", "lp=1")
    ),
    "animation.apng": make_animation,
    "animation.avif": make_animation,
    "picture.png": make_picture,
    "picture.jp2": make_picture,
    "picture.tga": make_picture,
    "picture.avif": make_picture,
    "picture.exr": make_exr,
    "picture.psd": make_psd,
    "picture.hdr": make_float_picture,
    "picture.tif": make_float_picture,
    "folder.png": make_folder,
    "folder.exr": make_folder,
}


@pytest.mark.parametrize("name", KINDS)
def test_damaged_files_of_many_kinds(decoder: DecoderProcess, tmp_path: Path, name: str) -> None:
    KINDS[name](tmp_path / name)
    whole = decoder.decode(tmp_path / name)
    assert isinstance(whole, int)
    assert whole > 0
    check_damaged_copies(decoder, tmp_path / name, tmp_path, copies=8 * COPIES)


@pytest.mark.clips
@pytest.mark.parametrize("name", ["example.heic", "alpha.avif", "anim_exif.avif"])
def test_damaged_given_pictures(decoder: DecoderProcess, tmp_path: Path, name: str) -> None:
    check_damaged_copies(decoder, SHARED_DIR / "faults" / name, tmp_path)


def test_a_frame_that_comes_after_more_failures_than_packets(
    decoder: DecoderProcess, tmp_path: Path
) -> None:
    """A packet may fail twice: this copy's only frame was numbered behind the last one."""
    KINDS["raw.hevc"](tmp_path / "raw.hevc")
    path = tmp_path / "damaged.hevc"
    path.write_bytes(damage((tmp_path / "raw.hevc").read_bytes(), 69798))
    assert decoder.decode(path) == 1
