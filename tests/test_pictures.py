"""Reading and writing pictures: stills, folders of them, and animated WebP."""

from __future__ import annotations

import warnings
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import SHARED_DIR, make_film, make_texture, psnr
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dreamflow.core.errors import DreamFlowWarning, MediaError
from dreamflow.jobs.output_writer import write_video
from dreamflow.media.read.clip import open_clip
from dreamflow.media.read.numbered_files import find_frame_numbers, find_gaps
from dreamflow.media.read.picture_folder import natural_sort_key
from dreamflow.media.stills import read_picture, write_picture

# --- folders


def test_pictures_of_a_folder_or_glob_come_in_natural_order(tmp_path: Path) -> None:
    for number in (100, 9, 99, 10):
        write_picture(tmp_path / f"shot{number}.png", np.full((8, 10, 3), number, np.uint8))
    (tmp_path / "notes.txt").write_text("not a picture")
    for source in (tmp_path, tmp_path / "shot*.png"):
        clip = open_clip(source, fps=12)
        assert [int(frame.picture[0, 0, 0]) for frame in clip] == [9, 10, 99, 100]
        assert clip.rate == 12
        assert len(clip) == 4
    assert [f.index for f in open_clip(tmp_path, start="1", every=2)] == [1, 3]


@given(st.lists(st.integers(0, 10**6), unique=True))
def test_natural_order_is_numeric(numbers: list[int]) -> None:
    paths = sorted((Path(f"a{number}.png") for number in numbers), key=natural_sort_key)
    assert [path.name for path in paths] == [f"a{n}.png" for n in sorted(numbers)]


def test_pictures_of_two_sizes_are_refused(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", np.zeros((8, 10, 3), np.uint8))
    write_picture(tmp_path / "b.png", np.zeros((8, 12, 3), np.uint8))
    with pytest.raises(MediaError, match=r"12x8, but a\.png is 10x8") as raised:
        list(open_clip(tmp_path))
    assert raised.value.where == str(tmp_path / "b.png")


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [
        ([1, 2, 3, 6, 7, 8], [4, 5]),
        ([0, 10, 20, 40, 50], [30]),
        ([3], []),
        ([5, 9], []),
        ([1, 2, 3, 5, 6, 9], [4, 7, 8]),
    ],
)
def test_missing_numbers_are_those_of_a_sequence(numbers: list[int], missing: list[int]) -> None:
    assert [number for gap in find_gaps(numbers) for number in gap] == missing


@given(st.sets(st.integers(0, 10**15)))
def test_no_number_is_both_there_and_missing(numbers: set[int]) -> None:
    assert not any(number in gap for gap in find_gaps(sorted(numbers)) for number in numbers)


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["shot_0001.png", "shot_0002.png", "shot_0010.png"], (1, 2, 10)),
        (["2k_f99_v2.exr", "2k_f100_v2.exr"], (99, 100)),
        (["7.png"], (7,)),
        (["sea.png", "sky.png"], None),
        (["a1.png", "b2.png"], None),
        (["20260101_235959.jpg", "20260102_000000.jpg"], None),
        (["a01.png", "a1.png"], None),
    ],
)
def test_frame_numbers_are_read_from_names(
    names: list[str], numbers: tuple[int, ...] | None
) -> None:
    assert find_frame_numbers([Path(name) for name in names]) == numbers


def test_a_clip_knows_the_frame_numbers_of_its_pictures(tmp_path: Path) -> None:
    for number in (101, 102, 104, 105):
        write_picture(tmp_path / f"v2_{number}.png", np.zeros((8, 10, 3), np.uint8))
    assert open_clip(tmp_path).frame_numbers == (101, 102, 104, 105)
    assert open_clip(tmp_path, start="1", every=2).frame_numbers == (102, 105)
    film = make_film(tmp_path / "film.mp4", frames=2)
    assert open_clip(film).frame_numbers is None


# --- stills


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_a_written_picture_is_read_back(tmp_path: Path, suffix: str) -> None:
    picture = make_texture(40, 60)
    write_picture(tmp_path / f"p{suffix}", picture, "a comment")
    read = read_picture(tmp_path / f"p{suffix}")
    assert psnr(read, picture) > (35 if suffix == ".jpg" else 1e9)


