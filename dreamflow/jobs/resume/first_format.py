"""Jobs of version 0.1.0, whose pieces have no hashes: brought into today's format to be finished.

They cannot be resumed: what the temporal step carries has changed since. Their pieces are recorded
as they are found, and their raw frames get a hash each.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dreamflow.core.errors import DifferentFramesWarning
from dreamflow.core.files.documents import DocumentError, is_table, parse_json
from dreamflow.core.files.regular_file import read_file_bytes
from dreamflow.jobs.output import open_ledger
from dreamflow.jobs.storage.folder import JobFolder
from dreamflow.jobs.storage.job_file import (
    FIRST_FORMAT_VERSION,
    FORMAT_KEY,
    ID_KEY,
    JOB_FILE,
    JOB_FORMAT_VERSION,
    MAX_JOB_FILE_BYTES,
    JobMetadata,
    check_metadata,
    make_damaged_error,
)
from dreamflow.jobs.storage.publish import PLATE_FOLDER
from dreamflow.jobs.storage.sealed_document import SEAL_KEY
from dreamflow.jobs.storage.state_file import JOB_STATE_FILE
from dreamflow.media.files.atomic_file import part_path
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.write.segments.raw_frames import RAW_TIMESTAMP_BYTES, RawFrameFile

KEPT_KEYS = ("out", "record", "encode", "chunk", "plate", "placing")
"""Metadata that mean the same in both formats."""
ADDED_OUTLINE_KEYS: dict[str, Any] = {"extras": None, "frame_numbers": {"numbers": []}}
"""Keys of the outline that version 0.1.0 did not have."""
ADDED_SOUND_KEYS = {"track": None, "is_playlist": False, "is_seekable": True}
"""Keys of the outline's sound that version 0.1.0 did not have."""
PIECE_PATTERNS = ("chunk_*", "whole*", "frames/*.png")


def adopt_first_format(folder: Path) -> None:
    """Bring a job of version 0.1.0 into today's format, with a warning; leave any other alone.

    Interrupted, it goes on where it is called again.

    Raises:
        OutputError: The job is damaged, or its folder cannot be written or is being worked on.
    """
    content = _read_first_format(folder)
    if content is None:
        return
    with JobFolder(folder) as held:
        # The same for every attempt: frames that have their hash already are known by it.
        job_id = hashlib.sha256(content).hexdigest()[:32]
        metadata = _convert_metadata(folder, parse_json(content), job_id)
        spec = OutputSpec.from_dict(metadata["outline"])
        for place in (folder, folder / PLATE_FOLDER):
            _record_pieces(place, job_id, spec, metadata["chunk"])
        (folder / JOB_STATE_FILE).unlink(missing_ok=True)
        held.write_job_file(metadata)
    warnings.warn(
        f"{folder} is a job of DreamFlow 0.1.0, which kept no hashes: its frames are taken as they "
        "are found",
        DifferentFramesWarning,
        2,
    )


def _read_first_format(folder: Path) -> bytes | None:
    """Return the content of a job.json of version 0.1.0, None for any other."""
    try:
        content = read_file_bytes(folder / JOB_FILE, MAX_JOB_FILE_BYTES)
        plain = parse_json(content)
    except (OSError, DocumentError):
        return None
    is_first = is_table(plain) and plain.get(FORMAT_KEY) == FIRST_FORMAT_VERSION
    return content if is_first else None


def _convert_metadata(folder: Path, plain: dict[str, Any], job_id: str) -> JobMetadata:
    """Return metadata of version 0.1.0 in today's format, checked against its schema.

    Raises:
        OutputError: They do not fit it.
    """
    metadata = {name: plain[name] for name in KEPT_KEYS if name in plain}
    metadata |= {ID_KEY: job_id, "plate": plain.get("plate")}
    outline = plain.get("outline")
    if is_table(outline):
        sound = outline.get("sound")
        metadata["outline"] = {
            **ADDED_OUTLINE_KEYS,
            **outline,
            "sound": {**ADDED_SOUND_KEYS, **sound} if isinstance(sound, dict) else sound,
        }
    try:
        check_metadata(folder, {FORMAT_KEY: JOB_FORMAT_VERSION, SEAL_KEY: job_id, **metadata})
    except DocumentError as error:
        raise make_damaged_error(folder / JOB_FILE, error) from error
    return metadata


def _record_pieces(folder: Path, job_id: str, spec: OutputSpec, segment_frames: int) -> None:
    """Record the pieces in a job's folder, or in that of its plate."""
    if not folder.is_dir():
        return
    ledger = open_ledger(folder, job_id)
    pieces = (path for pattern in PIECE_PATTERNS for path in sorted(folder.glob(pattern)))
    for path in filter(Path.is_file, pieces):
        ledger.record(path)
    shape = (spec.height, spec.width, 3)
    for path in sorted(folder.glob("pending_*.rgb")):
        first = int(path.stem.removeprefix("pending_")) * segment_frames
        sealed = RawFrameFile(path, shape, ledger, first)
        if sealed.count() and sealed.find_damage(1) is None:
            continue
        part = part_path(path)
        rewritten = RawFrameFile(part, shape, ledger, first)
        rewritten.remove()
        for number, (timestamp, picture) in enumerate(_read_unsealed(path, shape)):
            rewritten.write(number, timestamp, picture)
        if part.exists():
            part.replace(path)


def _read_unsealed(path: Path, shape: tuple[int, int, int]) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (time stamp, picture) of each complete frame of a file of version 0.1.0."""
    size = int(np.prod(shape))
    record_bytes = RAW_TIMESTAMP_BYTES + size
    with path.open("rb") as file:
        # As many as the file has: what `read` is asked for, it takes the memory for.
        for _ in range(path.stat().st_size // record_bytes):
            record = file.read(record_bytes)
            timestamp = int(np.frombuffer(record, np.int64, 1)[0])
            yield (
                timestamp,
                np.frombuffer(record, np.uint8, size, RAW_TIMESTAMP_BYTES).reshape(shape),
            )
