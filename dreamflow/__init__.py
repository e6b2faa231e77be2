"""DreamFlow turns clips into dreams.

The names here are what a notebook needs; they are loaded when first used, so that importing the
package costs nothing.

    import dreamflow
    dreamflow.render("in.mp4", "out.mp4", preset="fur", size="640x360", octaves=5)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dreamflow._version import __version__
    from dreamflow.core.errors import DreamFlowError, DreamFlowWarning, UserInterrupt
    from dreamflow.core.frames import Frame
    from dreamflow.core.machine.options import MachineOptions
    from dreamflow.dream.options import DreamOptions
    from dreamflow.jobs.controls import RenderResult
    from dreamflow.jobs.output_writer import write_video
    from dreamflow.jobs.renders.render import render
    from dreamflow.media.options import ClipOptions
    from dreamflow.media.read.clip import Clip
    from dreamflow.media.read.open_clip import open_clip
    from dreamflow.media.stills.read import read_picture
    from dreamflow.media.stills.write import write_picture
    from dreamflow.networks.loading import load_network
    from dreamflow.networks.network import Network
    from dreamflow.networks.traced.network import network_of
    from dreamflow.pipelines.image import dream_image
    from dreamflow.pipelines.settings.options import ShowOptions, SweepOptions, ZoomOptions
    from dreamflow.pipelines.sweep.pipeline import dream_sweep
    from dreamflow.pipelines.video.dream_video import dream_video
    from dreamflow.pipelines.zoom.pipeline import dream_zoom
    from dreamflow.reports.guide.build import make_guide
    from dreamflow.reports.measuring.comparison import MeasuredDream
    from dreamflow.reports.measuring.measure import measure
    from dreamflow.reports.shots import Shot, list_shots
    from dreamflow.temporal.options import CarryOptions

_EXPORT_MODULES = {
    "CarryOptions": "temporal.options",
    "Clip": "media.read.clip",
    "ClipOptions": "media.options",
    "DreamFlowError": "core.errors",
    "DreamFlowWarning": "core.errors",
    "DreamOptions": "dream.options",
    "Frame": "core.frames",
    "MachineOptions": "core.machine.options",
    "MeasuredDream": "reports.measuring.comparison",
    "Network": "networks",
    "RenderResult": "jobs.controls",
    "Shot": "reports.shots",
    "ShowOptions": "pipelines.settings.options",
    "SweepOptions": "pipelines.settings.options",
    "UserInterrupt": "core.errors",
    "ZoomOptions": "pipelines.settings.options",
    "__version__": "_version",
    "dream_image": "pipelines.image",
    "dream_sweep": "pipelines.sweep.pipeline",
    "dream_video": "pipelines.video.dream_video",
    "dream_zoom": "pipelines.zoom.pipeline",
    "list_shots": "reports.shots",
    "load_network": "networks",
    "make_guide": "reports.guide.build",
    "measure": "reports.measuring.measure",
    "network_of": "networks",
    "open_clip": "media.read.open_clip",
    "read_picture": "media.stills.read",
    "render": "jobs.renders.render",
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
    "MachineOptions",
    "MeasuredDream",
    "Network",
    "RenderResult",
    "Shot",
    "ShowOptions",
    "SweepOptions",
    "UserInterrupt",
    "ZoomOptions",
    "__version__",
    "dream_image",
    "dream_sweep",
    "dream_video",
    "dream_zoom",
    "list_shots",
    "load_network",
    "make_guide",
    "measure",
    "network_of",
    "open_clip",
    "read_picture",
    "render",
    "write_picture",
    "write_video",
]


def __getattr__(name: str) -> Any:
    if name in _EXPORT_MODULES:
        return getattr(import_module(f"dreamflow.{_EXPORT_MODULES[name]}"), name)
    raise AttributeError(f"module 'dreamflow' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
