"""DreamFlow from Python: settings as keywords, presets by name, pictures as people hold them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import SAMPLE_CLIP, SAMPLE_STILL, make_texture, refused
from PIL import Image

import dreamflow
from dreamflow import CarryOptions, DreamOptions, ShowOptions, SweepOptions, ZoomOptions
from dreamflow.core.errors import DreamFlowError, DreamFlowWarning, SettingsError
from dreamflow.core.machine import threads as thread_measurement
from dreamflow.media.options import ClipOptions
from dreamflow.media.stills.write import write_picture
from dreamflow.networks.network import Network

FAST: dict[str, Any] = {"octaves": 1, "iterations": 1, "layer": "conv1/7x7_s2"}


def pictures(frames: Iterator[dreamflow.Frame]) -> list[np.ndarray]:
    return [frame.picture for frame in frames]


def equal(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return len(one) == len(other) and all(map(np.array_equal, one, other))


@pytest.fixture
def clip() -> dreamflow.Clip:
    return dreamflow.open_clip(SAMPLE_CLIP, size="48", end=3)


# --- settings as keywords


def test_keywords_are_settings_of_every_group(clip: dreamflow.Clip, noise_network: Network) -> None:
    plain = dreamflow.dream_video(
        clip,
        noise_network,
        "conv1/7x7_s2",
        DreamOptions(octaves=2, iterations=1, step=3),
        CarryOptions(stability=0.9),
        show=ShowOptions(strength=0.5),
    )
    more = {"step": 3, "stability": 0.9, "strength": 0.5, "octaves": 2}
    assert equal(
        pictures(plain),
        pictures(dreamflow.dream_video(clip, noise_network, **{**FAST, **more})),
    )


def test_keywords_override_a_preset_which_overrides_options(
    clip: dreamflow.Clip, noise_network: Network, tmp_path: Path
) -> None:
    (tmp_path / "mine.toml").write_text('layer = "conv1/7x7_s2"\niterations = 3\nstep = 2\n')
    options = DreamOptions(iterations=9, octaves=1, step=9)
    mixed = dreamflow.dream_video(
        clip, noise_network, options=options, preset=str(tmp_path / "mine.toml"), iterations=1
    )
    plain = dreamflow.dream_video(clip, noise_network, **FAST, step=2)
    assert equal(pictures(mixed), pictures(plain))


@pytest.mark.parametrize("preset", ["fur", "whisper", "whirl"])
def test_presets_have_names(noise_network: Network, preset: str) -> None:
    picture = make_texture(64, 64)
    if preset == "whirl":  # a preset of zooms
        with pytest.warns(DreamFlowWarning, match="speed"):
            dreamflow.dream_image(picture, noise_network, preset=preset, octaves=1, iterations=1)
        return
    dream = dreamflow.dream_image(picture, noise_network, preset=preset, octaves=1, iterations=1)
    other = dreamflow.dream_image(picture, noise_network, octaves=1, iterations=1)
    assert not np.array_equal(dream, other)


def test_american_spelling_is_understood(noise_network: Network) -> None:
    picture = make_texture(64, 64)
    american = dreamflow.dream_image(picture, noise_network, **FAST, color="luminance")
    british = dreamflow.dream_image(picture, noise_network, **FAST, colour="luminance")
    assert np.array_equal(american, british)


def test_sweeps_and_zooms_take_keywords(noise_network: Network) -> None:
    picture = make_texture(48, 64)
    layers = ["conv1/7x7_s2", "conv2/3x3"]
    few = {"octaves": 1, "iterations": 1}
    plain = dreamflow.dream_sweep(
        picture,
        noise_network,
        SweepOptions(layers=",".join(layers), seconds=0.25),
        DreamOptions(octaves=1, iterations=1),
    )
    given = dreamflow.dream_sweep(picture, noise_network, layers=layers, seconds=0.25, **few)
    assert equal(pictures(plain), pictures(given))
    zoom = dreamflow.dream_zoom(
        picture, noise_network, DreamOptions(octaves=1, iterations=1), ZoomOptions(seconds=0.2)
    )
    again = dreamflow.dream_zoom(picture, noise_network, seconds=0.2, **few)
    assert equal(pictures(zoom), pictures(again))


@pytest.mark.parametrize(
    ("call", "setting"),
    [
        (lambda net: dreamflow.dream_video([], net, octave=5), "octave"),
        (lambda net: dreamflow.dream_video([], net, size="64"), "size"),
        (lambda net: dreamflow.dream_image(make_texture(9, 9), net, stability=1), "stability"),
        (lambda net: dreamflow.dream_image(make_texture(9, 9), net, preset="furr"), "preset"),
        (lambda net: dreamflow.dream_image(make_texture(9, 9), net, octaves="5"), "octaves"),
        (lambda net: dreamflow.dream_video([], net, octaves=99), "octaves"),
        (lambda net: dreamflow.dream_zoom(make_texture(9, 9), net, sped=2), "sped"),
        (lambda net: dreamflow.dream_sweep(make_texture(9, 9), net, holds=2), "holds"),
    ],
)
def test_wrong_keywords_are_named(
    call: Callable[[Network], Any], setting: str, noise_network: Network
) -> None:
    with refused(setting):
        call(noise_network)


# --- pictures


def test_a_picture_may_be_an_array_an_image_or_a_path(
    tmp_path: Path, noise_network: Network
) -> None:
    picture = make_texture(48, 64)
    write_picture(tmp_path / "p.png", picture)
    sources = [picture, Image.fromarray(picture), tmp_path / "p.png", str(tmp_path / "p.png")]
    first, *others = [dreamflow.dream_image(s, noise_network, **FAST) for s in sources]
    assert all(np.array_equal(first, other) for other in others)


def test_an_image_of_any_mode_is_read_as_its_file_would_be(
    tmp_path: Path, noise_network: Network
) -> None:
    grey = make_texture(40, 56)[..., 0]
    sixteen = Image.fromarray((grey.astype(np.uint16) * 257).astype(np.uint16))
    for number, image in enumerate(
        [Image.fromarray(grey), Image.fromarray(make_texture(40, 56)).quantize(16), sixteen]
    ):
        path = tmp_path / f"{number}.png"
        image.save(path)
        from_image = dreamflow.dream_image(image, noise_network, **FAST)
        assert np.array_equal(from_image, dreamflow.dream_image(path, noise_network, **FAST))


def test_a_rotated_image_is_turned(noise_network: Network) -> None:
    image = Image.fromarray(make_texture(32, 48))
    image.getexif()[0x0112] = 6  # orientation: a quarter turn
    assert dreamflow.dream_image(image, noise_network, iterations=0).shape == (48, 32, 3)


def test_transparency_of_an_image_is_warned_of(noise_network: Network) -> None:
    image = Image.fromarray(make_texture(32, 48))
    image.putalpha(100)
    with pytest.warns(DreamFlowWarning, match="transparency"):
        dreamflow.dream_image(image, noise_network, iterations=0)


@pytest.mark.parametrize(
    "wrong",
    [
        make_texture(32, 48).astype(np.float32) / 255,
        make_texture(32, 48)[..., 0],
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((32, 32, 4), np.uint8),
        [[1, 2, 3]],
        None,
    ],
    ids=["floats", "grey", "empty", "rgba", "a list", "nothing"],
)
def test_what_is_no_picture_is_refused(wrong: Any, noise_network: Network) -> None:
    with refused("picture"):
        dreamflow.dream_image(wrong, noise_network)


def test_a_missing_picture_is_named(noise_network: Network) -> None:
    with pytest.raises(DreamFlowError) as error:
        dreamflow.dream_image("nowhere.jpg", noise_network)
    assert error.value.where == "nowhere.jpg"


def test_a_clip_may_be_a_path(noise_network: Network) -> None:
    one = next(iter(dreamflow.dream_video(SAMPLE_CLIP, noise_network, iterations=0)))
    assert np.array_equal(one.picture, dreamflow.open_clip(SAMPLE_CLIP).first_picture())


def test_a_still_is_swept_from_its_path(noise_network: Network, tmp_path: Path) -> None:
    write_picture(tmp_path / "p.png", make_texture(32, 48))
    sweep = dreamflow.dream_sweep(
        tmp_path / "p.png",
        noise_network,
        layers="conv1/7x7_s2",
        seconds=0.1,
        **{
            "octaves": 1,
            "iterations": 1,
        },
    )
    assert next(iter(sweep)).picture.shape == (32, 48, 3)


# --- numbers, errors, threads


@pytest.mark.parametrize("text", ["5", " 5", "5.0", "1e3", "-1"])
@pytest.mark.parametrize("name", ["octaves", "step", "iterations"])
def test_a_number_in_quotation_marks_is_refused(name: str, text: str) -> None:
    with refused(name):
        DreamOptions(**{name: text})


def test_schedules_and_arithmetic_are_texts() -> None:
    assert DreamOptions(step="1 + 0.5").step == 1.5
    assert set(DreamOptions(step="0: 1, 2s: 3").schedules) == {"step"}


@pytest.mark.parametrize(
    "contradiction",
    [
        lambda: CarryOptions(loop=True, passes=2),
        lambda: DreamOptions(octave_iterations="1,2"),
        lambda: DreamOptions(octave_iterations=[1, 2, 3, 4], octaves="0: 4, 1s: 2"),
        lambda: DreamOptions(channels="strong"),
        lambda: DreamOptions(layer=()).layers,
        lambda: ClipOptions(start="soon"),
        lambda: dreamflow.open_clip(SAMPLE_CLIP, size="0"),
        lambda: dreamflow.load_network("pocket", device="gpu"),
        lambda: dreamflow.load_network("pockte"),
        lambda: dreamflow.load_network("pocket", precision="half"),
    ],
)
def test_errors_name_settings_as_python_does(contradiction: Callable[[], Any]) -> None:
    with pytest.raises(SettingsError) as error:
        contradiction()
    assert error.value.setting
    assert "--" not in str(error.value)


def test_a_list_of_iterations_is_a_setting() -> None:
    options = DreamOptions(octave_iterations=[30, 20, 10, 3, 0], octaves=5)  # type: ignore[arg-type]
    assert options.iterations_by_octave == [30, 20, 10, 3, 0]


@pytest.fixture
def same_threads() -> Iterator[int]:
    before = torch.get_num_threads()
    yield before
    torch.set_num_threads(before)


def test_threads_are_measured_as_by_the_command_line(
    same_threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []

    def time_convolutions(threads: int) -> float:
        measured.append(threads)
        torch.set_num_threads(threads)
        return 1.0 / threads

    monkeypatch.setattr(
        thread_measurement.find_fastest_thread_count, "__defaults__", (None, time_convolutions)
    )
    monkeypatch.setattr(thread_measurement, "default_thread_count", lambda: 2)
    network = dreamflow.load_network()
    assert network.machine.threads == torch.get_num_threads() == 2
    assert set(measured) == {1, 2}
    measured.clear()
    assert dreamflow.load_network(threads=1).machine.threads == torch.get_num_threads() == 1
    assert not measured


def test_the_functions_say_what_they_take() -> None:
    for function in (
        dreamflow.dream_image,
        dreamflow.dream_video,
        dreamflow.dream_sweep,
        dreamflow.dream_zoom,
    ):
        assert "preset" in inspect.signature(function).parameters


def test_the_sample_is_dreamed_in_three_lines(noise_network: Network) -> None:
    dream = dreamflow.dream_image(SAMPLE_STILL, noise_network, iterations=0)
    assert np.array_equal(dream, dreamflow.read_picture(SAMPLE_STILL))
