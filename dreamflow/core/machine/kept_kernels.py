"""How many kernels oneDNN keeps, which runs the convolutions on a CPU."""

from __future__ import annotations

import os

KERNEL_LIMIT_VARIABLE = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
"""Environment variable in which oneDNN reads its limit, at its first use in a process."""
MAX_KEPT_KERNELS = 500
"""Kernels kept, each for one layer and one size of image, of about 90 kB. Pocket and googlenet have
45 at each size; a carried frame has nine sizes at most, and over some seconds its crops have many
more. oneDNN's own limit is 1024."""


def limit_kept_kernels() -> None:
    """Let oneDNN keep the kernels of the latest sizes only, unless the user has set a limit.

    It holds for the whole process and those that it starts: it is for programs, not for libraries.
    """
    os.environ.setdefault(KERNEL_LIMIT_VARIABLE, str(MAX_KEPT_KERNELS))
