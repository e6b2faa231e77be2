"""Reading videos: frame rates, spans, resampling, changes of size, real and damaged files."""

from __future__ import annotations

import re
import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SHARED_DIR, make_film, run_ffmpeg
from hypothesis import given
from hypothesis import strategies as st

from dreamflow.core.errors import DreamFlowWarning, MediaError, SettingsError
from dreamflow.core.options.values import fit_size
from dreamflow.media.read.frame_rate import detect_frame_rate, to_exact_rate
from dreamflow.media.read.open_clip import open_clip


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("video")
    return make_film(folder / "video.mp4", frames=30, rate="30000/1001", options=("-g", "8"))


# --- frame rates


@pytest.mark.parametrize(
    ("rate", "time_base"),
    [("30000/1001", "1/30000"), ("24", "1/1000"), ("24000/1001", "1/1000"), ("3", "1/90000")],
)
def test_rates_are_detected_behind_rounded_time_stamps(rate: str, time_base: str) -> None:
    exact, base = Fraction(rate), Fraction(time_base)
    timestamps = np.array([round(n / exact / base) for n in range(200)], np.int64)
    assert detect_frame_rate(timestamps, base, []) == (exact, True)


def test_a_declared_rate_that_does_not_fit_the_time_stamps_is_ignored() -> None:
    declared = [Fraction(1000), Fraction(60)]
    assert detect_frame_rate(np.arange(50) * 40, Fraction(1, 1000), declared) == (25, True)
    uneven = np.cumsum([0, 40, 40, 90, 40, 130, 40])
    rate, constant = detect_frame_rate(uneven, Fraction(1, 1000), [Fraction(25)], 40)
    assert not constant
    assert rate == Fraction(7, Fraction(42, 100))


def test_rounded_rates_stand_for_broadcast_rates() -> None:
    assert to_exact_rate(29.97) == Fraction(30000, 1001)
    assert to_exact_rate(23.976) == Fraction(24000, 1001)
    assert to_exact_rate(12.5) == Fraction(25, 2)


def test_rate_length_and_frame_count(video: Path) -> None:
    clip = open_clip(video)
    assert clip.rate == Fraction(30000, 1001)
    assert clip.constant_rate
    assert len(clip) == len(list(clip)) == 30
    assert clip.length == 30 / clip.rate
    assert [frame.index for frame in clip] == list(range(30)), "a clip can be read again"


@pytest.mark.parametrize(("fps", "count"), [(15, 16), (60, 61), (29.97, 30)])
def test_resampling_keeps_the_length(video: Path, fps: float, count: int) -> None:
    clip = open_clip(video, fps=fps)
    frames = list(clip)
    assert len(frames) == len(clip) == count
    assert [frame.time for frame in frames] == [n / clip.rate for n in range(count)]
    assert abs(float(len(frames) / clip.rate - clip.length)) <= 1 / fps


def test_uneven_frames_keep_their_times(tmp_path: Path) -> None:
    even, uneven = make_film(tmp_path / "even.mp4", frames=24), tmp_path / "uneven.mp4"
    run_ffmpeg(
        *("-i", even, "-vf", "select='not(eq(mod(n,5),1))'", "-fps_mode", "passthrough"),
        *("-enc_time_base", "1/24", uneven),
    )
    clip = open_clip(uneven)
    assert not clip.constant_rate
    assert [round(frame.time * 24) for frame in clip] == [n for n in range(24) if n % 5 != 1]
    assert len(list(open_clip(uneven, fps=24))) == 24


# --- spans and sizes


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
def test_spans(video: Path, options: dict[str, Any], expected: range) -> None:
    clip = open_clip(video, **options)
    frames = list(clip)
    assert [frame.index for frame in frames] == list(expected)
    assert len(clip) == len(expected)
    assert frames[0].time == 0
    assert clip.rate == Fraction(30000, 1001) / options.get("every", 1)


def test_start_and_end_may_be_numbers(video: Path) -> None:
    assert [f.index for f in open_clip(video, start=10, end=0.5)] == list(range(10, 14))


@pytest.mark.parametrize(
    ("options", "allowed"),
    [
        ({"start": "30"}, "frames 0 to 29"),
        ({"start": "2s"}, "frames 0 to 29"),
        ({"start": "101%"}, "0% to 100%"),
        ({"end": "9", "start": "9"}, "frames 10 to 30"),
        ({"end": "0"}, "frames 1 to 30"),
    ],
)
def test_spans_outside_of_the_clip_are_refused(
    video: Path, options: dict[str, Any], allowed: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        open_clip(video, **options)
    setting, value = next(iter(options.items()))
    assert (raised.value.setting, raised.value.value) == (setting, value)
    assert raised.value.allowed == allowed


@pytest.mark.parametrize(
    "options",
    [
        {"start": "soon"},
        {"start": "-3"},
        {"size": "big"},
        {"size": "0x10"},
        {"every": 0},
        {"fps": float("nan")},
    ],
)
def test_values_that_mean_nothing_are_refused(video: Path, options: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(options))):
        open_clip(video, **options)


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 4000), st.integers(1, 4000))
def test_fitting_keeps_the_box_and_the_aspect_ratio(w: int, h: int, box_w: int, box_h: int) -> None:
    width, height = fit_size(f"{box_w}x{box_h}", w, h)
    assert width % 2 == height % 2 == 0
    assert min(width, height) >= 2
    assert width <= max(2, box_w + 1)
    assert height <= max(2, box_h + 1)
    if min(width, height) > 2:
        assert abs(width / w - height / h) * max(w, h) <= 2 + 2 * max(w, h) / min(w, h)
    assert fit_size(None, w, h) == (w, h)
    assert abs(max(fit_size(str(box_w), w, h)) - box_w) <= 1


