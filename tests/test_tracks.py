"""Sound, subtitles and chapters go with the picture, in time with it, whole or in part."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import make_film, run_ffmpeg

from dreamflow.core.errors import DreamFlowWarning
from dreamflow.jobs.output_writer import write_video
from dreamflow.media.output_spec import Sound
from dreamflow.media.read.clip import open_clip
from dreamflow.media.read.probe import probe_video
from dreamflow.media.write.ffmpeg import ffmpeg_path

HERTZ = 48000
LINES = [(0.5, "one"), (1.5, "two"), (2.5, "three")]


def sound_of(path: Path) -> np.ndarray:
    """Return a film's sound from its picture's first frame on, float64 mono, at 48 kHz."""
    line = [ffmpeg_path(), "-v", "error", "-i", str(path), "-map", "0:a:0", "-ac", "1", "-ar"]
    line += [str(HERTZ), "-f", "f32le", "-"]
    raw = subprocess.run(line, check=True, capture_output=True).stdout
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        late = float((audio.start_time or 0) * audio.time_base)
        late -= float((video.start_time or 0) * video.time_base)
    sound = np.frombuffer(raw, np.float32).astype(float)
    shift = round(late * HERTZ)
    return np.pad(sound, (shift, 0)) if shift > 0 else sound[-shift:]


def delay(sound: np.ndarray, reference: np.ndarray) -> float:
    """Return by how many seconds one sound comes after another, by cross-correlation."""
    size = len(sound) + len(reference)
    product = np.fft.rfft(sound, size) * np.conj(np.fft.rfft(reference, size))
    found = int(np.argmax(np.fft.irfft(product, size)))
    return (found if found < len(sound) else found - size) / HERTZ


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds: noise in two languages, subtitles, and three chapters."""
    folder = tmp_path_factory.mktemp("film")
    picture = make_film(folder / "p.mp4", frames=100, rate="25")
    times = [f"00:00:0{int(at)},500 --> 00:00:0{int(at) + 1},300" for at, _ in LINES]
    blocks = [f"{n}\n{times[n - 1]}\n{text}\n" for n, (_, text) in enumerate(LINES, start=1)]
    (folder / "s.srt").write_text("\n".join(blocks))
    parts = [(0, 1000, "Dawn"), (1000, 3000, "Noon = #2; 3\\4"), (3000, 4000, "Dusk")]
    chapters = [
        f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={a}\nEND={b}\ntitle="
        + title.replace("\\", "\\\\").replace("=", "\\=").replace(";", "\\;").replace("#", "\\#")
        for a, b, title in parts
    ]
    (folder / "c.txt").write_text(";FFMETADATA1\n" + "\n".join(chapters) + "\n")
    run_ffmpeg(
        *("-i", picture, "-f", "lavfi", "-i", "anoisesrc=seed=1:duration=4:sample_rate=48000"),
        *("-f", "lavfi", "-i", "anoisesrc=seed=2:duration=4:sample_rate=48000"),
        *("-i", folder / "s.srt", "-i", folder / "c.txt", "-map", "0", "-map", "1", "-map", "2"),
        *("-map", "3", "-map_chapters", "4", "-c:v", "copy", "-c:a", "flac", "-c:s", "srt"),
        *("-metadata:s:a:0", "language=fra", "-metadata:s:a:1", "language=ger"),
        *("-metadata:s:s:0", "language=eng", folder / "film.mkv"),
    )
    return folder / "film.mkv"


@pytest.mark.parametrize(
    ("start", "end"), [(None, None), ("1s", "3s"), ("33", "90"), ("1.7s", None)]
)
@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".webm"])
@pytest.mark.filterwarnings("ignore:.*cannot hold flac")
def test_sound_is_less_than_a_frame_off(
    tmp_path: Path, film: Path, start: str | None, end: str | None, suffix: str
) -> None:
    clip = open_clip(film, start=start, end=end)
    write_video(tmp_path / f"out{suffix}", clip, clip)
    begin = float(clip.start_time)
    part = sound_of(film)[round(begin * HERTZ) :]
    off = delay(sound_of(tmp_path / f"out{suffix}"), part)
    assert abs(off) < 1 / 25


