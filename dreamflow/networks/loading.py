"""Where weights are kept, and how a network is loaded by name."""

from __future__ import annotations

from pathlib import Path

from dreamflow.core.errors import WeightsError
from dreamflow.core.logs import get_logger
from dreamflow.core.machine.machine import Machine
from dreamflow.core.machine.options import MachineOptions
from dreamflow.dream.options import DreamOptions
from dreamflow.networks.catalogue import find_network_spec
from dreamflow.networks.network import Layer, Network
from dreamflow.networks.precision import choose_dtype
from dreamflow.networks.weights.folders import (
    SHIPPED_WEIGHTS_FOLDER,
    list_weights_folders,
    search_weights_folders,
)
from dreamflow.networks.weights.formats import read_weights

_logger = get_logger(__name__)


def network_layers(network: str, weights: Path | None = None) -> dict[str, Layer]:
    """Return the facts of a network's layers, shallow to deep. Only pocket's need weights."""
    return find_network_spec(network).describe_layers(
        lambda: read_weights(find_weights(network, weights))[0]
    )


def find_weights_or_none(network: str) -> Path | None:
    """Return the weights file of a network that is used, or None where there is none."""
    return search_weights_folders(network, find_network_spec(network).weights.filenames)


def find_weights(network: str, weights: Path | None = None) -> Path:
    """Return the weights file of a network.

    `weights` itself where given; else the first found in `$DREAMFLOW_HOME/weights`, the user's
    cache folder, and the package or, for torchvision's, the cache of PyTorch's hub. Raises
    WeightsError with the places searched.
    """
    made = find_network_spec(network)
    if weights is not None:
        if not weights.is_file():
            raise WeightsError(f"--weights {weights}: there is no such file")
        return weights
    found = find_weights_or_none(network)
    if found is not None:
        return found
    files = " or ".join(made.weights.filenames[:2])
    places = " and ".join(
        str(folder) for folder in list_weights_folders(network) if folder != SHIPPED_WEIGHTS_FOLDER
    )
    get = f"`dreamflow models pull {network}` gets them"
    if made.weights.source is None:
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
    *,
    machine: Machine | None = None,
) -> Network:
    """Load a network with its weights.

    name: one of `known_networks()`, or `torchvision:` and the name of one of its classifiers.
    weights: a file (safetensors, PyTorch state dict or Caffe model); None searches
    `$DREAMFLOW_HOME/weights`, the user's cache folder and the package. device: see `Machine`.
    precision: what it computes in (`dreamflow.networks.precision`). machine: replaces both. Raises SettingsError for an
    unknown name, device or precision, WeightsError where weights are not found or do not fit,
    DependencyError where torchvision is wanted and cannot be imported.
    """
    path = find_weights(name, Path(weights) if weights is not None else None)
    tensors, digest = read_weights(path)
    try:
        network = find_network_spec(name).build(tensors, digest)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    machine = machine or Machine.default(device, precision)
    dtype = choose_dtype(machine.precision, machine.device, network.bfloat16_validated)
    network.machine = machine
    network.to(machine.device, dtype)
    _logger.info("network %s from %s, in %s on %s", name, path, network.precision, network.device)
    return network
