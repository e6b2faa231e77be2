"""Reading Caffe's weights files without Caffe.

A .caffemodel is a NetParameter in protobuf's wire format. Only the fields that hold weights are
read. Their numbers are those of caffe.proto, for layers of both the old kind (`layers`, whose blobs
have the four sides num, channels, height and width) and the new (`layer`).
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
"""Fields of NetParameter: layers of the old kind and of the new."""
V1_LAYER_NAME_FIELD, V1_LAYER_TYPE_FIELD, V1_LAYER_BLOBS_FIELD = 4, 5, 6
"""Fields of V1LayerParameter."""
LAYER_NAME_FIELD, LAYER_BLOBS_FIELD = 1, 7
"""Fields of LayerParameter."""
V1_INNER_PRODUCT_TYPE = 14
"""V1LayerParameter.LayerType of an inner product, whose weight has two sides."""
LEGACY_SHAPE_FIELDS = (1, 2, 3, 4)
"""Fields of BlobProto: num, channels, height and width."""
BLOB_DATA_FIELD, BLOB_SHAPE_FIELD, BLOB_DOUBLE_DATA_FIELD = 5, 7, 8
"""Fields of BlobProto."""
SHAPE_DIM_FIELD = 1
"""Field of BlobShape."""

WIRE_VARINT, WIRE_FIXED64, WIRE_LENGTH_DELIMITED, WIRE_FIXED32 = 0, 1, 2, 5
"""Wire types of protobuf."""
MAX_VARINT_BYTES = 10
"""Of a 64-bit number, seven bits a byte."""
MAX_PROTOBUF_FIELDS = 1_000_000
"""Fields that are read; real files have some thousands."""
MAX_BLOB_AXES = 32
"""Caffe's own limit (kMaxBlobAxes)."""
MAX_BLOB_SIDE = 2**40
"""Largest side of a blob that is taken seriously, so that products of sides stay small."""


class DamagedCaffeModelError(Exception):
    """The bytes are not a Caffe model. `read_caffemodel` adds the file's name."""


@dataclass
class _FieldReader:
    """Reads fields of messages, `fields_left` of them in all, so that any file comes to an end."""

    fields_left: int = MAX_PROTOBUF_FIELDS

    def iter_fields(self, data: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
        """Yield number, wire type and value of each field of a message.

        Numbers of the same field in a row, not packed, are yielded as the bytes of one value.
        """
        at = 0
        while at < len(data):
            self.fields_left -= 1
            if self.fields_left < 0:
                raise DamagedCaffeModelError(f"more than {MAX_PROTOBUF_FIELDS:,} fields")
            start = at
            tag, at = read_varint(data, at)
            number, wire = tag >> 3, tag & 7
            if number == 0:
                raise DamagedCaffeModelError("a field without a number")
            if wire == WIRE_VARINT:
                value, at = read_varint(data, at)
                yield number, wire, value
            elif wire == WIRE_LENGTH_DELIMITED:
                size, at = read_varint(data, at)
                if size > len(data) - at:
                    raise DamagedCaffeModelError(
                        f"a field of {size:,} bytes, of which only {len(data) - at:,} exist"
                    )
                yield number, wire, data[at : at + size]
                at += size
            elif wire in (WIRE_FIXED32, WIRE_FIXED64):
                value, at = read_repeated_fixed(data, start, at, 4 if wire == WIRE_FIXED32 else 8)
                yield number, wire, value
            else:
                raise DamagedCaffeModelError(f"a field of unknown wire type {wire}")


def read_varint(data: memoryview, offset: int) -> tuple[int, int]:
    """Read a number in protobuf's variable-length format.

    Args:
        data: A message.
        offset: Of the number's first byte.

    Returns:
        The number, and the offset behind it.

    Raises:
        DamagedCaffeModelError: The message ends first, or the number is too long.
    """
    value = 0
    for count in range(MAX_VARINT_BYTES):
        if offset >= len(data):
            raise DamagedCaffeModelError("it ends within a number")
        byte = data[offset]
        offset += 1
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, offset
    raise DamagedCaffeModelError("a number of more than ten bytes")


def read_repeated_fixed(
    data: memoryview, tag_offset: int, value_offset: int, value_bytes: int
) -> tuple[memoryview, int]:
    """Read all numbers of fixed size that follow each other with the same tag.

    Args:
        data: A message.
        tag_offset: Of the first tag.
        value_offset: Of the number behind it.
        value_bytes: Size of a number, 4 or 8.

    Returns:
        The bytes of the numbers without their tags, and the offset behind the last one.

    Raises:
        DamagedCaffeModelError: The message ends within the first number.
    """
    if value_offset + value_bytes > len(data):
        raise DamagedCaffeModelError("it ends within a number")
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
    """Read a Caffe model's weights.

    The file is mapped into memory, and only its weights are copied.

    Args:
        path: A .caffemodel.

    Returns:
        `<layer>.weight`, `<layer>.bias`, then `<layer>.blob2` ... in float32, as in the file:
        convolutions (O, I, kH, kW), inner products (O, I), biases (O,). Image channels are blue,
        green, red.

    Raises:
        WeightsError: The file is cut short, damaged, or not a Caffe model.
    """
    try:
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                raise DamagedCaffeModelError("it is empty")
            return parse_net_parameter(
                memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            )
    except DamagedCaffeModelError as error:
        raise WeightsError(f"{path} is not a Caffe model, or is damaged: {error}") from None


def parse_net_parameter(data: memoryview) -> dict[str, Tensor]:
    """Return the weights in the bytes of a NetParameter, as `read_caffemodel` does.

    Raises:
        DamagedCaffeModelError: The bytes are not a Caffe model.
    """
    reader = _FieldReader()
    tensors: dict[str, Tensor] = {}
    for number, wire, value in reader.iter_fields(data):
        if number not in (V1_LAYER_FIELD, LAYER_FIELD) or wire != WIRE_LENGTH_DELIMITED:
            continue
        assert isinstance(value, memoryview)
        layer = _parse_layer(reader, value, is_v1=number == V1_LAYER_FIELD)
        for name, tensor in layer.items():
            if name in tensors:
                raise DamagedCaffeModelError(f"{name} occurs twice")
            tensors[name] = tensor
    if not tensors:
        raise DamagedCaffeModelError("it holds no weights")
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
                raise DamagedCaffeModelError("a layer whose name is not text") from None
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
    """The values of a blob as in the file, and its shape in the old notation or the new."""

    legacy_shape: dict[int, int] = field(default_factory=dict[int, int])
    shape: list[int] | None = None
    data: list[np.ndarray] = field(default_factory=list[np.ndarray])

    def to_tensor(self, name: str, inner_product: bool, blob_index: int) -> Tensor:
        sides = self._resolve_shape(inner_product, blob_index)
        count = sum(part.size for part in self.data)
        if any(side < 0 or side > MAX_BLOB_SIDE for side in sides) or prod(sides) != count:
            claimed = " x ".join(map(str, sides))
            raise DamagedCaffeModelError(
                f"{name} claims {claimed} values, and the file has {count:,}"
            )
        values = np.concatenate([np.zeros(0, np.float32), *self.data]).astype(
            np.float32, copy=False
        )
        return torch.as_tensor(values.reshape(sides))

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
                raise DamagedCaffeModelError("values of a wrong wire type")
            if len(value) % kind.itemsize:
                raise DamagedCaffeModelError(
                    f"{len(value):,} bytes are not a whole number of values"
                )
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
            raise DamagedCaffeModelError(f"a blob of more than {MAX_BLOB_AXES} axes")
    return sides
