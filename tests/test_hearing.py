"""Schedules that hear: signals in arithmetic, their shaping, and renders that hear a sound."""

from __future__ import annotations

import csv
import itertools
import json
import math
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
from conftest import SAMPLE_CLIP, SAMPLE_STILL, CommandResult, make_film, refused, run_ffmpeg
from job_rendering import decode_output, edit_job_file

from dreamflow.core.errors import DreamFlowWarning, MediaError, SettingsError
from dreamflow.core.schedules.keyframe_text import map_targets
from dreamflow.core.schedules.schedule import LayerSchedule, Schedule
from dreamflow.core.schedules.signals import BeatGrid, EvenSeries, PointSeries, Signals
from dreamflow.core.schedules.timecode import Moment, Timeline
from dreamflow.dream.options import DreamOptions
from dreamflow.media.options import ClipOptions
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.sound.analysis import analyse_sound
from dreamflow.media.sound.options import SoundOptions
from dreamflow.media.sound.series_file import read_series
from dreamflow.media.stills.read import read_picture
from dreamflow.networks.network import Network
from dreamflow.pipelines.flashing import warn_of_flashing
from dreamflow.pipelines.hearing import hear_clip, warn_of_unheard
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.settings.options import ShowOptions
from dreamflow.pipelines.video.dream_video import dream_video
from dreamflow.temporal.options import CarryOptions

if TYPE_CHECKING:
    from job_rendering import Rendering

Cli = Callable[..., CommandResult]
RATE = Fraction(24)
RAMP = EvenSeries(tuple(n / 100 for n in range(101)), 10)  # from 0 to 1 in 10 s
SIGNALS = Signals(
    "made here",
    levels={"audio.loud": RAMP, "data.wind": PointSeries((1.0, 3.0), (10.0, 20.0))},
    onsets={"audio.onset": (1.0, 2.51, 4.0)},
    beats=BeatGrid((0.5, 1.0, 1.5, 2.1), 4, 120.0),
)
TIMELINE = Timeline(RATE, Fraction(10), signals=SIGNALS)


def at(text: str, seconds: float, timeline: Timeline = TIMELINE) -> float:
    return Schedule(text).at(timeline.moment_at(Fraction(seconds)))


def frames(text: str, timeline: Timeline = TIMELINE) -> list[float]:
    return [Schedule(text).at(moment) for moment in timeline.moments()]


# --- signals


@pytest.mark.parametrize("rate", [12, 24, 25, Fraction(30000, 1001), 60])
def test_a_level_is_that_of_the_middle_of_the_frame(rate: Fraction) -> None:
    timeline = Timeline(Fraction(rate), Fraction(10), signals=SIGNALS)
    for number in (0, 7, 31):
        middle = (number + 0.5) / float(rate)
        moment = timeline.moment_at(Fraction(number) / rate)
        assert Schedule("audio.loud").at(moment) == pytest.approx(middle / 10)


@pytest.mark.parametrize("rate", [12, 24, 30, 60])
def test_an_onset_is_one_in_the_frame_that_it_lies_in(rate: int) -> None:
    heard = frames("audio.onset", Timeline(Fraction(rate), Fraction(10), signals=SIGNALS))
    assert [n for n, value in enumerate(heard) if value] == [rate, int(2.51 * rate), 4 * rate]
    assert set(heard) == {0, 1}


def test_levels_are_silent_around_the_sound_and_data_stay() -> None:
    early = Timeline(RATE, Fraction(20), signals=Signals("x", Fraction(-2), SIGNALS.levels))
    assert at("audio.loud", 1, early) == 0
    assert at("audio.loud", 13, early) == 0
    assert at("data.wind", 0) == 10
    assert at("data.wind", 2 - 1 / 48) == pytest.approx(15)
    assert at("data.wind", 9) == 20


