"""What the pieces of an unfinished output were when they were written: their sizes and hashes.

A piece is a file in a job's folder: an encoded segment, a picture. It is on the disk before its
line is added to the ledger, so a kill leaves either a piece that is recorded, or one that is not
and is made again. Hashes begin with the job's identity and the piece's name: a piece of another
job, or one that has another's name, does not match.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from dreamflow.core.errors import OutputError, named
from dreamflow.core.files.documents import (
    Count,
    DocumentError,
    Hash,
    canonical_json,
    fit_schema,
    parse_json,
)
from dreamflow.core.files.regular_file import read_file_bytes
from dreamflow.media.files.atomic_file import atomic_write, make_write_error, sync_to_disk

OUTPUT_STEM = "whole"
"""Name without suffix of a finished output until it is published."""
LEDGER_FILE = "pieces.jsonl"
HASH_CHUNK_BYTES = 2**20
RECORD_HASH_BYTES = 16
"""Bytes of the hash of a raw frame."""


class PieceRecord(Struct, forbid_unknown_fields=True):
    """A line of the ledger."""

    piece: Annotated[str, Meta(max_length=255)]
    bytes: Count
    sha256: Hash


@dataclass(frozen=True)
class Damage:
    """A piece that is not what was written.

    Attributes:
        piece: Its file.
        problem: What is wrong with it, in words.
        first: Number of its first frame.
        stop: Number of the frame after its last one.
    """

    piece: Path
    problem: str
    first: int
    stop: int


class DamagedPiecesError(OutputError):
    """Pieces of an unfinished output are damaged; the frames before and behind them are whole.

    Attributes:
        damages: The pieces.
    """

    def __init__(self, folder: Path, damages: list[Damage], frames: int) -> None:
        self.damages = damages
        pieces = ", ".join(
            f"{damage.piece.relative_to(folder)} {damage.problem} "
            f"({_format_span(damage.first, damage.stop)})"
            for damage in damages[:3]
        )
        more = f" and {len(damages) - 3} more pieces" if len(damages) > 3 else ""
        whole = _format_whole_frames(damages, frames)
        first = min(damage.first for damage in damages)
        up_to = (
            f"; or make an output of frames 0 to {first - 1} with `dreamflow jobs finish`"
            if first
            else ""
        )
        super().__init__(
            f"{folder} is damaged: {pieces}{more}; {whole}: add {named('repair')} to dream what is "
            f"damaged again{up_to}",
            setting="repair",
            where=str(folder),
        )


def _format_span(first: int, stop: int) -> str:
    return f"frame {first}" if stop - first == 1 else f"frames {first} to {stop - 1}"


def _format_whole_frames(damages: list[Damage], frames: int) -> str:
    """Return in words which frames are not damaged."""
    spans: list[str] = []
    position = 0
    for damage in [*sorted(damages, key=lambda one: one.first), None]:
        stop = frames if damage is None else damage.first
        if stop > position:
            spans.append(_format_span(position, stop))
        position = max(position, frames if damage is None else damage.stop)
    return f"{' and '.join(spans)} are whole" if spans else "no frame is whole"


class PieceLedger:
    """Records the pieces in a folder, and checks them.

    Attributes:
        folder: The folder of the pieces and of the ledger.
        identity: What the hashes begin with: the same for all pieces of one output of one job.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self.folder, self.identity = folder, identity
        self._records: dict[str, PieceRecord] | None = None

    @property
    def path(self) -> Path:
        """The ledger's file."""
        return self.folder / LEDGER_FILE

    def record(self, piece: Path) -> None:
        """Record a piece that is on the disk. Raises OutputError."""
        records = self._load()
        try:
            size = piece.stat().st_size
            record = PieceRecord(piece.name, size, self._hash_file(piece))
            with self.path.open("ab", buffering=0) as file:
                file.write(_format_record(record))
        except OSError as error:
            raise make_write_error(self.path, error) from error
        records[piece.name] = record

    def sync(self) -> None:
        """Flush the ledger to the disk."""
        sync_to_disk(self.path)

    def find_problem(self, piece: Path) -> str:
        """Return what is wrong with a piece, or "" where it is what was written."""
        record = self._load().get(piece.name)
        try:
            size = piece.stat().st_size
            if record is None:
                return "is not one that this job has recorded"
            if size != record.bytes:
                return f"has {size} bytes, not the {record.bytes} that were written"
            return "" if self._hash_file(piece) == record.sha256 else "is not what was written"
        except FileNotFoundError:
            return "is missing"
        except OSError as error:
            return f"cannot be read: {error.strerror or error}"

    def keep(self, names: Container[str]) -> None:
        """Forget all pieces but those of these names, and finished outputs. Raises OutputError."""
        records = self._load()
        kept = {
            name: record
            for name, record in records.items()
            if name in names or Path(name).stem == OUTPUT_STEM
        }
        if kept == records:
            return
        with atomic_write(self.path) as part:
            part.write_bytes(b"".join(map(_format_record, kept.values())))
        self._records = kept

    def seal_frame(self, number: int, *parts: bytes | memoryview) -> bytes:
        """Return the hash of a frame that lies raw in a file, by its number in the output."""
        return self._hash(f"frame {number}", parts)[:RECORD_HASH_BYTES]

    def _load(self) -> dict[str, PieceRecord]:
        """Return the records by name; a line that was broken off, or is damaged, is none."""
        if self._records is not None:
            return self._records
        try:
            content = read_file_bytes(self.path)
        except FileNotFoundError:
            content = b""
        records: dict[str, PieceRecord] = {}
        for line in content.split(b"\n"):
            with contextlib.suppress(DocumentError):
                record = fit_schema(parse_json(line), PieceRecord)
                records[record.piece] = record
        self._records = records
        return records

    def _hash_file(self, piece: Path) -> str:
        with piece.open("rb") as file:
            return self._hash(piece.name, iter(lambda: file.read(HASH_CHUNK_BYTES), b"")).hex()

    def _hash(self, name: str, parts: Iterable[bytes | memoryview]) -> bytes:
        digest = hashlib.sha256(f"{self.identity}\n{name}\n".encode())
        for part in parts:
            digest.update(part)
        return digest.digest()


def _format_record(record: PieceRecord) -> bytes:
    plain = {"piece": record.piece, "bytes": record.bytes, "sha256": record.sha256}
    # A kill may have broken the line before this one off.
    return b"\n" + canonical_json(plain)
