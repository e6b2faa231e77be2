"""Coherence metrics against values known beforehand, verdicts, the trace, and the command."""

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
from matplotlib import pyplot
from PIL import Image

from dreamflow.core.errors import DreamFlowWarning, MediaError
from dreamflow.media.options import ClipOptions
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.stills.read import read_picture
from dreamflow.media.stills.write import write_picture
from dreamflow.reports.coherence.dream_meter import measure_coherence
from dreamflow.reports.coherence.measurement import (
    RESIDUAL_TREND_METRIC,
    WEAKEST_TILE_METRIC,
    Measurement,
    compute_excess_flicker,
)
from dreamflow.reports.coherence.plot import plot_measurements
from dreamflow.reports.coherence.trace_panels import build_trace_panels, read_trace_file
from dreamflow.reports.coherence.verdict import (
    BOUNDS_BY_METRIC,
    EVENNESS_METRIC,
    MOVING_FLICKER_METRIC,
    MOVING_INTENSITY_METRIC,
    VACATED_INTENSITY_METRIC,
    compare_measurements,
    judge_measurements,
)
from dreamflow.reports.coherence.warp_error import CoherenceMeter, MaskedFlow, warp_error
from dreamflow.reports.measuring.recorded import has_scheduled_settings, resolve_source_options

Cli = Callable[..., CommandResult]
NOISE_LEVELS = {"calm": 0.5, "naive": 8.0}


def make_pan(count: int, speed: int = 3) -> list[np.ndarray]:
    scene = make_texture(96, 300)
    return [scene[:, speed * n : speed * n + 128].copy() for n in range(count)]


def add_noise(pictures: list[np.ndarray], levels: float) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [
        np.clip(p + generator.normal(0, levels, p.shape), 0, 255).round().astype(np.uint8)
        for p in pictures
    ]


def write_frames(folder: Path, name: str, pictures: list[np.ndarray]) -> Path:
    (folder / name).mkdir()
    for number, picture in enumerate(pictures):
        write_picture(folder / name / f"{number:03}.png", picture)
    return folder / name


def open_films(folder: Path, films: dict[str, list[np.ndarray]]) -> dict[str, Clip]:
    return {name: open_clip(write_frames(folder, name, made)) for name, made in films.items()}


def test_flow_of_a_shift_is_the_shift() -> None:
    before, here = (picture[..., 0].copy() for picture in make_pan(2, 3))
    flow = MaskedFlow.estimate(before, here)
    assert np.median(flow.flow[16:-16, 16:-16, 0]) == pytest.approx(3, abs=0.1)
    assert flow.comparable_share > 0.8


def test_source_measured_as_a_dream_has_its_own_metrics() -> None:
    meter = CoherenceMeter()
    for number, picture in enumerate(make_pan(5)):
        (metrics,) = meter(picture, [picture], cut=False)
        assert metrics.cut == (number == 0)
        assert metrics.residual == metrics.red == metrics.green == metrics.blue == 0
        assert metrics.sharpness == metrics.source_sharpness > 0
        if number == 0:
            assert np.isnan([metrics.warp_error, metrics.long_warp_error]).all()
        else:
            assert metrics.warp_error == metrics.source_warp_error < 1e-4
            assert metrics.long_warp_error == metrics.source_long_warp_error


