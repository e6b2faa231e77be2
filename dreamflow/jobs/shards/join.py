"""The frames of a job's shards, in order, as one pipeline: the film is encoded as it always is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Protocol

import numpy as np

from dreamflow.core.errors import OutputError
from dreamflow.core.files.documents import Count, fit_schema
from dreamflow.core.frames import Frame
from dreamflow.jobs.controls import RenderControls
from dreamflow.jobs.shards.shard import (
    ShardedJob,
    count_shard_frames,
    free_shard,
    is_shard_done,
    read_shard,
    reclaim_shard,
)
from dreamflow.media.read.clip import Clip
from dreamflow.pipelines.pipeline import LAYOUT_KEY, Pipeline, PipelineState
from dreamflow.pipelines.still_clip import StillClip
from dreamflow.pipelines.video.shards import ForwardReader, Shard

JOIN_LAYOUT = 1_000_001
"""Layout of the state: far from those of pipelines that dream, none of which it can be."""

MAX_FADE_GAIN = 2**0.5
"""What the residual of two dreams that have nothing in common lacks halfway between them."""


@dataclass(frozen=True)
class JoinState:
    """What a `JoinPipeline` goes on from.

    Attributes:
        layout: `JOIN_LAYOUT`.
        done: Frames that are dreamed in all shards.
        joined: Frames that were given.
    """

    layout: Count
    done: Count
    joined: Count


class ShardRenderer(Protocol):
    """Sees to it that a shard is rendered: here, by worker processes, or by someone else."""

    def render(self, job: ShardedJob, number: int) -> Generator[int, None, None]:
        """Yield how many frames of the whole job are dreamed, until a shard is done.

        Raises:
            OutputError: It is not done, and nobody is going to render it.
        """
        ...


class JoinPipeline:
    """Gives the frames of a job's shards, one shard after the other, each as soon as it is done."""

    def __init__(
        self,
        clip: Clip | StillClip,
        open_job: Callable[[], ShardedJob],
        renderer: ShardRenderer,
        with_sources: bool = False,
    ) -> None:
        """Take what it is made of.

        Args:
            clip: What is dreamed: it knows when each frame is shown.
            open_job: Reads the job that is cut into shards; called when the first frame is wanted.
            renderer: Renders shards.
            with_sources: Whether each frame has its source with it, which is decoded anew.
        """
        self.done, self.total = 0, len(clip)
        self._joined = self._freed = 0
        self._job: ShardedJob | None = None
        self._clip, self._open_job, self._renderer = clip, open_job, renderer
        self._with_sources = with_sources

    def __iter__(self) -> Generator[Frame | None, None, None]:
        """Yield the frames still to come, and None while shards are rendered."""
        job = self._job = self._open_job()
        self.count_done(job)
        sources = ForwardReader(self._clip.frames_from)
        ending: list[np.ndarray] = []  # of the span before, which the next fades in over
        before_stop = 0
        for number, (shard, following) in enumerate(_pair_with_next(job.plan.shards)):
            if shard.stop <= self._joined:
                continue
            reclaim_shard(job, number)
            with contextlib.closing(self._renderer.render(job, number)) as steps:
                for self.done in steps:
                    yield None
            fading, ending = ending, []
            kept = enumerate(read_shard(job, number), start=shard.first)
            for place, (picture, finished) in kept:
                if following is not None and place >= following.first:
                    ending.append(picture)
                    continue
                if place < self._joined:
                    continue
                index, time = self._clip.place_of(place)
                frame = Frame(index, time, picture, finished=finished)
                if self._with_sources or place < before_stop:
                    source = next(sources(place))
                    if place < before_stop:
                        share = (place - shard.first + 1) / (len(fading) + 1)
                        frame = fade_frame(fading[place - shard.first], frame, source, share)
                    frame = replace(frame, source=source.picture if self._with_sources else None)
                self._joined = place + 1
                yield frame
            before_stop = shard.stop
        self.done = self.total

    def count_done(self, job: ShardedJob) -> None:
        """Count the frames that the shards have by now."""
        self.done, self.total = DoneFrames(job).total, job.plan.kept_frames

    def free_joined(self) -> None:
        """Free the disk of the shards that are joined. Call it after a state was saved."""
        if self._job is None:
            return
        shards = self._job.plan.shards
        # Where a render is stopped, the state may be one frame behind.
        while self._freed < len(shards) and shards[self._freed].stop < self._joined:
            free_shard(self._job, self._freed)
            self._freed += 1

    def state(self) -> PipelineState:
        """Return what is needed to go on."""
        return {LAYOUT_KEY: JOIN_LAYOUT, "done": self.done, "joined": self._joined}

    def restore(self, state: PipelineState) -> None:
        """Go on from a state."""
        begun = fit_schema(state, JoinState)
        self.done, self._joined = begun.done, begun.joined


