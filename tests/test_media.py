"""Clips come in as they are: counts, times, colours, turns; one contract over both readers."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import SHARED_DIR, make_film, make_texture, psnr, run_ffmpeg
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dreamflow.core.errors import DreamFlowWarning, MediaError, SettingsError
from dreamflow.core.options.values import fit_size
from dreamflow.jobs.output import write_video
from dreamflow.media.read.clip import open_clip, to_exact_rate
from dreamflow.media.read.decoders import (
    apply_orientation,
    read_video,
    read_with_opencv,
    read_with_pyav,
)
from dreamflow.media.read.picture_folder import natural_sort_key
from dreamflow.media.read.probe import VideoInfo, detect_frame_rate, probe_video
from dreamflow.media.stills import read_picture, write_picture

READERS = [read_with_opencv, read_with_pyav]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("film")
    return make_film(folder / "film.mp4", frames=30, rate="30000/1001", options=("-g", "8"))


CONTAINERS = {
    ".mp4": (),
    ".ts": (),
    ".flv": (),
    ".mkv": (),
    ".mpg": ("-c:v", "mpeg2video", "-r", "25"),
    ".webm": ("-c:v", "libvpx-vp9"),
    ".avi": ("-c:v", "mpeg4"),
}


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_a_span_is_that_part_of_the_whole(tmp_path: Path, suffix: str) -> None:
    """Wherever a container's seek may lead, and whether it can seek at all."""
    options = ("-g", "8", *CONTAINERS[suffix])
    film = make_film(tmp_path / f"f{suffix}", frames=30, rate="25", options=options)
    whole = [frame.picture for frame in open_clip(film, decoder="pyav")]
    assert len(whole) == 30
    info = probe_video(film)
    for first in (1, 9, 20, 28):
        found = list(read_with_pyav(info, first))
        assert [index for index, _ in found] == list(range(first, 30))
        assert all(np.array_equal(p, whole[index]) for index, p in found)


# --- the readers' contract


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("first", [0, 1, 13, 29])
def test_a_reader_gives_every_frame_from_first_on(
    film: Path, reader: Callable[..., object], first: int
) -> None:
    info = probe_video(film)
    found = list(reader(info, first))  # type: ignore[call-overload]
    assert [index for index, _ in found] == list(range(first, 30))
    assert all(p.shape == (48, 64, 3) and p.dtype == np.uint8 for _, p in found)


@pytest.mark.parametrize("first", [0, 5, 17])
def test_the_readers_agree(film: Path, first: int) -> None:
    info = probe_video(film)

    def greys(reader: Callable[..., object]) -> list[np.ndarray]:
        found = reader(info, first)
        return [cv2.cvtColor(p, cv2.COLOR_RGB2GRAY).astype(int) for _, p in found]  # type: ignore

    ours, theirs = greys(read_with_opencv), greys(read_with_pyav)
    for n in range(len(ours) - 1):
        same = np.abs(ours[n] - theirs[n]).mean()
        assert same < 4 and same < 0.5 * np.abs(ours[n] - theirs[n + 1]).mean()


@pytest.mark.parametrize("reader", READERS)
def test_a_turned_film_is_upright(tmp_path: Path, reader: Callable[..., object]) -> None:
    film = make_film(tmp_path / "flat.mp4", frames=2)
    turned = tmp_path / "turned.mp4"
    run_ffmpeg("-display_rotation", "90", "-i", film, "-c", "copy", turned)
    flat = next(iter(reader(probe_video(film), 0)))[1]  # type: ignore[call-overload]
    info = probe_video(turned)
    upright = next(iter(reader(info, 0)))[1]  # type: ignore[call-overload]
    assert (info.width, info.height) == (48, 64)
    assert np.abs(np.rot90(flat).astype(int) - upright).max() <= 3


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        ((1, 0, 0, 1), [[1, 2], [3, 4]]),
        ((-1, 0, 0, 1), [[2, 1], [4, 3]]),
        ((1, 0, 0, -1), [[3, 4], [1, 2]]),
        ((-1, 0, 0, -1), [[4, 3], [2, 1]]),
        ((0, -1, 1, 0), [[2, 4], [1, 3]]),
        ((0, 1, -1, 0), [[3, 1], [4, 2]]),
        ((0, 1, 1, 0), [[1, 3], [2, 4]]),
    ],
)
def test_display_matrices(orientation: tuple[int, int, int, int], expected: list) -> None:
    picture = np.array([[1, 2], [3, 4]])[..., None]
    assert apply_orientation(picture, orientation)[..., 0].tolist() == expected


