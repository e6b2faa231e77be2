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
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dreamflow._version import __version__
    from dreamflow.core.errors import DreamFlowError, DreamFlowWarning
    from dreamflow.core.frames import Frame
    from dreamflow.dream.options import DreamOptions
    from dreamflow.jobs.output_writer import write_video
    from dreamflow.media.options import ClipOptions
    from dreamflow.media.read.clip import Clip, open_clip
    from dreamflow.media.stills.read import read_picture
    from dreamflow.media.stills.write import write_picture
    from dreamflow.networks.loading import load_network
    from dreamflow.networks.network import Network
    from dreamflow.networks.traced.network import network_of
    from dreamflow.pipelines.image import dream_image
    from dreamflow.pipelines.settings.options import ShowOptions, SweepOptions, ZoomOptions
    from dreamflow.pipelines.sweep.pipeline import dream_sweep
    from dreamflow.pipelines.video.pipeline import dream_video
    from dreamflow.pipelines.zoom.pipeline import dream_zoom
    from dreamflow.reports.guide.build import make_guide
    from dreamflow.temporal.options import CarryOptions

_EXPORT_MODULES = {
    "CarryOptions": "temporal.options",
    "__version__": "_version",
    "Clip": "media.read.clip",
    "ClipOptions": "media.options",
    "DreamFlowError": "core.errors",
    "DreamFlowWarning": "core.errors",
    "DreamOptions": "dream.options",
    "Frame": "core.frames",
    "Network": "networks",
    "ShowOptions": "pipelines.settings.options",
    "SweepOptions": "pipelines.settings.options",
    "ZoomOptions": "pipelines.settings.options",
    "dream_image": "pipelines.image",
    "dream_sweep": "pipelines.sweep.pipeline",
    "dream_video": "pipelines.video.pipeline",
    "dream_zoom": "pipelines.zoom.pipeline",
    "load_network": "networks",
    "make_guide": "reports.guide.build",
    "network_of": "networks",
    "open_clip": "media.read.clip",
    "read_picture": "media.stills.read",
    "write_picture": "media.stills.write",
    "write_video": "jobs.output_writer",
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
    if name in _EXPORT_MODULES:
        return getattr(import_module(f"dreamflow.{_EXPORT_MODULES[name]}"), name)
    raise AttributeError(f"module 'dreamflow' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
