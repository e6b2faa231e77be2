"""One picture, dreamed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dreamflow.clock import Moment
from dreamflow.dream import Objective, dream, first_plan
from dreamflow.journeys.edge import to_image, to_picture
from dreamflow.networks import Network
from dreamflow.options import DreamOptions


def dream_image(
    picture: np.ndarray,
    network: Network,
    layer: str | Sequence[str] | None = None,
    options: DreamOptions | None = None,
    frame_index: int = 0,
) -> np.ndarray:
    """Dream a single picture.

    picture: uint8 (H, W, 3), RGB; so is the result. layer: a layer's name, or several as
    `NAME=WEIGHT`; None takes those of `options`. options: how hard; None is the defaults; of a
    schedule the beginning counts, since a picture has no time.
    frame_index: keys the random shifts, as a clip's frame number does.
    Raises SettingsError for an unknown layer, or a picture too small for it.
    """
    options = options or DreamOptions()
    if layer is not None:
        options = replace(options, layer=(layer,) if isinstance(layer, str) else tuple(layer))
    options = options.at(Moment())
    objective = Objective.of(network, options.layer)
    image = to_image(picture, network.device)
    key = (options.seed, frame_index)
    return to_picture(dream(image, objective, first_plan(options), options.jitter, key))
