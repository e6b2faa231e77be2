"""The studio's curves: schedules drawn, dragged and written, and the sound that they snap to."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from conftest import make_film, run_ffmpeg
from hypothesis import given
from hypothesis import strategies as st

from dreamflow.core.schedules.keyframes import INTERPOLATIONS
from dreamflow.core.schedules.schedule import LayerSchedule, Schedule
from dreamflow.core.schedules.signals import BeatGrid, Signals
from dreamflow.core.schedules.timecode import Moment, Timecode, Timeline
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.sound.options import SoundOptions
from dreamflow.studio.curves.curve import (
    add_point,
    make_curve,
    move_point,
    remove_point,
    set_point,
)
from dreamflow.studio.curves.snapping import SNAPPINGS, list_beats, snap_time
from dreamflow.studio.curves.sound import draw_sound, hear_source
from dreamflow.studio.source import read_source_facts

TIMELINE = Timeline(Fraction(24), Fraction(10))
BEATS = Signals(
    "beats",
    onsets={"audio.onset": (0.31, 1.62, 4.9)},
    beats=BeatGrid(tuple(0.25 + 0.5 * n for n in range(20)), 4, 120.0),
)
HEARING = replace(TIMELINE, signals=BEATS)

values = st.floats(0.01, 60, allow_nan=False).map(lambda value: f"{value:.3f}")
ways = st.sampled_from(INTERPOLATIONS)
frames = st.lists(st.integers(0, 239), min_size=1, max_size=6, unique=True).map(sorted)


@st.composite
def schedule_texts(draw: st.DrawFn) -> str:
    usual = draw(st.sampled_from(("", *INTERPOLATIONS)))
    parts = [usual] if usual else []
    for frame in draw(frames):
        parts.append(f"{frame}: {draw(values)} {draw(st.sampled_from(('', *INTERPOLATIONS)))}")
    return ", ".join(part.strip() for part in parts)


def at(text: str, seconds: float | Fraction, timeline: Timeline = TIMELINE) -> float:
    return Schedule(text).at(Moment(Fraction(seconds), timeline))


@given(schedule_texts(), st.data())
def test_a_keyframe_that_is_moved_leaves_the_others(text: str, data: st.DataObject) -> None:
    curve = make_curve("step", text, TIMELINE)
    place = data.draw(st.integers(0, len(curve.points) - 1))
    before = curve.points[place - 1].seconds if place else -1 / 24
    after = curve.points[place + 1].seconds if place + 1 < len(curve.points) else 10
    first, last = round(before * 24) + 1, round(after * 24) - 1
    frame = data.draw(st.integers(first, max(first, last)))
    moved = make_curve("step", move_point(curve, place, str(frame), frame / 24, "7"), TIMELINE)
    assert at(moved.text, Fraction(frame, 24)) == 7
    assert moved.points[place].seconds == pytest.approx(frame / 24)
    for other in set(range(len(curve.points))) - {place}:
        assert moved.points[other].number == curve.points[other].number
        assert moved.points[other].seconds == curve.points[other].seconds
    if place + 1 < len(curve.points):
        assert moved.points[place].interpolation == curve.points[place].interpolation


@given(schedule_texts(), st.integers(0, 239))
def test_a_keyframe_that_is_added_is_there_and_can_be_taken_away(text: str, frame: int) -> None:
    curve = make_curve("step", text, TIMELINE)
    if any(round(point.seconds * 24) == frame for point in curve.points):
        return
    added = make_curve("step", add_point(curve, str(frame), frame / 24, "3.5"), TIMELINE)
    assert at(added.text, Fraction(frame, 24)) == 3.5
    place = [round(point.seconds * 24) for point in added.points].index(frame)
    rest = make_curve("step", remove_point(added, place), TIMELINE)
    for number in range(0, 240, 7):
        assert at(rest.text, Fraction(number, 24)) == pytest.approx(at(text, Fraction(number, 24)))


def test_a_constant_becomes_a_curve_that_begins_with_it() -> None:
    curve = make_curve("step", 1.5, TIMELINE)
    assert (curve.constant, curve.points) == (1.5, ())
    text = add_point(curve, "2s", 2.0, "4")
    assert (at(text, 0), at(text, 1), at(text, 2)) == (1.5, 2.75, 4)
    alone = make_curve("step", "3s: 2", TIMELINE)
    assert remove_point(alone, 0) == "2"


def test_arithmetic_is_drawn_along_its_time_and_stays_text() -> None:
    curve = make_curve("step", "0: 1 + t, 96: 3", TIMELINE)
    assert [point.is_plain for point in curve.points] == [False, True]
    drawn = dict(curve.samples)
    assert drawn[0] == 1
    assert drawn[4] == 3
    assert "1 + t" in move_point(curve, 1, "120", 5.0, "2")
    lonely = make_curve("step", "audio.bass", TIMELINE)
    assert lonely.failure
    assert not lonely.samples


def test_layers_fade_from_one_to_the_next() -> None:
    text = "0: conv2/3x3 hold, 2s: inception_3b/1x1, 4s: conv2/norm2"
    curve = make_curve("layer", [text], TIMELINE)
    assert [(span.begin, span.name, span.next_name) for span in curve.spans] == [
        (0, "conv2/3x3", ""),
        (2, "inception_3b/1x1", "conv2/norm2"),
        (4, "conv2/norm2", ""),
    ]
    other = set_point(curve, 1, value="inception_4c/output", interpolation="smooth")
    schedule = LayerSchedule((other,))
    assert [keyframe.interpolation for keyframe in schedule.keyframes][:2] == ["hold", "smooth"]
    assert schedule.keyframes[1].value == "inception_4c/output"
    added = add_point(make_curve("layer", ["conv2/3x3"], TIMELINE), "48", 2.0, "conv2/norm2")
    assert LayerSchedule((added,)).layers == ("conv2/3x3", "conv2/norm2")


def test_layers_on_beats_are_drawn_again_and_again() -> None:
    curve = make_curve("layer", ["beat 4: conv2/3x3, conv2/norm2"], HEARING)
    assert [span.begin for span in curve.spans] == pytest.approx([0, 2.25, 4.25, 6.25, 8.25])
    assert {span.name for span in curve.spans[::2]} == {"conv2/3x3"}


@given(st.floats(0, 10), st.sampled_from(SNAPPINGS))
def test_what_is_snapped_is_written_as_it_lies(seconds: float, snapping: str) -> None:
    for timeline in (TIMELINE, HEARING):
        text, snapped = snap_time(seconds, snapping, timeline)
        written = Timecode.parse(text, in_beats=True).to_seconds(timeline)
        assert float(written) == pytest.approx(snapped, abs=5e-4)
        assert 0 <= written <= timeline.length


def test_a_time_snaps_to_the_nearest_beat_or_onset() -> None:
    assert snap_time(2.4, "beats", HEARING) == ("4b", 2.25)
    assert snap_time(2.4, "half beats", HEARING)[0] == "4.5b"
    assert snap_time(2.4, "onsets", HEARING)[0] == "1.62s"
    assert snap_time(2.44, "seconds", HEARING)[0] == "2.4s"
    assert snap_time(2.44, "frames", HEARING)[0] == "59"
    part = replace(HEARING, length=Fraction(4), signals=replace(BEATS, start=Fraction(3)))
    assert snap_time(0.3, "beats", part) == ("6b", 0.25)
    assert list_beats(part)[:2] == [0.25, 0.75]


@pytest.fixture(scope="module")
def clicking_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of 6 s with a click each half second, from 0.5 s on."""
    folder = tmp_path_factory.mktemp("clicks")
    samples = np.zeros(6 * 22050)
    for beat in range(1, 12):
        begin = beat * 11025
        samples[begin : begin + 800] = 0.9 * np.sin(np.arange(800) * 2 * np.pi * 80 / 22050)
    raw = folder / "clicks.s16"
    raw.write_bytes((samples * 32767).astype("<i2").tobytes())
    silent = make_film(folder / "silent.mp4", frames=72, size="32x32", rate=12)
    film = folder / "film.mkv"
    sound = ("-f", "s16le", "-ar", "22050", "-ac", "1", "-i", raw)
    run_ffmpeg("-i", silent, *sound, "-c:v", "copy", "-c:a", "pcm_s16le", film)
    return film


