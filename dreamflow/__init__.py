"""DreamFlow turns clips into dreams.

The names here are what a notebook needs; they are loaded when first used, so that importing the
package costs nothing.

    import dreamflow
    clip = dreamflow.open_clip("in.mp4", size="640x360")
    network = dreamflow.load_network()
    dreams = dreamflow.dream_video(clip, network, layer="inception_4c/output")
    dreamflow.write_video("out.mp4", dreams, clip)
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dreamflow.errors import DreamFlowError, DreamFlowWarning
    from dreamflow.frames import Frame
    from dreamflow.journeys import dream_image, dream_video
    from dreamflow.journeys.sweep import dream_sweep
    from dreamflow.journeys.zoom import dream_zoom
    from dreamflow.media import Clip, open_clip, read_picture, write_picture, write_video
    from dreamflow.networks import Network, load_network, network_of
    from dreamflow.options import (
        CarryOptions,
        ClipOptions,
        DreamOptions,
        ShowOptions,
        SweepOptions,
        ZoomOptions,
    )
    from dreamflow.render.guide import make_guide

try:
    __version__ = version("dreamflow")
except PackageNotFoundError:  # run from a checkout that is not installed
    __version__ = "0+unknown"

_HOMES = {
    "CarryOptions": "options",
    "Clip": "media",
    "ClipOptions": "options",
    "DreamFlowError": "errors",
    "DreamFlowWarning": "errors",
    "DreamOptions": "options",
    "Frame": "frames",
    "Network": "networks",
    "ShowOptions": "options",
    "SweepOptions": "options",
    "ZoomOptions": "options",
    "dream_image": "journeys",
    "dream_sweep": "journeys.sweep",
    "dream_video": "journeys",
    "dream_zoom": "journeys.zoom",
    "load_network": "networks",
    "make_guide": "render.guide",
    "network_of": "networks",
    "open_clip": "media",
    "read_picture": "media",
    "write_picture": "media",
    "write_video": "media",
}

__all__ = [
    "CarryOptions",
    "Clip",
    "ClipOptions",
    "DreamFlowError",
    "DreamFlowWarning",
    "DreamOptions",
    "Frame",
    "Network",
    "ShowOptions",
    "SweepOptions",
    "ZoomOptions",
    "__version__",
    "dream_image",
    "dream_sweep",
    "dream_video",
    "dream_zoom",
    "load_network",
    "make_guide",
    "network_of",
    "open_clip",
    "read_picture",
    "write_picture",
    "write_video",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"dreamflow.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'dreamflow' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
