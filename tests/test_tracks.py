"""Sound, subtitles and chapters go with the picture, in time with it, whole or in part."""

from __future__ import annotations

import subprocess
import warnings
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import SAMPLE_CLIP, SHARED_DIR, make_film, run_ffmpeg

from dreamflow.core.errors import DreamFlowWarning
from dreamflow.jobs.output_writer import open_writer, write_video
from dreamflow.media.output_spec import Sound
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.read.video.probe import probe_video
from dreamflow.media.write.ffmpeg import ffmpeg_path

SAMPLE_RATE_HZ = 48000
SUBTITLES = [(0.5, "one"), (1.5, "two"), (2.5, "three")]
"""Seconds at which each is shown, and its text."""


def copy_clip(clip: Clip, out: Path) -> Path:
    write_video(out, clip, clip)
    return out


# --- sound


def read_sound(path: Path) -> np.ndarray:
    """Return a video's sound from its first frame on, (N,) float64 mono, at SAMPLE_RATE_HZ."""
    command = [ffmpeg_path(), "-v", "error", "-i", str(path), "-map", "0:a:0", "-ac", "1", "-ar"]
    command += [str(SAMPLE_RATE_HZ), "-f", "f32le", "-"]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        late = float((audio.start_time or 0) * audio.time_base)
        late -= float((video.start_time or 0) * video.time_base)
    sound = np.frombuffer(raw, np.float32).astype(float)
    shift = round(late * SAMPLE_RATE_HZ)
    return np.pad(sound, (shift, 0)) if shift > 0 else sound[-shift:]


def measure_delay(sound: np.ndarray, reference: np.ndarray) -> float:
    """Return by how many seconds one sound comes after another, by cross-correlation."""
    size = len(sound) + len(reference)
    product = np.fft.rfft(sound, size) * np.conj(np.fft.rfft(reference, size))
    peak = int(np.argmax(np.fft.irfft(product, size)))
    return (peak if peak < len(sound) else peak - size) / SAMPLE_RATE_HZ


def sound_span(path: Path) -> tuple[str, float, float]:
    """Return the codec of a video's sound, and its first and last packet in picture time, in s."""
    with av.open(str(path)) as container:
        audio, video = container.streams.audio[0], container.streams.video[0]
        times: dict[int, list[float]] = {audio.index: [], video.index: []}
        for packet in container.demux(audio, video):
            if packet.size and packet.pts is not None and not packet.is_discard:
                times[packet.stream.index].append(float(packet.pts * packet.time_base))
        sound, first_frame = times[audio.index], min(times[video.index])
        return audio.codec_context.name, min(sound) - first_frame, max(sound) - first_frame


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_sound_is_copied_in_sync(tmp_path: Path, suffix: str) -> None:
    out = copy_clip(open_clip(SAMPLE_CLIP, size="64"), tmp_path / f"out{suffix}")
    codec, *times = sound_span(out)
    assert codec == "aac"
    assert times == pytest.approx(sound_span(SAMPLE_CLIP)[1:], abs=0.025)


@pytest.fixture(scope="module")
def aac_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five seconds of noise in AAC, which starts with a priming packet."""
    folder = tmp_path_factory.mktemp("aac")
    noise = "anoisesrc=seed=3:sample_rate=48000:amplitude=0.4:duration=5"
    picture = make_film(folder / "v.mp4", frames=120)
    run_ffmpeg(
        *("-i", picture, "-f", "lavfi", "-i", noise, "-c:v", "copy", "-c:a", "aac"),
        folder / "in.mp4",
    )
    return folder / "in.mp4"


@pytest.fixture(scope="module")
def tracks_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds: FLAC noise in two languages, subtitles, and three chapters."""
    folder = tmp_path_factory.mktemp("tracks")
    picture = make_film(folder / "p.mp4", frames=100, rate="25")
    times = [f"00:00:0{int(at)},500 --> 00:00:0{int(at) + 1},300" for at, _ in SUBTITLES]
    blocks = [f"{n}\n{times[n - 1]}\n{text}\n" for n, (_, text) in enumerate(SUBTITLES, start=1)]
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


def check_sync(video: Path, clip: Clip, out: Path) -> None:
    """Assert that a copy's sound is less than a frame away from where the source has it."""
    source = read_sound(video)[round(float(clip.start_time) * SAMPLE_RATE_HZ) :]
    assert abs(measure_delay(read_sound(copy_clip(clip, out)), source)) < 1 / clip.rate


