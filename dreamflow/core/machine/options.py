"""Settings of the machine: weights, device, threads, memory and precision."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dreamflow.core.options.declaration import Options, option


@dataclass(frozen=True)
class MachineOptions(Options):
    """Where and how networks compute; neither recorded with an output nor allowed in presets."""

    weights: Path | None = option(
        None,
        "Weights of the network: .safetensors, .pth or .caffemodel.",
        saved=False,
        metavar="FILE",
    )
    device: str = option("auto", "auto, cpu, cuda, cuda:1 or mps.", saved=False, metavar="DEVICE")
    threads: int = option(
        0, "CPU threads; 0 measures how many are fastest now.", low=0, high=1024, saved=False
    )
    memory: int = option(
        0,
        "MB for one pass of the network; larger pictures are dreamed in tiles. 0 chooses.",
        low=0,
        high=10_000_000,
        saved=False,
    )
    precision: str = option(
        "auto",
        "Number format that the network computes in; auto is bfloat16 for googlenet and pocket "
        "where the CPU has it (1.5 times as fast), else float32.",
        choices=("auto", "float32", "bfloat16", "float16"),
        saved=False,
    )
