"""A loop's last frame leads into its first, as well as any frame into the next."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from conftest import CommandResult, make_texture

from dreamflow.core.errors import DreamFlowWarning, SettingsError
from dreamflow.core.frames import Frame
from dreamflow.dream.options import DreamOptions
from dreamflow.media.read.clip import open_clip
from dreamflow.media.stills import write_picture
from dreamflow.networks.network import Network
from dreamflow.pipelines.loop import LoopPipeline
from dreamflow.pipelines.video import VideoDreamer, marker_of
from dreamflow.reports.coherence.warp_error import warp_error
from dreamflow.temporal.options import CarryOptions
from dreamflow.temporal.shots import Mark

OPTIONS = DreamOptions(layer=("conv2/3x3",), octaves=2, iterations=4, jitter=8)
CARRY = CarryOptions(carry_iterations=2, loop=True)


def there_and_back(count: int = 16) -> list[Frame]:
    """Return frames of a camera that swings on a circle: the last is next to the first."""
    scene = make_texture(140, 140)
    angles = np.arange(count) * 2 * np.pi / count
    offsets = [(round(20 + 12 * np.sin(a)), round(20 + 12 * np.cos(a))) for a in angles]
    pictures = [np.ascontiguousarray(scene[y : y + 96, x : x + 96]) for y, x in offsets]
    return [Frame(n, Fraction(n, 24), picture) for n, picture in enumerate(pictures)]


def looped(network: Network, frames: list[Frame]) -> list[Frame | None]:
    dreamer = VideoDreamer(network, OPTIONS, CARRY)
    journey = LoopPipeline(
        lambda start: frames[start:], len(frames), dreamer, lambda: marker_of(CARRY, None)
    )
    return list(journey)


def flicker(frames: list[Frame], dreams: list[Frame], number: int) -> float:
    """Return the warping error of a frame's dream to the one before; of 0, to the last."""
    pairs = [[clip[number - 1].picture, clip[number].picture] for clip in (frames, dreams)]
    return warp_error(*pairs)


def test_the_end_leads_into_the_beginning(noise_network: Network) -> None:
    frames = there_and_back()
    made = looped(noise_network, frames)
    assert made[: len(frames)] == [None] * len(frames)
    dreams = [dream for dream in made if dream is not None]
    assert len(dreams) == len(frames)
    assert [dream.index for dream in dreams] == [frame.index for frame in frames]
    plain = VideoDreamer(noise_network, OPTIONS, CarryOptions(carry_iterations=2))
    once = [plain(f, Mark.SAME if n else Mark.CUT) for n, f in enumerate(frames)]
    pairs = [flicker(frames, dreams, n) for n in range(1, len(frames))]
    assert flicker(frames, dreams, 0) < 1.3 * max(pairs), "the seam is like any other step"
    assert flicker(frames, dreams, 0) < 0.7 * flicker(frames, once, 0), "better than without"


def test_a_clip_that_does_not_close_is_said_to(noise_network: Network) -> None:
    frames = [*there_and_back(4), Frame(4, Fraction(4, 24), make_texture(96, 96, seed=9))]
    with pytest.warns(DreamFlowWarning, match="does not lead into its first"):
        assert len(looped(noise_network, frames)) == 10


def test_an_empty_clip_is_refused(noise_network: Network) -> None:
    with pytest.raises(SettingsError, match="no frame"):
        looped(noise_network, [])


def test_the_command_makes_a_loop(tmp_path: Path, cli: Callable[..., CommandResult]) -> None:
    (tmp_path / "swing").mkdir()
    for frame in there_and_back(6):
        write_picture(tmp_path / "swing" / f"{frame.index}.png", frame.picture)
    small = ("--octaves", "1", "--iterations", "1", "--layer", "conv2/3x3")
    run = cli("video", tmp_path / "swing", tmp_path / "loop.gif", "--loop", *small)
    assert run.code == 0, run.err
    assert len(list(open_clip(tmp_path / "loop.gif"))) == 6
