"""Image networks that can be dreamed on, and where their weights are kept."""

from dreamflow.networks.network import Layer, Network
from dreamflow.networks.recipes import known_networks
from dreamflow.networks.store import load_network, network_layers
from dreamflow.networks.traced import network_of

__all__ = [
    "Layer",
    "Network",
    "known_networks",
    "load_network",
    "network_layers",
    "network_of",
]