@pytest.mark.parametrize("later_size", ["64x96", "128x96"])
def test_a_later_size_is_fitted_into_the_first_and_reported(
    tmp_path: Path, later_size: str
) -> None:
    """The whole picture in its shape, between black bars where that differs."""
    parts: list[Path] = []
    for size in ("64x48", later_size):
        path = tmp_path / f"{size}.ts"
        white = ("-f", "lavfi", "-i", f"color=white:size={size}:rate=25", "-frames:v", "5")
        offset = str(0.2 * len(parts))
        run_ffmpeg(*white, "-pix_fmt", "yuv420p", "-output_ts_offset", offset, path)
        parts.append(path)
    video = tmp_path / "f.ts"
    run_ffmpeg("-i", f"concat:{parts[0]}|{parts[1]}", "-c", "copy", video)
    clip = open_clip(video)
    with pytest.warns(DreamFlowWarning, match=rf"changes its size: frame \d is {later_size}"):
        frames = list(clip)
    assert {frame.picture.shape for frame in frames} == {(48, 64, 3)}
    last = frames[-1].picture
    assert last[:, 24:40].min() > 240, "the picture"
    sides = last[:, [0, 1, 62, 63]]
    assert sides.max() < 16 if later_size == "64x96" else sides.min() > 240


@pytest.mark.clips
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("clips/resolution_changes_vp8.webm", (1920, 1080)),
        ("hostile/resolution_change.ts", (320, 240)),
        ("clips/testsrc_multi_stsd.mp4", (256, 128)),
    ],
)
def test_real_videos_that_change_their_size(name: str, size: tuple[int, int]) -> None:
    clip = open_clip(SHARED_DIR / name, end="35")
    with pytest.warns(DreamFlowWarning, match="changes its size") as warned:
        assert {f.picture.shape[1::-1] for f in clip} == {size}
    assert len(warned) == 1


# --- real and damaged files


@pytest.mark.parametrize("name", ["take:1.mp4", "http:x.mp4", "-a 'b\" %03d [1] é.mp4"])
def test_odd_file_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    make_film(tmp_path / "f.mp4", frames=2).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(list(open_clip(name))) == 2


REAL_CLIPS = {
    # Frames that decode, and frames per second; None where they come unevenly.
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
    "traffic_motorway_320_asp.avi": (748, None),  # two of its packets repeat the frame before
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


UNREADABLE_VIDEOS = {
    "audio_only.mp4": "only sound",
    "zero_length.mp4": "cannot be read as a film",
    "text_renamed.mp4": "cannot be read as a film",
    "html_renamed.mov": "cannot be read as a film",
    "moov_missing.mp4": "cannot be read as a film",
    "truncated_moov_at_end.mp4": "cannot be read as a film",
    "huge_screen.gif": "no frame that decodes",
}


@pytest.mark.clips
@pytest.mark.parametrize("name", UNREADABLE_VIDEOS)
def test_files_that_are_not_videos_are_refused(name: str) -> None:
    with pytest.raises(MediaError, match=UNREADABLE_VIDEOS[name]) as raised:
        open_clip(SHARED_DIR / "hostile" / name)
    assert name in str(raised.value.where)
    assert "\n" not in str(raised.value)


@pytest.mark.clips
@pytest.mark.parametrize(
    ("name", "max_missing"), [("byteflips_middle.mp4", 5), ("zeroed_block.mp4", 20)]
)
def test_missing_frames_are_repeated_and_reported(name: str, max_missing: int) -> None:
    """Damage within a clip does not change the times of the other frames."""
    clip = open_clip(SHARED_DIR / "hostile" / name)
    with pytest.warns(DreamFlowWarning, match="of 92 frames could not be decoded") as warned:
        frames = list(clip)
    assert [frame.index for frame in frames] == list(range(92))
    assert all(abs(frame.time - frame.index / clip.rate) < 0.001 for frame in frames)
    missing = re.search(r"(\d+) of 92", str(warned[0].message))
    assert missing
    assert 0 < int(missing[1]) <= max_missing


@pytest.mark.clips
@pytest.mark.parametrize("fps", [None, 24])
def test_a_film_that_is_cut_short_has_the_frames_that_are_there(fps: float | None) -> None:
    """Of the 92 frames that its header declares: also where it is resampled."""
    with pytest.warns(DreamFlowWarning, match="42 of 92"):
        clip = open_clip(SHARED_DIR / "hostile" / "truncated_faststart.mp4", fps=fps)
    expected = 50 if fps is None else 50 * fps / 29.97
    assert abs(len(clip) - expected) <= (fps is not None)
    assert len(list(clip)) == len(clip)


@pytest.mark.clips
def test_a_part_that_begins_with_a_missing_frame_shows_the_one_before() -> None:
    film = SHARED_DIR / "hostile" / "zeroed_block.mp4"
    with pytest.warns(DreamFlowWarning):
        pictures = [frame.picture for frame in open_clip(film)]
    repeats = [n for n in range(1, 92) if np.array_equal(pictures[n], pictures[n - 1])]
    assert repeats
    with pytest.warns(DreamFlowWarning):
        (alone,) = open_clip(film, start=str(repeats[0]), end=str(repeats[0] + 1))
    assert np.array_equal(alone.picture, pictures[repeats[0]])
