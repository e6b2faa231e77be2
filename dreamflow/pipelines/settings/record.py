"""The record of an output: the settings that are kept with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from dreamflow._version import __version__
from dreamflow.core.options.declaration import Options
from dreamflow.media.embedded_settings import RECORD_VERSION_KEY
from dreamflow.networks.network import Network
from dreamflow.pipelines.settings.groups import saved_settings_dict


def build_settings_record(
    command: str, source: Path, network: Network, *groups: Options
) -> dict[str, Any]:
    """Return the record of an output: enough to render it again, on this source or another.

    Args:
        command: The command that makes such outputs, such as `video`.
        source: The clip or picture that is dreamed.
        network: The network, on its compute device.
        *groups: All settings.
    """
    return {
        RECORD_VERSION_KEY: __version__,
        "command": command,
        "settings": saved_settings_dict(*groups),
        "network": {"name": network.name, "weights_sha256": network.weights_hash},
        # JSON cannot hold a name that is not in the system's encoding.
        "source": source.name.encode(errors="replace").decode(),
        "torch": torch.__version__,
        "device": network.device.type,
        "threads": torch.get_num_threads(),
        "precision": network.precision,
    }
