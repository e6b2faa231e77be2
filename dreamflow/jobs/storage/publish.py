"""Finished outputs, moved from their job's folder to their places: a kill never comes in between.

They lie whole in the folder, and its job is marked with their frames. From then on one that is no
longer there is in its place; where that is the film, the job has only to be cleared away.
"""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from dreamflow.jobs.storage.folder import job_folder_path, read_publishing_frames
from dreamflow.media.atomic_file import PART_PREFIX, make_write_error, sync_to_disk
from dreamflow.media.write.output_path import check_only_output_files, staged_output_path

PLATE_FOLDER = "plate"
"""The folder, in a job's, of its plate."""


def count_published_frames(out: Path) -> int:
    """Return how many frames an output has that is in its place, while its job is still there.

    0 where it is on its way, or has no job. Raises OutputError for a job that cannot be read.
    """
    folder = job_folder_path(out)
    gone = not staged_output_path(folder, out).exists() and out.exists()
    return read_publishing_frames(folder) if gone else 0


def is_plate_published(plate: Path, out: Path) -> bool:
    """Return whether the plate of an output is in its place, while its job is still there."""
    folder = job_folder_path(out)
    gone = not staged_output_path(folder / PLATE_FOLDER, plate).exists() and plate.exists()
    return gone and read_publishing_frames(folder) > 0


def publish_output(staged: Path, target: Path) -> None:
    """Put a finished output in its place, from another drive too, and only there whole.

    Raises OutputError.
    """
    near = target.with_name(f"{PART_PREFIX}{target.name}")
    try:
        if target.is_dir():
            # Whoever put something there while the render ran keeps it.
            check_only_output_files(target)
        try:
            _replace_path(staged, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _remove_path(near)
            (shutil.copytree if staged.is_dir() else shutil.copyfile)(staged, near)
            sync_to_disk(near)
            _replace_path(near, target)
            _remove_path(staged)
        sync_to_disk(target.parent)
    except OSError as error:
        raise make_write_error(target, error) from error
    finally:
        _remove_path(near)


def _replace_path(part: Path, target: Path) -> None:
    """Give a file or a folder the name of another, in whose place it comes."""
    if not target.is_dir():
        part.replace(target)
        return
    before = target.with_name(f"{PART_PREFIX}before.{target.name}")
    _remove_path(before)
    target.replace(before)
    try:
        part.replace(target)
    except OSError:
        before.replace(target)
        raise
    _remove_path(before)


def _remove_path(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
