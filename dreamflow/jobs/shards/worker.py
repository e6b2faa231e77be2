"""A worker: opens a job that is cut into shards, checks that it may work on it, and renders."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dreamflow._version import __version__
from dreamflow.core.errors import (
    DifferentFramesWarning,
    DreamFlowWarning,
    OutputError,
    SettingsError,
    named,
)
from dreamflow.core.machine.machine import Machine
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.text.path_text import path_from_text
from dreamflow.jobs.controls import RenderControls
from dreamflow.jobs.queue import SWEEP_COMMAND
from dreamflow.jobs.resume.changes import LEGACY_MACHINE_DEFAULTS
from dreamflow.jobs.resume.fingerprints import check_inputs_intact
from dreamflow.jobs.shards.join import DoneFrames
from dreamflow.jobs.shards.picture_seals import check_pictures
from dreamflow.jobs.shards.plan import read_plan
from dreamflow.jobs.shards.shard import (
    ShardedJob,
    count_shard_frames,
    is_shard_locked,
    render_shard,
)
from dreamflow.jobs.storage.folder import JobLockedError
from dreamflow.jobs.storage.job_file import ID_KEY, JobMetadata, read_job_file
from dreamflow.media.depth.write import DeepOutput
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.mattes.matte import open_matte
from dreamflow.media.records.embedded_settings import RECORD_VERSION_KEY
from dreamflow.media.stills.read import is_still
from dreamflow.networks.loading import load_network
from dreamflow.networks.network import Network
from dreamflow.pipelines.inputs import CLIP_INPUT, GAINS_INPUT, PICTURE_INPUT, PLAYLIST_INPUT
from dreamflow.pipelines.pipeline import FramesFrom, Pipeline
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.settings.paths import change_paths
from dreamflow.pipelines.settings.restored import restore_sweep_settings, restore_video_settings
from dreamflow.pipelines.shard_source import ShardSource
from dreamflow.pipelines.still_clip import StillClip, matte_target_of
from dreamflow.pipelines.sweep.pipeline import open_swept_picture
from dreamflow.pipelines.video.shards import ForwardReader, Shard

LOOK_AGAIN_S = 0.5
"""Seconds until a worker looks again whether a shard that another one has is free."""


CLIP_INPUTS = (CLIP_INPUT, PLAYLIST_INPUT, PICTURE_INPUT)
"""Names that what is dreamed has among a job's inputs."""


@dataclass(frozen=True)
class SentInputs:
    """A job's inputs on a machine that does not see them under their own paths.

    Attributes:
        clip: The clip, or the picture that is shown as one, as it was opened where its file is.
        frames_from: Gives its frames from a number on, those of the shard at work.
        root: The folder that holds all other inputs, each under its whole path.
    """

    clip: Clip | StillClip
    frames_from: FramesFrom
    root: Path

    def locate(self, path: str | Path) -> Path:
        """Return where an input lies that has this whole path at home."""
        path = Path(path)
        return self.root / path.relative_to(path.anchor)


@dataclass(frozen=True)
class ShardWorker:
    """A job, and what renders its shards.

    Attributes:
        job: The job.
        build: Makes the pipeline of a shard.
    """

    job: ShardedJob
    build: Callable[[Shard], Pipeline]

    def render(self, number: int, controls: RenderControls) -> Generator[int, None, None]:
        """Render one shard, numbered from 0; see `render_shard`."""
        yield from render_shard(self.job, number, self.build, controls)

    def render_waiting(self, number: int, controls: RenderControls) -> Generator[int, None, None]:
        """Render one shard, when no other worker has it; see `render_shard`.

        While another one has it, the number of frames that are there is yielded now and then.
        """
        while True:
            try:
                yield from self.render(number, controls)
                return
            except JobLockedError:
                yield count_shard_frames(self.job, number)
                time.sleep(LOOK_AGAIN_S)

    def render_all(self, controls: RenderControls) -> Generator[int, None, None]:
        """Render the shards that lack frames and that no other worker has; yield at each frame.

        It ends when no shard lacks a frame: that of a worker that has died is taken over.

        Yields:
            The number of the shard at work, from 0.
        """
        done = DoneFrames(self.job)
        while remaining := done.unfinished:
            number = next((n for n in remaining if not is_shard_locked(self.job, n)), None)
            if number is None:
                yield remaining[0]
                time.sleep(LOOK_AGAIN_S)
            else:
                # Another worker may be quicker: then this one looks for the next.
                with contextlib.suppress(JobLockedError):
                    for _ in self.render(number, controls):
                        yield number
            done.count()


def open_sharded_job(folder: Path) -> ShardedJob:
    """Return a job that is cut into shards, as its folder has it.

    Raises:
        OutputError: The folder is no such job, or cannot be read.
    """
    metadata = read_job_file(folder)
    if metadata is None:
        raise OutputError(
            f"{folder} is no job of DreamFlow's: `dreamflow jobs list` shows them",
            where=str(folder),
        )
    plan = read_plan(folder)
    if plan is None:
        raise OutputError(
            f"{folder} is not cut into shards: the command that began it cuts it with "
            f"{named('shards')}",
            setting="shards",
            where=str(folder),
        )
    if plan.job_id != metadata[ID_KEY]:
        raise OutputError(
            f"{folder}: its shards are those of another job; start over with {named('fresh')}",
            setting="fresh",
            where=str(folder),
        )
    return ShardedJob(folder, metadata, plan)


