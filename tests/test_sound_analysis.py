"""What a sound does over time: bands of tones, onsets of clicks, beats of metronomes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import run_ffmpeg

from dreamflow.core.errors import DreamFlowWarning, MediaError, SettingsError
from dreamflow.media.sound.analysis import SoundAnalysis, analyse_samples, analyse_sound
from dreamflow.media.sound.decode import SAMPLE_RATE, decode_sound
from dreamflow.media.sound.spectrum import VALUES_PER_S

FRAME_OF_60_FPS_S = 1 / 60


def tone(frequency: float, seconds: float, level: float = 0.3) -> np.ndarray:
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (level * np.sin(2 * np.pi * frequency * times)).astype(np.float32)


def place(sounds: list[tuple[float, np.ndarray]], seconds: float) -> np.ndarray:
    """Return sounds put at their times, over silence."""
    whole = np.zeros(round(seconds * SAMPLE_RATE), np.float32)
    for time, sound in sounds:
        first = round(time * SAMPLE_RATE)
        sound = sound[: len(whole) - first]
        whole[first : first + len(sound)] += sound
    return whole


def click(frequency: float = 1000) -> np.ndarray:
    decay = np.exp(-np.arange(round(0.03 * SAMPLE_RATE)) / SAMPLE_RATE * 120)
    return tone(frequency, 0.03, 0.6) * decay.astype(np.float32)


def metronome(bpm: float, seconds: float, first: float = 0.35) -> tuple[np.ndarray, np.ndarray]:
    beats = np.arange(first, seconds - 0.1, 60 / bpm)
    return place([(float(beat), click()) for beat in beats], seconds), beats


def level_at(analysis: SoundAnalysis, name: str, seconds: float) -> float:
    return float(analysis.levels[name][round(seconds * VALUES_PER_S)])


def distances(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return how far each wanted time is from the nearest one found."""
    return np.abs(found[:, None] - wanted).min(axis=0)


@pytest.mark.parametrize(
    ("frequency", "band"),
    [(40, "bass"), (60, "bass"), (100, "bass"), (200, "mid"), (400, "mid"), (800, "mid"),
     (2000, "mid"), (3000, "high"), (6000, "high"), (9000, "high")],
)  # fmt: skip
def test_a_tone_is_heard_in_its_band_while_it_sounds(frequency: float, band: str) -> None:
    analysis = analyse_samples([place([(1, tone(frequency, 2))], 4)])
    for name in ("loud", band):
        assert level_at(analysis, name, 2) > 0.95
        assert level_at(analysis, name, 0.9) == 0
        assert level_at(analysis, name, 3.1) == 0
    others = {"bass", "mid", "high"} - {band}
    assert all(level_at(analysis, name, 2) < 0.2 for name in others)
    assert analysis.length_s == 4


def test_a_louder_sound_has_the_higher_level() -> None:
    steps = [(float(n), tone(440, 1, 0.02 * 1.5**n)) for n in range(8)]
    analysis = analyse_samples([place(steps, 8)])
    levels = [level_at(analysis, "loud", n + 0.5) for n in range(8)]
    assert levels == sorted(levels)
    assert levels[0] < 0.1
    assert levels[-1] > 0.9


@pytest.mark.parametrize("frequency", [100, 440, 3000])
def test_onsets_lie_within_half_a_frame(frequency: float) -> None:
    times = np.array([0.2, 0.61, 0.93, 1.4, 1.75, 2.5])
    sounds = {
        "clicks": [(float(time), click(frequency)) for time in times],
        "notes": [(float(time), tone(frequency, 0.15)) for time in times],
    }
    for name, placed in sounds.items():
        found = analyse_samples([place(placed, 3)]).onsets["loud"]
        assert len(found) == len(times), name
        assert distances(found, times).max() <= FRAME_OF_60_FPS_S / 2, name


