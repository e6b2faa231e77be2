"""Films that are joined, damaged, cut short, or unusual: every frame that is there, at its time."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import SHARED_DIR, decode_with_ffmpeg, make_film, psnr, run_ffmpeg
from PIL import Image, ImageSequence

from dreamflow.core.errors import DamagedSourceWarning, DreamFlowWarning, MediaError
from dreamflow.media.options import DEFAULT_FRAME_TIMECODE
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.read.probing import probe_process
from dreamflow.media.read.single_frame import decode_first_frame, open_frames_up_to
from dreamflow.media.read.video.probe import probe_video

FAULTS = SHARED_DIR / "faults"


def packet_places(path: Path) -> list[tuple[int, int]]:
    """Return the place in the file and the size of each packet of a film's picture."""
    with av.open(str(path)) as container:
        packets = container.demux(video=0)
        return [(packet.pos or 0, packet.size) for packet in packets if packet.size]


def damage_packet(path: Path, number: int, target: Path) -> Path:
    """Write a copy of a film in which a packet holds noise."""
    data = bytearray(path.read_bytes())
    place, size = packet_places(path)[number]
    data[place : place + size] = np.random.default_rng(number).bytes(size)
    target.write_bytes(data)
    return target


def copy_packets(
    path: Path, target: Path, change: Callable[[int, av.Packet], av.Packet | None]
) -> Path:
    """Write a copy of a film whose packets are changed or, where None is returned, left out."""
    with av.open(str(path)) as source, av.open(str(target), "w") as copy:
        stream = copy.add_stream_from_template(source.streams.video[0])
        packets = (packet for packet in source.demux(video=0) if packet.size)
        for number, packet in enumerate(packets):
            changed = change(number, packet)
            if changed is not None:
                changed.stream = stream
                copy.mux(changed)
    return target


# --- what is right for given files

FRAMES_AND_LENGTH = {
    "joined.ts": (60, Fraction(2)),
    "latin1.avi": (15, Fraction(1, 2)),
    "vfr.avi": (20, Fraction(2)),
    "raw.h264": (30, Fraction(1)),
    "pause.gif": (10, Fraction(29, 10)),
    "pause.webp": (10, Fraction(29, 10)),
    "lastlong.mp4": (11, Fraction(4)),
    "one_picture_song.mp4": (1, Fraction(5)),
    "png_icc.mov": (5, Fraction(1, 2)),
    "t_icc.apng": (5, Fraction(1, 2)),
    "m_ycgco.mp4": (9, Fraction(3, 10)),
}


@pytest.mark.clips
@pytest.mark.parametrize("name", FRAMES_AND_LENGTH)
def test_given_films_have_all_frames_and_their_length_without_a_warning(name: str) -> None:
    clip = open_clip(FAULTS / name)
    frames = list(clip)
    assert (len(frames), clip.length, clip.output_spec.length) == (
        FRAMES_AND_LENGTH[name][0],
        *[FRAMES_AND_LENGTH[name][1]] * 2,
    )
    assert all(a.time < b.time for a, b in pairwise(frames))
    assert frames[-1].time < clip.length


@pytest.mark.clips
@pytest.mark.parametrize(
    ("name", "left_out", "frames"), [("firstbad.mp4", 15, 45), ("midgop.ts", 9, 35)]
)
def test_given_films_begin_with_the_first_frame_that_decodes(
    name: str, left_out: int, frames: int
) -> None:
    with pytest.warns(DreamFlowWarning, match=rf"\b{left_out} frames"):
        clip = open_clip(FAULTS / name)
    pictures = [frame.picture for frame in clip]
    assert len(clip) == len(pictures) == frames
    assert not np.array_equal(pictures[0], pictures[1])
    assert pictures[0].std() > 20  # not the grey of a frame that lacks what it refers to
    assert clip.info.start_offset > 0  # so that the sound stays in step


