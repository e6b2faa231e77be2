"""A job's folder beside its output, `dream.mp4.job`, in which one process works at a time."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import warnings
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from dreamflow.core.errors import OutputError, StorageWarning
from dreamflow.jobs.storage.job_file import (
    JOB_FILE,
    JOB_FOLDER_SUFFIX,
    PUBLISHING_FRAMES_KEY,
    JobMetadata,
    read_job_file,
    write_job_file,
)
from dreamflow.media.files.atomic_file import PART_PREFIX, make_write_error, remove_parts

JOB_LOCK_FILE = "lock"
SHARDS_FOLDER = "shards"
"""The folder, within a job's, of its shards."""
MAX_FILE_NAME_BYTES = 255


def job_folder_path(out: Path) -> Path:
    """Return the job folder of an output. A name that is too long is cut, and made unique."""
    name = out.name + JOB_FOLDER_SUFFIX
    if len(name.encode(errors="replace")) > MAX_FILE_NAME_BYTES:
        digest = hashlib.sha256(name.encode(errors="replace")).hexdigest()[:8]
        name = f"{out.stem[:40]}_{digest}{out.suffix}{JOB_FOLDER_SUFFIX}"
    return out.with_name(name)


def read_publishing_frames(folder: Path) -> int:
    """Return the number of frames of the output that a job is publishing; 0 where it is not.

    Raises:
        OutputError: The job cannot be read.
    """
    return (read_job_file(folder) or {}).get(PUBLISHING_FRAMES_KEY, 0)


def is_job_locked(folder: Path) -> bool:
    """Return whether a process works in a job's folder."""
    if not folder.is_dir():  # the lock would make it
        return False
    try:
        with FileLock(folder / JOB_LOCK_FILE, timeout=0):
            return False
    except Timeout:
        return True
    except (OSError, NotImplementedError):
        return False


def is_job_folder(folder: Path) -> bool:
    """Return whether a folder holds a job, and not only what is left of a removed one."""
    return (folder / JOB_FILE).exists()


def has_shards(folder: Path) -> bool:
    """Return whether a job is rendered in shards, which keep what they have by themselves."""
    return (folder / SHARDS_FOLDER).is_dir()


def remove_job_leftovers(folder: Path) -> bool:
    """Remove what is left of a job whose process was killed while it removed the folder.

    Returns:
        Whether it was removed. A folder that holds anything else, or that a process works in, is
        not touched.
    """
    if (
        not folder.is_dir()
        or is_job_folder(folder)
        or not _holds_only_leftovers(folder)
        or is_job_locked(folder)
    ):
        return False
    shutil.rmtree(folder, ignore_errors=True)
    return True


def _holds_only_leftovers(folder: Path) -> bool:
    return all(
        path.name == JOB_LOCK_FILE or path.name.startswith(PART_PREFIX) for path in folder.iterdir()
    )


class JobLockedError(OutputError):
    """Another process works on the job."""


class JobFolder:
    """A job's folder, locked within a `with` block: no other process can work in it.

    The system releases the lock when the process ends, however that comes.

    Attributes:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path / JOB_LOCK_FILE, timeout=0)

    def __enter__(self) -> Self:
        """Make the folder where it is missing, and lock it.

        Raises:
            JobLockedError: Another process has locked it.
            OutputError: It is not a job's folder, or cannot be written.
        """
        is_foreign = self.path.is_dir() and not is_job_folder(self.path)
        if is_foreign and not _holds_only_leftovers(self.path):
            raise OutputError(
                f"{self.path} is in the way: it is no job of DreamFlow's; move it, or name another "
                "output",
                where=str(self.path),
            )
        try:
            self.path.mkdir(exist_ok=True)
            self._lock.acquire()
        except Timeout as error:
            raise JobLockedError(
                f"{self.path} is being worked on by another process: wait for it, or stop it",
                where=str(self.path),
            ) from error
        except NotImplementedError:
            warnings.warn(
                f"{self.path.parent} is on a drive without file locks: start no second render of "
                "this output",
                StorageWarning,
                2,
            )
        except OSError as error:
            raise make_write_error(self.path, error) from error
        remove_parts(self.path)
        return self

    def __exit__(self, *error: object) -> None:
        """Release the lock."""
        self._lock.release()

    def start_over(self, job_metadata: JobMetadata) -> None:
        """Delete all that is in the folder, and write a job's metadata.

        Raises:
            OutputError: They cannot be written.
        """
        for path in self.path.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != JOB_LOCK_FILE:
                path.unlink()
        self.write_job_file(job_metadata)

    def write_job_file(self, job_metadata: JobMetadata) -> None:
        """Write a job's metadata. Raises OutputError where they cannot be written."""
        write_job_file(self.path, job_metadata)

    def mark_publishing(self, frames: int) -> None:
        """Mark the job as publishing an output of so many frames; 0 unmarks it.

        Raises:
            OutputError: The metadata are gone, or cannot be written.
        """
        metadata = read_job_file(self.path)
        if metadata is None:
            raise OutputError(f"{self.path / JOB_FILE} is gone", where=str(self.path))
        self.write_job_file({**metadata, PUBLISHING_FRAMES_KEY: frames})

    def remove(self) -> None:
        """Release the lock and remove the folder; a kill on the way leaves what can be removed."""
        self._lock.release()
        paths: list[Path] = []
        with contextlib.suppress(OSError):  # the folder may be gone
            paths = list(self.path.iterdir())
        for path in paths:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != JOB_FILE:
                with contextlib.suppress(OSError):
                    path.unlink()
        shutil.rmtree(self.path, ignore_errors=True)
