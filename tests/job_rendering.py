"""Renders of the sample clip that can be interrupted after any frame: for the tests of jobs."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import psutil
import pytest
from conftest import SAMPLE_CLIP

from dreamflow.dream.options import DreamOptions
from dreamflow.jobs.controls import RenderControls
from dreamflow.jobs.renders.render_video import render_video
from dreamflow.jobs.storage.folder import job_folder_path
from dreamflow.jobs.storage.job_file import read_job_file, write_job_file
from dreamflow.media.depth.write import DeepOutput
from dreamflow.media.options import ClipOptions
from dreamflow.media.read.clip import Clip
from dreamflow.networks.network import Network
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.temporal.options import CarryOptions

DREAM = DreamOptions(layer=("conv2/3x3",), octaves=1, iterations=1, jitter=8)
CARRY = CarryOptions(carry_iterations=1, uncover_iterations=1)
FRAMES = 16
SETTINGS = VideoSettings(DREAM, CARRY, ClipOptions(size="64", end=str(FRAMES)))
"""FRAMES frames of 64x36: two whole segments, and a part of one."""
FAST = ("--size", "64", "--layer", "conv1/7x7_s2", "--octaves", "1", "--iterations", "1")
"""The quickest settings of the command line."""
SEGMENT_FRAMES = 6
"""Frames of a segment: few, so that short renders have several."""


def decode_output(out: Path) -> list[tuple[int | None, bytes]]:
    """Return time stamp and pixels of every frame of a film, or the files of a folder of PNGs."""
    if out.is_dir():
        return [(n, path.read_bytes()) for n, path in enumerate(sorted(out.glob("*.png")))]
    with av.open(str(out)) as film:
        return [(f.pts, f.to_ndarray(format="rgb24").tobytes()) for f in film.decode(video=0)]


def edit_job_file(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what a job's job.json holds, and seal it as DreamFlow does."""
    metadata = read_job_file(folder)
    assert metadata is not None
    change(metadata)
    write_job_file(folder, metadata)


def job_id(folder: Path) -> str:
    """Return a job's identity."""
    return json.loads((folder / "job.json").read_text())["id"]


def kill_ffmpeg() -> None:
    """Kill this process's ffmpeg, and wait until it is dead; its exit code stays unread."""
    for child in psutil.Process().children():
        # One that is gone has been waited for already, by whoever reads its exit code.
        with contextlib.suppress(psutil.NoSuchProcess):
            if "ffmpeg" not in child.name():
                continue
            child.kill()
            while child.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.01)


class Interruption(RuntimeError):
    """Ends a render before it is done."""


class Rendering:
    """Renders a clip into a folder, and can be interrupted after any frame."""

    def __init__(self, folder: Path, network: Network) -> None:
        self.folder, self.network = folder, network
        self.messages: list[str] = []

    def __call__(
        self,
        name: str,
        settings: VideoSettings = SETTINGS,
        stop_at: int | None = None,
        source: Path = SAMPLE_CLIP,
        **controls: Any,
    ) -> Path:
        """Render, and return the output; raises Interruption after `stop_at` frames."""

        def progress(done: int, total: int) -> None:
            if done == stop_at:
                raise Interruption

        out = self.folder / name
        clip = Clip(source, settings.clip, DeepOutput.of(out, settings.encode))
        controls = {"segment_frames": SEGMENT_FRAMES, **controls}
        followed = RenderControls(progress, self.messages.append, **controls)
        render_video(clip, out, self.network, settings, followed)
        return out

    def interrupt(
        self, name: str, settings: VideoSettings = SETTINGS, at: int = 9, **more: Any
    ) -> Path:
        """Render until `at` frames are done; return the job's folder."""
        with pytest.raises(Interruption):
            self(name, settings, at, **more)
        return job_folder_path(self.folder / name)
