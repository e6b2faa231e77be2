"""Zooms: the camera, the appearance that is kept, loops, resuming, and the command."""

from __future__ import annotations

import itertools
import json
import shutil
import warnings
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import SAMPLE_STILL, CommandResult, make_film, make_texture
from hypothesis import given
from hypothesis import strategies as st
from job_rendering import Interruption

from dreamflow.core.errors import IneffectiveSettingWarning, SettingsError
from dreamflow.core.frames import Frame
from dreamflow.core.imaging.filters import gaussian_blur
from dreamflow.core.schedules.timecode import Timeline
from dreamflow.core.targets import parse_blend
from dreamflow.core.tensors import picture_to_tensor
from dreamflow.dream.objective.objective import Objective
from dreamflow.dream.options import DreamOptions
from dreamflow.jobs.controls import RenderControls
from dreamflow.jobs.renders.render_zoom import render_zoom
from dreamflow.jobs.storage.folder import job_folder_path
from dreamflow.media.options import EncodeOptions
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.stills.read import read_picture
from dreamflow.media.stills.write import write_picture
from dreamflow.networks.loading import load_network
from dreamflow.networks.network import Network
from dreamflow.pipelines.settings.options import ZoomOptions
from dreamflow.pipelines.settings.presets import load_preset
from dreamflow.pipelines.zoom.appearance import AppearanceStats, match_appearance
from dreamflow.pipelines.zoom.camera import SimilarityTransform, make_camera_transform, warp_view
from dreamflow.pipelines.zoom.camera_path import CameraPath
from dreamflow.pipelines.zoom.loop_closure import LoopClosure
from dreamflow.pipelines.zoom.pipeline import (
    ZoomPipeline,
    count_zoom_frames,
    dream_zoom,
    make_zoom_timeline,
    schedule_zoom_layers,
)
from dreamflow.pipelines.zoom.start_picture import (
    ZoomSettings,
    make_zoom_start_picture,
    warn_of_idle_settings,
)
from dreamflow.temporal.noise_base import coloured_noise

Cli = Callable[..., CommandResult]
DREAM = DreamOptions(layer=("conv2/3x3",), octaves=2, iterations=4, jitter=8)
ZOOM = ZoomOptions(seconds=1, fps=12)
SMALL = ("--size", "64x48", "--octaves", "1", "--iterations", "1", "--layer", "conv2/3x3")


def render_frames(
    network: Network, zoom: ZoomOptions = ZOOM, dream: DreamOptions = DREAM
) -> list[Frame]:
    return list(dream_zoom(make_texture(48, 64), network, dream, zoom))


def mean_difference(one: Frame, other: Frame) -> float:
    return float(np.abs(one.picture.astype(int) - other.picture).mean())


def sharpness(frame: Frame) -> float:
    return float(cv2.Laplacian(frame.picture.mean(axis=2), cv2.CV_64F).var())


# --- the camera

numbers = st.floats(-50, 50)


@given(
    st.floats(0.01, 3), st.floats(0.01, 3), st.floats(1, 4), st.floats(-90, 90), numbers, numbers
)
def test_movements_compose(
    one: float, other: float, speed: float, rotation: float, centre: float, drift: float
) -> None:
    def move(seconds: float) -> SimilarityTransform:
        return make_camera_transform(
            seconds, speed, rotation, complex(centre, 20), complex(drift, -drift)
        )

    whole, parts, point = move(one + other), move(one).then(move(other)), complex(3, -7)
    assert parts(point) == pytest.approx(whole(point), rel=1e-6, abs=1e-6)
    assert whole.inverse()(whole(point)) == pytest.approx(point, rel=1e-6, abs=1e-6)


def test_camera_at_rest_sees_the_image_itself() -> None:
    image = picture_to_tensor(make_texture(40, 56))
    assert torch.equal(warp_view(image, SimilarityTransform(), 56, 40), image)
    rolled = warp_view(image, SimilarityTransform(1, complex(5, 3)), 56, 40, "wrap")
    torch.testing.assert_close(rolled, image.roll((-3, -5), (2, 3)), atol=1e-5, rtol=0)


