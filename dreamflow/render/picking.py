"""Channels picked once for a render, and remembered by its job."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dreamflow.journeys.picked import Picked, pick, picks, settled, told
from dreamflow.media.folder import job_path, read_facts
from dreamflow.media.metadata import ASKED
from dreamflow.networks import Network
from dreamflow.options import DreamOptions
from dreamflow.render.job import Handles

PICKED = "picked"
"""Key of a record under which it says what was picked, and by which words."""


def pick_once(
    dream: DreamOptions,
    network: Network,
    first: Callable[[], np.ndarray],
    out: Path,
    handles: Handles,
) -> tuple[DreamOptions, dict[str, Any]]:
    """Return settings whose channels are all by number, and what a record is to say of it.

    first: gives the picture by which they are picked, uint8 (H, W, 3) RGB, unless the job of the
    output has picked them already. What was picked is said. Raises SettingsError, see `pick`.
    """
    wanted = picks(dream)
    if not wanted:
        return dream, {}
    facts = None if handles.fresh else read_facts(job_path(out))
    kept: Picked = facts["record"].get(PICKED, {}) if facts else {}
    picked = kept if set(wanted) == set(kept) else pick(dream, network, first())
    for line in told(network, picked):
        handles.say(line)
    asked = {"layer": list(dream.layer), "channels": dream.channels}
    return settled(dream, picked), {PICKED: picked, ASKED: asked}
