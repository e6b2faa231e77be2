"""What the studio and its worker say to each other: documents with a schema, as MessagePack."""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct, field

from dreamflow.core.files.documents import Count, PathText, ShortText
from dreamflow.media.records.record_schema import Settings

MAX_MESSAGE_BYTES = 256 * 2**20
"""Bytes of a message at most: a PNG of 60 megapixels."""

MessageT = TypeVar("MessageT")
Line = Annotated[str, Meta(max_length=100_000)]


class WorkerRequest(Struct, frozen=True, kw_only=True):
    """What is asked for of a source and a look.

    Attributes:
        number: Identifies it; its answers have it too.
        lane: What it is for. Requests of an older generation of the lane are dropped.
        generation: Rises with each change in the lane.
        priority: A smaller one comes first, and interrupts a larger one that is under way.
        source: The clip or picture.
        at: Timecode of the frame.
        size: WIDTHxHEIGHT to fit into, or N for the longer side.
        start: Number of the film's first frame, from which schedules count; "" for the clip's.
        end: Number of the frame that the film stops before; "" for the clip's end.
        settings: The settings of the look, as plain values.
    """

    number: Count
    lane: ShortText
    generation: Count
    source: PathText
    at: ShortText = "50%"
    size: ShortText = "320"
    start: ShortText = ""
    end: ShortText = ""
    settings: Settings = field(default_factory=Settings)
    priority: Count = 0


class PreviewRequest(WorkerRequest, frozen=True, tag="preview", kw_only=True):
    """A frame, or a short moving piece, to be dreamed.

    Attributes:
        run_in: Frames before it that are dreamed too.
        coarse: Whether a coarse picture comes first.
        full: Whether the full picture is wanted, too.
        moving_s: Length of a moving preview in seconds; 0 for a single frame.
    """

    run_in: Count = 0
    coarse: bool = False
    full: bool = True
    moving_s: Annotated[float, Meta(ge=0, le=60)] = 0.0


class MeasureFilm(WorkerRequest, frozen=True, tag="measure", kw_only=True):
    """A film of which a few frames are dreamed and encoded, to tell what all of it takes.

    Its size is "" for the source's.

    Attributes:
        suffix: Of the film, with its dot.
        codec: As in `EncodeOptions`.
        quality: As in `EncodeOptions`.
    """

    suffix: ShortText = ".mp4"
    codec: ShortText = "auto"
    quality: ShortText = "good"


class DropLane(Struct, frozen=True, tag="drop"):
    """Requests of a lane that are older than a generation are not wanted any more."""

    lane: ShortText
    generation: Count


class PreferRequests(Struct, frozen=True, tag="prefer"):
    """Of a lane's requests these come first, and all others after those of other lanes."""

    lane: ShortText
    numbers: Annotated[list[Count], Meta(max_length=10_000)]


class ListLayers(Struct, frozen=True, tag="list"):
    """The layers of a network are asked for: the studio's own process holds no networks."""

    network: ShortText


class LayerFacts(Struct, frozen=True):
    """A layer: its name, its number of channels, and its category in the 2015 guide, or ""."""

    name: ShortText
    channels: Count
    category: ShortText = ""


class LayersListed(Struct, frozen=True, tag="layers"):
    """The layers of a network, shallow to deep; where they are not known, why."""

    network: ShortText
    layers: list[LayerFacts]
    failure: Line = ""


class WorkerReady(Struct, frozen=True, tag="ready"):
    """The worker can take requests; it dreams with this number of threads."""

    threads: Count


class WorkerRestarted(Struct, frozen=True, tag="restarted"):
    """The worker has died, in these words, and a new one is started. The studio's own message."""

    reason: Line


class PreviewBegun(Struct, frozen=True, tag="begun"):
    """The worker dreams on a request now."""

    number: Count


class PreviewPicture(Struct, frozen=True, tag="picture", kw_only=True):
    """A picture that was asked for.

    Attributes:
        number: Of the request.
        is_coarse: Whether it has few steps.
        is_last: Whether no other picture of the request comes.
        image: The picture's file: PNG, or WebP of a moving one.
        media_type: `image/png` or `image/webp`.
        width: In pixels.
        height: In pixels.
        seconds: How long it took.
        notes: What was lost or changed on the way, a line each.
    """

    number: Count
    is_coarse: bool
    is_last: bool
    image: bytes
    media_type: ShortText
    width: Count
    height: Count
    seconds: float
    notes: list[Line] = field(default_factory=list[Line])


class PreviewFailed(Struct, frozen=True, tag="failed"):
    """A request that cannot be answered: why, and the setting at fault, or ""."""

    number: Count
    message: Line
    setting: ShortText = ""


class FilmMeasured(Struct, frozen=True, tag="measured", kw_only=True):
    """What a few frames of a film took.

    Attributes:
        number: Of the request.
        first_s: Seconds of a frame that is dreamed from nothing: a shot's first.
        later_s: Seconds of each other one.
        key_bytes: Bytes of a key frame; 0 where that is not known of the film's format.
        later_bytes: Bytes of any other frame.
        frames_a_key: Frames from a key frame to the next.
        sound_bytes_a_s: Bytes of a second of the source's sound.
        width: Of the film, in pixels.
        height: Of the film, in pixels.
    """

    number: Count
    first_s: float
    later_s: float
    key_bytes: float
    later_bytes: float
    frames_a_key: Annotated[int, Meta(ge=1)]
    sound_bytes_a_s: float
    width: Count
    height: Count


class PreviewDropped(Struct, frozen=True, tag="dropped"):
    """A request that a newer one of its lane has made stale."""

    number: Count


Request = PreviewRequest | MeasureFilm
ToWorker = Request | DropLane | PreferRequests | ListLayers
Result = PreviewPicture | PreviewFailed | FilmMeasured | PreviewDropped
"""What a request is answered with."""
FromWorker = WorkerReady | PreviewBegun | Result | LayersListed
Answer = WorkerReady | WorkerRestarted | Result | LayersListed
"""What the studio hears of."""


def encode_message(message: ToWorker | FromWorker) -> bytes:
    """Return a message as bytes."""
    return msgspec.msgpack.encode(message)


def decode_request(content: bytes) -> ToWorker:
    """Return the message to the worker that bytes hold. Raises msgspec.MsgspecError."""
    return msgspec.msgpack.decode(content, type=ToWorker)


def decode_answer(content: bytes) -> FromWorker:
    """Return the message from the worker that bytes hold. Raises msgspec.MsgspecError."""
    return msgspec.msgpack.decode(content, type=FromWorker)
