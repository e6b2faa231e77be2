"""What each channel of a layer dreams on a picture."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from dreamflow.core.errors import DreamFlowWarning, SettingsError
from dreamflow.core.targets import Target
from dreamflow.core.tensors import picture_to_tensor
from dreamflow.dream.channel_picks import measure_channel_responses
from dreamflow.dream.options import DreamOptions
from dreamflow.media.resize import resize_picture
from dreamflow.networks.classes import resolve_channels
from dreamflow.networks.network import Network
from dreamflow.pipelines.image import dream_image
from dreamflow.reports.options import ChannelsOptions


def crop_centre_tile(picture: np.ndarray, side: int) -> np.ndarray:
    """Return the square in the middle of a uint8 (H, W, 3) picture, so many pixels a side."""
    height, width = picture.shape[:2]
    square = min(height, width)
    top, left = (height - square) // 2, (width - square) // 2
    return resize_picture(picture[top : top + square, left : left + square], side, side)


def parse_single_layer(options: DreamOptions) -> Target:
    """Return the layer whose channels are to be shown, or some of its channels.

    Raises SettingsError for several, for weights and for schedules.
    """
    if len(options.layer) != 1 or options.schedules or "=" in options.layer[0]:
        raise SettingsError(
            "a sheet shows the channels of one layer: give one --layer, and nothing on a schedule"
        )
    (target,) = options.layers.targets
    if target.pick:
        raise SettingsError("--order says which channels come first, and --count how many")
    return target


def select_channels(
    tile: np.ndarray, network: Network, target: Target, sheet_options: ChannelsOptions
) -> list[tuple[int, float]]:
    """Return the channels that a sheet shows, in its order, and how strongly each responds.

    tile: uint8 (H, W, 3) RGB, what is dreamed on. Raises SettingsError for what there is not, and
    warns where there are fewer than are asked for.
    """
    # A layer's own name is enough here, also where there are classes to choose of.
    whole = (
        () if target.is_whole_layer else resolve_channels(network.name, network.all_layers, target)
    )
    strength = measure_channel_responses(
        network, target.layer, picture_to_tensor(tile, network.device)
    ).tolist()
    found = [(channel, strength[channel]) for channel in whole or range(len(strength))]
    if sheet_options.order != "number":
        found.sort(key=lambda pair: pair[1], reverse=sheet_options.order == "strongest")
    if sheet_options.count > len(found):
        warnings.warn(
            f"--count {sheet_options.count}: {target} has {len(found)}, all of which are shown",
            DreamFlowWarning,
            3,
        )
    # Channels that are named are all wanted.
    count = sheet_options.count or (len(found) if whole else sheet_options.DEFAULT_COUNT)
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
