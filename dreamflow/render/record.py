"""The settings that are kept with an output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from dreamflow import __version__
from dreamflow.media.metadata import MARK
from dreamflow.networks import Network
from dreamflow.options import as_dict
from dreamflow.settings import Options


def settings_record(
    command: str, source: Path, network: Network, *groups: Options
) -> dict[str, Any]:
    """Return what is kept with an output: enough to render it again, on this source or another."""
    return {
        MARK: __version__,
        "command": command,
        "settings": as_dict(*groups),
        "network": {"name": network.name, "weights_sha256": network.weights_hash},
        # A name that is not in the system's encoding could not be written as JSON.
        "source": source.name.encode(errors="replace").decode(),
        "torch": torch.__version__,
        "device": network.device.type,
        "threads": torch.get_num_threads(),
        "precision": network.precision,
    }
