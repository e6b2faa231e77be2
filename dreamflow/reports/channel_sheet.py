"""A contact sheet of what each channel of a layer dreams on a picture."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import cast

import numpy as np

from dreamflow.core.callbacks import ProgressCallback
from dreamflow.core.errors import (
    DreamFlowWarning,
    IneffectiveSettingWarning,
    OutputError,
    SettingsError,
    named,
)
from dreamflow.core.frames import Frame
from dreamflow.core.targets import CLASS_LAYER, Target
from dreamflow.core.tensors import picture_to_tensor
from dreamflow.dream.objective.channel_picks import measure_channel_responses
from dreamflow.dream.options import DreamOptions
from dreamflow.media.resize import resize_picture
from dreamflow.networks.classes import load_class_names, resolve_channels
from dreamflow.networks.network import Network
from dreamflow.pipelines.image import dream_image
from dreamflow.reports.contact_sheet import draw_contact_sheet
from dreamflow.reports.guide.workers import LayerWorkers
from dreamflow.reports.options import ChannelsOptions


def make_channel_sheet(
    picture: np.ndarray,
    network: Network,
    options: DreamOptions,
    sheet_options: ChannelsOptions | None = None,
    progress: ProgressCallback = lambda done, total: None,
    workers: LayerWorkers | None = None,
) -> np.ndarray:
    """Draw what each channel of a layer dreams on the middle of a picture.

    Args:
        picture: uint8 (H, W, 3) RGB.
        network: Network to dream with.
        options: Settings of the dream, with one layer. Of the layer `class`, the sheet shows what
            the network sees in the picture.
        sheet_options: Which channels are shown, and how large; None is the defaults.
        progress: Called with the channels dreamed so far, and their total.
        workers: Dream several channels at the same time; None dreams them in this process.

    Returns:
        The sheet, uint8 (H, W, 3) RGB.

    Raises:
        SettingsError: The network does not have the layer or a channel, or the tile is too small.
    """
    sheet_options = sheet_options or ChannelsOptions()
    target = parse_single_layer(options)
    tile = crop_centre_tile(picture, sheet_options.tile)
    min_side = network.layer(target.layer).smallest
    if sheet_options.tile < min_side:
        raise SettingsError(
            f"{named('tile')} {sheet_options.tile} is too small for {target.layer}, which needs "
            f"{min_side} pixels",
            setting="tile",
            value=sheet_options.tile,
            allowed=f"at least {min_side}",
        )
    channels = [channel for channel, _ in select_channels(tile, network, target, sheet_options)]
    class_names = load_class_names(network.name) if target.layer == CLASS_LAYER else ()
    progress(0, len(channels))
    dreams = dream_channels(tile, network, target.layer, channels, options, workers)
    picture_by_channel: dict[int, np.ndarray] = {}
    for done, (channel, dreamed) in enumerate(dreams, start=1):
        picture_by_channel[channel] = dreamed
        progress(done, len(channels))
    pictures, labels = [tile], [target.layer]
    for channel in channels:
        dreamed = picture_by_channel[channel]
        silent = " (silent)" if np.array_equal(dreamed, tile) else ""
        pictures.append(dreamed)
        labels.append(f"{channel} {class_names[channel]}" if class_names else f"{channel}{silent}")
    return draw_contact_sheet(pictures, labels)


def default_sheet_path(source: Path, options: DreamOptions) -> Path:
    """Return the default name of a sheet, such as `meadow_inception_4c-output.png`."""
    layer = parse_single_layer(options).layer.replace("/", "-")
    return Path(f"{source.stem}_{layer}.png")


def crop_centre_tile(picture: np.ndarray, side: int) -> np.ndarray:
    """Return the central square of a uint8 (H, W, 3) picture, resized to a side in pixels."""
    height, width = picture.shape[:2]
    square = min(height, width)
    top, left = (height - square) // 2, (width - square) // 2
    return resize_picture(picture[top : top + square, left : left + square], side, side)


def parse_single_layer(options: DreamOptions) -> Target:
    """Return the layer, or the channels of a layer, that a sheet shows.

    Raises:
        SettingsError: There are several layers, weights, schedules, or a pick of channels.
    """
    if len(options.layer) != 1 or options.schedules or "=" in options.layer[0]:
        raise SettingsError(
            f"a sheet shows the channels of one layer: give one {named('layer')}, without a "
            "weight, and no schedule",
            setting="layer",
            value=options.layer,
        )
    (target,) = options.layers.targets
    if target.pick:
        raise SettingsError(
            f"a sheet picks channels with {named('order')} and {named('count')}: leave the pick "
            f"out of {named('layer')}",
            setting="layer",
            value=options.layer[0],
        )
    return target


def select_channels(
    tile: np.ndarray, network: Network, target: Target, sheet_options: ChannelsOptions
) -> list[tuple[int, float]]:
    """Return the channels that a sheet shows, in its order, with the response of each.

    Warns where there are fewer channels than asked for.

    Args:
        tile: The picture that is dreamed on, uint8 (H, W, 3) RGB.
        network: The network.
        target: A layer, or the channels of it to choose from.
        sheet_options: The order, and how many.

    Raises:
        SettingsError: The network does not have the layer or a channel.
    """
    named_channels: Sequence[int] = ()
    if not target.is_whole_layer:
        named_channels = resolve_channels(network.name, network.all_layers, target)
    image = picture_to_tensor(tile, network.device)
    measured = measure_channel_responses(network, target.layer, image)
    responses = cast("list[float]", measured.tolist())
    selected = [
        (channel, responses[channel]) for channel in named_channels or range(len(responses))
    ]
    if sheet_options.order != "number":
        selected.sort(key=lambda pair: pair[1], reverse=sheet_options.order == "strongest")
    if sheet_options.count > len(selected):
        warnings.warn(
            f"{named('count')} {sheet_options.count}: {target} has {len(selected)}, all of "
            "which are shown",
            IneffectiveSettingWarning,
            3,
        )
    # Channels that are named are all shown.
    default_count = len(selected) if named_channels else sheet_options.DEFAULT_COUNT
    return selected[: sheet_options.count or default_count]


def dream_channels(
    tile: np.ndarray,
    network: Network,
    layer: str,
    channels: Sequence[int],
    options: DreamOptions,
    workers: LayerWorkers | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield each channel of a layer with the dream of a picture on it alone, as it is finished.

    Raises:
        DreamFlowError: A dream fails.
    """
    options = replace(options, channels=None)
    channel_by_target = {f"{layer}:{channel}": channel for channel in channels}
    if workers is None:
        for target, channel in channel_by_target.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DreamFlowWarning)  # the sheet labels silent ones
                dreamed = dream_image(tile, network, target, options)
            yield channel, dreamed
        return
    frame = Frame(0, Fraction(0), tile)
    for answer in workers.dream_layers(frame, channel_by_target, options, warns=False):
        if answer.picture is None:
            raise OutputError(f"{answer.layer}: {answer.failure}")
        yield channel_by_target[answer.layer], answer.picture
