"""What of DreamFlow works on this machine."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import dreamflow
from dreamflow.core.errors import DreamFlowError
from dreamflow.core.wording import format_count
from dreamflow.dream.options import DreamOptions

CHECKED_ENCODERS = ("libx264", "libx264rgb", "libvpx-vp9", "gif", "libwebp_anim", "aac", "libopus")


@dataclass(frozen=True)
class CheckResult:
    """One thing looked at. needed: whether nothing can be rendered without it."""

    name: str
    detail: str
    passed: bool = True
    required: bool = True


def run_checks() -> Iterator[CheckResult]:
    """Look at everything, and yield what is found; a part that fails is a finding too, no error."""
    yield CheckResult("dreamflow", dreamflow.__version__)
    yield CheckResult("Python", f"{platform.python_version()} on {platform.platform()}")
    yield CheckResult("CPU", format_count(os.cpu_count() or 1, "thread"))
    parts: list[tuple[str, Callable[[], list[CheckResult]]]] = [
        ("PyTorch", _check_torch),
        ("OpenCV", _check_opencv),
        ("PyAV", _check_pyav),
        ("ffmpeg", _check_ffmpeg),
        ("weights", _check_weights),
        ("torchvision", _check_torchvision),
        ("presets", _check_presets),
        ("jobs", _check_jobs),
    ]
    for name, look in parts:
        try:
            yield from look()
        except (ImportError, OSError, RuntimeError, DreamFlowError) as error:
            needed = name not in ("torchvision", "jobs")
            yield CheckResult(name, (str(error).splitlines() or [""])[0], False, needed)


def _check_torch() -> list[CheckResult]:
    import torch

    from dreamflow.core.machine.device import choose_device
    from dreamflow.networks.kernels.selection import describe_kernels
    from dreamflow.networks.precision import choose_fastest_dtype

    device = choose_device("auto")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return [
        CheckResult(
            "PyTorch", f"{torch.__version__}, {format_count(torch.get_num_threads(), 'thread')}"
        ),
        CheckResult("device", f"{name} (--device auto)"),
        CheckResult(
            "precision",
            f"{str(choose_fastest_dtype(device)).removeprefix('torch.')} (--precision auto)",
        ),
        CheckResult("kernels", describe_kernels(), required=False),
    ]


def _check_opencv() -> list[CheckResult]:
    from dreamflow.core.opencv import cv2

    return [CheckResult("OpenCV", str(cv2.__version__))]


def _check_pyav() -> list[CheckResult]:
    import av

    return [CheckResult("PyAV", av.__version__)]


def _check_ffmpeg() -> list[CheckResult]:
    from dreamflow.media.write.codecs import ENCODING_BY_CODEC, list_ffmpeg_encoders
    from dreamflow.media.write.ffmpeg import ffmpeg_path

    path = ffmpeg_path()
    version = subprocess.run([path, "-version"], capture_output=True, text=True, check=True).stdout
    there = list_ffmpeg_encoders()
    lacking = [name for name in CHECKED_ENCODERS if name not in there]
    fact = f"{version.split()[2]}, {path}"
    if lacking:
        fact += f"; without {', '.join(lacking)}"
    codecs = [name for name, (_, encoder) in ENCODING_BY_CODEC.items() if encoder in there]
    return [
        CheckResult("ffmpeg", fact, "libx264" not in lacking),
        CheckResult("codecs", ", ".join(codecs) or "none", bool(codecs), False),
    ]


CLASSIC_NETWORK = "googlenet"
"""The network whose weights are looked for in any case: that of the first deep dreams."""


def _check_weights() -> list[CheckResult]:
    from dreamflow.core.errors import WeightsError
    from dreamflow.networks.catalogue import known_networks
    from dreamflow.networks.loading import find_weights
    from dreamflow.networks.weights.cache import list_user_weights_folders

    found = [CheckResult("folder of weights", str(list_user_weights_folders()[0]), required=False)]
    for network in known_networks():
        needed = network == DreamOptions.network
        try:
            found.append(
                CheckResult(f"weights of {network}", str(find_weights(network)), True, needed)
            )
        except WeightsError as error:
            if needed or network == CLASSIC_NETWORK:
                found.append(CheckResult(f"weights of {network}", str(error), False, needed))
    return found


def _check_torchvision() -> list[CheckResult]:
    from dreamflow.networks.traced.torchvision_import import import_torchvision

    module, mended = import_torchvision()
    state = "its compiled ops do not fit this PyTorch; DreamFlow does without them"
    fact = f"{module.__version__}" + (f" ({state})" if mended else "")
    return [CheckResult("torchvision", fact, required=False)]


def _check_presets() -> list[CheckResult]:
    from dreamflow.pipelines.settings.presets import list_preset_files

    return [
        CheckResult(
            "presets", ", ".join(list_preset_files()) or "none", bool(list_preset_files()), False
        )
    ]


def _check_jobs() -> list[CheckResult]:
    from filelock import FileLock

    free = shutil.disk_usage(".").free
    with tempfile.TemporaryDirectory(dir=".") as folder, FileLock(os.path.join(folder, "lock")):
        return [
            CheckResult(
                "jobs", f"here they can be locked; {free / 1e9:.1f} GB free", required=False
            )
        ]
