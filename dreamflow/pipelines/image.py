"""One picture, dreamed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from dreamflow.core.schedules.timecode import Moment
from dreamflow.core.tensors import picture_to_tensor, tensor_to_picture
from dreamflow.dream.gradient_shaping import GradientShaping
from dreamflow.dream.objective import Objective
from dreamflow.dream.octaves import dream_octaves, plan_octaves
from dreamflow.dream.options import DreamOptions
from dreamflow.dream.progress import StepCallback
from dreamflow.media.read.matte_fitting import fit_matte_array
from dreamflow.networks.network import Network
from dreamflow.pipelines.channel_choice import apply_channel_picks, make_channel_picks
from dreamflow.pipelines.compositor import composite
from dreamflow.pipelines.reference_frames import open_reference_frames
from dreamflow.pipelines.settings.options import ShowOptions
from dreamflow.temporal.noise_base import noise_base_of


def dream_image(
    picture: np.ndarray,
    network: Network,
    layer: str | Sequence[str] | None = None,
    options: DreamOptions | None = None,
    frame_index: int = 0,
    *,
    strength: float = ShowOptions.strength,
    matte: np.ndarray | None = None,
    on_step: StepCallback | None = None,
) -> np.ndarray:
    """Dream a single picture.

    picture: uint8 (H, W, 3), RGB; so is the result. layer: a layer's name, one of the other
    targets of `dreamflow.core.targets`, or several as `NAME=WEIGHT`; None takes those of `options`.
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
    where = None if matte is None else fit_matte_array(matte, width, height)
    options = options or DreamOptions()
    if layer is not None:
        options = replace(options, layer=(layer,) if isinstance(layer, str) else tuple(layer))
    options = options.at(Moment())
    options = apply_channel_picks(options, make_channel_picks(options, network, picture))
    blend = options.layers.at(Moment())
    exemplars = open_reference_frames(network, options)
    exemplar = exemplars.at(Fraction(0)) if exemplars else None
    objective = Objective(network, blend, exemplar, options.guidance)
    image = noise_base_of(picture_to_tensor(picture, network.device), options)
    if options.iterations == 0:
        return picture.copy()
    key = (options.seed, frame_index)
    plan, shaping = plan_octaves(options), GradientShaping.from_options(options)
    dreamed = dream_octaves(
        image, objective, plan, options.jitter, key, shaping=shaping, on_step=on_step
    )
    objective.warn_if_unchanged(image, dreamed)
    return composite(tensor_to_picture(dreamed), picture, strength, where)
