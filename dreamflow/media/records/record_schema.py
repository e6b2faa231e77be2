"""The schema of a record: what an output keeps of how it was made."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field

from dreamflow.core.files.documents import Count, Hash, ShortText

MAX_RECORD_BYTES = 16 * 2**20
"""Bytes of a record beside an output at most."""

SettingText = Annotated[str, Meta(max_length=MAX_RECORD_BYTES)]
SettingValue = bool | int | float | SettingText | list[SettingText] | None
"""A setting as a document holds it; `core.options` knows what each may be."""
Settings = dict[ShortText, SettingValue]


class NetworkDocument(Struct):
    """The network of a record."""

    name: ShortText
    weights_sha256: Hash | None = None


class PictureDocument(Struct):
    """The picture of a guide's record."""

    width: Count
    height: Count
    frame: int
    sha256: Hash


class RecordDocument(Struct):
    """A record. Keys that it has besides are another version's, and are left alone."""

    dreamflow: ShortText
    command: ShortText = ""
    settings: Settings = field(default_factory=Settings)
    asked: Settings = field(default_factory=Settings)
    network: NetworkDocument | UnsetType = UNSET
    source: Annotated[str, Meta(max_length=4096)] = ""
    torch: ShortText = ""
    device: ShortText = ""
    threads: Count = 0
    precision: ShortText = ""
    at: Annotated[str, Meta(max_length=64)] | None = None
    picked: dict[str, list[Count]] = field(default_factory=dict[str, list[Count]])
    inputs: dict[ShortText, Hash] = field(default_factory=dict[ShortText, Hash])
    picture: PictureDocument | UnsetType = UNSET
    picture_sha256: Hash = ""


class ComparedRecordDocument(Struct):
    """What a record must have, besides, of a job that can be resumed: it is compared by this."""

    command: ShortText
    settings: Settings
    network: NetworkDocument
