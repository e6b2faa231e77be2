"""Renders of a film with cuts in one go, in shards, and as the workers of a farm do."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from job_rendering import Interruption

from dreamflow.core.machine.options import MachineOptions
from dreamflow.dream.options import DreamOptions
from dreamflow.jobs.controls import RenderControls
from dreamflow.jobs.renders.render_video import prepare_video_job, render_video
from dreamflow.jobs.shards.sharded import Sharding
from dreamflow.jobs.shards.worker import open_worker
from dreamflow.media.depth.write import DeepOutput
from dreamflow.media.read.clip import Clip
from dreamflow.networks.network import Network
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.temporal.options import CarryOptions

DREAM = DreamOptions(network="googlenet", layer=("conv2/3x3",), octaves=1, iterations=1, jitter=8)
SETTINGS = VideoSettings(DREAM, CarryOptions(carry_iterations=1, uncover_iterations=1))
BY_SHOTS = Sharding()


class Shards:
    """Renders a film in one go and in shards, and can be interrupted."""

    def __init__(self, folder: Path, network: Network, film: Path) -> None:
        self.folder, self.network, self.film = folder, network, film
        self.messages: list[str] = []

    def render(
        self,
        name: str,
        sharding: Sharding | None = BY_SHOTS,
        settings: VideoSettings = SETTINGS,
        source: Path | None = None,
        stop_at: int | None = None,
        **controls: Any,
    ) -> Path:
        calls = itertools.count(1)

        def progress(done: int, total: int) -> None:
            if next(calls) == stop_at:
                raise Interruption

        out = self.folder / name
        controls = {"checkpoint_interval_s": 0.0, "segment_frames": 5, **controls}
        followed = RenderControls(progress, self.messages.append, **controls)
        clip = Clip(source or self.film, settings.clip, DeepOutput.of(out, settings.encode))
        render_video(clip, out, self.network, settings, followed, sharding=sharding)
        return out

    def prepare(
        self, name: str = "d.mp4", settings: VideoSettings = SETTINGS, **controls: Any
    ) -> Path:
        """Begin a job, and find its shards; return its folder."""
        out = self.folder / name
        return prepare_video_job(
            Clip(self.film, settings.clip, DeepOutput.of(out, settings.encode)),
            out,
            self.network,
            settings,
            RenderControls(notify=self.messages.append, segment_frames=5, **controls),
            None,
            Sharding(),
        )


def work(folder: Path, numbers: Iterable[int], monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Render shards as a worker on a farm does, from the job's folder alone."""
    monkeypatch.setenv("DREAMFLOW_HOME", str(home))
    controls = RenderControls(checkpoint_interval_s=0.0)
    with open_worker(folder, MachineOptions(), controls) as worker:
        for number in numbers:
            for _ in worker.render(number, controls):
                pass
