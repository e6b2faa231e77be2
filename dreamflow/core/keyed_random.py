"""Randomness as a pure function of a key, so that a resumed or distributed render repeats it."""

from __future__ import annotations

import hashlib
import struct

UNIFORM_RESOLUTION = 1 << 20
"""Steps of `keyed_uniform_pair` to each side of 0."""


def jitter_offset(jitter: int, *key: int) -> tuple[int, int]:
    """Return a random offset (dy, dx), each from -jitter to jitter.

    It depends on the key alone (seed, frame, octave, iteration), and is the same on every machine.
    """
    digest = hashlib.blake2b(struct.pack(f"<{len(key)}q", *key), digest_size=16).digest()
    first, second = struct.unpack("<2Q", digest)
    return first % (2 * jitter + 1) - jitter, second % (2 * jitter + 1) - jitter


def keyed_uniform_pair(*key: int) -> tuple[float, float]:
    """Return two random numbers from -1 to 1 that depend on the key alone."""
    first, second = jitter_offset(UNIFORM_RESOLUTION, *key)
    return first / UNIFORM_RESOLUTION, second / UNIFORM_RESOLUTION
