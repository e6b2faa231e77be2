"""Presets of one's own: saved from a dream, found by name, and never in the way of others."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import SAMPLE_STILL, CommandResult, refused
from hypothesis import given
from hypothesis import strategies as st

from dreamflow.core.errors import OutputError
from dreamflow.media.stills.read import read_picture
from dreamflow.pipelines.settings.presets import list_user_preset_files, load_preset
from dreamflow.pipelines.settings.save_preset import find_preset_path, format_preset, save_preset

Cli = Callable[..., CommandResult]
SMALL = ("--size", "48", "--octaves", "1", "--iterations", "1", "--threads", "1")


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DREAMFLOW_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_saved_look_dreams_the_same_picture(tmp_path: Path, cli: Cli) -> None:
    made, again = tmp_path / "made.png", tmp_path / "again.png"
    shaped = ("--preset", "plumes", "--step", "2.5", "--jitter", "0")
    assert cli("frame", SAMPLE_STILL, made, *SMALL, *shaped).code == 0
    preset = tmp_path / "mine.toml"
    run = cli("presets", "save", preset, "--like", made, "--description", 'a "night"')
    assert run.code == 0, run.err
    description, settings = load_preset(str(preset))
    assert description == 'a "night"'
    assert settings["step"] == 2.5
    assert "size" not in settings
    assert "seed" not in settings, "what is at its default"
    line = ("--preset", preset, "--size", "48", "--threads", "1")
    assert cli("frame", SAMPLE_STILL, again, *line).code == 0
    assert np.array_equal(read_picture(made), read_picture(again))


def test_a_word_is_a_name_from_then_on(own_home: Path) -> None:
    save_preset("calm-2", {"step": 0.5})
    assert load_preset("calm-2")[1] == {"step": 0.5}
    assert set(list_user_preset_files()) == {"calm-2"}
    with pytest.raises(OutputError) as error:
        save_preset("calm-2", {"step": 0.7})
    assert error.value.setting == "overwrite"
    save_preset("calm-2", {"step": 0.7}, overwrite=True)
    assert load_preset("calm-2")[1] == {"step": 0.7}


@pytest.mark.parametrize("name", ["fur", "all", "../up", "a b", "", ".x", "a/b", "x" * 80, "ä"])
def test_names_that_are_taken_or_lead_elsewhere_are_refused(own_home: Path, name: str) -> None:
    with refused("preset"):
        find_preset_path(name)
    assert not own_home.exists()


def test_a_damaged_preset_of_ones_own_stops_no_other(own_home: Path, tmp_path: Path) -> None:
    save_preset("good", {"step": 2.0})
    (own_home / "presets" / "bad.toml").write_text("step = [")
    (own_home / "presets" / "fur.toml").write_text("step = 9.0")
    assert set(list_user_preset_files()) == {"good", "bad"}
    assert load_preset("fur")[1].get("step") is None, "DreamFlow's own counts"


@given(
    st.dictionaries(
        st.sampled_from(["layer", "guided_by", "step", "octaves", "carry"]),
        st.one_of(
            st.text(st.characters(blacklist_categories=["Cs"])),
            st.lists(st.text(st.characters(blacklist_categories=["Cs"])), max_size=3),
            st.integers(-(2**53), 2**53),
            st.floats(allow_nan=False, allow_infinity=False),
            st.booleans(),
        ),
    ),
    st.text(st.characters(blacklist_categories=["Cs"])),
)
def test_what_is_written_is_read_again(settings: dict[str, object], description: str) -> None:
    read = tomllib.loads(format_preset(settings, description))
    assert read.pop("description", "") == description
    assert read == settings
