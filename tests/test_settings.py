"""Settings: defaults, validation, presets, and which of them overrides which."""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
from conftest import SAMPLE_CLIP, CommandResult, refused
from hypothesis import given
from hypothesis import strategies as st

from dreamflow.core.errors import SettingsError
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.options.declaration import flag_of, resolve_field_types
from dreamflow.core.options.validation import describe_type
from dreamflow.core.text.did_you_mean import suggest_similar
from dreamflow.dream.options import DreamOptions
from dreamflow.media.records import embedded_settings as metadata
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
    """Return all layers of a preset, on a schedule or not."""
    options = DreamOptions(layer=settings.get("layer", DreamOptions.layer))
    return [str(target) for target in options.layers.targets]


def differences(settings: dict) -> dict:
    """Return the settings that differ from their defaults."""
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
def test_a_step_must_be_in_range(value: float) -> None:
    if math.isfinite(value) and 0 < value <= 64:
        assert DreamOptions(step=value).step == value
        return
    with pytest.raises(SettingsError) as raised:
        DreamOptions(step=value)
    assert raised.value.setting == "step"
    assert raised.value.allowed == "above 0 and at most 64"


@pytest.mark.parametrize(
    ("settings", "allowed"),
    [
        ({"iterations": -1}, "at least 0 and at most 1000"),
        ({"iterations": 2.5}, "a whole number"),
        ({"octaves": 0}, "at least 1 and at most 16"),
        ({"octave_scale": 1.0}, "above 1 and at most 4"),
        ({"octave_scale": "big"}, "a number"),
        ({"layer": 3}, "a text or a list of texts"),
        ({"jitter": True}, "a whole number"),
        ({"seed": 2**32}, "at least 0 and at most 4.29497e+09"),
    ],
)
def test_wrong_types_and_ranges_are_refused(settings: dict, allowed: str) -> None:
    with pytest.raises(SettingsError) as raised:
        DreamOptions(**settings)
    ((name, value),) = settings.items()
    assert (raised.value.setting, raised.value.value) == (name, value)
    assert raised.value.allowed == allowed


def test_an_error_names_the_setting_without_a_flag_until_it_is_worded() -> None:
    with pytest.raises(SettingsError) as raised:
        DreamOptions(octave_scale=1.0)
    message = "octave_scale 1.0 is out of range: it must be above 1 and at most 4"
    assert str(raised.value) == message
    assert raised.value.worded(flag_of) == message.replace("octave_scale", "--octave-scale")


def test_presets_cover_every_category_of_the_guide() -> None:
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
        ("iterations = 'ten'", "iterations 'ten' is not a whole number, nor a schedule"),
        ("step = 0.0", "step 0.0 is out of range"),
        ("step = [1]", "step = .* is not a number"),
        ("weights = 'x'", "weights is not a setting"),
        ("description = 3", "description is not a text"),
        ("iterations = ", "not valid TOML"),
        ("[dream]\nstep = 1", "dream is not a setting"),
    ],
)
def test_an_error_in_a_preset_names_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message) as raised:
        load_preset(str(path))
    assert "mine.toml" in str(raised.value)


def test_settings_of_a_preset_are_checked_together_with_flags(
    tmp_path: Path, cli: Callable[..., CommandResult]
) -> None:
    """A value that is always wrong is an error of the preset; the octaves may come from a flag."""
    preset = tmp_path / "mine.toml"
    preset.write_text('octave_iterations = "2,1"\n')
    assert load_preset(str(preset))[1] == {"octave_iterations": "2,1"}
    line = ("frame", SAMPLE_CLIP, tmp_path / "a.png", "--size", "64", "--preset", preset)
    assert "there are 4: give --octaves 2" in cli(*line).err
    assert cli(*line, "--octaves", "2").code == 0
    preset.write_text('octave_iterations = "2,x"\n')
    with pytest.raises(SettingsError, match=r"mine\.toml: octave_iterations '2,x'"):
        load_preset(str(preset))


def test_an_unknown_preset_suggests_the_nearest() -> None:
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


def test_similar_names_are_suggested() -> None:
    assert (
        suggest_similar("4C/OUTPUT", ["inception_4c/output", "x"])
        == "; did you mean inception_4c/output?"
    )
    assert suggest_similar("zzz", ["inception_4c/output"]) == ""


def settings_of(out: Path) -> dict:
    return json.loads(out.with_name(out.name + ".json").read_text())["settings"]


def test_flags_override_presets_which_override_like(
    tmp_path: Path, cli: Callable[..., object]
) -> None:
    small = ("--size", "64", "--end", "2", "--layer", "conv1/7x7_s2", "--octaves", "1")
    old, new = tmp_path / "old.mp4", tmp_path / "new.mp4"
    preset = tmp_path / "mine.toml"
    preset.write_text("iterations = 2\nstep = 2.5\n")
    cli("video", SAMPLE_CLIP, old, *small, "--iterations", "1", "--seed", "7", "--step", "3")
    assert settings_of(old)["seed"] == 7
    cli("video", SAMPLE_CLIP, new, "--like-all", old, "--preset", preset, "--step", "4")
    recorded = settings_of(new)
    assert (recorded["seed"], recorded["iterations"], recorded["step"]) == (7, 2, 4.0)
    assert (recorded["layer"], recorded["size"]) == (["conv1/7x7_s2"], "64")


