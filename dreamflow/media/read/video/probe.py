"""Probing a video file, safely."""

from __future__ import annotations

from pathlib import Path

from dreamflow.media.read.probing.probe_process import shared_probe_process
from dreamflow.media.read.probing.video_facts import WantedTracks
from dreamflow.media.read.video.video_info import VideoInfo


def probe_video(
    path: Path, wanted: WantedTracks | None = None, film_format: str | None = None
) -> VideoInfo:
    """Return the facts of a video file; a library that crashes on it does so in another process.

    Args:
        path: The file.
        wanted: The tracks that are asked for; None for the main ones.
        film_format: FFmpeg's name of its format; None finds it out.

    Raises:
        MediaError: The file is not a video, has no picture, nothing in it decodes, or a library
            crashes on it.
        SettingsError: It has no such track.
    """
    return shared_probe_process().probe(path, wanted or WantedTracks(), film_format)
