"""Caffe's weights files, read without Caffe.

A .caffemodel is a NetParameter in protobuf's wire format. Only the fields that hold weights are
looked at; their numbers are those of caffe.proto, for layers of both the old kind (`layers`, whose
blobs have the four sides num, channels, height and width) and the new (`layer`).
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dreamflow.core.errors import WeightsError

V1_LAYER_FIELD, LAYER_FIELD = 2, 100
V1_LAYER_NAME_FIELD, V1_LAYER_TYPE_FIELD, V1_LAYER_BLOBS_FIELD = 4, 5, 6
LAYER_NAME_FIELD, LAYER_BLOBS_FIELD = 1, 7
V1_INNER_PRODUCT_TYPE = 14
LEGACY_SHAPE_FIELDS = (1, 2, 3, 4)
BLOB_DATA_FIELD, BLOB_SHAPE_FIELD, BLOB_DOUBLE_DATA_FIELD = 5, 7, 8
SHAPE_DIM_FIELD = 1

WIRE_VARINT, WIRE_FIXED64, WIRE_LENGTH_DELIMITED, WIRE_FIXED32 = 0, 1, 2, 5
MAX_PROTOBUF_FIELDS = 1_000_000
"""Fields that are looked at; real files have some thousands."""
MAX_BLOB_AXES = 32
"""As in Caffe."""


class _DamagedCaffeModelError(Exception):
    """What is wrong with the bytes; told with the file's name further up."""


