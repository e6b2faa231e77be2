"""Gains: their file, their units and their ranges."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamflow.core.errors import SettingsError
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.control.gains_file import load_gains, parse_gains

DECLARED = {declared.name: declared for declared in fields(Gains)}
# Two gains bound each other; the test of that pair has them.
FREE = sorted(set(DECLARED) - {"compressed_area", "uncompressed_area"})


@st.composite
def tables(draw: st.DrawFn) -> dict[str, float]:
    """Some gains with values within their ranges."""
    names = draw(st.sets(st.sampled_from(FREE), max_size=6))
    return {
        name: draw(st.floats(DECLARED[name].metadata["low"], DECLARED[name].metadata["high"]))
        for name in sorted(names)
    }


@given(tables())
def test_a_table_of_gains_is_parsed_over_the_defaults(table: dict[str, float]) -> None:
    assert parse_gains(table, "gains") == replace(Gains(), **table)


def test_all_gains_are_parsed_back_from_their_own_values() -> None:
    assert parse_gains(asdict(Gains()), "gains") == Gains()


@given(table=tables())
def test_a_file_of_gains_with_units_is_read_as_written(
    table: dict[str, float], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("gains") / "gains.toml"
    units = {name: DECLARED[name].metadata["unit"] for name in table}
    lines = [f'{name} = "{value!r} {units[name]}"' for name, value in table.items()]
    path.write_text("\n".join(lines))
    assert load_gains(path) == replace(Gains(), **table)


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_every_gain_says_its_unit_range_and_formula(name: str) -> None:
    metadata = DECLARED[name].metadata
    assert metadata["unit"]
    assert metadata["formula"]
    assert metadata["low"] <= DECLARED[name].default <= metadata["high"]


@pytest.mark.parametrize("name", FREE)
@pytest.mark.parametrize("side", ["low", "high"])
def test_a_value_out_of_its_range_is_refused(name: str, side: str) -> None:
    metadata = DECLARED[name].metadata
    value = metadata["low"] - 1 if side == "low" else metadata["high"] + 1
    with pytest.raises(SettingsError) as error:
        parse_gains({name: value}, "my.toml")
    assert error.value.setting == name
    assert error.value.value == value
    assert error.value.allowed == f"{metadata['low']:g} to {metadata['high']:g} {metadata['unit']}"
    assert error.value.where == "my.toml"
    with pytest.raises(SettingsError):
        Gains(**{name: value})


@pytest.mark.parametrize("value", [True, None, [1], {"s": 1}, float("nan"), float("inf")])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(SettingsError) as error:
        parse_gains({"age_time": value}, "my.toml")
    assert error.value.setting == "age_time"
    assert error.value.where == "my.toml"


@pytest.mark.parametrize("value", ["0.5 frames", "0.5", "0.5 ms", "soon", "", "s", "half s"])
def test_a_text_in_another_unit_is_refused(value: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse_gains({"age_time": value}, "my.toml")
    assert error.value.setting == "age_time"
    assert error.value.value == value
    assert error.value.allowed == "s"
    assert error.value.where == "my.toml"


@pytest.mark.parametrize(
    ("key", "nearest"),
    [("age_tim", "age_time"), ("P_EXPONENT", "p_exponent"), ("band_pul", "band_pull")],
)
def test_an_unknown_key_is_refused_with_the_nearest_one(key: str, nearest: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse_gains({key: 1.0}, "my.toml")
    assert error.value.setting == key
    assert error.value.where == "my.toml"
    assert nearest in str(error.value)


def test_gains_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(SettingsError) as error:
        parse_gains({"compressed_area": 0.9}, "my.toml")
    assert error.value.setting == "uncompressed_area"
    assert error.value.where == "my.toml"
    assert error.value.allowed == "above 0.9"


@pytest.mark.parametrize("content", [b"age_time = ", b"\xff\xfe", None])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "gains.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError) as error:
        load_gains(path)
    assert error.value.where == str(path)


def test_the_error_of_a_file_names_it(tmp_path: Path) -> None:
    path = tmp_path / "gains.toml"
    path.write_text("[age]\ntime = 1\n")
    with pytest.raises(SettingsError) as error:
        load_gains(path)
    assert error.value.setting == "age"
    assert error.value.where == str(path)