def test_view_from_afar_is_antialiased() -> None:
    noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert warp_view(noise, SimilarityTransform(8), 8, 8).std() < 0.1 < noise.std()


def find_spot(picture: np.ndarray) -> complex:
    """Return the centre of the pixels brighter than the background, in pixels."""
    weight = picture.astype(float).mean(axis=2) - 40
    weight[weight < 4] = 0
    y, x = np.mgrid[0 : weight.shape[0], 0 : weight.shape[1]]
    return complex((x * weight).sum(), (y * weight).sum()) / weight.sum()


def draw_spot(x: float, y: float) -> np.ndarray:
    """Return a picture (121, 161, 3) with a soft bright spot."""
    down, across = np.mgrid[0:121, 0:161]
    bright = 200 * np.exp(-((across - x) ** 2 + (down - y) ** 2) / 18)
    return np.repeat((40 + bright)[..., None].round().astype(np.uint8), 3, axis=2)


@pytest.mark.parametrize("fps", [5.0, 12.0, 30.0])
def test_camera_moves_at_the_set_speed(noise_network: Network, fps: float) -> None:
    still = replace(DREAM, iterations=0)
    zoom = ZoomOptions(seconds=1.4, fps=fps, speed=1.5, rotation=20, drift_x=-5, centre_x=40)
    picture, centre = draw_spot(80, 50), complex(64, 60)
    start = find_spot(picture)
    for frame in dream_zoom(picture, noise_network, still, zoom):
        camera = make_camera_transform(float(frame.time), 1.5, 20, centre, complex(-0.05 * 161))
        assert abs(find_spot(frame.picture) - camera.inverse()(start)) < 0.25


def test_rotation_is_clockwise_and_speed_enlarges(noise_network: Network) -> None:
    still = replace(DREAM, iterations=0)
    zoom = ZoomOptions(seconds=2, fps=1, speed=2, rotation=90)
    _, after = dream_zoom(draw_spot(100, 60), noise_network, still, zoom)
    # From the right of the centre to below it.
    assert abs(find_spot(after.picture) - complex(80, 100)) < 0.5


# --- appearance


def test_image_of_the_target_appearance_is_left_as_it_is() -> None:
    image = picture_to_tensor(make_texture(64, 80))
    target = AppearanceStats.measure(image)
    torch.testing.assert_close(match_appearance(image, target, 1.0), image, atol=2e-3, rtol=0)
    assert match_appearance(image, target, 0) is image


def test_grey_and_soft_image_is_pulled_back_to_its_appearance() -> None:
    image = picture_to_tensor(make_texture(64, 80))
    target = AppearanceStats.measure(image)
    image = gaussian_blur(image, 1) * 0.5 + 0.3
    for _ in range(40):
        image = match_appearance(image, target, 0.3)
    reached = AppearanceStats.measure(image)
    torch.testing.assert_close(reached.mean, target.mean, atol=0.01, rtol=0)
    variances = reached.covariance.diag(), target.covariance.diag()
    torch.testing.assert_close(*variances, rtol=0.05, atol=0)
    torch.testing.assert_close(reached.band_rms, target.band_rms, rtol=0.1, atol=0)


# --- rendering


@pytest.mark.parametrize("loop", [False, True])
def test_tick_runs_on_meta_device(meta_network: Network, loop: bool) -> None:
    """A meta tensor holds no values: any read-back by the host raises."""
    zoom = ZoomOptions(seconds=1, fps=12, loop=loop, rotation=20)
    dream = replace(DREAM, iterations=1)  # which steps are made, not how many, counts here
    pipeline = ZoomPipeline(make_texture(48, 64), meta_network, dream, zoom)
    for time in (Fraction(0), Fraction(1, 30), Fraction(29, 30)):
        view = pipeline.view_at(time)
        assert view.device.type == "meta"
        assert view.shape == (1, 3, 48, 64)


