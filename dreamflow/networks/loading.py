"""Load a network by name, with its weights."""

from __future__ import annotations

from pathlib import Path

from dreamflow.core.errors import WeightsError
from dreamflow.core.logs import get_logger
from dreamflow.core.machine.machine import Machine
from dreamflow.core.machine.options import MachineOptions
from dreamflow.networks.catalogue import find_network_spec
from dreamflow.networks.network import Layer, Network
from dreamflow.networks.precision import choose_dtype
from dreamflow.networks.weights.cache import locate_weights
from dreamflow.networks.weights.formats import check_imported_values, read_weights
from dreamflow.networks.weights.registry import DEFAULT_NETWORK

_logger = get_logger(__name__)


def network_layers(network: str, weights: Path | None = None) -> dict[str, Layer]:
    """Return the facts of a network's layers, shallow to deep.

    Args:
        network: As `load_network` takes it.
        weights: A file; None searches as `load_network` does. Only pocket's weights are read.

    Raises:
        SettingsError: There is no such network.
        WeightsError: pocket's weights are not found, or do not fit.
    """
    return find_network_spec(network).describe_layers(
        lambda: read_weights(find_weights(network, weights))[0]
    )


def find_weights(network: str, weights: Path | None = None) -> Path:
    """Return the weights file of a network.

    Args:
        network: As `load_network` takes it.
        weights: The file itself; None searches the folders of
            `dreamflow.networks.weights.cache.list_weights_folders`.

    Raises:
        SettingsError: There is no such network.
        WeightsError: There is no file; the message says where it was looked for.
    """
    return locate_weights(network, find_network_spec(network).weights, weights)


def load_network(
    name: str = DEFAULT_NETWORK,
    weights: str | Path | None = None,
    device: str = MachineOptions.device,
    precision: str = MachineOptions.precision,
    *,
    threads: int = MachineOptions.threads,
    machine: Machine | None = None,
) -> Network:
    """Load a network with its weights.

    Args:
        name: One of `known_networks()`, or `torchvision:` and the name of one of its classifiers.
        weights: A file (safetensors, PyTorch state dict or Caffe model); None searches
            `$DREAMFLOW_HOME/weights`, the user's cache folder and the package.
        device: As `choose_device` takes it.
        precision: What it computes in; see `dreamflow.networks.precision`.
        threads: CPU threads of PyTorch and OpenCV, for the whole process; 0 measures how many are
            fastest now, as the command line does.
        machine: Replaces device, precision and threads.

    Returns:
        The network, ready for images on its device.

    Raises:
        SettingsError: The name, device or precision is unknown.
        WeightsError: Weights are not found, or do not fit.
        DependencyError: torchvision is needed, and cannot be imported.
    """
    options = MachineOptions(device=device, precision=precision, threads=threads)
    path = find_weights(name, Path(weights) if weights is not None else None)
    tensors, digest = read_weights(path)
    check_imported_values(path, tensors)
    try:
        network = find_network_spec(name).build(tensors, digest)
    except WeightsError as error:
        raise error.located(str(path)) from error
    machine = machine or Machine.with_fastest_threads(options)
    dtype = choose_dtype(machine.precision, machine.device, network.bfloat16_validated)
    network.machine = machine
    network.to(machine.device, dtype)
    _logger.info("network %s from %s, in %s on %s", name, path, network.precision, network.device)
    return network


def as_network(network: Network | str) -> Network:
    """Return a network, loaded with its weights where only its name is given.

    Raises:
        SettingsError: There is no network of the name.
        WeightsError: Its weights are not found.
    """
    return load_network(network) if isinstance(network, str) else network