@pytest.mark.clips
def test_two_given_recordings_in_one_file_come_one_after_the_other() -> None:
    expected = decode_with_ffmpeg(FAULTS / "joined.ts", "scale=in_color_matrix=bt601:in_range=tv")
    pictures = [frame.picture for frame in open_clip(FAULTS / "joined.ts")]
    assert len(pictures) == len(expected)
    assert min(psnr(a, b) for a, b in zip(pictures, expected, strict=True)) > 40


# --- time stamps that begin again or jump


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        (".ts", "libx264"),
        (".ts", "libx265"),
        (".ts", "mpeg2video"),
        (".mpg", "mpeg2video"),
        (".vob", "mpeg2video"),
    ],
)
def test_joined_recordings_come_one_after_the_other(
    tmp_path: Path, suffix: str, codec: str
) -> None:
    options = ("-c:v", codec, "-g", "6", "-bf", "2")
    parts = [
        make_film(tmp_path / f"{n}{suffix}", frames=n, rate="25", options=options) for n in (14, 9)
    ]
    joined = tmp_path / f"joined{suffix}"
    joined.write_bytes(b"".join(part.read_bytes() for part in [*parts, parts[0]]))
    clip = open_clip(joined)
    pictures = [frame.picture for frame in clip]
    expected = [frame.picture for part in [*parts, parts[0]] for frame in open_clip(part)]
    assert (clip.rate, clip.length) == (25, Fraction(37, 25))
    assert len(pictures) == len(expected) == 37
    assert min(psnr(a, b) for a, b in zip(pictures, expected, strict=True)) > 35


def test_a_jump_of_a_broadcasts_clock_is_no_gap(tmp_path: Path) -> None:
    parts = [
        make_film(
            tmp_path / f"{start}.ts", frames=10, rate="25", options=("-output_ts_offset", start)
        )
        for start in ("0", "5000")
    ]
    for first, second in (parts, parts[::-1]):
        joined = tmp_path / "joined.ts"
        joined.write_bytes(first.read_bytes() + second.read_bytes())
        assert (len(list(open_clip(joined))), open_clip(joined).length) == (20, Fraction(20, 25))


# --- what is there, and what is declared


@pytest.mark.parametrize("codec", ["mjpeg", "mpeg4", "png"])
def test_dropped_frames_of_an_avi_are_not_missing(tmp_path: Path, codec: str) -> None:
    """Its header counts them, and its time goes on over them."""
    film = make_film(tmp_path / "all.avi", frames=18, rate="30", options=("-c:v", codec, "-g", "1"))
    sparse = copy_packets(
        film, tmp_path / "sparse.avi", lambda number, packet: None if number % 3 else packet
    )
    clip = open_clip(sparse)
    assert [frame.time for frame in clip] == [Fraction(n, 10) for n in range(6)]
    frames = open_frames_up_to(sparse, DEFAULT_FRAME_TIMECODE)
    assert decode_first_frame(frames).index == 3


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".mp4", ("-c:v", "libx264", "-movflags", "+faststart")),
        (".mp4", ("-c:v", "libx264", "-movflags", "frag_keyframe+empty_moov")),
        (".mkv", ("-c:v", "libx264")),
        (".webm", ("-c:v", "libvpx-vp9", "-cpu-used", "8")),
        (".flv", ("-c:v", "libx264")),
        (".avi", ("-c:v", "mjpeg")),
        (".avi", ("-c:v", "mpeg4")),
        (".ts", ("-c:v", "libx264")),
        (".mov", ("-c:v", "prores_ks", "-movflags", "+faststart")),
        (".gif", ("-c:v", "gif")),
    ],
)
@pytest.mark.filterwarnings("ignore::dreamflow.core.errors.DreamFlowWarning")
def test_a_truncated_download_is_what_is_there(
    tmp_path: Path, suffix: str, options: tuple[str, ...]
) -> None:
    options += ("-g", "5")
    film = make_film(tmp_path / f"f{suffix}", frames=40, rate="25", options=options)
    assert not open_clip(film).info.notes
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(film.read_bytes()[: film.stat().st_size * 6 // 10])
    with pytest.warns(DamagedSourceWarning):
        clip = open_clip(cut)
    assert clip.info.notes
    assert 10 < len(clip) < 35
    assert len(list(clip)) == len(clip)
    assert (
        decode_first_frame(open_frames_up_to(cut, DEFAULT_FRAME_TIMECODE)).index == len(clip) // 2
    )


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        (".h264", "libx264"),
        (".hevc", "libx265"),
        (".m2v", "mpeg2video"),
        (".m4v", "mpeg4"),
        (".obu", "libsvtav1"),
    ],
)
def test_a_raw_stream_has_its_own_rate(tmp_path: Path, suffix: str, codec: str) -> None:
    film = make_film(
        tmp_path / f"f{suffix}", frames=20, rate="30", options=("-c:v", codec, "-g", "8")
    )
    clip = open_clip(film)
    assert len(list(clip)) == 20
    expected = 25 if suffix == ".obu" else 30  # AV1 leaves it out, and FFmpeg assumes 25
    assert (clip.rate, clip.length) == (expected, Fraction(20, expected))


