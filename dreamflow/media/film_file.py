"""Opening a film with PyAV: regular files only, in formats that name no other files."""

from __future__ import annotations

from pathlib import Path

import av
import av.container
import av.error

from dreamflow.core.errors import MediaError
from dreamflow.core.regular_file import check_regular_file, open_regular_file
from dreamflow.media.container_policy import input_options

PLAYLIST_BEGINNINGS = (b"#extm3u", b"ffconcat", b"v=0", b"<?xml", b"<mpd", b"<asx", b"[playlist]")
"""First bytes, in lower case, of playlists, scripts and session descriptions."""
PLAYLIST_HEAD_BYTES = 64
"""Bytes from a file's start in which PLAYLIST_BEGINNINGS are looked for, behind white space."""


def open_film(path: Path, film_format: str | None = None) -> av.container.InputContainer:
    """Open a film's container.

    Args:
        path: The file.
        film_format: FFmpeg's name of its format; None finds it out.

    Raises:
        MediaError: It is no regular file, or names other files.
        av.error.FFmpegError: FFmpeg cannot read it.
    """
    try:
        check_regular_file(path)
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror}", where=str(path)) from error
    try:
        return av.open(
            str(path.absolute()),
            format=film_format,
            options=input_options(),
            metadata_errors="replace",
        )
    except (av.error.ArgumentError, av.error.InvalidDataError) as error:
        if names_other_files(path):
            raise MediaError(
                f"{path} is a playlist or a script that names other files, which are not opened: "
                "join them into one film first",
                where=str(path),
            ) from error
        if isinstance(error, av.error.ArgumentError):
            raise MediaError(
                f"{path} cannot be read as a film: it is damaged, or in a format that is not "
                "opened since it can name other files",
                where=str(path),
            ) from error
        raise


def names_other_files(path: Path) -> bool:
    """Return whether a file begins like a playlist, a script or a session description."""
    try:
        with open_regular_file(path) as file:
            head = file.read(PLAYLIST_HEAD_BYTES)
    except OSError:
        return False
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(PLAYLIST_BEGINNINGS)
