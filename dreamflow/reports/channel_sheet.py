"""A contact sheet of a layer's channels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dreamflow.core.callbacks import ProgressCallback
from dreamflow.core.errors import SettingsError
from dreamflow.core.targets import CLASS_LAYER
from dreamflow.dream.options import DreamOptions
from dreamflow.networks.classes import load_class_names
from dreamflow.networks.network import Network
from dreamflow.reports.channels import (
    crop_centre_tile,
    dream_channels,
    parse_single_layer,
    select_channels,
)
from dreamflow.reports.contact_sheet import draw_contact_sheet
from dreamflow.reports.options import ChannelsOptions


def make_channel_sheet(
    picture: np.ndarray,
    network: Network,
    options: DreamOptions,
    sheet_options: ChannelsOptions | None = None,
    progress: ProgressCallback = lambda done, total: None,
) -> np.ndarray:
    """Return a sheet of what each channel of a layer dreams on the middle of a picture.

    picture: uint8 (H, W, 3) RGB; so is the sheet. options: their one layer is shown; of `class`,
    what the network sees in the picture. Raises SettingsError for a layer or channel that there is
    not, or a tile that is too small for it.
    """
    sheet_options = sheet_options or ChannelsOptions()
    target = parse_single_layer(options)
    tile = crop_centre_tile(picture, sheet_options.tile)
    smallest = network.layer(target.layer).smallest
    if sheet_options.tile < smallest:
        raise SettingsError(
            f"--tile {sheet_options.tile} is too small for {target.layer}, which needs {smallest} pixels"
        )
    chosen = select_channels(tile, network, target, sheet_options)
    names = load_class_names(network.name) if target.layer == CLASS_LAYER else ()
    pictures, labels = [tile], [target.layer]
    channels = [channel for channel, _ in chosen]
    progress(0, len(channels))
    for dreamed in dream_channels(tile, network, target.layer, channels, options):
        channel = channels[len(labels) - 1]
        silent = " (silent)" if np.array_equal(dreamed, tile) else ""
        pictures.append(dreamed)
        labels.append(f"{channel} {names[channel]}" if names else f"{channel}{silent}")
        progress(len(labels) - 1, len(channels))
    return draw_contact_sheet(pictures, labels)


def default_sheet_path(source: Path, options: DreamOptions) -> Path:
    """Return where a sheet goes when nothing says: `meadow_inception_4c-output.png`, here."""
    layer = parse_single_layer(options).layer.replace("/", "-")
    return Path(f"{source.stem}_{layer}.png")
