"""Passes on what has changed: to the listeners of a state, in its event loop."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable

Listener = Callable[[str], None]
"""Called with the topic of a change."""


class News:
    """Tells listeners of changes; other threads put their news into the event loop."""

    def __init__(self) -> None:
        """Begin without listeners, and before the event loop runs."""
        self._listeners: dict[int, Listener] = {}
        self._keys = itertools.count()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock, self._early_calls = threading.Lock(), list[Callable[[], None]]()

    def start(self) -> None:
        """Take the running event loop; what has waited for it comes first."""
        with self._lock:
            self._loop = asyncio.get_running_loop()
            for call in self._early_calls:
                self._loop.call_soon(call)
            self._early_calls.clear()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have a function called at each change; returns a function that ends this."""
        key = next(self._keys)
        self._listeners[key] = listener

        def unsubscribe() -> None:
            self._listeners.pop(key, None)

        return unsubscribe

    def tell(self, topic: str) -> None:
        """Tell all listeners; in the event loop only."""
        for listener in list(self._listeners.values()):
            listener(topic)

    def tell_later(self, topic: str) -> None:
        """Tell all listeners from the event loop; may be called by any thread."""
        self.call_later(lambda: self.tell(topic))

    def call_later(self, call: Callable[[], None]) -> None:
        """Call a function in the event loop; may be called by any thread, and before it runs."""
        with self._lock:
            if self._loop is None:
                self._early_calls.append(call)
            elif not self._loop.is_closed():
                self._loop.call_soon_threadsafe(call)