def test_beats_are_counted_in_fractions() -> None:
    middle = 1 / 48
    assert at("beat", 1 - middle) == pytest.approx(1)
    assert at("beat", 1.25 - middle) == pytest.approx(1.5)
    assert at("beat", 1.8 - middle) == pytest.approx(2.5), "beats need not be even"
    assert at("beat", 2.7 - middle) == pytest.approx(4), "they go on after the last one"
    assert at("beat", 0.25 - middle) == pytest.approx(-0.5), "and before the first"
    assert at("bar", 1.25 - middle) == pytest.approx(1.5 / 4)
    assert at("bpm", 5) == 120


def test_times_in_beats() -> None:
    text = "hold, 0: 1, 1b: 2, 3b: 3, 1bar: 4"
    assert [at(text, s) for s in (0, 0.99, 1.01, 2.09, 2.11, 2.8)] == [1, 1, 2, 2, 3, 4]
    part = Timeline(RATE, Fraction(2), signals=Signals("y", Fraction(1), beats=SIGNALS.beats))
    assert at("hold, 0b: 1, 1.5b: 2, 3b: 3", 0.3, part) == 2, "a part has the beats of the whole"
    assert at("0b: 0, 1b: 1, 2bar: 5", 0.75) == pytest.approx(0.5)


def test_a_still_hears_nothing() -> None:
    assert Schedule("1 + audio.loud + beat + env(audio.onset, 0, 1)").at(Moment()) == 1
    assert Schedule("0b: 3, 8b: 4").at(Moment()) == 3


# --- shaping


def test_an_envelope_peaks_and_fades() -> None:
    shown = frames("env(audio.onset, 0, 0.5)")
    assert shown[23] == 0
    assert shown[24] == 1
    assert shown[36] == pytest.approx(math.exp(-3))
    assert frames("env(2 * audio.onset, 0, 0.5)")[30] == pytest.approx(2 * shown[30])
    slow = frames("env(audio.onset, 0.25, 0.5)")
    assert slow[24] == 0
    assert slow[27] == pytest.approx(0.5)
    assert slow[30] == 1
    assert max(slow) == 1


def test_seconds_after_hold_smooth_and_gate() -> None:
    after = frames("after(audio.onset)")
    assert after[24] == 0
    assert after[30] == pytest.approx(0.25)
    assert after[0] > 1000, "nothing has happened yet"
    assert at("exp(-after(audio.onset))", 0) == 0
    held = frames("hold(audio.onset, 0.5)")
    assert [n for n in range(24, 50) if held[n]] == list(range(24, 37))
    step = frames("smooth(1 if t >= 1 else 0, 0.5)")
    assert step[23] == 0
    assert step[35] == pytest.approx(1 - math.exp(-3))
    assert at("gate(audio.loud, 0.5)", 2) == 0
    assert at("gate(audio.loud, 0.5)", 8) == pytest.approx(at("audio.loud", 8))
    assert frames("after(gate(audio.loud, 0.9))")[-1] == 0


@pytest.mark.parametrize(
    "text", ["env(audio.onset, 0.1, 0.4)", "after(audio.onset)", "smooth(audio.loud, 1)",
             "hold(env(audio.onset, 0, 1), 0.3)", "beat + audio.loud", "0b: 1, 4b: 2"],
)  # fmt: skip
def test_a_part_hears_what_the_whole_does(text: str) -> None:
    whole = frames(text)
    start = 61 / RATE
    signals = Signals("z", start, SIGNALS.levels, SIGNALS.onsets, SIGNALS.beats)
    part = Timeline(RATE, 10 - start, is_partial=True, signals=signals)
    assert frames(text, part) == whole[61:], "to the bit"
    shard = Timeline(RATE, Fraction(10), offset=start, signals=SIGNALS)
    assert at(text, 1, shard) == whole[61 + 24]


def test_what_has_no_value_for_a_while_is_shaped_on() -> None:
    shown = frames("env(1 / (t - 1), 0, 1)")
    assert math.isnan(shown[24])
    assert not any(map(math.isnan, shown[:24] + shown[25:]))


# --- what cannot be heard


