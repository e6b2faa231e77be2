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
from dreamflow.errors import DreamFlowError
from dreamflow.options import DreamOptions
from dreamflow.wording import counted

ENCODERS = ("libx264", "libx264rgb", "libvpx-vp9", "gif", "libwebp_anim", "aac", "libopus")


@dataclass(frozen=True)
class Finding:
    """One thing looked at. needed: whether nothing can be rendered without it."""

    what: str
    fact: str
    good: bool = True
    needed: bool = True


def examine() -> Iterator[Finding]:
    """Look at everything, and yield what is found; a part that fails is a finding too, no error."""
    yield Finding("dreamflow", dreamflow.__version__)
    yield Finding("Python", f"{platform.python_version()} on {platform.platform()}")
    yield Finding("CPU", counted(os.cpu_count() or 1, "thread"))
    parts: list[tuple[str, Callable[[], list[Finding]]]] = [
        ("PyTorch", _torch),
        ("OpenCV", _opencv),
        ("PyAV", _pyav),
        ("ffmpeg", _ffmpeg),
        ("weights", _weights),
        ("torchvision", _torchvision),
        ("presets", _presets),
        ("jobs", _jobs),
    ]
    for name, look in parts:
        try:
            yield from look()
        except (ImportError, OSError, RuntimeError, DreamFlowError) as error:
            needed = name not in ("torchvision", "jobs")
            yield Finding(name, (str(error).splitlines() or [""])[0], False, needed)


def _torch() -> list[Finding]:
    import torch

    from dreamflow.networks.precision import fastest
    from dreamflow.networks.store import choose_device

    device = choose_device("auto")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return [
        Finding("PyTorch", f"{torch.__version__}, {counted(torch.get_num_threads(), 'thread')}"),
        Finding("device", f"{name} (--device auto)"),
        Finding("precision", f"{str(fastest(device)).removeprefix('torch.')} (--precision auto)"),
    ]


def _opencv() -> list[Finding]:
    from dreamflow.opencv import cv2

    return [Finding("OpenCV", str(cv2.__version__))]


def _pyav() -> list[Finding]:
    import av

    return [Finding("PyAV", av.__version__)]


def _ffmpeg() -> list[Finding]:
    from dreamflow.media.codecs import CODECS, encoders
    from dreamflow.media.ffmpeg import ffmpeg_path

    path = ffmpeg_path()
    version = subprocess.run([path, "-version"], capture_output=True, text=True, check=True).stdout
    there = encoders()
    lacking = [name for name in ENCODERS if name not in there]
    fact = f"{version.split()[2]}, {path}"
    if lacking:
        fact += f"; without {', '.join(lacking)}"
    codecs = [name for name, (_, encoder) in CODECS.items() if encoder in there]
    return [
        Finding("ffmpeg", fact, "libx264" not in lacking),
        Finding("codecs", ", ".join(codecs) or "none", bool(codecs), False),
    ]


CLASSIC = "googlenet"
"""The network whose weights are looked for in any case: that of the first deep dreams."""


def _weights() -> list[Finding]:
    from dreamflow.errors import WeightsError
    from dreamflow.networks import known_networks
    from dreamflow.networks.folders import own_folders
    from dreamflow.networks.store import find_weights

    found = [Finding("folder of weights", str(own_folders()[0]), needed=False)]
    for network in known_networks():
        needed = network == DreamOptions.network
        try:
            found.append(Finding(f"weights of {network}", str(find_weights(network)), True, needed))
        except WeightsError as error:
            if needed or network == CLASSIC:
                found.append(Finding(f"weights of {network}", str(error), False, needed))
    return found


def _torchvision() -> list[Finding]:
    from dreamflow.networks.torchvision_import import import_torchvision

    module, mended = import_torchvision()
    state = "its compiled ops do not fit this PyTorch; DreamFlow does without them"
    fact = f"{module.__version__}" + (f" ({state})" if mended else "")
    return [Finding("torchvision", fact, needed=False)]


def _presets() -> list[Finding]:
    from dreamflow.presets import preset_files

    return [Finding("presets", ", ".join(preset_files()) or "none", bool(preset_files()), False)]


def _jobs() -> list[Finding]:
    from filelock import FileLock

    free = shutil.disk_usage(".").free
    with tempfile.TemporaryDirectory(dir=".") as folder, FileLock(os.path.join(folder, "lock")):
        return [Finding("jobs", f"here they can be locked; {free / 1e9:.1f} GB free", needed=False)]
