"""A queue of films that are rendered in processes of their own, and outlive the studio.

Each is the command `dreamflow video`, in a session of its own: when the studio is closed or killed,
the render goes on, and the queue finds it again. What a render has done is safe in its job.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from filelock import FileLock, Timeout

from dreamflow.core.errors import DreamFlowError, OutputError
from dreamflow.core.text.path_text import path_from_text
from dreamflow.jobs.storage.folder import is_job_folder, job_folder_path, remove_job_leftovers
from dreamflow.studio.films.queue_document import (
    DONE,
    FAILED,
    RUNNING,
    STOPPED,
    WAITING,
    QueueDocument,
    QueuedRender,
)
from dreamflow.studio.films.queue_file import QueueFile
from dreamflow.studio.films.render_files import RenderFiles
from dreamflow.studio.films.render_process import is_render_alive, start_render
from dreamflow.studio.films.render_progress import RenderProgress, read_progress
from dreamflow.studio.outside import FilmChoices, film_words

LOCK_FILE = "lock"
POLL_S = 0.5
"""Seconds between two looks at the renders."""


class RenderQueue:
    """Renders one film after the other.

    Attributes:
        folder: Where the queue, its logs and its latest frames are.
        notes: What is wrong with the queue's file.
    """

    def __init__(
        self,
        folder: Path,
        on_change: Callable[[], None] = lambda: None,
        threads: int = 0,
        worker_words: Sequence[str] = (),
    ) -> None:
        """Read the queue of a folder.

        Args:
            folder: Where the queue, its logs and its latest frames are; it is made.
            on_change: Called by a thread when something has changed.
            threads: CPU threads of new renders; 0 measures.
            worker_words: Options of `dreamflow video` that spread each film over workers.

        Raises:
            OutputError: The folder cannot be made, or another studio has the queue.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder} cannot be made: {error.strerror}") from error
        self._claim = FileLock(folder / LOCK_FILE, timeout=0, thread_local=False)
        try:
            self._claim.acquire()
        except Timeout as error:
            raise OutputError(
                f"another studio has the queue in {folder}: use its page, or end it first"
            ) from error
        self._thread: threading.Thread | None = None
        self.folder = folder
        self._on_change, self._threads = on_change, threads
        self._worker_words = worker_words
        self._lock, self._wake = threading.RLock(), threading.Event()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._interrupted: set[int] = set()
        self._is_closed = False
        self._file, self._files = QueueFile(folder), RenderFiles(folder)
        document, self.notes = self._file.read()
        self._renders, self._is_paused = document.renders, document.is_paused

    @property
    def renders(self) -> list[QueuedRender]:
        """The films, in the order of the queue."""
        with self._lock:
            return list(self._renders)

    @property
    def is_paused(self) -> bool:
        """Whether no film is rendered until `resume`."""
        return self._is_paused

    def start(self) -> None:
        """Begin to render, in a thread."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Let go of the queue; a render that runs goes on."""
        self._is_closed = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        with self._lock:
            for process in self._processes.values():
                # The system keeps what is left of a process until it is waited for.
                threading.Thread(target=process.wait, daemon=True).start()
            self._processes.clear()
        self._claim.release()

    def add(
        self, settings: dict[str, Any], film: FilmChoices, *, stands_back: bool = False
    ) -> QueuedRender:
        """Put a film at the end of the queue.

        Raises:
            OutputError: The film exists, or another one of the queue has its name.
        """
        out = path_from_text(film.out)
        with self._lock:
            if any(one.out == film.out and one.state != DONE for one in self._renders):
                raise OutputError(f"{out.name} is in the queue already: give it another name")
            if out.exists():
                raise OutputError(f"{out.name} exists already: give it another name")
            render = QueuedRender(
                key=secrets.token_hex(8),
                source=film.source,
                out=film.out,
                settings=settings,
                size=film.size,
                codec=film.codec,
                quality=film.quality,
                start=film.start,
                end=film.end,
                threads=self._threads,
                stands_back=stands_back,
            )
            self._renders.append(render)
            self._changed()
        return render

    def pause(self) -> None:
        """Halt the queue: what runs saves what it has, and is the first to go on.

        It is kept with the queue, so that it lasts when the studio ends or is killed.
        """
        with self._lock:
            self._is_paused = True
            self._changed()
            for render in self._renders:
                if render.state == RUNNING:
                    self._interrupt(render)

    def resume(self) -> None:
        """Let a queue that is halted go on where it was."""
        with self._lock:
            self._is_paused = False
            self._changed()

    def stop(self, key: str) -> None:
        """Stop a film: what it has is kept, and it can go on."""
        with self._lock:
            render = self._find(key)
            if render.state == RUNNING:
                self._interrupt(render)
            if render.state in (RUNNING, WAITING):
                self._set(key, state=STOPPED, message="")

    def go_on(self, key: str) -> None:
        """Let a film that was stopped or has failed go on where it was."""
        with self._lock:
            if self._find(key).state in (STOPPED, FAILED):
                self._set(key, state=WAITING, message="")

    def move(self, key: str, by: int) -> None:
        """Move a film that waits by places among those that do; below 0 is forwards."""
        with self._lock:
            places = [n for n, one in enumerate(self._renders) if one.state == WAITING]
            waiting = [self._renders[place] for place in places]
            render = self._find(key)
            if render not in waiting:
                return
            before = waiting.index(render)
            waiting.remove(render)
            waiting.insert(max(0, min(before + by, len(waiting))), render)
            for place, one in zip(places, waiting, strict=True):
                self._renders[place] = one
            self._changed()

    def remove(self, key: str) -> None:
        """Take a film from the queue; its output, and its job if it is not done, stay."""
        with self._lock:
            self.stop(key)
            self._renders.remove(self._find(key))
            self._files.delete(key)
            self._changed()

    def latest_path(self, key: str) -> Path:
        """Return the picture of a render's latest frame."""
        return self._files.latest_path(key)

    def progress(self, key: str) -> RenderProgress:
        """Return how far a film has come."""
        return read_progress(self._files.read_log(key))

    def words(self, render: QueuedRender) -> list[str]:
        """Return the words of a film's command, after `dreamflow`, as they may be shown."""
        threads = ["--threads", str(render.threads)] if render.threads else []
        # A loop cannot be cut into what workers render.
        workers = () if render.settings.get("loop") else self._worker_words
        return [*film_words(dict(render.settings), render.film), *threads, *workers]

    def _run(self) -> None:
        while not self._is_closed:
            try:
                self._look()
            except (OSError, DreamFlowError) as error:
                self.notes = [f"the queue cannot be kept: {error}"]
            self._wake.wait(POLL_S)
            self._wake.clear()

    def _look(self) -> None:
        """Take note of renders that have ended, and begin the next one."""
        with self._lock:
            if edited := self._file.look_for_edits():
                self.notes = [edited]
                self._changed()
            for render in list(self._renders):
                is_begun = render.pid or render.state == RUNNING
                if is_begun and not self._is_alive(render):
                    self._end(render)
                elif render.state == RUNNING and self._is_paused:
                    self._interrupt(render)  # the studio may have been killed before it did
            running = any(one.state == RUNNING for one in self._renders)
            # What was stopped still saves what it has, and locks its job.
            is_busy = any(one.pid for one in self._renders)
            is_busy |= any(process.poll() is None for process in self._processes.values())
            waiting = next((one for one in self._renders if one.state == WAITING), None)
            if waiting is not None and not is_busy and not self._is_paused:
                self._begin(waiting)
        if running:
            self._on_change()

    def _begin(self, render: QueuedRender) -> None:
        words = [*self.words(render), "--progress", "json"]
        words += ["--watch", str(self.latest_path(render.key))]
        process = start_render(
            words, self._files.log_path(render.key), stands_back=render.stands_back
        )
        self._processes[render.key] = process
        self._set(render.key, state=RUNNING, pid=process.pid, message="")

    def _is_alive(self, render: QueuedRender) -> bool:
        process = self._processes.get(render.key)
        if process is not None:
            return process.poll() is None
        return is_render_alive(render.pid, render.out)

    def _end(self, render: QueuedRender) -> None:
        out = path_from_text(render.out)
        process = self._processes.pop(render.key, None)
        self._interrupted.discard(render.pid)
        if render.state != RUNNING:  # it was stopped
            self._set(render.key, pid=0)
            return
        last = next(
            (line for line in reversed(self._files.read_log(render.key)) if line[:1] != "{"), ""
        )
        succeeded = out.exists() and not is_job_folder(job_folder_path(out))
        if process is not None and process.returncode >= 0:  # else it was killed, maybe at its end
            succeeded = process.returncode == 0
        if succeeded:
            remove_job_leftovers(job_folder_path(out))
        message = last.removeprefix(f"{out}: ").removeprefix("error: ")
        if not succeeded and self._is_paused:
            self._set(render.key, state=WAITING, pid=0, message="")
            return
        if not succeeded and not message:
            message = "it was killed; it can go on"
        self._set(render.key, state=DONE if succeeded else FAILED, pid=0, message=message)

    def _interrupt(self, render: QueuedRender) -> None:
        """Send Ctrl-C once, at which a render saves what it has."""
        if render.pid not in self._interrupted and self._is_alive(render):
            self._interrupted.add(render.pid)
            with contextlib.suppress(OSError):
                os.kill(render.pid, signal.SIGINT)

    def _find(self, key: str) -> QueuedRender:
        found = next((one for one in self._renders if one.key == key), None)
        if found is None:
            raise OutputError("this film is not in the queue any more")
        return found

    def _set(self, key: str, **changes: Any) -> None:
        place = self._renders.index(self._find(key))
        self._renders[place] = msgspec.structs.replace(self._renders[place], **changes)
        self._changed()

    def _changed(self) -> None:
        self._file.write(QueueDocument(self._renders, self._is_paused))
        self._wake.set()
        self._on_change()
