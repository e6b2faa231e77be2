"""Settings of distillation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dreamflow.core.options.declaration import Options, option


@dataclass(frozen=True)
class DistillOptions(Options):
    """How a pocket is built and trained."""

    PANEL: ClassVar[str] = "Training"
    width: float = option(0.5, "Channels, as a share of the teacher's.", above=0, high=1)
    early_width: float = option(
        0.75, "The same for the first two layers, which all others build on.", above=0, high=1
    )
    widths: str = option(
        "",
        "The same for single layers or modules: 'conv1/7x7_s2 0.25, inception_3a 0.375'.",
        metavar="LIST",
    )
    ranks: str = option(
        "conv1/7x7_s2 32, conv2/3x3 48, inception_3b/3x3 48",
        "Convolutions of low rank, which are faster: each is one to so few channels, and a 1x1.",
        metavar="LIST",
    )
    last: str = option(
        "inception_4e/output", "Deepest layer of the small network.", metavar="LAYER"
    )
    steps: int = option(5000, "Batches to train on.", low=1, high=10_000_000)
    minutes: float | None = option(
        None, "Train for this long instead of --steps.", above=0, high=100_000
    )
    batch: int = option(16, "Pictures in a batch.", low=2, high=4096)
    crop: int = option(112, "Side of a picture in a batch, in pixels.", low=64, high=1024)
    rate: float = option(
        0.02,
        "Initial learning rate, relative to each weight's size; falls to 0 as a cosine.",
        above=0,
        high=1,
    )
    dreamed: int = option(
        12, "Most steps that a picture is dreamed on before it is replaced.", low=0, high=1000
    )
    gradient: float = option(
        1.0, "Weight of the loss on the direction in which it dreams.", low=0, high=100
    )
    seed: int = option(0, "The same seed gives the same batches.", low=0, high=2**32 - 1)