def test_rendering_like_an_output_repeats_it(tmp_path: Path, cli: Callable[..., object]) -> None:
    import numpy as np

    from dreamflow.media.read.open_clip import open_clip

    small = ("--size", "64", "--end", "3", "--layer", "conv2/3x3", "--crf", "0")
    first, again = tmp_path / "a.mp4", tmp_path / "b.mp4"
    cli("video", SAMPLE_CLIP, first, *small, "--octaves", "2", "--octave-iterations", "2,1")
    first.with_name("a.mp4.json").unlink()  # what is inside the file is enough
    cli("video", SAMPLE_CLIP, again, "--like-all", first)
    for a, b in zip(open_clip(first), open_clip(again), strict=True):
        assert np.array_equal(a.picture, b.picture)


def test_a_picture_with_an_absurd_size_has_no_settings(tmp_path: Path) -> None:
    head = b"IHDR" + struct.pack(">2I5B", 60000, 60000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    (tmp_path / "huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)
    with pytest.raises(SettingsError, match="no DreamFlow settings"):
        metadata.read_record(tmp_path / "huge.png")
    assert metadata.read_recorded_settings(tmp_path / "huge.png") == {}


# --- settings in TOML, as people write them


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "octaves = 5\noctave_iterations = [30, 20, 10, 3, 0]",
            {"octave_iterations": "30,20,10,3,0"},
        ),
        ('octave-iterations = "4, 3, 2, 1"', {"octave_iterations": "4, 3, 2, 1"}),
        ('color = "luminance"', {"colour": "luminance"}),
        ("center_x = 40\ncenter-y = 60.5", {"centre_x": 40.0, "centre_y": 60.5}),
        ('size = 640\nstart = 48\nend = "3s"', {"size": "640", "start": "48", "end": "3s"}),
        ("step = 2\ncrf = 18\nseed = 7", {"step": 2.0, "crf": 18, "seed": 7}),
        ('octaves = "5"\nseed = "3"\nstep = "2.5"', {"octaves": 5, "seed": 3, "step": 2.5}),
        ('carry = false\nloop = true\ncaption = "on"', {"carry": False, "caption": True}),
        ('layers = ["conv2/3x3", "conv2/norm2"]', {"layers": "conv2/3x3,conv2/norm2"}),
        ('layer = "conv2/3x3"\ncategory = "fur"', {"layer": ("conv2/3x3",), "category": ("fur",)}),
    ],
)
def test_settings_are_read_as_people_write_them(tmp_path: Path, text: str, expected: dict) -> None:
    (tmp_path / "mine.toml").write_text(text)
    settings = load_preset(str(tmp_path / "mine.toml"))[1]
    assert {name: settings[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("text", "setting", "form"),
    [
        ('octaves = "five"', "octaves", "4"),
        ("start = 2.5", "start", '"2s"'),
        ("size = [640, 360]", "size", '"640x360"'),
        ('seed = "x"', "seed", "0"),
        ('carry = "maybe"', "carry", "false"),
        ("loop = 1", "loop", "true"),
        ("colour = 3.5", "colour", '"free"'),
        ("octave_iterations = [1.5, 2]", "octave_iterations", "[20, 10, 5, 2]"),
        ("layers = [1.5]", "layers", '["A", "B"]'),
        ("layer = 3", "layer", '["A", "B"]'),
        ("step = [1, 2]", "step", '"0: 1.5, 4s: 1.5"'),
    ],
)
def test_an_error_shows_the_right_form(tmp_path: Path, text: str, setting: str, form: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(SettingsError) as error:
        load_preset(str(tmp_path / "mine.toml"))
    assert error.value.setting == setting
    assert form in str(error.value)


@pytest.mark.parametrize("line", ["carry = off", "step = 1,5", "layer = conv2/3x3", "size = 64x36"])
def test_a_line_that_is_not_toml_is_shown(tmp_path: Path, line: str) -> None:
    (tmp_path / "mine.toml").write_text(f'description = "x"\n{line}\n')
    with pytest.raises(SettingsError) as error:
        load_preset(str(tmp_path / "mine.toml"))
    assert line in str(error.value)


def test_a_setting_in_both_spellings_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('color = "free"\ncolour = "free"\n')
    with refused("colour"):
        load_preset(str(tmp_path / "mine.toml"))


def test_numbers_on_the_command_line_are_texts(
    tmp_path: Path, cli: Callable[..., CommandResult]
) -> None:
    line = ("--octaves", "2", "--iterations", "1", "--step", "2", "--size", "48", "--end", "2")
    run = cli("video", SAMPLE_CLIP, tmp_path / "n.mp4", *line, "--threads", "1")
    assert run.code == 0, run.err
    recorded = settings_of(tmp_path / "n.mp4")
    assert (recorded["octaves"], recorded["step"]) == (2, 2.0)
