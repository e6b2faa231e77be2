"""A pipeline's state in a file: arrays as .npy, the rest as JSON. Nothing is unpickled.

Behind the archive stand the job's identity and a hash of all that is before it: a state that was
damaged, or is another job's, is not believed.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
import zlib
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from msgspec import Struct

from dreamflow.core.errors import OutputError, named
from dreamflow.core.files.documents import (
    Count,
    DocumentError,
    fit_schema,
    is_table,
    parse_fraction,
    parse_json,
)
from dreamflow.core.files.regular_file import read_file_bytes
from dreamflow.media.files.atomic_file import atomic_write
from dreamflow.pipelines.pipeline import PipelineState

JOB_STATE_FILE = "state.npz"
"""The state at the last checkpoint, from which the job is resumed."""
FRAMES_KEY, PIPELINE_KEY = "frames", "journey"
"""Keys of a job's state: frames written, and the pipeline's state after them."""
MAX_STATE_BYTES = 1 << 34
"""Largest state that is read: that of a film of some 200 megapixels."""
MAX_STATE_DEPTH = 64
"""Dicts and lists within each other in a state's JSON at most; those of a video have 30."""
STATE_TREE_KEY = "tree"
"""Entry of the file that holds the JSON; the arrays are `array_0`, `array_1` and so on."""
HASH_CHUNK_BYTES = 2**20


class PipelineStateDocument(Struct):
    """What every pipeline's state has: see `Pipeline.state`."""

    done: Count
    read: Count = 0


class JobStateDocument(Struct, forbid_unknown_fields=True):
    """A job's state: frames written, and the pipeline's state after them."""

    frames: Count
    journey: PipelineStateDocument


class DamagedStateError(OutputError):
    """A state file that is damaged, or that is another job's."""


def write_state(path: Path, state: PipelineState, job_id: str) -> None:
    """Replace a state file, completely or not at all.

    Args:
        path: The file.
        state: The state.
        job_id: The job's identity.

    Raises:
        OutputError: It cannot be written.
    """
    arrays: list[np.ndarray] = []
    tree = np.array(json.dumps(_to_json_tree(state, arrays)))
    array_by_name = {f"array_{number}": array for number, array in enumerate(arrays)}
    with atomic_write(path) as part, part.open("w+b") as file:
        np.savez(file, allow_pickle=False, **{STATE_TREE_KEY: tree}, **array_by_name)
        file.write(job_id.encode())
        file.seek(0)
        digest = _hash_rest(file)
        file.write(digest)


def read_state(path: Path, job_id: str, max_frames: int | None = None) -> PipelineState:
    """Return the state of a job, as it is in a file.

    What a pipeline makes of its part is checked when the pipeline is restored.

    Args:
        path: The file.
        job_id: The identity of the job that must have written it.
        max_frames: Frames of the job's output, if it is known.

    Returns:
        `FRAMES_KEY`: how many frames are written; `PIPELINE_KEY`: the pipeline's state behind them.

    Raises:
        DamagedStateError: It is damaged, is another job's, is not such a dict, or holds what is not
            a finite number.
    """
    digest_bytes = hashlib.sha256().digest_size
    try:
        content = read_file_bytes(path, MAX_STATE_BYTES)
        archive, digest = content[:-digest_bytes], content[-digest_bytes:]
        if _hash_rest(io.BytesIO(archive)) != digest:
            raise ValueError("it is not what was written")
        if not archive.endswith(job_id.encode()):
            raise ValueError("it is another job's")
        _check_sizes(archive)
        with np.load(io.BytesIO(archive), allow_pickle=False) as entries:
            tree = parse_json(str(entries[STATE_TREE_KEY]), MAX_STATE_DEPTH)
            return _check_job_state(_from_json_tree(tree, entries), max_frames)
    except (
        *(OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile),
        *(NotImplementedError, RuntimeError, zlib.error),
    ) as error:
        why = str(getattr(error, "strerror", None) or error) or "it cannot be read"
        raise DamagedStateError(
            f"{path} is damaged: {why}: add {named('repair')} to dream on from the last state "
            f"that is whole, or start over with {named('fresh')}",
            setting="repair",
            where=str(path),
        ) from error


def _check_sizes(archive: bytes) -> None:
    """Raise ValueError where an array says that it is larger than the file."""
    with zipfile.ZipFile(io.BytesIO(archive)) as entries:
        for entry in map(entries.open, entries.namelist()):
            version = np.lib.format.read_magic(entry)
            read_header = np.lib.format.read_array_header_1_0
            if version != (1, 0):
                read_header = np.lib.format.read_array_header_2_0
            shape, _, dtype = read_header(entry)
            if math.prod(shape) * dtype.itemsize > len(archive):
                raise ValueError("an array in it is larger than the file")


def _check_job_state(state: Any, max_frames: int | None) -> PipelineState:
    """Return a state that fits its schema. Raises DocumentError."""
    fit_schema(state, JobStateDocument)
    if max_frames is not None and state[FRAMES_KEY] > max_frames:
        raise DocumentError(f"it has {state[FRAMES_KEY]} of {max_frames} frames")
    return state


def _hash_rest(file: IO[bytes]) -> bytes:
    """Return the hash of what is left of a file."""
    digest = hashlib.sha256()
    while chunk := file.read(HASH_CHUNK_BYTES):
        digest.update(chunk)
    return digest.digest()


def _to_json_tree(value: Any, arrays: list[np.ndarray]) -> Any:
    """Return a value as JSON, in which arrays stand by their number in the list.

    An image, a tensor (1, C, H, W), becomes an array (H, W, C): restored, it has the memory layout
    (channels last) that it had.
    """
    from torch import Tensor  # `jobs list` reads states, and writes none

    if isinstance(value, Tensor):
        pixels = value[0].permute(1, 2, 0) if value.dim() == 4 else value
        value = np.ascontiguousarray(pixels.detach().cpu().numpy())
    if isinstance(value, np.ndarray):
        arrays.append(cast(np.ndarray, value))
        return {"array": len(arrays) - 1}
    if isinstance(value, Fraction):
        return {"fraction": str(value)}
    if is_table(value):
        return {"dict": [[key, _to_json_tree(item, arrays)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        kind = "tuple" if isinstance(value, tuple) else "list"
        items = cast("list[Any] | tuple[Any, ...]", value)
        return {kind: [_to_json_tree(item, arrays) for item in items]}
    if isinstance(value, float) and math.isnan(value):
        return {"nan": None}  # a measurement that was not made yet; JSON has no name for it
    return value


def _from_json_tree(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """Return the value that `_to_json_tree` made this JSON of. Raises ValueError or KeyError."""
    if not is_table(value):
        return value
    if len(value) != 1:
        raise ValueError("it is no tree of a state")
    ((kind, content),) = value.items()
    if kind == "array":
        array = arrays[f"array_{content}"]
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError("it holds what is not a finite number")
        return array
    if kind == "fraction":
        return parse_fraction(content)
    if kind == "dict":
        return {key: _from_json_tree(item, arrays) for key, item in content}
    if kind == "nan":
        return math.nan
    if kind not in ("tuple", "list"):
        raise ValueError("it is no tree of a state")
    items = [_from_json_tree(item, arrays) for item in content]
    return tuple(items) if kind == "tuple" else items
