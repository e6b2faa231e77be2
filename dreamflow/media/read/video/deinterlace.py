"""Deinterlacing: one whole picture for each frame of two fields, by FFmpeg's bwdif."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
import av.filter

BWDIF_LOOKBACK_FRAMES = 2
"""Frames before a picture that bwdif needs for it."""
BWDIF_OPTIONS = "mode=send_frame:deint=interlaced"
FILTER_TIME_BASE = Fraction(1, 25)
"""Time base within the filter, in seconds; any would do, since times are restored after it."""

DecodedFrame = tuple[av.VideoFrame, bool]
"""A frame, and whether packets before it did not decode."""


def deinterlace_frames(frames: Iterable[DecodedFrame]) -> Iterator[DecodedFrame]:
    """Yield for each frame a whole picture at the time of its first field.

    Count and time stamps stay the same.
    """
    graph: av.filter.Graph | None = None
    graph_shape: tuple[int, int, str] | None = None
    pending: deque[tuple[int | None, bool]] = deque()
    for frame, after_damage in frames:
        shape = (frame.width, frame.height, frame.format.name)
        if graph is None or shape != graph_shape:
            if graph is not None:
                yield from _pull_frames(graph, pending, flush=True)
            graph, graph_shape = _build_bwdif_graph(frame), shape
        pending.append((frame.pts, after_damage))
        frame.pts, frame.time_base = len(pending), FILTER_TIME_BASE
        graph.push(frame)
        yield from _pull_frames(graph, pending)
    if graph is not None:
        yield from _pull_frames(graph, pending, flush=True)


def _build_bwdif_graph(frame: av.VideoFrame) -> av.filter.Graph:
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format,
        time_base=FILTER_TIME_BASE,
    )
    graph.link_nodes(source, graph.add("bwdif", BWDIF_OPTIONS), graph.add("buffersink")).configure()
    return graph


def _pull_frames(
    graph: av.filter.Graph, pending: deque[tuple[int | None, bool]], flush: bool = False
) -> Iterator[DecodedFrame]:
    """Yield what the filter has ready, with the time stamps and damage marks of `pending`."""
    if flush:
        graph.push(None)
    while pending:
        try:
            frame = graph.pull()
        except (BlockingIOError, EOFError):
            return
        assert isinstance(frame, av.VideoFrame)
        frame.pts, after_damage = pending.popleft()
        yield frame, after_damage
