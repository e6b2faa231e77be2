"""Films that FFmpeg does not encode: H.264 of field pictures, MPEG-2 with 3:2 pulldown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LUMA_BLOCK = 16
GREY_CHROMA = bytes([128]) * 2 * 64
ACCESS_UNIT_DELIMITER = b"\0\0\0\1\x09\x10"
I_PCM = 25
"""mb_type of a macroblock whose samples are not coded (ITU-T H.264, table 7-11)."""


class BitWriter:
    """Writes the syntax elements of ITU-T H.264, 9.1."""

    def __init__(self) -> None:
        self.bits: list[int] = []

    def u(self, size: int, value: int) -> BitWriter:
        self.bits += [value >> (size - 1 - place) & 1 for place in range(size)]
        return self

    def ue(self, value: int) -> BitWriter:
        size = (value + 1).bit_length()
        return self.u(size - 1, 0).u(size, value + 1)

    def flags(self, *values: int) -> BitWriter:
        self.bits += values
        return self

    def aligned(self, samples: bytes = b"") -> BitWriter:
        self.bits += [0] * (-len(self.bits) % 8)
        self.bits += np.unpackbits(np.frombuffer(samples, np.uint8)).tolist()
        return self

    def nal_unit(self, kind: int) -> bytes:
        """Return the NAL unit, with start code and emulation prevention."""
        payload = np.packbits(np.array(self.u(1, 1).aligned().bits, np.uint8)).tobytes()
        unit, zeros = bytearray([0, 0, 0, 1, 3 << 5 | kind]), 0
        for byte in payload:
            if zeros >= 2 and byte <= 3:
                unit.append(3)
                zeros = 0
            unit.append(byte)
            zeros = zeros + 1 if byte == 0 else 0
        return bytes(unit)


def code_frames(frames: Sequence[np.ndarray], as_fields: Sequence[bool]) -> list[bytes]:
    """Return H.264 access units of grey frames, each exactly coded, as one picture or two fields.

    Args:
        frames: (H, W) uint8, sides that 32 divides.
        as_fields: Whether each frame is coded as two field pictures, two access units.
    """
    height, width = frames[0].shape
    sequence = BitWriter().u(8, 77).u(8, 0).u(8, 30).ue(0).ue(0).ue(2).ue(1).flags(0)
    sequence.ue(width // 16 - 1).ue(height // 32 - 1).flags(0, 0, 1, 0, 0)
    picture = BitWriter().ue(0).ue(0).flags(0, 0).ue(0).ue(0).ue(0).flags(0, 0, 0)
    picture.ue(0).ue(0).ue(0).flags(0, 0, 0)
    parameters = ACCESS_UNIT_DELIMITER + sequence.nal_unit(7) + picture.nal_unit(8)
    units: list[bytes] = []
    for number, (frame, is_pair) in enumerate(zip(frames, as_fields, strict=True)):
        key = number % 2
        if is_pair:
            units.append(parameters + _code_slice(frame[0::2], (0, 1, 0), key))
            units.append(ACCESS_UNIT_DELIMITER + _code_slice(frame[1::2], (0, 1, 1), None))
        else:
            units.append(parameters + _code_slice(frame, (0, 0), key))
    return units


def _code_slice(luma: np.ndarray, structure: tuple[int, ...], key: int | None) -> bytes:
    """Return a slice of a whole picture; `key` is the idr_pic_id, None for no IDR picture."""
    frame_num, *field_flags = structure
    bits = BitWriter().ue(0).ue(7).ue(0).u(4, frame_num).flags(*field_flags)
    if key is None:
        bits.flags(0)
    else:
        bits.ue(key).flags(0, 0)
    bits.ue(0)
    for top in range(0, luma.shape[0], LUMA_BLOCK):
        for left in range(0, luma.shape[1], LUMA_BLOCK):
            block = luma[top : top + LUMA_BLOCK, left : left + LUMA_BLOCK]
            bits.ue(I_PCM).aligned(block.tobytes() + GREY_CHROMA)
    return bits.nal_unit(1 if key is None else 5)


def pull_down(stream: bytes) -> bytes:
    """Return a progressive MPEG-2 stream of 23.976 frames a second, shown at 29.97 by its flags.

    Frames are shown for 3, 2, 3, 2 ... fields, as DVDs and broadcasts hold films (ISO/IEC 13818-2,
    6.2.2.3 and 6.2.3.1).
    """
    data = bytearray(stream)
    place, pictures_before, pictures, number = data.find(b"\0\0\1"), 0, 0, 0
    while place >= 0:
        code, extension = data[place + 3], data[place + 4] >> 4
        if code == 0xB3:  # sequence header: 30000/1001 frames a second
            data[place + 7] = data[place + 7] & 0xF0 | 4
        elif code == 0xB5 and extension == 1:  # sequence extension: not progressive_sequence
            data[place + 5] &= ~0x08
        elif code == 0xB8:  # group of pictures
            pictures_before, pictures = pictures_before + pictures, 0
        elif code == 0x00:  # picture header: temporal_reference
            number = pictures_before + (data[place + 4] << 2 | data[place + 5] >> 6)
            pictures += 1
        elif code == 0xB5 and extension == 8:  # picture coding extension
            top_field_first, repeat_first_field = number % 4 in (0, 3), number % 2 == 0
            data[place + 7] = (
                data[place + 7] & 0x7D | top_field_first << 7 | repeat_first_field << 1 | 1
            )
            data[place + 8] |= 0x80  # progressive_frame
        place = data.find(b"\0\0\1", place + 3)
    return bytes(data)
