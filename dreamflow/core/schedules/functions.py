"""The functions that the arithmetic of schedules knows, each a pure function of its values."""

from __future__ import annotations

import hashlib
import math
import operator
import struct
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Function:
    """A function of the arithmetic.

    Attributes:
        call: Returns its value; raises ArithmeticError or ValueError where it has none.
        values: The values that it takes, as they are written: "x, low, high".
        fewest: Smallest number of them.
        most: Largest number.
        counts: Whether it counts on something as the last of its values: on `t`, the seconds, where
            that is left out, or on another, as `saw(1, 2*t)` does.
    """

    call: Callable[..., float]
    values: str
    fewest: int
    most: int
    counts: bool = False


def saw(period: float, x: float) -> float:
    """Return what rises from 0 to 1 in each period, and begins again."""
    return x % period / period


def tri(period: float, x: float) -> float:
    """Return what rises from 0 to 1 in the first half of each period, and falls in the second."""
    return 1 - abs(2 * saw(period, x) - 1)


def square(period: float, x: float) -> float:
    """Return 1 in the first half of each period, and 0 in the second."""
    return float(2 * saw(period, x) < 1)


def pulse(period: float, width: float, x: float) -> float:
    """Return 1 in the first `width` of each period, and 0 in the rest."""
    return float(x % period < width)


def noise(seed: float, rate: float, x: float) -> float:
    """Return smooth noise between 0 and 1 that has `rate` random values in each unit of x.

    Between two of them it follows 6s^5 - 15s^4 + 10s^3 (Perlin 2002), without a kink.
    """
    place = x * rate
    before = math.floor(place)
    share = place - before
    eased = share * share * share * (share * (share * 6 - 15) + 10)
    return lerp(_random_value(seed, before), _random_value(seed, before + 1), eased)


def _random_value(seed: float, place: int) -> float:
    """Return a random number in [0, 1) that depends on the seed and the place alone."""
    digest = hashlib.blake2b(struct.pack("<d", seed) + str(place).encode(), digest_size=6).digest()
    return int.from_bytes(digest, "little") / 2**48


def lerp(first: float, second: float, share: float) -> float:
    """Return what lies between two values: the first at share 0, the second at 1."""
    return first + (second - first) * share


def clamp(x: float, low: float, high: float) -> float:
    """Return a value, or the bound that it is beyond.

    Raises:
        ValueError: The bounds are the wrong way round.
    """
    if low > high:
        raise ValueError("the lower bound is above the upper one")
    return min(max(x, low), high)


def smoothstep(low: float, high: float, x: float) -> float:
    """Return 0 up to `low`, 1 from `high` on, and 3s^2 - 2s^3 between them."""
    share = clamp((x - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)


def gate(x: float, level: float) -> float:
    """Return a value that reaches a level, and 0 for one that does not."""
    return x if x >= level else 0.0


def where(condition: float, x: float, other: float) -> float:
    """Return a value where a condition holds, and the other one elsewhere."""
    return x if condition else other


def round_half_up(x: float) -> float:
    """Return the nearest whole number; the upper one of two."""
    below = math.floor(x)
    return float(below + (x - below >= 0.5))


FUNCTIONS: dict[str, Function] = {
    "sin": Function(math.sin, "x", 1, 1),
    "cos": Function(math.cos, "x", 1, 1),
    "tanh": Function(math.tanh, "x", 1, 1),
    "exp": Function(math.exp, "x", 1, 1),
    "log": Function(math.log, "x", 1, 1),
    "sqrt": Function(math.sqrt, "x", 1, 1),
    "abs": Function(math.fabs, "x", 1, 1),
    "floor": Function(math.floor, "x", 1, 1),
    "ceil": Function(math.ceil, "x", 1, 1),
    "round": Function(round_half_up, "x", 1, 1),
    "mod": Function(operator.mod, "x, n", 2, 2),
    "min": Function(min, "a, b, ...", 2, 8),
    "max": Function(max, "a, b, ...", 2, 8),
    "clamp": Function(clamp, "x, low, high", 3, 3),
    "lerp": Function(lerp, "a, b, x", 3, 3),
    "smoothstep": Function(smoothstep, "low, high, x", 3, 3),
    "where": Function(where, "condition, a, b", 3, 3),
    "gate": Function(gate, "x, level", 2, 2),
    "saw": Function(saw, "period", 1, 2, counts=True),
    "tri": Function(tri, "period", 1, 2, counts=True),
    "square": Function(square, "period", 1, 2, counts=True),
    "pulse": Function(pulse, "period, width", 2, 3, counts=True),
    "noise": Function(noise, "seed, rate", 2, 3, counts=True),
}
