"""Image networks that can be dreamed on, and their weights.

The names here are imported at their first use, so that weights can be listed without PyTorch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dreamflow.networks.catalogue import known_networks
    from dreamflow.networks.loading import load_network, network_layers
    from dreamflow.networks.network import Layer, Network
    from dreamflow.networks.traced.network import network_of

_LAZY_EXPORT_MODULES = {
    "Layer": "network",
    "Network": "network",
    "known_networks": "catalogue",
    "load_network": "loading",
    "network_layers": "loading",
    "network_of": "traced.network",
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
    if name in _LAZY_EXPORT_MODULES:
        return getattr(import_module(f"{__name__}.{_LAZY_EXPORT_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