# --- damage


@pytest.mark.parametrize("decoder", ["auto", "opencv"])
@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".mov", ("-c:v", "prores_ks", "-profile:v", "4444")),
        (".mp4", ("-c:v", "libx264", "-pix_fmt", "yuv444p", "-g", "10", "-bf", "0")),
        (".avi", ("-c:v", "cinepak", "-g", "1")),
        (".mov", ("-c:v", "qtrle", "-g", "1")),
        (".mov", ("-c:v", "png")),
        (".avi", ("-c:v", "utvideo")),
    ],
)
@pytest.mark.parametrize("number", [7, 22])
def test_a_damaged_packet_costs_its_own_frame(
    tmp_path: Path, suffix: str, options: tuple[str, ...], number: int, decoder: str
) -> None:
    """Also near the end, where decoders hold several frames."""
    film = make_film(tmp_path / f"f{suffix}", frames=24, rate="25", options=options)
    damaged = damage_packet(film, number, tmp_path / f"damaged{suffix}")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        whole = [frame.picture for frame in open_clip(film, decoder=decoder)]
        frames = list(open_clip(damaged, decoder=decoder))
    assert sum("1 of 24" in str(warning.message) for warning in caught) == 1
    assert [frame.time for frame in frames] == [Fraction(n, 25) for n in range(24)]
    reach = range(number, 24) if "yuv444p" in options else range(number, number + 1)
    for n, frame in enumerate(frames):
        if n not in reach or n == 23:
            continue
        assert psnr(frame.picture, whole[n - 1 if n == number else n]) > 18


