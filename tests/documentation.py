"""README and the pages of docs/: their blocks, and settings that make their commands quick."""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
from conftest import REPO_ROOT, SAMPLE_CLIP, WEIGHTS_NAME, make_texture, run_ffmpeg
from cut_film import make_cut_film

import dreamflow
from dreamflow.jobs.output_writer import open_writer
from dreamflow.media.stills.write import write_picture

FENCE = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = sorted(
    [*REPO_ROOT.glob("*.md"), *(REPO_ROOT / "docs").glob("*.md")],
    key=lambda page: page.relative_to(REPO_ROOT).as_posix(),
)
SHELL_KINDS = ("bash", "sh")
QUICK_DREAM = ("--octaves", "1", "--iterations", "1")
SMALL = {
    "video": ("--size", "56", "--end", "1.2s", "--every", "6", *QUICK_DREAM),
    "distill": (
        *("--batch", "2", "--crop", "64", "--width", "0.25", "--last", "inception_3a/output"),
        *("--minutes", "0.01", "--weights", WEIGHTS_NAME),
    ),
    "bench": ("--size", "64x48", "--rounds", "1"),
    # Errors raise, and the renders need no process of their own, which would load PyTorch.
    "batch": ("--size", "48", "--end", "3", *QUICK_DREAM, "--debug"),
    "sweep": (
        *("--size", "48", *QUICK_DREAM, "--seconds", "2.8"),
        *("--carry-iterations", "1", "--uncover-iterations", "0"),
    ),
    "zoom": ("--size", "48x32", "--seconds", "0.2", *QUICK_DREAM),
    "frame": ("--size", "48", *QUICK_DREAM),
    "preview": ("--size", "48", "--seconds", "0.1", *QUICK_DREAM),
    "channels": ("--tile", "48", *QUICK_DREAM),
    "guide": ("--size", "48", *QUICK_DREAM),
    "tune": ("--size", "48", "--end", "5", *QUICK_DREAM),
}
"""What is added to each command: later options override those of the page."""


@dataclass(frozen=True)
class Block:
    """A fenced block: its kind, its title (the file that it is), its text."""

    kind: str
    title: str
    text: str


def page_name(page: Path) -> str:
    return page.relative_to(REPO_ROOT).as_posix()


def read_blocks(page: Path) -> list[Block]:
    return [Block(*found) for found in FENCE.findall(page.read_text(encoding="utf-8"))]


def read_commands(page: Path) -> list[str]:
    """Return every line of a page's shell blocks."""
    lines = [
        line.strip()
        for block in read_blocks(page)
        if block.kind in SHELL_KINDS
        for line in block.text.replace("\\\n", " ").splitlines()
    ]
    return [line for line in lines if line]


def dreamflow_words(line: str) -> list[str]:
    """Return the words behind `dreamflow` in a line of a shell block; none in other programs'."""
    words = shlex.split(line.split("&&")[-1], comments=True)
    return words[1:] if words[:1] == ["dreamflow"] else []


def make_small(words: list[str]) -> list[str]:
    """Return a command with options that make it quick."""
    name = next((word for word in words if word in SMALL), "")
    small = SMALL.get(name, ())
    if name == "batch" and words[-1].endswith(".toml"):
        small = ("--debug",)  # a queue of renders has the settings in its file
    if "--openjd" in words or "--workers" in words:
        small = ("--size", "48", *QUICK_DREAM)  # all shots of the film
    if "--workers" in words and words[words.index("--workers") + 1] != "0":
        small = (*small, "--workers", "1")  # a worker in this process
    look = ("--look-size", "64") if "--look-size" in words else ()
    return [*words, *small, *look]


def lay_out_desk(folder: Path, home: Path, page: Path) -> None:
    """Put all files that a page takes for granted into a folder: samples, clips, weights."""
    shutil.copytree(REPO_ROOT / "samples", folder / "samples")
    (folder / WEIGHTS_NAME).symlink_to(home / "weights" / WEIGHTS_NAME)
    shutil.copy(SAMPLE_CLIP, folder / "clip.mp4")
    shutil.copy(SAMPLE_CLIP, folder / "other.mp4")
    (folder / "photographs").mkdir()
    write_picture(folder / "photographs" / "one.png", make_texture(70, 90))
    interrupt_a_write(folder / "dream_stopped.mp4")
    text = page.read_text(encoding="utf-8")
    for name, make in MADE_FILES.items():
        if name in text:
            make(folder)
    quick = 'size = "48"\nend = "3"\noctaves = 1\niterations = 1'
    for block in read_blocks(page):
        if block.title:
            text = block.text.replace('size = "640x360"', quick)
            (folder / block.title).write_text(text, encoding="utf-8")


def make_deep_pictures(folder: Path) -> None:
    """Make plate.exr and sequences of it, of scene-linear light, and scan16.tif, of 16 bits."""
    light = make_texture(64, 96).astype(np.float32) / 255
    channels = {name: np.ascontiguousarray(light[..., n]) for n, name in enumerate("RGB")}
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, channels).write(str(folder / "plate.exr"))
    (folder / "comps").mkdir()
    (folder / "plates").mkdir()
    for number in range(1, 4):
        for place in (folder, folder / "plates"):
            shutil.copy(folder / "plate.exr", place / f"shot_{number:04}.exr")
    codes = np.rint(light * 65535).astype(np.uint16)
    cv2.imwrite(str(folder / "scan16.tif"), codes[..., ::-1])
    make_deep_films(folder)


def make_deep_films(folder: Path) -> None:
    """Make scan10.mkv, of 10 bits, hdr10.mp4, of PQ, and title.mov, with transparency."""
    pattern = ("-f", "lavfi", "-i", "testsrc2=size=96x64:rate=5:duration=0.8")
    tags = "setparams=colorspace=9:color_primaries=9:color_trc=16:range=tv"
    h265 = ("-c:v", "libx265", "-x265-params", "log-level=0")
    run_ffmpeg(*pattern, "-pix_fmt", "yuv422p10le", "-c:v", "ffv1", folder / "scan10.mkv")
    run_ffmpeg(*pattern, "-vf", f"format=yuv420p10le,{tags}", *h265, folder / "hdr10.mp4")
    run_ffmpeg(*pattern, "-pix_fmt", "yuva444p10le", "-c:v", "prores_ks", folder / "title.mov")


MADE_FILES: dict[str, Callable[[Path], object]] = {
    "film.mp4": make_cut_film,
    "plate.exr": make_deep_pictures,
}
"""What makes files that only some pages take for granted, by the name of one of them."""


def interrupt_a_write(path: Path) -> None:
    """Leave the job of an output behind, interrupted after one frame."""
    clip = dreamflow.open_clip(SAMPLE_CLIP, size="48")
    with contextlib.suppress(InterruptedError), open_writer(path, clip.output_spec) as writer:
        writer.write(next(iter(clip)))
        raise InterruptedError
