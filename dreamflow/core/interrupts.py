"""Ctrl-C deferred to the end of a block of code that must not be interrupted."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def defer_interrupt(
    on_first_interrupt: Callable[[], None] = lambda: None, *, raise_after: bool = True
) -> Generator[None, None, None]:
    """Defer a Ctrl-C to the end of a `with` block; a second one interrupts at once.

    Outside the main thread, which receives no signals, and where a program handles Ctrl-C itself,
    the block runs unchanged.

    Args:
        on_first_interrupt: Called when the first Ctrl-C arrives.
        raise_after: Whether a deferred Ctrl-C is raised after the block. False where it comes too
            late, because all work is then done.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed in the block.
    """
    previous = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or (
        previous is not signal.default_int_handler
    ):
        yield
        return
    is_interrupted = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal is_interrupted
        if is_interrupted:
            raise KeyboardInterrupt
        is_interrupted = True
        on_first_interrupt()

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
    if is_interrupted and raise_after:
        raise KeyboardInterrupt
