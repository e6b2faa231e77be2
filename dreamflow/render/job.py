"""A clip dreamed into a file, with the settings that made it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from dreamflow import __version__
from dreamflow.journeys.loop import dream_loop
from dreamflow.journeys.passes import dream_marked
from dreamflow.journeys.video import VideoDreamer, marked_frames
from dreamflow.media import Clip, open_writer
from dreamflow.media.cutlist import read_cuts
from dreamflow.media.metadata import MARK
from dreamflow.media.writer import Writer
from dreamflow.networks import Network
from dreamflow.options import CarryOptions, VideoSettings, as_dict
from dreamflow.settings import Options

Progress = Callable[[int], None]
"""Called with the number of frames done, of all rounds together."""


def settings_record(
    command: str, source: Path, network: Network, *groups: Options
) -> dict[str, Any]:
    """Return what is kept with an output: enough to render it again, on this source or another."""
    return {
        MARK: __version__,
        "command": command,
        "settings": as_dict(*groups),
        "network": {"name": network.name, "weights_sha256": network.weights_hash},
        # A name that is not in the system's encoding could not be written as JSON.
        "source": source.name.encode(errors="replace").decode(),
        "torch": torch.__version__,
        "device": network.device.type,
        "threads": torch.get_num_threads(),
    }


def render_video(
    clip: Clip,
    out: Path,
    network: Network,
    settings: VideoSettings,
    overwrite: bool = False,
    progress: Callable[..., None] = lambda done, total=None: None,
) -> Writer:
    """Dream a clip into a file, and return the writer, which knows how many frames it wrote.

    progress is called with the number of frames done, of all rounds and passes together, and with
    how many there are to do where more have become known.

    Raises what the clip, the dream and the writer raise; then nothing is left under `out`. On
    KeyboardInterrupt the frames finished so far are kept as the writer's `partial`.
    """
    groups = (settings.dream, settings.carry, settings.clip, settings.encode)
    record = settings_record("video", clip.path, network, *groups)
    cuts = read_cuts(clip, settings.carry.cuts)
    dreamer = VideoDreamer(network, settings.dream, settings.carry, clip.timeline)
    ahead = 0

    def first_round() -> None:
        nonlocal ahead
        ahead += 1
        progress(ahead)

    def run_up(done: int, known: int) -> None:
        nonlocal ahead
        progress(writer.frames + done, len(clip) + known)
        ahead = done

    if settings.carry.loop:
        dreams = dream_loop(lambda: marked_frames(clip, settings.carry, cuts), dreamer, first_round)
    else:
        dreams = dream_marked(marked_frames(clip, settings.carry, cuts), dreamer, run_up)
    with open_writer(
        out, clip.outline, encode=settings.encode, record=record, overwrite=overwrite
    ) as writer:
        for frame in dreams:
            writer.write(frame)
            progress(ahead + writer.frames)
    return writer


def rounds(carry: CarryOptions) -> int:
    """Return how often each frame of a clip is dreamed."""
    return 2 if carry.loop else 1
