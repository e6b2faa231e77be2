"""One shard of a job: rendered in a folder of its own, resumed there, and read back.

A shard is a job whose frames are kept without loss, see `kept_frames`. It is done when all of its
pieces are there and are what their ledger says; it has no other mark that could lie.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from dreamflow.core.errors import OutputError
from dreamflow.jobs.controls import RenderControls
from dreamflow.jobs.output import output_identity
from dreamflow.jobs.runner import JobRun, restore_pipeline
from dreamflow.jobs.shards.kept_frames import DEPTH_FOLDER, KeptFrame, KeptFrames
from dreamflow.jobs.shards.plan import ShardPlan, shard_folder
from dreamflow.jobs.storage.folder import (
    JobFolder,
    JobLockedError,
    is_job_folder,
    is_job_locked,
)
from dreamflow.jobs.storage.job_file import ID_KEY, JobMetadata, read_job_file
from dreamflow.jobs.storage.kept_states import list_kept_states, read_kept_state
from dreamflow.jobs.storage.state_file import (
    JOB_STATE_FILE,
    PIPELINE_KEY,
    DamagedStateError,
    read_state,
)
from dreamflow.media.files.atomic_file import atomic_write
from dreamflow.media.files.sequence_name import SequenceName
from dreamflow.media.options import EncodeOptions
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.write.segments.film_segments import VideoSegmentWriter, choose_segment_frames
from dreamflow.media.write.segments.lossless_segments import LOSSLESS_ENCODING, lossless_format
from dreamflow.media.write.segments.picture_segments import PictureSegmentWriter
from dreamflow.media.write.segments.piece_ledger import DamagedPiecesError
from dreamflow.pipelines.pipeline import Pipeline, PipelineState
from dreamflow.pipelines.settings.groups import saved_settings_dict
from dreamflow.pipelines.settings.paths import publish_record
from dreamflow.pipelines.video.shards import Shard

JOINED_FILE = "joined"
"""File in the folder of a shard whose frames are in the job's own segments, and gone from it."""
ELSEWHERE_FILE = "elsewhere"
"""File that says how many frames of a shard are done on a machine that does not see its folder."""


@dataclass(frozen=True)
class ShardedJob:
    """A job that is cut into shards.

    Attributes:
        folder: Its folder.
        metadata: What its job.json holds.
        plan: How it is cut.
    """

    folder: Path
    metadata: JobMetadata
    plan: ShardPlan

    @property
    def output_spec(self) -> OutputSpec:
        """Size and timing of the output."""
        return OutputSpec.from_dict(self.metadata["outline"])

    def describe(self, number: int) -> str:
        """Return a shard in words, counted from 1: `shard 3 of 7`."""
        return f"shard {number + 1} of {len(self.plan.shards)}"


def make_shard_metadata(job: ShardedJob, number: int) -> JobMetadata:
    """Return the metadata of a shard as a job; they are the same whoever renders it."""
    shard, spec = job.plan.shards[number], _shard_spec(job, number)
    deep_spec = replace(spec, samples=job.output_spec.samples)
    return {
        ID_KEY: job.plan.shard_id(number),
        "out": shard_folder(job.folder, number).stem,
        "record": job.metadata["record"],
        "outline": spec.to_dict(),
        "encode": saved_settings_dict(LOSSLESS_ENCODING),
        "chunk": min(shard.frames, choose_segment_frames(spec), choose_segment_frames(deep_spec)),
        "plate": None,
    }


def _shard_spec(job: ShardedJob, number: int) -> OutputSpec:
    """Return size and timing of a shard's frames; their own times are the clip's."""
    outline = job.output_spec
    frames = job.plan.shards[number].frames
    return OutputSpec.at_constant_rate(outline.width, outline.height, outline.rate, frames)


