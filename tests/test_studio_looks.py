"""Neighbours of a look, and looks that are kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamflow.core.errors import DreamFlowError
from dreamflow.networks.loading import network_layers
from dreamflow.studio.looks.controls import check_look, find_changes
from dreamflow.studio.looks.favourites import FAVOURITES_FILE, Favourites
from dreamflow.studio.looks.variations import VARIATION_COUNT, make_variations

LAYERS = list(network_layers("pocket"))
LOOKS = st.fixed_dictionaries(
    {},
    optional={
        "layer": st.sampled_from(
            [
                *([name] for name in LAYERS),
                ["inception_3a/output:3"],
                ["0: conv2/3x3, 1s: inception_3a/1x1"],
            ]
        ),
        "octaves": st.sampled_from([1, 2, 8, "0: 1, 1s: 3"]),
        "iterations": st.sampled_from([0, 1, 40, 1000]),
        "step": st.sampled_from([0.1, 8.0, 64.0, "1 + t"]),
        "gradient": st.sampled_from(["plain", "smooth", "laplacian"]),
        "octave_iterations": st.just("20,10,5,2"),
        "seed": st.integers(0, 9),
    },
)


def is_look(look: dict[str, Any]) -> bool:
    try:
        check_look(look)
    except DreamFlowError:
        return False
    return True


@settings(max_examples=60)
@given(LOOKS.filter(is_look), st.integers(0, 5))
def test_neighbours_are_eight_valid_looks_unlike_each_other(
    look: dict[str, Any], round_: int
) -> None:
    tiles = make_variations(look, LAYERS, round_)
    assert len(tiles) == VARIATION_COUNT
    own = find_changes(look)
    found = [dict(tile.settings) for tile in tiles]
    for place, neighbour in enumerate(found):
        check_look(neighbour)
        assert neighbour != own
        assert neighbour not in found[:place]
        changed = {n for n in {*own, *neighbour} if own.get(n) != neighbour.get(n)}
        assert len(changed) <= 2, "one thing is changed, and perhaps what it needs"
    assert [tile.settings for tile in make_variations(look, LAYERS, round_)] == found
    others = [tile.settings for tile in make_variations(look, LAYERS, round_ + 1)]
    assert others != found


def test_looks_are_kept_and_let_go(tmp_path: Path) -> None:
    kept = Favourites(tmp_path)
    kept.toggle("one", {"step": 2.0})
    kept.toggle("two", {"layer": ["conv2/3x3"]})
    assert [one.name for one in Favourites(tmp_path).looks] == ["two", "one"]
    assert kept.holds({"step": 2.0})
    kept.toggle("another name", {"step": 2.0})
    assert [one.name for one in Favourites(tmp_path).looks] == ["two"]


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", '{"looks": [{}]}', "\0"),
        json.dumps({"looks": [{"name": "a", "settings": {"step": 1000}}]}),
        json.dumps({"looks": [{"name": 3, "settings": {}}]}),
    ],
)
def test_a_damaged_list_is_put_aside(tmp_path: Path, content: str) -> None:
    (tmp_path / FAVOURITES_FILE).write_text(content)
    kept = Favourites(tmp_path)
    assert kept.looks == []
    assert len(kept.notes) == 1
    kept.toggle("one", {"step": 2.0})
    assert len(Favourites(tmp_path).looks) == 1
    assert len(list(tmp_path.iterdir())) == 2
