"""Benchmark of a whole render, from a clip on disk to a film on disk, and of its stages."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from dreamflow.core.callbacks import DoneCallback, ProgressCallback
from dreamflow.core.errors import DreamFlowError
from dreamflow.core.frames import Frame
from dreamflow.core.machine.memory import MB
from dreamflow.core.opencv import cv2
from dreamflow.core.timing import WAITING_STAGE, StageTimes
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.read.clip import Clip

SCENE_FPS = Fraction(24)
"""Frame rate of the synthetic scene."""
PAN_PX_PER_FRAME, CROSSING_PX_PER_FRAME = 3, 7
"""Speeds of the synthetic scene, and of the object that crosses it."""
SCENE_TEXTURE_SCALES = ((96, 40), (24, 25), (6, 15))
"""Size in pixels of each scale of the scene's noise, and its standard deviation in levels."""
WARM_UP_FRAMES = 2
"""Frames that are rendered before the first round is timed."""
RENDER_STAGES = ("decode", "shots", "flow", "dream", "write", "encode", WAITING_STAGE)
"""decode: reading and resizing frames; shots: finding cuts; dream: network and temporal step;
write: saving frames and state; encode: encoding the film and muxing its sound."""
OTHER_STAGE = "other"
"""Name of the time that no stage accounts for."""

RenderFunction = Callable[[Clip, ProgressCallback, StageTimes], object]
"""Renders a clip into a file, reports its frames, and counts the time of its stages."""


@dataclass(frozen=True)
class RenderTimings:
    """Timings of renders of one clip, round by round.

    Attributes:
        frames: Frames of the clip.
        round_s: Seconds of each round.
        stage_times: Seconds of each stage in each round.
    """

    frames: int
    round_s: list[float] = field(default_factory=list[float])
    stage_times: list[StageTimes] = field(default_factory=list[StageTimes])

    @property
    def median_s(self) -> float:
        """The median of the rounds, the lower one of two."""
        return statistics.median_low(self.round_s)

    def median_stage_times(self) -> dict[str, dict[str, float]]:
        """Return the times of each stage in the median round.

        Returns:
            By stage: `s`, seconds of the thread that dreams; `share`, of the whole round; and
            `beside_s`, seconds of other threads meanwhile. The first two add up to the whole.
        """
        total_s = self.median_s
        times = self.stage_times[self.round_s.index(total_s)]
        own_s = {name: times.own_thread.get(name, 0.0) for name in RENDER_STAGES}
        own_s[OTHER_STAGE] = total_s - sum(own_s.values())
        return {
            name: {"s": s, "share": s / total_s, "beside_s": times.other_threads.get(name, 0.0)}
            for name, s in own_s.items()
        }


def bench_render(
    render: RenderFunction,
    clip: Clip,
    rounds: int = 3,
    progress: DoneCallback = lambda done: None,
) -> RenderTimings:
    """Time renders of a clip, after a render of two frames to warm up.

    Args:
        render: Renders a clip; called once a round.
        clip: The clip to render.
        rounds: Number of rounds.
        progress: Called with the frames dreamed so far, in all rounds.
    """
    timings = RenderTimings(len(clip))
    warm_up = clip.subclip(clip.first_frame, clip.first_frame + WARM_UP_FRAMES)
    render(warm_up, lambda done, total: None, StageTimes())
    for finished_rounds in range(rounds):

        def report(done: int, total: int, before: int = finished_rounds * len(clip)) -> None:
            progress(before + done)

        stage_times, started = StageTimes(), time.perf_counter()
        render(clip, report, stage_times)
        timings.round_s.append(time.perf_counter() - started)
        timings.stage_times.append(stage_times)
    return timings


def synthetic_scene_spec(width: int, height: int, frames: int) -> OutputSpec:
    """Return the size and timing of a synthetic scene."""
    return OutputSpec.at_constant_rate(width, height, SCENE_FPS, frames)


def synthesise_scene(width: int, height: int, frames: int) -> Iterator[Frame]:
    """Yield the frames of a textured scene that pans, with an object that crosses it."""
    scene = make_noise_texture(height, width + PAN_PX_PER_FRAME * frames, 0)
    crossing = make_noise_texture(max(2, height // 3), max(2, width // 4), 1)
    for number in range(frames):
        picture = scene[:, PAN_PX_PER_FRAME * number :][:, :width].copy()
        left = CROSSING_PX_PER_FRAME * number % (width - crossing.shape[1])
        picture[height // 3 :, left:][: crossing.shape[0], : crossing.shape[1]] = crossing
        yield Frame(number, number / SCENE_FPS, picture)


def make_noise_texture(height: int, width: int, seed: int) -> np.ndarray:
    """Return noise at three scales, uint8 (H, W, 3): detail that optical flow can follow."""
    generator = np.random.default_rng(seed)
    total = np.full((height, width, 3), 128, np.float32)
    for size_px, levels in SCENE_TEXTURE_SCALES:
        cells = (max(2, height // size_px), max(2, width // size_px), 3)
        noise = generator.standard_normal(cells).astype(np.float32)
        total += levels * cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(total, 0, 255).astype(np.uint8)


def startup_seconds(clip: Path, arguments: Sequence[str]) -> float:
    """Return how long a new process takes to dream one step on one frame and to write it.

    Args:
        clip: The clip whose first frame is dreamed.
        arguments: Further words of its command line.

    Raises:
        DreamFlowError: The process failed.
    """
    with tempfile.TemporaryDirectory(prefix="dreamflow_bench_") as folder:
        line = [sys.executable, "-m", "dreamflow", "video", str(clip), str(Path(folder) / "d.mp4")]
        line += ["--end", "1", "--octaves", "1", "--iterations", "1", *arguments]
        started = time.perf_counter()
        process = subprocess.run(line, capture_output=True, text=True, check=False)
        elapsed_s = time.perf_counter() - started
    if process.returncode:
        reason = "".join(process.stderr.strip().splitlines()[-1:])
        raise DreamFlowError(f"the start-up cannot be timed, a new process failed: {reason}")
    return elapsed_s


def peak_memory_mb(device: torch.device) -> dict[str, int]:
    """Return the peak memory of this process in MB: `resident`, and `gpu` where there is one.

    `resident` is missing where the system does not report it (Windows).
    """
    peaks: dict[str, int] = {}
    try:
        import resource
    except ImportError:
        pass
    else:
        bytes_per_unit = 1 if sys.platform == "darwin" else 1024
        max_rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        peaks["resident"] = round(max_rss * bytes_per_unit / MB)
    if device.type == "cuda":
        peaks["gpu"] = round(torch.cuda.max_memory_allocated(device) / MB)
    return peaks
