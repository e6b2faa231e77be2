"""A contact sheet of presets: what is on it, what flags override, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import CommandResult, make_film, make_texture

from dreamflow.media.records.embedded_settings import read_record
from dreamflow.media.stills.read import read_picture
from dreamflow.media.stills.write import write_picture
from dreamflow.networks.network import Network
from dreamflow.pipelines.image import dream_image
from dreamflow.pipelines.settings.looks import Look, build_preset_looks, list_look_presets
from dreamflow.pipelines.settings.presets import list_preset_files, load_preset
from dreamflow.reports.contact_sheet import draw_contact_sheet

Cli = Callable[..., CommandResult]
SMALL = ("--size", "48", "--octaves", "1", "--iterations", "1", "--threads", "1")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    write_picture(tmp_path / "p.png", make_texture(32, 48))
    return tmp_path / "p.png"


def test_each_preset_is_a_tile_dreamed_as_by_itself(
    tmp_path: Path, cli: Cli, picture: Path
) -> None:
    tiles = [tmp_path / f"{name}.png" for name in ("fur", "plumes")]
    for tile in tiles:
        run = cli("frame", picture, tile, "--preset", tile.stem, *SMALL)
        # Of a blend the weights are written, so that it is one dream.
        assert run.code == 0, run.err
    line = ("frame", picture, tmp_path / "sheet.png", *SMALL)
    run = cli(*line, "--preset", "fur", "--preset", "plumes")
    assert run.code == 0, run.err
    expected = draw_contact_sheet([read_picture(tile) for tile in tiles], ["fur", "plumes"])
    assert np.array_equal(read_picture(tmp_path / "sheet.png"), expected)
    assert read_record(tmp_path / "sheet.png")["presets"] == ["fur", "plumes"]


def test_all_is_every_preset_that_is_a_look(tmp_path: Path, cli: Cli, picture: Path) -> None:
    fast = ("--size", "32", "--octaves", "1", "--iterations", "0", "--threads", "1")
    run = cli("frame", picture, tmp_path / "all.png", "--preset", "all", "--preset", "fur", *fast)
    assert run.code == 0, run.err
    shown = read_record(tmp_path / "all.png")["presets"]
    assert shown == list_look_presets()
    # Those of zooms say how fast the camera is, which a frame cannot show.
    made_for_zooms = {n for n in list_preset_files() if "rotation" in load_preset(n)[1]}
    assert set(shown) == set(list_preset_files()) - made_for_zooms


def test_flags_override_every_preset() -> None:
    base = Look().over("", {"iterations": 3, "layer": ("conv2/3x3",)})
    frenzy, mosaic = build_preset_looks(["frenzy", "mosaic"], base, {"iterations"})
    assert (frenzy.dream.iterations, mosaic.dream.iterations) == (3, 3)
    assert frenzy.dream.layer == ("inception_4b/pool",)
    assert frenzy.dream.octaves == load_preset("frenzy")[1]["octaves"]
    assert base.dream.layer == ("conv2/3x3",)


def test_several_layers_of_a_preset_are_one_dream(
    tmp_path: Path, picture: Path, noise_network: Network
) -> None:
    (tmp_path / "two.toml").write_text('layer = ["conv2/3x3", "inception_3a/1x1"]\niterations = 1')
    (look,) = build_preset_looks([str(tmp_path / "two.toml")], Look())
    dreamed = dream_image(picture, noise_network, options=look.dream)
    assert dreamed.shape == (32, 48, 3)
    assert all("=" in layer for layer in look.dream.layer)


def test_a_frame_of_a_clip_is_shown_with_what_leads_up_to_it(tmp_path: Path, cli: Cli) -> None:
    film = make_film(tmp_path / "f.mp4", frames=4)
    line = ("frame", film, tmp_path / "s.png", "--at", "2", "--run-in", "1", *SMALL)
    run = cli(*line, "--preset", "fur", "--preset", "awakening")
    assert run.code == 0, run.err
    assert read_record(tmp_path / "s.png")["at"] == "2"


@pytest.mark.parametrize(
    ("names", "setting"),
    [
        (("fur", "nosuch"), "preset"),
        (("fur", "scales", "--trace", "t.jsonl"), "trace"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_work(
    tmp_path: Path, cli: Cli, picture: Path, names: tuple[str, ...], setting: str
) -> None:
    first, second, *others = names
    out = tmp_path / "s.png"
    run = cli("frame", picture, out, "--preset", first, "--preset", second, *others, *SMALL)
    assert run.code == 1
    assert len(run.err.splitlines()) == 1
    assert f"--{setting}" in run.err or second in run.err
    assert not out.exists()


def test_a_preset_given_twice_is_one_look(tmp_path: Path, cli: Cli, picture: Path) -> None:
    for name, presets in (("one.png", ("fur",)), ("two.png", ("fur", "fur"))):
        flags = [word for preset in presets for word in ("--preset", preset)]
        assert cli("frame", picture, tmp_path / name, *flags, *SMALL).code == 0
    one, two = (read_picture(tmp_path / name) for name in ("one.png", "two.png"))
    assert np.array_equal(one, two)


def test_other_commands_still_take_one_preset(tmp_path: Path, cli: Cli) -> None:
    film = make_film(tmp_path / "f.mp4", frames=2)
    run = cli("video", film, tmp_path / "d.mp4", "--preset", "fur", "--preset", "scales")
    assert run.code == 1
    assert "--preset" in run.err
