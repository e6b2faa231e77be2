"""Whether a file ends before its own structure says: part of it is missing.

Formats that declare a duration need no such test, as where packets end too early for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from dreamflow.core.files.regular_file import open_regular_file

RIFF_UNKNOWN_SIZES = (0, 0xFFFFFFFF)
"""Sizes of a RIFF chunk that its writer never filled in."""
BOX_TO_END, BOX_LARGE = 0, 1
"""Values of an MP4 box's size: all of the file that is left; a size of 64 bits follows."""
GIF_TRAILER = b"\x3b"
TS_SYNC_BYTE = 0x47
TS_PACKET_BYTES = (188, 192, 204)
"""Bytes of a transport stream's packets: plain, with a time stamp, with error correction."""
TAIL_BYTES = 1024


def is_cut_short(path: Path, film_format: str) -> bool:
    """Return whether a film's file is shorter than its structure.

    Args:
        path: The file.
        film_format: FFmpeg's name of its format.
    """
    test = TESTS.get(film_format)
    if test is None or not path.is_file():
        return False
    with open_regular_file(path) as file:
        return test(file, os.fstat(file.fileno()).st_size)


def _is_riff_cut(file: BinaryIO, size: int) -> bool:
    """Test an AVI: one RIFF chunk, or several one after the other (OpenDML)."""
    place = 0
    while place < size:
        file.seek(place)
        head = file.read(8)
        length = int.from_bytes(head[4:], "little")
        if head[:4] != b"RIFF" or length in RIFF_UNKNOWN_SIZES:
            return False
        place += 8 + length
    return place > size + 1  # an odd chunk may leave out the byte that fills it up


def _is_fragment_cut(file: BinaryIO, size: int) -> bool:
    """Test an MP4 in fragments; in any other its index says what is missing."""
    boxes = list(_walk_boxes(file, size))
    return any(kind == b"moof" for kind, _ in boxes) and boxes[-1][1] > size


def _walk_boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int]]:
    """Yield each box's type, and where it ends."""
    place = 0
    while place + 8 <= size:
        file.seek(place)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == BOX_LARGE:
            length = int.from_bytes(head[8:], "big")
        if length == BOX_TO_END:
            length = size - place
        if length < 8:
            return
        place += length
        yield head[4:8], place


def _is_gif_cut(file: BinaryIO, size: int) -> bool:
    file.seek(max(0, size - TAIL_BYTES))
    return not file.read().rstrip(b"\0").endswith(GIF_TRAILER)


def _is_transport_stream_cut(file: BinaryIO, size: int) -> bool:
    """Test whether a transport stream ends within a packet."""
    head = file.read(5)
    begins_whole = TS_SYNC_BYTE in head[:1] + head[4:]  # 4 bytes of a time stamp may come first
    return begins_whole and all(size % length for length in TS_PACKET_BYTES)


TESTS: dict[str, Callable[[BinaryIO, int], bool]] = {
    "avi": _is_riff_cut,
    "gif": _is_gif_cut,
    "mov,mp4,m4a,3gp,3g2,mj2": _is_fragment_cut,
    "mpegts": _is_transport_stream_cut,
}
"""By FFmpeg's name of the format."""