def open_source_of(job: ShardedJob, sent: SentInputs | None = None) -> ShardSource:
    """Return what a job's shards are parts of.

    Args:
        job: The job.
        sent: Its inputs, where they are not under their own paths.

    Raises:
        MediaError: An input is gone or is another one than the job was begun with.
        SettingsError: The settings are not of this version.
    """
    record, inputs = job.metadata["record"], list_inputs(job.metadata)
    recorded = record["settings"]
    if sent is not None:
        recorded = change_paths(recorded, lambda path: str(sent.locate(job.plan.folder / path)))
        inputs = {
            name: [sent.locate(path) for path in paths]
            for name, paths in inputs.items()
            if name not in CLIP_INPUTS
        }
    sweep = None
    if record["command"] == SWEEP_COMMAND:
        settings, sweep = restore_sweep_settings(recorded, job.plan.folder)
    else:
        settings = restore_video_settings(recorded, job.plan.folder)
    check_inputs_intact(job.metadata["inputs"], inputs)
    clip = _open_clip(job, settings) if sent is None else sent.clip
    return ShardSource(clip, settings, open_matte(settings.show, matte_target_of(clip)), sweep)


def _open_clip(job: ShardedJob, settings: VideoSettings) -> Clip | StillClip:
    """Return the clip of a job, or the picture that is shown as one. Raises MediaError."""
    path = job.plan.clip
    output = DeepOutput.of(Path(job.metadata["out"]), settings.encode)
    output = output if job.plan.keeps_depth else None
    if job.metadata["record"]["command"] == SWEEP_COMMAND and is_still(path):
        return open_swept_picture(path, settings.clip, output, job.plan.frames)
    return Clip(path, settings.clip, output)


def list_inputs(metadata: JobMetadata) -> dict[str, list[Path]]:
    """Return the files of a job's inputs, by the inputs' names."""
    files: Mapping[str, list[str]] = metadata.get("input_files") or {}
    return {name: [path_from_text(text) for text in paths] for name, paths in files.items()}


@contextmanager
def open_worker(
    folder: Path,
    machine: MachineOptions,
    controls: RenderControls,
    mixed: bool = False,
    sent: SentInputs | None = None,
    is_same_machine: bool = False,
) -> Generator[ShardWorker]:
    """Open a job, and load what its shards are rendered with.

    Args:
        folder: The job's folder.
        machine: Where to compute; what is at its default is as the job has it.
        controls: How shards are followed.
        mixed: Whether a worker may render that gives other frames: with another version, device or
            precision, or other threads.
        sent: The job's inputs, where they are not under their own paths.
        is_same_machine: Whether the shots were found on this machine, by this very file.

    Raises:
        SettingsError: The worker is not like the job's others, and that is not asked for.
        DreamFlowError: The job, its inputs or its network cannot be read.
    """
    job = open_sharded_job(folder)
    record = job.metadata["record"]
    _check_alike(job, {RECORD_VERSION_KEY: __version__}, mixed)
    source = open_source_of(job, sent)
    with warnings.catch_warnings():
        # What there is to say of the network was said where the job was begun.
        warnings.simplefilter("ignore", DreamFlowWarning)
        network = load_network(
            source.settings.dream.network,
            machine.weights or job.plan.weights,
            machine=Machine.from_options(fill_in_machine(machine, job.metadata)),
        )
    _check_alike(job, describe_network(network), mixed)
    if record["network"] != {"name": network.name, "weights_sha256": network.weights_hash}:
        raise SettingsError(
            f"{folder.name} was begun with other weights of {network.name} than are here",
            setting="weights",
            where=str(folder),
        )
    source = source.hear(job.folder)
    gains = list_inputs(job.metadata).get(GAINS_INPUT, [None])[0]
    if sent is not None and gains is not None:
        gains = sent.locate(gains)
    reader = ForwardReader(source.clip.frames_from) if sent is None else sent.frames_from
    if job.plan.seals and not (mixed or is_same_machine):
        reader = check_pictures(reader, job.plan.seals, job.plan.clip.name)
    with replace(controls, gains_path=gains, trace_path=None).open_dreamer_controls() as dreaming:

        def build(shard: Shard) -> Pipeline:
            return source.build(network, shard, dreaming, reader)

        yield ShardWorker(job, build)


def describe_network(network: Network) -> dict[str, Any]:
    """Return what a network computes with, by its keys in a record: frames depend on it."""
    import torch

    return {
        "torch": torch.__version__,
        "device": network.device.type,
        "threads": torch.get_num_threads(),
        "precision": network.precision,
    }


def fill_in_machine(machine: MachineOptions, metadata: JobMetadata) -> MachineOptions:
    """Return where to compute, what is at its default taken from the job."""
    begun = LEGACY_MACHINE_DEFAULTS | metadata.get("machine", {})
    return replace(
        machine,
        device=begun["device"] if machine.device == "auto" else machine.device,
        threads=machine.threads or begun["threads"],
        memory=machine.memory or begun["memory"],
        precision=begun["precision"] if machine.precision == "auto" else machine.precision,
    )


def _check_alike(job: ShardedJob, here: Mapping[str, Any], mixed: bool) -> None:
    """Check that a worker gives the frames that the job's others give.

    Raises:
        SettingsError: It does not, and that is not asked for.
    """
    names = {RECORD_VERSION_KEY: "DreamFlow", "torch": "PyTorch"}
    differing = [
        f"{names.get(key, key)} {job.metadata['record'].get(key)}, this worker has {value}"
        for key, value in here.items()
        if job.metadata["record"].get(key) != value
    ]
    if not differing:
        return
    what = f"{job.folder.name} was begun with {' and '.join(differing)}"
    if not mixed:
        raise SettingsError(
            f"{what}: its frames would differ a little; {named('mixed')} renders them all the same",
            setting="mixed",
            where=str(job.folder),
        )
    warnings.warn(f"{what}: frames of this worker may differ a little", DifferentFramesWarning, 2)
