"""Interlaced films, judged frame by frame; and the choice of a film's tracks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import SHARED_DIR, CommandResult, refused, run_ffmpeg

from dreamflow.core.errors import DreamFlowWarning
from dreamflow.media.read.clip import open_clip

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
