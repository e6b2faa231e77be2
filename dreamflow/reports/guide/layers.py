"""The guide to the layers: one picture, dreamed on each layer by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dreamflow.core.errors import DreamFlowError, SettingsError
from dreamflow.core.frames import Frame
from dreamflow.dream.options import DreamOptions
from dreamflow.dream.progress import StepCallback
from dreamflow.networks.network import Layer, Network, find_layer
from dreamflow.pipelines.image import dream_image


@dataclass(frozen=True)
class LayerDream:
    """What a layer made of the picture: uint8 (H, W, 3) RGB, or None and why there is none."""

    layer: str
    picture: np.ndarray | None
    failure: str = ""


def select_layers(
    network_name: str,
    layers_by_name: dict[str, Layer],
    names: Sequence[str] = (),
    categories: Sequence[str] = (),
) -> tuple[str, ...]:
    """Return the layers of these names, and those of these categories, shallow to deep.

    A category is any word of its name, as in `dreamflow layers`. All where neither is given.
    Raises SettingsError for a layer or category that the network does not have.
    """
    if not names and not categories:
        return tuple(layers_by_name)
    wanted = set()
    for name in names:
        if "=" in name:
            raise SettingsError(f"--layer {name}: a guide shows each layer by itself, unweighted")
        wanted.add(find_layer(network_name, layers_by_name, name).name)
    for word in categories:
        found = [n for n, x in layers_by_name.items() if word.casefold() in x.category.casefold()]
        if not found or not word.strip():
            there = ", ".join(
                dict.fromkeys(x.category for x in layers_by_name.values() if x.category)
            )
            hint = f"; there are {there}" if there else ": its layers have none"
            raise SettingsError(f"{network_name} has no category with {word!r} in its name{hint}")
        wanted.update(found)
    return tuple(name for name in layers_by_name if name in wanted)


def dream_layers(
    frame: Frame,
    network: Network,
    layers: Iterable[str],
    options: DreamOptions,
    on_step: StepCallback | None = None,
) -> Iterator[LayerDream]:
    """Yield the dream of a frame on each layer, as it is finished.

    A layer that fails, such as one that the picture is too small for, does not end the others.
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
