"""The import of OpenCV, with advice where it cannot be loaded."""

from __future__ import annotations

import os

from dreamflow.core.errors import DependencyError

# OpenCV's FFmpeg prints its own lines about damaged streams, beside our one-line warning.
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
