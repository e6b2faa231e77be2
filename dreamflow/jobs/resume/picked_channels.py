"""Channels that are picked by the first picture of a render, and kept by its job."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dreamflow.dream.options import DreamOptions
from dreamflow.jobs.controls import RenderControls
from dreamflow.jobs.storage.folder import job_folder_path
from dreamflow.jobs.storage.job_file import read_job_file
from dreamflow.media.records.embedded_settings import REQUESTED_SETTINGS_KEY
from dreamflow.networks.network import Network
from dreamflow.pipelines.channel_choice import (
    PickedChannels,
    apply_channel_picks,
    describe_channel_picks,
    find_channel_picks,
    make_channel_picks,
)

PICKED_KEY = "picked"
"""Key of a record: the channels of each pick, by its target as it was given."""


def resolve_channel_picks(
    dream: DreamOptions,
    network: Network,
    read_first_picture: Callable[[], np.ndarray],
    out: Path,
    controls: RenderControls,
) -> tuple[DreamOptions, dict[str, Any]]:
    """Return settings whose channels are all given by number, and the picks for the record.

    Args:
        dream: Settings that may have picks, such as `strongest 5`.
        network: The network.
        read_first_picture: Returns the picture to pick by, uint8 (H, W, 3) RGB. It is not called
            where the output's job has picked already.
        out: The output.
        controls: Its `notify` is called with what was picked.

    Returns:
        The settings, and what the record gets: {} where there is nothing to pick.

    Raises:
        SettingsError: The network lacks a layer, or the layer has too few channels.
    """
    names = find_channel_picks(dream)
    if not names:
        return dream, {}
    metadata = None if controls.fresh else read_job_file(job_folder_path(out))
    picked: PickedChannels = metadata["record"].get(PICKED_KEY, {}) if metadata else {}
    if set(map(str, names)) != set(picked):
        picked = make_channel_picks(dream, network, read_first_picture())
    for line in describe_channel_picks(network, picked):
        controls.notify(line)
    requested = {"layer": list(dream.layer), "channels": dream.channels}
    return apply_channel_picks(dream, picked), {
        PICKED_KEY: picked,
        REQUESTED_SETTINGS_KEY: requested,
    }
