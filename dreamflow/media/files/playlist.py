"""HLS playlists (.m3u8): films in pieces, in files beside a text that names them.

FFmpeg opens whatever a playlist names. So one is opened only where the user allows it, and only if
everything that it names is a regular file in its own folder. FFmpeg is lenient where it parses
playlists; what is accepted here is so plain that both see the same names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from dreamflow.core.errors import MediaError, named
from dreamflow.core.files.regular_file import check_regular_file, read_file_text

PLAYLIST_SUFFIXES = (".m3u8", ".m3u")
PLAYLIST_START = "#EXTM3U"
MAX_LINE_BYTES = 4000
"""Bytes of a line at most: FFmpeg takes what is behind its 4,096th for another line."""
MAX_PIECES = 100_000
"""Files that a playlist may name: 55 hours in pieces of 2 s."""
MAX_SHOWN_VARIANTS = 4
"""Variants of a master playlist that a message names at most."""
LINE_END = re.compile(r"\r\n|\r|\n")
ODD_CHARACTER = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""Control characters that are no line end or tab; at some of them FFmpeg stops reading a line."""
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//")
ADDRESS_CHARACTERS = re.compile(r"[:?#\\]")
"""Characters by which FFmpeg takes a file name apart as an address."""
INITIALISATION = re.compile(
    r'#EXT-X-MAP:URI="(?P<name>[^"\\]+)"(,BYTERANGE="\d+(@\d+)?")?'
    r'|#EXT-X-MAP:BYTERANGE="\d+(@\d+)?",URI="(?P<last_name>[^"\\]+)"'
)
MASTER_TAGS = ("#EXT-X-STREAM-INF", "#EXT-X-MEDIA:", "#EXT-X-I-FRAME-STREAM-INF")
PLAYLIST_BEGINNINGS = (b"#extm3u", b"ffconcat", b"v=0", b"<?xml", b"<mpd", b"<asx", b"[playlist]")
"""First bytes, in lower case, of playlists, scripts and session descriptions."""
PLAYLIST_HEAD_BYTES = 64
"""Bytes from a file's start in which PLAYLIST_BEGINNINGS are looked for, behind white space."""


def is_playlist(path: Path) -> bool:
    """Return whether a file is an HLS playlist by its name; only then can it be opened as one."""
    return path.suffix.lower() in PLAYLIST_SUFFIXES and path.is_file()


def make_playlist_error(path: Path) -> MediaError:
    """Return the error for a playlist that the user has not allowed."""
    return MediaError(
        f"{path} is a playlist, which names other files: to dream them as one film, add "
        f"{named('allow_playlist')}",
        setting="allow_playlist",
        where=str(path),
    )


def list_playlist_files(path: Path) -> tuple[Path, ...]:
    """Return the files that a playlist names, each once, in order.

    Args:
        path: The playlist.

    Returns:
        Paths in the playlist's folder or below it.

    Raises:
        MediaError: It is no finished playlist of one film, or names what is not a regular file in
            its own folder.
    """
    lines = _read_lines(path)
    if any(line.startswith(MASTER_TAGS) for line in lines):
        raise _make_master_error(path, lines)
    names = dict.fromkeys(_parse_names(path, lines))
    if not names:
        raise _make_error(path, "names no file")
    if len(names) > MAX_PIECES:
        raise _make_error(path, f"names more than {MAX_PIECES:,} files")
    if "#EXT-X-ENDLIST" not in (line.rstrip() for line in lines):
        raise _make_error(
            path,
            "has no end, so that more may be added to it: where nothing will be, add "
            "#EXT-X-ENDLIST as its last line",
        )
    if ADDRESS_CHARACTERS.search(str(path.absolute()).removeprefix(path.absolute().anchor)):
        raise _make_error(path, "has a colon, ?, # or \\ in its path: move it elsewhere")
    folder = path.resolve().parent
    return tuple(_check_file(path, folder, name) for name in names)


def _read_lines(path: Path) -> list[str]:
    try:
        text = read_file_text(path)
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise _make_error(path, "is not UTF-8") from error
    lines = LINE_END.split(text)
    if lines[0].rstrip() != PLAYLIST_START:
        raise _make_error(path, f"does not begin with {PLAYLIST_START}")
    for number, line in enumerate(lines, start=1):
        if len(line.encode()) > MAX_LINE_BYTES:
            raise _make_error(path, f"has more than {MAX_LINE_BYTES:,} bytes in line {number}")
        if ODD_CHARACTER.search(line):
            raise _make_error(path, f"has a control character in line {number}")
    return lines


def _parse_names(path: Path, lines: list[str]) -> Iterator[str]:
    """Yield the name of each file, as it stands in the playlist."""
    for number, line in enumerate(lines, start=1):
        line = line.rstrip()
        if line.startswith("#EXT-X-KEY") and line != "#EXT-X-KEY:METHOD=NONE":
            raise _make_error(path, f"is encrypted (line {number})")
        if line.startswith("#EXT-X-MAP"):
            found = INITIALISATION.fullmatch(line)
            if found is None:
                raise _make_error(path, f"cannot be understood in line {number}")
            yield found["name"] or found["last_name"]
        elif line and not line.startswith("#"):
            yield line


def _check_file(path: Path, folder: Path, name: str) -> Path:
    """Return the path of a file that a playlist names."""
    if ADDRESS.match(name):
        raise _make_error(path, f"names an address, {name}: only files in its own folder are read")
    if ADDRESS_CHARACTERS.search(name):
        raise _make_error(path, f"names {name}: a name with a colon, ?, # or \\ is not opened")
    piece = path.parent / name
    is_inside = not Path(name).is_absolute() and ".." not in Path(name).parts
    if not is_inside or not piece.resolve().is_relative_to(folder):
        raise _make_error(
            path, f"names {name}, which is not in its own folder: no other files are read"
        )
    try:
        check_regular_file(piece)
        with piece.open("rb") as file:
            head = file.read(PLAYLIST_HEAD_BYTES)
    except OSError as error:
        why = error.strerror or str(error)
        raise _make_error(path, f"names {name}, which cannot be read: {why}") from error
    if is_playlist(piece) or begins_like_playlist(head):
        raise _make_error(path, f"names {name}, which names other files itself")
    return piece


def begins_like_playlist(head: bytes) -> bool:
    """Return whether a file's first bytes are those of one that names other files."""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(PLAYLIST_BEGINNINGS)


def _make_master_error(path: Path, lines: list[str]) -> MediaError:
    variants = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    shown = ", ".join(variants[:MAX_SHOWN_VARIANTS])
    more = ", ..." if len(variants) > MAX_SHOWN_VARIANTS else ""
    return _make_error(
        path,
        "is a master playlist, which names several versions of a film: give the playlist of one "
        f"of them{f' ({shown}{more})' if shown else ''}",
    )


def _make_error(path: Path, problem: str) -> MediaError:
    return MediaError(f"the playlist {path} {problem}", where=str(path))
