"""The networks, and what of their weights is on this machine."""

from __future__ import annotations

import importlib.util
import warnings
from dataclasses import dataclass
from pathlib import Path

from dreamflow.errors import DependencyError, DreamFlowWarning
from dreamflow.networks import folders
from dreamflow.networks.published import (
    OWN,
    PREFIX,
    Published,
    Source,
    of_torchvision,
    well_known,
)

SUFFIXES = frozenset({".pth", ".pt", ".safetensors"})
OTHERS = ("raft_",)
"""How the names of files begin that are of no classifier."""


@dataclass(frozen=True)
class Kept:
    """A network and its weights. path: None where they are not on this machine."""

    network: str
    path: Path | None
    source: Source | None

    @property
    def state(self) -> str:
        """Where the weights are, or how to get them."""
        if self.path is not None:
            return "comes with DreamFlow" if self.path.parent == folders.SHIPPED else str(self.path)
        if self.source is None:
            return f"import a file: dreamflow models import FILE --network {self.network}"
        return f"dreamflow models pull {self.network}"


def kept_weights(every: bool = False) -> list[Kept]:
    """Return the networks and their weights; of torchvision's the well-known ones and those there.

    every: all of torchvision's classifiers. torchvision, and with it PyTorch, is only asked for
    them, or whose a file is that lies there under another name than theirs.
    """
    known = OWN | well_known()
    if importlib.util.find_spec("torchvision") is None:
        warnings.warn("torchvision is not installed", DreamFlowWarning, stacklevel=2)
        known = OWN
    elif every or strangers(known):
        try:
            rest = zoo_weights()
        except DependencyError as error:
            warnings.warn(str(error), DreamFlowWarning, stacklevel=2)
            rest = {}
        known |= {name: one for name, one in rest.items() if every or path_of(name, one)}
    names = [*OWN, *sorted(known.keys() - OWN.keys())]
    return [Kept(name, path_of(name, known[name]), known[name].source) for name in names]


def path_of(network: str, weights: Published) -> Path | None:
    """Return the file of a network's weights that is used, or None where there is none."""
    return folders.first_there(network, weights.filenames)


def strangers(known: dict[str, Published]) -> bool:
    """Return whether there are files that may be weights of other classifiers than the known."""
    named = {name for one in known.values() for name in one.filenames}
    return any(
        path.suffix in SUFFIXES and path.name not in named and not path.name.startswith(OTHERS)
        for folder in folders.weights_folders(PREFIX)
        if folder.is_dir()
        for path in folder.iterdir()
    )


def zoo_weights() -> dict[str, Published]:
    """Return the weights of all of torchvision's classifiers. Raises DependencyError."""
    from dreamflow.networks import zoo

    names = [PREFIX + name for name in zoo.classifier_names()]
    return {name: of_torchvision(name, zoo.classifier(name).urls) for name in names}
