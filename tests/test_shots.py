"""Hard cuts are found, and flashes, fades, pans and black are told apart from them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from conftest import SAMPLE_CLIP, CommandResult, make_film, make_texture
from torch import Tensor

from dreamflow.core.errors import MediaError, SettingsError
from dreamflow.core.frames import Frame
from dreamflow.dream.options import DreamOptions
from dreamflow.media.read.cut_list import format_cut_list, read_cut_list
from dreamflow.media.read.open_clip import open_clip
from dreamflow.networks.network import Network
from dreamflow.pipelines.video.carry_over_frames import VideoDreamer
from dreamflow.pipelines.video.dream_video import dream_video
from dreamflow.temporal.options import CarryOptions
from dreamflow.temporal.shots import Mark, find_shots, marked_at

RATE = 24
FAST_DREAM = DreamOptions(layer=("conv2/3x3",), octaves=1, iterations=1)


def numbered(pictures: Sequence[np.ndarray]) -> list[Frame]:
    return [Frame(n, Fraction(n, RATE), picture) for n, picture in enumerate(pictures)]


def marks(pictures: Sequence[np.ndarray]) -> dict[int, str]:
    """Return the mark of every frame that is a cut or a flash."""
    marked = list(find_shots(numbered(pictures)))
    assert [frame.index for frame, _ in marked] == list(range(len(pictures)))
    return {frame.index: mark.value for frame, mark in marked if mark is not Mark.SAME}


def moving(seed: int, count: int, speed: int = 2) -> list[np.ndarray]:
    """Return frames (90, 160) of a camera that pans over a scene with fine detail."""
    random = np.random.default_rng(seed)
    grain = random.integers(0, 70, (60, 200, 3)).astype(np.uint8)
    scene = make_texture(180, 600, seed) // 2 + cv2.resize(grain, (600, 180))
    return [scene[20:110, 10 + speed * n : 170 + speed * n].copy() for n in range(count)]


def brighter(picture: np.ndarray, gain: float, offset: float) -> np.ndarray:
    return np.clip(picture * gain + offset, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("first", "second"), [(9, 7), (5, 1), (1, 5)])
def test_a_cut_is_found_where_it_is(first: int, second: int) -> None:
    assert marks(moving(1, first) + moving(2, second)) == {0: "cut", first: "cut"}


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


def test_a_fade_is_no_cut_and_another_scene_after_black_is_one() -> None:
    first, second = moving(1, 10), moving(2, 10)
    down = [brighter(p, 1 - n / 9, 0) for n, p in enumerate(first)]
    up = [brighter(p, n / 9, 0) for n, p in enumerate(second)]
    black = [np.zeros_like(first[0])] * 4
    marked = marks(moving(1, 4) + down + black + up)
    assert len(marked) == 2
    assert 18 <= max(marked) <= 21
    again = marks(down + black + [brighter(p, 0.9, 0) for p in first])
    assert again == {0: "cut"}, "the same scene after black is the same shot"


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


@pytest.mark.parametrize(
    "pictures",
    [
        pytest.param([make_texture(40, 60)] * 5, id="still"),
        pytest.param([np.zeros((40, 60, 3), np.uint8)] * 5, id="black"),
        pytest.param([make_texture(2, 2)], id="four pixels"),
        pytest.param([], id="no frame"),
    ],
)
def test_still_and_empty_clips_have_one_shot(pictures: list[np.ndarray]) -> None:
    assert marks(pictures) == ({0: "cut"} if pictures else {})


def test_frames_of_another_size_are_another_shot() -> None:
    assert marks([make_texture(40, 60)] * 3 + [make_texture(60, 60)] * 2) == {0: "cut", 3: "cut"}


def test_given_times_are_cuts() -> None:
    frames = numbered(moving(1, 8))
    marked = [m.value for _, m in marked_at(frames, [Fraction(5, RATE), Fraction(3, RATE)])]
    assert marked == ["cut", "same", "same", "cut", "same", "cut", "same", "same"]


@pytest.mark.clips
@pytest.mark.parametrize(
    ("name", "first", "stop", "cuts"),
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
    marked = find_shots(open_clip(clips / name, size="240", start=str(first), end=str(stop)))
    assert [frame.index for frame, mark in marked if mark is not Mark.SAME] == [first, *cuts]


def carried_residuals(
    network: Network, frames: list[Frame], marked: Sequence[Mark]
) -> list[Tensor]:
    """Return the residual that is carried after each frame."""
    dreamer = VideoDreamer(network, FAST_DREAM, CarryOptions(carry_iterations=1))
    residuals: list[Tensor] = []
    for frame, mark in zip(frames, marked, strict=True):
        dreamer(frame, mark)
        residuals.append(dreamer.state()["dream"]["dreams"][0]["residual"])
    return residuals


def test_nothing_is_carried_over_a_cut(noise_network: Network) -> None:
    frames = numbered(moving(1, 3))
    fresh, cut, same = (
        carried_residuals(noise_network, frames[3 - len(marked) :], marked)[-1]
        for marked in (
            [Mark.CUT],
            [Mark.CUT, Mark.SAME, Mark.CUT],
            [Mark.CUT, Mark.SAME, Mark.SAME],
        )
    )
    assert torch.equal(cut, fresh)
    assert not torch.equal(same, fresh)


def test_a_flash_leaves_what_is_carried_alone(noise_network: Network) -> None:
    frames = numbered(moving(1, 3))
    white = replace(frames[1], picture=np.full_like(frames[1].picture, 250))
    before, behind = carried_residuals(noise_network, [frames[0], white], [Mark.CUT, Mark.FLASH])
    assert torch.equal(before, behind)


def test_a_clip_is_dreamed_shot_by_shot(noise_network: Network) -> None:
    frames = numbered(moving(1, 6) + moving(2, 4))

    def dream(part: list[Frame], **values: Any) -> list[np.ndarray]:
        carry = CarryOptions(carry_iterations=1, **values)
        dreams = dream_video(part, noise_network, options=FAST_DREAM, carry=carry)
        return [frame.picture for frame in dreams]

    whole, second = dream(frames), dream(frames[6:])
    assert np.array_equal(whole[6:], second)
    assert len(dream(frames, cuts="none")) == len(frames)


def test_a_list_of_cuts_is_read_as_written(tmp_path: Path) -> None:
    clip = open_clip(make_film(tmp_path / "film.mp4", frames=48), start="10", end="40")
    rate = clip.info.rate
    shots = [(n, clip.info.frame_time(n)) for n in (0, 12, 30, 44)]
    (tmp_path / "cuts.txt").write_text(format_cut_list("film.mp4", shots))
    assert read_cut_list(clip, str(tmp_path / "cuts.txt")) == [2 / rate, 20 / rate]
    (tmp_path / "cuts.txt").write_text("# mine\n\n0.5s from here on\n50%\n")
    assert read_cut_list(clip, str(tmp_path / "cuts.txt")) == [2 / rate, 14 / rate]
    assert read_cut_list(clip, "auto") is None
    assert read_cut_list(clip, "none") is None


def test_a_bad_list_of_cuts_is_refused(tmp_path: Path) -> None:
    clip = open_clip(SAMPLE_CLIP)
    with pytest.raises(MediaError, match=r"none\.txt"):
        read_cut_list(clip, str(tmp_path / "none.txt"))
    (tmp_path / "cuts.txt").write_text("12\nsoon\n")
    with pytest.raises(SettingsError, match=r"line 2: .*soon"):
        read_cut_list(clip, str(tmp_path / "cuts.txt"))
    (tmp_path / "film").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(MediaError, match="film"):
        read_cut_list(clip, str(tmp_path / "film"))


def test_the_command_lists_shots_writes_them_and_draws_a_sheet(
    tmp_path: Path, cli: Callable[..., CommandResult]
) -> None:
    out, sheet = tmp_path / "cuts.txt", tmp_path / "shots.png"
    run = cli("shots", SAMPLE_CLIP, out, "--sheet", sheet, "--json")
    assert run.code == 0
    assert '"frames": 96' in run.out
    assert sheet.stat().st_size > 1000
    small = ("--size", "48", "--end", "3", "--octaves", "1", "--iterations", "1")
    dream = cli("video", SAMPLE_CLIP, tmp_path / "d.mp4", "--cuts", out, *small)
    assert dream.code == 0, dream.err
    assert cli("shots", SAMPLE_CLIP, out).code == 1, "what exists is not overwritten"
    listed = cli("shots", SAMPLE_CLIP).out
    assert listed.splitlines()[0].endswith(": 1 shot")
    assert re.search(r"^ +1 +0 +0\.00 +96 +4\.00$", listed, re.MULTILINE)
    missing = cli("video", SAMPLE_CLIP, tmp_path / "e.mp4", "--cuts", tmp_path / "no.txt", *small)
    assert missing.code == 1
    assert "no.txt" in missing.err
