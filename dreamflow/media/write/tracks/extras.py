"""Tags, time code, attached files and covers of an output: what each container keeps of them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from dreamflow.core.errors import LeftOutWarning
from dreamflow.core.text.wording import format_count
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.source_extras import SourceExtras

MP4_TAGS = frozenset(
    (
        "title",
        "artist",
        "album_artist",
        "album",
        "date",
        "creation_time",
        "genre",
        "copyright",
        "composer",
        "description",
        "synopsis",
        "lyrics",
        "keywords",
        "location",
        "show",
        "network",
        "grouping",
        "track",
        "disc",
    )
)
"""Tags that FFmpeg writes into MP4, by its names."""
ANY_TAG_SUFFIXES = (".mov", ".mkv", ".webm")
TAGGED_SUFFIXES = (*ANY_TAG_SUFFIXES, ".mp4", ".m4v")
ATTACHMENT_SUFFIXES = (".mkv",)
COVER_SUFFIXES = (".mp4", ".m4v")
MAX_NAMED_FILES = 3
"""Attached files that a message names at most."""


def kept_tags(suffix: str, extras: SourceExtras) -> dict[str, str]:
    """Return the tags that an output of this suffix holds, the time code among them."""
    if suffix not in TAGGED_SUFFIXES:
        return {}
    tags = {name: text for name, text in extras.tags if _holds_tag(suffix, name)}
    return tags | ({"timecode": extras.timecode} if extras.timecode else {})


def extra_track_options(suffix: str, extras: SourceExtras, source_input: int) -> list[str]:
    """Return ffmpeg's options that take over attached files and covers of one of its inputs."""
    options: list[str] = []
    if extras.covers and suffix in COVER_SUFFIXES:
        for number, index in enumerate(extras.covers, start=1):
            options += ["-map", f"{source_input}:{index}"]
            options += [f"-disposition:v:{number}", "attached_pic"]
    if extras.attachments and suffix in ATTACHMENT_SUFFIXES:
        options += ["-map", f"{source_input}:t", "-c:t", "copy"]
    return options


def list_lost_extras(suffix: str, output_spec: OutputSpec) -> list[str]:
    """Return in words what of the source's extras an output of this suffix does not hold."""
    extras = output_spec.extras
    lost: list[str] = []
    if output_spec.chapters and suffix not in TAGGED_SUFFIXES:
        lost.append(format_count(len(output_spec.chapters), "chapter"))
    if extras is None:
        return lost
    kept = kept_tags(suffix, extras)
    lost += [name.replace("_", " ") for name, _ in extras.tags if name not in kept]
    if extras.timecode and "timecode" not in kept:
        lost.append(f"the time code {extras.timecode}")
    if suffix not in ATTACHMENT_SUFFIXES:
        lost += _shorten(extras.attachments)
    if extras.covers and suffix not in COVER_SUFFIXES:
        lost.append("the cover picture")
    return [*lost, *dict.fromkeys(extras.other_tracks)]


def warn_of_lost_extras(suffix: str, format_name: str, output_spec: OutputSpec) -> None:
    """Warn in one line of what of the source's extras an output does not hold."""
    lost = list_lost_extras(suffix, output_spec)
    if lost:
        warnings.warn(f"left out of {format_name}: {', '.join(lost)}", LeftOutWarning, 2)


def _holds_tag(suffix: str, name: str) -> bool:
    return suffix in ANY_TAG_SUFFIXES or name in MP4_TAGS


def _shorten(names: Iterable[str]) -> list[str]:
    named = list(names)
    more = len(named) - MAX_NAMED_FILES
    return [*named[:MAX_NAMED_FILES], *([f"{format_count(more, 'file')} more"] if more > 0 else [])]
