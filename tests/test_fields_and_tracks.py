"""Interlaced films, judged frame by frame; and the choice of a film's tracks."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from coded_fields import code_frames, pull_down
from conftest import SAMPLE_STILL, SHARED_DIR, CommandResult, refused, run_ffmpeg

from dreamflow.core.errors import DreamFlowWarning, SettingsError
from dreamflow.dream.options import DreamOptions
from dreamflow.media.options import ClipOptions
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.read.probing.nal_packets import FieldPairs
from dreamflow.media.read.single_frame import open_frames_up_to
from dreamflow.media.records.embedded_settings import read_record
from dreamflow.media.stills.read import read_picture
from dreamflow.networks.network import Network
from dreamflow.reports.guide.build import make_guide

MOVING_BARS = "testsrc2=size=160x128:rate=50"


def combing(picture: np.ndarray) -> float:
    """Return by how many levels a row differs from the mean of its neighbours."""
    grey = picture.astype(int).mean(axis=2)
    return float(np.abs(grey[1:-1] - (grey[:-2] + grey[2:]) / 2).mean())


def make_fields(path: Path, seconds: float, *, interlaced: bool, marked: bool = True) -> Path:
    filters = "tinterlace=interleave_top" if interlaced else "fps=25"
    flags = ["-flags", "+ilme+ildct"] if interlaced and marked else []
    filters += (",setfield=tff" if marked else ",setfield=prog") if interlaced else ""
    run_ffmpeg(
        *("-f", "lavfi", "-i", MOVING_BARS, "-t", str(seconds), "-vf", filters),
        *("-c:v", "mpeg2video", "-qscale:v", "2", "-g", "6", *flags, path),
    )
    return path


@pytest.mark.parametrize("interlaced_first", [False, True])
def test_each_frame_is_deinterlaced_or_not(tmp_path: Path, interlaced_first: bool) -> None:
    """As where a broadcast changes between film and studio."""
    order = (interlaced_first, not interlaced_first)
    parts = [make_fields(tmp_path / f"{i}.ts", 0.6, interlaced=i) for i in order]
    mixed = tmp_path / "mixed.ts"
    mixed.write_bytes(b"".join(part.read_bytes() for part in parts))
    kept = [frame.picture for frame in open_clip(mixed, deinterlace="off")]
    with pytest.warns(DreamFlowWarning, match="interlaced"):
        pictures = [frame.picture for frame in open_clip(mixed)]
    assert len(pictures) == len(kept) == 30
    for n, (picture, raw) in enumerate(zip(pictures, kept, strict=True)):
        if (n < 15) == interlaced_first:
            assert n in (0, 15) or combing(picture) < 0.8 * combing(raw)
        else:
            assert np.array_equal(picture, raw)


def test_a_film_that_is_marked_wrongly_is_deinterlaced_where_asked_for(tmp_path: Path) -> None:
    film = make_fields(tmp_path / "f.ts", 0.6, interlaced=True, marked=False)
    combs = {
        mode: np.mean([combing(f.picture) for f in open_clip(film, deinterlace=mode)])
        for mode in ("auto", "on", "off")
    }
    assert combs["auto"] == combs["off"]
    assert combs["on"] < 0.8 * combs["off"]
    assert len(list(open_clip(film, deinterlace="on"))) == 15


@pytest.mark.clips
def test_a_given_film_that_is_marked_wrongly() -> None:
    film = SHARED_DIR / "faults" / "flagprog.mp4"
    on, off = (
        [combing(frame.picture) for frame in open_clip(film, deinterlace=mode)]
        for mode in ("on", "off")
    )
    assert len(on) == len(off) == 30
    assert np.mean(on) < 0.8 * np.mean(off)


# --- fields coded as pictures, and 3:2 pulldown


def write_access_units(path: Path, units: list[bytes], times: list[int], ticks: int) -> Path:
    """Write H.264 packets with their times, in ticks of a second, to any container."""
    raw = path.with_suffix(".h264")
    raw.write_bytes(b"".join(units))
    if path == raw:
        return path
    with av.open(str(raw)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        ends = [*times[1:], 2 * times[-1] - times[-2]]
        packets = (packet for packet in source.demux(video=0) if packet.size)
        for packet, time, end in zip(packets, times, ends, strict=True):
            packet.time_base = Fraction(1, ticks)
            packet.pts = packet.dts = time
            packet.duration = end - time
            packet.stream = stream
            target.mux(packet)
    return path


@pytest.mark.parametrize("suffix", [".ts", ".mkv", ".mp4", ".h264"])
@pytest.mark.parametrize(
    "as_fields",
    [[True] * 8, [True, True, False, False, True, False, True, False], [False] * 7 + [True]],
    ids=["all", "mixed", "one"],
)
def test_two_fields_are_one_frame(tmp_path: Path, suffix: str, as_fields: list[bool]) -> None:
    """As broadcasts and camcorders code H.264: each field may be a packet with its own time."""
    shades = np.linspace(60, 200, 64)[None, :] + np.arange(64)[:, None] % 2 * 20
    made = [(shades - 4 * n).astype(np.uint8) for n in range(8)]
    times = [2 * n + field for n, pair in enumerate(as_fields) for field in range(1 + pair)]
    units = code_frames(made, as_fields)
    film = write_access_units(tmp_path / f"film{suffix}", units, times, ticks=50)
    clip = open_clip(film, deinterlace="off")
    assert (len(clip), clip.rate, clip.length) == (8, 25, Fraction(8, 25))
    frames = list(clip)
    assert [frame.time for frame in frames] == [Fraction(n, 25) for n in range(8)]
    for frame, luma in zip(frames, made, strict=True):
        grey = (luma.astype(float) - 16) * 255 / 219
        assert np.abs(frame.picture[..., 1] - grey).max() < 2


@pytest.mark.parametrize("size", range(12))
def test_a_header_that_is_cut_short_tells_nothing(size: int) -> None:
    record = b"\1\x4d\0\x1e\xff\xe1\0\x04\x67\x4d\0\x1e"
    packet = av.Packet(b"\0\0\0\4\x41\x9a\0\0")
    assert not FieldPairs(record[:size]).completes_frame(packet)


def test_what_follows_the_last_picture_is_no_frame(tmp_path: Path) -> None:
    """An end of sequence and metadata, as raw HEVC of Dolby Vision has them."""
    raw = tmp_path / "film.hevc"
    source = ("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25", "-frames:v", "6")
    run_ffmpeg(*source, "-c:v", "libx265", "-x265-params", "log-level=none", raw)
    raw.write_bytes(raw.read_bytes() + b"\0\0\0\1\x48\x01" + b"\0\0\0\1\x7c\x01" + b"\x19" * 80)
    clip = open_clip(raw)  # a warning would fail: nothing is missing
    assert len(clip) == len(list(clip)) == 6


@pytest.mark.parametrize("suffix", [".m2v", ".ts", ".mpg", ".mkv"])
def test_pulldown_shows_each_frame_once_and_at_its_time(tmp_path: Path, suffix: str) -> None:
    film = tmp_path / f"film{suffix}"
    progressive, pulled = tmp_path / "progressive.m2v", tmp_path / "pulled.m2v"
    source = ("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=24000/1001", "-frames:v", "24")
    run_ffmpeg(*source, "-c:v", "mpeg2video", "-q:v", "2", "-g", "12", "-bf", "2", progressive)
    pulled.write_bytes(pull_down(progressive.read_bytes()))
    if suffix == ".m2v":
        film = pulled
    else:
        run_ffmpeg("-fflags", "+genpts", "-i", pulled, "-c", "copy", film)
    frames = list(open_clip(film))  # a warning would fail: nothing is interlaced
    expected = [frame.picture for frame in open_clip(progressive)]
    assert len(frames) == 24
    for frame, picture in zip(frames, expected, strict=True):
        assert np.array_equal(frame.picture, picture)
    fields = [round(float(b.time - a.time) * 60000 / 1001) for a, b in pairwise(frames)]
    assert fields[:22] == [3, 2] * 11  # the time of the last one is FFmpeg's guess


@pytest.mark.parametrize("order", ["tff", "bff"])
def test_interlaced_h264_of_frames_is_deinterlaced(tmp_path: Path, order: str) -> None:
    film = tmp_path / "film.mp4"
    interleave = "interleave_top" if order == "tff" else "interleave_bottom"
    run_ffmpeg(
        *("-f", "lavfi", "-i", MOVING_BARS, "-t", "0.4", "-c:v", "libx264", "-qp", "4"),
        *("-vf", f"tinterlace={interleave},setfield={order}"),
        *("-x264-params", f"interlaced=1:{order}=1", film),
    )
    with pytest.warns(DreamFlowWarning, match="interlaced"):
        combs = [combing(frame.picture) for frame in open_clip(film)]
    kept = [combing(frame.picture) for frame in open_clip(film, deinterlace="off")]
    assert len(combs) == len(kept) == 10
    assert np.mean(combs) < 0.8 * np.mean(kept)


# --- tracks


@pytest.fixture
def many_tracks(tmp_path: Path) -> Path:
    film = tmp_path / "tracks.mkv"
    run_ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=0.4"),
        *("-f", "lavfi", "-i", "testsrc=size=32x24:rate=10:duration=0.5"),
        *(
            "-f",
            "lavfi",
            "-i",
            "sine=440:duration=0.5",
            "-f",
            "lavfi",
            "-i",
            "sine=880:duration=0.5",
        ),
        *("-map", "0", "-map", "1", "-map", "2", "-map", "3", "-c:v", "ffv1"),
        *("-c:a:0", "aac", "-c:a:1", "libmp3lame", "-metadata:s:v:1", "language=ger"),
        *("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=fre", film),
    )
    return film


@pytest.mark.parametrize(
    ("track", "width", "frames"),
    [(None, 64, 10), ("0", 64, 10), (1, 32, 5), ("ger", 32, 5), ("DEU", 32, 5)],
)
def test_a_video_track_is_chosen_by_number_or_language(
    many_tracks: Path, track: str | int | None, width: int, frames: int
) -> None:
    clip = open_clip(many_tracks, video_track=track)
    assert {frame.picture.shape[1] for frame in clip} == {width}
    assert len(list(clip)) == frames


@pytest.mark.parametrize("setting", ["video_track", "audio_track"])
@pytest.mark.parametrize("track", ["2", "spa", "-1"])
def test_a_track_that_is_not_there_is_refused(many_tracks: Path, setting: str, track: str) -> None:
    with refused(setting, str(many_tracks)):
        open_clip(many_tracks, **{setting: track})


@pytest.mark.parametrize(("track", "codecs"), [("fre", ["mp3float"]), ("0", ["aac"])])
def test_the_chosen_sound_track_is_in_the_output(
    tmp_path: Path,
    many_tracks: Path,
    cli: Callable[..., CommandResult],
    track: str,
    codecs: list[str],
) -> None:
    out = tmp_path / "dream.mkv"
    options = ("--iterations", "0", "--no-carry", "--threads", "1", "--layer", "conv1/7x7_s2")
    run = cli("video", many_tracks, out, "--audio-track", track, *options)
    assert run.code == 0, run.err
    with av.open(str(out)) as container:
        assert [stream.codec_context.name for stream in container.streams.audio] == codecs


# --- a single frame is read as the film is


@pytest.fixture
def combed_second_track(tmp_path: Path) -> Path:
    """A film whose second track is interlaced, and not marked so."""
    fields = make_fields(tmp_path / "fields.ts", 0.4, interlaced=True, marked=False)
    film = tmp_path / "two.mkv"
    first = ("-f", "lavfi", "-i", "color=gray:size=64x48:rate=25:duration=0.4")
    tracks = ("-map", "0", "-map", "1", "-c:v:0", "ffv1", "-c:v:1", "copy")
    run_ffmpeg(*first, "-i", fields, *tracks, film)
    return film


SMALL_DREAM = ("--iterations", "0", "--threads", "1")
COMMANDS = {
    "frame": ("frame.png", "", SMALL_DREAM),
    "zoom": (
        "zoom",
        "frame_000000.png",
        (*SMALL_DREAM, "--seconds", "0.1", "--fps", "10", "--size", "160x128"),
    ),
    "channels": ("channels.png", "", (*SMALL_DREAM, "--count", "1", "--layer", "conv1/7x7_s2")),
    "guide": ("guide", "pictures/00_source.jpg", ("--threads", "1", "--layer", "conv1/7x7_s2")),
}
"""By command: its output, the picture in that, and its options."""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_single_frame_is_read_from_the_track_and_deinterlaced_as_asked_for(
    tmp_path: Path, combed_second_track: Path, cli: Callable[..., CommandResult], command: str
) -> None:
    name, picture_name, options = COMMANDS[command]
    combs: dict[str, float] = {}
    for mode in ("on", "off"):
        out = tmp_path / mode / name
        out.parent.mkdir()
        wanted = ("--video-track", "1", "--deinterlace", mode)
        run = cli(command, combed_second_track, out, *options, *wanted)
        assert run.code == 0, run.err
        combs[mode] = combing(read_picture(out / picture_name if picture_name else out))
        settings = read_record(out)["settings"]
        assert (settings["video_track"], settings["deinterlace"]) == ("1", mode)
    assert 0 < combs["on"] < 0.8 * combs["off"]


def test_the_guides_commands_read_the_same_frame(
    tmp_path: Path, combed_second_track: Path, noise_network: Network
) -> None:
    options = DreamOptions(iterations=1, octaves=1)
    guide = make_guide(
        *(combed_second_track, tmp_path / "guide", noise_network, ["conv1/7x7_s2"], options),
        video_track=1,
        deinterlace="on",
    )
    assert "--deinterlace on --video-track 1" in guide.page_path.read_text()
    same_folder = (combed_second_track, guide.folder, noise_network, ["conv1/7x7_s2"], options)
    with pytest.raises(SettingsError):  # another picture than the one in the folder
        make_guide(*same_folder, video_track=1, deinterlace="off")


def test_a_look_leaves_the_films_own_settings_behind(
    tmp_path: Path, combed_second_track: Path, cli: Callable[..., CommandResult]
) -> None:
    first, look, same = (tmp_path / f"{name}.png" for name in ("first", "look", "same"))
    wanted = ("--video-track", "1", "--deinterlace", "on")
    assert cli("frame", combed_second_track, first, *SMALL_DREAM, *wanted).code == 0
    assert cli("frame", combed_second_track, look, "--threads", "1", "--like", first).code == 0
    assert cli("frame", combed_second_track, same, "--threads", "1", "--like-all", first).code == 0
    assert read_picture(look).shape == (48, 64, 3)
    assert np.array_equal(read_picture(same), read_picture(first))


def test_settings_of_films_do_nothing_for_a_picture() -> None:
    with pytest.warns(DreamFlowWarning):
        open_frames_up_to(SAMPLE_STILL, options=ClipOptions(deinterlace="on"))
