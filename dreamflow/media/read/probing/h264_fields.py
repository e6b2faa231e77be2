"""H.264 packets that hold no frame of their own: second fields (ITU-T H.264, 7.3 and 7.4.1.2.4).

Broadcasts and camcorders code some frames as two fields. In a transport stream each field is a
packet with a time of its own; decoders give one frame for both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import av

SLICE, IDR_SLICE, SPS, PPS = 1, 5, 7, 8
"""Types of NAL units."""
START_CODE = b"\0\0\1"
MAX_HEADER_BYTES = 512
"""Bytes of a NAL unit that are read; parameter sets are shorter, as is a slice's header."""
MAX_READ_BYTES = 8192
"""Bytes of a packet in which the first slice is looked for."""
PROFILES_WITH_CHROMA = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244})
"""Values of profile_idc whose SPS has chroma_format_idc and what follows it (7.3.2.1.1)."""


@dataclass(frozen=True)
class SequenceParameters:
    """What a slice's header is read by.

    Attributes:
        frame_num_bits: Size of frame_num.
        has_separate_planes: Whether each colour plane has slices of its own.
        may_have_fields: Whether a picture may be a field (frame_mbs_only_flag is 0).
    """

    frame_num_bits: int
    has_separate_planes: bool
    may_have_fields: bool


class FieldPairs:
    """Tells the packets of one track, given in file order, that complete the frame before."""

    def __init__(self, extradata: bytes | None) -> None:
        """Read the parameter sets of a track's header, in either form.

        Args:
            extradata: An avcC record, NAL units behind start codes, or nothing.
        """
        self._sequences: dict[int, SequenceParameters] = {}
        self._sequence_of_picture: dict[int, int] = {}
        self._open_field: tuple[int, bool] | None = None
        self._length_bytes = 0
        data = bytes(extradata or b"")
        if data[:1] == b"\1" and len(data) > 6:
            self._length_bytes = (data[4] & 3) + 1
            units = _avcc_units(data)
        else:
            units = _annex_b_units(data)
        for unit in units:
            self._take_parameters(unit)

    def completes_frame(self, packet: av.Packet) -> bool:
        """Return whether a packet holds only the second field of a frame, or no slice at all.

        Packets of films without fields are not looked at, except for their key frames.
        """
        has_fields = any(sequence.may_have_fields for sequence in self._sequences.values())
        if not (packet.is_keyframe or has_fields or not self._sequences):
            return False
        unit = self._find_slice(bytes(memoryview(packet)[:MAX_READ_BYTES]))
        if unit is None:
            return has_fields and packet.size < MAX_READ_BYTES
        try:
            field = self._read_slice(unit)
        except IndexError:  # damaged
            field = None
        first, self._open_field = self._open_field, None
        if field is None:
            return False
        if first is not None and first[0] == field[0] and first[1] != field[1]:
            return True
        self._open_field = field
        return False

    def _find_slice(self, data: bytes) -> bytes | None:
        """Return a packet's first slice, None where it has none; takes parameter sets before it."""
        units = (
            _length_prefixed_units(data, self._length_bytes)
            if self._length_bytes
            else _annex_b_units(data)
        )
        for unit in units:
            if unit[0] & 31 in (SLICE, IDR_SLICE):
                return unit
            self._take_parameters(unit)
        return None

    def _take_parameters(self, unit: bytes) -> None:
        kind, bits = unit[0] & 31, _Bits(unit)
        try:
            if kind == SPS:
                number, sequence = _read_sequence(bits)
                self._sequences[number] = sequence
            elif kind == PPS:
                picture = bits.exp_golomb()
                self._sequence_of_picture[picture] = bits.exp_golomb()
        except IndexError:  # damaged
            return

    def _read_slice(self, unit: bytes) -> tuple[int, bool] | None:
        """Return (frame_num, is it the bottom field) of a field's slice; None for a frame's."""
        bits = _Bits(unit)
        bits.exp_golomb()  # first_mb_in_slice
        bits.exp_golomb()  # slice_type
        sequence = self._sequences.get(self._sequence_of_picture.get(bits.exp_golomb(), -1))
        if sequence is None or not sequence.may_have_fields:
            return None
        if sequence.has_separate_planes:
            bits.take(2)
        frame_num = bits.take(sequence.frame_num_bits)
        return (frame_num, bool(bits.take(1))) if bits.take(1) else None


