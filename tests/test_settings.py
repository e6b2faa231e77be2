"""Defaults live once; presets and flags are checked; a flag beats a preset beats a default."""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
from conftest import SAMPLE_CLIP, CommandResult
from hypothesis import given
from hypothesis import strategies as st

from dreamflow.core.errors import SettingsError, suggest_similar
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.options.declaration import flag_of, resolve_field_types
from dreamflow.core.options.validation import describe_type
from dreamflow.dream.options import DreamOptions
from dreamflow.media.write import metadata
from dreamflow.networks.loading import network_layers
from dreamflow.pipelines.settings.groups import (
    SAVED_OPTION_GROUPS,
    groups_by_saved_setting,
    saved_settings_dict,
)
from dreamflow.pipelines.settings.presets import list_preset_files, load_preset, validate_settings
from dreamflow.temporal.options import CarryOptions

PRESETS = list(list_preset_files())


def layers_of(settings: dict) -> list[str]:
    """Return every layer of a preset, on a schedule or not."""
    options = DreamOptions(layer=settings.get("layer", DreamOptions.layer))
    return [str(target) for target in options.layers.targets]


def differences(settings: dict) -> dict:
    """Return those settings that are not at their default."""
    defaults = {f.name: f.default for group in SAVED_OPTION_GROUPS for f in fields(group)}  # type: ignore
    return {name: value for name, value in settings.items() if defaults[name] != value}


def test_every_setting_is_declared_in_full() -> None:
    kinds: dict[str, str] = {}
    for group in (*SAVED_OPTION_GROUPS, MachineOptions):
        group()
        for setting in fields(group):  # type: ignore[arg-type]
            assert setting.metadata["help"].endswith("."), setting.name
            needed, wanted = setting.metadata["needs"] or (setting.name, None)
            other = next(f for f in fields(group) if f.name == needed)  # type: ignore[arg-type]
            assert wanted in (None, True, *other.metadata["choices"]), setting.name
            kind = describe_type(resolve_field_types(group)[setting.name])
            assert kinds.setdefault(setting.name, kind) == kind, f"{setting.name} means one thing"


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_step_is_taken_only_in_range(value: float) -> None:
    if math.isfinite(value) and 0 < value <= 64:
        assert DreamOptions(step=value).step == value
    else:
        with pytest.raises(SettingsError, match="--step"):
            DreamOptions(step=value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"iterations": -1}, "--iterations -1 is out of range"),
        ({"iterations": 2.5}, "iterations = 2.5 is not a whole number"),
        ({"octaves": 0}, "--octaves"),
        ({"octave_scale": 1.0}, "above 1"),
        ({"octave_scale": "big"}, "is not a number"),
        ({"layer": 3}, "not a text or a list of texts"),
        ({"jitter": True}, "not a whole number"),
        ({"seed": 2**32}, "--seed"),
    ],
)
def test_library_users_meet_the_ranges_too(settings: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        DreamOptions(**settings)


def test_there_are_presets_for_every_category_of_the_guide() -> None:
    assert len(PRESETS) >= 8
    layers = network_layers("googlenet")
    categories = {
        layers[name].category for preset in PRESETS for name in layers_of(load_preset(preset)[1])
    }
    assert categories == {
        "contour and texture",
        "swirls and fur",
        "cellular structures",
        "deeper dreams",
    }


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_holds_differences_only(name: str) -> None:
    description, settings = load_preset(name)
    assert 0 < len(description) <= 72
    assert settings == differences(settings)
    given = {f.name: settings[f.name] for f in fields(DreamOptions) if f.name in settings}
    assert DreamOptions(**given).ineffective_settings(given) == []
    assert not settings.keys() & {"size", "start", "end", "fps", "crf", "seed", "decoder"}
    for layer in layers_of(settings):
        assert layer in network_layers(settings.get("network", DreamOptions.network))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("iteration = 3", "iteration is not a setting; did you mean iterations"),
        ("iterations = 'ten'", "--iterations 'ten' is not a whole number, nor a schedule"),
        ("step = 0.0", "--step 0.0 is out of range"),
        ("step = [1]", "step = .* is not a number"),
        ("weights = 'x'", "weights is not a setting"),
        ("description = 3", "description is not a text"),
        ("iterations = ", "not valid TOML"),
        ("[dream]\nstep = 1", "dream is not a setting"),
    ],
)
def test_a_wrong_preset_is_refused_by_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message) as raised:
        load_preset(str(path))
    assert "mine.toml" in str(raised.value)


