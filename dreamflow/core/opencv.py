"""The one door to OpenCV: says what to do where it cannot be imported."""

from __future__ import annotations

import os

from dreamflow.core.errors import DependencyError

# FFmpeg inside OpenCV would print its own lines about damaged streams; we say it in one of ours.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")

try:
    import cv2
except ImportError as error:
    raise DependencyError(
        f"OpenCV cannot be loaded ({error}); on a machine without a screen: "
        "pip uninstall -y opencv-python && pip install opencv-python-headless"
    ) from error

__all__ = ["cv2"]