def test_zoom_begins_with_the_picture_and_dreams(noise_network: Network) -> None:
    frames = render_frames(noise_network)
    assert [frame.index for frame in frames] == list(range(12))
    assert frames[6].time == Fraction(1, 2)
    assert np.array_equal(frames[0].picture, make_texture(48, 64))
    objective = Objective.parse(noise_network, DREAM.layer)
    first, last = (objective.value(picture_to_tensor(frames[n].picture)) for n in (0, -1))
    assert last > 1.5 * first


def test_frames_are_the_same_at_every_frame_rate(noise_network: Network) -> None:
    slow, medium, fast = (
        {
            frame.time: frame.picture
            for frame in render_frames(noise_network, replace(ZOOM, fps=fps))
        }
        for fps in (6.0, 12.0, 30.0)
    )
    for other in (medium, fast):
        shared = slow.keys() & other.keys()
        assert len(shared) == 6
        assert all(np.array_equal(slow[time], other[time]) for time in shared)


def test_frames_between_ticks_are_as_sharp_as_those_at_ticks(noise_network: Network) -> None:
    frames = render_frames(noise_network, ZoomOptions(seconds=1.5, fps=60))[60:]
    sharpnesses = [sharpness(frame) for frame in frames]
    assert min(sharpnesses) > 0.85 * max(sharpnesses)
    steps = [mean_difference(one, other) for one, other in itertools.pairwise(frames)]
    assert max(steps) < 1.5 * np.median(steps)


def test_frames_depend_on_the_seed_alone(noise_network: Network) -> None:
    one, again = render_frames(noise_network), render_frames(noise_network)
    other = render_frames(noise_network, dream=replace(DREAM, seed=1))
    assert all(np.array_equal(a.picture, b.picture) for a, b in zip(one, again, strict=True))
    assert not np.array_equal(one[-1].picture, other[-1].picture)


@pytest.mark.parametrize("loop", [False, True])
def test_resumed_zoom_is_bit_identical(noise_network: Network, loop: bool) -> None:
    zoom = replace(ZOOM, fps=10, loop=loop, rotation=20)

    def build() -> ZoomPipeline:
        return ZoomPipeline(make_texture(48, 64), noise_network, DREAM, zoom)

    whole = list(build())
    assert len(whole) == build().total
    for stop in (2, 7, 12, 14) if loop else (1, 5, 9):  # a loop's lead-in and dissolve, too
        first = build()
        for _ in itertools.islice(first, stop):
            pass
        second = build()
        second.restore(first.state())
        assert second.done == stop
        for frame, expected in zip(second, whole[stop:], strict=True):
            assert (frame is None) == (expected is None)
            if frame is not None and expected is not None:
                assert frame.index == expected.index
                assert np.array_equal(frame.picture, expected.picture)


# --- loops


def difference_from_steps(frames: list[Frame]) -> tuple[float, list[float]]:
    """Return the difference between the last frame and the first, and those between the others."""
    steps = [mean_difference(one, other) for one, other in itertools.pairwise(frames)]
    return mean_difference(frames[-1], frames[0]), steps


@pytest.mark.parametrize(
    "camera",
    [{"speed": 1.5}, {"speed": 1.1}, {"speed": 4.0}, {"rotation": 20.0, "drift_x": 5.0}],
    ids=lambda camera: ",".join(camera),
)
def test_loop_closes_without_a_seam(noise_network: Network, camera: dict[str, float]) -> None:
    zoom = replace(ZoomOptions(seconds=3, fps=12, loop=True), **camera)  # type: ignore[arg-type]
    frames = render_frames(noise_network, zoom)
    seam, steps = difference_from_steps(frames)
    assert seam < 1.05 * np.median(steps)
    open_seam, _ = difference_from_steps(render_frames(noise_network, replace(zoom, loop=False)))
    assert seam < 0.6 * open_seam


