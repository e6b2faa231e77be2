"""Damaged pieces of a job dreamed again, from the last state before them that is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from dreamflow.core.errors import OutputError, named
from dreamflow.core.frames import Frame
from dreamflow.core.text.wording import format_count
from dreamflow.jobs.controls import RenderControls
from dreamflow.jobs.runner import restore_pipeline
from dreamflow.jobs.storage.kept_states import read_kept_state
from dreamflow.jobs.storage.state_file import FRAMES_KEY
from dreamflow.media.write.segments.piece_ledger import Damage
from dreamflow.media.write.segments.segment_writer import SegmentWriter
from dreamflow.pipelines.pipeline import Pipeline


def repair_pieces(
    folder: Path,
    job_id: str,
    segments: SegmentWriter,
    frames: int,
    segment_frames: int,
    rebuild: Callable[[], Pipeline] | None,
    controls: RenderControls,
) -> None:
    """Dream the damaged pieces of a job again, and write them anew.

    The frames before a piece, back to a kept state or to the beginning, are dreamed too, and
    dropped: a piece's frames follow from them. They come out as they were, to the bit.

    Args:
        folder: The job's folder.
        job_id: The job's identity.
        segments: The writer of its pieces.
        frames: How many frames it has.
        segment_frames: Frames of a segment.
        rebuild: Makes the pipeline anew, from its beginning.
        controls: How the render is followed.

    Raises:
        OutputError: There is nothing to dream with, or a piece cannot be written.
    """
    damages = segments.find_damages(frames)
    if damages and rebuild is None:
        raise OutputError(
            f"{folder} is damaged, and its frames cannot be dreamed again by themselves: start "
            f"over with {named('fresh')}",
            setting="fresh",
            where=str(folder),
        )
    for first, stop in merge_spans(damages, segment_frames, frames):
        state = read_kept_state(folder, job_id, first)
        assert rebuild is not None
        pipeline = rebuild()
        start = 0
        if state is not None:
            restore_pipeline(pipeline, state, folder)
            start = int(state[FRAMES_KEY])
        controls.notify(
            f"dreaming {format_count(stop - first, 'frame')} from {first} on again, begun at "
            f"frame {start}"
        )
        segments.rewrite(first, dream_span(pipeline, start, first, stop, folder))


def merge_spans(
    damages: Iterable[Damage], segment_frames: int, frames: int
) -> list[tuple[int, int]]:
    """Return the whole segments that hold damaged frames, each once: (first, stop), in order."""
    numbers = {
        number
        for damage in damages
        for number in range(damage.first // segment_frames, (damage.stop - 1) // segment_frames + 1)
    }
    return [
        (number * segment_frames, min((number + 1) * segment_frames, frames))
        for number in sorted(numbers)
    ]


def dream_span(pipeline: Pipeline, start: int, first: int, stop: int, folder: Path) -> list[Frame]:
    """Return the frames from number `first` to `stop` of a pipeline that goes on at `start`."""
    taken: list[Frame] = []
    coming = iter(pipeline)
    shown = (frame for frame in coming if frame is not None)
    try:
        for number, frame in enumerate(shown, start=start):
            if number >= first:
                taken.append(frame)
            if number == stop - 1:
                break
    finally:
        if close := getattr(coming, "close", None):
            close()
    if len(taken) < stop - first:
        raise OutputError(f"{folder}: the source ended before frame {stop}", where=str(folder))
    return taken
