"""Neighbours of a look: one thing changed in each, so that a look is found step by step."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from dreamflow.core.errors import DreamFlowError
from dreamflow.core.options.declaration import format_setting_value
from dreamflow.studio.looks.controls import check_look, find_changes, list_controls
from dreamflow.studio.looks.wall import Tile

VARIATION_COUNT = 8
MAX_LAYER_STEPS = 4
"""How many layers away a neighbouring layer is at most."""
TRIES = 40
"""Neighbours that are made at most, until there are enough different ones."""
GRADIENTS = ("auto", "plain", "smooth", "laplacian")
COLOURS = ("free", "luminance", "source")

Change = Callable[[Mapping[str, Any], Sequence[str], random.Random], dict[str, Any]]
"""Returns the settings to change, by a look with all its settings and the network's layers."""


def make_variations(settings: Mapping[str, Any], layers: Sequence[str], round_: int) -> list[Tile]:
    """Return eight neighbours of a look, each of them valid and unlike the others.

    Args:
        settings: The look: what differs from the defaults.
        layers: The layers of its network, shallow to deep.
        round_: Other numbers give other neighbours; the same one the same.
    """
    chance = random.Random(f"{sorted(settings.items())!r} {round_}")
    look = {control.name: control.default for control in list_controls()} | dict(settings)
    tiles: list[Tile] = []
    seen = [find_changes(settings)]
    for change in _list_changes(chance):
        changed = change(look, layers, chance)
        neighbour = find_changes({**look, **changed})
        if neighbour in seen or not _is_valid(neighbour):
            continue
        seen.append(neighbour)
        tiles.append(Tile(*_describe(changed), neighbour))
        if len(tiles) == VARIATION_COUNT:
            break
    return tiles


def _list_changes(chance: random.Random) -> Iterator[Change]:
    """Yield changes of all kinds, in an order of chance, again and again."""
    for _ in range(TRIES // len(CHANGES) + 1):
        kinds = list(CHANGES)
        chance.shuffle(kinds)
        # Layers make the greatest difference: they come first.
        yield from sorted(kinds, key=lambda kind: kind is not _move_layer)


def _is_valid(settings: Mapping[str, Any]) -> bool:
    try:
        check_look(settings)
    except DreamFlowError:
        return False
    return True


def _describe(changed: Mapping[str, Any]) -> tuple[str, str]:
    """Return a tile's name and the line below it."""
    name, value = next(iter(changed.items()))
    shown = format_setting_value(value)
    if name == "layer":
        return shown.replace(" ", " + "), ""
    others = [f"{n.replace('_', ' ')} {v}" for n, v in changed.items() if n != name]
    return f"{name.replace('_', ' ')} {shown}", ", ".join(others)


def _move_layer(
    look: Mapping[str, Any], layers: Sequence[str], chance: random.Random
) -> dict[str, Any]:
    place = _find_layer(look, layers)
    steps = chance.choice([n for n in range(-MAX_LAYER_STEPS, MAX_LAYER_STEPS + 1) if n])
    return {"layer": [layers[max(0, min(place + steps, len(layers) - 1))]]}


def _blend_layer(
    look: Mapping[str, Any], layers: Sequence[str], chance: random.Random
) -> dict[str, Any]:
    place = _find_layer(look, layers)
    other = layers[max(0, min(place + chance.choice((-6, -3, 3, 6)), len(layers) - 1))]
    weight = chance.choice((0.4, 0.7, 1.0))
    return {"layer": [f"{layers[place]}=1", f"{other}={weight:g}"]}


def _find_layer(look: Mapping[str, Any], layers: Sequence[str]) -> int:
    """Return the place of the first layer of a look; the middle where it is none by itself."""
    first = str(look["layer"][0]).partition("=")[0].partition(":")[0]
    return layers.index(first) if first in layers else len(layers) // 2


def _change_seed(
    look: Mapping[str, Any], layers: Sequence[str], chance: random.Random
) -> dict[str, Any]:
    return {"seed": chance.randrange(1, 1000)}


def _change_scale(
    look: Mapping[str, Any], layers: Sequence[str], chance: random.Random
) -> dict[str, Any]:
    octaves = look["octaves"] if isinstance(look["octaves"], int) else 4
    if chance.random() < 0.5:
        return {"octaves": max(1, min(octaves + chance.choice((-2, -1, 1, 2)), 8))}
    return {"octave_scale": round(chance.uniform(1.2, 1.8), 2)}


def _change_tilt(
    look: Mapping[str, Any], layers: Sequence[str], chance: random.Random
) -> dict[str, Any]:
    return {"octave_tilt": round(chance.uniform(-0.8, 0.8), 1)}


def _change_gradient(
    look: Mapping[str, Any], layers: Sequence[str], chance: random.Random
) -> dict[str, Any]:
    gradient = chance.choice([one for one in GRADIENTS if one != look["gradient"]])
    if gradient != "smooth":
        return {"gradient": gradient}
    return {"gradient": gradient, "smoothing": round(chance.uniform(1, 4), 1)}


def _change_colour(
    look: Mapping[str, Any], layers: Sequence[str], chance: random.Random
) -> dict[str, Any]:
    return {"colour": chance.choice([one for one in COLOURS if one != look["colour"]])}


def _change_strength(
    look: Mapping[str, Any], layers: Sequence[str], chance: random.Random
) -> dict[str, Any]:
    step = look["step"] if isinstance(look["step"], int | float) else 1.5
    iterations = look["iterations"] if isinstance(look["iterations"], int) else 10
    if chance.random() < 0.5:
        return {"step": round(min(8, step * chance.choice((0.5, 0.7, 1.4, 2))), 2)}
    return {"iterations": max(2, min(round(iterations * chance.choice((0.5, 1.5, 2))), 40))}


CHANGES: tuple[Change, ...] = (
    *(_move_layer, _move_layer, _blend_layer, _change_seed, _change_scale, _change_tilt),
    *(_change_gradient, _change_colour, _change_strength),
)
"""The kinds of neighbours; a neighbouring layer twice."""