@pytest.mark.parametrize(
    ("pixel_format", "name"), [("yuv420p", "read_with_pyav"), ("yuv444p", "read_with_opencv")]
)
def test_opencv_decodes_where_its_colours_are_right(
    tmp_path: Path, pixel_format: str, name: str
) -> None:
    film = make_film(tmp_path / "f.mp4", frames=2, options=("-pix_fmt", pixel_format))
    info = probe_video(film)
    assert read_video(info).__name__ == name  # type: ignore[attr-defined]
    for decoder in ("opencv", "pyav"):
        assert read_video(info, 0, decoder).__name__ == f"read_with_{decoder}"  # type: ignore[attr-defined]
        assert len(list(open_clip(film, decoder=decoder))) == 2
    with pytest.raises(SettingsError, match="decoder 'ffmpeg' is unknown"):
        open_clip(film, decoder="ffmpeg")


# --- timing


@pytest.mark.parametrize(
    ("rate", "tick"),
    [("30000/1001", "1/30000"), ("24", "1/1000"), ("24000/1001", "1/1000"), ("3", "1/90000")],
)
def test_rates_are_found_behind_rounded_stamps(rate: str, tick: str) -> None:
    exact, base = Fraction(rate), Fraction(tick)
    stamps = np.array([round(n / exact / base) for n in range(200)], np.int64)
    found, constant = detect_frame_rate(stamps, base, [])
    assert constant and found == exact


def test_a_declared_rate_that_does_not_fit_is_not_believed() -> None:
    stamps = np.arange(50) * 40
    assert detect_frame_rate(stamps, Fraction(1, 1000), [Fraction(1000), Fraction(60)]) == (
        25,
        True,
    )
    uneven = np.cumsum([0, 40, 40, 90, 40, 130, 40])
    rate, constant = detect_frame_rate(uneven, Fraction(1, 1000), [Fraction(25)], 40)
    assert not constant and rate == Fraction(7, Fraction(42, 100))


def test_spoken_rates_are_broadcast_rates() -> None:
    assert to_exact_rate(29.97) == Fraction(30000, 1001)
    assert to_exact_rate(23.976) == Fraction(24000, 1001)
    assert to_exact_rate(12.5) == Fraction(25, 2)