UNREADABLE_STILLS = {
    "zero_length.jpg": "cannot be read as a picture",
    "text_renamed.png": "cannot be read as a picture",
    "truncated.jpg": "damaged or cut short",
    "huge_declared.png": "cannot be read as a picture|damaged",
}


@pytest.mark.clips
@pytest.mark.parametrize("name", UNREADABLE_STILLS)
def test_files_that_are_not_pictures_are_refused(name: str) -> None:
    with pytest.raises(MediaError, match=UNREADABLE_STILLS[name]) as raised:
        read_picture(SHARED_DIR / "hostile" / name)
    assert name in str(raised.value.where)


@pytest.mark.clips
@pytest.mark.parametrize("name", ["gray.png", "palette.png", "cmyk.jpg", "rgb16.png", "alpha.png"])
def test_pictures_of_other_modes_look_like_the_rgb_one(name: str) -> None:
    rgb = read_picture(SHARED_DIR / "photos" / "public" / "tubingen.jpg")
    rgb = cv2.resize(rgb, (320, 240), interpolation=cv2.INTER_AREA)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DreamFlowWarning)
        picture = read_picture(SHARED_DIR / "hostile" / name)
    if name == "gray.png":
        rgb = np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    assert picture.shape == rgb.shape
    assert np.abs(picture.astype(int) - rgb).mean() < 12


@pytest.mark.clips
def test_exif_rotates_a_picture() -> None:
    picture = read_picture(SHARED_DIR / "photos" / "public" / "exif_landscape_orientation6.jpg")
    assert picture.shape[:2] == (1200, 1800)


# --- animated WebP


def save_webp(path: Path, pictures: list[np.ndarray], durations_ms: list[int]) -> Path:
    first, *others = [Image.fromarray(picture) for picture in pictures]
    lossless = {"lossless": True, "exact": True}
    first.save(path, save_all=True, append_images=others, duration=durations_ms, **lossless)
    return path


def test_an_animated_webp_is_a_clip(tmp_path: Path) -> None:
    video = make_film(tmp_path / "f.mp4", frames=12, rate="24")
    frames = list(open_clip(video))
    write_video(tmp_path / "f.webp", frames, open_clip(video), lossless=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clip = open_clip(tmp_path / "f.webp")
        read = list(clip)
    assert (clip.rate, clip.constant_rate, clip.length) == (24, True, Fraction(1, 2))
    for one, other in zip(frames, read, strict=True):
        assert np.array_equal(one.picture, other.picture)
        assert abs(float(one.time - other.time)) <= 1e-3
    part = list(open_clip(tmp_path / "f.webp", start="3", end="0.3s"))
    assert len(part) == 4
    assert np.array_equal(part[0].picture, frames[3].picture)


def test_a_webp_keeps_its_uneven_times_and_its_alpha_lies_over_black(tmp_path: Path) -> None:
    pictures = [np.dstack([make_texture(20, 30, n), np.full((20, 30), 128)]) for n in range(4)]
    webp = save_webp(
        tmp_path / "f.webp", [p.astype(np.uint8) for p in pictures], [40, 200, 1000, 80]
    )
    with pytest.warns(DreamFlowWarning, match=r"f\.webp has transparency"):
        clip = open_clip(webp)
    frames = list(clip)
    assert [float(frame.time) for frame in frames] == pytest.approx([0, 0.04, 0.24, 1.24])
    assert not clip.constant_rate
    assert float(clip.length) == pytest.approx(1.32)
    for n, frame in enumerate(frames):
        assert np.abs(frame.picture - pictures[n][..., :3] * (128 / 255)).max() <= 0.5 + 1e-6


def test_a_truncated_webp_and_a_single_one_are_not_clips(tmp_path: Path) -> None:
    webp = save_webp(tmp_path / "f.webp", [make_texture(40, 60, n) for n in range(6)], [40] * 6)
    data = webp.read_bytes()
    (tmp_path / "cut.webp").write_bytes(data[: len(data) // 2])
    write_picture(tmp_path / "one.webp", make_texture(40, 60))
    for name, message in (
        ("cut.webp", "cut short|no frame that decodes"),
        ("one.webp", "single picture: `dreamflow frame`"),
    ):
        with pytest.raises(MediaError, match=message) as raised:
            open_clip(tmp_path / name)
        assert raised.value.where == str(tmp_path / name)
