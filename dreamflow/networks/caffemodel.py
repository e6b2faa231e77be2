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

from dreamflow.errors import WeightsError

OLD_LAYER, NEW_LAYER = 2, 100
OLD_NAME, OLD_TYPE, OLD_BLOBS = 4, 5, 6
NEW_NAME, NEW_BLOBS = 1, 7
OLD_INNER_PRODUCT = 14
LEGACY_SIDES = (1, 2, 3, 4)
DATA, SHAPE, DOUBLE_DATA = 5, 7, 8
DIM = 1

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MAX_FIELDS = 1_000_000
"""Fields that are looked at; real files have some thousands."""
MAX_AXES = 32
"""As in Caffe."""


class _Damaged(Exception):
    """What is wrong with the bytes; told with the file's name further up."""


@dataclass
class _Reader:
    """Reads fields, and counts them, so that a file of nothing but fields comes to an end."""

    left: int = MAX_FIELDS

    def fields(self, data: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
        """Yield number, wire type and value of each field of a message.

        Unpacked numbers of the same field that follow each other are yielded at once.
        """
        at = 0
        while at < len(data):
            self.left -= 1
            if self.left < 0:
                raise _Damaged(f"more than {MAX_FIELDS:,} fields")
            start = at
            tag, at = varint(data, at)
            number, wire = tag >> 3, tag & 7
            if number == 0:
                raise _Damaged("a field without a number")
            if wire == VARINT:
                value, at = varint(data, at)
                yield number, wire, value
            elif wire == BYTES:
                size, at = varint(data, at)
                if size > len(data) - at:
                    raise _Damaged(
                        f"a field of {size:,} bytes, of which {len(data) - at:,} are there"
                    )
                yield number, wire, data[at : at + size]
                at += size
            elif wire in (FIXED32, FIXED64):
                value, at = run_of_numbers(data, start, at, 4 if wire == FIXED32 else 8)
                yield number, wire, value
            else:
                raise _Damaged(f"a field of unknown kind {wire}")


def varint(data: memoryview, at: int) -> tuple[int, int]:
    """Return the number that begins at a byte, and where it ends."""
    value = 0
    for count in range(10):
        if at >= len(data):
            raise _Damaged("it ends within a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, at
    raise _Damaged("a number of more than ten bytes")


def run_of_numbers(data: memoryview, start: int, at: int, size: int) -> tuple[memoryview, int]:
    """Return the bytes of all numbers with one tag in a row, the tags taken out, and their end.

    start: where the first tag begins. at: where its number begins.
    """
    if at + size > len(data):
        raise _Damaged("it ends within a number")
    step = at - start + size
    count = (len(data) - start) // step
    rows = np.frombuffer(data[start : start + count * step], np.uint8).reshape(count, step)
    tags = rows[:, : step - size]
    other = np.flatnonzero((tags != tags[0]).any(axis=1))
    same = int(other[0]) if len(other) else count
    numbers = rows[:same, step - size :]
    return memoryview(numbers.tobytes()), start + same * step


def read_caffemodel(path: Path) -> dict[str, Tensor]:
    """Return a Caffe model's weights: `<layer>.weight`, `<layer>.bias`, then `<layer>.blob2` ...

    float32 as in the file: convolutions (O, I, kH, kW), inner products (O, I), biases (O,); the
    channels of the picture are blue, green, red. The file is mapped, not loaded, and no more is
    taken up than its weights. Raises WeightsError where it is cut short, damaged, or no such file.
    """
    try:
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                raise _Damaged("it is empty")
            return parse(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
    except _Damaged as error:
        raise WeightsError(f"{path} is no Caffe model, or is damaged: {error}") from None


def parse(data: memoryview) -> dict[str, Tensor]:
    """Return the weights in a NetParameter's bytes, as `read_caffemodel` does."""
    reader = _Reader()
    tensors: dict[str, Tensor] = {}
    for number, wire, value in reader.fields(data):
        if number not in (OLD_LAYER, NEW_LAYER) or wire != BYTES:
            continue
        assert isinstance(value, memoryview)
        layer = _layer(reader, value, old=number == OLD_LAYER)
        for name, tensor in layer.items():
            if name in tensors:
                raise _Damaged(f"{name} is there twice")
            tensors[name] = tensor
    if not tensors:
        raise _Damaged("there are no weights in it")
    return tensors


def _layer(reader: _Reader, data: memoryview, old: bool) -> dict[str, Tensor]:
    name_field, blobs_field = (OLD_NAME, OLD_BLOBS) if old else (NEW_NAME, NEW_BLOBS)
    name, inner_product = "", False
    blobs: list[_Blob] = []
    for number, wire, value in reader.fields(data):
        if number == name_field and isinstance(value, memoryview):
            try:
                name = bytes(value).decode()
            except UnicodeDecodeError:
                raise _Damaged("a layer whose name is no text") from None
        elif old and number == OLD_TYPE and wire == VARINT:
            inner_product = value == OLD_INNER_PRODUCT
        elif number == blobs_field and isinstance(value, memoryview):
            blobs.append(_blob(reader, value))
    keys = ("weight", "bias", *(f"blob{number}" for number in range(2, len(blobs))))
    return {
        f"{name}.{key}": blob.tensor(f"{name}.{key}", inner_product, number)
        for number, (key, blob) in enumerate(zip(keys, blobs, strict=False))
    }


@dataclass
class _Blob:
    """The values of a blob, as they stand in the file, and its shape in either notation."""

    legacy: dict[int, int] = field(default_factory=dict)
    shape: list[int] | None = None
    data: list[np.ndarray] = field(default_factory=list)

    def tensor(self, name: str, inner_product: bool, number: int) -> Tensor:
        sides = self._sides(inner_product, number)
        there = sum(part.size for part in self.data)
        if any(side < 0 or side > 2**40 for side in sides) or prod(sides) != there:
            claimed = " x ".join(map(str, sides))
            raise _Damaged(f"{name} claims {claimed} values, and {there:,} are there")
        values = np.concatenate([np.zeros(0, np.float32), *self.data]).astype(
            np.float32, copy=False
        )
        return torch.from_numpy(values.reshape(sides))

    def _sides(self, inner_product: bool, number: int) -> list[int]:
        if self.shape is not None:
            return self.shape
        sides = [self.legacy.get(key, 1) for key in LEGACY_SIDES]
        # Old blobs always have four sides: (1, 1, O, I) and (1, 1, 1, O) for the flat ones.
        if number == 1 and sides[:3] == [1, 1, 1]:
            return sides[3:]
        return sides[2:] if inner_product and sides[:2] == [1, 1] else sides


def _blob(reader: _Reader, data: memoryview) -> _Blob:
    blob = _Blob()
    for number, wire, value in reader.fields(data):
        if number in LEGACY_SIDES and wire == VARINT:
            assert isinstance(value, int)
            blob.legacy[number] = value
        elif number == SHAPE and isinstance(value, memoryview):
            blob.shape = _shape(reader, value)
        elif number in (DATA, DOUBLE_DATA) and isinstance(value, memoryview):
            kind = np.dtype("<f4" if number == DATA else "<f8")
            if wire not in (BYTES, FIXED32 if number == DATA else FIXED64):
                raise _Damaged("values of a wrong kind")
            if len(value) % kind.itemsize:
                raise _Damaged(f"{len(value):,} bytes are no whole number of values")
            blob.data.append(np.frombuffer(value, kind))
    return blob


def _shape(reader: _Reader, data: memoryview) -> list[int]:
    sides: list[int] = []
    for number, wire, value in reader.fields(data):
        if number != DIM:
            continue
        if wire == VARINT and isinstance(value, int):
            sides.append(value)
        elif wire == BYTES and isinstance(value, memoryview):
            at = 0
            while at < len(value) and len(sides) <= MAX_AXES:
                side, at = varint(value, at)
                sides.append(side)
        if len(sides) > MAX_AXES:
            raise _Damaged(f"a blob of more than {MAX_AXES} axes")
    return sides
