"""What an output takes over from a source beside its pictures: sound, chapters, extras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from dreamflow.media.output_spec import Chapter, Sound
from dreamflow.media.read.frame_number import Source
from dreamflow.media.read.sequences.picture_folder import PictureFolderInfo
from dreamflow.media.read.video.extras import read_source_extras
from dreamflow.media.source_extras import SourceExtras
from dreamflow.media.timecode_track import shift_timecode


def find_sound(path: Path, info: Source, start: Fraction, *, ends_early: bool) -> Sound | None:
    """Return the sound and subtitles that go with the frames taken; None without either.

    Args:
        path: The source.
        info: Its facts.
        start: Time of the first frame taken, in seconds.
        ends_early: Whether frames at the source's end are left out.
    """
    if not info.sound_codecs and not info.subtitle_codecs:
        return None
    packets = None if isinstance(info, PictureFolderInfo) else info.packets
    return Sound(
        path,
        info.sound_codecs,
        info.start_offset,
        start,
        ends_early=ends_early,
        subtitle_codecs=info.subtitle_codecs,
        track=info.sound_track,
        is_playlist=bool(info.playlist_files),
        is_seekable=packets is None or packets.is_seekable,
    )


def find_extras(path: Path, info: Source, start: Fraction, rate: Fraction) -> SourceExtras | None:
    """Return the extras of a film, with the time code of the first frame taken.

    Args:
        path: The source.
        info: Its facts.
        start: Time of the first frame taken, in seconds.
        rate: Frames per second of the output.
    """
    if isinstance(info, PictureFolderInfo) or info.packets is None:
        return None
    extras = read_source_extras(path, info.track, info.film_format)
    return replace(extras, timecode=shift_timecode(extras.timecode, info.rate, start, rate))


def trim_chapters(
    chapters: Sequence[Chapter], start: Fraction, end: Fraction
) -> tuple[Chapter, ...]:
    """Return the chapters between two times in seconds, cut to them, in time from the first."""
    return tuple(
        Chapter(max(one.begin, start) - start, min(one.end, end) - start, one.title)
        for one in chapters
        if one.begin < end and one.end > start
    )
