"""A look outside of the studio: as a command line, a preset and a Python program."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from dreamflow.core.options.declaration import flag_of


@dataclass(frozen=True)
class FilmChoices:
    """What is chosen of a film besides its look.

    Attributes:
        source: The clip, as it is to be named.
        out: The film.
        size: WIDTHxHEIGHT or N; "" keeps the source's.
        codec: As in `EncodeOptions`.
        quality: As in `EncodeOptions`.
        start: Number of the first frame; "" for the clip's first.
        end: Number of the frame to stop before; "" for the clip's end.
    """

    source: str
    out: str
    size: str = ""
    codec: str = "auto"
    quality: str = "good"
    start: str = ""
    end: str = ""

    @property
    def settings(self) -> dict[str, str]:
        """What of it differs from the defaults, by the setting's name."""
        given = {"size": self.size, "start": self.start, "end": self.end}
        given |= {"codec": self.codec, "quality": self.quality}
        defaults = {"codec": "auto", "quality": "good"}
        return {name: value for name, value in given.items() if value != defaults.get(name, "")}


def film_words(settings: Mapping[str, Any], film: FilmChoices) -> list[str]:
    """Return the words of the command that renders a film, after `dreamflow`."""
    source, out = (
        f"./{path}" if path.startswith("-") else path for path in (film.source, film.out)
    )
    return ["video", source, out, *setting_words(settings), *setting_words(film.settings)]


def frame_words(
    settings: Mapping[str, Any], source: str, out: str, at: str | None, size: str, run_in: int
) -> list[str]:
    """Return the words of the command that dreams a frame, after `dreamflow`.

    Args:
        settings: The look.
        source: The clip or picture.
        out: The picture.
        at: The frame of a clip; None for a picture.
        size: WIDTHxHEIGHT or N.
        run_in: Frames before it that are dreamed too.
    """
    words = ["frame", source, out, *(["--at", at] if at is not None else [])]
    words += ["--run-in", str(run_in)] if run_in else []
    return [*words, "--size", size, *setting_words(settings)]


def setting_words(settings: Mapping[str, Any]) -> list[str]:
    """Return settings as words of a command line."""
    words: list[str] = []
    for name, value in settings.items():
        flag = flag_of(name)
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
        elif isinstance(value, list):
            # Weights make one dream of several layers, where a frame would show each by itself.
            texts = cast("list[str]", value)
            several = len(texts) > 1
            items = [f"{text}=1" if several and "=" not in text else text for text in texts]
            words += [word for item in items for word in (flag, item)]
        elif value is not None:
            text = f"{value:g}" if isinstance(value, float) else str(value)
            words += [f"{flag}={text}"] if text.startswith("-") else [flag, text]
    return words


def join_words(words: Sequence[str]) -> str:
    """Return words as one line that a shell takes."""
    line = ["dreamflow", *words]
    return subprocess.list2cmdline(line) if os.name == "nt" else shlex.join(line)


def format_python(settings: Mapping[str, Any], film: FilmChoices) -> str:
    """Return a Python program that makes the film."""
    given = {**settings, **film.settings}
    lines = [repr(film.source), repr(film.out), *(f"{n}={v!r}" for n, v in given.items())]
    call = "".join(f"    {line},\n" for line in lines)
    return f"import dreamflow\n\ndreamflow.render(\n{call})\n"
