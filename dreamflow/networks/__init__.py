"""Image networks that can be dreamed on, and where their weights are kept.

The names here are loaded when first used: what weights there are can be told without PyTorch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dreamflow.networks.network import Layer, Network
    from dreamflow.networks.recipes import known_networks
    from dreamflow.networks.store import load_network, network_layers
    from dreamflow.networks.traced import network_of

_HOMES = {
    "Layer": "network",
    "Network": "network",
    "known_networks": "recipes",
    "load_network": "store",
    "network_layers": "store",
    "network_of": "traced",
}

__all__ = [
    "Layer",
    "Network",
    "known_networks",
    "load_network",
    "network_layers",
    "network_of",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
