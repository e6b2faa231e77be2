"""Opening a film with PyAV: regular files only, in formats that name no other files."""

from __future__ import annotations

from pathlib import Path

import av
import av.container
import av.error

from dreamflow.core.errors import MediaError
from dreamflow.core.files.regular_file import check_regular_file, open_regular_file
from dreamflow.media.files.container_policy import PLAYLIST_FORMAT, input_options
from dreamflow.media.files.playlist import (
    PLAYLIST_HEAD_BYTES,
    begins_like_playlist,
    list_playlist_files,
)


def open_film(path: Path, film_format: str | None = None) -> av.container.InputContainer:
    """Open a film's container.

    Args:
        path: The file.
        film_format: FFmpeg's name of its format; None finds it out. PLAYLIST_FORMAT is for a
            playlist that the user has allowed.

    Raises:
        MediaError: It is no regular file, or names other files than those of a playlist that may be
            opened.
        av.error.FFmpegError: FFmpeg cannot read it.
    """
    try:
        check_regular_file(path)
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror}", where=str(path)) from error
    if film_format == PLAYLIST_FORMAT:
        list_playlist_files(path)  # raises where it names what must not be opened
    try:
        return av.open(
            str(path.absolute()),
            format=film_format,
            options=input_options(film_format),
            metadata_errors="replace",
        )
    except (av.error.ArgumentError, av.error.InvalidDataError) as error:
        if film_format is None and names_other_files(path):
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
            return begins_like_playlist(file.read(PLAYLIST_HEAD_BYTES))
    except OSError:
        return False