@pytest.mark.parametrize("decoder", ["auto", "opencv"])
@pytest.mark.parametrize(
    ("codec", "empty"), [("rawvideo", b"\0"), ("rawvideo", b"\0\0\0\0"), ("msvideo1", b"\0")]
)
def test_packets_without_a_change_repeat_the_frame_before(
    tmp_path: Path, codec: str, empty: bytes, decoder: str
) -> None:
    """A screen recording of 16-bit RGB: its time goes on, and nothing is damaged."""
    options = ("-c:v", codec, "-pix_fmt", "rgb555le")
    film = make_film(tmp_path / "f.avi", frames=30, rate="15", size="64x48", options=options)

    def empty_two_of_three(number: int, packet: av.Packet) -> av.Packet:
        if number % 3 == 0:
            return packet
        unchanged = av.Packet(empty)
        unchanged.pts, unchanged.dts = packet.pts, packet.dts
        unchanged.time_base, unchanged.duration = packet.time_base, packet.duration
        return unchanged

    sparse = copy_packets(film, tmp_path / "sparse.avi", empty_two_of_three)
    if codec == "rawvideo" and decoder == "opencv":
        with pytest.raises(MediaError):
            list(open_clip(sparse, decoder=decoder))
        return
    clip = open_clip(sparse, decoder=decoder)
    frames = list(clip)
    assert (clip.rate, clip.length) == (15, 2)
    assert [frame.time for frame in frames] == [Fraction(n, 15) for n in range(30)]
    for first in range(0, 30, 3):
        shown = [frame.picture for frame in frames[first : first + 3]]
        assert all(np.array_equal(shown[0], picture) for picture in shown)
        assert first == 0 or not np.array_equal(shown[0], frames[first - 1].picture)


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg2video"])
def test_a_recording_begins_with_its_first_key_frame(tmp_path: Path, codec: str) -> None:
    options = ("-c:v", codec, "-g", "12", "-bf", "2")
    film = make_film(tmp_path / "f.ts", frames=40, rate="25", options=options)
    cut = copy_packets(
        film, tmp_path / "cut.ts", lambda number, packet: packet if number >= 5 else None
    )
    with pytest.warns(DreamFlowWarning, match="left out"):
        clip = open_clip(cut)
    pictures = [frame.picture for frame in clip]
    whole = [frame.picture for frame in open_clip(film)]
    assert 26 <= len(pictures) <= 30
    assert psnr(pictures[0], whole[-len(pictures)]) > 30
    assert psnr(pictures[-1], whole[-1]) > 30


@pytest.mark.parametrize("shift", [3, 5, 8])
def test_an_edit_before_the_first_key_frame_begins_with_that(tmp_path: Path, shift: int) -> None:
    """The edit begins `shift` frames into a film whose first key frame is the eleventh."""
    film = make_film(tmp_path / "f.ts", frames=60, rate="30", options=("-g", "15", "-bf", "2"))
    cut = copy_packets(
        film, tmp_path / "cut.ts", lambda number, packet: packet if number >= 5 else None
    )
    run_ffmpeg("-i", cut, "-c", "copy", "-copyinkf", tmp_path / "cut.mp4")
    data = bytearray((tmp_path / "cut.mp4").read_bytes())
    place = data.index(b"elst") + 16
    media_time = int.from_bytes(data[place : place + 4], "big") + shift * 3000
    data[place : place + 4] = media_time.to_bytes(4, "big")
    (tmp_path / "edited.mp4").write_bytes(data)
    with pytest.warns(DreamFlowWarning, match="left out"):
        clip = open_clip(tmp_path / "edited.mp4")
    whole = [frame.picture for frame in open_clip(film)]
    pictures = [frame.picture for frame in clip]
    assert len(pictures) == 45
    assert clip.info.start_offset == Fraction(11 - shift, 30)
    assert all(psnr(a, b) > 30 for a, b in zip(pictures, whole[15:], strict=True))


def test_the_default_frame_of_a_damaged_film_is_one_that_is_there(tmp_path: Path) -> None:
    film = make_film(tmp_path / "f.mov", frames=20, rate="25", options=("-c:v", "png"))
    for number in range(8, 20):
        film = damage_packet(film, number, tmp_path / f"{number}.mov")
    with pytest.warns(DreamFlowWarning):
        frame = decode_first_frame(open_frames_up_to(film, DEFAULT_FRAME_TIMECODE))
    whole = list(open_clip(tmp_path / "f.mov"))
    assert np.array_equal(frame.picture, whole[7].picture)


# --- crashes


@pytest.mark.clips
@pytest.mark.parametrize("name", ["png_icc.mov", "t_icc.apng"])
def test_a_picture_with_a_colour_profile_is_right(name: str) -> None:
    """Reading such a frame's side data crashed the process."""
    code = (
        "import sys; from dreamflow import open_clip; from pathlib import Path;"
        "print(*(round(float(f.picture.mean()), 1) for f in open_clip(Path(sys.argv[1]))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(FAULTS / name)], capture_output=True, check=True
    )
    means = [float(value) for value in done.stdout.split()]
    if name.endswith(".mov"):
        pictures = list(decode_with_ffmpeg(FAULTS / name, "scale=in_range=pc"))
    else:
        with Image.open(FAULTS / name) as image:
            frames = ImageSequence.Iterator(image)
            pictures = [np.asarray(frame.convert("RGB")) for frame in frames]
    assert np.allclose(means, [picture.mean() for picture in pictures], atol=0.1)