def test_first_frame_of_a_loop_is_like_its_neighbours() -> None:
    """With a network that draws forms: one of noise gives every frame the same hatching."""
    pocket = load_network("pocket", device="cpu", precision="float32")
    picture = cv2.resize(read_picture(SAMPLE_STILL), (96, 64), interpolation=cv2.INTER_AREA)
    zoom = ZoomOptions(seconds=2, fps=24, loop=True)
    frames = list(dream_zoom(picture, pocket, DreamOptions(octaves=3), zoom))
    seam, steps = difference_from_steps(frames)
    assert seam < 1.05 * np.median(steps)
    neighbours = (sharpness(frames[-1]) + sharpness(frames[1])) / 2
    assert sharpness(frames[0]) == pytest.approx(neighbours, rel=0.05)
    # The last steps are those of a zoom alone: the dissolve is over.
    assert seam == pytest.approx(np.mean(steps[-3:] + steps[:3]), rel=0.1)


def test_layers_of_a_loop_come_round(noise_network: Network) -> None:
    zoom = ZoomOptions(seconds=4, fps=12, layers="conv1/7x7_s2, conv2/3x3", loop=True)
    seam, steps = difference_from_steps(render_frames(noise_network, zoom))
    assert seam < 1.3 * np.median(steps)


def test_shortest_loop_has_a_lead_in(noise_network: Network) -> None:
    zoom = ZoomOptions(seconds=1 / 24, fps=24, loop=True)
    assert len(render_frames(noise_network, zoom)) == 1


@pytest.fixture(scope="module")
def closure() -> tuple[LoopClosure, CameraPath]:
    zoom = ZoomOptions(seconds=4, loop=True)
    path = CameraPath(zoom, make_zoom_timeline(zoom), 128, 64, 0)
    return LoopClosure(path), path


def image_of(path: CameraPath, value: float) -> torch.Tensor:
    size = path.height + 2 * path.margin_px, path.width + 2 * path.margin_px
    return torch.full((1, 3, *size), value)


def dissolve_all(
    closure: LoopClosure, state: torch.Tensor, lead_in: torch.Tensor
) -> list[torch.Tensor]:
    """Return what two images that do not change are at each tick of the dissolve."""
    states: list[torch.Tensor] = []
    for tick in closure.ticks:
        state = closure.dissolve(state, lead_in, tick)
        states.append(state)
    return states


