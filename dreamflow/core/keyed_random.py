"""What is random in a dream: a pure function of where in it one is."""

from __future__ import annotations

import hashlib
import struct

UNIFORM_RESOLUTION = 1 << 20


def jitter_offset(jitter: int, *key: int) -> tuple[int, int]:
    """Return a shift (dy, dx) in pixels, each from -jitter to jitter.

    A pure function of the key (seed, frame, octave, iteration), so that a resumed or distributed
    render shifts its frames alike, on every machine.
    """
    digest = hashlib.blake2b(struct.pack(f"<{len(key)}q", *key), digest_size=16).digest()
    first, second = struct.unpack("<2Q", digest)
    return first % (2 * jitter + 1) - jitter, second % (2 * jitter + 1) - jitter


def keyed_uniform_pair(*key: int) -> tuple[float, float]:
    """Return two random numbers from -1 to 1, by a key in the same way."""
    first, second = jitter_offset(UNIFORM_RESOLUTION, *key)
    return first / UNIFORM_RESOLUTION, second / UNIFORM_RESOLUTION
