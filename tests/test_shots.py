"""Hard cuts are found, and flashes, fades, pans and black are told apart from them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import SAMPLE_CLIP, CommandResult, make_film, make_texture

from dreamflow.core.errors import MediaError, SettingsError
from dreamflow.core.frames import Frame
from dreamflow.dream.options import DreamOptions
from dreamflow.media.read.clip import open_clip
from dreamflow.media.read.cut_list import format_cut_list, read_cut_list
from dreamflow.networks.network import Network
from dreamflow.pipelines.video import VideoDreamer, dream_video
from dreamflow.temporal.options import CarryOptions
from dreamflow.temporal.shots import Mark, find_shots, marked_at

RATE = 24


def numbered(pictures: Sequence[np.ndarray]) -> list[Frame]:
    return [Frame(n, Fraction(n, RATE), picture) for n, picture in enumerate(pictures)]


def marks(pictures: Sequence[np.ndarray]) -> dict[int, str]:
    """Return the mark of every frame that is not just one more of its shot."""
    found = list(find_shots(numbered(pictures)))
    assert [frame.index for frame, _ in found] == list(range(len(pictures)))
    return {frame.index: mark.value for frame, mark in found if mark is not Mark.SAME}


def moving(seed: int, count: int, speed: int = 2) -> list[np.ndarray]:
    """Return frames (90, 160) of a camera that pans over a scene with fine detail."""
    made = np.random.default_rng(seed)
    grain = made.integers(0, 70, (60, 200, 3)).astype(np.uint8)
    scene = make_texture(180, 600, seed) // 2 + cv2.resize(grain, (600, 180))
    return [scene[20:110, 10 + speed * n : 170 + speed * n].copy() for n in range(count)]


def brighter(picture: np.ndarray, gain: float, offset: float) -> np.ndarray:
    return np.clip(picture * gain + offset, 0, 255).astype(np.uint8)


def test_a_cut_is_found_where_it_is() -> None:
    assert marks(moving(1, 9) + moving(2, 7)) == {0: "cut", 9: "cut"}


def test_a_cut_at_the_very_end_or_after_one_frame_is_found() -> None:
    assert marks(moving(1, 5) + moving(2, 1)) == {0: "cut", 5: "cut"}
    assert marks(moving(1, 1) + moving(2, 5)) == {0: "cut", 1: "cut"}


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_flash_is_no_cut(length: int) -> None:
    shot = moving(1, 12)
    white = np.random.default_rng(0).integers(190, 255, shot[0].shape).astype(np.uint8)
    shot[5 : 5 + length] = [white] * length
    assert marks(shot) == {0: "cut", **dict.fromkeys(range(5, 5 + length), "flash")}


def test_a_bright_flash_over_the_scene_is_no_cut() -> None:
    shot = moving(1, 9)
    shot[4] = brighter(shot[4], 0.3, 170)
    assert marks(shot) == {0: "cut"}


def test_a_fade_is_no_cut_and_what_comes_out_of_black_is_one() -> None:
    first, second = moving(1, 10), moving(2, 10)
    down = [brighter(p, 1 - n / 9, 0) for n, p in enumerate(first)]
    up = [brighter(p, n / 9, 0) for n, p in enumerate(second)]
    found = marks(moving(1, 4) + down + [np.zeros_like(first[0])] * 4 + up)
    assert len(found) == 2 and 18 <= max(found) <= 21
    assert marks(down + [np.zeros_like(first[0])] * 4 + [brighter(p, 0.9, 0) for p in first]) == {
        0: "cut"
    }, "the same scene after black is the same shot"


def test_a_dissolve_is_no_hard_cut() -> None:
    first, second = moving(1, 20), moving(2, 20)
    mixed = [
        (a * (1 - n / 19.0) + b * (n / 19.0)).astype(np.uint8)
        for n, (a, b) in enumerate(zip(first, second, strict=True))
    ]
    assert marks(mixed) == {0: "cut"}


@pytest.mark.parametrize("speed", [8, 20, 45])
def test_a_fast_pan_is_no_cut(speed: int) -> None:
    assert marks(moving(1, 9, speed)) == {0: "cut"}


def test_still_and_empty_clips_have_one_shot() -> None:
    assert marks([make_texture(40, 60)] * 5) == {0: "cut"}
    assert marks([np.zeros((40, 60, 3), np.uint8)] * 5) == {0: "cut"}
    assert marks([make_texture(2, 2)]) == {0: "cut"}
    assert marks([]) == {}


def test_frames_of_another_size_are_another_shot() -> None:
    assert marks([make_texture(40, 60)] * 3 + [make_texture(60, 60)] * 2) == {0: "cut", 3: "cut"}


def test_times_given_become_cuts() -> None:
    frames = numbered(moving(1, 8))
    found = [m.value for _, m in marked_at(frames, [Fraction(5, RATE), Fraction(3, RATE)])]
    assert found == ["cut", "same", "same", "cut", "same", "cut", "same", "same"]


@pytest.mark.clips
@pytest.mark.parametrize(
    "name, first, stop, cuts",
    [
        ("film_bikes_cuts.mp4", 0, 250, [30, 76, 137, 187, 242]),
        ("anime_onepiece_cut.mp4", 80, 130, [100]),
        ("ocean_wave_vp8_vorbis.webm", 130, 160, [144]),
        ("rooftop_pan_60fps_fullrange_aac.mp4", 290, 330, []),  # a fast pan
        ("cockatoo_yuv444_mp3.mp4", 140, 170, []),  # the bird fills the frame and leaves it
        ("handheld_screen_blur_aac.mov", 70, 100, []),  # whip pans, blurred
        ("webcam_vfr_aac.mov", 80, 100, []),  # a lamp goes on in the dark
    ],
)
def test_the_cuts_of_real_films(
    clips: Path, name: str, first: int, stop: int, cuts: list[int]
) -> None:
    found = find_shots(open_clip(clips / name, size="240", start=str(first), end=str(stop)))
    assert [frame.index for frame, mark in found if mark is not Mark.SAME] == [first, *cuts]


def carried(network: Network, frames: list[Frame], marked: Sequence[Mark]) -> list[np.ndarray]:
    """Return what is carried after each frame."""
    options = DreamOptions(layer=("conv2/3x3",), octaves=1, iterations=2)
    dreamer = VideoDreamer(network, options, CarryOptions(carry_iterations=1))
    found = []
    for frame, mark in zip(frames, marked, strict=True):
        dreamer(frame, mark)
        found.append(dreamer._carried[0].residual)
    return found


def test_nothing_is_carried_over_a_cut(noise_network: Network) -> None:
    frames = numbered(moving(1, 3))
    fresh = carried(noise_network, frames[2:], [Mark.CUT])[-1]
    cut = carried(noise_network, frames, [Mark.CUT, Mark.SAME, Mark.CUT])[-1]
    same = carried(noise_network, frames, [Mark.CUT, Mark.SAME, Mark.SAME])[-1]
    assert np.array_equal(cut, fresh)
    assert not np.array_equal(same, fresh)


def test_a_flash_leaves_what_is_carried_alone(noise_network: Network) -> None:
    frames = numbered(moving(1, 3))
    white = replace(frames[1], picture=np.full_like(frames[1].picture, 250))
    found = carried(noise_network, [frames[0], white], [Mark.CUT, Mark.FLASH])
    assert np.array_equal(found[0], found[1])


def test_a_clip_is_dreamed_shot_by_shot(noise_network: Network) -> None:
    pictures = moving(1, 6) + moving(2, 4)
    options = DreamOptions(layer=("conv2/3x3",), octaves=1, iterations=1)
    carry = CarryOptions(carry_iterations=1)
    whole = list(dream_video(numbered(pictures), noise_network, options=options, carry=carry))
    second = list(dream_video(numbered(pictures)[6:], noise_network, options=options, carry=carry))
    for one, other in zip(whole[6:], second, strict=True):
        assert np.array_equal(one.picture, other.picture)
    none = dream_video(
        numbered(pictures), noise_network, options=options, carry=replace(carry, cuts="none")
    )
    assert len(list(none)) == len(pictures)


def test_a_list_of_cuts_goes_round(tmp_path: Path) -> None:
    clip = open_clip(make_film(tmp_path / "film.mp4", frames=48), start="10", end="40")
    rate = clip.info.rate
    shots = [(n, clip.info.frame_time(n)) for n in (0, 12, 30, 44)]
    (tmp_path / "cuts.txt").write_text(format_cut_list("film.mp4", shots))
    assert read_cut_list(clip, str(tmp_path / "cuts.txt")) == [2 / rate, 20 / rate]
    (tmp_path / "cuts.txt").write_text("# mine\n\n0.5s from here on\n50%\n")
    assert read_cut_list(clip, str(tmp_path / "cuts.txt")) == [2 / rate, 14 / rate]
    assert read_cut_list(clip, "auto") is None and read_cut_list(clip, "none") is None


def test_a_bad_list_of_cuts_is_refused(tmp_path: Path) -> None:
    clip = open_clip(SAMPLE_CLIP)
    with pytest.raises(MediaError, match="dreamflow shots"):
        read_cut_list(clip, str(tmp_path / "none.txt"))
    (tmp_path / "cuts.txt").write_text("12\nsoon\n")
    with pytest.raises(SettingsError, match=r"line 2: .*soon"):
        read_cut_list(clip, str(tmp_path / "cuts.txt"))
    (tmp_path / "film").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(MediaError, match="not text"):
        read_cut_list(clip, str(tmp_path / "film"))


def test_the_command_lists_writes_and_draws(
    tmp_path: Path, cli: Callable[..., CommandResult]
) -> None:
    out, sheet = tmp_path / "cuts.txt", tmp_path / "shots.png"
    run = cli("shots", SAMPLE_CLIP, out, "--sheet", sheet, "--json")
    assert run.code == 0 and '"frames": 96' in run.out
    assert sheet.stat().st_size > 1000
    small = ("--size", "48", "--end", "3", "--octaves", "1", "--iterations", "1")
    dream = cli("video", SAMPLE_CLIP, tmp_path / "d.mp4", "--cuts", out, *small)
    assert dream.code == 0, dream.err
    assert cli("shots", SAMPLE_CLIP, out).code == 1, "what exists is not overwritten"
    listed = cli("shots", SAMPLE_CLIP).out
    assert ": 1 shot " in listed.splitlines()[0]
    assert re.search(r"^ +1 +0 +0\.00 +96 +4\.00$", listed, re.MULTILINE)
    missing = cli("video", SAMPLE_CLIP, tmp_path / "e.mp4", "--cuts", tmp_path / "no.txt", *small)
    assert missing.code == 1 and "no.txt" in missing.err