def open_kept_frames(job: ShardedJob, number: int) -> KeptFrames:
    """Return what writes and reads the frames of a shard."""
    folder, spec = shard_folder(job.folder, number), _shard_spec(job, number)
    metadata = make_shard_metadata(job, number)

    def keep_film(folder: Path, spec: OutputSpec, identity: str) -> VideoSegmentWriter:
        chunk = metadata["chunk"]
        return VideoSegmentWriter(
            folder, lossless_format(), spec, LOSSLESS_ENCODING, chunk, identity
        )

    pictures = keep_film(folder, spec, output_identity(folder, metadata[ID_KEY]))
    if not job.plan.keeps_depth:
        return KeptFrames(folder, pictures)
    depth_folder, samples = folder / DEPTH_FOLDER, job.output_spec.samples
    identity = f"{metadata[ID_KEY]} {DEPTH_FOLDER}"
    if samples is None:
        return KeptFrames(folder, pictures, _keep_pictures(job, depth_folder, spec, identity))
    deep_spec = replace(spec, samples=samples)
    return KeptFrames(folder, pictures, keep_film(depth_folder, deep_spec, identity))


def _keep_pictures(
    job: ShardedJob, folder: Path, spec: OutputSpec, identity: str
) -> PictureSegmentWriter:
    """Return the writer of an output's pictures; they are the ones of a render in one go."""
    # The job numbers them.
    encode = replace(EncodeOptions(**job.metadata["encode"]), start_number="0")
    record = publish_record(job.metadata["record"], job.plan.output or job.folder)
    sequence = SequenceName.parse(Path(job.metadata["out"]))
    return PictureSegmentWriter(folder, spec, record, identity, encode, sequence)


def is_shard_done(job: ShardedJob, number: int) -> bool:
    """Return whether a shard is complete, and all of it is what was written."""
    with contextlib.closing(open_kept_frames(job, number)) as kept:
        return kept.is_complete(job.plan.shards[number].frames)


def count_shard_frames(job: ShardedJob, number: int) -> int:
    """Return how many frames of a shard are done, without checking them.

    They are in its folder, or joined already; or on their way, as whoever fetches them says.
    """
    frames, folder = job.plan.shards[number].frames, shard_folder(job.folder, number)
    if not folder.is_dir():
        return 0
    if is_shard_joined(job, number):
        return frames
    with contextlib.closing(open_kept_frames(job, number)) as kept:
        if all(path.exists() for path in kept.list_pieces(frames)):
            return frames
        return min(max(kept.count(), _read_elsewhere(folder)), frames)


def is_shard_joined(job: ShardedJob, number: int) -> bool:
    """Return whether a shard's frames are in the job's own segments, and not in its folder."""
    return (shard_folder(job.folder, number) / JOINED_FILE).exists()


def reclaim_shard(job: ShardedJob, number: int) -> None:
    """Have a shard count as missing again, if it was freed: the job's own segment was lost."""
    (shard_folder(job.folder, number) / JOINED_FILE).unlink(missing_ok=True)


def free_shard(job: ShardedJob, number: int) -> None:
    """Remove the frames of a shard that are joined, and safe in the job's own segments."""
    folder = shard_folder(job.folder, number)
    if not folder.is_dir() or is_shard_joined(job, number):
        return
    with contextlib.suppress(JobLockedError), JobFolder(folder):
        with atomic_write(folder / JOINED_FILE) as part:
            part.touch()
        with contextlib.closing(open_kept_frames(job, number)) as kept:
            for path in kept.list_pieces(job.plan.shards[number].frames):
                path.unlink(missing_ok=True)


def note_elsewhere(folder: JobFolder, metadata: JobMetadata, frames: int) -> None:
    """Note how many frames of a shard are done on a machine that does not see its folder.

    Args:
        folder: The shard's folder, which is held.
        metadata: The shard's; see `make_shard_metadata`.
        frames: How many; all of them are not there before they are fetched.
    """
    if not is_job_folder(folder.path):
        folder.start_over(metadata)
    frames = min(frames, metadata["outline"]["frames"] - 1)
    with contextlib.suppress(OSError):  # it is for people only
        (folder.path / ELSEWHERE_FILE).write_text(str(frames))


def _read_elsewhere(folder: Path) -> int:
    try:
        return int((folder / ELSEWHERE_FILE).read_text())
    except (OSError, ValueError):
        return 0


