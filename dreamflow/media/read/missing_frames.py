"""Frames of a damaged source that do not decode: repeating the one before, and a warning."""

from __future__ import annotations

import warnings
from pathlib import Path

from dreamflow.core.errors import DreamFlowWarning, MediaError
from dreamflow.media.read.video.video_info import IndexedPictures


def fill_missing_frames(
    decoded: IndexedPictures, path: Path, first: int, stop: int
) -> IndexedPictures:
    """Yield (index, picture) of the frames from `first` up to, not including, `stop`, gaps filled.

    A missing frame repeats the picture before it, or at the beginning the one after it; those
    missing at the end are left out. Warns at the end where any were missing.

    Args:
        decoded: (index, picture) of the frames that decode.
        path: The source, for messages.
        first: Number of the first frame.
        stop: Number after the last frame.

    Raises:
        MediaError: No frame decodes.
    """
    upcoming, repeated, shown = first, 0, None
    for index, picture in decoded:
        for missing in range(upcoming, min(index, stop)):
            repeated += 1
            yield missing, picture if shown is None else shown
        if index >= stop:
            upcoming = stop
            break
        yield index, picture
        upcoming, shown = index + 1, picture
    _report_missing(path, first, stop - first, repeated, stop - upcoming)


def _report_missing(path: Path, first: int, expected: int, repeated: int, left_out: int) -> None:
    missing = repeated + left_out
    if missing >= expected:
        raise MediaError(
            f"{path} holds no frame that decodes from frame {first} on", where=str(path)
        )
    parts = [f"{repeated} shown as the one before"] if repeated else []
    parts += [f"{left_out} at the end left out"] if left_out else []
    if parts:
        warnings.warn(
            f"{path.name} is damaged or cut short: {missing} of {expected} frames could not be "
            f"decoded ({', '.join(parts)})",
            DreamFlowWarning,
            2,
        )
