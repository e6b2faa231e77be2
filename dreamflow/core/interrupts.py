"""Ctrl-C that waits for what must not be cut in two."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def defer_interrupt(
    on_first_interrupt: Callable[[], None] = lambda: None, *, raise_after: bool = True
) -> Iterator[None]:
    """Let a Ctrl-C wait until the block is done; a second one does not wait.

    pressed_once is called when the first one comes. stops: whether it counts after the block, or
    has come too late, for with that all is done. Outside of the main thread, where no signal
    arrives, and where Ctrl-C means something else already, the block runs as it is.
    """
    usual = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or (
        usual is not signal.default_int_handler
    ):
        yield
        return
    pressed = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True
        on_first_interrupt()

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
    if pressed and raise_after:
        raise KeyboardInterrupt
