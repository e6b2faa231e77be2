"""Journeys: rules that make frames. Each is an iterator of frames, or a function of a picture."""

from dreamflow.journeys.still import dream_image
from dreamflow.journeys.video import VideoDreamer, dream_video

__all__ = ["VideoDreamer", "dream_image", "dream_video"]
