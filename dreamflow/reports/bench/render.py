"""A whole render, from the clip on the disk to the film on the disk, and where its time goes."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from dreamflow.core.errors import DreamFlowError
from dreamflow.core.frames import Frame
from dreamflow.core.machine.memory import MB
from dreamflow.core.opencv import cv2
from dreamflow.core.timing import WAITING_STAGE, StageTimes, record_stage_times
from dreamflow.jobs.job import RenderControls
from dreamflow.jobs.output import open_writer
from dreamflow.jobs.render_video import render_video
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.read.clip import Clip
from dreamflow.networks.network import Network
from dreamflow.pipelines.settings.groups import VideoSettings

SCENE_FPS = Fraction(24)
PAN_PX_PER_FRAME, CROSSING_PX_PER_FRAME = 3, 7
"""By which the made scene, and what crosses it, move in a frame."""
WARM_UP_FRAMES = 2
RENDER_STAGES = ("decode", "shots", "flow", "dream", "write", "encode", WAITING_STAGE)
"""decode: frames read and resized; shots: cuts found; dream: the network, and carrying; write:
frames and state kept on the disk; encode: the film made of them, and joined with its sound."""
OTHER_STAGE = "other"


@dataclass(frozen=True)
class RenderTimings:
    """Renders of one clip. seconds: of each. ledgers: where they went."""

    frames: int
    round_s: list[float] = field(default_factory=list)
    ledgers: list[StageTimes] = field(default_factory=list)

    @property
    def median_s(self) -> float:
        """The middle of all rounds, the lower one of two."""
        return statistics.median_low(self.round_s)

    def median_stage_times(self) -> dict[str, dict[str, float]]:
        """Return of each stage, in the median round: s, share of the whole, and beside_s.

        The first two are of the thread that dreams, and add up to the whole; beside_s are the
        seconds of other threads, which went by at the same time.
        """
        whole, ledger = self.median_s, self.ledgers[self.round_s.index(self.median_s)]
        spent = {name: ledger.own_thread.get(name, 0.0) for name in RENDER_STAGES}
        spent[OTHER_STAGE] = whole - sum(spent.values())
        return {
            name: {"s": s, "share": s / whole, "beside_s": ledger.other_threads.get(name, 0.0)}
            for name, s in spent.items()
        }


def bench_render(
    network: Network,
    clip: Clip,
    settings: VideoSettings,
    rounds: int = 3,
    progress: Callable[[int], None] = lambda done: None,
) -> RenderTimings:
    """Render a clip a few times, into a folder that is removed, and return the figures.

    A render of two frames warms up. progress: called with the frames dreamed, of all rounds.
    """
    figures = RenderTimings(len(clip))
    with tempfile.TemporaryDirectory(prefix="dreamflow_bench_") as folder:
        out = Path(folder) / "dream.mp4"
        render_video(
            clip.subclip(clip.first_frame, clip.first_frame + WARM_UP_FRAMES),
            out,
            network,
            settings,
        )
        for done in range(rounds):

            def follow(now: int, total: int, before: int = done * len(clip)) -> None:
                progress(before + now)

            started = time.perf_counter()
            with record_stage_times() as ledger:
                handles = RenderControls(follow, overwrite=True, stage_times=ledger)
                render_video(clip, out, network, settings, handles)
            figures.round_s.append(time.perf_counter() - started)
            figures.ledgers.append(ledger)
    return figures


def write_synthetic_scene(path: Path, width: int, height: int, frames: int) -> None:
    """Write a film of a scene that pans, and of something that crosses it."""
    scene = make_noise_texture(height, width + PAN_PX_PER_FRAME * frames, 0)
    thing = make_noise_texture(max(2, height // 3), max(2, width // 4), 1)
    with open_writer(path, OutputSpec.at_constant_rate(width, height, SCENE_FPS, frames)) as writer:
        for number in range(frames):
            picture = scene[:, PAN_PX_PER_FRAME * number :][:, :width].copy()
            left = CROSSING_PX_PER_FRAME * number % (width - thing.shape[1])
            picture[height // 3 :, left:][: thing.shape[0], : thing.shape[1]] = thing
            writer.write(Frame(number, number / SCENE_FPS, picture))


def make_noise_texture(height: int, width: int, seed: int) -> np.ndarray:
    """Return noise at three scales, uint8 (H, W, 3): detail that flow can follow."""
    made = np.random.default_rng(seed)
    total = np.full((height, width, 3), 128, np.float32)
    for size_px, strength in ((96, 40), (24, 25), (6, 15)):
        cells = (max(2, height // size_px), max(2, width // size_px), 3)
        noise = made.standard_normal(cells).astype(np.float32)
        total += strength * cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(total, 0, 255).astype(np.uint8)


def startup_seconds(clip: Path, arguments: Sequence[str]) -> float:
    """Return how long a new process takes to dream one step on a frame, and to write it.

    arguments: more of its command line. Raises DreamFlowError where it fails.
    """
    with tempfile.TemporaryDirectory(prefix="dreamflow_bench_") as folder:
        line = [sys.executable, "-m", "dreamflow", "video", str(clip), str(Path(folder) / "d.mp4")]
        line += ["--end", "1", "--octaves", "1", "--iterations", "1", *arguments]
        started = time.perf_counter()
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        spent = time.perf_counter() - started
    if done.returncode:
        raise DreamFlowError(f"a new process failed: {done.stderr.strip().splitlines()[-1:]}")
    return spent


def peak_memory_mb(device: torch.device) -> dict[str, int]:
    """Return the most memory that this process has had, in MB, and of the GPU where there is one.

    Empty where the system does not say (Windows).
    """
    found: dict[str, int] = {}
    try:
        import resource
    except ImportError:
        pass
    else:
        unit = 1 if sys.platform == "darwin" else 1024
        found["resident"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MB)
    if device.type == "cuda":
        found["gpu"] = round(torch.cuda.max_memory_allocated(device) / MB)
    return found
