"""Where weights are kept, and how a network is loaded by name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from dreamflow.errors import SettingsError, WeightsError, nearest
from dreamflow.networks import googlenet, pocket
from dreamflow.networks.graph import Layer, Network
from dreamflow.options import DreamOptions, MachineOptions


@dataclass(frozen=True)
class Recipe:
    """How a network is made: its layers, its builder, its weights file.

    layers: facts of the layers, given the --weights file or None; only a network whose shape is
    that of its weights looks at them.
    """

    layers: Callable[[Path | None], dict[str, Layer]]
    build: Callable[[Mapping[str, Tensor], str], Network]
    filename: str


def pocket_layers(weights: Path | None) -> dict[str, Layer]:
    """Return the facts of a pocket's layers, which are those of its weights."""
    tensors, _ = read_safetensors(find_weights("pocket", weights))
    return pocket.build(tensors).layers


RECIPES: dict[str, Recipe] = {
    "googlenet": Recipe(
        lambda weights: googlenet.layers(), googlenet.build, "bvlc_googlenet.safetensors"
    ),
    "pocket": Recipe(pocket_layers, pocket.build, "pocket.safetensors"),
}


def known_networks() -> list[str]:
    """Return the names that `load_network` takes."""
    return list(RECIPES)


def recipe(network: str) -> Recipe:
    """Return how a network is made, or raise SettingsError with the nearest names."""
    if network not in RECIPES:
        hint = nearest(network, RECIPES) or f"; there is {', '.join(RECIPES)}"
        raise SettingsError(f"there is no network {network!r}{hint}")
    return RECIPES[network]


def network_layers(network: str, weights: Path | None = None) -> dict[str, Layer]:
    """Return the facts of a network's layers, shallow to deep. GoogLeNet's needs no weights."""
    return recipe(network).layers(weights)


SHIPPED = Path(__file__).parent / "shipped"
"""Weights that come with DreamFlow."""


def weights_folders() -> list[Path]:
    """Return the folders that are searched for weights, first one first."""
    home = os.environ.get("DREAMFLOW_HOME")
    folders = [Path(home) / "weights"] if home else []
    return [*folders, Path(platformdirs.user_cache_dir("dreamflow")) / "weights", SHIPPED]


def find_weights(network: str, weights: Path | None = None) -> Path:
    """Return the weights file of a network.

    `weights` itself where given; else the first found in `$DREAMFLOW_HOME/weights`, the user's
    cache folder and the package. Raises WeightsError with the places searched.
    """
    filename = recipe(network).filename
    if weights is not None:
        if not weights.is_file():
            raise WeightsError(f"--weights {weights}: there is no such file")
        return weights
    for path in (folder / filename for folder in weights_folders()):
        if path.is_file():
            return path
    places = [str(folder / filename) for folder in weights_folders() if folder != SHIPPED]
    tried = " and ".join(places)
    raise WeightsError(
        f"no weights for {network}: looked for {tried}; "
        f"put {filename} there, or name it with --weights FILE"
    )


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], str]:
    """Return a file's tensors by name, and the file's SHA-256 in hexadecimal.

    Nothing is ever unpickled. Raises WeightsError where the file is not of this format.
    """
    try:
        data = path.read_bytes()
        return safetensors.torch.load(data), hashlib.sha256(data).hexdigest()
    except SafetensorError as error:
        raise WeightsError(f"{path} is not a safetensors file, or is damaged: {error}") from error
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from error


def load_network(
    name: str = DreamOptions.network,
    weights: str | Path | None = None,
    device: str = MachineOptions.device,
) -> Network:
    """Load a network with its weights.

    name: one of `known_networks()`. weights: a .safetensors file; None searches
    `$DREAMFLOW_HOME/weights`, the user's cache folder and the package. device: see `choose_device`.
    Raises SettingsError for an unknown name or device, WeightsError where weights are not found
    or do not fit.
    """
    path = find_weights(name, Path(weights) if weights is not None else None)
    tensors, digest = read_safetensors(path)
    try:
        network = recipe(name).build(tensors, digest)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    return network.to(choose_device(device))


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
        raise SettingsError(f"--device {device!r} cannot be used here: {why}") from error
    return chosen