def test_a_films_facts(film: Path) -> None:
    clip = open_clip(film)
    assert clip.rate == Fraction(30000, 1001) and clip.constant_rate
    assert len(clip) == len(list(clip)) == 30
    assert clip.length == 30 / clip.rate
    assert [frame.index for frame in clip] == list(range(30)), "a clip can be read again"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"start": "10"}, range(10, 30)),
        ({"start": "0.5s", "end": "0.7s"}, range(14, 20)),
        ({"start": "50%", "end": "60%"}, range(15, 18)),
        ({"start": "0:00.5", "end": "99s"}, range(14, 30)),
        ({"every": 7}, range(0, 30, 7)),
        ({"start": "3", "end": "12", "every": 4}, range(3, 12, 4)),
    ],
)
def test_spans(film: Path, options: dict, expected: range) -> None:
    clip = open_clip(film, **options)
    frames = list(clip)
    assert [frame.index for frame in frames] == list(expected)
    assert len(clip) == len(expected)
    assert frames[0].time == 0
    assert clip.rate == Fraction(30000, 1001) / options.get("every", 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": "30"}, "past the end.*30 frames"),
        ({"start": "2s"}, "past the end"),
        ({"start": "9", "end": "9"}, "not after --start 9"),
        ({"end": "0"}, "not after"),
        ({"start": "soon"}, "not a time"),
        ({"start": "-3"}, "not a time"),
        ({"start": "101%"}, "past the end"),
        ({"size": "big"}, "not a size"),
        ({"size": "0x10"}, "not a size"),
        ({"every": 0}, "every 0"),
        ({"fps": float("nan")}, "fps nan"),
    ],
)
def test_impossible_spans_are_refused(film: Path, options: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        open_clip(film, **options)


@pytest.mark.parametrize(("fps", "count"), [(15, 16), (60, 61), (29.97, 30)])
def test_resampling_keeps_the_length(film: Path, fps: float, count: int) -> None:
    clip = open_clip(film, fps=fps)
    frames = list(clip)
    assert len(frames) == len(clip) == count
    assert [frame.time for frame in frames] == [n / clip.rate for n in range(count)]
    assert abs(float(len(frames) / clip.rate - clip.length)) <= 1 / fps


def test_uneven_frames_keep_their_times(tmp_path: Path) -> None:
    even = make_film(tmp_path / "even.mp4", frames=24)
    uneven = tmp_path / "uneven.mp4"
    run_ffmpeg(
        *("-i", even, "-vf", "select='not(eq(mod(n,5),1))'", "-fps_mode", "passthrough"),
        *("-enc_time_base", "1/24", uneven),
    )
    clip = open_clip(uneven)
    kept = [n for n in range(24) if n % 5 != 1]
    assert not clip.constant_rate
    assert [round(frame.time * 24) for frame in clip] == kept
    assert len(list(open_clip(uneven, fps=24))) == 24


# --- folders and pictures


def test_pictures_in_natural_order(tmp_path: Path) -> None:
    for number in (100, 9, 99, 10):
        write_picture(tmp_path / f"shot{number}.png", np.full((8, 10, 3), number, np.uint8))
    (tmp_path / "notes.txt").write_text("not a picture")
    for source in (tmp_path, tmp_path / "shot*.png"):
        clip = open_clip(source, fps=12)
        assert [int(frame.picture[0, 0, 0]) for frame in clip] == [9, 10, 99, 100]
        assert clip.rate == 12 and len(clip) == 4
    assert [f.index for f in open_clip(tmp_path, start="1", every=2)] == [1, 3]


@given(st.lists(st.integers(0, 10**6), unique=True))
def test_natural_order_is_numeric(numbers: list[int]) -> None:
    names = [Path(f"a{number}.png") for number in numbers]
    assert [p.name for p in sorted(names, key=natural_sort_key)] == [
        f"a{n}.png" for n in sorted(numbers)
    ]


def test_pictures_of_two_sizes_are_refused(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", np.zeros((8, 10, 3), np.uint8))
    write_picture(tmp_path / "b.png", np.zeros((8, 12, 3), np.uint8))
    with pytest.raises(MediaError, match=r"b\.png is 12x8, but a\.png is 10x8"):
        list(open_clip(tmp_path))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_pictures_round_trip(tmp_path: Path, suffix: str) -> None:
    picture = make_texture(40, 60)
    write_picture(tmp_path / f"p{suffix}", picture, "a comment")
    again = read_picture(tmp_path / f"p{suffix}")
    assert psnr(again, picture) > (35 if suffix in (".jpg",) else 1e9)


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 4000), st.integers(1, 4000))
def test_fitting_keeps_the_box_and_the_aspect(w: int, h: int, box_w: int, box_h: int) -> None:
    width, height = fit_size(f"{box_w}x{box_h}", w, h)
    assert width % 2 == height % 2 == 0 and min(width, height) >= 2
    assert width <= max(2, box_w + 1) and height <= max(2, box_h + 1)
    if min(width, height) > 2:
        assert abs(width / w - height / h) * max(w, h) <= 2 + 2 * max(w, h) / min(w, h)
    assert fit_size(None, w, h) == (w, h)
    assert abs(max(fit_size(str(box_w), w, h)) - box_w) <= 1


# --- hostile and real material


BROKEN = {
    "audio_only.mp4": "only sound",
    "zero_length.mp4": "cannot be read as a film",
    "text_renamed.mp4": "cannot be read as a film",
    "html_renamed.mov": "cannot be read as a film",
    "moov_missing.mp4": "cannot be read as a film",
    "truncated_moov_at_end.mp4": "cannot be read as a film",
    "huge_screen.gif": "no frame that decodes",
}
BROKEN_STILLS = {
    "zero_length.jpg": "cannot be read as a picture",
    "text_renamed.png": "cannot be read as a picture",
    "truncated.jpg": "damaged or cut short",
    "huge_declared.png": "cannot be read as a picture|damaged",
}


@pytest.mark.clips
@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_film_is_refused(name: str) -> None:
    with pytest.raises(MediaError, match=BROKEN[name]) as raised:
        open_clip(SHARED_DIR / "hostile" / name)
    assert name in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.clips
@pytest.mark.parametrize("name", BROKEN_STILLS)
def test_what_is_no_picture_is_refused(name: str) -> None:
    with pytest.raises(MediaError, match=BROKEN_STILLS[name]):
        read_picture(SHARED_DIR / "hostile" / name)


