"""The requests that wait for the worker: which comes next, and which are stale."""

from __future__ import annotations

import threading

from dreamflow.studio.worker.messages import DropLane, PreferRequests, Request

OTHERS_STEP = 10
"""By how much a request's priority is put back where others of its lane are preferred: behind all
of these, coarse and fine."""


class Inbox:
    """Requests by priority, taken by one thread and put in by another."""

    def __init__(self) -> None:
        self._waiting: list[Request] = []
        self._newest: dict[str, int] = {}
        self._dropped: list[Request] = []
        self._preferred: dict[str, frozenset[int]] = {}
        self._changed = threading.Condition()

    def put(self, message: Request | DropLane) -> None:
        """Take a message: a request waits, and what it makes stale is dropped."""
        with self._changed:
            newest = max(self._newest.get(message.lane, 0), message.generation)
            self._newest[message.lane] = newest
            if not isinstance(message, DropLane):
                self._waiting.append(message)
            stale = [one for one in self._waiting if self._is_stale(one)]
            self._waiting = [one for one in self._waiting if one not in stale]
            self._dropped += stale
            self._changed.notify()

    def prefer(self, message: PreferRequests) -> None:
        """Take those of a lane first that a message names."""
        with self._changed:
            self._preferred[message.lane] = frozenset(message.numbers)

    def take(self) -> Request | None:
        """Return the most urgent request; waits for one. None where some were dropped."""
        with self._changed:
            while not self._waiting and not self._dropped:
                self._changed.wait()
            if self._dropped:
                return None
            first = min(self._waiting, key=lambda one: (self._rank(one), one.number))
            self._waiting.remove(first)
            return first

    def take_dropped(self) -> list[Request]:
        """Return the requests that have become stale since they were asked for last."""
        with self._changed:
            dropped, self._dropped = self._dropped, []
            return dropped

    def is_stale(self, request: Request) -> bool:
        """Return whether a newer generation of a request's lane has come."""
        with self._changed:
            return self._is_stale(request)

    def must_wait(self, request: Request) -> bool:
        """Return whether a more urgent request than this one waits."""
        with self._changed:
            return any(self._rank(one) < self._rank(request) for one in self._waiting)

    def _rank(self, request: Request) -> int:
        preferred = self._preferred.get(request.lane)
        is_put_back = preferred is not None and request.number not in preferred
        return request.priority + (OTHERS_STEP if is_put_back else 0)

    def _is_stale(self, request: Request) -> bool:
        return request.generation < self._newest.get(request.lane, 0)
