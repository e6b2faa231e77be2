"""What a network computes in is what was asked for, or what is best; the picture stays float32."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import SAMPLE_STILL, CommandResult

from dreamflow.core.errors import DreamFlowWarning, SettingsError
from dreamflow.networks import precision
from dreamflow.networks.kernels.response_norm import local_response_norm
from dreamflow.networks.loading import load_network
from dreamflow.networks.precision import DTYPES, choose_dtype, choose_fastest_dtype

CPU = torch.device("cpu")


@pytest.mark.parametrize("has", [True, False])
def test_auto_is_bfloat16_where_the_processor_has_it(
    has: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "onednn_dtypes", lambda: {torch.float32, torch.bfloat16})
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    assert choose_dtype("auto", CPU) == (torch.bfloat16 if has else torch.float32)
    assert choose_dtype("auto", torch.device("cuda")) == torch.float32
    assert choose_dtype("auto", CPU, bfloat16_validated=False) == torch.float32
    assert choose_dtype("float32", CPU) == torch.float32
    monkeypatch.setattr(precision, "onednn_dtypes", lambda: {torch.float32})
    assert choose_dtype("auto", CPU) == torch.float32, "this PyTorch is built without it"


def test_an_older_pytorch_does_not_say_and_computes_in_float32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in precision.BFLOAT16_INSTRUCTIONS:
        monkeypatch.delattr(torch.cpu, f"_is_{name}_supported", raising=False)
    assert choose_fastest_dtype(CPU) == torch.float32


def test_what_is_slower_here_is_done_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {torch.float32: 1.0, torch.bfloat16: 0.5, torch.float16: 2.0}
    monkeypatch.setattr(precision, "time_convolution", seconds.__getitem__)
    assert choose_dtype("bfloat16", CPU) == torch.bfloat16
    with pytest.warns(DreamFlowWarning, match="float16 is slower than float32"):
        assert choose_dtype("float16", CPU) == torch.float16


@pytest.mark.parametrize("dtype", DTYPES.values())
def test_a_trial_takes_time(dtype: torch.dtype) -> None:
    assert precision.time_convolution(dtype) > 0


def test_another_word_is_refused(cli: Callable[..., CommandResult], tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"'half': choose auto, float32, bfloat16, float16"):
        load_network(device="cpu", precision="half")
    run = cli("frame", SAMPLE_STILL, tmp_path / "a.png", "--precision", "half")
    assert run.code != 0 and "half" in run.err


def test_an_output_says_what_it_was_dreamed_in(
    cli: Callable[..., CommandResult], tmp_path: Path
) -> None:
    said = {}
    for name in ("float32", "bfloat16"):
        out = tmp_path / f"{name}.png"
        fast = ("--size", "48", "--octaves", "1", "--iterations", "2", "--precision", name)
        assert cli("frame", SAMPLE_STILL, out, *fast).code == 0
        said[name] = json.loads(out.with_name(out.name + ".json").read_text())["precision"]
    assert said == {name: name for name in said}
    assert (tmp_path / "float32.png").read_bytes() != (tmp_path / "bfloat16.png").read_bytes()


def test_the_response_norm_sums_in_float32() -> None:
    x = (torch.rand(1, 16, 4, 4) * 300).bfloat16()
    exact = local_response_norm(x.float())
    found = local_response_norm(x)
    assert found.dtype == torch.bfloat16
    # What is left is one rounding of the result, to 8 bits.
    torch.testing.assert_close(found.float(), exact, rtol=2**-8, atol=0)