@pytest.mark.clips
@pytest.mark.parametrize("name", ["gray.png", "palette.png", "cmyk.jpg", "rgb16.png", "alpha.png"])
def test_unusual_pictures_look_like_the_usual_one(name: str) -> None:
    usual = read_picture(SHARED_DIR / "photos" / "public" / "tubingen.jpg")
    usual = cv2.resize(usual, (320, 240), interpolation=cv2.INTER_AREA)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DreamFlowWarning)
        picture = read_picture(SHARED_DIR / "hostile" / name)
    if name == "gray.png":
        usual = np.repeat(cv2.cvtColor(usual, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    assert picture.shape == usual.shape
    assert np.abs(picture.astype(int) - usual).mean() < 12


@pytest.mark.clips
def test_exif_turns_a_picture() -> None:
    picture = read_picture(SHARED_DIR / "photos" / "public" / "exif_landscape_orientation6.jpg")
    assert picture.shape[:2] == (1200, 1800)


@pytest.mark.clips
@pytest.mark.parametrize(
    ("name", "given", "most_lost"),
    [
        ("truncated_faststart.mp4", 50, 42),
        ("byteflips_middle.mp4", 92, 5),
        ("zeroed_block.mp4", 92, 20),
    ],
)
def test_lost_frames_are_counted_and_stood_in_for(name: str, given: int, most_lost: int) -> None:
    """What is cut off shortens the clip; what is damaged within it does not put it out of time."""
    clip = open_clip(SHARED_DIR / "hostile" / name)
    with pytest.warns(DreamFlowWarning, match="of 92 frames could not be decoded") as said:
        frames = list(clip)
    assert [frame.index for frame in frames] == list(range(given))
    assert all(abs(frame.time - frame.index / clip.rate) < 0.001 for frame in frames)
    lost = int(re.search(r"(\d+) of 92", str(said[0].message))[1])  # type: ignore[index]
    assert 0 < lost <= most_lost


@pytest.mark.clips
def test_a_span_past_what_decodes_is_refused() -> None:
    clip = open_clip(SHARED_DIR / "hostile" / "truncated_faststart.mp4", start="60")
    with pytest.raises(MediaError, match="no frame that decodes from frame 60"):
        list(clip)


@pytest.mark.clips
def test_resampling_does_not_fill_up_a_truncated_film() -> None:
    clip = open_clip(SHARED_DIR / "hostile" / "truncated_faststart.mp4", fps=24)
    with pytest.warns(DreamFlowWarning, match="42 of 92"):
        assert abs(len(list(clip)) - 50 * 24 / 29.97) <= 1


@pytest.mark.parametrize("name", ["take:1.mp4", "http:x.mp4", "-a 'b\" %03d [1] é.mp4"])
def test_odd_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    make_film(tmp_path / "f.mp4", frames=2).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(list(open_clip(name))) == 2


def test_times_may_be_numbers(film: Path) -> None:
    assert [f.index for f in open_clip(film, start=10, end=0.5)] == list(range(10, 14))


# Frames that decode, and frames a second; VFR clips give their mean.
REAL_CLIPS = {
    "anime_onepiece_cut.mp4": (181, "1199/50"),
    "bear_odd_161x121_vp9.webm": (30, "30000/1001"),
    "desk_interlaced_h264.mp4": (126, "25"),
    "figureskating_broadcast_aac.mp4": (92, "30000/1001"),
    "handheld_pancake_opus.mkv": (310, "30"),
    "newtonscradle_vfr.gif": (36, None),
    "phone_rotate90_handheld.mp4": (105, "30"),
    "roadtrip_vp9_10bit_bt2020.webm": (72, "24000/1001"),
    "talkinghead_av1_aac.mp4": (30, "30000/1001"),
    "talkinghead_flv.flv": (30, "30"),
    "traffic_48x48_raw.avi": (51, "15"),
    "traffic_motorway_320_asp.avi": (748, None),  # two of its packets say "as before"
    "webcam_vfr_aac.mov": (123, None),
}


@pytest.mark.clips
@pytest.mark.parametrize("name", REAL_CLIPS)
def test_real_clips_give_all_their_frames(clips: Path, name: str) -> None:
    frames, rate = REAL_CLIPS[name]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(?!.*damaged)", DreamFlowWarning)
        clip = open_clip(clips / name, size="64")
        assert sum(1 for _ in clip) == len(clip) == frames
    assert clip.constant_rate == (rate is not None)
    if rate:
        assert clip.rate == Fraction(rate)


@pytest.mark.clips
@pytest.mark.parametrize("name", ["mallard.mp4", "handheld_plant_aac.mp4", "wolf_square.mp4"])
def test_the_readers_agree_on_real_clips(clips: Path, name: str) -> None:
    info = probe_video(clips / name)
    assert isinstance(info, VideoInfo)
    found = [dict(zip(range(3), reader(info, 20), strict=False)) for reader in READERS]
    for n in range(3):
        (i, a), (j, b) = found[0][n], found[1][n]
        assert i == j == 20 + n
        assert np.abs(a.astype(int) - b).mean() < 2


# --- animated WebP


def test_an_animated_webp_is_a_clip(tmp_path: Path) -> None:
    film = make_film(tmp_path / "f.mp4", frames=12, rate="24")
    whole = list(open_clip(film))
    write_video(tmp_path / "f.webp", whole, open_clip(film), lossless=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clip = open_clip(tmp_path / "f.webp")
        found = list(clip)
    assert (clip.rate, clip.constant_rate, clip.length) == (24, True, Fraction(1, 2))
    for one, other in zip(whole, found, strict=True):
        assert np.array_equal(one.picture, other.picture)
        assert abs(float(one.time - other.time)) <= 1e-3
    part = list(open_clip(tmp_path / "f.webp", start="3", end="0.3s"))
    assert len(part) == 4 and np.array_equal(part[0].picture, whole[3].picture)


def made_webp(path: Path, pictures: list[np.ndarray], lasts: list[int]) -> Path:
    first, *others = [Image.fromarray(picture) for picture in pictures]
    first.save(path, save_all=True, append_images=others, duration=lasts, lossless=True, exact=True)
    return path


def test_a_webp_keeps_its_uneven_times_and_lies_over_black(tmp_path: Path) -> None:
    lasts = [40, 200, 1000, 80]
    pictures = [np.dstack([make_texture(20, 30, n), np.full((20, 30), 128)]) for n in range(4)]
    film = made_webp(tmp_path / "f.webp", [p.astype(np.uint8) for p in pictures], lasts)
    with pytest.warns(DreamFlowWarning, match=r"f\.webp has transparency: it is laid over black"):
        clip = open_clip(film)
    found = list(clip)
    assert [float(frame.time) for frame in found] == pytest.approx([0, 0.04, 0.24, 1.24])
    assert not clip.constant_rate and float(clip.length) == pytest.approx(1.32)
    for n, frame in enumerate(found):
        assert np.abs(frame.picture - pictures[n][..., :3] * (128 / 255)).max() <= 0.5 + 1e-6


def test_a_webp_cut_short_or_of_one_picture_is_said(tmp_path: Path) -> None:
    whole = made_webp(tmp_path / "f.webp", [make_texture(40, 60, n) for n in range(6)], [40] * 6)
    data = whole.read_bytes()
    (tmp_path / "cut.webp").write_bytes(data[: len(data) // 2])
    with pytest.raises(MediaError, match=r"cut\.webp"):
        open_clip(tmp_path / "cut.webp")
    write_picture(tmp_path / "one.webp", make_texture(40, 60))
    with pytest.raises(MediaError, match="single picture: `dreamflow frame` dreams it"):
        open_clip(tmp_path / "one.webp")


# --- geometry


@pytest.mark.parametrize("reshaped", ["64x96", "128x96"])
def test_a_size_that_changes_in_mid_stream_is_boxed_and_said(tmp_path: Path, reshaped: str) -> None:
    """A film's later half of another size: whole, its shape kept, between black bars if need be."""
    parts = []
    for size in ("64x48", reshaped):
        path = tmp_path / f"{size}.ts"
        white = ("-f", "lavfi", "-i", f"color=white:size={size}:rate=25", "-frames:v", "5")
        later = str(0.2 * len(parts))
        run_ffmpeg(*white, "-pix_fmt", "yuv420p", "-output_ts_offset", later, path)
        parts.append(path)
    film = tmp_path / "f.ts"
    run_ffmpeg("-i", f"concat:{parts[0]}|{parts[1]}", "-c", "copy", film)
    clip = open_clip(film)
    with pytest.warns(DreamFlowWarning, match=rf"changes its size: frame \d is {reshaped}, and is"):
        frames = list(clip)
    assert {frame.picture.shape for frame in frames} == {(48, 64, 3)}
    last = frames[-1].picture
    assert last[:, 24:40].min() > 240, "the picture is there"
    bars = last[:, [0, 1, 62, 63]]
    assert bars.max() < 16 if reshaped == "64x96" else bars.min() > 240


@pytest.mark.clips
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("clips/resolution_changes_vp8.webm", (1920, 1080)),
        ("hostile/resolution_change.ts", (320, 240)),
        ("clips/testsrc_multi_stsd.mp4", (256, 128)),
    ],
)
def test_real_films_that_change_their_size(name: str, size: tuple[int, int]) -> None:
    clip = open_clip(SHARED_DIR / name, end="35")
    with pytest.warns(DreamFlowWarning, match="changes its size") as said:
        assert {f.picture.shape[1::-1] for f in clip} == {size}
    assert len(said) == 1
