"""A zoom moves as fast as it says, stays as it was, and is the same at every frame rate."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import SAMPLE_STILL, CommandResult, make_film, make_texture
from hypothesis import given
from hypothesis import strategies as st

from dreamflow.core.errors import SettingsError
from dreamflow.core.frames import Frame
from dreamflow.core.schedules.schedule import LayerSchedule
from dreamflow.core.schedules.timecode import Timeline
from dreamflow.core.tensors import picture_to_tensor
from dreamflow.dream.objective import Objective
from dreamflow.dream.options import DreamOptions
from dreamflow.jobs.job import RenderControls
from dreamflow.jobs.render_zoom import ZoomSettings, make_zoom_start_picture, render_zoom
from dreamflow.jobs.storage.folder import job_folder_path
from dreamflow.media.read.clip import open_clip
from dreamflow.media.stills import read_picture, write_picture
from dreamflow.networks.network import Network
from dreamflow.pipelines.noise import coloured_noise
from dreamflow.pipelines.settings.options import ZoomOptions
from dreamflow.pipelines.settings.presets import load_preset
from dreamflow.pipelines.zoom.appearance import AppearanceStats, match_appearance
from dreamflow.pipelines.zoom.camera import SimilarityTransform, make_camera_transform, warp_view
from dreamflow.pipelines.zoom.pipeline import (
    ZoomPipeline,
    dream_zoom,
    make_zoom_timeline,
    schedule_zoom_layers,
)

Cli = Callable[..., CommandResult]
DREAM = DreamOptions(layer=("conv2/3x3",), octaves=2, iterations=4, jitter=8)
ZOOM = ZoomOptions(seconds=1, fps=12)
SMALL = ("--size", "64x48", "--octaves", "1", "--iterations", "1", "--layer", "conv2/3x3")


def zoomed(network: Network, zoom: ZoomOptions = ZOOM, dream: DreamOptions = DREAM) -> list[Frame]:
    return list(dream_zoom(make_texture(48, 64), network, dream, zoom))


def change(one: Frame, other: Frame) -> float:
    return float(np.abs(one.picture.astype(int) - other.picture).mean())


def sharpness(frame: Frame) -> float:
    return float(cv2.Laplacian(frame.picture.mean(axis=2), cv2.CV_64F).var())


# --- the camera

numbers = st.floats(-50, 50)


@given(
    st.floats(0.01, 3), st.floats(0.01, 3), st.floats(1, 4), st.floats(-90, 90), numbers, numbers
)
def test_a_movement_is_its_parts_after_one_another(
    one: float, other: float, speed: float, rotation: float, centre: float, drift: float
) -> None:
    def move(seconds: float) -> SimilarityTransform:
        return make_camera_transform(
            seconds, speed, rotation, complex(centre, 20), complex(drift, -drift)
        )

    whole, parts, point = move(one + other), move(one).then(move(other)), complex(3, -7)
    assert parts(point) == pytest.approx(whole(point), rel=1e-6, abs=1e-6)
    assert whole.inverse()(whole(point)) == pytest.approx(point, rel=1e-6, abs=1e-6)


def test_a_camera_that_stays_sees_the_picture_itself() -> None:
    picture = make_texture(40, 56).astype(np.float32)
    assert np.array_equal(warp_view(picture, SimilarityTransform(), 56, 40), picture)
    rolled = warp_view(picture, SimilarityTransform(1, complex(5, 3)), 56, 40, wrap=True)
    np.testing.assert_allclose(rolled, np.roll(picture, (-3, -5), (0, 1)), atol=1e-3)


def blob(picture: np.ndarray) -> complex:
    """Return the centre of what is brighter than the background, in pixels."""
    weight = picture.astype(float).mean(axis=2) - 40
    weight[weight < 4] = 0
    y, x = np.mgrid[0 : weight.shape[0], 0 : weight.shape[1]]
    return complex((x * weight).sum(), (y * weight).sum()) / weight.sum()


def spot(x: float, y: float) -> np.ndarray:
    """Return a picture (121, 161, 3) with a soft bright spot."""
    down, across = np.mgrid[0:121, 0:161]
    bright = 200 * np.exp(-((across - x) ** 2 + (down - y) ** 2) / 18)
    return np.repeat((40 + bright)[..., None].round().astype(np.uint8), 3, axis=2)


@pytest.mark.parametrize("fps", [5.0, 12.0, 30.0])
def test_it_moves_by_what_it_says_per_second(noise_network: Network, fps: float) -> None:
    still = replace(DREAM, iterations=0)
    zoom = ZoomOptions(seconds=1.4, fps=fps, speed=1.5, rotation=20, drift_x=-5, centre_x=40)
    centre, begun = complex(64, 60), blob(spot(80, 50))
    for frame in dream_zoom(spot(80, 50), noise_network, still, zoom):
        camera = make_camera_transform(float(frame.time), 1.5, 20, centre, complex(-0.05 * 161))
        assert abs(blob(frame.picture) - camera.inverse()(begun)) < 0.25


def test_turned_clockwise_and_nearer(noise_network: Network) -> None:
    still = replace(DREAM, iterations=0)
    zoom = ZoomOptions(seconds=2, fps=1, speed=2, rotation=90)
    _, after = dream_zoom(spot(100, 60), noise_network, still, zoom)
    assert (
        abs(blob(after.picture) - complex(80, 100)) < 0.5
    )  # from the right of the centre to below


# --- the look


def test_a_look_that_is_there_is_let_be() -> None:
    image = make_texture(64, 80).astype(np.float32) / 255
    np.testing.assert_allclose(
        match_appearance(image, AppearanceStats.of(image), 1.0), image, atol=2e-3
    )
    assert match_appearance(image, AppearanceStats.of(image), 0) is image


def test_a_picture_gone_grey_and_soft_is_led_back() -> None:
    image = make_texture(64, 80).astype(np.float32) / 255
    wanted, astray = AppearanceStats.of(image), cv2.GaussianBlur(image, (0, 0), 1) * 0.5 + 0.3
    for _ in range(40):
        astray = match_appearance(astray, wanted, 0.3)
    found = AppearanceStats.of(astray)
    np.testing.assert_allclose(found.mean, wanted.mean, atol=0.01)
    np.testing.assert_allclose(np.diag(found.covariance), np.diag(wanted.covariance), rtol=0.05)
    np.testing.assert_allclose(found.band_rms, wanted.band_rms, rtol=0.1)


# --- the journey


def test_it_begins_with_the_picture_and_dreams(noise_network: Network) -> None:
    frames = zoomed(noise_network)
    assert [frame.index for frame in frames] == list(range(12))
    assert frames[6].time == Fraction(1, 2)
    assert np.array_equal(frames[0].picture, make_texture(48, 64))
    objective = Objective.parse(noise_network, DREAM.layer)
    begun, ended = (objective.value(picture_to_tensor(frames[n].picture)) for n in (0, -1))
    assert ended > 1.5 * begun


def test_the_same_journey_at_every_rate(noise_network: Network) -> None:
    slow, usual, quick = (
        {frame.time: frame.picture for frame in zoomed(noise_network, replace(ZOOM, fps=fps))}
        for fps in (6.0, 12.0, 30.0)
    )
    shared = slow.keys() & usual.keys()
    assert len(shared) == 6 and len(slow.keys() & quick.keys()) == 6
    for time in shared:
        assert np.array_equal(slow[time], usual[time])
    for time in slow.keys() & quick.keys():
        assert np.array_equal(slow[time], quick[time])


def test_frames_between_ticks_are_as_sharp(noise_network: Network) -> None:
    frames = zoomed(noise_network, ZoomOptions(seconds=1.5, fps=60))[60:]
    sharp = [sharpness(frame) for frame in frames]
    assert min(sharp) > 0.85 * max(sharp)
    steps = [change(one, other) for one, other in itertools.pairwise(frames)]
    assert max(steps) < 1.5 * np.median(steps)


def test_the_same_seed_gives_the_same_zoom(noise_network: Network) -> None:
    one, again = zoomed(noise_network), zoomed(noise_network)
    other = zoomed(noise_network, dream=replace(DREAM, seed=1))
    assert all(np.array_equal(a.picture, b.picture) for a, b in zip(one, again, strict=True))
    assert not np.array_equal(one[-1].picture, other[-1].picture)


@pytest.mark.parametrize("loop", [False, True])
def test_it_goes_on_from_any_frame(noise_network: Network, loop: bool) -> None:
    zoom = replace(ZOOM, fps=10, loop=loop, rotation=20)
    whole = zoomed(noise_network, zoom)
    for stop in (1, 5, 9):
        first = ZoomPipeline(make_texture(48, 64), noise_network, DREAM, zoom)
        frames = iter(first)
        for _ in range(stop):
            next(frames)
        second = ZoomPipeline(make_texture(48, 64), noise_network, DREAM, zoom)
        second.restore(first.state())
        rest = list(second)
        assert [frame.index for frame in rest] == list(range(stop, 10))
        for frame in rest:
            assert np.array_equal(frame.picture, whole[frame.index].picture)


def test_a_loop_comes_back(noise_network: Network) -> None:
    zoom = ZoomOptions(seconds=4, fps=12, speed=1.5, loop=True)
    frames = zoomed(noise_network, zoom)
    steps = [change(one, other) for one, other in itertools.pairwise(frames)]
    seam = change(frames[-1], frames[0])
    assert seam < 1.3 * np.median(steps) and max(steps) < 1.6 * np.median(steps)
    once = zoomed(noise_network, replace(zoom, loop=False))
    assert seam < 0.6 * change(once[-1], once[0])


def test_it_stays_as_it_is_for_long(noise_network: Network) -> None:
    """200 ticks, turning and drifting: no grey, no glare, neither blur nor grain."""
    zoom = ZoomOptions(seconds=17, fps=6, rotation=15, drift_x=5, speed=1.3)
    frames = zoomed(noise_network, zoom)
    pictures = np.stack([frame.picture.astype(float) for frame in frames])
    begun = pictures[6:12]
    mean, spread = begun.mean((0, 1, 2)), begun.std((1, 2)).mean(0)
    late = pictures[-6:]
    np.testing.assert_allclose(late.mean((0, 1, 2)), mean, rtol=0.08)
    np.testing.assert_allclose(late.std((1, 2)).mean(0), spread, rtol=0.12)
    sharp = [sharpness(frame) for frame in frames[12:]]
    assert max(sharp) < 1.7 * min(sharp)
    sides = [pictures[-40:, :8], pictures[-40:, -8:], pictures[-40:, :, :8], pictures[-40:, :, -8:]]
    middle = pictures[-40:, 16:32, 20:44].std()
    for side in sides:
        assert side.std() == pytest.approx(middle, rel=0.35), "as alive at its borders"


# --- layers


def test_each_layer_has_its_share() -> None:
    options = schedule_zoom_layers(ZoomOptions(layers="a, b,c,d"), DREAM)
    schedule, timeline = LayerSchedule(options.layer), Timeline(Fraction(100), Fraction(8))
    held: dict[str, float] = dict.fromkeys("abcd", 0.0)
    for moment in timeline.moments():
        weights = schedule.at(moment).weights
        assert 1 <= len(weights) <= 2
        assert sum(weight**2 for weight in weights.values()) == pytest.approx(1)
        for target, weight in weights.items():
            held[target.layer] += weight**2 / 100
    assert list(held.values()) == pytest.approx([2, 2, 2, 2], abs=0.05)
    assert schedule.at(timeline.moment_at(Fraction(0))).texts == ("a=1.0",)
    assert schedule.at(timeline.moment_at(Fraction(8))).texts == ("d=1.0",)


def test_a_loop_comes_back_to_its_first_layer() -> None:
    options = schedule_zoom_layers(ZoomOptions(layers="a,b,c", loop=True), DREAM)
    schedule, timeline = LayerSchedule(options.layer), Timeline(Fraction(100), Fraction(6))
    found = [schedule.at(timeline.moment_at(Fraction(s))).layers[0] for s in (0, 2, 4, 6)]
    assert found == ["a", "b", "c", "a"]
    assert schedule_zoom_layers(ZoomOptions(layers="a"), DREAM).layer == ("0%: a",)
    assert schedule_zoom_layers(ZoomOptions(), DREAM) is DREAM


def test_no_jump_between_layers(noise_network: Network) -> None:
    zoom = ZoomOptions(seconds=5, fps=12, layers="conv1/7x7_s2, inception_3a/output, conv2/3x3")
    frames = zoomed(noise_network, zoom)[12:]
    steps = [change(one, other) for one, other in itertools.pairwise(frames)]
    assert max(steps) < 2 * np.median(steps)


def test_what_cannot_be_is_refused(noise_network: Network) -> None:
    for zoom, message in (
        (ZoomOptions(layers="conv2/3x3,nowhere"), "no layer 'nowhere'"),
        (ZoomOptions(layers="conv2/3x3,,"), "write A,B,C"),
        (ZoomOptions(speed="0: 1, 20s: 2"), "past the end"),
    ):
        with pytest.raises(SettingsError, match=message):
            ZoomPipeline(make_texture(48, 64), noise_network, DREAM, zoom)
    with pytest.raises(SettingsError, match="too small for inception_5b/output"):
        deep = ZoomOptions(layers="conv2/3x3,inception_5b/output")
        ZoomPipeline(make_texture(12, 12), noise_network, DREAM, deep)
    with pytest.raises(SettingsError, match="at least 8 pixels"):
        ZoomPipeline(make_texture(4, 90), noise_network, DREAM, ZOOM)


# --- the beginning


@given(st.integers(16, 90), st.integers(16, 90), st.integers(0, 2**32 - 1))
def test_noise_is_even_and_soft(width: int, height: int, seed: int) -> None:
    noise = coloured_noise(width, height, seed)
    assert noise.shape == (height, width, 3) and noise.dtype == np.uint8
    assert np.array_equal(noise, coloured_noise(width, height, seed))
    assert 0.35 < noise.mean() / 255 < 0.55
    assert 0.08 < noise.std() / 255 < 0.3


def test_the_picture_is_cropped_about_the_centre(tmp_path: Path) -> None:
    picture = np.zeros((60, 120, 3), np.uint8)
    picture[:, :60] = 255
    write_picture(tmp_path / "half.png", picture)

    def begun(**zoom: object) -> np.ndarray:
        return make_zoom_start_picture(
            tmp_path / "half.png", ZoomSettings(zoom=ZoomOptions(**zoom))
        )  # type: ignore[arg-type]

    assert begun(size="60x60", centre_x=0).min() == 255
    assert begun(size="60x60", centre_x="0: 100, 1s: 0").max() == 0
    assert begun(size="30").shape == (16, 30, 3)
    assert begun().shape == (320, 640, 3)
    assert make_zoom_start_picture(None, ZoomSettings(zoom=ZoomOptions(size="50x40"))).shape == (
        40,
        50,
        3,
    )
    assert make_zoom_start_picture(None, ZoomSettings()).shape == (360, 640, 3)


def test_lengths_are_whole_frames() -> None:
    timeline = make_zoom_timeline(ZoomOptions(seconds=2, fps=29.97))
    assert timeline.rate == Fraction(30000, 1001) and timeline.length * timeline.rate == 60
    assert make_zoom_timeline(ZoomOptions(seconds=0.001)).length == Fraction(1, 24)


# --- the command


def test_the_command_zooms_into_a_picture(tmp_path: Path, cli: Cli) -> None:
    out = tmp_path / "zoom.mp4"
    run = cli("zoom", SAMPLE_STILL, out, *SMALL, "--seconds", "0.5", "--rotation", "30*t")
    assert run.code == 0 and run.err == ""
    assert run.out.startswith(f"{out}: 12 frames, 0.50 s of 64x48")
    record = json.loads((tmp_path / "zoom.mp4.json").read_text())
    assert (record["command"], record["source"]) == ("zoom", SAMPLE_STILL.name)
    assert record["settings"]["rotation"] == "30*t" and record["settings"]["seconds"] == 0.5
    assert len(list(open_clip(out))) == 12


def test_the_command_zooms_into_noise_and_again_like_it(tmp_path: Path, cli: Cli) -> None:
    one, again = tmp_path / "one", tmp_path / "again"
    assert cli("zoom", one, *SMALL, "--seconds", "0.25", "--seed", "3").code == 0
    assert cli("zoom", again, "--like", one).code == 0
    assert json.loads((one / "settings.json").read_text())["source"] == "noise"
    for number in range(6):
        name = f"frame_{number:06d}.png"
        assert np.array_equal(read_picture(one / name), read_picture(again / name))


def test_the_command_zooms_into_a_frame_of_a_clip(tmp_path: Path, cli: Cli) -> None:
    film = make_film(tmp_path / "film.mp4", frames=24, size="64x48")
    still = ("--size", "64x48", "--seconds", "0.25", "--iterations", "0", "--speed", "1")
    run = cli("zoom", film, tmp_path / "z", *still, "--at", "20")
    assert run.code == 0, run.err
    frame = list(open_clip(film))[20].picture.astype(int)
    assert np.abs(frame - read_picture(tmp_path / "z" / "frame_000000.png")).max() <= 1
    assert json.loads((tmp_path / "z" / "settings.json").read_text())["at"] == "20"
    run = cli("zoom", film)
    assert run.code == 1 and f"zoom {film} zoom.mp4 --at 2s`" in run.err


def test_a_zoom_into_another_frame_does_not_go_on(tmp_path: Path, noise_network: Network) -> None:
    film = make_film(tmp_path / "film.mp4", frames=24, size="64x48")
    settings = ZoomSettings(DREAM, ZOOM)

    def rendered(at: str, stop: int | None = None) -> None:
        def progress(done: int, total: int) -> None:
            if done == stop:
                raise InterruptedError

        picture = make_zoom_start_picture(film, settings, at)
        out = tmp_path / "z.mp4"
        render_zoom(film, picture, out, noise_network, settings, RenderControls(progress), at)

    with pytest.raises(InterruptedError):
        rendered("3", stop=2)
    with pytest.raises(SettingsError, match="was begun with another frame at 3"):
        rendered("4")
    rendered("3")
    assert (tmp_path / "z.mp4").exists()


def test_reverse_is_the_same_backwards(tmp_path: Path, cli: Cli) -> None:
    there, back = tmp_path / "there", tmp_path / "back"
    assert cli("zoom", SAMPLE_STILL, there, *SMALL, "--seconds", "0.25").code == 0
    assert cli("zoom", SAMPLE_STILL, back, *SMALL, "--seconds", "0.25", "--reverse").code == 0
    for number in range(6):
        one = read_picture(there / f"frame_{number:06d}.png")
        other = read_picture(back / f"frame_{5 - number:06d}.png")
        assert np.array_equal(one, other)
    assert {path.name for path in tmp_path.iterdir()} == {"there", "back"}


def test_a_zoom_out_goes_on_where_it_was_broken_off(tmp_path: Path, noise_network: Network) -> None:
    settings = ZoomSettings(DREAM, replace(ZOOM, reverse=True))
    picture, whole = make_texture(48, 64), zoomed(noise_network)

    def rendered(stop: int | None) -> None:
        def progress(done: int, total: int) -> None:
            assert total == 24
            if done == stop:
                raise KeyboardInterrupt

        handles = RenderControls(progress)
        render_zoom(None, picture, tmp_path / "away", noise_network, settings, handles)

    for stop in (5, 17):  # on its way in, and on its way back
        with pytest.raises(KeyboardInterrupt):
            rendered(stop)
    rendered(None)
    shown = list(open_clip(tmp_path / "away"))
    assert len(shown) == len(whole)
    for frame, other in zip(shown, reversed(whole), strict=True):
        assert np.array_equal(frame.picture, other.picture)
    assert {path.name for path in tmp_path.iterdir()} == {"away"}


def test_a_zoom_out_needs_all_its_frames_and_its_own(
    tmp_path: Path, noise_network: Network
) -> None:
    settings = ZoomSettings(DREAM, replace(ZOOM, reverse=True, seconds=0.25))
    out, forwards = tmp_path / "away", tmp_path / "away_forwards"

    def stopped_on_its_way_back(picture: np.ndarray) -> None:
        def progress(done: int, total: int) -> None:
            if done > total // 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            render_zoom(None, picture, out, noise_network, settings, RenderControls(progress))

    stopped_on_its_way_back(make_texture(48, 64))
    shutil.rmtree(job_folder_path(out))
    last = sorted(forwards.glob("frame_*.png"))[-1]
    last.unlink()
    stopped_on_its_way_back(make_texture(48, 64))
    assert last.exists()
    shutil.rmtree(job_folder_path(out))
    with pytest.raises(SettingsError, match="holds other frames"):
        render_zoom(None, make_texture(48, 64, 1), out, noise_network, settings)


def test_other_frames_in_the_way_are_let_be(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "away_forwards").mkdir()
    (tmp_path / "away_forwards" / "mine.txt").write_text("mine")
    run = cli("zoom", tmp_path / "away.mp4", *SMALL, "--seconds", "0.1", "--reverse")
    assert run.code == 1 and "holds other frames" in run.err
    run = cli("zoom", tmp_path / "away.mp4", *SMALL, "--seconds", "0.1", "--reverse", "--fresh")
    assert run.code == 1 and (tmp_path / "away_forwards" / "mine.txt").exists()


def test_settings_of_a_clip_are_taken_where_they_mean_the_same(tmp_path: Path, cli: Cli) -> None:
    record = {"dreamflow": "1", "settings": {"fps": None, "size": "64", "every": 2, "decay": 0.5}}
    (tmp_path / "clip.json").write_text(json.dumps({**record, "command": "video"}))
    run = cli(
        "zoom", tmp_path / "z", *SMALL[2:], "--like", tmp_path / "clip.json", "--seconds", ".1"
    )
    assert run.code == 0, run.err
    assert json.loads((tmp_path / "z" / "settings.json").read_text())["settings"]["fps"] == 24.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name the film: dreamflow zoom OUT"),
        (("photo.jpg",), "name the film, too: dreamflow zoom photo.jpg zoom.mp4"),
        (("nowhere.jpg", "z.mp4"), "nowhere.jpg does not exist"),
        (("z.mp4", "--speed", "nan"), "--speed nan is out of range"),
        (("z.mp4", "--speed", "0.5"), "must be at least 1"),
        (("z.mp4", "--seconds", "0"), "--seconds 0.0 is out of range"),
        (("z.mp4", "--centre-x", "101"), "--centre-x 101"),
        (("z.mp4", "--layers", "conv2/3x3,inception_3b/out"), "no layer 'inception_3b/out'"),
        (("z.mp4", "--layers", ","), "write A,B,C"),
        (("z.mp4", "--size", "large"), "is not a size"),
        (("z.mp4", "--speed", "0: 1, 0: 2"), "same time"),
        (("z.doc",), "not a format"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path,
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    run = cli("zoom", *arguments)
    assert run.code == 1 and message in run.err, run.err
    assert run.err.count("\n") == 1 and not list(tmp_path.iterdir())


def test_there_are_presets_for_zooms() -> None:
    for name in ("descent", "whirl"):
        _, settings = load_preset(name)
        assert "rotation" in settings