def test_settings_that_hang_together_are_judged_together(
    tmp_path: Path, cli: Callable[..., CommandResult]
) -> None:
    """A preset is told of a value that can never be; how many octaves there are, a flag may say."""
    preset = tmp_path / "mine.toml"
    preset.write_text('octave_iterations = "2,1"\n')
    assert load_preset(str(preset))[1] == {"octave_iterations": "2,1"}
    line = ("frame", SAMPLE_CLIP, tmp_path / "a.png", "--size", "64", "--preset", preset)
    assert "there are 4: give --octaves 2" in cli(*line).err
    assert cli(*line, "--octaves", "2").code == 0
    preset.write_text('octave_iterations = "2,x"\n')
    with pytest.raises(SettingsError, match=r"mine\.toml: --octave-iterations '2,x'"):
        load_preset(str(preset))


def test_unknown_presets_name_the_nearest() -> None:
    with pytest.raises(SettingsError, match=f"did you mean {PRESETS[0]}"):
        load_preset(PRESETS[0] + "s")
    with pytest.raises(SettingsError, match=f"'nothing'; there are {', '.join(PRESETS)}"):
        load_preset("nothing")  # "etching" is not what was meant
    with pytest.raises(SettingsError, match="no such file"):
        load_preset("nowhere/mine.toml")


def test_settings_survive_json() -> None:
    groups = [group() for group in SAVED_OPTION_GROUPS]
    plain = json.loads(json.dumps(saved_settings_dict(*groups)))
    assert set(plain) == set(groups_by_saved_setting())
    again = validate_settings(plain, "json")
    assert differences(again) == {}
    assert CarryOptions(**{f.name: again[f.name] for f in fields(CarryOptions)}) == CarryOptions()


def test_nearest_names() -> None:
    assert (
        suggest_similar("4C/OUTPUT", ["inception_4c/output", "x"])
        == "; did you mean inception_4c/output?"
    )
    assert suggest_similar("zzz", ["inception_4c/output"]) == ""


def settings_of(out: Path) -> dict:
    return json.loads(out.with_name(out.name + ".json").read_text())["settings"]


def test_a_flag_beats_a_preset_beats_what_it_is_like(
    tmp_path: Path, cli: Callable[..., object]
) -> None:
    small = ("--size", "64", "--end", "2", "--layer", "conv1/7x7_s2", "--octaves", "1")
    old, new = tmp_path / "old.mp4", tmp_path / "new.mp4"
    preset = tmp_path / "mine.toml"
    preset.write_text("iterations = 2\nstep = 2.5\n")
    cli("video", SAMPLE_CLIP, old, *small, "--iterations", "1", "--seed", "7", "--step", "3")
    assert settings_of(old)["seed"] == 7
    cli("video", SAMPLE_CLIP, new, "--like", old, "--preset", preset, "--step", "4")
    found = settings_of(new)
    assert (found["seed"], found["iterations"], found["step"]) == (7, 2, 4.0)
    assert found["layer"] == ["conv1/7x7_s2"] and found["size"] == "64"
    assert flag_of("octave_scale") == "--octave-scale"


def test_rendering_like_an_output_gives_it_again(
    tmp_path: Path, cli: Callable[..., object]
) -> None:
    import numpy as np

    from dreamflow.media.read.clip import open_clip

    small = ("--size", "64", "--end", "3", "--layer", "conv2/3x3", "--crf", "0")
    first, again = tmp_path / "a.mp4", tmp_path / "b.mp4"
    cli("video", SAMPLE_CLIP, first, *small, "--octaves", "2", "--octave-iterations", "2,1")
    first.with_name("a.mp4.json").unlink()  # what is inside the file is enough
    cli("video", SAMPLE_CLIP, again, "--like", first)
    for a, b in zip(open_clip(first), open_clip(again), strict=True):
        assert np.array_equal(a.picture, b.picture)


def test_a_picture_that_claims_an_absurd_size_holds_no_settings(tmp_path: Path) -> None:
    head = b"IHDR" + struct.pack(">2I5B", 60000, 60000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    (tmp_path / "huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)
    with pytest.raises(SettingsError, match="no DreamFlow settings"):
        metadata.read_record(tmp_path / "huge.png")
    assert metadata.read_recorded_settings(tmp_path / "huge.png") == {}
