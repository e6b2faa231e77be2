"""Whole pictures of interlaced film, whose frames are two half pictures of different moments."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
import av.error
import av.filter

BWDIF_LOOKBACK_FRAMES = 2
"""A whole picture depends on so many frames before it."""

DecodedFrame = tuple[av.VideoFrame, bool]
"""A frame, and whether something before it did not decode."""


def deinterlace_frames(frames: Iterable[DecodedFrame]) -> Iterator[DecodedFrame]:
    """Yield each frame as a whole picture of its first half's moment, by FFmpeg's bwdif.

    As many come out as go in, with the time stamps that they had.
    """
    graph: av.filter.Graph | None = None
    shape: tuple[int, int, str] | None = None
    waiting: deque[tuple[int | None, bool]] = deque()
    for frame, after_damage in frames:
        found = (frame.width, frame.height, frame.format.name)
        if graph is None or found != shape:
            if graph is not None:
                yield from _pull_frames(graph, waiting, flush=True)
            graph, shape = _build_bwdif_graph(frame), found
        waiting.append((frame.pts, after_damage))
        frame.pts, frame.time_base = len(waiting), Fraction(1, 25)
        graph.push(frame)
        yield from _pull_frames(graph, waiting)
    if graph is not None:
        yield from _pull_frames(graph, waiting, flush=True)


def _build_bwdif_graph(frame: av.VideoFrame) -> av.filter.Graph:
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format,
        time_base=Fraction(1, 25),
    )
    graph.link_nodes(
        source, graph.add("bwdif", "mode=send_frame:deint=interlaced"), graph.add("buffersink")
    ).configure()
    return graph


def _pull_frames(
    graph: av.filter.Graph, pending: deque[tuple[int | None, bool]], flush: bool = False
) -> Iterator[DecodedFrame]:
    if flush:
        graph.push(None)
    while pending:
        try:
            whole = graph.pull()
        except (BlockingIOError, EOFError):
            return
        assert isinstance(whole, av.VideoFrame)
        whole.pts, after_damage = pending.popleft()
        yield whole, after_damage
