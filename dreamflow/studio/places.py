"""The places on the page where pictures come, and the pictures themselves."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field

from dreamflow.studio.outside import FilmChoices
from dreamflow.studio.worker.messages import FilmMeasured

MAX_PICTURES = 300
"""Pictures that are held at once; those of the wall are about 100 kB each."""


class PictureStore:
    """Pictures that the page may show, by keys that cannot be guessed."""

    def __init__(self) -> None:
        self._pictures: OrderedDict[str, tuple[bytes, str]] = OrderedDict()

    def add(self, image: bytes, media_type: str) -> str:
        """Keep a picture's file, and return its key."""
        key = secrets.token_urlsafe(9)
        self._pictures[key] = (image, media_type)
        while len(self._pictures) > MAX_PICTURES:
            self._pictures.popitem(last=False)
        return key

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Return a picture's file and its media type; None where it is not held any more."""
        return self._pictures.get(key)


@dataclass(frozen=True)
class Shown:
    """A place on the page where a picture comes.

    Attributes:
        picture: Key of the picture that is there; "" before one has come.
        is_coarse: Whether a finer one is coming.
        is_waiting: Whether another picture than this is coming.
        failure: Why none comes, or "".
        notes: What was lost or changed on the way.
        seconds: How long the picture took.
        width: In pixels.
        height: In pixels.
    """

    picture: str = ""
    is_coarse: bool = False
    is_waiting: bool = False
    failure: str = ""
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    width: int = 0
    height: int = 0


@dataclass(frozen=True)
class MeasuredFilm:
    """What a few frames of a film took, or will soon have.

    Attributes:
        film: Which film; None before one was asked for.
        measured: What they took; None before that is known.
        failure: Why it cannot be known, or "".
    """

    film: FilmChoices | None = None
    measured: FilmMeasured | None = None
    failure: str = ""


@dataclass
class Places:
    """All places where pictures come.

    Attributes:
        before: The source.
        pinned: The look that the dream is compared with.
        after: The dream.
        moving: The moving preview.
        tiles: The wall's.
        film: What the film that was asked about last takes.
    """

    before: Shown = field(default_factory=Shown)
    pinned: Shown = field(default_factory=Shown)
    after: Shown = field(default_factory=Shown)
    moving: Shown = field(default_factory=Shown)
    tiles: list[Shown] = field(default_factory=list[Shown])
    film: MeasuredFilm = field(default_factory=MeasuredFilm)
