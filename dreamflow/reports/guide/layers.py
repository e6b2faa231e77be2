"""One picture dreamed on each layer by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from dreamflow.core.errors import DreamFlowError
from dreamflow.core.frames import Frame
from dreamflow.dream.options import DreamOptions
from dreamflow.dream.progress import StepCallback
from dreamflow.networks.network import Network
from dreamflow.pipelines.image import dream_image


@dataclass(frozen=True)
class LayerDream:
    """The dream of a picture on one layer.

    Attributes:
        layer: Name of the layer.
        picture: uint8 (H, W, 3) RGB; None where it failed.
        failure: Why it failed, or empty.
    """

    layer: str
    picture: np.ndarray | None
    failure: str = ""


def dream_layers(
    frame: Frame,
    network: Network,
    layers: Iterable[str],
    options: DreamOptions,
    on_step: StepCallback | None = None,
) -> Iterator[LayerDream]:
    """Yield the dream of a frame on each layer, as it is finished.

    A layer that fails, such as one that the picture is too small for, does not stop the others.

    Args:
        frame: The picture; its index keys the dream's randomness.
        network: Network to dream with.
        layers: Names of layers.
        options: Settings of the dream.
        on_step: Called after each step.
    """
    for layer in layers:
        try:
            picture = dream_image(
                frame.picture, network, layer, options, frame.index, on_step=on_step
            )
        except (DreamFlowError, RuntimeError, MemoryError) as error:
            reason = str(error).splitlines()[0] if str(error) else "not enough memory"
            yield LayerDream(layer, None, reason)
        else:
            yield LayerDream(layer, picture)
