"""The networks, and what of their weights is on this machine."""

from __future__ import annotations

import importlib.util
import warnings
from dataclasses import dataclass
from pathlib import Path

from dreamflow.core.errors import DependencyError, DreamFlowWarning
from dreamflow.networks.weights import folders
from dreamflow.networks.weights.registry import (
    BUILTIN_NETWORK_WEIGHTS,
    TORCHVISION_PREFIX,
    PublishedWeights,
    WeightsSource,
    list_featured_torchvision_weights,
    make_torchvision_weights,
)

WEIGHTS_FILE_SUFFIXES = frozenset({".pth", ".pt", ".safetensors"})
NON_CLASSIFIER_PREFIXES = ("raft_",)
"""How the names of files begin that are of no classifier."""


@dataclass(frozen=True)
class WeightsStatus:
    """A network and its weights. path: None where they are not on this machine."""

    network: str
    path: Path | None
    source: WeightsSource | None

    @property
    def location_text(self) -> str:
        """Where the weights are, or how to get them."""
        if self.path is not None:
            return (
                "comes with DreamFlow"
                if self.path.parent == folders.SHIPPED_WEIGHTS_FOLDER
                else str(self.path)
            )
        if self.source is None:
            return f"import a file: dreamflow models import FILE --network {self.network}"
        return f"dreamflow models pull {self.network}"


def list_weights(all_torchvision: bool = False) -> list[WeightsStatus]:
    """Return the networks and their weights; of torchvision's the well-known ones and those there.

    every: all of torchvision's classifiers. torchvision, and with it PyTorch, is only asked for
    them, or whose a file is that lies there under another name than theirs.
    """
    known = BUILTIN_NETWORK_WEIGHTS | list_featured_torchvision_weights()
    if importlib.util.find_spec("torchvision") is None:
        warnings.warn("torchvision is not installed", DreamFlowWarning, stacklevel=2)
        known = BUILTIN_NETWORK_WEIGHTS
    elif all_torchvision or has_unlisted_weights(known):
        try:
            rest = list_torchvision_weights()
        except DependencyError as error:
            warnings.warn(str(error), DreamFlowWarning, stacklevel=2)
            rest = {}
        known |= {
            name: one
            for name, one in rest.items()
            if all_torchvision or find_local_weights(name, one)
        }
    names = [*BUILTIN_NETWORK_WEIGHTS, *sorted(known.keys() - BUILTIN_NETWORK_WEIGHTS.keys())]
    return [
        WeightsStatus(name, find_local_weights(name, known[name]), known[name].source)
        for name in names
    ]


def find_local_weights(network: str, weights: PublishedWeights) -> Path | None:
    """Return the file of a network's weights that is used, or None where there is none."""
    return folders.search_weights_folders(network, weights.filenames)


def has_unlisted_weights(known: dict[str, PublishedWeights]) -> bool:
    """Return whether there are files that may be weights of other classifiers than the known."""
    named = {name for one in known.values() for name in one.filenames}
    return any(
        path.suffix in WEIGHTS_FILE_SUFFIXES
        and path.name not in named
        and not path.name.startswith(NON_CLASSIFIER_PREFIXES)
        for folder in folders.list_weights_folders(TORCHVISION_PREFIX)
        if folder.is_dir()
        for path in folder.iterdir()
    )


def list_torchvision_weights() -> dict[str, PublishedWeights]:
    """Return the weights of all of torchvision's classifiers. Raises DependencyError."""
    from dreamflow.networks.traced import torchvision_zoo as zoo

    names = [TORCHVISION_PREFIX + name for name in zoo.list_classifier_names()]
    return {
        name: make_torchvision_weights(name, zoo.find_classifier_info(name).urls) for name in names
    }
