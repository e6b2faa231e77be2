"""What the schedules of a zoom hear, and a zoom as long as its sound."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from dreamflow.core.errors import SettingsError, named
from dreamflow.dream.options import DreamOptions
from dreamflow.media.read.frame_rate import to_exact_rate
from dreamflow.media.sound.hearing import Hearing
from dreamflow.media.sound.options import SoundOptions
from dreamflow.pipelines.hearing import (
    find_audio_length,
    heard_signals,
    open_hearing,
    warn_if_shorter,
)
from dreamflow.pipelines.settings.options import ZoomOptions

DEFAULT_ZOOM_S = 10.0
"""Seconds of a zoom whose length is not given."""


def fit_zoom_to_audio(zoom: ZoomOptions, sound: SoundOptions) -> ZoomOptions:
    """Return a zoom with a length: the one given, that of its sound, or DEFAULT_ZOOM_S.

    Raises:
        MediaError: The sound cannot be read.
    """
    if zoom.seconds is not None:
        return zoom
    return replace(zoom, seconds=find_audio_length(sound) or DEFAULT_ZOOM_S)


def hear_zoom(
    dream: DreamOptions, zoom: ZoomOptions, sound: SoundOptions, kept_in: Path | None = None
) -> Hearing | None:
    """Return what the schedules of a zoom hear; None where that is nothing.

    Args:
        dream: Settings of the dream, its layers as a schedule.
        zoom: Settings of the zoom.
        sound: What is heard.
        kept_in: A job's folder that may keep the sound's analysis.

    Raises:
        MediaError: A sound or a series cannot be read.
        SettingsError: The zoom is played backwards, and its sound would not be.
    """
    heard = heard_signals((dream, zoom))
    hearing = open_hearing(heard, sound, None, to_exact_rate(zoom.fps), kept_in)
    if hearing is None:
        return None
    if zoom.reverse:
        raise SettingsError(
            f"a zoom with {named('reverse')} is dreamed backwards in time, so its schedules cannot "
            f"hear {min(heard)}: leave out {named('reverse')}",
            setting="reverse",
        )
    warn_if_shorter(hearing, Fraction(str(zoom.seconds or DEFAULT_ZOOM_S)))
    return hearing
