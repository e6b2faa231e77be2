"""How a job is cut into shards: found once, and kept with the job.

`dream.mp4.job/shards/plan.json` says what each shard is, and what a worker needs besides job.json;
each shard is a job of its own beside it, `000001.mkv.job`, whose frames are kept without loss.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from dreamflow.core.errors import OutputError, named
from dreamflow.core.files.documents import (
    Count,
    DocumentError,
    Hash,
    PathText,
    ShortText,
    fit_schema,
    parse_json,
)
from dreamflow.core.text.path_text import path_from_text, path_to_text
from dreamflow.jobs.storage.folder import SHARDS_FOLDER
from dreamflow.jobs.storage.job_file import JOB_FOLDER_SUFFIX
from dreamflow.jobs.storage.sealed_document import (
    SEAL_KEY,
    check_seal,
    compute_seal,
    read_document_bytes,
)
from dreamflow.media.files.atomic_file import atomic_write, make_write_error
from dreamflow.media.write.segments.lossless_segments import LOSSLESS_SUFFIX
from dreamflow.pipelines.video.shards import Shard

PLAN_FILE = "plan.json"
PLAN_VERSION = 1
MAX_PLAN_BYTES = 64 * 2**20
"""Bytes of a plan at most: half a million shots fit, and five million frames."""


class ShardDocument(Struct, forbid_unknown_fields=True):
    """A `Shard`."""

    first: Count
    stop: Count
    flashes: list[Count]
    run_in: Count


class PlanDocument(Struct, forbid_unknown_fields=True):
    """What plan.json holds: see `ShardPlan`."""

    plan: int
    seal: Hash
    job: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
    kind: ShortText
    span_s: Annotated[float, Meta(gt=0)] | None
    clip: PathText
    weights: PathText | None
    folder: PathText
    shards: Annotated[list[ShardDocument], Meta(min_length=1)]
    output: PathText | None = None
    keeps_depth: bool = False
    seals: list[Count] = []


@dataclass(frozen=True)
class ShardPlan:
    """How a job is cut, and what its workers need that job.json does not say.

    Attributes:
        job_id: The job's identity.
        kind: What its shards are: `shots` or `spans`.
        span_s: Seconds of a span at most; None for shots.
        clip: The clip: a file, folder or pattern.
        weights: The file of the network's weights, if one was given.
        folder: The folder that relative paths of the job's settings count from.
        shards: The shards, in order.
        output: The output, by its whole path; None where an earlier version wrote the plan.
        keeps_depth: Whether the output holds more than 8-bit pictures.
        seals: A checksum of each picture of the clip, see `picture_seals`; () where there are none.
    """

    job_id: str
    kind: str
    span_s: float | None
    clip: Path
    weights: Path | None
    folder: Path
    shards: Sequence[Shard]
    output: Path | None = None
    keeps_depth: bool = False
    seals: Sequence[int] = ()

    @property
    def frames(self) -> int:
        """How many frames the clip has."""
        return self.shards[-1].stop

    @property
    def kept_frames(self) -> int:
        """How many frames are kept of all shards, those that two spans share counted twice."""
        return sum(shard.frames for shard in self.shards)

    def shard_id(self, number: int) -> str:
        """Return the identity of a shard, numbered from 0, as a job: 32 hex digits.

        It is the same whoever renders it, and another for other frames or another job.
        """
        shard = self.shards[number]
        frames = f"{shard.begin} {shard.first} {shard.stop} {shard.flashes}"
        text = f"{self.job_id} {self.kind} {number} {frames}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def shard_folder(job_folder: Path, number: int) -> Path:
    """Return the folder of a shard, numbered from 0; its name counts from 1, as users do."""
    name = f"{number + 1:06d}{LOSSLESS_SUFFIX}{JOB_FOLDER_SUFFIX}"
    return job_folder / SHARDS_FOLDER / name


def read_plan(job_folder: Path) -> ShardPlan | None:
    """Return how a job is cut; None where it is not, or not yet.

    Raises:
        OutputError: The plan cannot be read, or is not what was written.
    """
    path = job_folder / SHARDS_FOLDER / PLAN_FILE
    try:
        content = read_document_bytes(path, MAX_PLAN_BYTES)
        if content is None:
            return None
        plain = parse_json(content)
        document = fit_schema(plain, PlanDocument)
        if document.plan != PLAN_VERSION:
            raise DocumentError("it was written by another version of DreamFlow")
        check_seal(plain)
        return _plan_from(document)
    except DocumentError as error:
        raise OutputError(
            f"{path} is damaged: {error}; start over with {named('fresh')}",
            setting="fresh",
            where=str(path),
        ) from error


def _plan_from(document: PlanDocument) -> ShardPlan:
    """Return the plan of a document. Raises DocumentError where shards do not follow each other."""
    shards = [Shard(one.first, one.stop, tuple(one.flashes), one.run_in) for one in document.shards]
    is_whole = shards[0].first == 0 and all(
        before.first < after.first <= before.stop < after.stop for before, after in pairwise(shards)
    )
    if document.seals and len(document.seals) != shards[-1].stop:
        raise DocumentError("it has not a checksum of each picture")
    if not is_whole or any(one.frames < 1 or one.run_in > one.first for one in shards):
        raise DocumentError("its shards do not follow each other")
    return ShardPlan(
        document.job,
        document.kind,
        document.span_s,
        path_from_text(document.clip),
        path_from_text(document.weights) if document.weights else None,
        path_from_text(document.folder),
        shards,
        path_from_text(document.output) if document.output else None,
        document.keeps_depth,
        document.seals,
    )


def write_plan(job_folder: Path, plan: ShardPlan) -> None:
    """Write how a job is cut, sealed.

    Raises:
        OutputError: It cannot be written.
    """
    plain: dict[str, Any] = {
        "plan": PLAN_VERSION,
        "job": plan.job_id,
        "kind": plan.kind,
        "span_s": plan.span_s,
        "clip": path_to_text(plan.clip.absolute()),
        "weights": plan.weights and path_to_text(plan.weights.absolute()),
        "folder": path_to_text(plan.folder.absolute()),
        "output": plan.output and path_to_text(plan.output.absolute()),
        "keeps_depth": plan.keeps_depth,
        "seals": list(plan.seals),
        "shards": [
            {
                "first": shard.first,
                "stop": shard.stop,
                "flashes": list(shard.flashes),
                "run_in": shard.run_in,
            }
            for shard in plan.shards
        ],
    }
    plain[SEAL_KEY] = compute_seal(plain)
    path = job_folder / SHARDS_FOLDER / PLAN_FILE
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise make_write_error(path.parent, error) from error
    with atomic_write(path) as part:
        part.write_text(json.dumps(plain, ensure_ascii=False) + "\n", encoding="utf-8")
