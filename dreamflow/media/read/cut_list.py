"""A list of cuts in a text file: one a line, as a frame or a time, in the clip it was made for."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from dreamflow.core.errors import MediaError, SettingsError
from dreamflow.media.read.clip import Clip, parse_frame_number

CUTS_KEYWORDS = ("auto", "none")
"""Settings of `cuts` that are no file."""


def read_cut_list(clip: Clip, cuts: str) -> list[Fraction] | None:
    """Return the times in seconds, from the clip's first frame, at which new shots begin.

    cuts: a file with one cut a line, as `48` (a frame of the source), `2s`, `1:02.5` or `40%`;
    what follows it on the line, and lines that begin with #, are left aside. None for the words
    "auto" and "none". Cuts outside of the clip are left out. Raises MediaError where there is no
    such file, SettingsError for a line that is no time.
    """
    if cuts in CUTS_KEYWORDS:
        return None
    path = Path(cuts)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise MediaError(f"--cuts {path}: {why}; `dreamflow shots CLIP FILE` makes one") from error
    times: list[Fraction] = []
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            frame = parse_frame_number(words[0], clip.info)
        except SettingsError as error:
            raise SettingsError(f"--cuts {path}, line {number}: {error}") from error
        if clip.first_frame < frame < clip.stop_frame:
            times.append(clip.info.frame_time(frame) - clip.start_time)
    return times


def format_cut_list(source_name: str, shots: Sequence[tuple[int, Fraction]]) -> str:
    """Return the text of a list of cuts: the first frame of each shot, and its time in seconds."""
    lines = [f"# shots of {source_name}: the first frame of each, and when it is shown"]
    lines += [f"{index}\t{float(time):.3f}s" for index, time in shots]
    return "\n".join(lines) + "\n"