def test_the_sound_of_a_part_lies_where_the_part_does(clicking_film: Path) -> None:
    heard = hear_source(open_clip(clicking_film), SoundOptions())
    assert heard is not None
    timeline = read_source_facts(clicking_film).film_timeline(36, 60)
    hearing = replace(timeline, signals=replace(heard.signals, start=Fraction(3)))
    drawn = draw_sound(heard, hearing)
    assert drawn["beats"] == pytest.approx([0, 0.5, 1, 1.5, 2], abs=0.03)
    loud = [n / len(drawn["peaks"]) * 2 for n, peak in enumerate(drawn["peaks"]) if peak > 0.5]
    assert {round(time / 0.5) for time in loud} == {0, 1, 2, 3}
    assert all(min(time % 0.5, -time % 0.5) < 0.06 for time in loud)
    silent = clicking_film.with_name("silent.mp4")
    assert hear_source(open_clip(silent), SoundOptions()) is None


def test_another_sound_and_known_beats_take_the_place_of_the_clips(clicking_film: Path) -> None:
    silent = open_clip(clicking_film.with_name("silent.mp4"))
    sound = SoundOptions(audio=str(clicking_film), bpm=60, first_beat="0.25s")
    heard = hear_source(silent, sound)
    assert heard is not None
    timeline = read_source_facts(silent.path).film_timeline(0, 72)
    drawn = draw_sound(heard, replace(timeline, signals=heard.signals))
    assert drawn["beats"] == pytest.approx([0.25, 1.25, 2.25, 3.25, 4.25, 5.25], abs=1e-3)
    assert max(drawn["peaks"]) > 0.5
