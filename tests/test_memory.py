"""Memory of a pass: freed memory is reused, and activations are released early."""

from __future__ import annotations

import subprocess
import sys
import weakref

import pytest
import torch
from torch import Tensor

from dreamflow.dream.tiles import saved_tensor_bytes
from dreamflow.networks.caffe.graph import GraphNetwork, Node
from dreamflow.networks.network import Network

FAULTS = """
import resource, sys, torch
from dreamflow.core.machine.memory import keep_freed_memory
kept = keep_freed_memory() if sys.argv[1] == "keep" else False
def used():
    for _ in range(8):  # as activations of a pass, larger than the C library keeps by itself
        torch.ones(12_000_000), torch.ones(10_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
before = used()
print(int(kept), used() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc is set up")
def test_kept_memory_causes_fewer_page_faults() -> None:
    faults: dict[str, int] = {}
    for how in ("keep", "not"):
        command = [sys.executable, "-c", FAULTS, how]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        kept, faults[how] = map(int, done.stdout.split())
        if how == "keep" and not kept:
            pytest.skip("this C library has no such setting")
    assert faults["keep"] < faults["not"] / 10, faults


def test_a_pool_does_not_save_its_input(noise_network: Network) -> None:
    side = 128
    saved_bytes = saved_tensor_bytes(noise_network, ("pool1/norm1",), side)
    conv1_bytes = 64 * (side // 2) ** 2 * 4
    assert max(saved_bytes) < conv1_bytes


def test_an_activation_is_released_after_its_last_use(
    noise_network: GraphNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: list[int] = []
    known: list[weakref.ref[Tensor]] = []
    compute = noise_network._compute_node

    def counted(node: Node, *more: object) -> Tensor:
        out = compute(node, *more)  # type: ignore[arg-type]
        alive.append(sum(one() is not None for one in known))
        known.append(weakref.ref(out))
        return out

    monkeypatch.setattr(noise_network, "_compute_node", counted)
    layers = ["pool1/norm1", "inception_4a/output"]
    with torch.no_grad():
        activations = noise_network.activations(torch.rand(1, 3, 64, 64), layers)
    assert set(activations) == set(layers)
    assert len(alive) > 20
    # At most the four branches and the input of a module, and the requested layer.
    assert max(alive) <= 6