def is_shard_locked(job: ShardedJob, number: int) -> bool:
    """Return whether a process renders a shard at the moment."""
    folder = shard_folder(job.folder, number)
    return folder.is_dir() and is_job_locked(folder)


def read_shard(job: ShardedJob, number: int) -> Iterator[KeptFrame]:
    """Yield the frames of a shard that is done. Raises OutputError."""
    with contextlib.closing(open_kept_frames(job, number)) as kept:
        yield from kept.read(job.plan.shards[number].frames, job.output_spec.samples)


def _ignore(*_: object) -> None:
    """Take what a shard reports: its job reports for it."""


def render_shard(
    job: ShardedJob,
    number: int,
    build: Callable[[Shard], Pipeline],
    controls: RenderControls,
) -> Generator[int, None, None]:
    """Render a shard, from where it was interrupted if it was begun; yield its frames done so far.

    What is damaged of it is dreamed again: a shard that is begun anew gives the same frames.

    Args:
        job: The job.
        number: The shard's number, from 0.
        build: Makes the pipeline of a shard.
        controls: How it is followed, and when it is saved.

    Raises:
        JobLockedError: Another process renders it.
        OutputError: It cannot be written.
        DreamFlowError: What else the pipeline raises.
    """
    shard, metadata = job.plan.shards[number], make_shard_metadata(job, number)
    silent = replace(controls, progress=_ignore, watch_path=None, plate_path=None)
    with JobFolder(shard_folder(job.folder, number)) as folder:
        if is_shard_joined(job, number) or is_shard_done(job, number):
            return
        state = _read_begun(folder, metadata, controls, job.describe(number))
        pipeline = build(shard)
        if state is not None:
            restore_pipeline(pipeline, state, folder.path)
        with contextlib.closing(open_kept_frames(job, number)) as writer:
            quiet = replace(silent, notify=_ignore)
            run = JobRun(pipeline, writer, folder, metadata, quiet, None)
            try:
                run.resume(state)
            except DamagedPiecesError:
                controls.notify(f"{job.describe(number)} is damaged: dreaming it again")
                folder.start_over(metadata)
                pipeline = build(shard)
                run = JobRun(pipeline, writer, folder, metadata, quiet, None)
                run.resume(None)
            with contextlib.closing(run.steps()) as steps:
                for _ in steps:
                    yield min(writer.frames, shard.frames)
            if writer.frames != shard.frames:
                raise OutputError(
                    f"{job.describe(number)} has {writer.frames} frames, not {shard.frames}: the "
                    "clip is not the one that the job was begun with"
                )
            writer.encode_rest()
            writer.prune(shard.frames)
        _remove_states(folder.path)


def _read_begun(
    folder: JobFolder, metadata: JobMetadata, controls: RenderControls, what: str
) -> PipelineState | None:
    """Return the state that a shard goes on from; None where it begins, in an empty folder."""
    begun = None
    with contextlib.suppress(OutputError):
        begun = read_job_file(folder.path)
    path = folder.path / JOB_STATE_FILE
    if begun is None or begun[ID_KEY] != metadata[ID_KEY] or not path.exists():
        folder.start_over(metadata)
        return None
    frames = metadata["outline"]["frames"]
    try:
        return read_state(path, metadata[ID_KEY], frames)
    except DamagedStateError:
        state = read_kept_state(folder.path, metadata[ID_KEY], frames)
        done = 0 if state is None else state[PIPELINE_KEY]["done"]
        controls.notify(f"the state of {what} is damaged: dreaming on from its frame {done}")
        if state is None:
            folder.start_over(metadata)
        return state


def _remove_states(folder: Path) -> None:
    """Remove what a shard that is done no longer needs: states are large, and frames raw too."""
    for path in [
        folder / JOB_STATE_FILE,
        *list_kept_states(folder).values(),
        *folder.glob("pending_*.rgb"),
        *folder.glob(f"{DEPTH_FOLDER}/pending_*.rgb"),
    ]:
        path.unlink(missing_ok=True)