def _read_sequence(bits: _Bits) -> tuple[int, SequenceParameters]:
    """Return the number of a sequence parameter set, and what is needed of it (7.3.2.1.1)."""
    profile = bits.take(8)
    bits.take(16)  # constraints, level
    number, has_separate_planes = bits.exp_golomb(), False
    if profile in PROFILES_WITH_CHROMA:
        chroma_format = bits.exp_golomb()
        has_separate_planes = chroma_format == 3 and bool(bits.take(1))
        bits.exp_golomb()  # bit depths
        bits.exp_golomb()
        bits.take(1)
        if bits.take(1):  # scaling matrices
            for index in range(12 if chroma_format == 3 else 8):
                if bits.take(1):
                    _skip_scaling_list(bits, 16 if index < 6 else 64)
    frame_num_bits = bits.exp_golomb() + 4
    order_type = bits.exp_golomb()
    if order_type == 0:
        bits.exp_golomb()
    elif order_type == 1:
        bits.take(1)
        bits.exp_golomb()
        bits.exp_golomb()
        for _ in range(bits.exp_golomb()):
            bits.exp_golomb()
    bits.exp_golomb()  # max_num_ref_frames
    bits.take(1)
    bits.exp_golomb()  # width and height
    bits.exp_golomb()
    return number, SequenceParameters(frame_num_bits, has_separate_planes, not bits.take(1))


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    scale = following = 8
    for _ in range(size):
        if following:
            following = (scale + bits.signed_exp_golomb()) % 256
        scale = following or scale


class _Bits:
    """The bits of a NAL unit behind its header byte, without emulation prevention (7.3.1)."""

    def __init__(self, unit: bytes) -> None:
        payload = unit[1:MAX_HEADER_BYTES].replace(b"\0\0\3", b"\0\0")
        self._bits, self._left = int.from_bytes(payload), 8 * len(payload)

    def take(self, count: int) -> int:
        """Return the next bits as a number.

        Raises:
            IndexError: There are fewer.
        """
        self._left -= count
        if self._left < 0:
            raise IndexError("the NAL unit ends")
        return self._bits >> self._left & ((1 << count) - 1)

    def exp_golomb(self) -> int:
        """Return the next ue(v) (9.1)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)

    def signed_exp_golomb(self) -> int:
        """Return the next se(v) (9.1.1)."""
        code = self.exp_golomb()
        return (code + 1) // 2 if code % 2 else -code // 2


def _annex_b_units(data: bytes) -> Iterator[bytes]:
    """Yield the beginnings of NAL units behind start codes."""
    begin = data.find(START_CODE)
    while 0 <= begin < len(data) - len(START_CODE):
        unit = begin + len(START_CODE)
        begin = data.find(START_CODE, unit)
        end = len(data) if begin < 0 else begin
        if end > unit:
            yield data[unit : min(end, unit + MAX_HEADER_BYTES)]


def _length_prefixed_units(data: bytes, length_bytes: int) -> Iterator[bytes]:
    """Yield the beginnings of NAL units behind their lengths."""
    position = 0
    while position + length_bytes < len(data):
        unit = position + length_bytes
        position = unit + int.from_bytes(data[position:unit])
        if position > unit:
            yield data[unit : min(position, unit + MAX_HEADER_BYTES)]


def _avcc_units(data: bytes) -> Iterator[bytes]:
    """Yield the parameter sets of an avcC record (ISO/IEC 14496-15, 5.3.3.1)."""
    position = 5
    for mask in (0x1F, 0xFF):
        count, position = data[position] & mask, position + 1
        for _ in range(count):
            unit = position + 2
            position = unit + int.from_bytes(data[position:unit])
            if position > unit:
                yield data[unit:position]
        if position >= len(data):
            return
