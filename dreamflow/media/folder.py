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

from dreamflow.errors import DreamFlowWarning, OutputError
from dreamflow.media.whole import PART, cannot_write, drop_parts, whole

SUFFIX = ".job"
FACTS = "job.json"
STATE = "state.npz"
"""Where a render is, as it was last saved; it goes on from there."""
PLACING = "placing"
"""Of the facts, how many frames the output has that is on its way out: see `media.placing`."""
LOCK = "lock"
VERSION = 1
LONGEST_NAME_BYTES = 255


def job_path(out: Path) -> Path:
    """Return the job folder of an output. A very long name is cut, so that it is allowed."""
    name = out.name + SUFFIX
    if len(name.encode(errors="replace")) > LONGEST_NAME_BYTES:
        digest = hashlib.sha256(name.encode(errors="replace")).hexdigest()[:8]
        name = f"{out.stem[:40]}_{digest}{out.suffix}{SUFFIX}"
    return out.with_name(name)


def read_facts(folder: Path) -> dict[str, Any] | None:
    """Return what a job folder says of its job, or None where it is none.

    Raises OutputError for a job of another version of DreamFlow, or one that cannot be read.
    """
    path = folder / FACTS
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise OutputError(f"{path} cannot be read: {error}") from error
    if not isinstance(facts, dict) or facts.get("job") != VERSION:
        raise OutputError(
            f"{folder} is a job of another version of DreamFlow: end it with that one, or give "
            "--fresh to start over"
        )
    return facts


def frames_marked(folder: Path) -> int:
    """Return how many frames a job's output has that is on its way out of its folder, or 0."""
    return (read_facts(folder) or {}).get(PLACING, 0)


def is_held(folder: Path) -> bool:
    """Return whether a process is at work on a job folder."""
    try:
        with FileLock(folder / LOCK, timeout=0):
            return False
    except Timeout:
        return True
    except (OSError, NotImplementedError):
        return False


def is_job(folder: Path) -> bool:
    """Return whether a folder holds a job. One that was killed while it was removed is none."""
    return (folder / FACTS).exists()


def drop_remains(folder: Path) -> bool:
    """Remove what is left of a job that was killed while it was removed; return whether it was.

    What holds anything else, or is held by a process, is let be.
    """
    if not folder.is_dir() or is_job(folder) or not _only_remains(folder) or is_held(folder):
        return False
    shutil.rmtree(folder, ignore_errors=True)
    return True


def _only_remains(folder: Path) -> bool:
    """Return whether nothing is in it but what a process leaves that ends at once."""
    return all(path.name == LOCK or path.name.startswith(PART) for path in folder.iterdir())


class JobFolder:
    """A job folder, held: no other process can work on it until it is let go of.

    The system lets go by itself when the process ends, however that comes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path / LOCK, timeout=0)

    def __enter__(self) -> Self:
        """Take the folder, making it. Raises OutputError where another process holds it."""
        if self.path.is_dir() and not is_job(self.path) and not _only_remains(self.path):
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
            raise cannot_write(self.path, error) from error
        drop_parts(self.path)
        return self

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def begin(self, facts: dict[str, Any]) -> None:
        """Start over: drop all that is in it, and say what job it is. Raises OutputError."""
        for path in self.path.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != LOCK:
                path.unlink()
        self.say(facts)

    def say(self, facts: dict[str, Any]) -> None:
        """Write what job it is. Raises OutputError."""
        text = json.dumps({"job": VERSION, **facts}, ensure_ascii=False, indent=2)
        with whole(self.path / FACTS) as part:
            part.write_text(text + "\n", encoding="utf-8")

    def mark(self, frames: int) -> None:
        """Say that the output, of so many frames, is on its way out; 0 says that none is."""
        self.say({**(read_facts(self.path) or {}), PLACING: frames})

    def remove(self) -> None:
        """Let go of the folder, and remove it; killed on the way, it can be removed again."""
        self._lock.release()
        for path in self.path.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != FACTS:
                with contextlib.suppress(OSError):
                    path.unlink()
        shutil.rmtree(self.path, ignore_errors=True)
