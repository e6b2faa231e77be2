"""Shards of a job rendered by actors of a Ray cluster, each by one coroutine of this process.

As with worker processes, what each has done is seen in the shards' folders, and a shard is locked
by who renders it. Where a worker does not see the job's folder, this process holds the lock, and
writes what comes back into it: a shard counts when it is what its own hashes say.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Collection
from dataclasses import dataclass, replace

from dreamflow.cluster.actor import Greeting, ShardActor
from dreamflow.cluster.courier import Courier
from dreamflow.cluster.member import Member, RefusedError
from dreamflow.cluster.parcel import Ticket, make_ticket
from dreamflow.cluster.session import RaySession
from dreamflow.core.callbacks import DoneCallback, MessageCallback
from dreamflow.core.errors import OutputError
from dreamflow.core.machine.options import MachineOptions
from dreamflow.jobs.shards.join import DoneFrames
from dreamflow.jobs.shards.plan import shard_folder
from dreamflow.jobs.shards.shard import (
    ShardedJob,
    is_shard_done,
    is_shard_joined,
    make_shard_metadata,
    note_elsewhere,
)
from dreamflow.jobs.shards.worker import LOOK_AGAIN_S, fill_in_machine
from dreamflow.jobs.storage.folder import JobFolder, JobLockedError

LOOK_AT_NODES_S = 2.0
"""Seconds between two looks at how many workers the cluster has room for."""
PACKAGE = "dreamflow"
STOP_TIMEOUT_S = 60.0
"""Seconds that workers have to finish a frame, and to save it, before they are ended."""
MAX_FRUITLESS_DEATHS = 5
"""Deaths of a worker, one after the other, without a frame between them."""


@dataclass(frozen=True)
class ClusterOrder:
    """What is asked of a cluster.

    Attributes:
        job: The job.
        shards: The shards to render, numbered from 0.
        machine: Where to compute; what is at its default is as the job has it.
        workers: How many workers at most; None for as many as there is room for.
        mixed: Whether workers may give other frames than those that the job was begun with.
        shares_files: Whether workers read the inputs and write the shards themselves where they see
            them; False sends everything through Ray.
    """

    job: ShardedJob
    shards: Collection[int]
    machine: MachineOptions
    workers: int | None = None
    mixed: bool = False
    shares_files: bool = True


class ClusterRender:
    """Renders shards of a job on a cluster."""

    def __init__(
        self,
        order: ClusterOrder,
        session: RaySession,
        notify: MessageCallback,
        progress: DoneCallback = lambda frames: None,
    ) -> None:
        """Take what is to be done, and by whom.

        Args:
            order: What to render.
            session: The cluster.
            notify: Called with each line for the user.
            progress: Called with the frames of all shards that are known to be done.
        """
        self._order, self._job, self._session = order, order.job, session
        self._notify, self._progress = notify, progress
        machine = fill_in_machine(order.machine, order.job.metadata)
        self._machine = machine
        self._resources = {"num_cpus": machine.threads or 1}
        if machine.device.startswith("cuda"):
            # Ray gives each worker a GPU of its own, which is the first that it sees.
            self._machine = replace(machine, device="cuda")
            self._resources = {"num_cpus": 1, "num_gpus": 1}
        self._waiting: list[int] = sorted(order.shards)
        self._busy: set[int] = set()
        self._frames = dict.fromkeys(order.shards, 0)
        self._refusals: list[str] = []
        self._courier = Courier(order.job, session)

    async def run(self) -> None:
        """Render all shards.

        Raises:
            OutputError: No worker can go on.
            DreamFlowError: An input cannot be read, or a shard cannot be written.
        """
        self._count_done()
        order = self._order
        with make_ticket(self._job, self._machine, order.mixed, order.shares_files) as ticket:
            members: set[asyncio.Task[None]] = set()
            number = 0
            try:
                while self._waiting or self._busy:
                    for _ in range(self._count_missing(len(members))):
                        number += 1
                        members.add(asyncio.create_task(self._work(ticket, number)))
                    if not members:
                        raise self._make_stuck_error()
                    done, members = await asyncio.wait(
                        members, timeout=LOOK_AT_NODES_S, return_when=asyncio.FIRST_COMPLETED
                    )
                    for one in done:
                        one.result()
            finally:
                for one in members:
                    one.cancel()
                await asyncio.gather(*members, return_exceptions=True)

    def _count_done(self) -> None:
        """Leave out the shards that are done already."""
        done = DoneFrames(self._job)
        for number in sorted(set(self._waiting) - set(done.unfinished)):
            if is_shard_joined(self._job, number) or is_shard_done(self._job, number):
                self._waiting.remove(number)
                self._advance(number, done.by_shard[number])

    def _advance(self, number: int, frames: int) -> None:
        self._frames[number] = frames
        self._progress(sum(self._frames.values()))

    def _count_missing(self, members: int) -> int:
        """Return how many more workers the cluster has room and work for."""
        gpus, cpus = self._resources.get("num_gpus"), self._resources["num_cpus"]
        room = sum(
            int(node.gpus // gpus if gpus else node.cpus // cpus)
            for node in self._session.list_nodes()
        )
        if self._order.workers is not None:
            room = min(room, self._order.workers)
        work = len(self._waiting) + len(self._busy)
        return max(0, min(room - len(self._refusals), work) - members)

    def _make_stuck_error(self) -> OutputError:
        reason = self._refusals[-1] if self._refusals else self._describe_lack()
        return OutputError(f"no worker can go on: {reason}", where=str(self._job.folder))

    def _describe_lack(self) -> str:
        what = "a GPU" if "num_gpus" in self._resources else f"{self._resources['num_cpus']} CPUs"
        return f"no machine of the cluster {self._session.address} has {what}"

    async def _work(self, ticket: Ticket, number: int) -> None:
        """Keep one worker busy until nothing is left, or it cannot go on."""
        actor = self._session.start_actor(ShardActor, self._resources, ticket)
        member = Member(actor, f"worker {number}", self._session.task_error)
        try:
            while self._waiting or self._busy:
                try:
                    await self._serve(member)
                except self._session.lost_errors as error:
                    self._mourn(member, error)
        except RefusedError as error:
            self._refusals.append(f"{member.name}: {error}")
            self._notify(f"{member.name} takes no part: {error}")
        finally:
            await self._dismiss(member)

    def _mourn(self, member: Member, error: Exception) -> None:
        """Take note of a worker that has died. Raises RefusedError where it does so always."""
        member.deaths, member.is_up = member.deaths + 1, False
        why = " ".join(str(error).split())
        if f"No module named '{PACKAGE}" in why:
            raise RefusedError("its machine has no DreamFlow, or one that knows no clusters")
        if "creation task" in why or member.deaths >= MAX_FRUITLESS_DEATHS:
            raise RefusedError(f"it dies before it has a frame ({why[-300:]})")
        self._notify(f"{member.name} has died: its shard is taken over")

    async def _serve(self, member: Member) -> None:
        """Render shards until none is left; raises what Ray raises when the worker dies."""
        greeting = await member.ask(member.actor.greet.remote())
        member.name = f"{member.name.partition(' on ')[0]} on {greeting.host}"
        lacking = self._courier.pack(greeting)
        await member.ask(member.actor.open.remote(lacking))
        while self._waiting or self._busy:
            if not self._waiting:
                await asyncio.sleep(LOOK_AGAIN_S)
                continue
            shard = self._waiting.pop(0)
            self._busy.add(shard)
            is_done = False
            try:
                is_done = await self._render(member, greeting, shard)
            finally:
                self._busy.discard(shard)
                if not is_done:
                    self._waiting = sorted([*self._waiting, shard])
            if not is_done:
                await asyncio.sleep(LOOK_AGAIN_S)

    async def _render(self, member: Member, greeting: Greeting, shard: int) -> bool:
        """Have a shard rendered; return whether it is done, and not at another worker's."""
        frames = None if greeting.sees_inputs else await self._courier.send_frames(shard)
        with contextlib.ExitStack() as stack:
            folder = None
            if not greeting.sees_folder:
                try:
                    folder = stack.enter_context(JobFolder(shard_folder(self._job.folder, shard)))
                except JobLockedError:
                    return False
            progress = await member.ask(member.actor.begin.remote(shard, frames))
            while not (progress.is_done or progress.is_locked):
                if progress.frames > self._frames[shard]:
                    member.deaths = 0
                self._advance(shard, progress.frames)
                if folder is not None:
                    note_elsewhere(folder, make_shard_metadata(self._job, shard), progress.frames)
                progress = await member.ask(member.actor.go_on.remote())
            if progress.is_done and folder is not None:
                await self._courier.fetch(member, folder, shard)
        if progress.is_done and not is_shard_done(self._job, shard):
            raise RefusedError(f"{self._job.describe(shard)} is not what it has rendered")
        if progress.is_done:
            self._advance(shard, self._job.plan.shards[shard].frames)
            member.deaths = 0
        return progress.is_done

    async def _dismiss(self, member: Member) -> None:
        """Have a worker save what it has, and end it."""
        is_job_done = not (self._waiting or self._busy)
        if member.is_up:
            with contextlib.suppress(*self._session.lost_errors, TimeoutError, ConnectionError):
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await member.actor.stop.remote(is_job_done)
        with contextlib.suppress(Exception):  # the cluster may be gone, and then so is the worker
            self._session.end_actor(member.actor)


async def run_until_interrupted(render: ClusterRender) -> None:
    """Render, and stop in good order at Ctrl-C.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed; the workers have saved what they had.
        DreamFlowError: As `ClusterRender.run`.
    """
    stopped = asyncio.Event()
    with contextlib.suppress(NotImplementedError):  # Windows: there Ctrl-C raises by itself
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stopped.set)
    work, stop = asyncio.create_task(render.run()), asyncio.create_task(stopped.wait())
    await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if not work.done():
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
        raise KeyboardInterrupt
    work.result()
