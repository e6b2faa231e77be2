"""What travels through Ray: what a worker is told, and the inputs that it does not see itself."""

from __future__ import annotations

import contextlib
import pickle
import secrets
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

from dreamflow.core.errors import MediaError
from dreamflow.core.files.regular_file import read_file_bytes
from dreamflow.core.frames import Frame
from dreamflow.core.machine.options import MachineOptions
from dreamflow.jobs.resume.fingerprints import check_inputs_intact
from dreamflow.jobs.shards.plan import PLAN_FILE
from dreamflow.jobs.shards.shard import ShardedJob
from dreamflow.jobs.shards.worker import CLIP_INPUTS, SentInputs, list_inputs
from dreamflow.jobs.storage.folder import SHARDS_FOLDER
from dreamflow.jobs.storage.job_file import ID_KEY, JOB_FILE
from dreamflow.media.files.atomic_file import atomic_write, make_write_error
from dreamflow.media.read.clip import Clip
from dreamflow.networks.loading import find_weights
from dreamflow.pipelines.pipeline import FramesFrom
from dreamflow.pipelines.still_clip import StillClip

SCRATCH_MODE = 0o700
"""Mode of the folders in which a worker keeps what was sent: nobody else reads it."""
MAX_PACKET_BYTES = 64 * 2**20
"""Bytes of the frames that travel as one object, unless one frame has more."""
TOKEN_PREFIX = "token_"
"""Prefix of the name of a file by which workers know the job's folder when they see it."""


@dataclass(frozen=True)
class Ticket:
    """What every worker is told of a job.

    Attributes:
        job_id: The job's identity.
        folder: The job's folder, by its whole path.
        token: Name of a file in it that is there as long as the job is worked on.
        documents: The job's own documents: their content, by their paths in the folder.
        machine: Where to compute.
        mixed: Whether to render also where that gives other frames; see `open_worker`.
        shares_files: Whether files that this machine sees are used.
    """

    job_id: str
    folder: Path
    token: str
    documents: Mapping[str, bytes]
    machine: MachineOptions
    mixed: bool
    shares_files: bool

    @property
    def sees_folder(self) -> bool:
        """Whether this machine has the job's folder under the same path."""
        return self.shares_files and (self.folder / SHARDS_FOLDER / self.token).is_file()

    def sees_inputs(self, job: ShardedJob) -> bool:
        """Whether this machine has the job's inputs under the same paths, the same to the byte."""
        try:
            check_inputs_intact(job.metadata["inputs"], list_inputs(job.metadata))
        except MediaError:
            return False
        return self.shares_files


@contextmanager
def make_ticket(
    job: ShardedJob, machine: MachineOptions, mixed: bool, shares_files: bool
) -> Generator[Ticket]:
    """Yield what workers are told of a job; its token goes at the end.

    Raises:
        OutputError: The job's folder cannot be written to.
    """
    plan_path = f"{SHARDS_FOLDER}/{PLAN_FILE}"
    documents = {name: read_file_bytes(job.folder / name) for name in (JOB_FILE, plan_path)}
    token = job.folder.absolute() / SHARDS_FOLDER / f"{TOKEN_PREFIX}{secrets.token_hex(8)}"
    try:
        token.touch()
    except OSError as error:
        raise make_write_error(token, error) from error
    try:
        yield Ticket(
            job.metadata[ID_KEY],
            job.folder.absolute(),
            token.name,
            documents,
            machine,
            mixed,
            shares_files,
        )
    finally:
        with contextlib.suppress(OSError):
            token.unlink()


def scratch_folder(job_id: str) -> Path:
    """Return where a worker keeps a job whose folder it does not see: in the system's own.

    Nobody else can guess its name, and the workers of a machine share it.
    """
    return Path(tempfile.gettempdir()) / f"dreamflow-{job_id}"


def keep_documents(ticket: Ticket) -> Path:
    """Write a job's documents where its folder is not seen; return the folder that stands for it.

    Raises:
        OutputError: They cannot be written.
    """
    folder = scratch_folder(ticket.job_id) / ticket.folder.name
    for name, content in ticket.documents.items():
        write_sent_file(folder / name, content, SCRATCH_MODE)
    return folder


