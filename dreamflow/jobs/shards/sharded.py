"""A job that is rendered in shards, here or by worker processes: what is added to a plain one."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dreamflow.core.callbacks import MessageCallback
from dreamflow.core.errors import DifferentFramesWarning, SettingsError, named
from dreamflow.core.text.wording import format_count
from dreamflow.jobs.controls import RenderControls
from dreamflow.jobs.job_spec import JobSpec
from dreamflow.jobs.shards.join import DoneFrames, JoinPipeline, ShardRenderer
from dreamflow.jobs.shards.options import DEFAULT_SPAN_S
from dreamflow.jobs.shards.plan import ShardPlan, read_plan, write_plan
from dreamflow.jobs.shards.pool import WorkerCommand
from dreamflow.jobs.shards.shard import ShardedJob
from dreamflow.jobs.shards.worker import ShardWorker, open_sharded_job
from dreamflow.jobs.storage.folder import has_shards, job_folder_path
from dreamflow.jobs.storage.job_file import ID_KEY, JobMetadata
from dreamflow.jobs.storage.state_file import JOB_STATE_FILE
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.cut_list import read_cut_list
from dreamflow.pipelines.pipeline import Pipeline
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.video.pipeline import make_detector
from dreamflow.pipelines.video.shards import Shard, cut_into_spans, find_shots, split_shots

UNCARRIED_SHARD_S = 20
"""Seconds of a shard where nothing is carried from frame to frame: it may be cut anywhere."""
SPANS = "spans"
RUN_IN_S = 1.5
"""Seconds that a span is dreamed for before it is shown."""
FADE_FRAMES = 10
"""Frames over which one span fades into the next."""


@dataclass(frozen=True)
class Sharding:
    """How a render is spread over workers.

    Attributes:
        kind: What its shards are: `shots`, or `spans` of them.
        span_s: Seconds of a span at most.
        workers: What starts each worker process; none renders in this one.
        weights: The file of the network's weights, if one was given.
        is_cluster: Whether the one worker process has others render, and tells of them.
    """

    kind: str = "shots"
    span_s: float = DEFAULT_SPAN_S
    workers: Sequence[WorkerCommand] = ()
    weights: Path | None = None
    is_cluster: bool = False


class HereRenderer:
    """Renders each shard in this process when it is wanted."""

    def __init__(self, build: Callable[[Shard], Pipeline], controls: RenderControls) -> None:
        """Take what makes a shard's pipeline, and how shards are followed."""
        self._build, self._controls = build, controls
        self._done: DoneFrames | None = None

    def render(self, job: ShardedJob, number: int) -> Generator[int, None, None]:
        """Yield how many frames of the whole job are dreamed, until a shard is done."""
        done = self._done = self._done or DoneFrames(job)
        others = done.total - done.by_shard[number]
        worker = ShardWorker(job, self._build)
        for frames in worker.render_waiting(number, self._controls):
            yield others + frames
        done.by_shard[number] = job.plan.shards[number].frames


def add_shards(
    job: JobSpec,
    sharding: Sharding,
    clip: Clip,
    settings: VideoSettings,
    renderer: ShardRenderer,
    controls: RenderControls,
) -> JobSpec:
    """Return a job whose frames are those of shards.

    Args:
        job: The job as one process renders it.
        sharding: How it is cut.
        clip: The clip.
        settings: All settings.
        renderer: Renders the shards.
        controls: How the render is followed.

    Raises:
        SettingsError: It cannot be cut, or was begun in another way.
    """
    folder = job_folder_path(job.with_whole_path().output_path)
    if settings.carry.loop:
        raise SettingsError(
            f"{named('loop')} cannot be cut into shards, since its end leads into its beginning: "
            f"leave out {named('shards')} and {named('workers')}",
            setting="loop",
        )
    if clip.has_originals:
        raise SettingsError(
            f"{job.output_path.name} keeps the source's depth, which shards do not: leave out "
            f"{named('shards')} and {named('workers')}",
            setting="shards",
            where=str(job.output_path),
        )
    if controls.trace_path is not None:
        raise SettingsError(
            f"{named('trace')} is written by a render in one piece: leave it out, or "
            f"{named('shards')} and {named('workers')}",
            setting="trace",
        )
    check_begun_alike(folder, sharding, controls)

    def join() -> JoinPipeline:
        return JoinPipeline(
            clip,
            lambda: open_sharded_job(folder),
            renderer,
            with_sources=controls.plate_path is not None,
        )

    pipeline = join()

    def prepare(folder: Path, metadata: JobMetadata) -> None:
        if read_plan(folder) is None:
            write_plan(folder, make_plan(metadata, sharding, clip, settings, controls.notify))
        pipeline.count_done(open_sharded_job(folder))

    return replace(job, pipeline=pipeline, rebuild=join, prepare=prepare)


def check_begun_alike(folder: Path, sharding: Sharding | None, controls: RenderControls) -> None:
    """Check that a job, if there is one, was begun with the same shards, or with none.

    Raises:
        SettingsError: It was not.
    """
    if controls.fresh:
        return
    plan = read_plan(folder)
    kind = describe_kind(sharding.kind, sharding.span_s) if sharding else "none"
    begun = describe_kind(plan.kind, plan.span_s) if plan else "none"
    is_begun = plan is not None or ((folder / JOB_STATE_FILE).exists() and not has_shards(folder))
    if is_begun and begun != kind:
        raise SettingsError(
            f"the job {folder.name} was begun with {named('shards')} {begun}, not {kind}: give the "
            f"same, or start over with {named('fresh')}",
            setting="shards",
            value=kind,
            allowed=begun,
            where=folder.name,
        )


def describe_kind(kind: str, span_s: float | None) -> str:
    """Return in words what a job's shards are: `shots`, `spans of 20 s`."""
    return kind if kind != SPANS else f"{kind} of {span_s:g} s"


def make_plan(
    metadata: JobMetadata,
    sharding: Sharding,
    clip: Clip,
    settings: VideoSettings,
    notify: MessageCallback,
) -> ShardPlan:
    """Find the shards of a clip, in one pass through it.

    Raises:
        MediaError: The clip cannot be read.
    """
    carry = settings.carry
    carries = carry.carry and settings.dream.iterations != 0
    marker = make_detector(carry, read_cut_list(clip, carry.cuts))
    notify(f"finding the shots in {format_count(len(clip), 'frame')}")
    shards = find_shots(clip.frames_from(0), marker)
    if not carries:
        shards = split_shots(shards, max(1, round(UNCARRIED_SHARD_S * clip.rate)))
    elif sharding.kind == SPANS:
        shots = len(shards)
        span, run_in = (round(seconds * clip.rate) for seconds in (sharding.span_s, RUN_IN_S))
        shards = cut_into_spans(shards, max(span, 2 * FADE_FRAMES), run_in, FADE_FRAMES)
        if seams := len(shards) - shots:
            warnings.warn(
                f"{format_count(seams, 'seam')} within shots: there the film is not the one of a "
                "render in one go, and one dream fades into another",
                DifferentFramesWarning,
                2,
            )
    notify(f"{format_count(len(shards), 'shard')} to render")
    return ShardPlan(
        metadata[ID_KEY],
        sharding.kind,
        sharding.span_s if sharding.kind == SPANS else None,
        clip.path,
        sharding.weights,
        Path.cwd(),
        shards,
    )
