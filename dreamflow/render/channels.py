"""A contact sheet of a layer's channels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dreamflow.errors import SettingsError
from dreamflow.journeys.channels import chosen_channels, dream_channels, one_layer, tile_of
from dreamflow.journeys.sheet import contact_sheet
from dreamflow.networks import Network
from dreamflow.networks.classes import class_names
from dreamflow.options import ChannelsOptions, DreamOptions
from dreamflow.render.job import Follow
from dreamflow.target import CLASS


def channel_sheet(
    picture: np.ndarray,
    network: Network,
    options: DreamOptions,
    sheet: ChannelsOptions | None = None,
    progress: Follow = lambda done, total: None,
) -> np.ndarray:
    """Return a sheet of what each channel of a layer dreams on the middle of a picture.

    picture: uint8 (H, W, 3) RGB; so is the sheet. options: their one layer is shown; of `class`,
    what the network sees in the picture. Raises SettingsError for a layer or channel that there is
    not, or a tile that is too small for it.
    """
    sheet = sheet or ChannelsOptions()
    target = one_layer(options)
    tile = tile_of(picture, sheet.tile)
    smallest = network.layer(target.layer).smallest
    if sheet.tile < smallest:
        raise SettingsError(
            f"--tile {sheet.tile} is too small for {target.layer}, which needs {smallest} pixels"
        )
    chosen = chosen_channels(tile, network, target, sheet)
    names = class_names(network.name) if target.layer == CLASS else ()
    pictures, labels = [tile], [target.layer]
    channels = [channel for channel, _ in chosen]
    progress(0, len(channels))
    for dreamed in dream_channels(tile, network, target.layer, channels, options):
        channel = channels[len(labels) - 1]
        silent = " (silent)" if np.array_equal(dreamed, tile) else ""
        pictures.append(dreamed)
        labels.append(f"{channel} {names[channel]}" if names else f"{channel}{silent}")
        progress(len(labels) - 1, len(channels))
    return contact_sheet(pictures, labels)


def sheet_path(source: Path, options: DreamOptions) -> Path:
    """Return where a sheet goes when nothing says: `meadow_inception_4c-output.png`, here."""
    layer = one_layer(options).layer.replace("/", "-")
    return Path(f"{source.stem}_{layer}.png")