@pytest.mark.parametrize("start", [None, "1.3s", "31", "2.77s"])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
@pytest.mark.filterwarnings("ignore:.*cannot hold aac")
def test_aac_is_less_than_a_frame_off(
    tmp_path: Path, aac_video: Path, suffix: str, start: str | None
) -> None:
    clip = open_clip(aac_video, start=start, end="110")
    check_sync(aac_video, clip, tmp_path / f"out{suffix}")


ONSET = slice(0, round(0.03 * SAMPLE_RATE_HZ))
"""The first 30 ms of a sound."""


@pytest.mark.parametrize("source_suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.filterwarnings("ignore:.*cannot hold aac")
def test_the_beginning_of_aac_is_as_loud_as_in_the_source(
    tmp_path: Path, aac_video: Path, source_suffix: str, suffix: str
) -> None:
    """The first packet primes the decoder: without it the next one is faded in."""
    source = tmp_path / f"source{source_suffix}"
    run_ffmpeg("-i", aac_video, "-c", "copy", source)
    out = copy_clip(open_clip(source), tmp_path / f"out{suffix}")
    expected, copied = read_sound(source), read_sound(out)
    assert abs(measure_delay(copied, expected)) < 1e-3
    energy = np.square(copied[ONSET]).sum() / np.square(expected[ONSET]).sum()
    assert energy == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("start", ["1.3s", "31"])
@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_the_beginning_of_a_part_is_as_loud_as_in_the_source(
    tmp_path: Path, aac_video: Path, suffix: str, start: str
) -> None:
    clip = open_clip(aac_video, start=start)
    copied = read_sound(copy_clip(clip, tmp_path / f"out{suffix}"))
    expected = read_sound(aac_video)[round(float(clip.start_time) * SAMPLE_RATE_HZ) :]
    assert abs(measure_delay(copied, expected)) < 1e-3
    energy = np.square(copied[ONSET]).sum() / np.square(expected[ONSET]).sum()
    assert energy == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("start", ["1.3s", "31"])
def test_a_part_in_matroska_lacks_less_than_a_packet_of_sound(
    tmp_path: Path, aac_video: Path, start: str
) -> None:
    """Matroska hides no sound from before the first frame but the encoder's priming."""
    clip = open_clip(aac_video, start=start)
    out = copy_clip(clip, tmp_path / "out.mkv")
    with av.open(str(out)) as container:
        assert container.streams.video[0].start_time == 0
    copied = read_sound(out)
    expected = read_sound(aac_video)[round(float(clip.start_time) * SAMPLE_RATE_HZ) :]
    assert abs(measure_delay(copied, expected)) < 2e-3
    assert np.flatnonzero(copied)[0] < 1024


@pytest.mark.parametrize(
    ("start", "end"), [(None, None), ("1s", "3s"), ("33", "90"), ("1.7s", None)]
)
@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".webm"])
@pytest.mark.filterwarnings("ignore:.*cannot hold flac")
def test_flac_is_less_than_a_frame_off(
    tmp_path: Path, tracks_video: Path, start: str | None, end: str | None, suffix: str
) -> None:
    clip = open_clip(tracks_video, start=start, end=end)
    check_sync(tracks_video, clip, tmp_path / f"out{suffix}")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_of_a_span_is_cut_to_it(tmp_path: Path, suffix: str) -> None:
    clip = open_clip(SAMPLE_CLIP, size="64", start="1s", end="3s")
    out = copy_clip(clip, tmp_path / f"out{suffix}")
    _, start, end = sound_span(out)
    assert abs(start) < 0.03
    assert end == pytest.approx(2, abs=0.06)
    info = probe_video(out)
    assert info.start_offset == 0
    assert float(info.length) == pytest.approx(2)


def test_a_picture_that_starts_late_stays_late(tmp_path: Path) -> None:
    video = make_film(tmp_path / "f.mp4", frames=12)
    late = tmp_path / "late.mkv"
    run_ffmpeg(
        *("-itsoffset", "0.3", "-i", video, "-f", "lavfi", "-i", "sine=duration=1", "-map", "0:v"),
        *("-map", "1:a", "-c:v", "copy", "-c:a", "aac", late),
    )
    out = copy_clip(open_clip(late), tmp_path / "out.mp4")
    assert sound_span(out)[1] == pytest.approx(sound_span(late)[1], abs=0.025)