def free_while_joining(pipeline: Pipeline, controls: RenderControls) -> RenderControls:
    """Return controls of a render that free the disk of shards once they are joined.

    Args:
        pipeline: The render's; one that joins no shards is left alone.
        controls: The render's controls.
    """
    if not isinstance(pipeline, JoinPipeline):
        return controls

    def free(done: int) -> None:
        controls.on_saved(done)
        pipeline.free_joined()

    return replace(controls, on_saved=free)


def _pair_with_next(shards: Sequence[Shard]) -> Iterator[tuple[Shard, Shard | None]]:
    return zip_longest(shards, shards[1:])


def fade_frame(before: np.ndarray, after: Frame, source: Frame, share: float) -> Frame:
    """Return a frame of two dreams, one fading into the other.

    In depth the source is, too; the dream that is added to it has the precision of 8 bits.

    Args:
        before: uint8 (H, W, 3) RGB, the one that fades out.
        after: The one that fades in.
        source: The frame that both were dreamed from, with its original where the output keeps it.
        share: Share of the one that fades in, 0 to 1.
    """
    residual = fade_residual(before, after.picture, source.picture, share)
    shown = np.rint((source.picture + residual).clip(0, 255)).astype(np.uint8)
    original = source.original
    if original is not None:
        original = original.with_dream(residual / np.float32(255), source.picture)
    return replace(after, picture=shown, original=original, finished=None)


def fade_residual(
    before: np.ndarray, after: np.ndarray, source: np.ndarray, share: float
) -> np.ndarray:
    """Return what two dreams add to their source, one fading into the other, as strong as they are.

    Where two dreams differ, their mean is weaker than either; what is missing is made up for.

    Args:
        before: uint8 (H, W, 3) RGB, the one that fades out.
        after: The one that fades in.
        source: The frame that both were dreamed from.
        share: Share of the one that fades in, 0 to 1.

    Returns:
        float32 (H, W, 3), in levels of 255.
    """
    plain = source.astype(np.float32)
    out, into = before - plain, after - plain
    mixed = (1 - share) * out + share * into
    wanted = (1 - share) * _strength(out) + share * _strength(into)
    gain = min(MAX_FADE_GAIN, wanted / max(_strength(mixed), 1e-6))
    return gain * mixed


def _strength(residual: np.ndarray) -> float:
    return float(np.sqrt(np.square(residual).mean()))


class NoRenderer:
    """Renders nothing: for a join after the workers of a farm have done their work."""

    def render(self, job: ShardedJob, number: int) -> Generator[int, None, None]:
        """Yield nothing.

        Raises:
            OutputError: The shard is not done.
        """
        if not is_shard_done(job, number):
            shards = range(number, len(job.plan.shards))
            missing = [n for n in shards if not is_shard_done(job, n)]
            raise make_missing_error(job, missing)
        yield from ()


def make_missing_error(job: ShardedJob, missing: list[int]) -> OutputError:
    """Return the error for shards, numbered from 0, that are not rendered or are damaged."""
    numbers = format_numbers(missing)
    what, are = ("shard", "is") if len(missing) == 1 else ("shards", "are")
    return OutputError(
        f"{what} {numbers} of {len(job.plan.shards)} {are} not done, or damaged: `dreamflow jobs "
        f"shard {numbers} {job.folder}` renders {'it' if len(missing) == 1 else 'them'}",
        where=str(job.folder),
    )


def format_numbers(numbers: list[int]) -> str:
    """Return shards, numbered from 0 and rising, as users count them: `1,4-7`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(
        str(first + 1) if first == last else f"{first + 1}-{last + 1}" for first, last in runs
    )


class DoneFrames:
    """How many frames of each shard are there; a shard that was full once is not counted again."""

    def __init__(self, job: ShardedJob) -> None:
        """Count the frames of all shards, without checking them."""
        self._job = job
        self.by_shard = [0] * len(job.plan.shards)
        self.count()

    def count(self) -> int:
        """Count the shards that lacked frames again, and return the frames of all."""
        for number in self.unfinished:
            self.by_shard[number] = count_shard_frames(self._job, number)
        return self.total

    @property
    def total(self) -> int:
        """Frames of all shards."""
        return sum(self.by_shard)

    @property
    def unfinished(self) -> list[int]:
        """The shards, numbered from 0, that lack frames."""
        shards = enumerate(self._job.plan.shards)
        return [number for number, shard in shards if self.by_shard[number] < shard.frames]
