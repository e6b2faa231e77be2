"""Memory of a pass: freed memory is reused, and activations are released early."""

from __future__ import annotations

import os
import subprocess
import sys
import weakref
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from dreamflow.core.machine.joined_memory import TUNABLES_VARIABLE, is_restart_needed
from dreamflow.core.machine.kept_kernels import KERNEL_LIMIT_VARIABLE, limit_kept_kernels
from dreamflow.dream.pass_memory import saved_tensor_bytes
from dreamflow.networks.network import Network

FAULTS = """
import resource, sys, threading, torch
from dreamflow.core.machine.memory import keep_freed_memory
kept = keep_freed_memory() if sys.argv[1] == "keep" else False
def used():
    for _ in range(8):  # as activations of a pass, larger than the C library keeps by itself
        torch.ones(12_000_000), torch.ones(10_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
def fill():
    [torch.ones(1_000_000) for _ in range(12)]
beside = threading.Thread(target=fill)
beside.start(); beside.join()
peak = peak_mb()
fill()
grown = peak_mb() - peak
before = used()
print(int(kept), used() - before, grown)
"""
FILLED_MB = 48


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc is set up")
def test_kept_memory_causes_fewer_page_faults_and_is_shared_by_threads() -> None:
    faults: dict[str, int] = {}
    grown_mb: dict[str, int] = {}
    for how in ("keep", "not"):
        command = [sys.executable, "-c", FAULTS, how]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        kept, faults[how], grown_mb[how] = map(int, done.stdout.split())
        if how == "keep" and not kept:
            pytest.skip("this C library has no such setting")
    assert faults["keep"] < faults["not"] / 10, faults
    assert grown_mb["keep"] < FILLED_MB / 4, "what a thread has freed, another one takes"


def test_a_pool_does_not_save_its_input(noise_network: Network) -> None:
    side = 128
    saved_bytes = saved_tensor_bytes(noise_network, ("pool1/norm1",), side)
    conv1_bytes = 64 * (side // 2) ** 2 * 4
    assert max(saved_bytes) < conv1_bytes


class LivingOutputs(TorchFunctionMode):
    """Counts the bytes of the memory of PyTorch functions' outputs that is still referenced."""

    def __init__(self) -> None:
        super().__init__()
        self.peak_bytes = self.total_bytes = self._living_bytes = 0
        self._references: Counter[int] = Counter()

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        if isinstance(output, Tensor) and not output.is_mkldnn:
            storage = output.untyped_storage()
            address, size = storage.data_ptr(), storage.nbytes()
            if not self._references[address]:
                self.total_bytes += size
                self._living_bytes += size
                self.peak_bytes = max(self.peak_bytes, self._living_bytes)
            self._references[address] += 1
            weakref.finalize(output, self._release, address, size)
        return output

    def _release(self, address: int, size: int) -> None:
        self._references[address] -= 1
        if not self._references[address]:
            self._living_bytes -= size


def test_activations_are_released_after_their_last_use(noise_network: Network) -> None:
    layers = ["pool1/norm1", "inception_4a/output"]
    with torch.no_grad(), LivingOutputs() as outputs:
        activations = noise_network.activations(torch.rand(1, 3, 256, 256), layers)
    assert set(activations) == set(layers)
    assert outputs.peak_bytes < 0.5 * outputs.total_bytes, "0.6 if all were kept"


def test_a_limit_of_kept_kernels_that_the_user_has_set_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(KERNEL_LIMIT_VARIABLE, raising=False)
    limit_kept_kernels()
    assert int(os.environ[KERNEL_LIMIT_VARIABLE]) > 0
    monkeypatch.setenv(KERNEL_LIMIT_VARIABLE, "7")
    limit_kept_kernels()
    assert os.environ[KERNEL_LIMIT_VARIABLE] == "7"


@pytest.mark.parametrize(
    ("line", "arguments", "environment", "needed"),
    [
        ("python -m dreamflow video a.mp4", "dreamflow/__main__.py video a.mp4", {}, True),
        ("python -P /bin/dreamflow video a.mp4", "/bin/dreamflow video a.mp4", {}, True),
        ("python -m dreamflow video", "__main__.py video", {TUNABLES_VARIABLE: "a=1"}, False),
        ("python -m pytest tests", "dreamflow video a.mp4", {}, False),
        ("python -m pytest video", "dreamflow video", {}, False),
        ("python", "dreamflow", {}, False),
    ],
)
def test_only_the_program_itself_starts_again(
    line: str, arguments: str, environment: dict[str, str], needed: bool
) -> None:
    assert is_restart_needed(line.split(), arguments.split(), environment) == needed


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc is set up")
@pytest.mark.parametrize("given", [None, "glibc.malloc.perturb=0"])
def test_a_render_starts_again_once_where_glibc_is_not_set_up(
    tmp_path: Path, given: str | None
) -> None:
    report = f"import os; print('start', os.environ.get({TUNABLES_VARIABLE!r}))"
    (tmp_path / "sitecustomize.py").write_text(report)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    environment = {k: v for k, v in os.environ.items() if k != TUNABLES_VARIABLE}
    environment |= {"PYTHONPATH": path} | ({TUNABLES_VARIABLE: given} if given else {})
    line = [sys.executable, "-m", "dreamflow", "video", "--help"]
    done = subprocess.run(line, capture_output=True, text=True, check=True, env=environment)
    starts = [text for text in done.stdout.splitlines() if text.startswith("start ")]
    assert starts[0] == f"start {given}"
    assert len(starts) == (1 if given else 2)
    assert starts[-1] != "start None"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc is set up")
def test_a_python_that_does_not_know_its_path_starts_once() -> None:
    words = ["unknown", "-m", "dreamflow", "video", "--help"]
    environment = {k: v for k, v in os.environ.items() if k != TUNABLES_VARIABLE}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = subprocess.run(
        words, executable=sys.executable, capture_output=True, text=True, env=environment
    )
    assert "Usage" in done.stdout, done.stderr