def test_unsupported_sound_is_encoded_again_or_left_out_with_a_warning(tmp_path: Path) -> None:
    with pytest.warns(DreamFlowWarning, match="cannot hold aac"):
        out = copy_clip(open_clip(SAMPLE_CLIP, size="64", end="12"), tmp_path / "out.webm")
    assert sound_span(out)[0] == "opus"
    with pytest.warns(DreamFlowWarning, match="no sound"):
        copy_clip(open_clip(SAMPLE_CLIP, size="64", end="3"), tmp_path / "out.gif")


def test_sound_that_cannot_be_muxed_is_left_out_with_a_warning(tmp_path: Path) -> None:
    """Here because its file holds none."""
    silent = make_film(tmp_path / "silent.mp4", frames=5)
    clip = open_clip(silent)
    spec = replace(clip.output_spec, sound=Sound(silent, ("aac",)))
    with pytest.warns(DreamFlowWarning, match="the sound is left out"):
        assert write_video(tmp_path / "out.mp4", clip, spec) == 5
    assert probe_video(tmp_path / "out.mp4").sound_codecs == ()


# --- subtitles and chapters


def read_tracks(path: Path) -> tuple[list[str], list[str], list[tuple[float, float, str]]]:
    """Return the languages of sound and of subtitles, and the chapters (start, end, title)."""
    with av.open(str(path)) as container:
        sounds = [track.metadata.get("language", "") for track in container.streams.audio]
        subtitles = [track.metadata.get("language", "") for track in container.streams.subtitles]
        chapters = [
            (float(c["start"] * base), float(c["end"] * base), c["metadata"].get("title", ""))
            for c in container.chapters()
            if (base := c["time_base"] or Fraction(1))
        ]
    return sounds, subtitles, chapters


def read_subtitles(path: Path) -> list[tuple[float, str]]:
    """Return when each subtitle begins, in seconds, and its text, by the ffmpeg binary."""
    return [(begin, text) for begin, _, text in read_subtitle_spans(path)]