def test_onsets_of_a_band_are_those_of_its_sounds() -> None:
    low, high = np.arange(0.3, 8, 1.0), np.arange(0.8, 8, 1.0)
    fade = np.hanning(round(0.01 * SAMPLE_RATE))[: round(0.005 * SAMPLE_RATE)]
    ramp = np.concatenate([fade, np.ones(round(0.09 * SAMPLE_RATE)), fade[::-1]])
    sounds = [(float(t), tone(60, 0.1)[: len(ramp)] * ramp) for t in low]
    sounds += [(float(t), tone(5000, 0.1)[: len(ramp)] * ramp) for t in high]
    analysis = analyse_samples([place([(t, s.astype(np.float32)) for t, s in sounds], 8.5)])
    assert distances(analysis.onsets["bass"], low).max() < 0.01
    assert distances(analysis.onsets["high"], high).max() < 0.01
    assert distances(low, analysis.onsets["bass"]).max() < 0.01, "and no others"
    assert distances(high, analysis.onsets["high"]).max() < 0.01


def test_noise_has_few_onsets_and_a_drum_in_it_its_own() -> None:
    noise = np.random.default_rng(1).normal(0, 0.03, 10 * SAMPLE_RATE).astype(np.float32)
    times = np.arange(0.5, 9.8, 0.5)
    drum = tone(60, 0.1, 0.9) * np.exp(-np.arange(round(0.1 * SAMPLE_RATE)) / SAMPLE_RATE * 20)
    drums = place([(float(t), drum.astype(np.float32)) for t in times], 10)
    for name, onsets in analyse_samples([noise]).onsets.items():
        assert len(onsets) < 35, name
    heard = analyse_samples([noise + drums]).onsets["bass"]
    assert distances(heard, times).max() < 0.02
    assert len(heard) == len(times)


@pytest.mark.parametrize("bpm", [60, 97, 120, 174])
def test_beats_of_a_metronome(bpm: float) -> None:
    samples, beats = metronome(bpm, 60)
    analysis = analyse_samples([samples])
    assert analysis.bpm == pytest.approx(bpm, rel=0.005)
    assert len(analysis.beats) == len(beats)
    assert distances(analysis.beats, beats).max() < 0.02


ROCK = {"kick": "x.......x.......", "snare": "....x.......x...", "hat": "x.x.x.x.x.x.x.x."}
DEMBOW = {"kick": "x...x...x...x...", "snare": "...x..x....x..x.", "hat": "x.x.x.x.x.x.x.x."}
SIXTEENTHS = {"kick": "x.....x.x.......", "snare": "....x.......x...", "hat": "xxxxxxxxxxxxxxxx"}
PLAIN = {"kick": "x.......x.......", "snare": "....x.......x...", "hat": "................"}
WALTZ = {"kick": "x...........", "snare": "....x...x...", "hat": "x.x.x.x.x.x."}


