"""Probing a source: the facts of a video file, or of a folder or pattern of pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dreamflow.core.errors import MediaError
from dreamflow.media.files.container_policy import PLAYLIST_FORMAT
from dreamflow.media.files.playlist import is_playlist, list_playlist_files, make_playlist_error
from dreamflow.media.read.frame_rate import DEFAULT_PICTURE_FOLDER_FPS, to_exact_rate
from dreamflow.media.read.probing.video_facts import WantedTracks
from dreamflow.media.read.sequences.picture_files import list_pictures
from dreamflow.media.read.sequences.picture_folder import PictureFolderInfo, probe_picture_folder
from dreamflow.media.read.video.animated_pictures import probe_animated_picture
from dreamflow.media.read.video.probe import probe_video
from dreamflow.media.read.video.video_info import VideoInfo
from dreamflow.media.stills.read import is_still, read_picture_size


def probe_source(
    source: Path,
    fps: float | None = None,
    missing: str = "close",
    tracks: WantedTracks | None = None,
    allow_playlist: bool = False,
    exr_layer: str | None = None,
    alpha: str = "auto",
) -> VideoInfo | PictureFolderInfo:
    """Return the facts of a video file, an animated picture, or a folder or pattern of pictures.

    Args:
        source: The file, folder or glob.
        fps: Frames per second of a folder of pictures; None is 24.
        missing: What happens where numbers of a folder's pictures are missing.
        tracks: Tracks of a video file that are asked for.
        allow_playlist: Whether the source may be an HLS playlist.
        exr_layer: Layer of OpenEXR pictures; None is the main one.
        alpha: How colours are taken, as the setting of that name.

    Raises:
        MediaError: The source is missing, cannot be read, is a single picture, or a playlist that
            is not allowed or names what must not be opened.
    """
    files = list_pictures(source)
    if files is not None:
        rate = to_exact_rate(fps) if fps else DEFAULT_PICTURE_FOLDER_FPS
        info = probe_picture_folder(source, files, rate, missing, exr_layer)
        return replace(info, alpha=alpha)
    if not source.exists():
        raise MediaError(f"{source} does not exist", where=str(source))
    if is_playlist(source):
        if not allow_playlist:
            raise make_playlist_error(source)
        files = list_playlist_files(source)
        film = probe_video(source, tracks, PLAYLIST_FORMAT)
        return replace(film.associated(alpha), playlist_files=files)
    if is_still(source):
        read_picture_size(source)  # raises where it is damaged, or no picture that is read
        raise MediaError(
            f"{source} is a single picture: `dreamflow frame` dreams it", where=str(source)
        )
    film = probe_animated_picture(source) or probe_video(source, tracks)
    return film.associated(alpha)
