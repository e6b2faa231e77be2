"""Films, measurements and shots from Python: `render`, `measure`, `list_shots`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SAMPLE_CLIP, CommandResult, make_film, make_texture, refused, run_ffmpeg
from job_rendering import decode_output

import dreamflow
from dreamflow.core.errors import ConvertedSourceWarning
from dreamflow.media.records.embedded_settings import read_recorded_settings
from dreamflow.networks.network import Network

SETTINGS: dict[str, Any] = {
    "size": "64",
    "end": "12",
    "layer": ("conv2/3x3",),
    "octaves": 1,
    "iterations": 1,
    "carry_iterations": 1,
}
CUT_FRAME = 9


def test_a_cancelled_render_goes_on_to_the_same_film(
    tmp_path: Path, noise_network: Network
) -> None:
    dreamflow.render(SAMPLE_CLIP, tmp_path / "whole.mp4", noise_network, **SETTINGS)
    done: list[tuple[int, int]] = []

    def cancel() -> bool:
        return bool(done) and done[-1][0] >= 5

    def progress(frames: int, total: int) -> None:
        done.append((frames, total))

    out = tmp_path / "stopped.mp4"
    with pytest.raises(dreamflow.UserInterrupt):
        dreamflow.render(
            SAMPLE_CLIP, out, noise_network, progress=progress, cancel=cancel, **SETTINGS
        )
    assert done[-1] == (5, 12)
    assert not out.exists()
    result = dreamflow.render(SAMPLE_CLIP, out, noise_network, **SETTINGS)
    assert (result.frames, result.dreamed_frames) == (12, 7)
    assert decode_output(out) == decode_output(tmp_path / "whole.mp4")


def test_a_render_can_be_cancelled_within_a_frame(tmp_path: Path, noise_network: Network) -> None:
    asked: list[None] = []

    def cancel() -> bool:
        asked.append(None)
        return len(asked) == 3

    with pytest.raises(dreamflow.UserInterrupt):
        dreamflow.render(
            *(SAMPLE_CLIP, tmp_path / "out.mp4", noise_network),
            cancel=cancel,
            **{**SETTINGS, "iterations": 10},
        )
    assert len(asked) == 3
    assert not list(tmp_path.iterdir()), "nothing is kept of a frame that is not done"


def test_python_and_the_command_line_render_the_same(
    tmp_path: Path, cli: Callable[..., CommandResult]
) -> None:
    options = {**SETTINGS, "layer": ("inception_3b/output",), "network": "googlenet"}
    flags = [
        word
        for name, value in options.items()
        for word in (
            f"--{name.replace('_', '-')}",
            str(value[0] if isinstance(value, tuple) else value),
        )
    ]
    run = cli("video", SAMPLE_CLIP, tmp_path / "cli.mkv", *flags, "--codec", "ffv1", "--threads", 1)
    assert run.code == 0, run.err
    machine = dreamflow.MachineOptions(threads=1)
    dreamflow.render(SAMPLE_CLIP, tmp_path / "python.mkv", machine=machine, codec="ffv1", **options)
    assert decode_output(tmp_path / "cli.mkv") == decode_output(tmp_path / "python.mkv")
    recorded = read_recorded_settings(tmp_path / "cli.mkv")
    assert recorded == read_recorded_settings(tmp_path / "python.mkv")


def test_nothing_is_said_to_be_lost_that_the_output_keeps(
    tmp_path: Path, noise_network: Network
) -> None:
    film = tmp_path / "ten.mkv"
    look = ("-pix_fmt", "yuv422p10le", "-c:v", "ffv1")
    run_ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=5:duration=0.4", *look, film)
    dreamflow.render(film, tmp_path / "kept.mkv", noise_network, codec="ffv1", **SETTINGS)
    with pytest.warns(ConvertedSourceWarning):
        dreamflow.render(film, tmp_path / "shown.mp4", noise_network, **SETTINGS)


def test_a_clip_brings_its_own_frames(tmp_path: Path, noise_network: Network) -> None:
    clip = dreamflow.open_clip(SAMPLE_CLIP, size="64", start=3, end=5)
    few = {name: SETTINGS[name] for name in ("layer", "octaves", "iterations")}
    assert dreamflow.render(clip, tmp_path / "part.mp4", noise_network, **few).frames == 2
    with refused("size"):
        dreamflow.render(clip, tmp_path / "other.mp4", noise_network, size="32", **few)
    with refused("octave"):
        dreamflow.render(clip, tmp_path / "other.mp4", noise_network, octave=3)


def test_a_network_is_loaded_by_its_name(noise_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DREAMFLOW_HOME", str(noise_home))
    settings = {"octaves": 1, "iterations": 1, "layer": "conv1/7x7_s2"}
    picture = np.tile(np.arange(0, 256, 4, dtype=np.uint8)[None, :, None], (48, 1, 3))
    network = dreamflow.load_network("googlenet")
    dream = dreamflow.dream_image(picture, network, **settings)
    assert np.array_equal(dreamflow.dream_image(picture, "googlenet", **settings), dream)
    options = dreamflow.DreamOptions(network="googlenet")
    assert np.array_equal(dreamflow.dream_image(picture, options=options, **settings), dream)


def test_a_dream_is_measured(tmp_path: Path, noise_network: Network) -> None:
    source = make_film(tmp_path / "clip.mp4", frames=6)
    few = {"layer": ("conv2/3x3",), "octaves": 1, "iterations": 2}
    for name, more in (("steady", {}), ("naive", {"carry": False})):
        dreamflow.render(source, tmp_path / f"{name}.mp4", noise_network, **few, **more)
    seen: list[int] = []
    measured = dreamflow.measure(
        source,
        tmp_path / "steady.mp4",
        tmp_path / "naive.mp4",
        layer="conv2/3x3",
        network="pocket",
        threads=1,
        progress=seen.append,
    )
    assert measured.figures["frames"] == 6
    assert measured.figures["mean |residual|, levels"] > 0
    assert {"intensity", "sharpness"} <= set(measured.figures), "shares of the other dream"
    assert set(measured.verdicts) <= set(measured.figures)
    assert [row["frame"] for row in measured.frames] == list(range(6))
    assert seen[-1] == 6


def test_shots_are_listed(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    first, second = make_texture(48, 64, 1), 255 - make_texture(48, 64, 2)
    for number in range(24):
        picture = first if number < CUT_FRAME else second
        dreamflow.write_picture(folder / f"{number:03}.png", picture)
    shots = dreamflow.list_shots(folder)
    assert [shot.first.index for shot in shots] == [0, CUT_FRAME]
    assert [shot.frames for shot in shots] == [CUT_FRAME, 24 - CUT_FRAME]
    assert sum(shot.length for shot in shots) == 1
    assert shots[1].start == shots[0].length
