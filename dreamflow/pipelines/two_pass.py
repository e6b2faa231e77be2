"""A shot begun with a dream that has settled, instead of one that grows while it is seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from dreamflow.core.frames import Frame
from dreamflow.core.timing import time_stage
from dreamflow.pipelines.marked_frames import MarkedFrame
from dreamflow.temporal.flow.source import Remembered, foresee
from dreamflow.temporal.shots import Mark

if TYPE_CHECKING:
    from dreamflow.pipelines.video import VideoDreamer

SHOT_WARM_UP_FRAMES = 24
"""How many of a shot's first frames are dreamed unseen; a carried dream has settled by then."""

WarmUpCallback = Callable[[int, int], None]
"""Called with the frames dreamed unseen so far, and how many are known of; the latter grows with
each shot that is found."""


def dream_in_passes(
    marked_frames: Iterable[MarkedFrame],
    dreamer: VideoDreamer,
    on_warm_up: WarmUpCallback = lambda done, known: None,
) -> Iterator[Frame | None]:
    """Yield the dream of each frame of a clip, in one pass or in two, as the options say.

    In two, the first frames of each shot are held, and dreamed backwards before they are dreamed
    for the output: what is carried has come to rest when the first of them is reached. For each of
    these None is yielded.
    """
    carry = dreamer.carry
    if carry.passes == 1 or not carry.carry or dreamer.options.iterations == 0:
        yield from dream_frames(marked_frames, dreamer)
        return
    source = iter(marked_frames)
    done = known = 0
    coming = next(source, None)
    while coming is not None:
        if coming[1] is not Mark.CUT:
            here, coming = coming, next(source, None)
            yield dream_and_prefetch_motion(here, coming, dreamer)
            continue
        shot = [coming]
        while (coming := next(source, None)) and coming[1] is not Mark.CUT:
            shot.append(coming)
            if len(shot) == SHOT_WARM_UP_FRAMES:
                coming = next(source, None)
                break
        ahead = [frame for frame, mark in shot[1:] if mark is not Mark.FLASH]
        known += len(ahead)
        on_warm_up(done, known)
        estimated = dreamer.motion
        dreamer.motion = Remembered(estimated)
        dreamer.reset()
        for _ in dream_frames(((frame, Mark.SAME) for frame in reversed(ahead)), dreamer):
            done += 1
            on_warm_up(done, known)
            yield None
        yield from dream_frames(chain([(shot[0][0], Mark.SAME)], shot[1:]), dreamer)
        dreamer.motion = estimated


def dream_frames(marked_frames: Iterable[MarkedFrame], dreamer: VideoDreamer) -> Iterator[Frame]:
    """Yield the dream of each frame; the one after it is at hand then already."""
    for here, coming in pair_with_next(marked_frames):
        yield dream_and_prefetch_motion(here, coming, dreamer)


def pair_with_next(
    items: Iterable[MarkedFrame],
) -> Iterator[tuple[MarkedFrame, MarkedFrame | None]]:
    """Yield each item with the one after it, where there is one.

    An error in place of that one is raised after the item before it, which loses nothing by it.
    """
    source = iter(items)
    here = next(source, None)
    while here is not None:
        trouble: Exception | None = None
        try:
            coming = next(source, None)
        except Exception as error:
            coming, trouble = None, error
        yield here, coming
        if trouble is not None:
            raise trouble
        here = coming


def dream_and_prefetch_motion(
    here: MarkedFrame, coming: MarkedFrame | None, dreamer: VideoDreamer
) -> Frame:
    """Return the dream of a frame, while the motion to the one that comes is found."""
    carries = dreamer.carry.carry and dreamer.options.iterations != 0
    if carries and coming and coming[1] is Mark.SAME and here[1] is not Mark.FLASH:
        foresee(dreamer.motion, here[0], coming[0])
    with time_stage("dream"):
        return dreamer(*here)


def dream_visible_frames(
    marked_frames: Iterable[MarkedFrame],
    dreamer: VideoDreamer,
    on_warm_up: WarmUpCallback = lambda done, known: None,
) -> Iterator[Frame]:
    """Yield the dreams of `dream_steps` alone."""
    return (
        dream for dream in dream_in_passes(marked_frames, dreamer, on_warm_up) if dream is not None
    )
