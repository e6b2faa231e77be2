"""Frames dreamed in order, in one pass, or in two so that each shot begins with a settled dream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from dreamflow.core.frames import Frame
from dreamflow.pipelines.video.carry_over_frames import VideoDreamer
from dreamflow.pipelines.video.marked_frames import MarkedFrame
from dreamflow.temporal.shots import Mark

WARM_UP_S = 1.0
"""How much of a shot's beginning is dreamed unseen; a carried dream has settled by then."""

WarmUpCallback = Callable[[int, int], None]
"""Called with the frames dreamed unseen so far, and how many are known of; the latter grows with
each shot that is found."""


def dream_in_passes(
    marked_frames: Iterable[MarkedFrame],
    dreamer: VideoDreamer,
    on_warm_up: WarmUpCallback = lambda done, known: None,
    warm_up_s: float = WARM_UP_S,
) -> Iterator[Frame | None]:
    """Yield the dream of each frame of a clip, in one pass or in two, as the settings say.

    In two passes the first frames of each shot are held, and dreamed backwards before they are
    dreamed for the output: what is carried has settled when the first of them is reached.

    Args:
        marked_frames: Frames with their marks, in order.
        dreamer: Dreams them.
        on_warm_up: See `WarmUpCallback`.
        warm_up_s: Seconds of each shot that are dreamed backwards first.

    Yields:
        Dreamed frames, and None for each frame that was dreamed unseen.
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
            yield _dream_and_prefetch(here, coming, dreamer)
            continue
        shot = [coming]
        while (coming := next(source, None)) and coming[1] is not Mark.CUT:
            shot.append(coming)
            if float(coming[0].time - shot[0][0].time) >= warm_up_s:
                coming = next(source, None)
                break
        unseen = [frame for frame, mark in shot[1:] if mark is not Mark.FLASH]
        known += len(unseen)
        on_warm_up(done, known)
        dreamer.motion.start_caching()
        dreamer.reset()
        for _ in dream_frames(((frame, Mark.SAME) for frame in reversed(unseen)), dreamer):
            done += 1
            on_warm_up(done, known)
            yield None
        yield from dream_frames(chain([(shot[0][0], Mark.SAME)], shot[1:]), dreamer)
        dreamer.motion.stop_caching()


def dream_frames(marked_frames: Iterable[MarkedFrame], dreamer: VideoDreamer) -> Iterator[Frame]:
    """Yield the dream of each frame, while the motion to the next one is found."""
    for here, coming in pair_with_next(marked_frames):
        yield _dream_and_prefetch(here, coming, dreamer)


def pair_with_next(
    items: Iterable[MarkedFrame],
) -> Iterator[tuple[MarkedFrame, MarkedFrame | None]]:
    """Yield each item with the one after it, or None at the end.

    An error in place of the next item is raised after the one before it, which is not lost by it.
    """
    source = iter(items)
    here = next(source, None)
    while here is not None:
        failure: Exception | None = None
        try:
            coming = next(source, None)
        except Exception as error:
            coming, failure = None, error
        yield here, coming
        if failure is not None:
            raise failure
        here = coming


def _dream_and_prefetch(
    here: MarkedFrame, coming: MarkedFrame | None, dreamer: VideoDreamer
) -> Frame:
    carries = dreamer.carry.carry and dreamer.options.iterations != 0
    if carries and coming and coming[1] is Mark.SAME and here[1] is not Mark.FLASH:
        dreamer.motion.prefetch(here[0], coming[0])
    with dreamer.controls.stage_times.stage("dream"):
        return dreamer(*here)
