"""An analysis as bytes, to be kept with a job."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dreamflow.core.files.regular_file import read_file_bytes
from dreamflow.media.sound.analysis import SoundAnalysis

LAYOUT = 3
"""Number of the analysis: another one where the same sound would give other values."""
MAX_ANALYSIS_BYTES = 1 << 30


def pack_analysis(analysis: SoundAnalysis, origin: str) -> bytes:
    """Return an analysis as bytes; the same one gives the same bytes.

    Args:
        analysis: The analysis.
        origin: What it is of; see `unpack_analysis`.
    """
    arrays: dict[str, np.ndarray] = {"beats": analysis.beats, "peaks": analysis.peaks}
    arrays |= {f"level.{name}": values for name, values in analysis.levels.items()}
    arrays |= {f"onsets.{name}": times for name, times in analysis.onsets.items()}
    facts = {"layout": LAYOUT, "origin": origin, "hash": _hash_arrays(arrays)}
    facts |= {"length_s": analysis.length_s, "bpm": analysis.bpm}
    buffer = io.BytesIO()
    encoded = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    np.savez_compressed(buffer, allow_pickle=False, facts=encoded, **arrays)
    return buffer.getvalue()


def read_kept_analysis(path: Path, origin: str) -> SoundAnalysis | None:
    """Return the analysis that a file keeps; None where it is missing, damaged, or another one.

    Args:
        path: The file, of `pack_analysis`.
        origin: What the analysis must be of, as it was given when it was packed.
    """
    try:
        return _unpack(read_file_bytes(path, MAX_ANALYSIS_BYTES), origin)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None


def hash_analysis(analysis: SoundAnalysis) -> str:
    """Return a hash of all values that schedules may hear."""
    arrays = {"beats": analysis.beats, **analysis.levels}
    return _hash_arrays(arrays | {f"onsets.{name}": t for name, t in analysis.onsets.items()})


def _unpack(content: bytes, origin: str) -> SoundAnalysis | None:
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        facts: dict[str, Any] = json.loads(stored["facts"].tobytes())
        arrays = {name: stored[name] for name in stored.files if name != "facts"}
    if (facts["layout"], facts["origin"]) != (LAYOUT, origin):
        return None
    if facts["hash"] != _hash_arrays(arrays):
        return None
    return SoundAnalysis(
        float(facts["length_s"]),
        _with_prefix(arrays, "level."),
        _with_prefix(arrays, "onsets."),
        arrays["beats"],
        float(facts["bpm"]),
        arrays["peaks"],
    )


def _with_prefix(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {n.removeprefix(prefix): array for n, array in arrays.items() if n.startswith(prefix)}


def _hash_arrays(arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:32]
