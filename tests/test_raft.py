"""RAFT's weights are found, and loaded without running what is in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from flow_scenes import make_frame_pair
from temporal_scenes import GAINS
from torch import Tensor

from dreamflow.core.errors import WeightsError
from dreamflow.networks.traced.torchvision_import import import_torchvision
from dreamflow.temporal.flow.completion import complete_flow
from dreamflow.temporal.flow.raft import MODELS, Raft, find_raft
from dreamflow.temporal.flow.source import open_motion_source
from dreamflow.temporal.options import CarryOptions

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def small_weights() -> dict[str, Tensor]:
    """Random weights of raft-small's shapes."""
    import_torchvision()
    from torchvision.models import optical_flow

    torch.manual_seed(0)
    return dict(getattr(optical_flow, MODELS["raft-small"])(weights=None).state_dict())


@pytest.fixture
def weights_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's weights, empty."""
    monkeypatch.setenv("DREAMFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    folder = tmp_path / "weights"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_are_found_and_loaded(
    suffix: str, weights_folder: Path, small_weights: dict[str, Tensor]
) -> None:
    path = weights_folder / f"raft_small_C_T_V2{suffix}"
    save = torch.save if suffix == ".pth" else safetensors.torch.save_file
    save(small_weights, path)
    assert find_raft("raft-small") == path
    before, here = make_frame_pair()
    motion = open_motion_source(CarryOptions(flow="raft-small"), CPU, GAINS)(before, here)
    flow = Raft.load("raft-small", CPU)(before.picture, here.picture)
    expected = complete_flow(flow, before.picture, here.picture, GAINS)
    assert torch.equal(motion.backward, expected.backward)


def test_weights_that_are_not_there_are_named(weights_folder: Path) -> None:
    with pytest.raises(WeightsError, match=r"raft_large\.pth") as error:
        find_raft("raft")
    assert error.value.setting == "flow"
    assert error.value.value == "raft"


def test_weights_of_another_size_are_refused(
    weights_folder: Path, small_weights: dict[str, Tensor]
) -> None:
    torch.save(small_weights, weights_folder / "raft_large.pth")
    with pytest.raises(WeightsError, match=r"raft_large\.pth"):
        Raft.load("raft", CPU)


class Evil:
    """What a pickle could do."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return eval, ("1/0",)


@pytest.mark.parametrize("content", [b"", b"no weights at all", Evil(), [1, 2]])
def test_a_bad_pth_is_refused_and_runs_nothing(content: object, weights_folder: Path) -> None:
    path = weights_folder / "raft_small.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(WeightsError, match=r"raft_small\.pth"):
        Raft.load("raft-small", CPU)


def test_random_weights_find_some_flow(
    weights_folder: Path, small_weights: dict[str, Tensor]
) -> None:
    torch.save(small_weights, weights_folder / "raft_small.pth")
    before, here = make_frame_pair()
    flow = Raft.load("raft-small", CPU)(before.picture, here.picture)
    assert np.abs(flow.backward).max() > 0