@pytest.mark.parametrize(
    ("step", "setting"),
    [
        ("1 + audio.bass", "audio"), ("1 + beat", "bpm"), ("0: 1, 8b: 2", "bpm"),
        ("1 + data.wind", "data"), ("2 + env(audio.onset, 0, 1)", "audio"),
    ],
)  # fmt: skip
def test_what_cannot_be_heard_is_said_before_the_first_frame(step: str, setting: str) -> None:
    with pytest.raises(SettingsError) as error:
        DreamOptions(step=step).check_schedules(Timeline(RATE, Fraction(20)))
    assert error.value.where == "step"
    assert error.value.setting == "step"
    assert setting in str(error.value)


@pytest.mark.parametrize(
    "text", ["audio.treble", "audio", "data", "song.loud", "env(1, 2)", "beat(1)"]
)
def test_unknown_signals_are_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        DreamOptions(step=text)


@pytest.mark.parametrize(
    "settings",
    [
        {"bpm": 0}, {"bpm": -1}, {"bpm": math.nan}, {"first_beat": "soon"}, {"first_beat": "40%"},
        {"beats_per_bar": 0}, {"data": "wind"}, {"data": "1=x.csv"}, {"data": ["a=x", "a=y"]},
        {"audio_out": "both"},
    ],
)  # fmt: skip
def test_settings_of_sound_that_cannot_be(settings: dict[str, object]) -> None:
    with pytest.raises(SettingsError) as error:
        SoundOptions(**settings)  # type: ignore[arg-type]
    assert error.value.setting == next(iter(settings))


# --- series from files


@pytest.mark.parametrize(
    "text",
    ["0,1\n2,3\n", "seconds,value\n0,1\n\n2,3", "0;1\n2;3,0\n", "# wind\n0\t1\n2\t3\n",
     "\ufefft, v\r\n0, 1\r\n2.0, 3\r\n", "# by a program\n# in m/s\n0  1\n2  3\n", "t,v\r0,1\r2,3",
     "seconds;wind, m/s\n0,0;1,0\n2,0;3,0\n", '"t","v"\n"0","1"\n"2","3"\n', "0,1,\n2,3,\n"],
)  # fmt: skip
def test_series_files(tmp_path: Path, text: str) -> None:
    path = tmp_path / "wind.csv"
    path.write_text(text, encoding="utf-8")
    assert read_series(path) == PointSeries((0.0, 2.0), (1.0, 3.0))


def test_a_series_of_a_spreadsheet(tmp_path: Path) -> None:
    path = tmp_path / "wind.txt"
    path.write_text("t\tv\n0\t1,0\n2\t3,0\n", encoding="utf-16")
    assert read_series(path) == PointSeries((0.0, 2.0), (1.0, 3.0))


@pytest.mark.parametrize("text", ["frame,t,v\n0,0,5\n1,0.04,6\n", "0,0,1,5\n1,0,2,5\n"])
def test_columns_that_are_not_read_are_said(tmp_path: Path, text: str) -> None:
    path = tmp_path / "wind.csv"
    path.write_text(text)
    with pytest.warns(DreamFlowWarning) as caught:
        assert read_series(path).times == (0.0, 1.0)
    assert len(caught) == 1


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("0,1_000\n1,2", "row 1"), ("0,1\0\n1,2", None), ("0 1\n1\n2 3", "row 2"),
        ("0,1\n1,\n2,3", "row 2"), ("0,1\n1,calm\n", "row 2"), ("0,1\n2,1\n1,1\n", "row 3"),
        ("0,1\n0,1\n", "row 2"), ("0,1\n1\n", "row 2"), ("0,nan\n", "row 1"), ("", None),
        ("a,b\n", None), ("a,b\nc,d\n", "row 2"), ("0,1e999\n", "row 1"),
    ],
)  # fmt: skip
def test_a_series_with_gaps_or_text_is_refused(
    tmp_path: Path, text: str, where: str | None
) -> None:
    path = tmp_path / "wind.csv"
    path.write_text(text)
    with pytest.raises(MediaError) as error:
        read_series(path)
    assert error.value.where == (where or str(path))


