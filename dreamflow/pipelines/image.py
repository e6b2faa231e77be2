"""One picture, dreamed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from dreamflow.core.schedules.timecode import Moment
from dreamflow.core.tensors import picture_to_tensor, tensor_to_picture
from dreamflow.dream.gradient_shaping import GradientShaping
from dreamflow.dream.objective.objective import Objective
from dreamflow.dream.octaves import dream_octaves, look_scale_of, plan_octaves
from dreamflow.dream.options import DreamOptions
from dreamflow.dream.progress import StepCallback
from dreamflow.media.picture_input import PictureInput, as_picture
from dreamflow.media.read.mattes.matte_fitting import fit_matte_array
from dreamflow.networks.loading import as_network
from dreamflow.networks.network import Network
from dreamflow.pipelines.channel_choice import apply_channel_picks, make_channel_picks
from dreamflow.pipelines.compositor import composite
from dreamflow.pipelines.settings.keywords import KeywordSettings
from dreamflow.pipelines.settings.options import ShowOptions
from dreamflow.pipelines.video.reference_frames import open_reference_frames
from dreamflow.temporal.noise_base import noise_base_of


def dream_image(
    picture: PictureInput,
    network: Network | str | None = None,
    layer: str | Sequence[str] | None = None,
    options: DreamOptions | None = None,
    frame_index: int = 0,
    *,
    strength: float = ShowOptions.strength,
    matte: np.ndarray | None = None,
    on_step: StepCallback | None = None,
    preset: str | None = None,
    **settings: Any,
) -> np.ndarray:
    """Dream a single picture.

    Args:
        picture: uint8 (H, W, 3) RGB, an image of Pillow's, or the path of a picture.
        network: The network, on its compute device; a name loads one, None
            the default, each time anew.
        layer: A target (`dreamflow.core.targets`), or several as `NAME=WEIGHT`; None takes those of
            `options`.
        options: Settings of the dream. A picture has no time: of schedules and of a reference clip,
            the first moment counts.
        frame_index: Keys the random shifts, as the number of a clip's frame does.
        strength: How much of the dream is shown: 0 is the picture, 1 the dream, 2 twice the change.
        matte: Where the dream is shown: (H, W) or (H, W, 3), uint8 from 0 to 255, bool, or floats
            from 0 to 1. Another size of the same aspect is scaled.
        on_step: Called after each step of gradient ascent; what it raises ends the dream.
        preset: Name of a preset, or path of a .toml file: its settings override those of `options`.
        **settings: Single settings of the dream by name, such as `octaves=5`; they override the
            preset.

    Returns:
        uint8 (H, W, 3) RGB.

    Raises:
        SettingsError: A setting is unknown or out of range, the network lacks a target, the picture
            is too small for it or no picture, or the matte does not fit.
        MediaError: The picture cannot be read.
    """
    given = KeywordSettings.read("dream_image", preset, settings, DreamOptions)
    options = given.over(options or DreamOptions())
    network = as_network(network or options.network)
    picture = as_picture(picture)
    strength = ShowOptions(strength=strength).at(Moment()).strength
    height, width = picture.shape[:2]
    fitted_matte = None if matte is None else fit_matte_array(matte, width, height)
    if layer is not None:
        options = replace(options, layer=(layer,) if isinstance(layer, str) else tuple(layer))
    options = options.at(Moment())
    options = apply_channel_picks(options, make_channel_picks(options, network, picture))
    references = open_reference_frames(network, options)
    reference = references.at(Fraction(0)) if references else None
    blend = options.layers.at(Moment())
    objective = Objective(network, blend, reference, options.guidance)
    image = noise_base_of(picture_to_tensor(picture, network.device), options)
    if options.iterations == 0:
        return picture.copy()
    dream = dream_octaves(
        image,
        objective,
        plan_octaves(options, look_scale_of(options, height, width)),
        options.jitter,
        (options.seed, frame_index),
        shaping=GradientShaping.from_options(options, objective.stride),
        on_step=on_step,
    )
    objective.warn_if_unchanged(image, dream)
    return composite(tensor_to_picture(dream), picture, strength, fitted_matte)
