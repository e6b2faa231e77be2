"""Size, timing, sound and chapters of an output, as its writer needs them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from dreamflow.core.text.path_text import path_from_text, path_to_text
from dreamflow.media.files.container_policy import PLAYLIST_FORMAT
from dreamflow.media.sample_format import SampleFormat
from dreamflow.media.source_extras import SourceExtras


@dataclass(frozen=True)
class Sound:
    """Sound and subtitle tracks of the source, to go with the frames of an output.

    Attributes:
        path: File that holds the tracks.
        codecs: Codec of each sound track.
        start: Seconds from the start of the file to its first frame.
        begin: Seconds from the file's first frame to the first frame of the output.
        ends_early: Whether the output ends before the file does, so that the tracks are cut.
        subtitle_codecs: Codec of each subtitle track.
        track: Number of the sound track to take; None for all, which `codecs` lists.
        is_playlist: Whether the file is a playlist that the user has allowed.
        is_seekable: Whether a time is one place in the file; in joined recordings it is several.
    """

    path: Path
    codecs: tuple[str, ...]
    start: Fraction = Fraction(0)
    begin: Fraction = Fraction(0)
    ends_early: bool = False
    subtitle_codecs: tuple[str, ...] = ()
    track: int | None = None
    is_playlist: bool = False
    is_seekable: bool = True

    @property
    def film_format(self) -> str | None:
        """FFmpeg's name of the format that the file is opened in; None lets FFmpeg find it out."""
        return PLAYLIST_FORMAT if self.is_playlist else None


@dataclass(frozen=True)
class Chapter:
    """A named part of a video; begin, end: seconds from its first frame."""

    begin: Fraction
    end: Fraction
    title: str


@dataclass(frozen=True)
class OutputSpec:
    """Size, timing and sound of the frames of an output.

    Attributes:
        width: In pixels.
        height: In pixels.
        rate: Frames per second; the mean where they come unevenly.
        frames: Expected number of frames.
        length: Duration in seconds.
        constant_rate: Whether frames come evenly. Otherwise each frame's time counts.
        pixel_aspect: Width of a pixel over its height.
        sound: Sound and subtitles, or None.
        sources: Files and folders that the output must not replace.
        chapters: Chapters of the frames that are written.
        extras: What else of the source goes with the frames, or None.
        frame_numbers: Number of each frame in the source; empty where it has none.
        music: Sound of another file than the source, in place of the source's; or None.
        samples: What a film's frames are made of, where it keeps their depth; None is 8-bit RGB.
    """

    width: int
    height: int
    rate: Fraction
    frames: int
    length: Fraction
    constant_rate: bool = True
    pixel_aspect: Fraction = Fraction(1)
    sound: Sound | None = None
    sources: tuple[Path, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    extras: SourceExtras | None = None
    frame_numbers: tuple[int, ...] | range = ()
    music: Sound | None = None
    samples: SampleFormat | None = None

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Shape of a film's frame as uint8: (height, width, 3) of RGB, (bytes,) in depth."""
        if self.samples is None:
            return (self.height, self.width, 3)
        return (self.samples.frame_bytes(self.width, self.height),)

    @property
    def heard_sound(self) -> Sound | None:
        """The sound that goes with the frames."""
        return self.music or self.sound

    @classmethod
    def at_constant_rate(
        cls, width: int, height: int, rate: Fraction, frames: int, *sources: Path
    ) -> OutputSpec:
        """Return the spec of `frames` evenly spaced frames without sound."""
        return cls(width, height, rate, frames, frames / rate, sources=sources)

    def with_sources(self, files: Iterable[Path]) -> OutputSpec:
        """Return the same spec with further files that the output must not replace."""
        return replace(self, sources=(*self.sources, *files))

    def duration_of(self, frames: int) -> Fraction:
        """Return the seconds that an output of this many frames lasts."""
        return self.length if frames >= self.frames else frames / self.rate

    def to_dict(self) -> dict[str, Any]:
        """Return the spec as values that JSON can hold; fractions as text."""
        plain = {f.name: str(getattr(self, f.name)) for f in fields(self)}
        plain |= {name: getattr(self, name) for name in ("width", "height", "frames")}
        chapters = [[str(c.begin), str(c.end), c.title] for c in self.chapters]
        sources = [path_to_text(path.absolute()) for path in self.sources]
        plain |= {"constant_rate": self.constant_rate, "sources": sources}
        sounds = {"sound": self.sound, "music": self.music}
        plain |= {name: sound and _sound_to_dict(sound) for name, sound in sounds.items()}
        extras = self.extras and self.extras.to_dict()
        return plain | {
            "chapters": chapters,
            "extras": extras,
            "frame_numbers": _numbers_to_dict(self.frame_numbers),
            "samples": self.samples and self.samples.to_dict(),
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> OutputSpec:
        """Return the spec whose `to_dict` gave these values."""
        return cls(
            width=plain["width"],
            height=plain["height"],
            rate=Fraction(plain["rate"]),
            frames=plain["frames"],
            length=Fraction(plain["length"]),
            constant_rate=plain["constant_rate"],
            pixel_aspect=Fraction(plain["pixel_aspect"]),
            sound=_sound_from_dict(plain["sound"]) if plain["sound"] else None,
            sources=tuple(path_from_text(path) for path in plain["sources"]),
            chapters=tuple(
                Chapter(Fraction(begin), Fraction(end), title)
                for begin, end, title in plain["chapters"]
            ),
            # Jobs of older versions lack what follows.
            extras=SourceExtras.from_dict(plain["extras"]) if plain.get("extras") else None,
            frame_numbers=_numbers_from_dict(plain.get("frame_numbers", {"numbers": []})),
            music=_sound_from_dict(plain["music"]) if plain.get("music") else None,
            samples=SampleFormat.from_dict(plain["samples"]) if plain.get("samples") else None,
        )


def _numbers_to_dict(numbers: tuple[int, ...] | range) -> dict[str, list[int]]:
    if isinstance(numbers, range):  # a long film has many
        return {"range": [numbers.start, numbers.stop, numbers.step]}
    return {"numbers": list(numbers)}


def _numbers_from_dict(plain: dict[str, list[int]]) -> tuple[int, ...] | range:
    if "range" in plain:
        start, stop, step = plain["range"]
        return range(start, stop, step)
    return tuple(plain["numbers"])


def _sound_to_dict(sound: Sound) -> dict[str, Any]:
    return {
        "start": str(sound.start),
        "begin": str(sound.begin),
        "path": path_to_text(sound.path.absolute()),
        "codecs": list(sound.codecs),
        "cut": sound.ends_early,
        "subtitles": list(sound.subtitle_codecs),
        "track": sound.track,
        "is_playlist": sound.is_playlist,
        "is_seekable": sound.is_seekable,
    }


def _sound_from_dict(plain: dict[str, Any]) -> Sound:
    return Sound(
        path_from_text(plain["path"]),
        tuple(plain["codecs"]),
        Fraction(plain["start"]),
        Fraction(plain["begin"]),
        plain["cut"],
        tuple(plain["subtitles"]),
        plain["track"],
        plain.get("is_playlist", False),
        plain.get("is_seekable", True),
    )
