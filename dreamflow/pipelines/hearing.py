"""What the schedules of an output hear: which sound and series they need, opened once."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from dreamflow.core.errors import IneffectiveSettingWarning, MediaError, ShortSourceWarning, named
from dreamflow.core.options.declaration import Options
from dreamflow.core.schedules.signals import AUDIO, BEAT_NAMES, DATA
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.read.clip import Clip
from dreamflow.media.sound.analysis import SoundAnalysis, analyse_sound
from dreamflow.media.sound.decode import read_sound_facts, read_sound_length
from dreamflow.media.sound.hearing import Hearing, make_beat_grid, make_signals
from dreamflow.media.sound.kept import pack_analysis, read_kept_analysis
from dreamflow.media.sound.options import SoundOptions
from dreamflow.media.sound.series_file import read_series
from dreamflow.pipelines.inputs import AUDIO_INPUT, DATA_INPUT
from dreamflow.pipelines.still_clip import StillClip

KEPT_ANALYSIS_FILE = "sound.npz"
"""Name of the analysis of a job's sound, in the job's folder."""
SHORTER_S = 0.5
"""Seconds by which a sound may be shorter than what is shown without a warning."""


ClipT = TypeVar("ClipT", Clip, StillClip)


@dataclass(frozen=True)
class OwnSound:
    """The sound that a source has itself.

    Attributes:
        path: The source.
        offset_s: Seconds of its sound before its first frame.
        track: The sound track that is asked for, by number or language; None for the main one.
    """

    path: Path
    offset_s: Fraction = Fraction(0)
    track: str | None = None


def heard_signals(groups: Iterable[Options]) -> frozenset[str]:
    """Return the names of the signals that the schedules of some settings hear."""
    return frozenset(
        name
        for group in groups
        for schedule in group.schedules.values()
        for name in schedule.signals
    )


def hear_clip(
    clip: ClipT, sound: SoundOptions, groups: Iterable[Options], kept_in: Path | None = None
) -> ClipT:
    """Return a clip, or a picture that is shown as one, whose timeline has what schedules hear.

    The same one is returned where they hear nothing. What cannot be heard is left out:
    `Options.check_schedules` names the schedule that needs it.

    Args:
        clip: The clip or picture.
        sound: What is heard.
        groups: The settings with the schedules.
        kept_in: A job's folder that may keep the sound's analysis.

    Raises:
        MediaError: A sound or a series cannot be read.
        SettingsError: A track is unknown.
    """
    heard = heard_signals(groups)
    if isinstance(clip, StillClip):
        hearing = open_hearing(heard, sound, None, clip.rate, kept_in)
        end_s = clip.timeline.length
    else:
        own = None
        if clip.info.sound_codecs:
            own = OwnSound(clip.path, clip.info.start_offset, clip.options.audio_track)
        hearing = open_hearing(heard, sound, own, clip.info.rate, kept_in)
        end_s = clip.start_time + clip.length
    if hearing is None:
        return clip
    warn_if_shorter(hearing, end_s)
    return clip.hear(hearing)


def hear_once(
    clip: ClipT, sound: SoundOptions, groups: Iterable[Options], kept_in: Path | None = None
) -> ClipT:
    """Return a clip as `hear_clip` does; one that hears something already stays as it is."""
    return clip if clip.hearing is not None else hear_clip(clip, sound, groups, kept_in)


def open_hearing(
    heard: frozenset[str],
    sound: SoundOptions,
    own: OwnSound | None,
    rate: Fraction,
    kept_in: Path | None = None,
) -> Hearing | None:
    """Return what is heard; None where that is nothing.

    Args:
        heard: Names of the signals that are needed.
        sound: What is heard.
        own: The source's own sound, if it has any.
        rate: The source's frames per second.
        kept_in: A job's folder that may keep the sound's analysis.

    Raises:
        MediaError: A sound or a series cannot be read.
        SettingsError: A track is unknown.
    """
    if not heard:
        return None
    source = OwnSound(Path(sound.audio)) if sound.audio else own
    analysis, kept = None, b""
    needs_sound = any(name.startswith(f"{AUDIO}.") for name in heard)
    needs_beats = bool(heard & set(BEAT_NAMES))
    is_told = sound.bpm is not None and sound.first_beat is not None
    if source and (needs_sound or (needs_beats and not is_told)):
        analysis, kept = _analyse(source, kept_in, by_setting=sound.audio is not None)
    offset_s = source.offset_s if source else Fraction(0)
    first_beat_s = sound.first_beat_s(rate)
    beats = make_beat_grid(analysis, offset_s, sound.beats_per_bar, sound.bpm, first_beat_s)
    wanted = {name.removeprefix(f"{DATA}.") for name in heard if name.startswith(f"{DATA}.")}
    data = {name: path for name, path in sound.data_files.items() if name in wanted}
    files = {AUDIO_INPUT: [source.path]} if source and kept and sound.audio else {}
    files |= {DATA_INPUT: list(data.values())} if data else {}
    series = {name: read_series(path) for name, path in data.items()}
    end_s = Fraction(analysis.length_s) - offset_s if analysis and needs_sound else None
    return Hearing(make_signals(analysis, offset_s, beats, series), files, kept, end_s)


def _analyse(
    source: OwnSound, kept_in: Path | None, by_setting: bool
) -> tuple[SoundAnalysis, bytes]:
    """Return the analysis of a sound, and the same as bytes; one that is kept is not made again."""
    try:
        origin = f"{_measure_size(source.path)} bytes, track {source.track or 'main'}"
        analysis = None
        if kept_in is not None:
            analysis = read_kept_analysis(kept_in / KEPT_ANALYSIS_FILE, origin)
        analysis = analysis or analyse_sound(source.path, source.track)
    except MediaError as error:
        raise (error.located(named("audio"), " ") if by_setting else error) from error
    return analysis, pack_analysis(analysis, origin)


def _measure_size(path: Path) -> int:
    """Return the bytes of a file. Raises MediaError where it cannot be read."""
    try:
        return path.stat().st_size
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror}", where=str(path)) from error


def add_music(spec: OutputSpec, sound: SoundOptions, begin: Fraction = Fraction(0)) -> OutputSpec:
    """Return the spec of an output with the sound of another file, where that is asked for.

    Args:
        spec: The spec, with the source's own sound.
        sound: Which file, and when its sound takes the place of the source's.
        begin: Seconds from the source's first frame to the output's.

    Raises:
        MediaError: The file holds no sound.
    """
    if sound.audio is None or _keeps_own_sound(spec, sound):
        return spec
    try:
        music = replace(read_sound_facts(Path(sound.audio)), begin=begin)
    except MediaError as error:
        raise error.located(named("audio"), " ") from error
    return replace(spec, music=music, sound=spec.sound and replace(spec.sound, codecs=()))


def _keeps_own_sound(spec: OutputSpec, sound: SoundOptions) -> bool:
    """Return whether an output has the source's own sound, or none, whatever else is heard."""
    has_own = spec.sound is not None and bool(spec.sound.codecs)
    return sound.audio_out == "clip" or (sound.audio_out == "auto" and has_own)


