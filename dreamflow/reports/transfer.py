"""How well a pocket dreams: its dreams measured by the teacher."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from dreamflow.core.tensors import picture_to_tensor
from dreamflow.dream.objective import Objective
from dreamflow.dream.octaves import dream_octaves, plan_octaves
from dreamflow.dream.options import DreamOptions
from dreamflow.networks.network import Network

TRANSFER_LAYERS = (
    "conv2/3x3",
    "inception_3a/5x5",
    "inception_3b/5x5_reduce",
    "inception_3b/output",
    "inception_4b/output",
    "inception_4c/output",
    "inception_4d/output",
)


def measure_transfer(
    pocket: Network,
    teacher: Network,
    pictures: Iterable[np.ndarray],
    layers: Sequence[str] = TRANSFER_LAYERS,
    options: DreamOptions | None = None,
) -> Iterator[tuple[str, float]]:
    """Yield each layer's transfer: how much of the teacher's dream the pocket's is, to the teacher.

    Both dream on the same uint8 (H, W, 3) pictures; the teacher's objective, as log of its rise
    over the source, is compared: log(pocket's / source) over log(teacher's / source), in the mean
    over the pictures. 1 is as good as the teacher, 0 is no dream at all.
    """
    options = options or DreamOptions()
    images = [picture_to_tensor(picture, teacher.device) for picture in pictures]
    plan, key = plan_octaves(options), (options.seed, 0)
    for layer in layers:
        if layer not in pocket.layers:
            continue
        judge, student = Objective.parse(teacher, [layer]), Objective.parse(pocket, [layer])
        shares: list[float] = []
        for image in images:
            before = judge.value(image)
            rises = [
                math.log(
                    judge.value(dream_octaves(image, objective, plan, options.jitter, key)) / before
                )
                for objective in (student, judge)
            ]
            shares.append(rises[0] / rises[1])
        yield layer, float(np.mean(shares))
