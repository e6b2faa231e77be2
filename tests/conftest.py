"""What the tests share: where the real material is, small made films, a network of noise."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import av
import hypothesis
import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor

from dreamflow.core.errors import SettingsError
from dreamflow.media.write.ffmpeg import ffmpeg_path
from dreamflow.networks.caffe import googlenet
from dreamflow.networks.caffe.node import INPUT_NODE
from dreamflow.networks.loading import load_network
from dreamflow.networks.network import Network

if TYPE_CHECKING:
    from job_rendering import Rendering

REPO_ROOT = Path(__file__).parent.parent
SHARED_DIR = Path(os.environ.get("DREAMFLOW_SHARED", REPO_ROOT.parent / "shared"))
WEIGHTS_NAME = "bvlc_googlenet.safetensors"
WEIGHTS_FILE = SHARED_DIR / "weights" / WEIGHTS_NAME
SAMPLE_CLIP = REPO_ROOT / "samples" / "valley.mp4"
SAMPLE_STILL = REPO_ROOT / "samples" / "meadow.jpg"
PATIENCE_S = 300.0
"""Seconds for what must come, on a machine however busy: tests wait, and assert no times."""


def pytest_configure() -> None:
    """One thread a process: tests run side by side, a process on each core.

    More would wait for each other at every layer of a network. Processes that tests start inherit
    the variable; this one has loaded PyTorch already.
    """
    torch.set_num_threads(int(os.environ.setdefault("OMP_NUM_THREADS", "1")))
    unhurried = hypothesis.settings(
        parent=hypothesis.settings(),
        deadline=None,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
    hypothesis.settings.register_profile("unhurried", unhurried)
    hypothesis.settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def interruptible() -> None:
    """Ctrl-C reaches the tests and their processes.

    Also where a shell began them in background, or a library has taken it over in another test.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def unsynchronised() -> Iterator[None]:
    """No test waits for the disk: no power fails here, and what is killed leaves all it wrote."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)
        yield


@pytest.fixture(autouse=True, scope="session")
def hermetic_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing of the user's is read or written: every home and cache folder is the tests' own."""
    home = tmp_path_factory.mktemp("hermetic")
    folders = {
        "HOME": home,
        "USERPROFILE": home,
        "DREAMFLOW_HOME": home / "dreamflow",
        "TORCH_HOME": home / "torch",
        "XDG_CACHE_HOME": home / "cache",
        "XDG_CONFIG_HOME": home / "config",
        "XDG_DATA_HOME": home / "data",
        "XDG_STATE_HOME": home / "state",
        "DREAMFLOW_PROGRESS": "none",  # what tests read from stderr are messages
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, folder in folders.items():
            patch.setenv(name, str(folder))
        patch.delenv("DREAMFLOW_OFFLINE", raising=False)
        # Processes that tests start need not compile all modules again.
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        yield


def pytest_collection_finish() -> None:
    """Leave what is loaded by now, PyTorch and all tests, out of every collection of garbage.

    NiceGUI's simulated page collects twice a test, which would look through all of it.
    """
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    lacking = {
        "weights": (WEIGHTS_FILE.is_file(), f"no real weights: {WEIGHTS_FILE} is not there"),
        "clips": (
            (SHARED_DIR / "clips").is_dir(),
            f"no real clips: {SHARED_DIR}/clips is not there",
        ),
    }
    for item in items:
        for marker, (there, reason) in lacking.items():
            if item.get_closest_marker(marker) and not there:
                item.add_marker(pytest.mark.skip(reason=reason))


def random_weights(seed: int = 0) -> dict[str, Tensor]:
    """Return weights of GoogLeNet's shapes that keep the activations' size (He et al. 2015)."""
    made = torch.Generator().manual_seed(seed)
    channels = {INPUT_NODE: 3} | {
        name: layer.channels for name, layer in googlenet.describe_googlenet_layers().items()
    }
    weights: dict[str, Tensor] = {}
    for node in googlenet.make_googlenet_nodes():
        if node.kind == "conv":
            shape = (node.channels, channels[node.inputs[0]], node.kernel, node.kernel)
            fan_in = shape[1] * shape[2] * shape[3]
            noise = torch.randn(shape, generator=made)
            weights[f"{node.name}.weight"] = noise * (2 / fan_in) ** 0.5
            weights[f"{node.name}.bias"] = torch.zeros(node.channels)
    return weights


def random_classifier(seed: int = 5) -> dict[str, Tensor]:
    """Return weights of noise for GoogLeNet's classifier."""
    made = torch.Generator().manual_seed(seed)
    return {
        "loss3/classifier.weight": torch.randn(1000, 1024, generator=made),
        "loss3/classifier.bias": torch.randn(1000, generator=made),
    }


@pytest.fixture(scope="session")
def noise_network() -> Network:
    return googlenet.build_googlenet(random_weights(), "0" * 64)


@pytest.fixture(scope="session")
def meta_network() -> Network:
    """The network of noise on the meta device, where tensors have shapes and no memory."""
    return googlenet.build_googlenet(random_weights(), "0" * 64).to("meta")


@pytest.fixture(scope="session")
def noise_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A $DREAMFLOW_HOME whose weights are noise: enough to run every command."""
    home = tmp_path_factory.mktemp("home")
    (home / "weights").mkdir()
    safetensors.torch.save_file(
        random_weights() | random_classifier(), home / "weights" / WEIGHTS_NAME
    )
    return home


@pytest.fixture(scope="session")
def real_network() -> Network:
    return load_network("googlenet", WEIGHTS_FILE, "cpu", "float32")


@pytest.fixture
def clips() -> Path:
    return SHARED_DIR / "clips"


@pytest.fixture
def render(tmp_path: Path, noise_network: Network) -> Rendering:
    """Renders into the test's folder, on a network of noise."""
    from job_rendering import Rendering  # which imports this module

    return Rendering(tmp_path, noise_network)


@contextmanager
def refused(setting: str, where: str | None = None) -> Iterator[None]:
    """Expect a SettingsError about a setting."""
    with pytest.raises(SettingsError) as error:
        yield
    assert error.value.setting == setting, str(error.value)
    assert where is None or error.value.where == where


class CommandResult(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def cli(
    noise_home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., CommandResult]:
    """Run the command line in this process, on weights of noise."""
    from dreamflow.cli.entry_point import main

    monkeypatch.setenv("DREAMFLOW_HOME", str(noise_home))

    def run(*arguments: str | Path) -> CommandResult:
        monkeypatch.setattr(sys, "argv", ["dreamflow", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        captured = capfd.readouterr()
        return CommandResult(int(stop.value.code or 0), captured.out, captured.err)

    return run


class HereRunner:
    """In place of `RenderWorker`: runs the renders of a batch here, where PyTorch is loaded."""

    def __init__(self, run_render: Callable[..., tuple[str, str]]) -> None:
        self.run = run_render

    def close(self) -> int:
        return 0


@pytest.fixture
def batches_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamflow.cli.commands.batch.RenderWorker", HereRunner)


def run_ffmpeg(*arguments: str | Path) -> None:
    """Make test material with ffmpeg."""
    line = [ffmpeg_path(), "-v", "error", "-nostdin", "-y", *map(str, arguments)]
    subprocess.run(line, check=True)


def make_film(
    path: Path,
    *,
    frames: int = 12,
    size: str = "64x48",
    rate: str = "24",
    options: tuple[str, ...] = (),
    sound: bool = False,
) -> Path:
    """Make a film of a moving test picture (smooth, with motion), with a tone where asked for."""
    source = f"mandelbrot=size={size}:rate={rate}:start_scale=1.5:end_scale=0.3:end_pts=40"
    inputs = ["-f", "lavfi", "-i", source]
    if sound:
        inputs += ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"]
    mapped = ["-shortest", "-c:a", "aac"] if sound else []
    run_ffmpeg(*inputs, "-frames:v", str(frames), *mapped, "-pix_fmt", "yuv420p", *options, path)
    return path


def decode_with_ffmpeg(
    path: Path, filters: str = "scale=in_color_matrix=bt709:in_range=tv"
) -> np.ndarray:
    """Return a film's frames as the ffmpeg binary shows them, uint8 (N, H, W, 3) RGB."""
    exact = f"{filters}:flags=bicubic+accurate_rnd+full_chroma_int,format=rgb24"
    line = [ffmpeg_path(), "-v", "error", "-i", str(path), "-vf", exact]
    line += ["-fps_mode", "passthrough", "-f", "rawvideo", "-"]
    raw = subprocess.run(line, check=True, capture_output=True).stdout
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return np.frombuffer(raw, np.uint8).reshape(-1, stream.height, stream.width, 3)


def make_texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Return a smooth random uint8 (H, W, 3) picture with detail at several scales."""
    import cv2

    made = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    for cells, strength in ((4, 60), (10, 40), (30, 25)):
        noise = made.standard_normal((cells, cells, 3)).astype(np.float32)
        total += 0.6 * strength * cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(128 + total, 0, 255).astype(np.uint8)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = float(np.square(a.astype(np.float64) - b.astype(np.float64)).mean())
    return float("inf") if error == 0 else 10 * np.log10(255**2 / error)
