"""What an error suggests: the network that can do it, a preset, the nearest name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
from conftest import SAMPLE_CLIP, SAMPLE_STILL, CommandResult

from dreamflow.cli.registry import load_commands
from dreamflow.core.errors import SettingsError
from dreamflow.core.schedules.arithmetic import Expression
from dreamflow.dream.options import DreamOptions
from dreamflow.pipelines.settings.groups import SAVED_OPTION_GROUPS
from dreamflow.pipelines.settings.presets import find_preset_file, list_preset_files, load_preset

Cli = Callable[..., CommandResult]


def test_a_list_of_classes_says_which_network_dreams_them(cli: Cli) -> None:
    run = cli("classes", "castle")
    assert run.code == 0
    assert run.out.split() == ["483", "castle"]
    assert "pocket" in run.err
    assert '--network googlenet --layer "class:castle"' in run.err
    run = cli("classes", "castle", "--network", "pocket")
    assert run.code == 1
    assert "googlenet" in run.err


def test_a_category_that_is_none_leads_to_the_looks_of_that_kind(cli: Cli) -> None:
    run = cli("layers", "--category", "eye")
    assert run.code == 1
    assert "whirl" in run.err


@pytest.mark.parametrize(
    ("word", "preset"),
    [
        *[("dogs", "animals"), ("eyes", "fur"), ("only eyes", "whirl"), ("scales", "scales")],
        *[("towers", "temples"), ("architecture", "temples")],
    ],
)
def test_an_unknown_layer_points_to_presets_and_channels(
    tmp_path: Path, cli: Cli, word: str, preset: str
) -> None:
    run = cli("video", SAMPLE_CLIP, tmp_path / "x.mp4", "--layer", word)
    assert run.code == 1
    (line,) = run.err.strip().splitlines()
    assert "dreamflow presets list" in line
    assert "dreamflow channels" in line
    assert preset in line.split("--preset")[-1]
    # What is nearly a layer's name gets that name.
    run = cli("video", SAMPLE_CLIP, tmp_path / "x.mp4", "--layer", "inception_4c/outptu")
    assert "did you mean inception_4c/output" in run.err
    assert "--preset" not in run.err


@pytest.mark.parametrize(
    ("mistyped", "nearest"),
    [
        ("fir", "fur"),
        ("furr", "fur"),
        ("celss", "cells"),
        ("anmals", "animals"),
        ("Mozaic", "mosaic"),
    ],
)
def test_a_mistyped_preset_gets_the_nearest_name(mistyped: str, nearest: str) -> None:
    with pytest.raises(SettingsError) as error:
        find_preset_file(mistyped)
    assert error.value.setting == "preset"
    assert f"did you mean {nearest}" in str(error.value)


def test_a_word_finds_the_presets_that_describe_it() -> None:
    with pytest.raises(SettingsError) as error:
        find_preset_file("eyes")
    hint = str(error.value).split("did you mean")[1]
    described = {n for n in list_preset_files() if "eyes" in load_preset(n)[0].lower()}
    assert described > {"fur", "whirl"}
    assert {name for name in list_preset_files() if name in hint} == described


@pytest.mark.parametrize(
    ("mistyped", "nearest"),
    [("sine", "sin"), ("cosine", "cos"), ("maximum", "max"), ("absolute", "abs"), ("Sin", "sin")],
)
def test_a_mistyped_function_gets_the_nearest_name(mistyped: str, nearest: str) -> None:
    with pytest.raises(SettingsError) as error:
        Expression(f"1 + {mistyped}(t)")
    assert f"did you mean {nearest}?" in str(error.value)
    with pytest.raises(SettingsError) as error:
        DreamOptions(step=f"1 + {mistyped}(t)")
    assert error.value.setting == "step"


@pytest.mark.parametrize("words", [("completion", "ksh"), ("--report", "xml", "jobs", "list")])
def test_a_wrong_choice_is_told_without_the_words_of_a_library(
    words: tuple[str, ...], cli: Cli
) -> None:
    run = cli(*words)
    assert run.code == 2
    assert "Value error" not in run.err


def test_strength_means_one_thing() -> None:
    """Only the setting of that name, and what says what it is, speaks of strength."""
    for group in SAVED_OPTION_GROUPS:
        for setting in fields(group):  # type: ignore[arg-type]
            is_it = setting.name == "strength"
            assert is_it or "strength" not in setting.metadata["help"], setting.name
    for command in load_commands():
        words = (getattr(command.run, "__doc__", "") or "").replace("--strength", "")
        assert "strength" not in words, command.name


def test_a_picture_that_is_no_dream_points_to_guiding(tmp_path: Path, cli: Cli) -> None:
    run = cli("video", SAMPLE_CLIP, tmp_path / "x.mp4", "--like", SAMPLE_STILL)
    assert run.code == 1
    (line,) = run.err.strip().splitlines()
    assert f"--guided-by {SAMPLE_STILL}" in line
    run = cli("video", SAMPLE_CLIP, tmp_path / "x.mp4", "--like", tmp_path / "nowhere.mp4")
    assert "--guided-by" not in run.err
