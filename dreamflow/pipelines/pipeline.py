"""What a pipeline is: it makes the frames of an output, and can stop after any and go on later."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import numpy as np

from dreamflow.core.files.documents import DocumentError, is_table
from dreamflow.core.frames import Frame

PipelineState = dict[str, Any]
"""Arrays, numbers, texts, fractions and None, in dicts, lists and tuples of any depth. Its arrays
are never changed afterwards, so it can be kept without a copy."""

LAYOUT_KEY = "layout"
"""Key, in a state or in a dict within it, of the version of that dict's keys; 1 where it lacks."""

FramesFrom = Callable[[int], Iterable[Frame]]
"""Gives a clip's frames from a number on: the same frames whatever the number."""


class Pipeline(Protocol):
    """Makes the frames of an output, one after the other.

    The frames made after `restore` are bit for bit those that would have come without it: they
    depend on nothing but the state, the pipeline's settings and its source.

    Attributes:
        done: Frames dreamed so far, those counted that are not shown.
        total: How many frames are to be dreamed, as far as is known.
    """

    done: int
    total: int

    def __iter__(self) -> Iterator[Frame | None]:
        """Yield the remaining frames, and None after work that shows no frame."""
        ...

    def state(self) -> PipelineState:
        """Return what is needed to go on from here, or from a little before.

        The state has `done`, and may have `read`: how many pictures of a folder it depends on.
        """
        ...

    def restore(self, state: PipelineState) -> None:
        """Go on from a state that another object of the same settings returned.

        Must be called before the first frame. A state from a file may be anything: what would fail
        later, or run without an end, is refused here.

        Raises:
            ValueError, KeyError, TypeError, ArithmeticError: It is no state of such an object. A
                DocumentError, which is a ValueError, says why.
        """
        ...


def list_state_layouts(state: Any) -> list[int]:
    """Return the layout versions in a state and the dicts within it, 1 where it has none.

    A pipeline can only be restored from a state whose layouts are those of its own states.
    """
    layouts: list[int] = []

    def collect(part: Any) -> None:
        if is_table(part):
            if LAYOUT_KEY in part:
                layouts.append(part[LAYOUT_KEY])
            for item in part.values():
                collect(item)

    collect(state)
    return layouts or [1]


def check_frame_picture(picture: np.ndarray) -> tuple[int, int]:
    """Return the (height, width) of a picture in a state.

    Raises:
        DocumentError: It is not uint8 (H, W, 3).
    """
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise DocumentError("a picture in it is not uint8 (H, W, 3)")
    return picture.shape[0], picture.shape[1]
