"""Reading what a film holds besides its main tracks: tags, time code, fonts and covers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import av.error
from av.stream import Disposition

from dreamflow.core.errors import MediaError
from dreamflow.core.files.documents import parse_json
from dreamflow.media.files.film_file import open_film
from dreamflow.media.records.embedded_settings import RECORD_VERSION_KEY
from dreamflow.media.source_extras import SourceExtras

APPLE_PREFIX = "com.apple.quicktime."
TAG_BY_APPLE_NAME = {"location.iso6709": "location", "creationdate": "date", "author": "artist"}
KEPT_APPLE_TAGS = frozenset(
    (
        "album",
        "artist",
        "comment",
        "copyright",
        "description",
        "director",
        "genre",
        "keywords",
        "make",
        "model",
        "producer",
        "publisher",
        "title",
        "year",
    )
)
TECHNICAL_TAGS = frozenset(
    (
        "major_brand",
        "minor_version",
        "compatible_brands",
        "encoder",
        "encoded_by",
        "encoding_tool",
        "software",
        "duration",
        "handler_name",
        "vendor_id",
        "creation_application",
        "writing_application",
        "variant_bitrate",
        "timecode",
        "comment",
        "metadatacreator",
        "hasvideo",
        "hasaudio",
        "hasmetadata",
        "hascuepoints",
        "hassumlastkeyframe",
        "candseekdate",
        "canseektoend",
        "videocodecid",
        "audiocodecid",
        "videodatarate",
        "audiodatarate",
        "framerate",
        "width",
        "height",
        "datasize",
        "filesize",
        "lasttimestamp",
        "lastkeyframetimestamp",
        "totalduration",
        "totaldatarate",
        "stereo",
        "audiosamplerate",
        "audiosamplesize",
        "isftenc",
        "wm/encodingtime",
        "isvbr",
        "wmfsdkversion",
        "wmfsdkneeded",
        "deviceconformancetemplate",
        "service_name",
        "service_provider",
    )
)
"""Tags that describe the source's file, and would be wrong in another one."""
TECHNICAL_PREFIXES = ("com.android.", "com.apple.", "_statistics", "bps", "number_of_", "wm/")
LANGUAGE_SUFFIX = re.compile(r"(.+)-[a-z]{3}")
"""FFmpeg names a tag twice where it has a language: `location` and `location-eng`."""


def read_source_extras(path: Path, track: int, film_format: str | None = None) -> SourceExtras:
    """Return a film's extras; none where it cannot be read as one.

    Args:
        path: The film.
        track: Number of its video track among all streams.
        film_format: FFmpeg's name of its format; None finds it out.
    """
    try:
        with open_film(path, film_format) as container:
            covers: list[int] = []
            attachments: list[str] = []
            others: list[str] = []
            for stream in container.streams:
                tags = _lower_names(stream.metadata)
                if stream.type == "attachment":
                    attachments.append(tags.get("filename", "a file"))
                elif stream.disposition & Disposition.attached_pic:
                    covers.append(stream.index)
                elif stream.type == "video" and stream.index != track:
                    others.append("another film track")
                elif stream.type == "data" and "timecode" not in tags:
                    others.append("a data track")
            return SourceExtras(
                path,
                _select_tags(_lower_names(container.metadata)),
                _find_timecode(container),
                tuple(attachments),
                tuple(covers),
                tuple(others),
            )
    except (av.error.FFmpegError, MediaError, MemoryError, ValueError, OverflowError):
        return SourceExtras(path)


def _lower_names(tags: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): text for name, text in tags.items()}


def _find_timecode(container: Any) -> str:
    """Return the time code of the film's first frame, or ""."""
    streams = sorted(container.streams, key=lambda stream: stream.type != "video")
    for tags in (*(stream.metadata for stream in streams), container.metadata):
        if timecode := _lower_names(tags).get("timecode"):
            return timecode
    return ""


def _select_tags(tags: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the tags that a person may miss, Apple's under FFmpeg's usual names.

    The comment becomes a description, since an output's comment holds its settings.
    """
    selected: dict[str, str] = {}
    for name, text in tags.items():
        with_language = LANGUAGE_SUFFIX.fullmatch(name)
        apple_name = name.removeprefix(APPLE_PREFIX)
        if name.startswith(APPLE_PREFIX):
            name = TAG_BY_APPLE_NAME.get(apple_name, apple_name)
            if name not in KEPT_APPLE_TAGS and apple_name not in TAG_BY_APPLE_NAME:
                continue
        if with_language and with_language[1] in tags:
            continue
        if name in TECHNICAL_TAGS or name.startswith(TECHNICAL_PREFIXES) or not text.strip():
            continue
        selected.setdefault(name, text)
    comment = tags.get("comment", "")
    if comment.strip() and not _is_record(comment):
        described = selected.get("description")
        selected["description"] = f"{described}\n{comment}" if described else comment
    return tuple(selected.items())


def _is_record(comment: str) -> bool:
    """Return whether a comment holds DreamFlow's settings."""
    try:
        record = parse_json(comment)
    except ValueError:
        return False
    return isinstance(record, dict) and RECORD_VERSION_KEY in record