def test_warp_error_of_noise_is_twice_its_variance() -> None:
    """White noise of deviation s, new in each frame, adds s^2 to both frames of a pair."""
    grey, levels = [np.full((96, 128, 3), 128, np.uint8)] * 6, 6.0
    error = warp_error([make_texture(96, 128) // 2 + 64] * 6, add_noise(grey, levels))
    assert error == pytest.approx(2 * (levels / 255) ** 2, rel=0.1)


def test_warp_error_is_lower_where_the_dream_moves_along() -> None:
    sources = make_pan(6)
    moving = [np.roll(p, 40, axis=0) for p in sources]
    fixed = [make_texture(96, 128, 5)] * 6
    assert warp_error(sources, moving) < 0.1 * warp_error(sources, fixed)


def test_colour_drift_is_measured_within_a_shot() -> None:
    source = [np.full((32, 32, 3), 100, np.uint8)] * 6
    added = [0, 1, 2, 9, 10, 9]
    meter, measurement = CoherenceMeter(), Measurement("dream")
    for number, (picture, plus) in enumerate(zip(source, added, strict=True)):
        dream = picture.copy()
        dream[..., 2] += plus
        measurement.frame_metrics += meter(picture, [dream], cut=number == 3)
    assert measurement.colour_drift() == 2
    assert measurement.frame_metrics[3].blue == 9
    assert measurement.frame_metrics[3].red == 0


def test_excess_flicker_is_a_share_of_the_naive_dreams(tmp_path: Path) -> None:
    sources = make_pan(6)
    levels = {"source": 0, "calm": 2, "naive": 8}
    clips = open_films(tmp_path, {name: add_noise(sources, n) for name, n in levels.items()})
    calm, naive = measure_coherence(clips["source"], [clips["calm"], clips["naive"]])
    assert compute_excess_flicker(calm, naive) == pytest.approx((2 / 8) ** 2, rel=0.3)
    assert compute_excess_flicker(naive, naive) == pytest.approx(1)
    (alone,) = measure_coherence(clips["source"], [clips["naive"]])
    assert alone.to_rows() == naive.to_rows()
    (source,) = measure_coherence(clips["source"], [clips["source"]])
    assert compute_excess_flicker(calm, source) is None
    assert [rows.shape for rows in calm.xt_slices] == [(6, 128, 3)] * 2


def test_verdicts_say_good_fair_or_poor(tmp_path: Path) -> None:
    pictures = make_pan(6)
    noisy = {name: add_noise(pictures, levels) for name, levels in NOISE_LEVELS.items()}
    clips = open_films(tmp_path, {"source": pictures, **noisy})
    calm, naive = measure_coherence(clips["source"], [clips["calm"], clips["naive"]])
    assert judge_measurements([calm, naive])["excess flicker"] == "good"
    assert judge_measurements([naive, calm])["excess flicker"] == "poor: it flickers"
    assert judge_measurements([naive])["E_warp / source"] == "poor: it flickers"
    assert "intensity" not in compare_measurements([calm, naive]), "without an objective"
    calm.objective, naive.objective = [80.0] * 6, [100.0] * 6
    calm.source_objective = naive.source_objective = [1.0] * 6
    assert compare_measurements([calm, naive])["intensity"] == pytest.approx(0.8)
    assert judge_measurements([calm, naive])["intensity"] == "fair: weaker"
    naive.objective = [10.0] * 6
    assert judge_measurements([calm, naive])["intensity"] == "poor: stronger"


def test_good_values_are_within_the_fair_ones() -> None:
    for bounds in BOUNDS_BY_METRIC.values():
        assert bounds.fair[0] <= bounds.good[0] < bounds.good[1] <= bounds.fair[1]
        assert [bounds.judge(value) for value in bounds.good] == ["good", "good"]
        for fair, good, why in zip(
            bounds.fair, bounds.good, (bounds.low_reason, bounds.high_reason), strict=True
        ):
            assert bounds.judge(fair) == (f"fair: {why}" if fair != good else "good")
            assert why or fair == good, "every bound has a reason"


def bare_left_part(
    pictures: list[np.ndarray], sources: list[np.ndarray], share: float
) -> list[np.ndarray]:
    """Return pictures of which the left part is the source."""
    width = int(share * pictures[0].shape[1])
    return [
        np.concatenate([source[:, :width], picture[:, width:]], axis=1)
        for picture, source in zip(pictures, sources, strict=True)
    ]


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_bare_part_of_the_frame_is_found(tmp_path: Path, share: float) -> None:
    sources = make_pan(6)
    even = add_noise(sources, 10)
    films = {"source": sources, "even": even, "half": bare_left_part(even, sources, share)}
    clips = open_films(tmp_path, films)
    whole, half = measure_coherence(clips["source"], [clips["even"], clips["half"]])
    assert whole.summarise()[WEAKEST_TILE_METRIC] > 0.9
    assert half.summarise()[WEAKEST_TILE_METRIC] == 0
    assert [row["weakest"] for row in half.to_rows()] == [0] * 6
    assert judge_measurements([whole])[WEAKEST_TILE_METRIC] == "good"
    assert judge_measurements([half])[WEAKEST_TILE_METRIC] == "poor: bare in places"
    assert judge_measurements([half, whole])[EVENNESS_METRIC] == (
        "poor: bare in places, most in row 1, column 1 of 4x4 tiles"
    )
    # The other dream, of the same layer, judges how even it is.
    assert WEAKEST_TILE_METRIC not in judge_measurements([half, whole])
    with_matte = judge_measurements([half, whole], has_matte=True)
    assert not {WEAKEST_TILE_METRIC, EVENNESS_METRIC} & with_matte.keys()
    assert compare_measurements([half, whole])[EVENNESS_METRIC] == 0
    assert compare_measurements([whole, whole])[EVENNESS_METRIC] == 1
    some = replace(whole, frame_metrics=[*whole.frame_metrics[:5], half.frame_metrics[5]])
    assert some.summarise()[WEAKEST_TILE_METRIC] < 0.5, "a bare part in some frames counts"
    (undreamed,) = measure_coherence(clips["source"], [clips["source"]])
    assert WEAKEST_TILE_METRIC not in undreamed.summarise()


def test_evenness_is_judged_tile_by_tile_against_another_dream(tmp_path: Path) -> None:
    """By their own weakest tiles both dreams would be even."""
    sources = [np.full((64, 96, 3), 128, np.uint8)] * 4
    left, even = [p.copy() for p in sources], [p + np.uint8(20) for p in sources]
    for picture in left:
        picture[:, :48] += 40
        picture[:, 48:] += 15
    clips = open_films(tmp_path, {"source": sources, "left": left, "even": even})
    one, other = measure_coherence(clips["source"], [clips["even"], clips["left"]])
    assert compare_measurements([one, other])[EVENNESS_METRIC] == pytest.approx(0.5, abs=0.1)
    assert compare_measurements([other, one])[EVENNESS_METRIC] == pytest.approx(0.75, abs=0.1)


@pytest.mark.parametrize(
    ("end", "verdict"), [(30, "good"), (9, "poor: it fades"), (90, "poor: it grows")]
)
def test_trend_of_the_residual_is_judged(tmp_path: Path, end: int, verdict: str) -> None:
    sources = [np.full((32, 48, 3), 100, np.uint8)] * 100
    levels = np.linspace(30, end, 100).astype(np.uint8)
    dreamed = [source + level for source, level in zip(sources, levels, strict=True)]
    clips = open_films(tmp_path, {"source": sources, "dream": dreamed})
    (measurement,) = measure_coherence(clips["source"], [clips["dream"]], cuts=())
    trend = levels[-25:].mean() / levels[0]
    assert measurement.summarise()[RESIDUAL_TREND_METRIC] == pytest.approx(trend, 0.05)
    assert judge_measurements([measurement])[RESIDUAL_TREND_METRIC] == verdict
    assert RESIDUAL_TREND_METRIC not in judge_measurements([measurement], has_schedule=True)
    cut = [replace(f, cut=n % 20 == 0) for n, f in enumerate(measurement.frame_metrics)]
    short_shots = replace(measurement, frame_metrics=cut)
    assert RESIDUAL_TREND_METRIC not in short_shots.summarise()


def test_guided_dream_is_measured_towards_its_reference(tmp_path: Path, cli: Cli) -> None:
    film, guide = write_frames(tmp_path, "film", make_pan(3)), tmp_path / "guide.png"
    write_picture(guide, make_texture(96, 96, seed=3))
    few = ("--layer", "conv2/3x3", "--octaves", "1", "--iterations", "2")
    for name, more in (("guided", ("--guided-by", guide)), ("plain", ())):
        assert cli("video", film, tmp_path / f"{name}.mkv", *few, *more).code == 0
    line = ("measure", film, tmp_path / "guided.mkv", "--against", tmp_path / "plain.mkv")
    run = cli(*line, "--json")
    assert str(guide) in run.err
    guided, plain = (dream["whole"]["objective"] for dream in json.loads(run.out)["dreams"])
    pattern = tmp_path / "guid*.png"
    assert cli("video", film, tmp_path / "globbed.mkv", *few, "--guided-by", pattern).code == 0
    assert str(pattern) in cli("measure", film, tmp_path / "globbed.mkv", "--json").err
    guide.unlink()
    run = cli(*line, "--json")
    assert f"guided by {guide.name}" in run.err
    assert run.err.startswith("warning: ")
    without = [dream["whole"]["objective"] for dream in json.loads(run.out)["dreams"]]
    assert guided / plain > without[0] / without[1], "it climbed towards the reference"


def test_shorter_dream_is_compared_as_far_as_it_goes(tmp_path: Path) -> None:
    source = open_clip(write_frames(tmp_path, "source", make_pan(5)))
    dream = open_clip(write_frames(tmp_path, "dream", make_pan(3)))
    with pytest.warns(DreamFlowWarning, match="first 3"):
        measurements = measure_coherence(source, [dream, source])
    assert [len(one.frame_metrics) for one in measurements] == [3, 3]
    other = open_clip(write_frames(tmp_path, "other", [make_texture(64, 64)]))
    with pytest.raises(MediaError, match=r"128x96.*64x64"):
        measure_coherence(source, [other])


def test_command_prints_writes_and_plots(tmp_path: Path, cli: Cli) -> None:
    film = write_frames(tmp_path, "film", make_pan(14))
    part = ("--start", "2", "--end", "12", "--layer", "conv2/3x3", "--octaves", "1")
    few = ("--iterations", "6", "--step", "4", "--carry-iterations", "1")
    assert cli("video", film, tmp_path / "d.mp4", *part, *few).code == 0
    assert cli("video", film, tmp_path / "n.mp4", *part, *few, "--no-carry").code == 0
    line = ("measure", film, tmp_path / "d.mp4", "--against", tmp_path / "n.mp4")
    run = cli(*line, "--plot", tmp_path / "p.png", "--csv", tmp_path / "t.csv")
    assert run.code == 0, run.err
    for word in ("E_warp", "objective / source", "excess flicker", "intensity / n.mp4"):
        assert word in run.out
    assert "verdict on d.mp4" in run.out
    assert " good" in run.out
    with Image.open(tmp_path / "p.png") as plot:
        assert plot.width > 1000
        assert len(plot.convert("RGB").getcolors(10**7)) > 100
    with (tmp_path / "t.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["frame"]) for row in rows] == list(range(2, 12)), "as the dream was started"
    assert rows[0]["warp_error"] == ""
    assert float(rows[1]["warp_error"]) > 0
    report = json.loads(cli(*line, "--json").out)
    assert 0 < report["excess_flicker"] < 1
    not_judged = {
        WEAKEST_TILE_METRIC,
        RESIDUAL_TREND_METRIC,
        MOVING_FLICKER_METRIC,
        MOVING_INTENSITY_METRIC,
        VACATED_INTENSITY_METRIC,
    }
    assert set(report["verdicts"]) == set(BOUNDS_BY_METRIC) - not_judged, "nothing moves by itself"
    assert report["dreams"][0]["whole"]["objective / source"] > 1
    assert cli(*line, "--csv", tmp_path / "t.csv").code == 1, "an existing file is not replaced"


# --- the trace


def trace_row(frame: int, **numbers: Any) -> dict[str, Any]:
    """Return a line of a trace file as the temporal step writes it."""
    controller = {"base_effort": 0.5, "gain_ema": None, "reference_gain": 2, "overshoot": 1.1}
    return {
        "frame": frame,
        "fresh": False,
        "seconds": 1 / 24,
        "confidence": 0.9,
        "effort": 0.6,
        "iterations": 3,
        "step": 0.9,
        "crops": 1,
        "regrow_step": 0.0,
        "controller": {"0": controller},
        "numbers": {"energy.0": 0.02, "setpoint.0": 0.03, "energy.lines": 0.0, "coverage": 0.8},
        "milliseconds": {"advect": 2.5, "refine": 30.0},
        **numbers,
    }


def write_trace(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_trace_is_read_by_frame_and_the_last_line_of_a_frame_counts(tmp_path: Path) -> None:
    rows = [trace_row(3), trace_row(2, effort=0.1), trace_row(2, effort=0.2)]
    traces = read_trace_file(write_trace(tmp_path / "t.jsonl", rows))
    assert [trace.frame for trace in traces] == [2, 3]
    assert traces[0].numbers["effort"] == 0.2
    assert traces[0].numbers["controller.0.overshoot"] == 1.1
    assert traces[0].numbers["numbers.energy.0"] == 0.02
    assert np.isnan(traces[0].numbers["controller.0.gain_ema"])


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n",
        "hello",
        "[1, 2]",
        '{"effort": 1}',
        '{"frame": true}',
        '{"frame": 1.5}',
        '{"frame": 0, "effort": "large"}',
        '{"frame": 0, "numbers": {"energy.0": [1]}}',
        '{"frame": 0}\n{"frame": 1, "eff',
        "[" * 100_000,
        b"\xff\xfe\x00",
    ],
)
def test_file_that_is_no_trace_is_refused(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(MediaError, match=r"t\.jsonl") as error:
        read_trace_file(path)
    assert error.value.where is not None
    assert "\n" not in str(error.value)


def test_trace_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.jsonl", tmp_path):
        with pytest.raises(MediaError, match=path.name):
            read_trace_file(path)


def test_trace_panels_have_a_value_for_each_measured_frame(tmp_path: Path) -> None:
    sparse = {"frame": 2, "fresh": True}
    rows = [trace_row(1, controller={"0": {"overshoot": 1}, "3": {"overshoot": 2}}), sparse]
    traces = read_trace_file(write_trace(tmp_path / "t.jsonl", rows))
    panels = {panel.title.split("\n")[0]: panel for panel in build_trace_panels(traces, [0, 1, 2])}
    assert list(panels) == ["controller", "rms by band", "shares", "work", "ms by stage"]
    labels = [line.label for line in panels["controller"].lines]
    assert labels == ["overshoot, keyframe 0", "overshoot, keyframe 3", "effort"]
    # An energy of 0 has no place on a logarithmic axis.
    assert [line.style for line in panels["rms by band"].lines] == ["-", "--"]
    for panel in panels.values():
        for line in panel.lines:
            np.testing.assert_array_equal(np.isnan(line.values), [True, False, True])
    with pytest.raises(MediaError, match="frames 1 to 2"):
        build_trace_panels(traces, [5, 6])


def test_command_plots_a_trace(tmp_path: Path, cli: Cli) -> None:
    film = make_film(tmp_path / "film.mp4", frames=4, size="96x64")
    trace = write_trace(tmp_path / "t.jsonl", [{"frame": 0, "fresh": True}, trace_row(2)])
    line = ("measure", film, film, "--layer", "conv2/3x3")
    run = cli(*line, "--plot", tmp_path / "traced.png", "--trace", trace)
    assert run.code == 0, run.err
    assert read_picture(tmp_path / "traced.png", flatten_alpha=False).shape[0] > 2000, (
        "five panels more"
    )
    for arguments in (("--trace", trace), ("--trace", film, "--plot", tmp_path / "p.png")):
        run = cli(*line, *arguments)
        assert run.code == 1
        assert len(run.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("settings", "scheduled"),
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
def test_scheduled_settings_are_recognised(settings: dict[str, Any], scheduled: bool) -> None:
    assert has_scheduled_settings(settings) is scheduled


def test_dream_without_settings_is_measured_without_objective(tmp_path: Path, cli: Cli) -> None:
    film = make_film(tmp_path / "film.mp4", frames=4, size="96x64")
    other = make_film(tmp_path / "other.mp4", frames=4, size="96x64")
    run = cli("measure", film, other)
    assert run.code == 0
    assert "objective" not in run.out
    assert "E_warp" in run.out
    assert "--against" in run.out
    assert "objective" in cli("measure", film, other, "--layer", "conv2/3x3").out
    assert cli("measure", film, other, "--network", "pocket").code == 1
    assert "no.mp4" in cli("measure", film, tmp_path / "no.mp4").err


def test_a_dream_given_in_place_of_its_clip_is_refused(tmp_path: Path, cli: Cli) -> None:
    film = make_film(tmp_path / "film.mp4", frames=3, size="96x64")
    dream, twice = tmp_path / "d.mp4", tmp_path / "t.mp4"
    fast = ("--iterations", "0", "--no-carry", "--threads", "1")
    assert cli("video", film, dream, *fast).code == 0
    run = cli("measure", dream, film)
    assert run.code == 1
    assert f"measure {film} {dream}" in run.err
    assert cli("video", dream, twice, *fast).code == 0
    assert cli("measure", dream, twice).code == 0, "a dream may itself be dreamed"


def test_amounts_are_drawn_from_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = open_films(tmp_path, {"film": make_pan(4), "dream": add_noise(make_pan(4), 4)})
    measured = measure_coherence(clips["film"], [clips["dream"]])
    monkeypatch.setattr(pyplot, "close", lambda figure: None)
    plot_measurements(tmp_path / "p.png", measured)
    drawn = {axis.get_ylabel(): axis.get_ylim() for axis in pyplot.gcf().axes}
    monkeypatch.undo()
    pyplot.close(pyplot.gcf())
    amounts = [limits for title, limits in drawn.items() if "residual|" in title or "E_" in title]
    assert len(amounts) == 3
    assert all(low == 0 < high for low, high in amounts)
    assert any(low < 0 < high for low, high in drawn.values()), "changes of colour have a sign"


def test_other_weights_than_the_dreams_are_reported(tmp_path: Path, cli: Cli) -> None:
    film, dream, own = (
        write_frames(tmp_path, "film", make_pan(3)),
        tmp_path / "d.mp4",
        tmp_path / "own.pth",
    )
    torch.save(random_weights(7), own)
    look = ("--network", "googlenet", "--layer", "conv2/3x3", "--octaves", "1", "--iterations", "1")
    assert cli("video", film, dream, *look, "--weights", own).code == 0
    digest = hashlib.sha256(own.read_bytes()).hexdigest()[:12]
    run = cli("measure", film, dream)
    assert run.code == 0
    assert digest in run.err
    for arguments in (("--weights", own), ("--network", "pocket")):
        run = cli("measure", film, dream, *arguments)
        assert run.code == 0
        assert digest not in run.err
    run = cli("measure", film, dream, "--weights", tmp_path / "gone.pth")
    assert run.code == 1
    assert digest in run.err


def test_the_source_is_read_as_the_dream_records(tmp_path: Path) -> None:
    dream = open_clip(write_frames(tmp_path, "dream", make_pan(3)))
    recorded = {
        "start": "1",
        "every": 2,
        "deinterlace": "on",
        "video_track": "1",
        "missing": "hold",
    }
    options = resolve_source_options(ClipOptions(), recorded, dream)
    assert {name: getattr(options, name) for name in recorded} == recorded
    given = ClipOptions(deinterlace="off")
    assert resolve_source_options(given, recorded, dream).deinterlace == "off"
