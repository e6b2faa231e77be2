"""Channels picked once for a render, and remembered by its job."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dreamflow.dream.options import DreamOptions
from dreamflow.jobs.job import RenderControls
from dreamflow.jobs.storage.folder import job_folder_path, read_job_file
from dreamflow.media.write.metadata import REQUESTED_SETTINGS_KEY
from dreamflow.networks.network import Network
from dreamflow.pipelines.channel_choice import (
    PickedChannels,
    apply_channel_picks,
    describe_channel_picks,
    find_channel_picks,
    make_channel_picks,
)

PICKED_KEY = "picked"
"""Key of a record under which it says what was picked, and by which words."""


def resolve_channel_picks(
    dream: DreamOptions,
    network: Network,
    read_first_picture: Callable[[], np.ndarray],
    out: Path,
    controls: RenderControls,
) -> tuple[DreamOptions, dict[str, Any]]:
    """Return settings whose channels are all by number, and what a record is to say of it.

    first: gives the picture by which they are picked, uint8 (H, W, 3) RGB, unless the job of the
    output has picked them already. What was picked is said. Raises SettingsError, see `pick`.
    """
    wanted = find_channel_picks(dream)
    if not wanted:
        return dream, {}
    facts = None if controls.fresh else read_job_file(job_folder_path(out))
    kept: PickedChannels = facts["record"].get(PICKED_KEY, {}) if facts else {}
    picked = (
        kept
        if set(map(str, wanted)) == set(kept)
        else make_channel_picks(dream, network, read_first_picture())
    )
    for line in describe_channel_picks(network, picked):
        controls.notify(line)
    asked = {"layer": list(dream.layer), "channels": dream.channels}
    return apply_channel_picks(dream, picked), {PICKED_KEY: picked, REQUESTED_SETTINGS_KEY: asked}
