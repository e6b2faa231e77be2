"""Reading and writing pictures: stills, folders of them, and animated WebP."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import SHARED_DIR, make_film, make_texture, psnr, refused
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dreamflow.core.errors import DreamFlowWarning, MediaError
from dreamflow.jobs.output_writer import write_video
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.read.sequences.numbered_files import find_frame_numbers, find_gaps
from dreamflow.media.read.sequences.picture_files import natural_sort_key
from dreamflow.media.stills.read import read_picture
from dreamflow.media.stills.write import write_picture

# --- folders


def save_numbered(folder: Path, numbers: Iterable[int], name: str = "shot{}.png") -> Path:
    """Write a small picture of each number's level."""
    folder.mkdir(exist_ok=True)
    for number in numbers:
        write_picture(folder / name.format(number), np.full((8, 10, 3), number, np.uint8))
    return folder


def levels(clip: Clip) -> list[int]:
    return [int(frame.picture[0, 0, 0]) for frame in clip]


def test_pictures_of_a_folder_or_pattern_come_in_natural_order(tmp_path: Path) -> None:
    save_numbered(tmp_path, (101, 9, 99, 10, 100, 98, *range(11, 98)))
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "shotgun.png").mkdir()
    for pattern in ("", "shot*.png", "shot%d.png", "shot#.png"):
        clip = open_clip(tmp_path / pattern, fps=12)
        assert levels(clip) == list(range(9, 102)), pattern
        assert (clip.rate, len(clip)) == (12, 93)
    for pattern in ("shot%03d.png", "shot###.png", "shot1??.png"):
        assert levels(open_clip(tmp_path / pattern)) == [100, 101], pattern
    assert [f.index for f in open_clip(tmp_path, start="1", end="5", every=2)] == [1, 3]


def test_a_pattern_names_missing_pictures_clearly(tmp_path: Path) -> None:
    save_numbered(tmp_path, [1])
    for pattern in ("other_%04d.png", "shot####.png", "nowhere/shot_####.png", "shot#.exr"):
        with pytest.raises(MediaError) as raised:
            open_clip(tmp_path / pattern)
        assert raised.value.where == str(tmp_path / pattern)


@pytest.mark.parametrize(
    ("missing", "shown", "numbers"),
    [
        ("close", [1, 2, 3, 6, 7, 8], (1, 2, 3, 6, 7, 8)),
        ("hold", [1, 2, 3, 3, 3, 6, 7, 8], tuple(range(1, 9))),
        ("black", [1, 2, 3, 0, 0, 6, 7, 8], tuple(range(1, 9))),
    ],
)
def test_missing_numbers_are_said_and_filled(
    tmp_path: Path, missing: str, shown: list[int], numbers: tuple[int, ...]
) -> None:
    save_numbered(tmp_path, (1, 2, 3, 6, 7, 8), "f_{:04d}.png")
    with pytest.warns(DreamFlowWarning, match="4, 5"):
        clip = open_clip(tmp_path, missing=missing, fps=10)
    assert levels(clip) == shown
    assert clip.frame_numbers == numbers
    assert clip.length == Fraction(len(shown), 10)
    part = clip.subclip(3, 5)
    assert levels(part) == shown[3:5]
    assert part.frame_numbers == numbers[3:5]


def test_missing_numbers_can_stop_a_render(tmp_path: Path) -> None:
    save_numbered(tmp_path / "whole", (1, 2, 3))
    save_numbered(tmp_path / "gap", (1, 2, 4))
    with pytest.raises(MediaError):
        open_clip(tmp_path / "gap", missing="stop")
    assert levels(open_clip(tmp_path / "whole", missing="stop")) == [1, 2, 3]
    save_numbered(tmp_path / "far", (1, 2, 3), "a{}.png")
    save_numbered(tmp_path / "far", [7], "a900000{}.png")
    with refused("missing"):
        open_clip(tmp_path / "far", missing="hold")


def test_a_damaged_picture_is_shown_as_the_one_before(tmp_path: Path) -> None:
    save_numbered(tmp_path, range(1, 8))
    for number, content in ((1, b""), (4, b"text"), (5, None), (7, b"8BPS\0\1")):
        path = tmp_path / f"shot{number}.png"
        path.write_bytes(path.read_bytes()[:45] if content is None else content)
    clip = open_clip(tmp_path)
    with pytest.warns(DreamFlowWarning, match="4 of 7") as said:
        assert levels(clip) == [2, 2, 3, 3, 3, 6, 6]
    assert len(said) == 1
    with pytest.warns(DreamFlowWarning):
        assert levels(clip.subclip(4, 7)) == [3, 6, 6], "as in the whole clip"
    for path in tmp_path.iterdir():
        path.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(MediaError):
        open_clip(tmp_path)


def test_transparency_lies_over_black_and_is_said_once_for_a_folder(tmp_path: Path) -> None:
    magenta = np.full((8, 10, 4), (255, 0, 255, 0), np.uint8)
    magenta[:4] = (200, 100, 50, 51)
    for number in range(3):
        write_picture(tmp_path / f"{number}.png", magenta)
    with pytest.warns(DreamFlowWarning) as said:
        frames = list(open_clip(tmp_path))
    assert len(said) == 1
    for frame in frames:
        assert (frame.picture[:4] == (40, 20, 10)).all()
        assert not frame.picture[4:].any()


@given(st.lists(st.integers(0, 10**6), unique=True))
def test_natural_order_is_numeric(numbers: list[int]) -> None:
    paths = sorted((Path(f"a{number}.png") for number in numbers), key=natural_sort_key)
    assert [path.name for path in paths] == [f"a{n}.png" for n in sorted(numbers)]


def test_pictures_of_two_sizes_are_refused_before_the_first_frame(tmp_path: Path) -> None:
    for number, size in enumerate([(8, 10), (8, 10), (10, 8), (8, 10)]):
        write_picture(tmp_path / f"{number}.png", np.zeros((*size, 3), np.uint8))
    with pytest.raises(MediaError) as raised:
        open_clip(tmp_path)
    assert raised.value.where == str(tmp_path / "2.png")
    assert (raised.value.value, raised.value.allowed) == ("8x10", "10x8")


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


def test_only_pictures_have_frame_numbers(tmp_path: Path) -> None:
    save_numbered(tmp_path / "a", (101, 103, 105), "v2_{}.png")
    assert open_clip(tmp_path / "a").frame_numbers == (101, 103, 105)
    assert open_clip(tmp_path / "a", every=2).frame_numbers == (101, 105)
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
        picture = read_picture(SHARED_DIR / "hostile" / name, flatten_alpha=False)
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
