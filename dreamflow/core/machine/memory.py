"""How much memory a pass through a network may take on this machine.

A pass holds the activations of all layers up to those dreamed on, 800 bytes and more a pixel. An
image that would take more than the limit is dreamed in tiles (`dreamflow.dream.tiles`). The limit
is a share of the memory that the machine has, not of what is free at the moment, and a job records
it: a dream must not depend on what else runs.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from pathlib import Path
from typing import Any, cast

import torch

MB = 10**6
"""Bytes of a megabyte, as settings and records count it."""
CPU_MEMORY_SHARE = 1 / 6
"""Share of a machine's memory that a pass may take; pictures and the encoder need some too."""
MAX_CPU_PASS_BYTES = 1660 * MB
"""Most bytes of a pass on a CPU: enough for 1920x1080 with googlenet without tiles, and a 3840x2160
frame stays below 4 GB in all."""
GPU_MEMORY_SHARE = 1 / 2
"""Share of a GPU's memory that a pass may take."""
FALLBACK_TOTAL_BYTES = 8000 * MB
"""Assumed memory of a machine whose system does not report it."""
CGROUP_LIMIT_FILE = Path("/sys/fs/cgroup/memory.max")
"""What a container may use on Linux: a number of bytes, or `max`."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Parameter numbers of glibc's mallopt, from its malloc.h."""
TRIM_NEVER = -1
MMAP_THRESHOLD_BYTES = 1000 * MB
"""Larger than any activation of a pass without tiles."""


def default_memory_limit(device: torch.device) -> int:
    """Return how many bytes a pass may take on a device: whole MB, as a job records them."""
    if device.type == "cuda":
        properties = cast(Any, torch.cuda.get_device_properties(device))
        share = int(properties.total_memory) * GPU_MEMORY_SHARE
    else:
        share = min(MAX_CPU_PASS_BYTES, total_memory() * CPU_MEMORY_SHARE)
    return max(1, int(share / MB)) * MB


def total_memory() -> int:
    """Return the bytes of memory that this machine has, or that its container may use."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        total = FALLBACK_TOTAL_BYTES
    try:
        limit = CGROUP_LIMIT_FILE.read_text().strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdigit() else total


def keep_freed_memory() -> bool:
    """Let this process keep freed memory for its next use; return whether it will.

    glibc returns large blocks to the system at once, and the system clears every page before it
    hands them out again, which took a fifth of a pass. All threads share one arena: what those that
    decode and estimate flow have freed would otherwise be kept beside what a pass needs. Other C
    libraries are left as they are. The setting holds for the whole process, so it is for programs,
    not for libraries.
    """
    mallopt = _find_glibc_function("mallopt")
    if mallopt is None:
        return False
    parameters = (
        (M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES),
        (M_TRIM_THRESHOLD, TRIM_NEVER),
        (M_ARENA_MAX, 1),
    )
    return all(mallopt(name, value) for name, value in parameters)


def release_freed_memory() -> None:
    """Return the memory to the system that this process has freed and kept; see above."""
    gc.collect()  # what an error's traceback refers to may be part of a cycle
    if malloc_trim := _find_glibc_function("malloc_trim"):
        malloc_trim(0)


def _find_glibc_function(name: str) -> Any:
    """Return a function of the C library; None where it is not glibc."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform.startswith("linux") else None
