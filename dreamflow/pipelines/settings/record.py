"""The record of an output: the settings that are kept with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from dreamflow._version import __version__
from dreamflow.core.options.declaration import Options
from dreamflow.media.records.embedded_settings import RECORD_VERSION_KEY
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
        "settings": {
            name: _without_halves(value) for name, value in saved_settings_dict(*groups).items()
        },
        "network": {"name": network.name, "weights_sha256": network.weights_hash},
        "source": _without_halves(source.name),
        "torch": torch.__version__,
        "device": network.device.type,
        "threads": torch.get_num_threads(),
        "precision": network.precision,
    }


def _without_halves(value: Any) -> Any:
    """Return a value as JSON can hold it: a byte of a name that is not UTF-8 becomes `?`."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else value
