"""The figures of coherence have the values that are known beforehand."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import CommandResult, make_film, make_texture, random_weights
from PIL import Image

from dreamflow.cli.commands.measure import has_scheduled_settings
from dreamflow.core.errors import DreamFlowWarning, MediaError
from dreamflow.media.read.clip import open_clip
from dreamflow.reports.coherence.measurement import (
    RESIDUAL_TREND_METRIC,
    WEAKEST_TILE_METRIC,
    Measurement,
    compute_excess_flicker,
    measure_coherence,
)
from dreamflow.reports.coherence.verdict import (
    BOUNDS_BY_METRIC,
    EVENNESS_METRIC,
    compare_measurements,
    judge_measurements,
)
from dreamflow.reports.coherence.warp_error import CoherenceMeter, MaskedFlow, warp_error

LEVELS = {"calm": 0.5, "naive": 8.0}
MADE = np.random.default_rng(0)


def panned(count: int, speed: int = 3) -> list[np.ndarray]:
    scene = make_texture(96, 300)
    return [scene[:, speed * n : speed * n + 128].copy() for n in range(count)]


def noisy(pictures: list[np.ndarray], levels: float) -> list[np.ndarray]:
    return [
        np.clip(p + MADE.normal(0, levels, p.shape), 0, 255).round().astype(np.uint8)
        for p in pictures
    ]


def test_a_shift_of_three_pixels_gives_back_three() -> None:
    before, here = (picture[..., 0].copy() for picture in panned(2, 3))
    track = MaskedFlow.estimate(before, here)
    assert np.median(track.flow[16:-16, 16:-16, 0]) == pytest.approx(3, abs=0.1)
    assert track.comparable_share > 0.8


def test_a_dream_that_is_its_source_has_the_sources_figures() -> None:
    meter = CoherenceMeter()
    for number, picture in enumerate(panned(5)):
        (found,) = meter(picture, [picture], cut=False)
        assert found.cut == (number == 0)
        assert found.residual == found.red == found.green == found.blue == 0
        assert found.sharpness == found.source_sharpness > 0
        if number == 0:
            assert np.isnan(found.warp_error) and np.isnan(found.long_warp_error)
        else:
            assert found.warp_error == found.source_warp_error < 1e-4
            assert found.long_warp_error == found.source_long_warp_error


def test_noise_is_measured_as_its_variance() -> None:
    """White noise of deviation s, new in each frame, adds s^2 (1 + 1): here, and where it was."""
    still = [np.full((96, 128, 3), 128, np.uint8)] * 6
    still[0] = still[0].copy()
    levels = 6.0
    found = warp_error([make_texture(96, 128) // 2 + 64] * 6, noisy(still, levels))
    assert found == pytest.approx(2 * (levels / 255) ** 2, rel=0.1)


def test_what_moves_along_is_better_than_what_stays() -> None:
    sources = panned(6)
    moving = [np.roll(p, 40, axis=0) for p in sources]
    fixed = [make_texture(96, 128, 5)] * 6
    assert warp_error(sources, moving) < 0.1 * warp_error(sources, fixed)


def test_drift_is_that_of_the_colour_within_a_shot() -> None:
    source = [np.full((32, 32, 3), 100, np.uint8)] * 6
    added = [0, 1, 2, 9, 10, 9]
    meter, found = CoherenceMeter(), Measurement("dream")
    for number, (picture, plus) in enumerate(zip(source, added, strict=True)):
        dream = picture.copy()
        dream[..., 2] += plus
        found.frame_metrics += meter(picture, [dream], cut=number == 3)
    assert found.colour_drift() == 2
    assert found.frame_metrics[3].blue == 9 and found.frame_metrics[3].red == 0


def film_of(folder: Path, name: str, pictures: list[np.ndarray]) -> Path:
    from dreamflow.media.stills import write_picture

    (folder / name).mkdir()
    for number, picture in enumerate(pictures):
        write_picture(folder / name / f"{number:03}.png", picture)
    return folder / name


def test_excess_flicker_is_the_share_that_is_left(tmp_path: Path) -> None:
    sources = panned(6)
    clips = [
        open_clip(film_of(tmp_path, name, noisy(sources, levels)))
        for name, levels in (("source", 0), ("calm", 2), ("naive", 8))
    ]
    calm, naive = measure_coherence(clips[0], clips[1:])
    share = compute_excess_flicker(calm, naive)
    assert share == pytest.approx((2 / 8) ** 2, rel=0.3)
    assert compute_excess_flicker(naive, naive) == pytest.approx(1)
    assert measure_coherence(clips[0], clips[2:])[0].to_rows() == naive.to_rows(), "as if alone"
    assert compute_excess_flicker(calm, *measure_coherence(clips[0], clips[:1])) is None
    slices = calm.xt_slices
    assert slices[0].shape == slices[1].shape == (6, 128, 3)


def test_figures_are_told_in_words(tmp_path: Path) -> None:
    pictures = panned(6)
    films = {"source": pictures} | {name: noisy(pictures, n) for name, n in LEVELS.items()}
    clips = {name: open_clip(film_of(tmp_path, name, made)) for name, made in films.items()}
    calm, naive = measure_coherence(clips["source"], [clips["calm"], clips["naive"]])
    assert judge_measurements([calm, naive])["excess flicker"] == "good"
    assert judge_measurements([naive, calm])["excess flicker"] == "poor: it flickers"
    assert judge_measurements([naive])["E_warp / source"] == "poor: it flickers"
    assert "strength" not in compare_measurements([calm, naive]), "without an objective"
    calm.objective, naive.objective = [80.0] * 6, [100.0] * 6
    calm.source_objective = naive.source_objective = [1.0] * 6
    assert compare_measurements([calm, naive])["strength"] == pytest.approx(0.8)
    assert judge_measurements([calm, naive])["strength"] == "fair: weaker"
    naive.objective = [10.0] * 6
    assert judge_measurements([calm, naive])["strength"] == "poor: stronger"


def test_what_is_good_is_within_what_is_fair() -> None:
    for bounds in BOUNDS_BY_METRIC.values():
        assert bounds.fair[0] <= bounds.good[0] < bounds.good[1] <= bounds.fair[1]
        assert [bounds.judge(value) for value in bounds.good] == ["good", "good"]
        for fair, good, why in zip(
            bounds.fair, bounds.good, (bounds.low_reason, bounds.high_reason), strict=True
        ):
            assert bounds.judge(fair) == (f"fair: {why}" if fair != good else "good")
            assert why or fair == good, "what can be wrong has a word"


def bared(pictures: list[np.ndarray], sources: list[np.ndarray], share: float) -> list[np.ndarray]:
    """Return pictures of which the left part is the source."""
    made = [picture.copy() for picture in pictures]
    for picture, source in zip(made, sources, strict=True):
        picture[:, : int(share * picture.shape[1])] = source[:, : int(share * picture.shape[1])]
    return made


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_a_part_without_a_dream_is_seen(tmp_path: Path, share: float) -> None:
    sources = panned(6)
    even = noisy(sources, 10)
    films = {"source": sources, "even": even, "half": bared(even, sources, share)}
    clips = {name: open_clip(film_of(tmp_path, name, made)) for name, made in films.items()}
    whole, half = measure_coherence(clips["source"], [clips["even"], clips["half"]])
    assert (
        whole.summarise()[WEAKEST_TILE_METRIC] > 0.9 and half.summarise()[WEAKEST_TILE_METRIC] == 0
    )
    assert [row["weakest"] for row in half.to_rows()] == [0] * 6
    assert judge_measurements([whole])[WEAKEST_TILE_METRIC] == "good"
    assert judge_measurements([half])[WEAKEST_TILE_METRIC] == "poor: bare in places"
    assert judge_measurements([half, whole])[EVENNESS_METRIC] == (
        "poor: bare in places, most in row 1, column 1 of 4x4 tiles"
    )
    assert WEAKEST_TILE_METRIC not in judge_measurements([half, whole]), (
        "judged by the other, which is of the same layer"
    )
    assert (
        not {WEAKEST_TILE_METRIC, EVENNESS_METRIC}
        & judge_measurements([half, whole], has_matte=True).keys()
    )
    assert (
        compare_measurements([half, whole])[EVENNESS_METRIC] == 0
        and compare_measurements([whole, whole])[EVENNESS_METRIC] == 1
    )
    late = [*whole.frame_metrics[:5], half.frame_metrics[5]]
    assert replace(whole, frame_metrics=late).summarise()[WEAKEST_TILE_METRIC] < 0.5, (
        "be it in some frames only"
    )
    (bare,) = measure_coherence(clips["source"], [clips["source"]])
    assert WEAKEST_TILE_METRIC not in bare.summarise(), "where there is no dream, nothing lacks one"


def test_a_dream_that_is_weak_where_another_is_strong_is_seen(tmp_path: Path) -> None:
    """By its own weakest tile it would be even, and one that is even would be called bare."""
    sources = [np.full((64, 96, 3), 128, np.uint8)] * 4
    left, even = [p.copy() for p in sources], [p + np.uint8(20) for p in sources]
    for picture in left:
        picture[:, :48] += 40
        picture[:, 48:] += 15
    films = {"source": sources, "left": left, "even": even}
    clips = {name: open_clip(film_of(tmp_path, name, made)) for name, made in films.items()}
    one, other = measure_coherence(clips["source"], [clips["even"], clips["left"]])
    assert compare_measurements([one, other])[EVENNESS_METRIC] == pytest.approx(0.5, abs=0.1)
    assert compare_measurements([other, one])[EVENNESS_METRIC] == pytest.approx(0.75, abs=0.1)


@pytest.mark.parametrize("end, said", [(30, "good"), (9, "poor: it fades"), (90, "poor: it grows")])
def test_a_dream_that_does_not_last_is_seen(tmp_path: Path, end: int, said: str) -> None:
    sources = [np.full((32, 48, 3), 100, np.uint8)] * 100
    levels = np.linspace(30, end, 100).astype(np.uint8)
    dreamed = [source + level for source, level in zip(sources, levels, strict=True)]
    films = {"source": sources, "dream": dreamed}
    clips = {name: open_clip(film_of(tmp_path, name, made)) for name, made in films.items()}
    (found,) = measure_coherence(clips["source"], [clips["dream"]], cuts=())
    assert found.summarise()[RESIDUAL_TREND_METRIC] == pytest.approx(
        levels[-25:].mean() / levels[:25].mean(), 0.05
    )
    assert judge_measurements([found])[RESIDUAL_TREND_METRIC] == said
    assert RESIDUAL_TREND_METRIC not in judge_measurements([found], has_schedule=True), (
        "as it was meant to be"
    )
    cut = [replace(f, cut=n in (0, 33, 66)) for n, f in enumerate(found.frame_metrics)]
    assert RESIDUAL_TREND_METRIC not in replace(found, frame_metrics=cut).summarise(), (
        "a second tells nothing"
    )


def test_a_guided_dream_is_measured_towards_its_guide(
    tmp_path: Path, cli: Callable[..., CommandResult]
) -> None:
    from dreamflow.media.stills import write_picture

    film, guide = film_of(tmp_path, "film", panned(3)), tmp_path / "guide.png"
    write_picture(guide, make_texture(96, 96, seed=3))
    few = ("--layer", "conv2/3x3", "--octaves", "1", "--iterations", "2")
    for name, more in (("guided", ("--guided-by", guide)), ("plain", ())):
        assert cli("video", film, tmp_path / f"{name}.mkv", *few, *more).code == 0
    line = ("measure", film, tmp_path / "guided.mkv", "--against", tmp_path / "plain.mkv")
    run = cli(*line, "--json")
    assert f"product with the guide, {guide}" in run.err
    guided, plain = (dream["whole"]["objective"] for dream in json.loads(run.out)["dreams"])
    pattern = tmp_path / "guid*.png"
    assert cli("video", film, tmp_path / "globbed.mkv", *few, "--guided-by", pattern).code == 0
    run_of_pattern = cli("measure", film, tmp_path / "globbed.mkv", "--json")
    assert f"product with the guide, {pattern}" in run_of_pattern.err
    guide.unlink()
    run = cli(*line, "--json")
    assert "which is not there: it is measured without" in run.err
    others = [dream["whole"]["objective"] for dream in json.loads(run.out)["dreams"]]
    assert guided / plain > others[0] / others[1], "it climbed towards the guide"


def test_a_shorter_dream_is_compared_as_far_as_it_goes(tmp_path: Path) -> None:
    source = open_clip(film_of(tmp_path, "source", panned(5)))
    dream = open_clip(film_of(tmp_path, "dream", panned(3)))
    with pytest.warns(DreamFlowWarning, match="first 3 are compared"):
        assert [
            len(found.frame_metrics) for found in measure_coherence(source, [dream, source])
        ] == [3, 3]
    other = open_clip(film_of(tmp_path, "other", [make_texture(64, 64)]))
    with pytest.raises(MediaError, match="cannot be compared"):
        measure_coherence(source, [other])


def test_the_command_prints_writes_and_draws(
    tmp_path: Path, cli: Callable[..., CommandResult]
) -> None:
    film = film_of(tmp_path, "film", panned(14))
    part = ("--start", "2", "--end", "12", "--layer", "conv2/3x3", "--octaves", "1")
    few = ("--iterations", "6", "--step", "4", "--carry-iterations", "1")
    assert cli("video", film, tmp_path / "d.mp4", *part, *few).code == 0
    assert cli("video", film, tmp_path / "n.mp4", *part, *few, "--no-carry").code == 0
    line = ("measure", film, tmp_path / "d.mp4", "--against", tmp_path / "n.mp4")
    run = cli(*line, "--plot", tmp_path / "p.png", "--csv", tmp_path / "t.csv")
    assert run.code == 0, run.err
    for word in ("E_warp", "objective / source", "excess flicker", "strength / n.mp4"):
        assert word in run.out
    assert "verdict on d.mp4" in run.out and " good" in run.out
    with Image.open(tmp_path / "p.png") as plot:
        assert plot.width > 1000 and len(plot.convert("RGB").getcolors(10**7)) > 100
    with (tmp_path / "t.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["frame"]) for row in rows] == list(range(2, 12)), "as the dream was started"
    assert rows[0]["warp_error"] == "" and float(rows[1]["warp_error"]) > 0
    told = json.loads(cli(*line, "--json").out)
    assert 0 < told["excess_flicker"] < 1
    assert set(told["verdicts"]) == set(BOUNDS_BY_METRIC) - {
        WEAKEST_TILE_METRIC,
        RESIDUAL_TREND_METRIC,
    }, "it is short"
    assert told["dreams"][0]["whole"]["objective / source"] > 1
    assert cli(*line, "--csv", tmp_path / "t.csv").code == 1, "what exists is not overwritten"


@pytest.mark.parametrize(
    "known, meant",
    [
        ({}, False),
        ({"step": 1.5, "layer": ["conv2/3x3"], "network": "pocket"}, False),
        ({"layer": ["conv2/3x3:3=2", "pool1/norm1"], "strength": "0.5"}, False),
        ({"strength": "0: 0, 1s: 1"}, True),
        ({"iterations": "10 + 5 * sin(t)"}, True),
        ({"stability": "0: 0.2, 100%: 1"}, True),
        ({"layer": ["0: conv2/3x3, 2s: pool1/norm1"]}, True),
    ],
)
def test_a_dream_that_was_meant_to_change_is_known(known: dict[str, Any], meant: bool) -> None:
    assert has_scheduled_settings(known) is meant


def test_a_dream_without_settings_is_measured_without_objective(
    tmp_path: Path, cli: Callable[..., CommandResult]
) -> None:
    film = make_film(tmp_path / "film.mp4", frames=4, size="96x64")
    other = make_film(tmp_path / "other.mp4", frames=4, size="96x64")
    run = cli("measure", film, other)
    assert run.code == 0 and "objective" not in run.out and "E_warp" in run.out
    assert "--against one made with --no-carry" in run.out
    assert "objective" in cli("measure", film, other, "--layer", "conv2/3x3").out
    assert cli("measure", film, other, "--network", "pocket").code == 1
    assert "does not exist" in cli("measure", film, tmp_path / "no.mp4").err


def test_weights_other_than_the_dream_s_are_said(
    tmp_path: Path, cli: Callable[..., CommandResult]
) -> None:
    film, dream, own = (
        film_of(tmp_path, "film", panned(3)),
        tmp_path / "d.mp4",
        tmp_path / "own.pth",
    )
    torch.save(random_weights(7), own)
    look = ("--network", "googlenet", "--layer", "conv2/3x3", "--octaves", "1", "--iterations", "1")
    assert cli("video", film, dream, *look, "--weights", own).code == 0
    begin = hashlib.sha256(own.read_bytes()).hexdigest()[:12]
    said = f"it was dreamed with the weights of googlenet whose SHA-256 begins with {begin}"
    run = cli("measure", film, dream)
    assert run.code == 0 and f"{said}, and is measured with others: give them as" in run.err
    run = cli("measure", film, dream, "--weights", own)
    assert run.code == 0 and "it was dreamed" not in run.err
    run = cli("measure", film, dream, "--network", "pocket")
    assert run.code == 0 and "it was dreamed" not in run.err, "another network is meant"
    run = cli("measure", film, dream, "--weights", tmp_path / "gone.pth")
    assert run.code == 1 and said in run.err