def test_a_crash_while_probing_is_one_error_and_the_next_file_is_read(
    tmp_path: Path,
) -> None:
    film = make_film(tmp_path / "f.mp4", frames=3)
    prober = probe_process.ProbeProcess("import os; os.kill(os.getpid(), 11)")
    with pytest.raises(MediaError) as crash:
        prober.probe(film, probe_process.WantedTracks())
    assert crash.value.where == str(film)
    assert "\n" not in str(crash.value)
    assert "SIGSEGV" in str(crash.value)
    prober.close()
    assert probe_video(film).frames == 3


def test_probing_follows_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        make_film(tmp_path / name / "f.mp4", frames=2 if name == "a" else 3)
        monkeypatch.chdir(tmp_path / name)
        assert len(open_clip("f.mp4")) == (2 if name == "a" else 3)
    assert os.getcwd() == str(tmp_path / "b")


# --- the last frame's hold


@pytest.mark.parametrize("suffix", [".gif", ".mp4", ".mov", ".apng"])
def test_a_last_frame_that_is_held_lasts(tmp_path: Path, suffix: str) -> None:
    film = make_film(tmp_path / "f.mkv", frames=10, rate="10", options=("-c:v", "png"))
    held = tmp_path / f"held{suffix}"

    def hold(number: int, packet: av.Packet) -> av.Packet:
        if number == 9 and packet.time_base:
            packet.duration = round(2 / packet.time_base)
        return packet

    if suffix == ".gif":
        run_ffmpeg("-i", film, "-final_delay", "200", held)
    elif suffix == ".apng":
        run_ffmpeg("-i", film, "-final_delay", "2", held)
    else:
        encoded = tmp_path / f"e{suffix}"
        run_ffmpeg("-i", film, "-c:v", "mpeg4", encoded)
        copy_packets(encoded, held, hold)
    clip = open_clip(held)
    assert abs(clip.length - Fraction(29, 10)) < Fraction(1, 50)
    assert abs(float([frame.time for frame in clip][-1]) - 0.9) < 0.01
    part = open_clip(held, end="5")
    assert (float(part.rate), float(part.length)) == pytest.approx((10, 0.5), abs=0.01)


@pytest.mark.clips
def test_a_part_of_an_uneven_film_says_how_long_it_is() -> None:
    clip = open_clip(FAULTS / "vfrcut.mp4", start="5", end="35")
    spec = clip.output_spec
    assert spec.duration_of(spec.frames) == clip.length
    assert abs(spec.frames / spec.rate - clip.length) < Fraction(1, 1000)


@pytest.mark.clips
def test_a_part_of_a_film_of_444_begins_as_in_the_whole(clips: Path) -> None:
    """Its encoder's version, without which FFmpeg decodes it wrongly, is in the first packet."""
    film = clips / "cockatoo_yuv444_mp3.mp4"
    whole = {frame.index: frame.picture for frame in open_clip(film, end="91", size="64")}
    for first in (70, 90):
        (frame,) = open_clip(film, start=str(first), end=str(first + 1), size="64")
        assert np.array_equal(frame.picture, whole[first])


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov", ".ts"])
def test_a_film_that_begins_late_is_whole(tmp_path: Path, suffix: str) -> None:
    film = make_film(
        tmp_path / f"late{suffix}", frames=24, options=("-output_ts_offset", "10", "-g", "12")
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clip = open_clip(film)
        assert len(list(clip)) == 24
    assert clip.length == 1