def read_subtitle_spans(path: Path) -> list[tuple[float, float, str]]:
    """Return the begin and end of each subtitle in seconds, and its text."""
    command = [ffmpeg_path(), "-v", "error", "-i", str(path), "-map", "0:s:0", "-f", "srt", "-"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    subtitles: list[tuple[float, float, str]] = []
    for block in text.strip().split("\n\n"):
        _, times, *lines = block.splitlines()
        begin, end = (
            int(hours) * 3600 + int(minutes) * 60 + float(seconds)
            for hours, minutes, seconds in (
                time.replace(",", ".").split(":") for time in times.split(" --> ")
            )
        )
        subtitles.append((begin, end, " ".join(lines)))
    return subtitles


@pytest.mark.parametrize(
    ("start", "end", "spans"),
    [
        (None, "2s", [(0.5, 1.3), (1.5, 2)]),
        (None, "1s", [(0.5, 1)]),
        ("0.6s", "1s", [(0, 0.4)]),
        ("1s", "3s", [(0, 0.3), (0.5, 1.3), (1.5, 2)]),
        ("1.4s", None, [(0.1, 0.9), (1.1, 1.9)]),
        ("1.32s", "1.48s", []),
    ],
)
@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.filterwarnings("ignore:.*cannot hold flac")
def test_subtitles_are_cut_to_a_part(
    tmp_path: Path,
    tracks_video: Path,
    suffix: str,
    start: str | None,
    end: str | None,
    spans: list[tuple[float, float]],
) -> None:
    clip = open_clip(tracks_video, start=start, end=end)
    out = copy_clip(clip, tmp_path / f"out{suffix}")
    found = read_subtitle_spans(out) if spans else []
    assert len(found) == len(spans)
    for (begin, until, _), span in zip(found, spans, strict=True):
        assert (begin, until) == pytest.approx(span, abs=0.021)


@pytest.mark.clips
@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_tracks_of_the_given_film_are_cut(tmp_path: Path, suffix: str) -> None:
    clip = open_clip(SHARED_DIR / "faults" / "tracks.mkv", size="64", end="2s")
    out = copy_clip(clip, tmp_path / f"out{suffix}")
    (span,) = read_subtitle_spans(out)
    assert span[:2] == pytest.approx((0.21, float(clip.length)), abs=0.01)
    with av.open(str(out)) as container:
        assert len(container.streams.audio) == 2
        for track in container.streams.audio:
            container.seek(0)
            ends = [
                (packet.pts + (packet.duration or 0)) * packet.time_base
                for packet in container.demux(track)
                if packet.pts is not None and packet.size
            ]
            assert 0 <= float(max(ends) - clip.length) < 0.13, "less than a packet longer"


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov", ".webm"])
@pytest.mark.filterwarnings("ignore:.*cannot hold flac")
def test_tracks_languages_and_chapters_are_kept(
    tmp_path: Path, tracks_video: Path, suffix: str
) -> None:
    out = copy_clip(open_clip(tracks_video), tmp_path / f"out{suffix}")
    sounds, subtitles, chapters = read_tracks(out)
    assert sounds == ["fra", "ger"]
    assert subtitles == ["eng"]
    assert chapters == [(0, 1, "Dawn"), (1, 3, "Noon = #2; 3\\4"), (3, 4, "Dusk")]
    assert read_subtitles(out) == SUBTITLES
    assert len(list(open_clip(out))) == 100


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.filterwarnings("ignore:.*cannot hold flac")
def test_a_span_has_its_own_subtitles_and_chapters(
    tmp_path: Path, tracks_video: Path, suffix: str
) -> None:
    clip = open_clip(tracks_video, start="1s", end="3.5s")
    out = copy_clip(clip, tmp_path / f"out{suffix}")
    assert read_tracks(out)[2] == [(0, 2, "Noon = #2; 3\\4"), (2, 2.48, "Dusk")]
    subtitles = read_subtitles(out)
    assert [text for _, text in subtitles] == ["one", "two", "three"], "one is shown until 1.3 s"
    assert [at for at, _ in subtitles] == pytest.approx([0, 0.5, 1.5], abs=0.02)


def test_subtitles_without_sound(tmp_path: Path, tracks_video: Path) -> None:
    silent = tmp_path / "silent.mkv"
    run_ffmpeg("-i", tracks_video, "-map", "0:v", "-map", "0:s", "-c", "copy", silent)
    out = copy_clip(open_clip(silent, end="2s"), tmp_path / "out.mp4")
    assert read_tracks(out)[:2] == ([], ["eng"])
    assert read_subtitles(out) == SUBTITLES[:2]


def test_unsupported_subtitles_are_left_out_with_a_warning(
    tmp_path: Path, tracks_video: Path
) -> None:
    clip = open_clip(tracks_video, end="2")
    sound = Sound(tracks_video, (), ends_early=True, subtitle_codecs=("hdmv_pgs_subtitle",))
    spec = replace(clip.output_spec, sound=sound, chapters=())
    with pytest.warns(DreamFlowWarning, match=r"cannot hold hdmv_pgs_subtitle subtitles: left out"):
        write_video(tmp_path / "out.mp4", clip, spec)
    assert probe_video(tmp_path / "out.mp4").subtitle_codecs == ()
    with pytest.warns(DreamFlowWarning, match=r"a \.gif has no subtitles"):
        write_video(tmp_path / "out.gif", clip, spec)


@pytest.mark.parametrize("name", ["d", "d.gif", "d.webp"])
def test_an_output_without_sound_says_where_it_is_at_once(tmp_path: Path, name: str) -> None:
    film = make_film(tmp_path / "film.mp4", frames=6, sound=True)
    clip = open_clip(film, start=2, size="32")
    writer = open_writer(tmp_path / name, clip.output_spec)
    with pytest.warns(DreamFlowWarning) as said:
        writer.__enter__()
    assert [film.name in str(warning.message) for warning in said] == [True]
    with warnings.catch_warnings(action="error"):  # it is said once
        for frame in clip:
            writer.write(frame)
        writer.__exit__(None, None, None)


def test_a_silent_source_says_nothing_of_sound(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    clip = open_clip(make_film(tmp_path / "film.mp4", frames=3), size="32")
    copy_clip(clip, tmp_path / "d")
    assert not [warning for warning in recwarn if issubclass(warning.category, DreamFlowWarning)]
