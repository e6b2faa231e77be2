"""Frames of a damaged source that do not decode: repeating the one before, and a warning."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from dreamflow.core.errors import DamagedSourceWarning, MediaError
from dreamflow.core.text.wording import format_count

PictureT = TypeVar("PictureT")


def fill_missing_frames(
    decoded: Iterator[tuple[int, PictureT]], path: Path, first: int, stop: int
) -> Iterator[tuple[int, PictureT]]:
    """Yield (index, picture) of the frames from `first` up to, not including, `stop`, gaps filled.

    A missing frame repeats the picture before it, or at the beginning the one after it. Warns at
    the end where any were missing.

    Args:
        decoded: (index, picture) of the frames that decode; it may begin with one before `first`.
        path: The source, for messages.
        first: Number of the first frame.
        stop: Number after the last frame.

    Raises:
        MediaError: No frame decodes.
    """
    upcoming, repeated = first, 0
    shown: PictureT | None = None
    for index, picture in decoded:
        if index < first:
            shown = picture
            continue
        for missing in range(upcoming, min(index, stop)):
            repeated += 1
            yield missing, picture if shown is None else shown
        if index >= stop:
            upcoming = stop
            break
        yield index, picture
        upcoming, shown = index + 1, picture
    if shown is None and upcoming == first:
        raise MediaError(
            f"{path} holds no frame that decodes from frame {first} on", where=str(path)
        )
    for missing in range(upcoming, stop):
        assert shown is not None
        repeated += 1
        yield missing, shown
    if repeated:
        warnings.warn(
            f"{path.name} is damaged or cut short: {repeated} of "
            f"{format_count(stop - first, 'frame')} could not be decoded, and "
            f"{'is' if repeated == 1 else 'are'} shown as the one before",
            DamagedSourceWarning,
            2,
        )
