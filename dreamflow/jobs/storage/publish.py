"""Finished outputs moved from their job's folder to where they belong; a kill does not break it.

The outputs lie complete in the folder, and the job is marked with their number of frames. From then
on an output that is no longer in the folder has been published; once that is the dream itself, the
job's folder only has to be removed.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from dreamflow.core.errors import OutputError, named
from dreamflow.jobs.storage.folder import job_folder_path, read_publishing_frames
from dreamflow.media.files.atomic_file import PART_PREFIX, make_write_error, sync_to_disk
from dreamflow.media.files.sequence_name import SequenceName
from dreamflow.media.write.output_path import check_only_output_files
from dreamflow.media.write.segments.piece_ledger import OUTPUT_STEM

PLATE_FOLDER = "plate"
"""The folder, within a job's, of its plate."""


def staged_output_path(folder: Path, output: Path) -> Path:
    """Return the name that a complete output has in its job's folder until it is published."""
    return folder / f"{OUTPUT_STEM}{output.suffix}"


def count_published_frames(out: Path) -> int:
    """Return the number of frames of an output that is published while its job's folder remains.

    Returns:
        0 where the output is not published yet, or has no job.

    Raises:
        OutputError: The job cannot be read.
    """
    folder = job_folder_path(out)
    is_published = _is_published(staged_output_path(folder, out), out)
    return read_publishing_frames(folder) if is_published else 0


def is_plate_published(plate: Path, out: Path) -> bool:
    """Return whether the plate of an output is published while its job's folder remains."""
    folder = job_folder_path(out)
    staged = staged_output_path(folder / PLATE_FOLDER, plate)
    return _is_published(staged, plate) and read_publishing_frames(folder) > 0


def _is_published(staged: Path, target: Path) -> bool:
    """Return whether an output has its name; a kill may have left its other one too."""
    if SequenceName.parse(target) is not None:  # published picture by picture: all are gone
        return staged.parent.is_dir() and not staged.exists()
    return target.exists() and (not staged.exists() or target.samefile(staged))


def check_unclaimed(staged: Path, target: Path, overwrite: bool) -> None:
    """Check that nothing has taken an output's name while it was rendered.

    Args:
        staged: The output in its job's folder.
        target: Its name.
        overwrite: Whether what has the name may be replaced.

    Raises:
        OutputError: Something has it that may not be replaced, or a folder of that name holds other
            files.
    """
    if (sequence := SequenceName.parse(target)) is not None:
        for path in sorted(staged.iterdir()):
            check_unclaimed(path, sequence.folder / path.name, overwrite)
        return
    if target.is_dir():
        # Files that were put there while the render ran are not deleted.
        check_only_output_files(target)
    if overwrite or not target.exists():
        return
    if target.is_dir() and staged.is_dir() and not any(target.iterdir()):
        return
    if target.is_dir() or not target.samefile(staged):
        raise _make_claimed_error(target)


def publish_output(staged: Path, target: Path, overwrite: bool) -> None:
    """Move a complete output to where it belongs, from another drive too.

    Args:
        staged: The output in its job's folder.
        target: Its name.
        overwrite: Whether what has the name may be replaced.

    Raises:
        OutputError: It cannot be moved, the name is taken, or a folder of that name holds other
            files.
    """
    if (sequence := SequenceName.parse(target)) is not None:
        # One after the other: after a kill, those that are still here go on from there.
        for path in sorted(staged.iterdir()):
            publish_output(path, sequence.folder / path.name, overwrite)
        _remove_path(staged)
        return
    near_target = target.with_name(f"{PART_PREFIX}{target.name}")
    try:
        check_unclaimed(staged, target, overwrite)
        try:
            _place(staged, target, overwrite)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _remove_path(near_target)
            (shutil.copytree if staged.is_dir() else shutil.copyfile)(staged, near_target)
            sync_to_disk(near_target)
            _place(near_target, target, overwrite)
            _remove_path(staged)
        sync_to_disk(target.parent)
    except OSError as error:
        raise make_write_error(target, error) from error
    finally:
        _remove_path(near_target)


def _make_claimed_error(target: Path) -> OutputError:
    return OutputError(
        f"{target} was made by something else while this was rendered: move it away, or add "
        f"{named('overwrite')} to replace it",
        setting="overwrite",
        where=str(target),
    )


def _place(source: Path, target: Path, overwrite: bool) -> None:
    """Give an output its name; a file that takes the name at this moment is not replaced either."""
    if overwrite or source.is_dir():
        _replace_path(source, target)
        return
    try:
        os.link(source, target)
    except FileExistsError as error:
        if not target.samefile(source):
            raise _make_claimed_error(target) from error
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise
        _replace_path(source, target)  # the file system has no links
        return
    source.unlink()


def _replace_path(source: Path, target: Path) -> None:
    """Rename a file or a folder to a name that another may have."""
    if not target.is_dir():
        source.replace(target)
        return
    # A folder that is not empty cannot be replaced in one step.
    replaced = target.with_name(f"{PART_PREFIX}before.{target.name}")
    _remove_path(replaced)
    target.replace(replaced)
    try:
        source.replace(target)
    except OSError:
        replaced.replace(target)
        raise
    _remove_path(replaced)


def _remove_path(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
