"""The machine that a network computes on: device, precision, threads and memory as one object."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch

from dreamflow.core.logs import get_logger
from dreamflow.core.machine.device import choose_device
from dreamflow.core.machine.memory import MB, default_memory_limit, keep_freed_memory
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.machine.threads import find_fastest_thread_count
from dreamflow.core.opencv import cv2

_logger = get_logger(__name__)


@dataclass(frozen=True)
class Machine:
    """Where and how a network computes.

    Attributes:
        device: Device of the weights, and of the images that are dreamed on.
        precision: "auto" until a network has chosen; then "float32", "bfloat16" or "float16".
        threads: CPU threads of PyTorch and OpenCV.
        memory_limit: Bytes that one pass of the network may take; larger images are dreamed in
            tiles.
    """

    device: torch.device
    precision: str
    threads: int
    memory_limit: int

    @classmethod
    def default(
        cls, device: str = MachineOptions.device, precision: str = MachineOptions.precision
    ) -> Self:
        """Return the machine as it is set up, with the default memory limit of the device.

        Raises:
            SettingsError: The device cannot be used on this machine.
        """
        chosen = choose_device(device)
        return cls(chosen, precision, torch.get_num_threads(), default_memory_limit(chosen))

    @classmethod
    def from_options(cls, options: MachineOptions) -> Self:
        """Set up this process as a program's settings ask, and return the machine.

        Freed memory stays with the process, which is for programs: a library uses
        `with_fastest_threads`.

        Raises:
            SettingsError: The device cannot be used on this machine.
        """
        keep_freed_memory()
        return cls.with_fastest_threads(options)

    @classmethod
    def with_fastest_threads(cls, options: MachineOptions) -> Self:
        """Set the number of threads of PyTorch and OpenCV, and return the machine.

        It is measured where the settings leave it open, which takes about a fifth of a second.

        Raises:
            SettingsError: The device cannot be used on this machine.
        """
        device = choose_device(options.device)
        threads = options.threads or find_fastest_thread_count()
        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)
        memory_limit = options.memory * MB or default_memory_limit(device)
        _logger.info("device %s, %d threads, %d MB a pass", device, threads, memory_limit // MB)
        return cls(device, options.precision, threads, memory_limit)

    def moved_to(self, device: torch.device, precision: str) -> Self:
        """Return the machine for another device and precision.

        The memory limit stays on a device of the same type, and is the default on any other.
        """
        same_type = device.type == self.device.type
        memory_limit = self.memory_limit if same_type else default_memory_limit(device)
        return replace(self, device=device, precision=precision, memory_limit=memory_limit)
