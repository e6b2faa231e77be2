"""Which layers are dreamed on, and how much of each."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dreamflow.core.errors import SettingsError
from dreamflow.core.targets import parse_target


def parse_blend(layers: Sequence[str]) -> dict[str, float]:
    """Return the weight of each target of `NAME` or `NAME=WEIGHT` texts; a bare name weighs 1.

    A name is that of a layer, or one of the others of `dreamflow.core.targets`, which come back in their
    shortest form. Raises SettingsError where a weight is no number, is zero or not finite, a target
    comes twice or is none, or there is none.
    """
    weights: dict[str, float] = {}
    for text in layers:
        name, equals, number = text.partition("=")
        name = name.strip()
        try:
            weight = float(number) if equals else 1.0
        except ValueError:
            weight = math.nan
        if not name or not math.isfinite(weight) or weight == 0:
            raise SettingsError(f"layer {text.strip()!r}: write NAME=WEIGHT, the weight not zero")
        name = str(parse_target(name))
        if name in weights:
            raise SettingsError(f"layer {name} is given twice; give it one weight")
        weights[name] = weight
    if not weights:
        raise SettingsError("no layer is given: name at least one with --layer")
    return weights


def cross_fade(one: dict[str, float], other: dict[str, float], share: float) -> dict[str, float]:
    """Return the weights on the way from one blend to another; share: 0 is one, 1 the other.

    Both are brought to length 1, and weighted by the cosine and the sine of a quarter turn. The
    less two layers are alike, the nearer are their gradients to right angles (a cosine of 0 to 0.4
    a few layers apart), and the more evenly turns the direction of the dream; with the weights
    1 - share and share it would turn twice as fast in the middle as at the ends.
    """
    parts = ((one, math.cos(share * math.pi / 2)), (other, math.sin(share * math.pi / 2)))
    mixed: dict[str, float] = {}
    for weights, part in parts:
        length = math.hypot(*weights.values())
        for name, weight in weights.items():
            mixed[name] = mixed.get(name, 0.0) + part * weight / length
    return {name: weight for name, weight in mixed.items() if abs(weight) > 1e-6}
