"""How well a pocket dreams: its dreams, judged by the teacher."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from dreamflow.core.tensors import picture_to_tensor
from dreamflow.dream.objective.objective import Objective
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
"""Layers that a pocket is judged on, from the whole range of its depth."""


def measure_transfer(
    pocket: Network,
    teacher: Network,
    pictures: Iterable[np.ndarray],
    layers: Sequence[str] = TRANSFER_LAYERS,
    options: DreamOptions | None = None,
) -> Iterator[tuple[str, float]]:
    """Yield each layer's transfer: the share of the teacher's own dream that the pocket's reaches.

    Both networks dream on the same pictures, and the teacher's objective judges both dreams:
    transfer = log(objective(pocket's dream) / objective(source)) / log(objective(teacher's dream) /
    objective(source)), in the mean over the pictures. 1 is as good as the teacher, 0 is no dream.

    Args:
        pocket: The network to judge.
        teacher: The judge.
        pictures: uint8 (H, W, 3) RGB each.
        layers: To judge; those that the pocket lacks are skipped.
        options: Of the dreams.

    Yields:
        A layer's name, and its transfer.
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
            dreams = (
                dream_octaves(image, objective, plan, options.jitter, key)
                for objective in (student, judge)
            )
            students_gain, judges_gain = (math.log(judge.value(d) / before) for d in dreams)
            shares.append(students_gain / judges_gain)
        yield layer, float(np.mean(shares))
