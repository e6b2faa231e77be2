"""Types of the functions that a caller passes in to follow a long piece of work."""

from __future__ import annotations

from collections.abc import Callable

DoneCallback = Callable[[int], None]
"""Called with the units (frames, steps, layers) done so far."""

ProgressCallback = Callable[[int, int], None]
"""Called with the units done so far and the expected total."""

MessageCallback = Callable[[str], None]
"""Called with one line of text for the user."""
