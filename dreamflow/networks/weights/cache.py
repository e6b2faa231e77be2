"""Weights files on this machine: the folders that they lie in, and which network has which file.

Nothing here imports PyTorch, unless a file has a name that only torchvision knows.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from dreamflow.core.errors import DependencyError, DependencyWarning, WeightsError, named
from dreamflow.networks.weights.registry import (
    BUILTIN_NETWORK_WEIGHTS,
    TORCHVISION_PREFIX,
    PublishedWeights,
    WeightsSource,
    list_featured_torchvision_weights,
    make_torchvision_weights,
)

SHIPPED_WEIGHTS_FOLDER = Path(__file__).parent.parent / "shipped"
"""Folder of the weights that come with DreamFlow."""
WEIGHTS_FILE_SUFFIXES = frozenset({".pth", ".pt", ".safetensors"})
"""Suffixes of files that may be weights of torchvision's classifiers."""
NON_CLASSIFIER_PREFIXES = ("raft_",)
"""Prefixes of the names of files that are weights, but not a classifier's."""


@dataclass(frozen=True)
class WeightsStatus:
    """A network and its weights.

    Attributes:
        network: As `load_network` takes it.
        path: Of the file that is used; None where there is none on this machine.
        source: Where they are published; None where they cannot be fetched.
    """

    network: str
    path: Path | None
    source: WeightsSource | None

    @property
    def location_text(self) -> str:
        """Where the weights are, or how to get them."""
        if self.path is not None:
            is_shipped = self.path.parent == SHIPPED_WEIGHTS_FOLDER
            return "comes with DreamFlow" if is_shipped else str(self.path)
        if self.source is None:
            return f"import a file: dreamflow models import FILE --network {self.network}"
        return f"dreamflow models pull {self.network}"


def list_user_weights_folders() -> list[Path]:
    """Return the user's folders for weights, in the order of search; new files go to the first."""
    home = os.environ.get("DREAMFLOW_HOME")
    folders = [Path(home) / "weights"] if home else []
    return [*folders, Path(platformdirs.user_cache_dir("dreamflow")) / "weights"]


def find_torch_hub_folder() -> Path:
    """Return the folder that torchvision itself downloads weights into."""
    if torch := sys.modules.get("torch"):
        return Path(torch.hub.get_dir()) / "checkpoints"
    # The rule of torch.hub.get_dir(), since importing PyTorch to ask it takes two seconds.
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))
    return Path(os.path.expanduser(home)) / "hub" / "checkpoints"


def list_weights_folders(network: str) -> list[Path]:
    """Return the folders that are searched for a network's weights, in the order of search.

    They are the user's, then PyTorch's for a `torchvision:` network, where another program may have
    downloaded them before, else the package's own.
    """
    is_torchvision = network.startswith(TORCHVISION_PREFIX)
    last = find_torch_hub_folder() if is_torchvision else SHIPPED_WEIGHTS_FOLDER
    return [*list_user_weights_folders(), last]


def find_local_weights(network: str, weights: PublishedWeights) -> Path | None:
    """Return the file of a network's weights that is used, or None where there is none."""
    folders = list_weights_folders(network)
    paths = (folder / name for folder in folders for name in weights.filenames)
    return next((path for path in paths if _is_file(path)), None)


def find_listed_weights(network: str) -> Path | None:
    """Return the file that is used of a network that can be listed without importing torchvision.

    Args:
        network: As `load_network` takes it.
    """
    listed = BUILTIN_NETWORK_WEIGHTS | list_featured_torchvision_weights()
    return find_local_weights(network, listed[network]) if network in listed else None


def _is_file(path: Path) -> bool:
    """Return whether there is a file; not where its folder cannot be searched."""
    try:
        return path.is_file()
    except OSError:
        return False


def _describe_folder(folder: Path) -> str:
    """Return a folder, and why it cannot be searched, where it cannot."""
    try:
        next(folder.iterdir(), None)
    except (FileNotFoundError, NotADirectoryError):
        return str(folder)
    except OSError as error:
        return f"{folder} (which cannot be searched: {error.strerror})"
    return str(folder)


