"""Checks of what DreamFlow needs on this machine."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

from dreamflow._version import __version__
from dreamflow.core.errors import DreamFlowError
from dreamflow.core.text.wording import format_count
from dreamflow.dream.options import DreamOptions

CHECKED_ENCODERS = ("libx264", "libx264rgb", "libvpx-vp9", "gif", "libwebp_anim", "aac", "libopus")
"""Encoders of ffmpeg that the output formats need."""
CLASSIC_NETWORK = "googlenet"
"""The network of the first deep dreams, which is reported even where its weights are missing."""
OPTIONAL_CHECKS = ("HEIF", "OpenEXR", "torchvision", "jobs")
"""Checks that may fail where DreamFlow can render nevertheless."""


@dataclass(frozen=True)
class CheckResult:
    """The result of one check.

    Attributes:
        name: What was checked.
        detail: Its version, its path, or why the check failed; settings marked as in an error.
        passed: Whether it works.
        required: Whether nothing can be rendered without it.
    """

    name: str
    detail: str
    passed: bool = True
    required: bool = True


def run_checks() -> Iterator[CheckResult]:
    """Run all checks, and yield their results; one that fails is a result, and raises nothing."""
    yield CheckResult("dreamflow", __version__)
    yield CheckResult("Python", f"{platform.python_version()} on {platform.platform()}")
    yield CheckResult("CPU", format_count(os.cpu_count() or 1, "thread"))
    checks: list[tuple[str, Callable[[], list[CheckResult]]]] = [
        ("PyTorch", _check_torch),
        ("OpenCV", _check_opencv),
        ("PyAV", _check_pyav),
        ("HEIF", _check_heif),
        ("OpenEXR", _check_openexr),
        ("ffmpeg", _check_ffmpeg),
        ("weights", _check_weights),
        ("torchvision", _check_torchvision),
        ("presets", _check_presets),
        ("jobs", _check_jobs),
    ]
    for name, check in checks:
        try:
            yield from check()
        except (ImportError, OSError, RuntimeError, DreamFlowError) as error:
            message = error.message if isinstance(error, DreamFlowError) else str(error)
            reason = "".join(message.splitlines()[:1])
            yield CheckResult(name, reason, False, name not in OPTIONAL_CHECKS)


def _check_torch() -> list[CheckResult]:
    import torch

    from dreamflow.core.machine.device import choose_device
    from dreamflow.networks.kernels.selection import describe_kernels
    from dreamflow.networks.precision import choose_fastest_dtype

    device = choose_device("auto")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    threads = format_count(torch.get_num_threads(), "thread")
    precision = str(choose_fastest_dtype(device)).removeprefix("torch.")
    return [
        CheckResult("PyTorch", f"{torch.__version__}, {threads}"),
        CheckResult("device", f"{name} (auto)"),
        CheckResult("precision", f"{precision} (auto)"),
        CheckResult("kernels", describe_kernels(), required=False),
    ]


def _check_opencv() -> list[CheckResult]:
    from dreamflow.core.opencv import cv2

    return [CheckResult("OpenCV", str(cv2.__version__))]


def _check_pyav() -> list[CheckResult]:
    import av

    return [CheckResult("PyAV", av.__version__)]


def _check_heif() -> list[CheckResult]:
    import pi_heif

    detail = f"pi-heif {pi_heif.__version__}, libheif {pi_heif.libheif_version()}"
    return [CheckResult("HEIF", detail, required=False)]


def _check_openexr() -> list[CheckResult]:
    import OpenEXR

    return [CheckResult("OpenEXR", cast(str, OpenEXR.__version__), required=False)]


def _check_ffmpeg() -> list[CheckResult]:
    from dreamflow.media.write.codecs import ENCODING_BY_CODEC, list_ffmpeg_encoders
    from dreamflow.media.write.ffmpeg import ffmpeg_path

    path = ffmpeg_path()
    version = subprocess.run([path, "-version"], capture_output=True, text=True, check=True).stdout
    encoders = list_ffmpeg_encoders()
    missing = [name for name in CHECKED_ENCODERS if name not in encoders]
    detail = f"{version.split()[2]}, {path}"
    if missing:
        detail += f"; without {', '.join(missing)}"
    codecs = [name for name, (_, encoder) in ENCODING_BY_CODEC.items() if encoder in encoders]
    return [
        CheckResult("ffmpeg", detail, "libx264" not in missing),
        CheckResult("codecs", ", ".join(codecs) or "none", bool(codecs), False),
    ]


def _check_weights() -> list[CheckResult]:
    from dreamflow.core.errors import WeightsError
    from dreamflow.networks.catalogue import known_networks
    from dreamflow.networks.loading import find_weights
    from dreamflow.networks.weights.cache import list_user_weights_folders

    folder = str(list_user_weights_folders()[0])
    results = [CheckResult("folder of weights", folder, required=False)]
    for network in known_networks():
        name, required = f"weights of {network}", network == DreamOptions.network
        try:
            results.append(CheckResult(name, str(find_weights(network)), True, required))
        except WeightsError as error:
            if required or network == CLASSIC_NETWORK:
                results.append(CheckResult(name, error.message, False, required))
    return results


def _check_torchvision() -> list[CheckResult]:
    from dreamflow.networks.traced.torchvision_import import import_torchvision

    module, without_operators = import_torchvision()
    detail = str(module.__version__)
    if without_operators:
        detail += " (its compiled operators do not fit this PyTorch; DreamFlow does not need them)"
    return [CheckResult("torchvision", detail, required=False)]


def _check_presets() -> list[CheckResult]:
    from dreamflow.pipelines.settings.presets import list_preset_files

    presets = list_preset_files()
    return [CheckResult("presets", ", ".join(presets) or "none", bool(presets), False)]


def _check_jobs() -> list[CheckResult]:
    from filelock import FileLock

    free_gb = shutil.disk_usage(".").free / 1e9
    with tempfile.TemporaryDirectory(dir=".") as folder, FileLock(os.path.join(folder, "lock")):
        detail = f"can be locked in this folder; {free_gb:.1f} GB free"
        return [CheckResult("jobs", detail, required=False)]