@dataclass(frozen=True)
class Parcel:
    """The inputs of a job for a machine that does not see them; the clip's frames come by shard.

    Attributes:
        clip: The clip, as it was opened; None where the inputs are seen.
        files: The other inputs: their content, by their whole paths.
        weights: Name and content of the weights' file; None where there are some.
    """

    clip: Clip | StillClip | None = None
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    weights: tuple[str, bytes] | None = None

    def unpack_inputs(self, job: ShardedJob, frames_from: FramesFrom) -> SentInputs | None:
        """Write the inputs into a machine's own folder. Raises OutputError."""
        if self.clip is None:
            return None
        root = scratch_folder(job.metadata[ID_KEY]) / "inputs"
        sent = SentInputs(self.clip, frames_from, root)
        for path, content in self.files.items():
            write_sent_file(sent.locate(path), content, SCRATCH_MODE)
        return sent

    def unpack_weights(self, job: ShardedJob) -> Path | None:
        """Write the weights into a machine's own folder, and return their file."""
        if self.weights is None:
            return None
        name, content = self.weights
        path = scratch_folder(job.metadata[ID_KEY]) / "weights" / name
        write_sent_file(path, content, SCRATCH_MODE)
        return path


def pack_files(job: ShardedJob) -> dict[str, bytes]:
    """Return a job's inputs but the clip: content by whole path. Raises MediaError."""
    paths = {
        path.absolute()
        for name, paths in list_inputs(job.metadata).items()
        if name not in CLIP_INPUTS
        for path in paths
    }
    try:
        return {str(path): read_file_bytes(path) for path in paths}
    except OSError as error:
        raise MediaError(f"{error.filename} cannot be sent: {error.strerror or error}") from error


def pack_weights(job: ShardedJob) -> tuple[str, bytes]:
    """Return name and content of the file of a job's weights. Raises WeightsError."""
    path = find_weights(job.metadata["record"]["network"]["name"], job.plan.weights)
    return path.name, read_file_bytes(path)


def write_sent_file(path: Path, content: bytes, folder_mode: int = 0o777) -> None:
    """Write a file that came from another machine, unless it is here already.

    Args:
        path: The file; folders above it are made.
        content: What it holds.
        folder_mode: Mode of these folders.

    Raises:
        OutputError: It cannot be written.
    """
    with contextlib.suppress(OSError):
        if path.stat().st_size == len(content) and path.read_bytes() == content:
            return
    try:
        path.parent.mkdir(folder_mode, parents=True, exist_ok=True)
    except OSError as error:
        raise make_write_error(path.parent, error) from error
    with atomic_write(path) as part:
        part.write_bytes(content)


@dataclass(frozen=True)
class SentFrames:
    """The frames of a shard as objects of Ray's.

    Attributes:
        first: Number in the clip of the first frame.
        packet_frames: Frames of each object but the last.
        packets: References to lists of frames.
    """

    first: int
    packet_frames: int
    packets: tuple[Any, ...]

    def frames_from(self, start: int, get: Callable[[Any], list[Frame]]) -> Iterator[Frame]:
        """Yield the frames from a number on.

        Args:
            start: The number in the clip.
            get: Fetches an object.
        """
        packet, place = divmod(start - self.first, self.packet_frames)
        for reference in self.packets[packet:]:
            yield from islice(get(reference), place, None)
            place = 0


def send_frames(
    first: int, frames: Iterable[Frame], put: Callable[[list[Frame]], Any]
) -> SentFrames:
    """Store the frames of a shard as objects of Ray's.

    Args:
        first: Number in the clip of the first one.
        frames: The frames, with their originals where the output is in depth.
        put: Stores an object, and returns its reference.

    Raises:
        MediaError: The clip cannot be read.
    """
    coming, packets = iter(frames), list[Any]()
    begin = list(islice(coming, 1))
    packet_frames = max(1, MAX_PACKET_BYTES // max(map(_count_bytes, begin), default=1))
    coming = chain(begin, coming)
    while packet := list(islice(coming, packet_frames)):
        packets.append(put(packet))
    return SentFrames(first, packet_frames, tuple(packets))


def _count_bytes(frame: Frame) -> int:
    """Return about how many bytes a frame has as it is sent."""
    return len(pickle.dumps(frame))