def locate_weights(network: str, weights: PublishedWeights, path: Path | None = None) -> Path:
    """Return the file of a network's weights.

    Args:
        network: As `load_network` takes it.
        weights: Which files it may have.
        path: The file itself; None searches `list_weights_folders`.

    Raises:
        WeightsError: There is no file; the message says where it was looked for, and how to get it.
    """
    if path is not None:
        if not _is_file(path):
            raise WeightsError(
                f"{named('weights')} {path}: there is no such file",
                setting="weights",
                value=str(path),
            )
        return path
    local = find_local_weights(network, weights)
    if local is not None:
        return local
    files = " or ".join(weights.filenames[:2])
    folders = (folder for folder in list_weights_folders(network))
    places = " and ".join(
        _describe_folder(folder) for folder in folders if folder != SHIPPED_WEIGHTS_FOLDER
    )
    hint = f"`dreamflow models pull {network}` gets them"
    if weights.source is None:
        hint = f"get the .caffemodel and `dreamflow models import FILE --network {network}`"
    raise WeightsError(
        f"no weights for {network}: looked for {files} in {places}; "
        f"{hint}, or name a file with {named('weights')} FILE",
        setting="weights",
        where=places,
    )


def list_weights(all_torchvision: bool = False) -> list[WeightsStatus]:
    """Return the networks and their weights, torchvision's behind the others.

    Args:
        all_torchvision: Whether to list all of torchvision's classifiers, instead of the best-known
            ones and those with weights on this machine.
    """
    weights = BUILTIN_NETWORK_WEIGHTS | _list_torchvision_weights(all_torchvision)
    torchvision_names = sorted(weights.keys() - BUILTIN_NETWORK_WEIGHTS.keys())
    return [
        WeightsStatus(name, find_local_weights(name, weights[name]), weights[name].source)
        for name in (*BUILTIN_NETWORK_WEIGHTS, *torchvision_names)
    ]


def _list_torchvision_weights(every: bool) -> dict[str, PublishedWeights]:
    """Return torchvision's weights to list, importing it only where that is needed."""
    if importlib.util.find_spec("torchvision") is None:
        warnings.warn("torchvision is not installed", DependencyWarning, stacklevel=3)
        return {}
    featured = list_featured_torchvision_weights()
    if not every and not has_unlisted_weights(featured):
        return featured
    try:
        weights = load_torchvision_weights()
    except DependencyError as error:
        warnings.warn(str(error), DependencyWarning, stacklevel=3)
        return featured
    return featured | {
        name: one for name, one in weights.items() if every or find_local_weights(name, one)
    }


def has_unlisted_weights(listed: dict[str, PublishedWeights]) -> bool:
    """Return whether there are files that may be weights of classifiers other than the listed."""
    builtin = BUILTIN_NETWORK_WEIGHTS.values()
    filenames = {name for one in (*listed.values(), *builtin) for name in one.filenames}
    return any(
        path.suffix in WEIGHTS_FILE_SUFFIXES
        and path.name not in filenames
        and not path.name.startswith(NON_CLASSIFIER_PREFIXES)
        for folder in list_weights_folders(TORCHVISION_PREFIX)
        for path in _list_folder(folder)
    )


def _list_folder(folder: Path) -> list[Path]:
    """Return what is in a folder; nothing where it cannot be searched."""
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def load_torchvision_weights() -> dict[str, PublishedWeights]:
    """Return the weights of all of torchvision's classifiers, by network; imports torchvision.

    Raises:
        DependencyError: torchvision cannot be imported.
    """
    from dreamflow.networks.traced import torchvision_zoo as zoo

    names = [TORCHVISION_PREFIX + name for name in zoo.list_classifier_names()]
    return {
        name: make_torchvision_weights(name, zoo.find_classifier_info(name).urls) for name in names
    }
