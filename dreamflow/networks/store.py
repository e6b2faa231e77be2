"""Where weights are kept, and how a network is loaded by name."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs
import torch

from dreamflow.errors import SettingsError, WeightsError
from dreamflow.networks import zoo
from dreamflow.networks.network import Layer, Network
from dreamflow.networks.precision import choose_dtype
from dreamflow.networks.recipes import recipe
from dreamflow.networks.weights_file import read_weights
from dreamflow.options import DreamOptions, MachineOptions


def network_layers(network: str, weights: Path | None = None) -> dict[str, Layer]:
    """Return the facts of a network's layers, shallow to deep. Only pocket's need weights."""
    return recipe(network).layers(lambda: read_weights(find_weights(network, weights))[0])


SHIPPED = Path(__file__).parent / "shipped"
"""Weights that come with DreamFlow."""


def own_folders() -> list[Path]:
    """Return the folders for weights that are the user's, first one first; new ones go there."""
    home = os.environ.get("DREAMFLOW_HOME")
    folders = [Path(home) / "weights"] if home else []
    return [*folders, Path(platformdirs.user_cache_dir("dreamflow")) / "weights"]


def hub_folder() -> Path:
    """Return the folder that torchvision itself downloads weights into."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def weights_folders(network: str) -> list[Path]:
    """Return the folders that are searched for a network's weights, first one first.

    torchvision's own are used where another program has fetched them before.
    """
    if network.startswith(zoo.PREFIX):
        return [*own_folders(), hub_folder()]
    return [*own_folders(), SHIPPED]


def look_for_weights(network: str) -> Path | None:
    """Return the weights file of a network that is used, or None where there is none."""
    names = recipe(network).filenames
    paths = (folder / name for folder in weights_folders(network) for name in names)
    return next((path for path in paths if path.is_file()), None)


def find_weights(network: str, weights: Path | None = None) -> Path:
    """Return the weights file of a network.

    `weights` itself where given; else the first found in `$DREAMFLOW_HOME/weights`, the user's
    cache folder, and the package or, for torchvision's, the cache of PyTorch's hub. Raises
    WeightsError with the places searched.
    """
    made = recipe(network)
    if weights is not None:
        if not weights.is_file():
            raise WeightsError(f"--weights {weights}: there is no such file")
        return weights
    found = look_for_weights(network)
    if found is not None:
        return found
    files = " or ".join(made.filenames[:2])
    places = " and ".join(str(folder) for folder in weights_folders(network) if folder != SHIPPED)
    get = f"`dreamflow models pull {network}` gets them"
    if made.source is None:
        get = f"get the .caffemodel and `dreamflow models import FILE --network {network}`"
    raise WeightsError(
        f"no weights for {network}: looked for {files} in {places}; "
        f"{get}, or name a file with --weights FILE"
    )


def load_network(
    name: str = DreamOptions.network,
    weights: str | Path | None = None,
    device: str = MachineOptions.device,
    precision: str = MachineOptions.precision,
) -> Network:
    """Load a network with its weights.

    name: one of `known_networks()`, or `torchvision:` and the name of one of its classifiers.
    weights: a file (safetensors, PyTorch state dict or Caffe model); None searches
    `$DREAMFLOW_HOME/weights`, the user's cache folder and the package. device: see `choose_device`.
    precision: what it computes in (`dreamflow.networks.precision`). Raises SettingsError for an
    unknown name, device or precision, WeightsError where weights are not found or do not fit,
    DependencyError where torchvision is wanted and cannot be imported.
    """
    path = find_weights(name, Path(weights) if weights is not None else None)
    tensors, digest = read_weights(path)
    try:
        network = recipe(name).build(tensors, digest)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    chosen = choose_device(device)
    return network.to(chosen, choose_dtype(precision, chosen, network.tried_in_bfloat16))


def choose_device(device: str = MachineOptions.device) -> torch.device:
    """Return the device of that name; "auto" is cuda where there is one, else mps, else cpu."""
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = str(error).splitlines()[0]
        if "Expected one of" in why:  # torch lists devices that nobody dreams on
            why = "there is none of that name; choose auto, cpu, cuda, cuda:1 or mps"
        raise SettingsError(f"--device {device!r} cannot be used here: {why}") from error
    return chosen
