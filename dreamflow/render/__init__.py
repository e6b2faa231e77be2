"""A journey written to a file."""

from dreamflow.render.job import Progress, render_video, settings_record

__all__ = ["Progress", "render_video", "settings_record"]
