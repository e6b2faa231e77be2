"""Image networks that can be dreamed on, and where their weights are kept."""

from dreamflow.networks.graph import Layer, Network
from dreamflow.networks.store import known_networks, load_network, network_layers

__all__ = ["Layer", "Network", "known_networks", "load_network", "network_layers"]
