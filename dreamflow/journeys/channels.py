"""What each channel of a layer dreams on a picture."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from dreamflow.dream.pick import responses
from dreamflow.errors import DreamFlowWarning, SettingsError
from dreamflow.journeys.edge import to_image
from dreamflow.journeys.still import dream_image
from dreamflow.media.readers import fitted
from dreamflow.networks import Network
from dreamflow.networks.classes import channels_of
from dreamflow.options import ChannelsOptions, DreamOptions
from dreamflow.target import Target, parse_target


def tile_of(picture: np.ndarray, side: int) -> np.ndarray:
    """Return the square in the middle of a uint8 (H, W, 3) picture, so many pixels a side."""
    height, width = picture.shape[:2]
    square = min(height, width)
    top, left = (height - square) // 2, (width - square) // 2
    return fitted(picture[top : top + square, left : left + square], side, side)


def one_layer(options: DreamOptions) -> Target:
    """Return the layer whose channels are to be shown, or some of its channels.

    Raises SettingsError for several, for weights and for schedules.
    """
    if len(options.layer) != 1 or options.schedules or "=" in options.layer[0]:
        raise SettingsError(
            "a sheet shows the channels of one layer: give one --layer, and nothing on a schedule"
        )
    target = parse_target(options.layer[0])
    if target.pick:
        raise SettingsError("--order says which channels come first, and --count how many")
    return target


def chosen_channels(
    tile: np.ndarray, network: Network, target: Target, sheet: ChannelsOptions
) -> list[tuple[int, float]]:
    """Return the channels that a sheet shows, in its order, and how strongly each responds.

    tile: uint8 (H, W, 3) RGB, what is dreamed on. Raises SettingsError for what there is not, and
    warns where there are fewer than are asked for.
    """
    # A layer's own name is enough here, also where there are classes to choose of.
    whole = () if target.whole else channels_of(network.name, network.all_layers, target)
    strength = responses(network, target.layer, to_image(tile, network.device)).tolist()
    found = [(channel, strength[channel]) for channel in whole or range(len(strength))]
    if sheet.order != "number":
        found.sort(key=lambda pair: pair[1], reverse=sheet.order == "strongest")
    if sheet.count > len(found):
        warnings.warn(
            f"--count {sheet.count}: {target} has {len(found)}, all of which are shown",
            DreamFlowWarning,
            3,
        )
    # Channels that are named are all wanted.
    count = sheet.count or (len(found) if whole else sheet.USUAL_COUNT)
    return found[:count]


def dream_channels(
    tile: np.ndarray, network: Network, layer: str, channels: list[int], options: DreamOptions
) -> Iterator[np.ndarray]:
    """Yield the dream of a picture on each channel of a layer by itself, as it is finished."""
    options = replace(options, channels=None)
    for channel in channels:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DreamFlowWarning)  # the sheet says what is silent
            dreamed = dream_image(tile, network, f"{layer}:{channel}", options)
        yield dreamed
