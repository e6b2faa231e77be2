"""Probing a source: the facts of a video file, or of a folder or glob of pictures."""

from __future__ import annotations

from pathlib import Path

from dreamflow.core.errors import MediaError
from dreamflow.media.read.frame_rate import DEFAULT_PICTURE_FOLDER_FPS, to_exact_rate
from dreamflow.media.read.picture_folder import PictureFolderInfo, list_pictures
from dreamflow.media.read.probing.video_facts import WantedTracks
from dreamflow.media.read.video.animated_webp import probe_webp
from dreamflow.media.read.video.probe import probe_video
from dreamflow.media.read.video.video_info import VideoInfo
from dreamflow.media.stills import is_picture, read_picture


def probe_source(
    source: Path, fps: float | None = None, tracks: WantedTracks | None = None
) -> VideoInfo | PictureFolderInfo:
    """Return the facts of a video file, an animated picture, or a folder or glob of pictures.

    Args:
        source: The file, folder or glob.
        fps: Frames per second of a folder of pictures; None is 24.
        tracks: Tracks of a video file that are asked for.

    Raises:
        MediaError: The source is missing, cannot be read, or is a single picture.
    """
    files = list_pictures(source)
    if files is not None:
        height, width = read_picture(files[0]).shape[:2]
        rate = to_exact_rate(fps) if fps else DEFAULT_PICTURE_FOLDER_FPS
        return PictureFolderInfo(source, files, width, height, rate)
    if not source.exists():
        raise MediaError(f"{source} does not exist", where=str(source))
    if info := probe_webp(source):
        return info
    if is_picture(source):
        raise MediaError(
            f"{source} is a single picture: `dreamflow frame` dreams it", where=str(source)
        )
    return probe_video(source, tracks)
