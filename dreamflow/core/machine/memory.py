"""How much memory a pass through a network may take on this machine.

A pass holds the activations of all layers up to those dreamed on: 800 bytes and more a pixel. What
would take more than its share is dreamed in tiles (`dreamflow.dream.tiles`). The share is one of
the memory that the machine has, not of what is free at the moment, and a job remembers it: a dream
must not depend on what else runs.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import torch

MB = 10**6
CPU_MEMORY_SHARE = 1 / 6
"""Of a machine's memory. The picture, the carried dream and the encoder want some as well."""
MAX_CPU_PASS_BYTES = 1660 * MB
"""Enough for 1920x1080 in one piece with googlenet, and a 4K frame stays below 4 GB in all."""
GPU_MEMORY_SHARE = 1 / 2
FALLBACK_TOTAL_BYTES = 8000 * MB
"""Taken for a machine's memory where the system does not say."""
CGROUP_LIMIT_FILE = Path("/sys/fs/cgroup/memory.max")
"""What a container may use on Linux: a number of bytes, or `max`."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Names of glibc's, in its malloc.h."""
TRIM_NEVER = -1
MMAP_THRESHOLD_BYTES = 1000 * MB
"""Larger than any activation of a pass in one piece."""


def default_memory_limit(device: torch.device) -> int:
    """Return how many bytes a pass may take on a device: whole MB, as a job remembers them."""
    if device.type == "cuda":
        share = torch.cuda.get_device_properties(device).total_memory * GPU_MEMORY_SHARE
    else:
        share = min(MAX_CPU_PASS_BYTES, total_memory() * CPU_MEMORY_SHARE)
    return max(1, int(share / MB)) * MB


def total_memory() -> int:
    """Return the bytes of memory that this machine has, or this container may use."""
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
    """Let this process keep the memory that it frees, for its next use; return whether it will.

    The C library of Linux returns large pieces to the system at once, which then clears each page
    anew: that took a fifth of a pass. Elsewhere nothing is changed. It is for the whole process, so
    it is a program's to call, not a library's.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # not every Linux has glibc
    return mallopt is not None and all(
        mallopt(name, value)
        for name, value in (
            (M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES),
            (M_TRIM_THRESHOLD, TRIM_NEVER),
        )
    )
