"""The folder of an output on its way: `dream.mp4.job`, beside it, of one process at a time."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import warnings
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from dreamflow.core.errors import DreamFlowWarning, OutputError
from dreamflow.media.atomic_file import PART_PREFIX, atomic_write, make_write_error, remove_parts

JOB_FOLDER_SUFFIX = ".job"
JOB_FILE = "job.json"
JOB_STATE_FILE = "state.npz"
"""Where a render is, as it was last saved; it goes on from there."""
PUBLISHING_FRAMES_KEY = "placing"
"""Of the facts, how many frames the output has that is on its way out: see `media.placing`."""
JOB_LOCK_FILE = "lock"
JOB_FORMAT_VERSION = 1
MAX_FILE_NAME_BYTES = 255


def job_folder_path(out: Path) -> Path:
    """Return the job folder of an output. A very long name is cut, so that it is allowed."""
    name = out.name + JOB_FOLDER_SUFFIX
    if len(name.encode(errors="replace")) > MAX_FILE_NAME_BYTES:
        digest = hashlib.sha256(name.encode(errors="replace")).hexdigest()[:8]
        name = f"{out.stem[:40]}_{digest}{out.suffix}{JOB_FOLDER_SUFFIX}"
    return out.with_name(name)


def read_job_file(folder: Path) -> dict[str, Any] | None:
    """Return what a job folder says of its job, or None where it is none.

    Raises OutputError for a job of another version of DreamFlow, or one that cannot be read.
    """
    path = folder / JOB_FILE
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise OutputError(f"{path} cannot be read: {error}") from error
    if not isinstance(facts, dict) or facts.get("job") != JOB_FORMAT_VERSION:
        raise OutputError(
            f"{folder} is a job of another version of DreamFlow: end it with that one, or give "
            "--fresh to start over"
        )
    return facts


def read_publishing_frames(folder: Path) -> int:
    """Return how many frames a job's output has that is on its way out of its folder, or 0."""
    return (read_job_file(folder) or {}).get(PUBLISHING_FRAMES_KEY, 0)


def is_job_locked(folder: Path) -> bool:
    """Return whether a process is at work on a job folder."""
    try:
        with FileLock(folder / JOB_LOCK_FILE, timeout=0):
            return False
    except Timeout:
        return True
    except (OSError, NotImplementedError):
        return False


def is_job_folder(folder: Path) -> bool:
    """Return whether a folder holds a job. One that was killed while it was removed is none."""
    return (folder / JOB_FILE).exists()


def remove_job_leftovers(folder: Path) -> bool:
    """Remove what is left of a job that was killed while it was removed; return whether it was.

    What holds anything else, or is held by a process, is let be.
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
    """Return whether nothing is in it but what a process leaves that ends at once."""
    return all(
        path.name == JOB_LOCK_FILE or path.name.startswith(PART_PREFIX) for path in folder.iterdir()
    )


class JobFolder:
    """A job folder, held: no other process can work on it until it is let go of.

    The system lets go by itself when the process ends, however that comes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path / JOB_LOCK_FILE, timeout=0)

    def __enter__(self) -> Self:
        """Take the folder, making it. Raises OutputError where another process holds it."""
        if (
            self.path.is_dir()
            and not is_job_folder(self.path)
            and not _holds_only_leftovers(self.path)
        ):
            raise OutputError(f"{self.path} is in the way: it is no job of DreamFlow's")
        try:
            self.path.mkdir(exist_ok=True)
            self._lock.acquire()
        except Timeout as error:
            raise OutputError(
                f"{self.path} is being worked on by another process: wait for it, or stop it"
            ) from error
        except NotImplementedError:
            warnings.warn(
                f"{self.path.parent} is on a drive without file locks: start no second render of "
                "this output",
                DreamFlowWarning,
                2,
            )
        except OSError as error:
            raise make_write_error(self.path, error) from error
        remove_parts(self.path)
        return self

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def start_over(self, job_metadata: dict[str, Any]) -> None:
        """Start over: drop all that is in it, and say what job it is. Raises OutputError."""
        for path in self.path.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != JOB_LOCK_FILE:
                path.unlink()
        self.write_job_file(job_metadata)

    def write_job_file(self, job_metadata: dict[str, Any]) -> None:
        """Write what job it is. Raises OutputError."""
        text = json.dumps({"job": JOB_FORMAT_VERSION, **job_metadata}, ensure_ascii=False, indent=2)
        with atomic_write(self.path / JOB_FILE) as part:
            part.write_text(text + "\n", encoding="utf-8")

    def mark_publishing(self, frames: int) -> None:
        """Say that the output, of so many frames, is on its way out; 0 says that none is."""
        self.write_job_file({**(read_job_file(self.path) or {}), PUBLISHING_FRAMES_KEY: frames})

    def remove(self) -> None:
        """Let go of the folder, and remove it; killed on the way, it can be removed again."""
        self._lock.release()
        for path in self.path.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != JOB_FILE:
                with contextlib.suppress(OSError):
                    path.unlink()
        shutil.rmtree(self.path, ignore_errors=True)
