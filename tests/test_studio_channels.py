"""The channel sheet of the studio: channels of a layer dreamed one by one, and picked."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from conftest import make_film
from hypothesis import given
from hypothesis import strategies as st
from studio_pages import make_studio, only, opened, run

from dreamflow.core.targets import parse_target
from dreamflow.studio.looks.channels import list_channel_tiles, open_sheet, pick_channel
from dreamflow.studio.worker import LayerFacts

LAYERS = {name: LayerFacts(name, count) for name, count in (("conv2/3x3", 12), ("deep", 300))}


@given(st.lists(st.integers(0, 11), max_size=30))
def test_clicks_pick_and_let_go(clicks: list[int]) -> None:
    look = {"layer": ["gone", "conv2/3x3=0.5", "deep"], "step": 2.0}
    picked: set[int] = set()
    for channel in clicks:
        sheet = open_sheet(look, LAYERS)
        assert sheet is not None
        look = pick_channel(look, sheet, channel)
        picked ^= {channel}
    first, text, last = look["layer"]
    assert (first, last, look["step"]) == ("gone", "deep", 2.0)
    name, _, weight = text.partition("=")
    assert (set(parse_target(name).channels), weight) == (picked, "0.5")


def test_a_tile_is_the_look_on_one_channel() -> None:
    look = {"layer": ["deep:3:7"], "channels": "top:3", "seed": 4}
    sheet = open_sheet(look, LAYERS)
    assert sheet is not None
    assert (sheet.count, sheet.picked) == (300, {3, 7})
    tiles = list_channel_tiles(look, sheet, 20)
    assert [tile.settings for tile in tiles] == [
        {"layer": [f"deep:{n}"], "seed": 4} for n in range(20)
    ]
    assert len(list_channel_tiles(look, sheet, 1000)) == 300


@pytest.mark.parametrize("layer", [["0: deep, 2s: conv2/3x3"], ["class:tabby"], ["nosuch"]])
def test_what_is_no_single_layer_has_no_sheet(layer: list[str]) -> None:
    assert open_sheet({"layer": layer}, LAYERS) is None


def test_channels_are_picked_on_the_page(tmp_path: Path) -> None:
    pytest.importorskip("nicegui", reason="the studio's library, NiceGUI, is not installed")
    make_film(tmp_path / "film.mp4", frames=2)
    studio, worker = make_studio(tmp_path, tmp_path / "home")

    async def scenario() -> None:
        async with opened(studio) as user:
            studio.open("film.mp4")
            user.find(marker="tab-tune").click()
            await user.should_see("inception_4c/output")  # the layers are known
            user.find(marker="pick-channels").click()
            await user.should_see(marker="sheet-layer")
            shown, layer = len(studio.wall.tiles), "inception_4c/output"
            assert studio.wall.tiles[3].settings == {"layer": [f"{layer}:3"]}
            asked = len(worker.asked)
            for place in (3, 5):
                user.find(marker=f"tile-{place}").trigger("click")
            assert studio.project.look.settings == {"layer": [f"{layer}:3:5"]}
            pressed = [only(user, f"tile-{n}").props["aria-pressed"] for n in (3, 4, 5)]
            assert pressed == ["true", "false", "true"]
            wall = [one for one in worker.asked[asked:] if one.lane == "wall"]
            assert not wall, "picking dreams no tile anew"
            await user.should_see("2 of")
            await asyncio.sleep(0.1)  # the worker answers
            user.find(marker="more-channels").click()
            assert len(studio.wall.tiles) > shown
            wall = [one for one in worker.asked[asked:] if one.lane == "wall"]
            held = [tile.settings for tile in studio.wall.tiles[:shown]]
            assert not [one.settings for one in wall if one.settings in held]
            studio.undo()
            assert studio.project.look.settings == {"layer": [f"{layer}:3"]}

    run(scenario())