# --- clips


@pytest.fixture(scope="module")
def clicks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound with a click each half second, from 0.25 s on, for 3 s."""
    path = tmp_path_factory.mktemp("sound") / "clicks.wav"
    pulse = "0.8*sin(2*PI*1000*t)*exp(-120*mod(t+0.25\\,0.5))*gte(t\\,0.25)"
    run_ffmpeg("-f", "lavfi", "-i", f"aevalsrc={pulse}:s=24000:d=3", path)
    return path


@pytest.fixture(scope="module")
def dancer(tmp_path_factory: pytest.TempPathFactory, clicks: Path) -> Path:
    """A film of 3 s at 8 frames a second with that sound."""
    folder = tmp_path_factory.mktemp("film")
    silent = make_film(folder / "silent.mp4", frames=24, rate="8")
    film = folder / "dancer.mkv"
    run_ffmpeg("-i", silent, "-i", clicks, "-c:v", "copy", "-c:a", "flac", film)
    return film


def onset_frames(clip: Clip) -> list[int]:
    heard = DreamOptions(step="1 + audio.onset")
    schedule = heard.schedules["step"]
    assert isinstance(schedule, Schedule)
    timeline = hear_clip(clip, SoundOptions(), [heard]).timeline
    return [n for n, moment in enumerate(timeline.moments()) if schedule.at(moment) > 1]


def test_a_clip_hears_its_own_sound_and_a_part_the_same_instants(dancer: Path) -> None:
    assert onset_frames(open_clip(dancer)) == [2, 6, 10, 14, 18, 22]
    assert onset_frames(open_clip(dancer, start="1s")) == [2, 6, 10, 14]
    assert onset_frames(open_clip(dancer, start=5, end=12)) == [1, 5]
    assert onset_frames(open_clip(dancer, fps=4)) == [1, 3, 5, 7, 9, 11]


def test_only_what_is_heard_is_opened(dancer: Path, tmp_path: Path) -> None:
    clip = open_clip(dancer)
    sound = SoundOptions(audio=str(tmp_path / "gone.wav"), data=(f"a={tmp_path / 'gone.csv'}",))
    assert hear_clip(clip, sound, [DreamOptions(step="1 + sin(t) / 2")]) is clip
    with pytest.raises(MediaError):
        hear_clip(clip, sound, [DreamOptions(step="1 + audio.bass")])
    told = SoundOptions(bpm=90, first_beat="0.5s")
    timeline = hear_clip(open_clip(SAMPLE_CLIP), told, [DreamOptions(step="1 + beat")]).timeline
    assert Schedule("beat").at(timeline.moment_at(Fraction(0))) == pytest.approx(
        (0.5 / float(timeline.rate) - 0.5) * 1.5
    )


def test_a_tempo_that_is_told_lies_on_the_beats_that_are_heard(dancer: Path) -> None:
    for settings in ({}, {"bpm": 120.0}, {"bpm": 120.0, "first_beat": "2"}):
        sound = SoundOptions(**settings)  # type: ignore[arg-type]
        timeline = hear_clip(open_clip(dancer), sound, [DreamOptions(step="1 + beat")]).timeline
        assert timeline.signals
        assert timeline.signals.beats
        assert float(timeline.time_of_beat(Fraction(2))) == pytest.approx(1.25, abs=0.01)


def test_a_sound_shorter_than_the_film_is_said(dancer: Path, tmp_path: Path, clicks: Path) -> None:
    short = tmp_path / "short.wav"
    run_ffmpeg("-i", clicks, "-t", "1", short)
    options = DreamOptions(step="1 + audio.loud")
    with pytest.warns(DreamFlowWarning):
        clip = hear_clip(open_clip(dancer), SoundOptions(audio=str(short)), [options])
    assert Schedule("audio.loud").at(clip.timeline.moment_at(Fraction(2))) == 0


# --- renders

HEARD = VideoSettings(
    DreamOptions(layer=("conv1/7x7_s2",), octaves=1, iterations="1 + audio.onset", jitter=8),
    CarryOptions(
        decay="0.5 + 0.4 * env(audio.onset, 0, 0.5)", carry_step="0.5 + 0.5 * mod(beat, 1)"
    ),
    ClipOptions(size="48"),
    show=ShowOptions(strength="0.3 + smooth(audio.loud, 0.3) / 2"),
)


def test_a_resumed_render_equals_an_uninterrupted_one(render: Rendering, dancer: Path) -> None:
    whole = decode_output(render("whole.mkv", HEARD, source=dancer))
    render.interrupt("stopped.mkv", HEARD, at=9, source=dancer)
    assert decode_output(render("stopped.mkv", HEARD, source=dancer)) == whole
    job = render.interrupt("damaged.mkv", HEARD, at=9, source=dancer)
    kept = next(
        path for path in job.iterdir() if path.suffix == ".npz" and "state" not in path.name
    )
    kept.write_bytes(kept.read_bytes()[:-500])
    assert decode_output(render("damaged.mkv", HEARD, source=dancer)) == whole


def test_a_job_goes_on_only_with_the_sound_that_it_heard(
    render: Rendering, dancer: Path, clicks: Path, tmp_path: Path
) -> None:
    song = tmp_path / "song.wav"
    shutil.copy(clicks, song)
    settings = replace(HEARD, sound=SoundOptions(audio=str(song)))
    job = render.interrupt("a.mkv", settings, source=dancer)
    before = song.read_bytes()
    song.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    with refused("audio"):
        render("a.mkv", settings, source=dancer)
    with refused("bpm"):
        render("a.mkv", replace(HEARD, sound=SoundOptions(audio=str(song), bpm=90)), source=dancer)
    song.write_bytes(before)
    edit_job_file(job, lambda metadata: metadata["record"].update(heard="0" * 32))
    with refused("audio"):
        render("a.mkv", settings, source=dancer)


FAST = ("--size", "32", "--octaves", "1", "--iterations", "1", "--layer", "conv1/7x7_s2")
DANCE = ("--strength", "env(audio.onset, 0, 0.4) + 0.2 * audio.loud")


def test_a_started_render_equals_the_whole(tmp_path: Path, cli: Cli, dancer: Path) -> None:
    alone = (*FAST, *DANCE, "--no-carry")
    assert cli("video", dancer, tmp_path / "whole", *alone).code == 0
    assert cli("video", dancer, tmp_path / "part", *alone, "--start", "9").code == 0
    whole, part = (
        [read_picture(path) for path in sorted((tmp_path / name).glob("*.png"))]
        for name in ("whole", "part")
    )
    assert len(whole) == 24
    assert len(part) == 15
    source = [frame.picture for frame in open_clip(dancer, size="32")]
    shown = [float(np.abs(a.astype(int) - b).mean()) for a, b in zip(whole, source, strict=True)]
    assert min(shown[n] for n in (2, 6, 10)) > max(shown[n] for n in (1, 5, 9)), "it dances"
    assert all(np.array_equal(a, b) for a, b in zip(whole[9:], part, strict=True))


@pytest.mark.parametrize(
    ("given", "step", "culprits"),
    [
        ({"bpm": 120.0}, "1 + t", ["bpm"]),
        ({"first_beat": "1s"}, "1 + audio.bass", ["first_beat"]),
        ({"bpm": 120.0}, "1 + saw(1, beat)", []), ({"bpm": 120.0}, "0: 1, 2bar: 2", []),
        ({"data": ("wind=w.csv", "rain=r.csv")}, "1 + data.rain", ["wind"]), ({}, "1 + t", []),
    ],
)  # fmt: skip
def test_what_is_given_and_heard_by_nothing_is_said(
    given: dict[str, Any], step: str, culprits: list[str]
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_unheard(SoundOptions(**given), [DreamOptions(step=step)])
    assert len(caught) == len(culprits)
    for warning, culprit in zip(caught, culprits, strict=True):
        assert culprit in str(warning.message)


def test_a_render_names_what_it_cannot_hear(tmp_path: Path, cli: Cli) -> None:
    silent = make_film(tmp_path / "silent.mp4")
    run = cli("video", silent, tmp_path / "x.mp4", *FAST, *DANCE)
    assert run.code == 1
    assert "--strength" in run.err
    assert "--audio FILE" in run.err
    assert not (tmp_path / "x.mp4").exists()


# --- the sound of outputs


def sound_onsets(path: Path) -> np.ndarray:
    return analyse_sound(path).onsets["loud"]


def test_another_sound_goes_under_a_silent_film(tmp_path: Path, cli: Cli, clicks: Path) -> None:
    silent = make_film(tmp_path / "silent.mp4", frames=20, rate="8")
    still = (*FAST, "--iterations", "0", "--audio", str(clicks))
    assert cli("video", silent, tmp_path / "whole.mkv", *still).code == 0
    found = sound_onsets(tmp_path / "whole.mkv")
    assert np.allclose(found, [0.25, 0.75, 1.25, 1.75, 2.25], atol=0.01)
    assert cli("video", silent, tmp_path / "part.mp4", *still, "--start", "1s").code == 0
    assert np.allclose(sound_onsets(tmp_path / "part.mp4"), [0.25, 0.75, 1.25], atol=0.01)
    with av.open(str(tmp_path / "part.mp4")) as film:
        assert float(film.duration or 0) / av.time_base == pytest.approx(1.5, abs=0.06)


@pytest.mark.parametrize(
    ("chosen", "codec"), [((), "flac"), (("--audio-out", "clip"), "flac"),
                          (("--audio-out", "audio"), "pcm_s16le")],
)  # fmt: skip
def test_which_sound_an_output_has(
    tmp_path: Path, cli: Cli, dancer: Path, clicks: Path, chosen: tuple[str, ...], codec: str
) -> None:
    titles = tmp_path / "titles.srt"
    titles.write_text("1\n00:00:00,500 --> 00:00:01,500\nhello\n")
    titled = tmp_path / "titled.mkv"
    run_ffmpeg("-i", dancer, "-i", titles, "-map", "0", "-map", "1", "-c", "copy", titled)
    out = tmp_path / "out.mkv"
    run = cli("video", titled, out, *FAST, "--iterations", "0", "--audio", str(clicks), *chosen)
    assert run.code == 0
    assert len(run.err.splitlines()) == (codec == "flac"), "the other sound is for nothing"
    with av.open(str(out)) as film:
        assert [stream.codec_context.name for stream in film.streams.audio] == [codec]
        assert len(film.streams.subtitles) == 1


def test_a_file_without_sound_is_refused(tmp_path: Path, cli: Cli, dancer: Path) -> None:
    silent = make_film(tmp_path / "silent.mp4")
    files = (silent, tmp_path / "gone.mp3")
    for audio, schedule in itertools.product(files, ((), DANCE)):
        run = cli("video", silent, tmp_path / "x.mp4", *FAST, *schedule, "--audio", str(audio))
        assert run.code == 1
        assert "--audio" in run.err
        assert list(tmp_path.glob("x.mp4*")) == []


def test_a_zoom_and_a_sweep_are_as_long_as_their_sound(
    tmp_path: Path, cli: Cli, clicks: Path
) -> None:
    audio = ("--audio", str(clicks), "--size", "48", "--octaves", "1")
    growth = ("--growth", "env(audio.onset, 0, 0.3) * 20", "--fps", "8", "--layer", "conv1/7x7_s2")
    run = cli("zoom", tmp_path / "zoom.mkv", *audio, *growth)
    assert run.code == 0, run.err
    layers = ("--layers", "conv1/7x7_s2,conv2/3x3", "--iterations", "1 + audio.onset", "--fps", "6")
    run = cli("sweep", SAMPLE_STILL, tmp_path / "sweep.mkv", *audio, *layers)
    assert run.code == 0, run.err
    for name, rate in (("zoom.mkv", 8), ("sweep.mkv", 6)):
        with av.open(str(tmp_path / name)) as film:
            assert sum(1 for _ in film.decode(video=0)) == 3 * rate
        assert np.allclose(sound_onsets(tmp_path / name)[:3], [0.25, 0.75, 1.25], atol=0.01)
    reverse = cli("zoom", tmp_path / "back.mkv", *audio, *growth, "--reverse")
    assert reverse.code == 1
    assert "--reverse" in reverse.err


def test_the_sample_that_dances(tmp_path: Path) -> None:
    script = SAMPLE_CLIP.with_name("make_dance.py")
    film = tmp_path / "dance.mp4"
    line = [sys.executable, script, film, "--seconds", "0.5", "--size", "48"]
    subprocess.run(line, check=True, timeout=300)
    assert len(open_clip(film)) == 12
    assert sound_onsets(film)[0] == pytest.approx(0, abs=0.03)


# --- layers on beats


def blend_at(text: str, seconds: float) -> tuple[str, ...]:
    schedule = LayerSchedule((text,))
    return schedule.at(TIMELINE.moment_at(Fraction(seconds) - Fraction(1, 48))).texts


def test_layers_change_on_beats_and_come_again() -> None:
    text = "beat 2: a, b=0.5 + c=2, d:3:7"
    seen = [blend_at(text, s) for s in (0.1, 0.6, 1.4, 1.51, 2.69, 2.75, 3.95, 5.2)]
    middle = ("b=0.5", "c=2.0")
    first, last = ("a=1.0",), LayerSchedule(("d:3:7",)).at(Moment()).texts
    assert seen == [first, first, first, middle, middle, last, first, middle]
    assert LayerSchedule((text,)).at(Moment()).texts == first
    assert LayerSchedule((text,)).signals == {"beat"}
    assert set(blend_at("smooth, beat 2: a, b", 1.0)) != set(blend_at("beat 2: a, b", 1.0))


def test_layers_change_on_bars() -> None:
    for seconds in (0.1, 1.4, 2.0, 2.75, 5.2, 9.9):
        assert blend_at("bar 1: a, b, c", seconds) == blend_at("beat 4: a, b, c", seconds)
        fading = blend_at("smooth, bars 0.5: a, b", seconds)
        assert fading == blend_at("smooth, beats 2: a, b", seconds)
    assert blend_at("bar 1: a, b", 2.75) != blend_at("bar 1: a, b", 0.6)


@pytest.mark.parametrize(
    "text",
    ["beat 0: a, b", "beat 2: a,, b", "beat 2:", "soft, beat 2: a, b", "beat: a, b", "beat4: a, b",
     "beat 1/2: a, b", "bar 2 a, b", "smooth, beat a, b", "bars 0: a"],
)  # fmt: skip
def test_layers_on_beats_that_cannot_be(text: str) -> None:
    with refused("layer"):
        DreamOptions(layer=(text,))


def test_layers_on_beats_need_beats() -> None:
    with pytest.raises(SettingsError) as error:
        DreamOptions(layer=("beat 4: a, b",)).check_schedules(Timeline(RATE, Fraction(20)))
    assert error.value.where == "layer"


def test_channels_of_layers_on_beats_are_picked(
    tmp_path: Path, cli: Cli, dancer: Path, noise_network: Network
) -> None:
    picked = map_targets(("linear, beat 1: a:3, b",), lambda target: replace(target, layer="c"))
    assert picked == ("linear, beat 1: c:3, c",)
    layers = ("--layer", "beat 1: conv1/7x7_s2, conv2/3x3:strongest 2")
    run = cli("video", dancer, tmp_path / "x.mkv", *FAST[:-2], *layers, "--no-carry")
    assert run.code == 0, run.err


# --- listen


def test_listen_hears_the_track_that_is_asked_for(tmp_path: Path, cli: Cli, clicks: Path) -> None:
    film = tmp_path / "two.mka"
    silence = ("-f", "lavfi", "-i", "anullsrc=r=24000:cl=mono:d=3")
    run_ffmpeg("-i", clicks, *silence, "-map", "0", "-map", "1", "-c:a", "flac", film)
    counts = [
        len(json.loads(cli("listen", film, "--json", "--audio-track", n).out)["onset"])
        for n in ("0", "1")
    ]
    assert counts == [6, 0]
    assert "--audio-track" in cli("listen", film, "--audio-track", "2").err


def test_listen_shows_what_is_heard(tmp_path: Path, cli: Cli, dancer: Path) -> None:
    plot, table = tmp_path / "plot.png", tmp_path / "all.csv"
    run = cli("listen", dancer, "--json", "--plot", plot, "--csv", table)
    assert run.code == 0, run.err
    heard = json.loads(run.out)
    assert heard["length_s"] == pytest.approx(3, abs=0.02)
    assert heard["bpm"] == pytest.approx(120, rel=0.005)
    assert np.allclose(heard["onset"], np.arange(0.25, 3, 0.5), atol=0.005)
    assert read_picture(plot).std() > 10
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert sum(int(row["onset"]) for row in rows) == 6
    assert max(float(row["loud"]) for row in rows) == 1
    assert cli("listen", dancer, "--plot", plot).code == 1, "it exists"
    shown = cli("listen", dancer)
    assert shown.code == 0
    assert "audio.bass_onset" in shown.out


@pytest.mark.parametrize("name", ["silent.mp4", "gone.wav", "text.mp3"])
def test_listen_refuses_what_has_no_sound(tmp_path: Path, cli: Cli, name: str) -> None:
    (tmp_path / "text.mp3").write_text("la la la")
    make_film(tmp_path / "silent.mp4", frames=3)
    run = cli("listen", tmp_path / name, "--plot", tmp_path / "x.png")
    assert run.code == 1
    assert name in run.err
    assert len(run.err.splitlines()) == 1
    assert not (tmp_path / "x.png").exists()


# --- presets, and flashes


ALONE = CarryOptions(carry=False)


@pytest.mark.parametrize("preset", ["pulse", "drop", "breath", "strobe"])
def test_the_presets_that_dance(
    preset: str, dancer: Path, noise_network: Network, tmp_path: Path
) -> None:
    thumps = "0.8*sin(2*PI*70*t)*exp(-20*mod(t+0.25\\,0.5))*gte(t\\,0.25)"
    run_ffmpeg("-f", "lavfi", "-i", f"aevalsrc={thumps}:s=24000:d=3", tmp_path / "thumps.wav")
    clip = open_clip(dancer, size="64", end=6)
    quick: dict[str, Any] = {"octaves": 1, "iterations": 1, "audio": str(tmp_path / "thumps.wav")}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dreams = list(dream_video(clip, noise_network, carry=ALONE, preset=preset, **quick))
    changes = [
        float(np.abs(one.picture.astype(int) - one.source).mean())
        for one in dreams
        if one.source is not None
    ]
    assert len(changes) == 6
    assert max(changes) > 1.2 * min(changes)


@pytest.mark.parametrize(
    ("strength", "is_safe"),
    [
        ("pulse(1, 0.35, 4 * t)", False), ("pulse(1, 0.35, 2.9 * t)", True), (1.0, True),
        ("0.4 + 0.6 * pulse(1, 0.5, 5 * t)", True), ("0.5 + 0.5 * sin(2*pi*6*t)", False),
        ("hold, 0: 1, 9s: 0, 9.1s: 1", True), ("pulse(1, 0.4, 4 * t) if t > 9 else 1", False),
    ],
)  # fmt: skip
def test_flashes_are_warned_of(strength: str | float, is_safe: bool) -> None:
    show = ShowOptions(strength=strength)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_flashing(show, Timeline(Fraction(60), Fraction(12)))
    assert (not caught) == is_safe
    assert all(issubclass(warning.category, DreamFlowWarning) for warning in caught)
