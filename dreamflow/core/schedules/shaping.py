"""Functions of what a value has been so far: envelopes, and the time since something happened.

Each takes the values of all frames in order, and returns one for each; it looks back, never ahead.
A frame without a value is NaN: it counts as 0 and stays without.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

SETTLED_EXPONENT = 3.0
"""A time is that in which 95% of the way is gone: exp(-3) remains."""
NEVER_S = 1e6
"""Seconds since what has not happened yet."""


@dataclass(frozen=True)
class Shaper:
    """A function of what a value has been so far.

    Attributes:
        call: Takes the values, then those of each further argument, and the seconds of a frame.
        arguments: The arguments that it takes, as they are written: "x, seconds".
    """

    call: Callable[..., list[float]]
    arguments: str

    @property
    def count(self) -> int:
        """How many arguments it takes."""
        return self.arguments.count(",") + 1


def envelope(
    values: Sequence[float], attacks: Sequence[float], releases: Sequence[float], step_s: float
) -> list[float]:
    """Return values that rise to each value in `attack` seconds, and fade in `release` seconds.

    e(n) = max over m <= n of x(m) * shape(n - m), where the shape rises in a line from 0 to 1 in
    the attack, and then falls by exp(-3 * seconds / release). With an attack of 0, a peak is there
    at once.
    """
    result: list[float] = []
    fading = 0.0
    rising: deque[tuple[int, float]] = deque()
    for n, (value, attack, release) in enumerate(zip(values, attacks, releases, strict=True)):
        fading *= _remaining(step_s, release)
        rising.append((n, 0.0 if math.isnan(value) else value))
        while rising and (n - rising[0][0]) * step_s >= attack:
            fading = max(fading, rising.popleft()[1])
        growing = (x * (n - m) * step_s / attack for m, x in rising)
        result.append(max(fading, max(growing, default=0.0)))
    return result


def seconds_after(values: Sequence[float], step_s: float) -> list[float]:
    """Return the seconds since a value was last above 0; 0 while it is."""
    result: list[float] = []
    last: int | None = None
    for n, value in enumerate(values):
        last = n if value > 0 else last
        result.append(NEVER_S if last is None else (n - last) * step_s)
    return result


def hold(values: Sequence[float], seconds: Sequence[float], step_s: float) -> list[float]:
    """Return the largest value of the last `seconds`, this frame's included."""
    result: list[float] = []
    largest: deque[tuple[int, float]] = deque()  # falling, from the oldest to this frame
    for n, (value, reach) in enumerate(zip(values, seconds, strict=True)):
        value = 0.0 if math.isnan(value) else value
        while largest and largest[-1][1] <= value:
            largest.pop()
        largest.append((n, value))
        while len(largest) > 1 and (n - largest[0][0]) * step_s > reach:
            largest.popleft()
        result.append(largest[0][1])
    return result


def smooth(values: Sequence[float], seconds: Sequence[float], step_s: float) -> list[float]:
    """Return values that follow, 95% of the way in `seconds`: y += (x - y) * (1 - exp(-3 s / S)).

    They begin at the first value.
    """
    result: list[float] = []
    follower: float | None = None
    for value, reach in zip(values, seconds, strict=True):
        value = 0.0 if math.isnan(value) else value
        if follower is None:
            follower = value
        follower += (value - follower) * (1 - _remaining(step_s, reach))
        result.append(follower)
    return result


def _remaining(elapsed_s: float, settling_s: float) -> float:
    """Return what remains of a way after some seconds, if 95% of it are gone in `settling_s`."""
    return math.exp(-SETTLED_EXPONENT * elapsed_s / settling_s) if settling_s > 0 else 0.0


SHAPERS: dict[str, Shaper] = {
    "env": Shaper(envelope, "x, attack, release"),
    "after": Shaper(seconds_after, "x"),
    "hold": Shaper(hold, "x, seconds"),
    "smooth": Shaper(smooth, "x, seconds"),
}


def shape(name: str, arguments: Sequence[Sequence[float]], step_s: float) -> list[float]:
    """Return the values of a shaper; NaN in frames where one of its arguments has no value.

    Args:
        name: One of SHAPERS.
        arguments: The values of each argument, a value a frame.
        step_s: Seconds of a frame.
    """
    values, *others = arguments
    times = [[0.0 if math.isnan(value) else value for value in other] for other in others]
    shaped = SHAPERS[name].call(values, *times, step_s)
    return [
        math.nan if any(map(math.isnan, given)) else value
        for value, given in zip(shaped, zip(*arguments, strict=True), strict=True)
    ]