@pytest.mark.parametrize(
    ("pattern", "bpm"),
    [(ROCK, 70), (ROCK, 140), (DEMBOW, 97), (SIXTEENTHS, 78), (PLAIN, 112), (WALTZ, 96)],
)
def test_beats_of_drums_are_neither_doubled_nor_halved(pattern: dict[str, str], bpm: int) -> None:
    noise = np.random.default_rng(5).normal(0, 0.15, round(0.08 * SAMPLE_RATE)).astype(np.float32)
    fade = np.exp(-np.arange(len(noise)) / len(noise) * 6).astype(np.float32)
    drums = {
        "kick": tone(60, 0.08, 0.8) * fade,
        "snare": (noise + tone(200, 0.08, 0.4)) * fade,
        "hat": 0.5 * np.diff(noise * fade**3),
    }
    step = 60 / bpm / 4
    bars = round(20 / step / len(pattern["kick"]))
    sounds = [
        (n * step, drums[name])
        for name, hits in pattern.items()
        for n, hit in enumerate(hits * bars)
        if hit == "x"
    ]
    beats = np.arange(bars * len(pattern["kick"]) // 4) * 4 * step
    analysis = analyse_samples([place(sounds, float(beats[-1]) + 1)])
    assert analysis.bpm == pytest.approx(bpm, rel=0.005)
    assert distances(analysis.beats, beats).max() < 0.02


def test_the_result_does_not_depend_on_the_blocks() -> None:
    samples, _ = metronome(97, 12)
    whole = analyse_samples([samples])
    pieces = analyse_samples(np.array_split(samples, 7))
    for name, levels in whole.levels.items():
        assert np.allclose(pieces.levels[name], levels, atol=1e-5)
    assert np.allclose(whole.beats, pieces.beats)
    assert np.allclose(whole.onsets["loud"], pieces.onsets["loud"])


@pytest.mark.parametrize("offset", [0.3, -0.8])
def test_a_constant_offset_and_clipping_are_not_heard(offset: float) -> None:
    samples, beats = metronome(120, 10)
    plain = analyse_samples([samples])
    moved = analyse_samples([np.clip(samples * 3, -0.2, 0.2) + np.float32(offset)])
    assert distances(moved.beats, beats).max() < 0.02
    inner = slice(VALUES_PER_S, -VALUES_PER_S)
    assert np.corrcoef(moved.levels["loud"][inner], plain.levels["loud"][inner])[0, 1] > 0.9
    quiet = analyse_samples([np.full(5 * SAMPLE_RATE, offset, np.float32)])
    assert not quiet.levels["loud"][inner].any()


@pytest.mark.parametrize("decibels", [90, 20, -20, -40, -60])
def test_a_sound_is_heard_alike_at_any_gain(decibels: int) -> None:
    samples, beats = metronome(97, 8)
    samples += place([(1.3, tone(440, 0.4, 0.1)), (4.1, tone(90, 0.4, 0.2))], 8)
    plain = analyse_samples([samples])
    gained = analyse_samples([samples * np.float32(10 ** (decibels / 20))])
    assert distances(gained.beats, beats).max() < 0.02
    for name, onsets in plain.onsets.items():
        assert np.allclose(gained.onsets[name], onsets, atol=1e-3), name
    assert np.allclose(gained.levels["loud"], plain.levels["loud"], atol=0.02)


@pytest.mark.parametrize("samples", [0, 1, 100, 5000])
@pytest.mark.parametrize("level", [0, 0.5])
def test_very_short_sounds(samples: int, level: float) -> None:
    analysis = analyse_samples([np.full(samples, level, np.float32)])
    assert analysis.length_s == samples / SAMPLE_RATE
    assert len(analysis.beats) == 0
    assert analysis.bpm == 0
    assert all(np.isfinite(levels).all() for levels in analysis.levels.values())


# --- files


def write_sound(path: Path, samples: np.ndarray, *options: str) -> Path:
    raw = path.with_suffix(".f32")
    samples.tofile(raw)
    source = ("-f", "f32le", "-ar", str(SAMPLE_RATE), "-ac", "1", "-i", raw)
    run_ffmpeg(*source, *options, path)
    return path


@pytest.mark.parametrize(
    ("name", "options", "tolerance_s"),
    [
        ("plain.wav", (), 0.001), ("eight.wav", ("-ar", "8000"), 0.002),
        ("cd.flac", ("-ar", "44100", "-ac", "2"), 0.001), ("bytes.wav", ("-c:a", "pcm_u8"), 0.001),
        ("deep.wav", ("-c:a", "pcm_s24le", "-ar", "96000"), 0.001),
        ("doubles.mkv", ("-c:a", "pcm_f64le"), 0.002),
        ("surround.wav", ("-af", "pan=5.1|LFE=c0"), 0.001), ("film.mp4", ("-c:a", "aac"), 0.003),
        ("song.mp3", ("-c:a", "libmp3lame"), 0.003), ("talk.opus", ("-c:a", "libopus"), 0.003),
        ("song.ogg", ("-c:a", "libvorbis"), 0.003),
    ],
)  # fmt: skip
def test_every_kind_of_file_is_heard_at_its_time(
    tmp_path: Path, name: str, options: tuple[str, ...], tolerance_s: float
) -> None:
    times = np.array([0.5, 1.1, 1.9, 2.4])
    path = write_sound(tmp_path / name, place([(t, click(900)) for t in times], 3), *options)
    analysis = analyse_sound(path)
    assert analysis.length_s == pytest.approx(3, abs=0.06)
    assert len(analysis.onsets["loud"]) == len(times)
    assert distances(analysis.onsets["loud"], times).max() < tolerance_s + 0.001


def test_samples_that_are_no_numbers_or_far_too_large(tmp_path: Path) -> None:
    samples, beats = metronome(120, 4)
    samples[SAMPLE_RATE // 10 : SAMPLE_RATE // 5] = np.nan
    samples[-10:] = np.inf
    for gain in (1, 32768, 1e30):
        path = write_sound(tmp_path / "odd.wav", samples * np.float32(gain), "-c:a", "pcm_f32le")
        analysis = analyse_sound(path)
        assert all(np.isfinite(levels).all() for levels in analysis.levels.values())
        assert distances(analysis.onsets["loud"], beats).max() < 0.01


def test_sound_that_begins_late_is_heard_late(tmp_path: Path) -> None:
    click_at_1 = write_sound(tmp_path / "a.wav", place([(1, click())], 2))
    film = tmp_path / "late.mkv"
    picture = ("-f", "lavfi", "-i", "color=size=32x32:rate=10:duration=4")
    run_ffmpeg(*picture, "-itsoffset", "1.5", "-i", click_at_1, "-map", "0", "-map", "1", film)
    assert distances(analyse_sound(film).onsets["loud"], np.array([2.5])) < 0.003


def test_the_track_that_is_asked_for(tmp_path: Path) -> None:
    tracks = [write_sound(tmp_path / f"{n}.wav", place([(1 + n, click())], 3)) for n in (0, 1)]
    film = tmp_path / "two.mkv"
    languages = ("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger")
    inputs = [word for path in tracks for word in ("-i", path)]
    run_ffmpeg(*inputs, "-map", "0", "-map", "1", *languages, film)
    assert distances(analyse_sound(film, "0").onsets["loud"], np.array([1.0])) < 0.003
    assert distances(analyse_sound(film, "ger").onsets["loud"], np.array([2.0])) < 0.003
    with pytest.raises(SettingsError) as error:
        analyse_sound(film, "5")
    assert error.value.setting == "audio_track"


def test_no_sound_is_an_error_and_silence_a_warning(tmp_path: Path) -> None:
    silent_film = tmp_path / "film.mp4"
    run_ffmpeg("-f", "lavfi", "-i", "color=size=32x32:duration=1", silent_film)
    text = tmp_path / "text.mp3"
    text.write_text("no sound at all")
    for path in (silent_film, text, tmp_path / "missing.wav", tmp_path):
        with pytest.raises(MediaError) as error:
            analyse_sound(path)
        assert error.value.where == str(path)
    silence = write_sound(tmp_path / "silence.wav", np.zeros(SAMPLE_RATE, np.float32))
    with pytest.warns(DreamFlowWarning):
        analysis = analyse_sound(silence)
    assert not any(levels.any() for levels in analysis.levels.values())


def test_what_decodes_of_a_damaged_file_is_heard(tmp_path: Path) -> None:
    samples, beats = metronome(120, 20)
    path = write_sound(tmp_path / "song.mkv", samples, "-c:a", "flac")
    damaged = bytearray(path.read_bytes())
    middle = len(damaged) // 2
    damaged[middle : middle + 3000] = np.random.default_rng(0).bytes(3000)
    path.write_bytes(damaged[: int(len(damaged) * 0.9)])
    with pytest.warns(DreamFlowWarning):
        analysis = analyse_sound(path)
    found = distances(analysis.onsets["loud"], beats[beats < 17])
    assert np.mean(found < 0.02) > 0.7


def test_decoding_holds_a_block_at_a_time(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "long.flac", np.zeros(45 * SAMPLE_RATE, np.float32))
    lengths = [len(block) for block in decode_sound(path)]
    assert sum(lengths) == 45 * SAMPLE_RATE
    assert max(lengths) <= 10 * SAMPLE_RATE
