"""A shot begun with a dream that has settled, instead of one that grows while it is seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from dreamflow.frames import Frame
from dreamflow.motion import Mark, Remembered

if TYPE_CHECKING:
    from dreamflow.journeys.video import VideoDreamer

RUN_UP_FRAMES = 24
"""How many of a shot's first frames are dreamed unseen; a carried dream has settled by then."""

Unseen = Callable[[int, int], None]
"""Called with the frames dreamed unseen so far, and how many are known of; the latter grows with
each shot that is found."""


def dream_steps(
    marked: Iterable[tuple[Frame, Mark]],
    dreamer: VideoDreamer,
    unseen: Unseen = lambda done, known: None,
) -> Iterator[Frame | None]:
    """Yield the dream of each frame of a clip, in one pass or in two, as the options say.

    In two, the first frames of each shot are held, and dreamed backwards before they are dreamed
    for the output: what is carried has come to rest when the first of them is reached. For each of
    these None is yielded.
    """
    carry = dreamer.carry
    if carry.passes == 1 or not carry.carry or dreamer.options.iterations == 0:
        for frame, mark in marked:
            yield dreamer(frame, mark)
        return
    source = iter(marked)
    done = known = 0
    coming = next(source, None)
    while coming is not None:
        if coming[1] is not Mark.CUT:
            yield dreamer(*coming)
            coming = next(source, None)
            continue
        shot = [coming]
        while (coming := next(source, None)) and coming[1] is not Mark.CUT:
            shot.append(coming)
            if len(shot) == RUN_UP_FRAMES:
                coming = next(source, None)
                break
        ahead = [frame for frame, mark in shot[1:] if mark is not Mark.FLASH]
        known += len(ahead)
        unseen(done, known)
        estimated = dreamer.motion
        dreamer.motion = Remembered(estimated)
        dreamer.reset()
        for frame in reversed(ahead):
            dreamer(frame)
            done += 1
            unseen(done, known)
            yield None
        for frame, mark in chain([(shot[0][0], Mark.SAME)], shot[1:]):
            yield dreamer(frame, mark)
        dreamer.motion = estimated


def dream_marked(
    marked: Iterable[tuple[Frame, Mark]],
    dreamer: VideoDreamer,
    unseen: Unseen = lambda done, known: None,
) -> Iterator[Frame]:
    """Yield the dreams of `dream_steps` alone."""
    return (dream for dream in dream_steps(marked, dreamer, unseen) if dream is not None)
