"""A clip opened from Python: plain values in place of ClipOptions."""

from __future__ import annotations

from pathlib import Path

from dreamflow.media.options import ClipOptions
from dreamflow.media.read.clip import Clip


def open_clip(
    source: str | Path,
    *,
    size: str | None = None,
    start: str | float | None = None,
    end: str | float | None = None,
    every: int = ClipOptions.every,
    fps: float | None = None,
    decoder: str = ClipOptions.decoder,
    missing: str = ClipOptions.missing,
    deinterlace: str = ClipOptions.deinterlace,
    video_track: str | int | None = None,
    audio_track: str | int | None = None,
    allow_playlist: bool = ClipOptions.allow_playlist,
) -> Clip:
    """Open a video, an animated picture, or a folder or pattern of pictures.

    Args:
        source: The file, folder, glob, or pattern such as `shot_%04d.png`.
        size: `640x360` to fit into that box, `640` for the longer side; None keeps the size.
        start: First frame: text as in ClipOptions, a whole number of frames, or float seconds.
        end: Frame after the last one, likewise.
        every: Take every Nth frame.
        fps: Resample to this many frames per second; of a folder of pictures, its rate.
        decoder: "auto", "opencv" or "pyav".
        missing: What happens where numbers of a folder's pictures are missing: "close" (nothing),
            "hold" (the one before is shown), "black" or "stop" (an error).
        deinterlace: "auto" for frames that are marked as interlaced, "on" for all, or "off".
        video_track: Number from 0 or language of the video track; None for the main one.
        audio_track: Number from 0 or language of the sound track; None for all.
        allow_playlist: Whether the source may be an HLS playlist (.m3u8): then the files in its
            folder that it names are opened as one film.

    Raises:
        MediaError: The source cannot be read.
        SettingsError: A setting is out of range.
    """
    first, stop = (f"{when}s" if isinstance(when, float) else when for when in (start, end))
    options = ClipOptions(
        size=size,
        start=None if first is None else str(first),
        end=None if stop is None else str(stop),
        every=every,
        fps=fps,
        decoder=decoder,
        missing=missing,
        deinterlace=deinterlace,
        video_track=None if video_track is None else str(video_track),
        audio_track=None if audio_track is None else str(audio_track),
        allow_playlist=allow_playlist,
    )
    return Clip(source, options)