def facts(path: Path) -> tuple[list[str], list[str], list[tuple[float, float, str]]]:
    """Return the languages of sound and of subtitles, and the chapters, as PyAV finds them."""
    with av.open(str(path)) as container:
        sounds = [track.metadata.get("language", "") for track in container.streams.audio]
        words = [track.metadata.get("language", "") for track in container.streams.subtitles]
        chapters = [
            (float(c["start"] * base), float(c["end"] * base), c["metadata"].get("title", ""))
            for c in container.chapters()
            if (base := c["time_base"] or Fraction(1))
        ]
    return sounds, words, chapters


def spoken(path: Path) -> list[tuple[float, str]]:
    """Return the subtitles of a film, and when each comes, as the ffmpeg binary tells them."""
    line = [ffmpeg_path(), "-v", "error", "-i", str(path), "-map", "0:s:0", "-f", "srt", "-"]
    told = subprocess.run(line, check=True, capture_output=True, text=True).stdout
    found: list[tuple[float, str]] = []
    for block in told.strip().split("\n\n"):
        _, times, *text = block.splitlines()
        hours, minutes, seconds = times.split(" --> ")[0].replace(",", ".").split(":")
        at = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        found.append((at, " ".join(text)))
    return found


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov", ".webm"])
@pytest.mark.filterwarnings("ignore:.*cannot hold flac")
def test_tracks_languages_and_chapters_are_kept(tmp_path: Path, film: Path, suffix: str) -> None:
    out = tmp_path / f"out{suffix}"
    clip = open_clip(film)
    write_video(out, clip, clip)
    sounds, words, chapters = facts(out)
    assert sounds == ["fra", "ger"] and words == ["eng"]
    assert chapters == [(0, 1, "Dawn"), (1, 3, "Noon = #2; 3\\4"), (3, 4, "Dusk")]
    assert spoken(out) == LINES
    assert len(list(open_clip(out))) == 100


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.filterwarnings("ignore:.*cannot hold flac")
def test_a_part_has_its_own_subtitles_and_chapters(tmp_path: Path, film: Path, suffix: str) -> None:
    clip = open_clip(film, start="1s", end="3.5s")
    write_video(tmp_path / f"out{suffix}", clip, clip)
    _, _, chapters = facts(tmp_path / f"out{suffix}")
    assert chapters == [(0, 2, "Noon = #2; 3\\4"), (2, 2.48, "Dusk")]
    told = spoken(tmp_path / f"out{suffix}")
    assert [text for _, text in told] == ["two", "three"]
    assert [at for at, _ in told] == pytest.approx([0.5, 1.5], abs=0.02)


def test_subtitles_without_sound(tmp_path: Path, film: Path) -> None:
    silent = tmp_path / "silent.mkv"
    run_ffmpeg("-i", film, "-map", "0:v", "-map", "0:s", "-c", "copy", silent)
    clip = open_clip(silent, end="2s")
    write_video(tmp_path / "out.mp4", clip, clip)
    assert facts(tmp_path / "out.mp4")[:2] == ([], ["eng"])
    assert spoken(tmp_path / "out.mp4") == LINES[:2]


def test_what_cannot_be_held_is_left_out_and_said(tmp_path: Path, film: Path) -> None:
    clip = open_clip(film, end="2")
    sound = Sound(film, (), ends_early=True, subtitle_codecs=("hdmv_pgs_subtitle",))
    drawn = replace(clip.output_spec, sound=sound)
    with pytest.warns(DreamFlowWarning, match=r"cannot hold hdmv_pgs_subtitle subtitles: left out"):
        write_video(tmp_path / "out.mp4", clip, drawn)
    assert probe_video(tmp_path / "out.mp4").subtitle_codecs == ()
    with pytest.warns(DreamFlowWarning, match=r"a \.gif has no subtitles"):
        write_video(tmp_path / "out.gif", clip, drawn)
