"""Several dreams measured at once, and dreams whose strength changes over time."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from conftest import CommandResult, make_texture

from dreamflow.core.errors import DreamFlowWarning, MediaError
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.stills.read import read_picture
from dreamflow.media.stills.write import write_picture
from dreamflow.reports.coherence.dream_meter import measure_coherence
from dreamflow.reports.coherence.measurement import Measurement

Cli = Callable[..., CommandResult]
FRAMES = 40
QUICK = ("--layer", "conv2/3x3", "--octaves", "1", "--iterations", "2", "--threads", "1")


def write_clip(folder: Path, name: str, pictures: list[np.ndarray]) -> Clip:
    (folder / name).mkdir()
    for number, picture in enumerate(pictures):
        write_picture(folder / name / f"{number:03}.png", picture)
    return open_clip(folder / name)


def make_pan(count: int) -> list[np.ndarray]:
    scene = make_texture(96, 300)
    return [scene[:, 3 * n : 3 * n + 128].copy() for n in range(count)]


def strength_at(time: Fraction) -> float:
    """Go from half to all of the dream and back again, every two thirds of a second."""
    return 0.5 + 0.5 * abs((3 * float(time) + 1) % 2 - 1)


def measure_faded(
    folder: Path, fade: Callable[[Fraction], float], *, taken_out: bool
) -> Measurement:
    """Return the figures of a dream that moves along with its scene, shown in part."""
    source = write_clip(folder, "source", make_pan(FRAMES))
    change = 40 * np.sin(np.arange(300) / 5)[None, :, None]
    shown = [
        np.clip(frame.picture + fade(frame.time) * change[:, 3 * n : 3 * n + 128], 0, 255)
        .round()
        .astype(np.uint8)
        for n, frame in enumerate(source)
    ]
    dream = write_clip(folder, "dream", shown)
    strengths = [fade] if taken_out else None
    (measured,) = measure_coherence(source, [dream], cuts=(), strengths=strengths)
    return measured


def test_a_schedule_of_the_strength_is_no_flicker(tmp_path: Path) -> None:
    figures: dict[str, Measurement] = {}
    for name, fade, taken_out in (
        ("steady", lambda time: 1.0, False),
        ("faded", strength_at, False),
        ("taken out", strength_at, True),
    ):
        (tmp_path / name).mkdir()
        figures[name] = measure_faded(tmp_path / name, fade, taken_out=taken_out)
    trends = {name: one.residual_trend() for name, one in figures.items()}
    flickers = {name: one.summarise()["E_warp"] for name, one in figures.items()}
    assert trends["faded"] > 1.3
    assert trends["taken out"] == pytest.approx(trends["steady"], rel=0.05)
    assert flickers["taken out"] < 0.3 * flickers["faded"]


def test_frames_that_hardly_show_the_dream_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    with pytest.warns(DreamFlowWarning):
        measured = measure_faded(
            tmp_path / "part", lambda time: min(1.0, float(time)), taken_out=True
        )
    assert measured.frame_times_s[0] == pytest.approx(0.25, abs=0.05)
    assert measured.frame_indices[-1] == FRAMES - 1
    (tmp_path / "none").mkdir()
    with pytest.raises(MediaError):
        measure_faded(tmp_path / "none", lambda time: 0.0, taken_out=True)


def test_several_dreams_are_measured_each_by_itself(tmp_path: Path, cli: Cli) -> None:
    write_clip(tmp_path, "film", make_pan(6))
    film, outs = tmp_path / "film", [tmp_path / f"{name}.mp4" for name in ("one", "two", "naive")]
    for out, more in zip(
        outs, ((), ("--strength", "0: 1, 100%: 0.5"), ("--no-carry",)), strict=True
    ):
        run = cli("video", film, out, *QUICK, *more)
        assert run.code == 0, run.err
    one, two, naive = outs
    line = ("measure", film, one, two, "--against", naive)
    run = cli(*line, "--csv", tmp_path / "t.csv", "--plot", tmp_path / "p.png")
    assert run.code == 0, run.err
    assert "one.mp4" in run.out
    assert "two.mp4" in run.out
    assert "--strength" in run.err, "a schedule that is taken out is said"
    with (tmp_path / "t.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["dream"] for row in rows] == ["one.mp4"] * 6 + ["two.mp4"] * 6
    assert read_picture(tmp_path / "p.png", flatten_alpha=False).shape[1] > 1000
    reports = json.loads(cli(*line, "--json").out)
    assert [report["dreams"][0]["name"] for report in reports] == ["one.mp4", "two.mp4"]
    alone = json.loads(cli("measure", film, one, "--against", naive, "--json").out)
    assert alone == reports[0]


def test_dreams_of_other_frames_share_no_plot(tmp_path: Path, cli: Cli) -> None:
    write_clip(tmp_path, "film", make_pan(6))
    film, whole, part = tmp_path / "film", tmp_path / "whole.mp4", tmp_path / "part.mp4"
    nothing = ("--iterations", "0", "--threads", "1")
    assert cli("video", film, whole, *nothing).code == 0
    assert cli("video", film, part, *nothing, "--start", "3").code == 0
    run = cli("measure", film, whole, part, "--layer", "conv2/3x3", "--plot", tmp_path / "p.png")
    assert run.code == 1
    assert not (tmp_path / "p.png").exists()
