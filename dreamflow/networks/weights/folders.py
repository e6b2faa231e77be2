"""The folders that weights are looked for in. Nothing here needs PyTorch."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import platformdirs

from dreamflow.networks.weights.registry import TORCHVISION_PREFIX

SHIPPED_WEIGHTS_FOLDER = Path(__file__).parent.parent / "shipped"
"""Weights that come with DreamFlow."""


def list_user_weights_folders() -> list[Path]:
    """Return the folders for weights that are the user's, first one first; new ones go there."""
    home = os.environ.get("DREAMFLOW_HOME")
    folders = [Path(home) / "weights"] if home else []
    return [*folders, Path(platformdirs.user_cache_dir("dreamflow")) / "weights"]


def find_torch_hub_folder() -> Path:
    """Return the folder that torchvision itself downloads weights into."""
    if torch := sys.modules.get("torch"):
        return Path(torch.hub.get_dir()) / "checkpoints"
    # As PyTorch finds it, which takes two seconds to be asked.
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))
    return Path(os.path.expanduser(home)) / "hub" / "checkpoints"


def list_weights_folders(network: str) -> list[Path]:
    """Return the folders that are searched for a network's weights, first one first.

    torchvision's own are used where another program has fetched them before.
    """
    return [
        *list_user_weights_folders(),
        find_torch_hub_folder()
        if network.startswith(TORCHVISION_PREFIX)
        else SHIPPED_WEIGHTS_FOLDER,
    ]


def search_weights_folders(network: str, filenames: Iterable[str]) -> Path | None:
    """Return the first file of these names that there is for a network, or None."""
    names = list(filenames)
    paths = (folder / name for folder in list_weights_folders(network) for name in names)
    return next((path for path in paths if path.is_file()), None)
