"""Finished outputs, moved from their job's folder to their places: a kill never comes in between.

They lie whole in the folder, and its job is marked with their frames. From then on one that is no
longer there is in its place; where that is the film, the job has only to be cleared away.
"""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from dreamflow.errors import OutputError
from dreamflow.media.folder import frames_marked, job_path
from dreamflow.media.metadata import FOLDER_FILE
from dreamflow.media.whole import PART, cannot_write, on_disk

PLATE = "plate"
"""The folder, in a job's, of its plate."""


def finished_path(folder: Path, target: Path) -> Path:
    """Return what an output is called in a folder, when it is whole."""
    return folder / f"whole{target.suffix}"


def frames_placed(out: Path) -> int:
    """Return how many frames an output has that is in its place, while its job is still there.

    0 where it is on its way, or has no job. Raises OutputError for a job that cannot be read.
    """
    folder = job_path(out)
    gone = not finished_path(folder, out).exists() and out.exists()
    return frames_marked(folder) if gone else 0


def plate_is_placed(plate: Path, out: Path) -> bool:
    """Return whether the plate of an output is in its place, while its job is still there."""
    folder = job_path(out)
    gone = not finished_path(folder / PLATE, plate).exists() and plate.exists()
    return gone and frames_marked(folder) > 0


def move(part: Path, target: Path) -> None:
    """Put a finished output in its place, from another drive too, and only there whole.

    Raises OutputError.
    """
    near = target.with_name(f"{PART}{target.name}")
    try:
        if target.is_dir():
            # Whoever put something there while the render ran keeps it.
            check_ours(target)
        try:
            _swap(part, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _drop(near)
            (shutil.copytree if part.is_dir() else shutil.copyfile)(part, near)
            on_disk(near)
            _swap(near, target)
            _drop(part)
        on_disk(target.parent)
    except OSError as error:
        raise cannot_write(target, error) from error
    finally:
        _drop(near)


def _swap(part: Path, target: Path) -> None:
    """Give a file or a folder the name of another, in whose place it comes."""
    if not target.is_dir():
        part.replace(target)
        return
    before = target.with_name(f"{PART}before.{target.name}")
    _drop(before)
    target.replace(before)
    try:
        part.replace(target)
    except OSError:
        before.replace(target)
        raise
    _drop(before)


def _drop(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def check_ours(folder: Path) -> None:
    """Raise OutputError where a folder holds files that are not an output's."""
    strange = [path.name for path in folder.iterdir() if not _ours(path)]
    if strange:
        raise OutputError(f"{folder} holds other files ({strange[0]}); name a new folder")


def _ours(path: Path) -> bool:
    return path.name == FOLDER_FILE or (path.name.startswith("frame_") and path.suffix == ".png")
