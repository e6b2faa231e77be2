"""H.264 and HEVC packets that hold no frame of their own (ITU-T H.264, 7.3 and 7.4.1.2.4).

Broadcasts and camcorders code some frames as two fields. In a transport stream each field is a
packet with a time of its own; decoders give one frame for both. Other packets hold no picture at
all, such as what follows the last one of a stream.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import av

SLICE, IDR_SLICE, SPS, PPS = 1, 5, 7, 8
"""Types of NAL units of H.264."""
WITHOUT_PICTURE = range(6, 14)
"""Types that hold no samples, in H.264: SEI, parameter sets, delimiters, ends, filler."""
HEVC_WITHOUT_PICTURE = range(32, 64)
"""The same in HEVC, with types that are not specified, such as Dolby Vision's metadata."""
START_CODE = b"\0\0\1"
RECORD_VERSION = b"\1"
"""First byte of a track's header in MP4 and Matroska, where NAL units follow their lengths."""
MAX_HEADER_BYTES = 512
"""Bytes of a NAL unit that are read; parameter sets are shorter, as is a slice's header."""
MAX_READ_BYTES = 8192
"""Bytes of a packet in which the first slice is looked for."""
MAX_EMPTY_BYTES = 1024
"""Size up to which a packet may hold no slice; larger ones are not looked at."""
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


def make_completion_test(stream: av.VideoStream) -> Callable[[av.Packet[Any]], bool]:
    """Return a test of the packets of a track, to be given in file order.

    It tells those that hold no frame of their own: they end the frame before.
    """
    decoder = stream.codec_context
    extradata = bytes(decoder.extradata or b"")
    if decoder.name == "h264":
        return FieldPairs(extradata).completes_frame
    if decoder.name == "hevc" and not extradata.startswith(RECORD_VERSION):
        return _has_no_hevc_slice
    return lambda packet: False


def _has_no_hevc_slice(packet: av.Packet[Any]) -> bool:
    if packet.size > MAX_EMPTY_BYTES:
        return False
    units = list(_annex_b_units(bytes(packet)))
    return bool(units) and all(unit[0] >> 1 in HEVC_WITHOUT_PICTURE for unit in units)


class FieldPairs:
    """Tells the packets of one track, given in file order, that complete the frame before."""

    def __init__(self, extradata: bytes) -> None:
        """Read the parameter sets of a track's header, in either form.

        Args:
            extradata: An avcC record, NAL units behind start codes, or nothing.
        """
        self._sequences: dict[int, SequenceParameters] = {}
        self._sequence_of_picture: dict[int, int] = {}
        self._open_field: tuple[int, bool] | None = None
        self._length_bytes = 0
        if extradata.startswith(RECORD_VERSION) and len(extradata) > 6:
            self._length_bytes = (extradata[4] & 3) + 1
            units = _avcc_units(extradata)
        else:
            units = _annex_b_units(extradata)
        with contextlib.suppress(IndexError):  # a record that is cut short
            self._take_parameters(units)

    def completes_frame(self, packet: av.Packet[Any]) -> bool:
        """Return whether a packet holds only the second field of a frame, or no slice at all.

        Of films without fields, only small packets and key frames are looked at.
        """
        has_fields = any(sequence.may_have_fields for sequence in self._sequences.values())
        is_small = packet.size <= MAX_EMPTY_BYTES
        if not (packet.is_keyframe or has_fields or is_small or not self._sequences):
            return False
        units = list(self._split(bytes(memoryview(packet)[:MAX_READ_BYTES]), packet.size))
        if is_small and units and all(_h264_type(unit) in WITHOUT_PICTURE for unit in units):
            self._take_parameters(units)
            return True
        field = self._find_field(units)
        first, self._open_field = self._open_field, None
        if field is None:
            return False
        if first is not None and first[0] == field[0] and first[1] != field[1]:
            return True
        self._open_field = field
        return False

    def _split(self, data: bytes, packet_bytes: int) -> Iterator[bytes]:
        if self._length_bytes:
            return _length_prefixed_units(data, self._length_bytes, packet_bytes)
        return _annex_b_units(data)

    def _find_field(self, units: list[bytes]) -> tuple[int, bool] | None:
        """Return what `_read_slice` does of a packet's first slice; takes parameters before it."""
        slices = (n for n, unit in enumerate(units) if _h264_type(unit) in (SLICE, IDR_SLICE))
        first = next(slices, None)
        self._take_parameters(units[:first])
        try:
            return None if first is None else self._read_slice(units[first])
        except IndexError:  # damaged
            return None

    def _take_parameters(self, units: Iterable[bytes]) -> None:
        for unit in units:
            kind, bits = _h264_type(unit), _Bits(unit)
            with contextlib.suppress(IndexError):  # damaged
                if kind == SPS:
                    number, sequence = _read_sequence(bits)
                    self._sequences[number] = sequence
                elif kind == PPS:
                    picture = bits.exp_golomb()
                    self._sequence_of_picture[picture] = bits.exp_golomb()

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


def _h264_type(unit: bytes) -> int:
    """Return a NAL unit's type, with the bit that must be 0: above 127 where that is damaged."""
    return unit[0] & 0x9F


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


def _length_prefixed_units(data: bytes, length_bytes: int, packet_bytes: int) -> Iterator[bytes]:
    """Yield the beginnings of NAL units behind their lengths, while these fit into the packet."""
    position = 0
    while position + length_bytes < len(data):
        unit = position + length_bytes
        position = unit + int.from_bytes(data[position:unit])
        if unit < position <= packet_bytes:
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