def test_loop_dissolves_in_circles_about_the_centre(
    closure: tuple[LoopClosure, CameraPath],
) -> None:
    """No rectangle: what has changed depends on the distance from where the camera goes alone."""
    dark, bright = (image_of(closure[1], value) for value in (0.49, 0.51))
    states = dissolve_all(closure[0], dark, bright)
    share = [(state[0, 0] - 0.49) / 0.02 for state in states]
    state = share[len(states) // 2]
    height, width = state.shape
    assert state[height // 2, width // 2] - state[0, 0] > 0.5
    middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
    for radius in (10, 20, 30):
        circle = [
            state[
                round(middle_y + radius * np.sin(angle)), round(middle_x + radius * np.cos(angle))
            ]
            for angle in np.linspace(0, 2 * np.pi, 16)
        ]
        assert max(circle) - min(circle) < 0.15
    assert all(bool((after >= before - 0.01).all()) for before, after in itertools.pairwise(share))
    torch.testing.assert_close(share[-1], torch.ones_like(state), atol=0.02, rtol=0)


def test_strong_forms_come_first_and_go_last(closure: tuple[LoopClosure, CameraPath]) -> None:
    flat = image_of(closure[1], 0.5)
    height, width = flat.shape[2:]
    forms = flat.clone()
    generator = torch.Generator().manual_seed(0)
    left = (slice(None), slice(None), slice(None), slice(0, width // 2))
    forms[left] += 0.4 * (torch.rand(1, 3, height, width // 2, generator=generator) - 0.5)

    def form_at_half(state: torch.Tensor, lead_in: torch.Tensor) -> float:
        states = dissolve_all(closure[0], state, lead_in)
        return float(states[len(states) // 2][left].std() / forms[left].std())

    assert form_at_half(flat, forms) > 0.6
    assert form_at_half(forms, flat) > 0.6


def test_mixed_forms_keep_their_contrast(closure: tuple[LoopClosure, CameraPath]) -> None:
    one, other = (
        coloured_noise(*image_of(closure[1], 0).shape[:1:-1], seed=seed) for seed in (1, 2)
    )
    states = dissolve_all(closure[0], picture_to_tensor(one), picture_to_tensor(other))
    wanted = (one.std() + other.std()) / 2 / 255
    assert all(float(state.std()) > 0.9 * wanted for state in states)
    same = dissolve_all(closure[0], picture_to_tensor(one), picture_to_tensor(one))
    torch.testing.assert_close(same[-1], picture_to_tensor(one), atol=2e-3, rtol=0)


def test_appearance_is_steady_over_200_ticks(noise_network: Network) -> None:
    zoom = ZoomOptions(seconds=17, fps=6, rotation=15, drift_x=5, speed=1.3)
    frames = render_frames(noise_network, zoom)
    pictures = np.stack([frame.picture.astype(float) for frame in frames])
    early, late = pictures[6:12], pictures[-6:]
    mean, spread = early.mean((0, 1, 2)), early.std((1, 2)).mean(0)
    np.testing.assert_allclose(late.mean((0, 1, 2)), mean, rtol=0.08)
    np.testing.assert_allclose(late.std((1, 2)).mean(0), spread, rtol=0.12)
    sharpnesses = [sharpness(frame) for frame in frames[12:]]
    assert max(sharpnesses) < 1.7 * min(sharpnesses)
    sides = [pictures[-40:, :8], pictures[-40:, -8:], pictures[-40:, :, :8], pictures[-40:, :, -8:]]
    middle = pictures[-40:, 16:32, 20:44].std()
    for side in sides:
        assert side.std() == pytest.approx(middle, rel=0.35), "the borders are dreamed too"


# --- layers


def test_every_layer_has_the_same_share_of_the_time() -> None:
    options = schedule_zoom_layers(ZoomOptions(layers="a, b,c,d"), DREAM)
    schedule, timeline = options.layers, Timeline(Fraction(100), Fraction(8))
    seconds: dict[str, float] = dict.fromkeys("abcd", 0.0)
    for moment in timeline.moments():
        shares = {str(target): weight for target, weight in schedule.at(moment).weights.items()}
        assert 1 <= len(shares) <= 2
        assert sum(weight**2 for weight in shares.values()) == pytest.approx(1)
        for layer, weight in shares.items():
            seconds[layer] += weight**2 / 100
    assert list(seconds.values()) == pytest.approx([2, 2, 2, 2], abs=0.05)
    assert schedule.at(timeline.moment_at(Fraction(0))) == parse_blend(["a"])
    assert schedule.at(timeline.moment_at(Fraction(8))) == parse_blend(["d"])


def test_loop_returns_to_its_first_layer() -> None:
    options = schedule_zoom_layers(ZoomOptions(layers="a,b,c", loop=True), DREAM)
    schedule, timeline = options.layers, Timeline(Fraction(100), Fraction(6))
    blends = [schedule.at(timeline.moment_at(Fraction(s))) for s in (0, 2, 4, 6)]
    assert blends == [parse_blend([name]) for name in "abca"]
    assert schedule_zoom_layers(ZoomOptions(layers="a"), DREAM).layer == ("0%: a",)
    assert schedule_zoom_layers(ZoomOptions(), DREAM) is DREAM


def test_layers_fade_without_a_jump(noise_network: Network) -> None:
    zoom = ZoomOptions(seconds=5, fps=12, layers="conv1/7x7_s2, inception_3a/output, conv2/3x3")
    frames = render_frames(noise_network, zoom)[12:]
    steps = [mean_difference(one, other) for one, other in itertools.pairwise(frames)]
    assert max(steps) < 2 * np.median(steps)


@pytest.mark.parametrize(
    ("zoom", "size", "culprit"),
    [
        (ZoomOptions(layers="conv2/3x3,nowhere"), (48, 64), "'nowhere'"),
        (ZoomOptions(layers="conv2/3x3,,"), (48, 64), "layers"),
        (ZoomOptions(speed="0: 1, 20s: 2"), (48, 64), "20s"),
        (ZoomOptions(layers="conv2/3x3,inception_5b/output"), (12, 12), "inception_5b/output"),
        (ZOOM, (4, 90), "90x4"),
    ],
)
def test_impossible_zoom_is_refused(
    noise_network: Network, zoom: ZoomOptions, size: tuple[int, int], culprit: str
) -> None:
    with pytest.raises(SettingsError, match=culprit):
        ZoomPipeline(make_texture(*size), noise_network, DREAM, zoom)


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("fps", [12, 24, 29.97])
def test_a_zoom_tells_beforehand_how_much_it_dreams(
    noise_network: Network, loop: bool, fps: float
) -> None:
    zoom = replace(ZOOM, loop=loop, fps=fps, speed=1.5)
    pipeline = ZoomPipeline(make_texture(48, 64), noise_network, DREAM, zoom)
    assert count_zoom_frames(zoom, pipeline.timeline, 48, 64, DREAM.seed) == pipeline.total


# --- the first picture


@given(st.integers(16, 90), st.integers(16, 90), st.integers(0, 2**32 - 1))
def test_noise_has_medium_brightness_and_contrast(width: int, height: int, seed: int) -> None:
    noise = coloured_noise(width, height, seed)
    assert noise.shape == (height, width, 3)
    assert noise.dtype == np.uint8
    assert np.array_equal(noise, coloured_noise(width, height, seed))
    assert 0.35 < noise.mean() / 255 < 0.55
    assert 0.08 < noise.std() / 255 < 0.3


def test_start_picture_is_cropped_about_the_centre(tmp_path: Path) -> None:
    picture = np.zeros((60, 120, 3), np.uint8)
    picture[:, :60] = 255
    write_picture(tmp_path / "half.png", picture)

    def start_picture(source: Path | None, **zoom: object) -> np.ndarray:
        settings = ZoomSettings(zoom=ZoomOptions(**zoom))  # type: ignore[arg-type]
        return make_zoom_start_picture(source, settings)

    half = tmp_path / "half.png"
    assert start_picture(half, size="60x60", centre_x=0).min() == 255
    assert start_picture(half, size="60x60", centre_x="0: 100, 1s: 0").max() == 0
    assert start_picture(half, size="30").shape == (16, 30, 3)
    assert start_picture(half).shape == (320, 640, 3)
    assert start_picture(None, size="50x40").shape == (40, 50, 3)
    assert start_picture(None).shape == (360, 640, 3)


def test_length_is_a_whole_number_of_frames() -> None:
    timeline = make_zoom_timeline(ZoomOptions(seconds=2, fps=29.97))
    assert timeline.rate == Fraction(30000, 1001)
    assert timeline.length * timeline.rate == 60
    assert make_zoom_timeline(ZoomOptions(seconds=0.001)).length == Fraction(1, 24)


# --- the command


def test_command_zooms_into_a_picture(tmp_path: Path, cli: Cli) -> None:
    out = tmp_path / "zoom.mp4"
    run = cli("zoom", SAMPLE_STILL, out, *SMALL, "--seconds", "0.5", "--rotation", "30*t")
    assert run.code == 0
    assert run.err == ""
    assert run.out.startswith(f"{out}: 12 frames, 0.50 s of 64x48")
    record = json.loads((tmp_path / "zoom.mp4.json").read_text())
    assert (record["command"], record["source"]) == ("zoom", SAMPLE_STILL.name)
    assert record["settings"]["rotation"] == "30*t"
    assert record["settings"]["seconds"] == 0.5
    assert len(list(open_clip(out))) == 12


def test_command_repeats_a_zoom_into_noise_from_its_record(tmp_path: Path, cli: Cli) -> None:
    one, again = tmp_path / "one", tmp_path / "again"
    assert cli("zoom", one, *SMALL, "--seconds", "0.25", "--seed", "3").code == 0
    assert cli("zoom", again, "--like-all", one).code == 0
    assert json.loads((one / "settings.json").read_text())["source"] == "noise"
    for number in range(6):
        name = f"frame_{number:06d}.png"
        assert np.array_equal(read_picture(one / name), read_picture(again / name))


def test_command_zooms_into_a_frame_of_a_clip(tmp_path: Path, cli: Cli) -> None:
    film = make_film(tmp_path / "film.mp4", frames=24, size="64x48")
    still = ("--size", "64x48", "--seconds", "0.25", "--iterations", "0", "--speed", "1")
    run = cli("zoom", film, tmp_path / "z", *still, "--at", "20")
    assert run.code == 0, run.err
    frame = list(open_clip(film))[20].picture.astype(int)
    assert np.abs(frame - read_picture(tmp_path / "z" / "frame_000000.png")).max() <= 1
    assert json.loads((tmp_path / "z" / "settings.json").read_text())["at"] == "20"
    run = cli("zoom", film)
    assert run.code == 1
    assert f"zoom {film} zoom.mp4 --at 2s`" in run.err


def test_job_of_another_frame_is_not_resumed(tmp_path: Path, noise_network: Network) -> None:
    film = make_film(tmp_path / "film.mp4", frames=24, size="64x48")
    settings = ZoomSettings(DREAM, replace(ZOOM, size="64"))

    def render(at: str, stop: int | None = None) -> None:
        def progress(done: int, total: int) -> None:
            if done == stop:
                raise Interruption

        picture = make_zoom_start_picture(film, settings, at)
        out = tmp_path / "z.mp4"
        render_zoom(film, picture, out, noise_network, settings, RenderControls(progress), at)

    with pytest.raises(Interruption):
        render("3", stop=2)
    with pytest.raises(SettingsError, match="frame at 3"):
        render("4")
    render("3")
    assert (tmp_path / "z.mp4").exists()


def test_reverse_plays_the_same_frames_backwards(tmp_path: Path, cli: Cli) -> None:
    forward, backward = tmp_path / "forward", tmp_path / "backward"
    assert cli("zoom", SAMPLE_STILL, forward, *SMALL, "--seconds", "0.25").code == 0
    assert cli("zoom", SAMPLE_STILL, backward, *SMALL, "--seconds", "0.25", "--reverse").code == 0
    for number in range(6):
        one = read_picture(forward / f"frame_{number:06d}.png")
        other = read_picture(backward / f"frame_{5 - number:06d}.png")
        assert np.array_equal(one, other)
    assert {path.name for path in tmp_path.iterdir()} == {"forward", "backward"}


def test_interrupted_reversed_zoom_is_resumed(tmp_path: Path, noise_network: Network) -> None:
    settings = ZoomSettings(DREAM, replace(ZOOM, reverse=True))
    picture, expected = make_texture(48, 64), render_frames(noise_network)

    def render(stop: int | None) -> None:
        def progress(done: int, total: int) -> None:
            assert total == 24
            if done == stop:
                raise KeyboardInterrupt

        controls = RenderControls(progress)
        render_zoom(None, picture, tmp_path / "away", noise_network, settings, controls)

    for stop in (5, 17):  # while dreaming, and while playing backwards
        with pytest.raises(KeyboardInterrupt):
            render(stop)
    render(None)
    for frame, other in zip(open_clip(tmp_path / "away"), reversed(expected), strict=True):
        assert np.array_equal(frame.picture, other.picture)
    assert {path.name for path in tmp_path.iterdir()} == {"away"}


def test_reversed_zoom_needs_all_of_its_own_forward_frames(
    tmp_path: Path, noise_network: Network
) -> None:
    settings = ZoomSettings(DREAM, replace(ZOOM, reverse=True, seconds=0.25))
    out, forwards = tmp_path / "away", tmp_path / "away_forwards"

    def stop_while_playing_backwards(picture: np.ndarray) -> None:
        def progress(done: int, total: int) -> None:
            if done > total // 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            render_zoom(None, picture, out, noise_network, settings, RenderControls(progress))

    stop_while_playing_backwards(make_texture(48, 64))
    shutil.rmtree(job_folder_path(out))
    last = sorted(forwards.glob("frame_*.png"))[-1]
    last.unlink()
    stop_while_playing_backwards(make_texture(48, 64))
    assert last.exists()
    shutil.rmtree(job_folder_path(out))
    with pytest.raises(SettingsError, match="away_forwards"):
        render_zoom(None, make_texture(48, 64, 1), out, noise_network, settings)


def test_foreign_folder_of_forward_frames_is_not_touched(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "away_forwards").mkdir()
    (tmp_path / "away_forwards" / "mine.txt").write_text("mine")
    run = cli("zoom", tmp_path / "away.mp4", *SMALL, "--seconds", "0.1", "--reverse")
    assert run.code == 1
    assert "away_forwards" in run.err
    run = cli("zoom", tmp_path / "away.mp4", *SMALL, "--seconds", "0.1", "--reverse", "--fresh")
    assert run.code == 1
    assert (tmp_path / "away_forwards" / "mine.txt").exists()


def test_like_takes_settings_of_a_video_that_mean_the_same(tmp_path: Path, cli: Cli) -> None:
    record = {"dreamflow": "1", "settings": {"fps": None, "size": "64", "every": 2, "decay": 0.5}}
    (tmp_path / "clip.json").write_text(json.dumps({**record, "command": "video"}))
    run = cli(
        "zoom", tmp_path / "z", *SMALL[2:], "--like-all", tmp_path / "clip.json", "--seconds", ".1"
    )
    assert run.code == 0, run.err
    assert json.loads((tmp_path / "z" / "settings.json").read_text())["settings"]["fps"] == 24.0


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        ((), "dreamflow zoom OUT"),
        (("photo.jpg",), "dreamflow zoom photo.jpg zoom.mp4"),
        (("nowhere.jpg", "z.mp4"), "nowhere.jpg"),
        (("z.mp4", "--speed", "nan"), "--speed"),
        (("z.mp4", "--speed", "0.5"), "at least 1"),
        (("z.mp4", "--seconds", "0"), "--seconds"),
        (("z.mp4", "--centre-x", "101"), "--centre-x 101"),
        (("z.mp4", "--layers", "conv2/3x3,inception_3b/out"), "'inception_3b/out'"),
        (("z.mp4", "--layers", ","), "--layers"),
        (("z.mp4", "--size", "large"), "large"),
        (("z.mp4", "--speed", "0: 1, 0: 2"), "speed"),
        (("z.doc",), ".doc"),
    ],
)
def test_bad_input_is_refused_in_one_line(
    tmp_path: Path,
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    culprit: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    run = cli("zoom", *arguments)
    assert run.code == 1
    assert culprit in run.err
    assert run.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_settings_of_depth_are_said_to_do_nothing(tmp_path: Path) -> None:
    settings = {"output_space": "PQ", "hdr": "keep", "codec": "h265", "layers_out": "dream"}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        warn_of_idle_settings(tmp_path / "z.mp4", EncodeOptions(**settings))
        warn_of_idle_settings(tmp_path / "z_%d.exr", EncodeOptions(layers_out="all"))
        warn_of_idle_settings(tmp_path / "z.mp4", EncodeOptions())
    messages = [one.message for one in said]
    assert all(isinstance(one, IneffectiveSettingWarning) for one in messages)
    named = [one.settings for one in messages if isinstance(one, IneffectiveSettingWarning)]
    assert named == [["hdr"], ["output_space"], ["layers_out"]]


def test_zoom_presets_set_a_rotation() -> None:
    for name in ("descent", "whirl"):
        _, settings = load_preset(name)
        assert "rotation" in settings
