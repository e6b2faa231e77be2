"""A job that is rendered in shards, here or by worker processes: what is added to a plain one."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from dreamflow.core.callbacks import MessageCallback
from dreamflow.core.errors import (
    DamagedSourceWarning,
    DifferentFramesWarning,
    DreamFlowWarning,
    SettingsError,
    named,
)
from dreamflow.core.text.wording import format_count
from dreamflow.jobs.controls import RenderControls
from dreamflow.jobs.job_spec import JobSpec
from dreamflow.jobs.shards.join import DoneFrames, JoinPipeline, ShardRenderer
from dreamflow.jobs.shards.options import DEFAULT_SPAN_S
from dreamflow.jobs.shards.picture_seals import seal_pictures
from dreamflow.jobs.shards.plan import ShardPlan, read_plan, write_plan
from dreamflow.jobs.shards.pool import WorkerCommand, WorkerPool
from dreamflow.jobs.shards.shard import ShardedJob
from dreamflow.jobs.shards.worker import ShardWorker, open_sharded_job
from dreamflow.jobs.storage.folder import has_shards, job_folder_path
from dreamflow.jobs.storage.job_file import ID_KEY, JobMetadata
from dreamflow.jobs.storage.state_file import JOB_STATE_FILE
from dreamflow.media.depth.write import EXR_SUFFIX
from dreamflow.media.options import EncodeOptions
from dreamflow.networks.network import Network
from dreamflow.pipelines.dreamer_controls import DreamerControls
from dreamflow.pipelines.pipeline import Pipeline
from dreamflow.pipelines.shard_source import ShardSource
from dreamflow.pipelines.video.shards import (
    ForwardReader,
    Shard,
    cut_into_spans,
    find_shots,
    split_shots,
)

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

    def __init__(
        self,
        source: ShardSource,
        network: Network,
        dreaming: DreamerControls,
        controls: RenderControls,
    ) -> None:
        """Take what shards are dreamed of, how, and how they are followed."""
        self._source, self._network, self._dreaming = source, network, dreaming
        self._controls = controls
        self._reader = ForwardReader(source.clip.frames_from)
        self._done: DoneFrames | None = None

    def render(self, job: ShardedJob, number: int) -> Generator[int, None, None]:
        """Yield how many frames of the whole job are dreamed, until a shard is done."""
        done = self._done = self._done or DoneFrames(job)
        others = done.total - done.by_shard[number]
        worker = ShardWorker(job, self._build)
        for frames in worker.render_waiting(number, self._controls):
            yield others + frames
        done.by_shard[number] = job.plan.shards[number].frames

    def _build(self, shard: Shard) -> Pipeline:
        return self._source.build(self._network, shard, self._dreaming, self._reader)


@contextmanager
def spread_job(
    job: JobSpec,
    sharding: Sharding | None,
    source: ShardSource,
    network: Network,
    dreaming: DreamerControls,
    controls: RenderControls,
) -> Generator[JobSpec]:
    """Yield a job as it is rendered in shards; its workers, if any, are stopped at the end.

    Args:
        job: The job as one process renders it.
        sharding: How it is spread over workers; None leaves it in one piece.
        source: What it is cut of.
        network: The network, for shards that this process renders.
        dreaming: How they are dreamed.
        controls: How the render is followed.

    Raises:
        SettingsError: It cannot be cut, or was begun in another way.
    """
    if sharding is None:
        check_begun_alike(job_folder_path(job.output_path), None, controls)
        yield job
        return
    passes_on = sharding.is_cluster
    with WorkerPool(sharding.workers, controls.notify, passes_on=passes_on) as pool:
        here = HereRenderer(source, network, dreaming, controls)
        yield add_shards(job, sharding, source, pool if sharding.workers else here, controls)


def add_shards(
    job: JobSpec,
    sharding: Sharding,
    source: ShardSource,
    renderer: ShardRenderer,
    controls: RenderControls,
) -> JobSpec:
    """Return a job whose frames are those of shards.

    Args:
        job: The job as one process renders it.
        sharding: How it is cut.
        source: What it is cut of.
        renderer: Renders the shards.
        controls: How the render is followed.

    Raises:
        SettingsError: It cannot be cut, or was begun in another way.
    """
    job = job.with_whole_path()
    folder = job_folder_path(job.output_path)
    check_can_be_cut(sharding, source, job.encode, controls)
    check_begun_alike(folder, sharding, controls)

    def join() -> JoinPipeline:
        return JoinPipeline(
            source.clip,
            lambda: open_sharded_job(folder),
            renderer,
            with_sources=controls.plate_path is not None,
        )

    pipeline = join()

    def prepare(folder: Path, metadata: JobMetadata) -> None:
        if read_plan(folder) is None:
            plan = make_plan(metadata, sharding, source, job.output_path, controls.notify)
            write_plan(folder, plan)
        pipeline.count_done(open_sharded_job(folder))

    return replace(job, pipeline=pipeline, rebuild=join, prepare=prepare)


def check_can_be_cut(
    sharding: Sharding, source: ShardSource, encode: EncodeOptions, controls: RenderControls
) -> None:
    """Check that shards give all of an output that is asked for.

    Raises:
        SettingsError: They do not.
    """
    without = f"leave out {named('shards')} and {named('workers')}"
    if source.settings.carry.loop:
        raise SettingsError(
            f"{named('loop')} cannot be cut into shards, since its end leads into its beginning: "
            f"{without}",
            setting="loop",
        )
    if controls.trace_path is not None:
        raise SettingsError(
            f"{named('trace')} is written by a render in one piece: leave it out, or "
            f"{named('shards')} and {named('workers')}",
            setting="trace",
        )
    if not keeps_depth(source):
        return
    if controls.plate_path is not None and controls.plate_path.suffix.lower() == EXR_SUFFIX:
        raise SettingsError(
            f"{named('plate')} {controls.plate_path.name}: a plate of linear light is written by a "
            f"render in one piece where the dream has more than 8 bits: {without}",
            setting="plate",
            value=str(controls.plate_path),
        )
    if sharding.kind == SPANS and encode.layers:
        raise SettingsError(
            f"{named('layers_out')}: spans fade into each other, and layers do not: leave them "
            f"out, or take {named('shards')} shots",
            setting="layers_out",
            value=encode.layers_out,
        )


def keeps_depth(source: ShardSource) -> bool:
    """Return whether an output of these frames holds more than 8-bit pictures."""
    return source.clip.has_originals


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
    source: ShardSource,
    output: Path,
    notify: MessageCallback,
) -> ShardPlan:
    """Find the shards of a job, in one pass through its source.

    Args:
        metadata: The job's metadata.
        sharding: How it is cut.
        source: What it is cut of.
        output: The output, by its whole path.
        notify: Called with each line for the user.

    Raises:
        MediaError: The source cannot be read.
    """
    notify(f"finding the shots in {format_count(len(source.clip), 'frame')}")
    shots, seals = _find_shots(source)
    shards = _cut_shots(shots, sharding, source)
    if len(shards) == 1 and len(sharding.workers) > 1:
        notify(
            "one shot, which one worker renders at a time: "
            f"{named('shards')} {SPANS} cuts long ones, with seams"
        )
    notify(f"{format_count(len(shards), 'shard')} to render")
    return ShardPlan(
        metadata[ID_KEY],
        sharding.kind,
        sharding.span_s if sharding.kind == SPANS else None,
        source.path,
        sharding.weights,
        Path.cwd(),
        shards,
        output,
        keeps_depth(source),
        seals,
    )


def _find_shots(source: ShardSource) -> tuple[list[Shard], list[int]]:
    """Return the shots, and a checksum of each picture; none where the clip is damaged.

    What a decoder puts in the place of what is damaged may be another picture each time.
    """
    seals: list[int] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DreamFlowWarning)
        frames = seal_pictures(source.clip.frames_from(0), seals)
        shots = find_shots(frames, source.new_marker())
    told = [one.message for one in caught if isinstance(one.message, Warning)]
    for warning in told:
        warnings.warn(warning, stacklevel=2)
    is_damaged = any(isinstance(warning, DamagedSourceWarning) for warning in told)
    return shots, [] if is_damaged else seals


def _cut_shots(shots: list[Shard], sharding: Sharding, source: ShardSource) -> list[Shard]:
    """Return the shards that shots are cut into; warns of seams."""
    settings, rate = source.settings, source.rate
    if not settings.carry.carry or settings.dream.iterations == 0:
        return split_shots(shots, max(1, round(UNCARRIED_SHARD_S * rate)))
    if sharding.kind != SPANS:
        return shots
    span, run_in = (round(seconds * rate) for seconds in (sharding.span_s, RUN_IN_S))
    spans = cut_into_spans(shots, max(span, 2 * FADE_FRAMES), run_in, FADE_FRAMES)
    if seams := len(spans) - len(shots):
        warnings.warn(
            f"{format_count(seams, 'seam')} within shots: there the film is not the one of a "
            "render in one go, and one dream fades into another",
            DifferentFramesWarning,
            2,
        )
    return spans
