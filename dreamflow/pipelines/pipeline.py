"""What a render can be made of: a journey that can stop after any frame, and go on from there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from dreamflow.core.frames import Frame

PipelineState = dict[str, Any]
"""Arrays, numbers, texts, fractions and None, in dicts, lists and tuples, as deep as need be. Its
arrays are never changed after it was asked for, so that it can be kept without being copied."""

FramesFrom = Callable[[int], Iterable[Frame]]
"""Gives a clip's frames from a number on, the very same ones whatever the number."""


class Pipeline(Protocol):
    """Makes the frames of an output one after the other.

    The frames made after `restore` are bit for bit those that would have come without it: all that
    they depend on is in the state, in the journey's settings, and in the source.
    """

    done: int
    """How much of the work is done, in frames dreamed, unseen ones too."""
    total: int
    """How much there is, as far as is known."""

    def __iter__(self) -> Iterator[Frame | None]:
        """Yield the frames still to come, and None after work that shows no frame."""
        ...

    def state(self) -> PipelineState:
        """Return what is needed to go on from here, or from a little before.

        `done` is in it, and may be `read`: how many pictures of a folder it depends on.
        """
        ...

    def restore(self, state: PipelineState) -> None:
        """Go on from a state, before anything was yielded."""
        ...
