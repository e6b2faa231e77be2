"""Text files of scene cuts: one cut a line, as a frame or a time."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from dreamflow.core.errors import MediaError, SettingsError, named
from dreamflow.core.files.regular_file import read_file_text
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.frame_number import parse_frame_number

CUTS_KEYWORDS = ("auto", "none")
"""Values of the setting `cuts` that are not the name of a file."""


def read_cut_list(clip: Clip, cuts: str) -> list[Fraction] | None:
    """Return the times at which new shots begin, in seconds from the clip's first frame.

    Args:
        clip: The clip that the file was made for. Cuts outside of it are left out.
        cuts: A file with one cut a line, as `48` (a frame of the source), `2s`, `1:02.5` or
            `40%`; the rest of a line, and lines that begin with #, are comments. For "auto" and
            "none" the result is None.

    Raises:
        MediaError: The file cannot be read.
        SettingsError: A line does not begin with a time; `where` has its number.
    """
    if cuts in CUTS_KEYWORDS:
        return None
    path = Path(cuts)
    try:
        lines = read_file_text(path, encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise MediaError(
            f"{named('cuts')} {path}: {why}; `dreamflow shots CLIP FILE` makes one",
            setting="cuts",
            value=cuts,
            where=str(path),
        ) from error
    times: list[Fraction] = []
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            frame = parse_frame_number(words[0], clip.info)
        except SettingsError as error:
            raise error.located(f"{named('cuts')} {path}, line {number}") from error
        if clip.first_frame < frame < clip.stop_frame:
            times.append(clip.info.frame_time(frame) - clip.start_time)
    return times


def format_cut_list(source_name: str, shots: Sequence[tuple[int, Fraction]]) -> str:
    """Return the text of a cut list.

    Args:
        source_name: Name of the source, for the first line.
        shots: Frame number and time in seconds of each shot's first frame.
    """
    name = " ".join(source_name.splitlines())
    lines = [f"# shots of {name}: the first frame of each, and when it is shown"]
    lines += [f"{index}\t{float(time):.3f}s" for index, time in shots]
    return "\n".join(lines) + "\n"