def find_audio_length(sound: SoundOptions) -> float | None:
    """Return the seconds of the sound that the settings name; None where they name none."""
    if sound.audio is None:
        return None
    try:
        return round(float(read_sound_length(Path(sound.audio))), 3)
    except MediaError as error:
        raise error.located(named("audio"), " ") from error


def warn_of_unheard(
    sound: SoundOptions, groups: Iterable[Options], output_spec: OutputSpec | None = None
) -> None:
    """Warn of a sound, beats and series that are given, and that no schedule hears.

    Args:
        sound: What is given.
        groups: The settings with the schedules.
        output_spec: The spec of an output that may have a sound, with the source's own.
    """
    heard = heard_signals(groups)
    hears_sound = any(name in BEAT_NAMES or name.startswith(f"{AUDIO}.") for name in heard)
    if output_spec and _keeps_own_sound(output_spec, sound) and sound.audio and not hears_sound:
        warnings.warn(
            f"{named('audio')} {Path(sound.audio).name} does nothing: no schedule hears it, and "
            f"the output keeps the source's own sound; {named('audio_out')} audio takes this one",
            IneffectiveSettingWarning,
            2,
        )
    tempo = [name for name in ("bpm", "first_beat") if getattr(sound, name) is not None]
    if tempo and not heard & set(BEAT_NAMES):
        warnings.warn(
            f"{named(tempo[0])} does nothing: no schedule counts beats, as {named('strength')} "
            '"1 - 0.6*saw(1, beat)" does',
            IneffectiveSettingWarning,
            2,
        )
    for name in sound.data_files:
        if f"{DATA}.{name}" not in heard:
            warnings.warn(
                f"{named('data')} {name} does nothing: no schedule hears {DATA}.{name}",
                IneffectiveSettingWarning,
                2,
            )


def warn_if_shorter(hearing: Hearing, end_s: Fraction) -> None:
    """Warn where the sound that is heard ends before what is shown.

    Args:
        hearing: What is heard.
        end_s: Seconds from the source's first frame to the end of what is shown.
    """
    if hearing.sound_end_s is not None and hearing.sound_end_s < end_s - SHORTER_S:
        warnings.warn(
            f"the sound ends at {max(0.0, float(hearing.sound_end_s)):.2f} s of "
            f"{float(end_s):.2f} s: from there on what schedules hear of it is 0",
            ShortSourceWarning,
            2,
        )
