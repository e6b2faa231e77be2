"""What is sent to workers that see no files of a job, and what they have rendered fetched back."""

from __future__ import annotations

import asyncio
import contextlib
from functools import cached_property

from dreamflow.cluster.actor import Greeting
from dreamflow.cluster.member import Member
from dreamflow.cluster.parcel import (
    Parcel,
    SentFrames,
    pack_files,
    pack_weights,
    send_frames,
    write_sent_file,
)
from dreamflow.cluster.session import RaySession
from dreamflow.jobs.shards.shard import ShardedJob, make_shard_metadata, open_kept_frames
from dreamflow.jobs.shards.worker import open_source_of
from dreamflow.jobs.storage.folder import JobFolder
from dreamflow.media.read.clip import Clip
from dreamflow.pipelines.still_clip import StillClip
from dreamflow.pipelines.video.shards import ForwardReader


class Courier:
    """Carries a job's inputs and shards between this machine and workers that do not share it."""

    def __init__(self, job: ShardedJob, session: RaySession) -> None:
        """Take the job, and the cluster through which it is carried."""
        self._job, self._session = job, session
        self._reading = asyncio.Lock()

    def pack(self, greeting: Greeting) -> Parcel:
        """Return what a worker lacks of the inputs, but for the clip's frames.

        Raises:
            DreamFlowError: An input cannot be read.
        """
        return Parcel(
            *((None, {}) if greeting.sees_inputs else (self._clip, pack_files(self._job))),
            None if greeting.has_weights else pack_weights(self._job),
        )

    async def send_frames(self, number: int) -> SentFrames:
        """Store the frames of a shard where its worker finds them.

        Raises:
            MediaError: The clip cannot be read.
        """
        shard = self._job.plan.shards[number]
        async with self._reading:
            frames = shard.frames_of(self._reader)(0)
            return await asyncio.to_thread(send_frames, shard.begin, frames, self._session.put)

    async def fetch(self, member: Member, folder: JobFolder, number: int) -> None:
        """Write the files of a shard that was rendered elsewhere into its folder.

        Args:
            member: The worker that has rendered it.
            folder: The shard's folder, which is held.
            number: The shard's number, from 0.

        Raises:
            RefusedError: The worker cannot read them.
            OutputError: They cannot be written.
        """
        folder.start_over(make_shard_metadata(self._job, number))
        frames = self._job.plan.shards[number].frames
        with contextlib.closing(open_kept_frames(self._job, number)) as kept:
            pieces = [*kept.list_pieces(frames), *kept.list_ledgers()]
        for piece in pieces:
            name = piece.relative_to(folder.path).as_posix()
            content = await member.ask(member.actor.read_piece.remote(number, name))
            write_sent_file(piece, content)
        await member.actor.forget.remote(number)

    @cached_property
    def _clip(self) -> Clip | StillClip:
        return open_source_of(self._job).hear(self._job.folder).clip

    @cached_property
    def _reader(self) -> ForwardReader:
        return ForwardReader(self._clip.frames_from)
