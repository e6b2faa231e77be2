"""How long a film will take and how large it will be, from a few of its frames."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from dreamflow.studio.worker.messages import FilmMeasured

MINUTE_S, HOUR_S = 60, 3600
KB, MB, GB = 10**3, 10**6, 10**9


@dataclass(frozen=True)
class ExpectedFilm:
    """What is expected of a film.

    Attributes:
        seconds: Until it is done, from now on.
        size: In bytes; 0 where that is not known.
    """

    seconds: float
    size: float

    @property
    def text(self) -> str:
        """Both in words."""
        time = f"takes about {format_seconds(self.seconds)}"
        return f"{time}, about {format_bytes(self.size)}" if self.size else time


def expect_film(
    measured: FilmMeasured, frames: int, length_s: Fraction, cuts: int = 0
) -> ExpectedFilm:
    """Return what is expected of a film.

    Args:
        measured: What a few of its frames took.
        frames: How many it has.
        length_s: How long it is, in seconds.
        cuts: Cuts in it, after which a dream begins from nothing.
    """
    begun = min(frames, 1 + cuts)
    seconds = begun * measured.first_s + (frames - begun) * measured.later_s
    if not measured.key_bytes:
        return ExpectedFilm(seconds, 0.0)
    keys = min(frames, math.ceil(frames / measured.frames_a_key) + cuts)
    size = keys * measured.key_bytes + (frames - keys) * measured.later_bytes
    return ExpectedFilm(seconds, size + float(length_s) * measured.sound_bytes_a_s)


def format_seconds(seconds: float) -> str:
    """Return a time in the unit that suits it, with two digits: `40 s`, `3.5 min`, `2 h`."""
    if seconds < MINUTE_S:
        return f"{max(1, _round_to_two_digits(seconds)):g} s"
    if seconds < HOUR_S:
        return f"{_round_to_two_digits(seconds / MINUTE_S):g} min"
    return f"{_round_to_two_digits(seconds / HOUR_S):g} h"


def format_bytes(size: float) -> str:
    """Return a size in the unit that suits it, with two digits: `340 kB`, `24 MB`."""
    for unit, name in ((GB, "GB"), (MB, "MB")):
        if size >= unit:
            return f"{_round_to_two_digits(size / unit):g} {name}"
    return f"{max(1, _round_to_two_digits(size / KB)):g} kB"


def _round_to_two_digits(number: float) -> float:
    if number <= 0:
        return 0.0
    return round(number, 1 - math.floor(math.log10(number)))