@dataclass
class _FieldReader:
    """Reads fields, and counts them, so that a file of nothing but fields comes to an end."""

    fields_left: int = MAX_PROTOBUF_FIELDS

    def iter_fields(self, data: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
        """Yield number, wire type and value of each field of a message.

        Unpacked numbers of the same field that follow each other are yielded at once.
        """
        at = 0
        while at < len(data):
            self.fields_left -= 1
            if self.fields_left < 0:
                raise _DamagedCaffeModelError(f"more than {MAX_PROTOBUF_FIELDS:,} fields")
            start = at
            tag, at = read_varint(data, at)
            number, wire = tag >> 3, tag & 7
            if number == 0:
                raise _DamagedCaffeModelError("a field without a number")
            if wire == WIRE_VARINT:
                value, at = read_varint(data, at)
                yield number, wire, value
            elif wire == WIRE_LENGTH_DELIMITED:
                size, at = read_varint(data, at)
                if size > len(data) - at:
                    raise _DamagedCaffeModelError(
                        f"a field of {size:,} bytes, of which {len(data) - at:,} are there"
                    )
                yield number, wire, data[at : at + size]
                at += size
            elif wire in (WIRE_FIXED32, WIRE_FIXED64):
                value, at = read_repeated_fixed(data, start, at, 4 if wire == WIRE_FIXED32 else 8)
                yield number, wire, value
            else:
                raise _DamagedCaffeModelError(f"a field of unknown kind {wire}")


def read_varint(data: memoryview, offset: int) -> tuple[int, int]:
    """Return the number that begins at a byte, and where it ends."""
    value = 0
    for count in range(10):
        if offset >= len(data):
            raise _DamagedCaffeModelError("it ends within a number")
        byte = data[offset]
        offset += 1
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, offset
    raise _DamagedCaffeModelError("a number of more than ten bytes")


def read_repeated_fixed(
    data: memoryview, tag_offset: int, value_offset: int, value_bytes: int
) -> tuple[memoryview, int]:
    """Return the bytes of all numbers with one tag in a row, the tags taken out, and their end.

    start: where the first tag begins. at: where its number begins.
    """
    if value_offset + value_bytes > len(data):
        raise _DamagedCaffeModelError("it ends within a number")
    step = value_offset - tag_offset + value_bytes
    count = (len(data) - tag_offset) // step
    rows = np.frombuffer(data[tag_offset : tag_offset + count * step], np.uint8).reshape(
        count, step
    )
    tags = rows[:, : step - value_bytes]
    other = np.flatnonzero((tags != tags[0]).any(axis=1))
    same = int(other[0]) if len(other) else count
    numbers = rows[:same, step - value_bytes :]
    return memoryview(numbers.tobytes()), tag_offset + same * step


def read_caffemodel(path: Path) -> dict[str, Tensor]:
    """Return a Caffe model's weights: `<layer>.weight`, `<layer>.bias`, then `<layer>.blob2` ...

    float32 as in the file: convolutions (O, I, kH, kW), inner products (O, I), biases (O,); the
    channels of the picture are blue, green, red. The file is mapped, not loaded, and no more is
    taken up than its weights. Raises WeightsError where it is cut short, damaged, or no such file.
    """
    try:
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                raise _DamagedCaffeModelError("it is empty")
            return parse_net_parameter(
                memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            )
    except _DamagedCaffeModelError as error:
        raise WeightsError(f"{path} is no Caffe model, or is damaged: {error}") from None


def parse_net_parameter(data: memoryview) -> dict[str, Tensor]:
    """Return the weights in a NetParameter's bytes, as `read_caffemodel` does."""
    reader = _FieldReader()
    tensors: dict[str, Tensor] = {}
    for number, wire, value in reader.iter_fields(data):
        if number not in (V1_LAYER_FIELD, LAYER_FIELD) or wire != WIRE_LENGTH_DELIMITED:
            continue
        assert isinstance(value, memoryview)
        layer = _parse_layer(reader, value, is_v1=number == V1_LAYER_FIELD)
        for name, tensor in layer.items():
            if name in tensors:
                raise _DamagedCaffeModelError(f"{name} is there twice")
            tensors[name] = tensor
    if not tensors:
        raise _DamagedCaffeModelError("there are no weights in it")
    return tensors


def _parse_layer(reader: _FieldReader, data: memoryview, is_v1: bool) -> dict[str, Tensor]:
    name_field, blobs_field = (
        (V1_LAYER_NAME_FIELD, V1_LAYER_BLOBS_FIELD)
        if is_v1
        else (LAYER_NAME_FIELD, LAYER_BLOBS_FIELD)
    )
    name, inner_product = "", False
    blobs: list[_Blob] = []
    for number, wire, value in reader.iter_fields(data):
        if number == name_field and isinstance(value, memoryview):
            try:
                name = bytes(value).decode()
            except UnicodeDecodeError:
                raise _DamagedCaffeModelError("a layer whose name is no text") from None
        elif is_v1 and number == V1_LAYER_TYPE_FIELD and wire == WIRE_VARINT:
            inner_product = value == V1_INNER_PRODUCT_TYPE
        elif number == blobs_field and isinstance(value, memoryview):
            blobs.append(_parse_blob(reader, value))
    keys = ("weight", "bias", *(f"blob{number}" for number in range(2, len(blobs))))
    return {
        f"{name}.{key}": blob.to_tensor(f"{name}.{key}", inner_product, number)
        for number, (key, blob) in enumerate(zip(keys, blobs, strict=False))
    }


@dataclass
class _Blob:
    """The values of a blob, as they stand in the file, and its shape in either notation."""

    legacy_shape: dict[int, int] = field(default_factory=dict)
    shape: list[int] | None = None
    data: list[np.ndarray] = field(default_factory=list)

    def to_tensor(self, name: str, inner_product: bool, blob_index: int) -> Tensor:
        sides = self._resolve_shape(inner_product, blob_index)
        there = sum(part.size for part in self.data)
        if any(side < 0 or side > 2**40 for side in sides) or prod(sides) != there:
            claimed = " x ".join(map(str, sides))
            raise _DamagedCaffeModelError(
                f"{name} claims {claimed} values, and {there:,} are there"
            )
        values = np.concatenate([np.zeros(0, np.float32), *self.data]).astype(
            np.float32, copy=False
        )
        return torch.from_numpy(values.reshape(sides))

    def _resolve_shape(self, inner_product: bool, blob_index: int) -> list[int]:
        if self.shape is not None:
            return self.shape
        sides = [self.legacy_shape.get(key, 1) for key in LEGACY_SHAPE_FIELDS]
        # Old blobs always have four sides: (1, 1, O, I) and (1, 1, 1, O) for the flat ones.
        if blob_index == 1 and sides[:3] == [1, 1, 1]:
            return sides[3:]
        return sides[2:] if inner_product and sides[:2] == [1, 1] else sides


def _parse_blob(reader: _FieldReader, data: memoryview) -> _Blob:
    blob = _Blob()
    for number, wire, value in reader.iter_fields(data):
        if number in LEGACY_SHAPE_FIELDS and wire == WIRE_VARINT:
            assert isinstance(value, int)
            blob.legacy_shape[number] = value
        elif number == BLOB_SHAPE_FIELD and isinstance(value, memoryview):
            blob.shape = _parse_blob_shape(reader, value)
        elif number in (BLOB_DATA_FIELD, BLOB_DOUBLE_DATA_FIELD) and isinstance(value, memoryview):
            kind = np.dtype("<f4" if number == BLOB_DATA_FIELD else "<f8")
            if wire not in (
                WIRE_LENGTH_DELIMITED,
                WIRE_FIXED32 if number == BLOB_DATA_FIELD else WIRE_FIXED64,
            ):
                raise _DamagedCaffeModelError("values of a wrong kind")
            if len(value) % kind.itemsize:
                raise _DamagedCaffeModelError(f"{len(value):,} bytes are no whole number of values")
            blob.data.append(np.frombuffer(value, kind))
    return blob


def _parse_blob_shape(reader: _FieldReader, data: memoryview) -> list[int]:
    sides: list[int] = []
    for number, wire, value in reader.iter_fields(data):
        if number != SHAPE_DIM_FIELD:
            continue
        if wire == WIRE_VARINT and isinstance(value, int):
            sides.append(value)
        elif wire == WIRE_LENGTH_DELIMITED and isinstance(value, memoryview):
            at = 0
            while at < len(value) and len(sides) <= MAX_BLOB_AXES:
                side, at = read_varint(value, at)
                sides.append(side)
        if len(sides) > MAX_BLOB_AXES:
            raise _DamagedCaffeModelError(f"a blob of more than {MAX_BLOB_AXES} axes")
    return sides
