"""A journey written to a file, safely."""

from dreamflow.render.job import Handles, Progress, Rendered, remembered, render
from dreamflow.render.record import settings_record
from dreamflow.render.video import render_video

__all__ = [
    "Handles",
    "Progress",
    "Rendered",
    "remembered",
    "render",
    "render_video",
    "settings_record",
]
