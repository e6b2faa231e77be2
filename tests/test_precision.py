"""The dtype that a network computes in: the one asked for, or the best one for the processor."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from conftest import SAMPLE_STILL, CommandResult

from dreamflow.core.errors import DreamFlowWarning, SettingsError
from dreamflow.networks.kernels.response_norm import local_response_norm
from dreamflow.networks.kernels.selection import BFLOAT16_INSTRUCTIONS, has_bfloat16_instructions
from dreamflow.networks.loading import load_network
from dreamflow.networks.precision import (
    DTYPES,
    choose_dtype,
    choose_fastest_dtype,
    time_convolution,
)

CPU = torch.device("cpu")


@pytest.mark.parametrize("fast", [True, False])
def test_auto_is_bfloat16_where_the_processor_has_it(fast: bool) -> None:
    def choose(precision: str, device: torch.device, validated: bool = True) -> torch.dtype:
        return choose_dtype(precision, device, validated, fast_bfloat16=lambda: fast)

    assert choose("auto", CPU) == (torch.bfloat16 if fast else torch.float32)
    assert choose("auto", torch.device("cuda")) == torch.float32
    assert choose("auto", CPU, validated=False) == torch.float32
    assert choose("float32", CPU) == torch.float32


@pytest.mark.parametrize("name", BFLOAT16_INSTRUCTIONS)
def test_either_kind_of_bfloat16_instructions_is_enough(name: str) -> None:
    processor = {f"_is_{other}_supported": lambda: False for other in BFLOAT16_INSTRUCTIONS}
    assert not has_bfloat16_instructions(SimpleNamespace(**processor))
    processor[f"_is_{name}_supported"] = lambda: True
    assert has_bfloat16_instructions(SimpleNamespace(**processor))


def test_a_pytorch_that_does_not_report_instructions_computes_in_float32() -> None:
    assert not has_bfloat16_instructions(SimpleNamespace())
    assert choose_fastest_dtype(CPU, lambda: False) == torch.float32


def test_a_slower_precision_is_used_with_a_warning() -> None:
    seconds = {torch.float32: 1.0, torch.bfloat16: 0.5, torch.float16: 2.0}
    timer = seconds.__getitem__
    assert choose_dtype("bfloat16", CPU, seconds_per_convolution=timer) == torch.bfloat16
    with pytest.warns(DreamFlowWarning, match="float16 is slower than float32"):
        assert choose_dtype("float16", CPU, seconds_per_convolution=timer) == torch.float16


@pytest.mark.parametrize("dtype", DTYPES.values())
def test_a_convolution_is_timed_in_every_dtype(dtype: torch.dtype) -> None:
    assert time_convolution(dtype) > 0


def test_an_unknown_precision_is_refused(cli: Callable[..., CommandResult], tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as raised:
        load_network(device="cpu", precision="half")
    assert (raised.value.setting, raised.value.value) == ("precision", "half")
    assert raised.value.allowed == "auto, float32, bfloat16, float16"
    run = cli("frame", SAMPLE_STILL, tmp_path / "a.png", "--precision", "half")
    assert run.code != 0
    assert "half" in run.err


def test_a_record_names_the_precision(cli: Callable[..., CommandResult], tmp_path: Path) -> None:
    recorded: dict[str, str] = {}
    for name in ("float32", "bfloat16"):
        out = tmp_path / f"{name}.png"
        fast = ("--size", "48", "--octaves", "1", "--iterations", "2", "--precision", name)
        assert cli("frame", SAMPLE_STILL, out, *fast).code == 0
        recorded[name] = json.loads(out.with_name(out.name + ".json").read_text())["precision"]
    assert recorded == {name: name for name in recorded}
    assert (tmp_path / "float32.png").read_bytes() != (tmp_path / "bfloat16.png").read_bytes()


def test_the_response_norm_sums_in_float32() -> None:
    x = (torch.rand(1, 16, 4, 4) * 300).bfloat16()
    exact, _ = local_response_norm(x.float())
    rounded, _ = local_response_norm(x)
    assert rounded.dtype == torch.bfloat16
    # What differs is one rounding of the result, to 8 bits.
    torch.testing.assert_close(rounded.float(), exact, rtol=2**-8, atol=0)
