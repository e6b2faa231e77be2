"""One picture, dreamed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from dreamflow.clock import Moment
from dreamflow.dream import Objective, Shaping, dream, first_plan
from dreamflow.journeys.edge import to_picture
from dreamflow.journeys.exemplars import open_exemplars
from dreamflow.journeys.ground import ground_of
from dreamflow.journeys.picked import pick, settled
from dreamflow.journeys.shown import as_matte, shown
from dreamflow.networks import Network
from dreamflow.options import DreamOptions, ShowOptions


def dream_image(
    picture: np.ndarray,
    network: Network,
    layer: str | Sequence[str] | None = None,
    options: DreamOptions | None = None,
    frame_index: int = 0,
    *,
    strength: float = ShowOptions.strength,
    matte: np.ndarray | None = None,
) -> np.ndarray:
    """Dream a single picture.

    picture: uint8 (H, W, 3), RGB; so is the result. layer: a layer's name, one of the other
    targets of `dreamflow.target`, or several as `NAME=WEIGHT`; None takes those of `options`.
    options: how hard; None is the defaults; of a schedule, and of a clip that guides, the beginning
    counts, since a picture has no time.
    frame_index: keys the random shifts, as a clip's frame number does. strength: how much of the
    dream is shown, from 0, the picture, over 1, the dream, to 2. matte: where it is shown, (H, W)
    or (H, W, 3): uint8 from 0 to 255, bool, or floats from 0 to 1; it may be of another size.
    Raises SettingsError for an unknown layer, a picture too small for it, or a matte of another
    shape.
    """
    strength = ShowOptions(strength=strength).at(Moment()).strength
    height, width = picture.shape[:2]
    where = None if matte is None else as_matte(matte, width, height)
    options = options or DreamOptions()
    if layer is not None:
        options = replace(options, layer=(layer,) if isinstance(layer, str) else tuple(layer))
    options = options.at(Moment())
    options = settled(options, pick(options, network, picture))
    exemplars = open_exemplars(network, options)
    exemplar = exemplars.at(Fraction(0)) if exemplars else None
    objective = Objective.of(network, options.layer, exemplar, options.guidance)
    image = ground_of(picture, options, network.device)
    if options.iterations == 0:
        return picture.copy()
    key = (options.seed, frame_index)
    plan, shaping = first_plan(options), Shaping.of(options)
    dreamed = dream(image, objective, plan, options.jitter, key, shaping=shaping)
    objective.warn_if_silent(image, dreamed)
    return shown(to_picture(dreamed), picture, strength, where)
