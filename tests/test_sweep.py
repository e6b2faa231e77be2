"""Sweeps through the layers: which is shown when, and that the dream changes evenly."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import SAMPLE_CLIP, SAMPLE_STILL, CommandResult, make_film, make_texture, refused
from hypothesis import given
from hypothesis import strategies as st

import dreamflow
from dreamflow.core.errors import SettingsError
from dreamflow.core.frames import Frame
from dreamflow.core.schedules.schedule import LayerSchedule
from dreamflow.core.schedules.timecode import Timeline
from dreamflow.dream.options import DreamOptions
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.stills.read import read_picture
from dreamflow.networks.loading import load_network, network_layers
from dreamflow.networks.network import Network
from dreamflow.pipelines.layer_choice import select_sweep_layers
from dreamflow.pipelines.settings.options import SweepOptions
from dreamflow.pipelines.sweep.caption import LayerCaptions, render_caption_masks
from dreamflow.pipelines.sweep.pipeline import plan_sweep
from dreamflow.pipelines.sweep.sweep_schedule import compute_sweep_times, format_sweep_schedule

POCKET = network_layers("pocket")
RATE = Fraction(24)
Cli = Callable[..., CommandResult]
FAST = ("--size", "64", "--octaves", "1", "--iterations", "2", "--carry-iterations", "1")
THREE = ("--layers", "conv1/7x7_s2, conv2/3x3,pool1/3x3_s2")


def test_sweep_layers_are_named_or_of_a_category() -> None:
    assert select_sweep_layers("pocket", POCKET, SweepOptions()) == list(POCKET)
    swirls = select_sweep_layers("pocket", POCKET, SweepOptions(category=("Swirls",)))
    assert swirls
    assert {POCKET[name].category for name in swirls} == {"swirls and fur"}
    there = SweepOptions(layers=" pool2/3x3_s2, conv2/3x3=1 + conv2/norm2=2,,pool2/3x3_s2 ")
    found = select_sweep_layers("pocket", POCKET, there)
    assert found == ["pool2/3x3_s2", "conv2/3x3=1 + conv2/norm2=2", "pool2/3x3_s2"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (SweepOptions(layers=" , "), "layers names no layer"),
        (SweepOptions(category=("birds",)), "no category with 'birds' in its name; there are con"),
        (SweepOptions(layers="conv2/3x3, conv9"), "pocket has no layer 'conv9'"),
        (SweepOptions(layers="conv2/3x3=x"), "write NAME=WEIGHT"),
    ],
)
def test_invalid_sweep_layers_are_refused(options: SweepOptions, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        select_sweep_layers("pocket", POCKET, options)


times = st.one_of(st.none(), st.floats(0.1, 5))


@given(st.integers(1, 12), times, times, st.one_of(st.none(), st.floats(3, 60)))
def test_each_layer_is_shown_alone_at_its_middle(
    count: int, hold: float | None, fade: float | None, seconds: float | None
) -> None:
    sweep = SweepOptions(hold=hold, fade=fade, seconds=seconds)
    stays, fades = compute_sweep_times(count, sweep, RATE)
    length = count * stays + (count - 1) * fades
    if seconds is not None:
        assert length == Fraction(str(seconds))
    elif hold is not None:
        assert stays == Fraction(str(hold))
    text = format_sweep_schedule([f"layer{n}" for n in range(count)], stays, fades)
    schedule = LayerSchedule((text,))
    timeline = Timeline(RATE, length)
    assert schedule.check_keyframes(timeline) == []
    for number in range(count):
        middle = timeline.moment_at(number * (stays + fades) + stays / 2)
        assert [str(target) for target in schedule.at(middle).targets] == [f"layer{number}"]


def test_a_sweep_fills_its_clip_by_default() -> None:
    assert compute_sweep_times(3, SweepOptions(), RATE, Fraction(10)) == (2, 2)
    assert compute_sweep_times(3, SweepOptions(hold=1, fade=0.5), RATE, Fraction(10)) == (
        1,
        Fraction(1, 2),
    )
    assert compute_sweep_times(3, SweepOptions(seconds=5), RATE, Fraction(10)) == (1, 1)
    with pytest.raises(SettingsError, match=r"3 layers take 5.00 s, the clip has 4.00 s"):
        compute_sweep_times(3, SweepOptions(hold=1), RATE, Fraction(4))


@pytest.mark.parametrize("tenths", range(1, 10))
def test_lengths_are_those_that_are_written(tenths: int) -> None:
    picture = np.zeros((32, 32, 3), np.uint8)
    sweep = SweepOptions(hold=tenths / 10, fade=tenths / 10)
    plan = plan_sweep(picture, ["a", "b"], sweep, Fraction(10))
    assert len(plan.source) == 3 * tenths, "not a frame more, by the floats' last digits"
    whole = SweepOptions(seconds=tenths / 10)
    assert compute_sweep_times(1, whole, Fraction(10), Fraction(tenths, 10))


def test_a_hold_or_a_fade_of_zero() -> None:
    fading = LayerSchedule((format_sweep_schedule(["a", "b"], Fraction(0), Fraction(2)),))
    timeline = Timeline(RATE, Fraction(4))
    assert [len(fading.at(timeline.moment_at(Fraction(n))).targets) for n in (0, 1, 2)] == [1, 2, 1]
    jumping = LayerSchedule((format_sweep_schedule(["a", "b"], Fraction(2), Fraction(0)),))
    shown = [jumping.at(timeline.moment_at(Fraction(n, 10))).targets for n in (0, 19, 20)]
    assert [[str(target) for target in targets] for targets in shown] == [["a"], ["a"], ["b"]]
    with refused("hold"):
        compute_sweep_times(1, SweepOptions(hold=0), RATE)
    with refused("layers"):
        compute_sweep_times(65, SweepOptions(seconds=1), RATE)


def changes(frames: list[Frame]) -> np.ndarray:
    pairs = pairwise([frame.picture.astype(float) for frame in frames])
    return np.array([np.abs(after - before).mean() for before, after in pairs])


def test_frames_change_evenly_across_fades() -> None:
    names = ["conv2/3x3", "inception_3b/5x5_reduce", "inception_4c/output"]
    sweep = SweepOptions(layers=",".join(names), hold=0.5, fade=1)
    still = read_small()
    options = DreamOptions(octaves=2, iterations=6)
    found = list(dreamflow.dream_sweep(still, load_network(), sweep, options, fps=12))
    assert [frame.time for frame in found] == [Fraction(n, 12) for n in range(42)]
    change = changes(found)
    assert change.max() < 3 * np.median(change)
    assert change.min() > np.median(change) / 3, "and it never stands still"
    ends = [found[n].picture.astype(float) - still for n in (3, 40)]
    assert np.corrcoef(ends[0].ravel(), ends[1].ravel())[0, 1] < 0.5, "it has got somewhere"


def read_small() -> np.ndarray:
    from dreamflow.media.resize import resize_picture

    return resize_picture(read_picture(SAMPLE_STILL), 120, 80)


def test_a_sweep_is_deterministic(noise_network: Network) -> None:
    still = make_texture(48, 64)
    sweep = SweepOptions(layers="conv1/7x7_s2,conv2/3x3", hold=0.5, fade=0.5)
    options = DreamOptions(octaves=1, iterations=2, jitter=8)
    runs = [
        list(dreamflow.dream_sweep(still, noise_network, sweep, options, fps=4)) for _ in range(2)
    ]
    assert len(runs[0]) == 6
    for one, other in zip(*runs, strict=True):
        assert np.array_equal(one.picture, other.picture)


# --- captions


def test_a_caption_names_the_layer_and_changes_nothing_else() -> None:
    captions = LayerCaptions(LayerSchedule(("0: a/first, 1s: a/first, 2s: b/second",)))
    timeline = Timeline(RATE, Fraction(4))
    gray = np.full((90, 160, 3), 128, np.uint8)

    def shown(seconds: float) -> np.ndarray:
        return captions.draw(
            Frame(0, Fraction(0), gray), timeline.moment_at(Fraction(seconds))
        ).picture

    rested, middle, after = shown(0.5), shown(1.5), shown(3)
    assert rested[60:].max() > 240
    assert np.array_equal(rested[:60], gray[:60])
    assert np.array_equal(middle, gray), "one name goes before the next one comes"
    assert not np.array_equal(rested, after)
    assert np.array_equal(shown(0.2), rested)
    assert 128 < shown(1.25)[60:].max() < rested.max()


@pytest.mark.parametrize(("width", "height"), [(64, 36), (320, 240), (200, 900)])
def test_a_caption_fits_into_the_picture(width: int, height: int) -> None:
    ink, shadow = render_caption_masks("inception_4e/3x3_reduce", width, height)
    assert ink.shape == shadow.shape == (height, width, 1)
    assert ink.max() > 0.8
    if width > 64:
        assert ink[:, -4:].max() == 0
        assert ink[-2:].max() == 0


# --- the command line


def test_sweep_of_a_picture(tmp_path: Path, cli: Cli) -> None:
    out = tmp_path / "s.mp4"
    lengths = ("--hold", "0.25", "--fade", "0.25", "--fps", "8")
    run = cli("sweep", SAMPLE_STILL, out, *FAST, *THREE, *lengths, "--caption")
    assert run.code == 0
    assert run.err == ""
    assert run.out.startswith(f"{out}: 3 layers, 10 frames, 1.25 s of 64x42")
    clip = open_clip(out)
    assert len(clip) == 10
    assert clip.rate == 8
    record = json.loads((tmp_path / "s.mp4.json").read_text())
    assert record["command"] == "sweep"
    assert record["settings"]["hold"] == 0.25
    again = cli("sweep", SAMPLE_STILL, tmp_path / "t.mp4", "--like-all", out)
    assert again.code == 0, again.err
    for one, other in zip(clip, open_clip(tmp_path / "t.mp4"), strict=True):
        assert np.array_equal(one.picture, other.picture)


def test_sweep_of_a_clip_keeps_its_length_and_sound(tmp_path: Path, cli: Cli) -> None:
    film = make_film(tmp_path / "f.mp4", frames=12, size="96x64", sound=True)
    run = cli("sweep", film, tmp_path / "s.mp4", *FAST, *THREE)
    assert run.code == 0
    assert run.err == ""
    clip = open_clip(tmp_path / "s.mp4")
    assert len(clip) == 12
    assert clip.info.sound_codecs


def test_sweep_of_one_layer(tmp_path: Path, cli: Cli) -> None:
    run = cli(
        *("sweep", SAMPLE_STILL, tmp_path / "s.mp4", *FAST),
        *("--layers", "conv2/3x3", "--seconds", "0.5"),
    )
    assert run.code == 0
    assert "1 layer, 12 frames, 0.50 s" in run.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--layers", "inception_5b/output"), "'inception_5b/output'; --network googlenet has it"),
        (("--layers", "conv2/3x3", "--hold", "0"), "--hold 0 leaves no time"),
        (("--start", "2s"), "is a picture: it has no --start"),
        (("--seconds", "1"), "65 layers in 1.00 s leave less than a frame for each"),
        (("--fade", "-1"), "--fade -1.0 is out of range"),
        (("--category", "birds"), "there are contour and texture"),
        (("--layers", "inception_4e/output", "--size", "12"), "too small for inception_4e/output"),
    ],
)
def test_invalid_sweeps_are_refused(
    tmp_path: Path, cli: Cli, arguments: tuple[str, ...], message: str
) -> None:
    run = cli("sweep", SAMPLE_STILL, tmp_path / "s.mp4", *arguments)
    assert run.code == 1
    assert message in run.err
    assert len(run.err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_clip_too_short_for_its_sweep_is_refused(tmp_path: Path, cli: Cli) -> None:
    run = cli("sweep", SAMPLE_CLIP, tmp_path / "s.mp4", *THREE, "--hold", "5")
    assert run.code == 1
    assert "3 layers take 17.00 s, the clip has 4.00 s" in run.err
