"""A clip dreamed as a loop: its end leads into its beginning."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from dreamflow.errors import DreamFlowWarning, SettingsError
from dreamflow.frames import Frame
from dreamflow.journeys.video import VideoDreamer
from dreamflow.motion import Mark
from dreamflow.motion.shots import look_at, related

BLEND_FRAMES = 24
"""The last frames, over which the second round passes into the first; at most half of the clip."""

Marked = Callable[[], Iterable[tuple[Frame, Mark]]]


def dream_loop(
    marked: Marked, dreamer: VideoDreamer, unseen: Callable[[], None] = lambda: None
) -> Iterator[Frame]:
    """Yield the dream of each frame of a clip, so that the last one leads into the first.

    marked: gives the clip's frames with their marks, anew each time. The clip is dreamed twice
    round. The second round begins with what the first one ended with, and over its last frames
    passes into the first round's: so its very last frame is the one that its first came from.
    unseen is called for each frame of the first round. Raises SettingsError for an empty clip.
    """
    ending: deque[np.ndarray] = deque(maxlen=BLEND_FRAMES)
    count, begun, last = 0, None, None
    for frame, mark in marked():
        begun = begun or frame
        last = frame
        ending.append(dreamer(frame, mark).picture)
        count += 1
        unseen()
    if begun is None or last is None:
        raise SettingsError("there is no frame to dream")
    closes = related(look_at(last.picture), look_at(begun.picture))
    if not closes:
        warnings.warn(
            "the clip's last frame does not lead into its first, so the dream cannot loop either",
            DreamFlowWarning,
            2,
        )
    blended = min(len(ending), count // 2) if closes else 0
    first_round = list(ending)[len(ending) - blended :]
    for number, (frame, mark) in enumerate(marked()):
        if number == 0 and closes:
            mark = Mark.SAME
        dreamed = dreamer(frame, mark)
        into = number - (count - blended)
        if 0 <= into < blended:
            share = (into + 1) / blended
            mixed = dreamed.picture * (1 - share) + first_round[into] * np.float32(share)
            dreamed = replace(dreamed, picture=np.rint(mixed).astype(np.uint8))
        yield dreamed
