"""A folder or glob of pictures as a clip: which files, in which order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from dreamflow.core.errors import MediaError
from dreamflow.media.output_spec import Chapter
from dreamflow.media.read.video.video_info import IndexedPictures
from dreamflow.media.stills import is_picture, read_picture


def natural_sort_key(path: Path) -> tuple[list[tuple[int, int | str]], str]:
    """Return a sort key of file names that counts their digits as numbers: 100 after 99."""
    parts = re.split(r"([0-9]+)", path.name.casefold())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts], path.name


@dataclass(frozen=True)
class PictureFolderInfo:
    """Facts of a folder of pictures, under the names of VideoInfo where they mean the same.

    Attributes:
        path: The folder or glob.
        files: The pictures in order.
        width: Of every picture, in pixels.
        height: Of every picture, in pixels.
        rate: Frames per second.
        pixel_aspect: Pixels are square.
        constant_rate: Frames come evenly.
        start_offset: Seconds before the first frame.
        sound_codecs: None.
        subtitle_codecs: None.
        chapters: None.
        notes: None.
        sound_track: None.
        is_interlaced: Pictures are whole.
    """

    path: Path
    files: tuple[Path, ...]
    width: int
    height: int
    rate: Fraction
    pixel_aspect: Fraction = Fraction(1)
    constant_rate: bool = True
    start_offset: Fraction = Fraction(0)
    sound_codecs: tuple[str, ...] = ()
    subtitle_codecs: tuple[str, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    notes: tuple[str, ...] = ()
    sound_track: int | None = None
    is_interlaced: bool = False

    @property
    def frames(self) -> int:
        """Number of pictures."""
        return len(self.files)

    @property
    def length(self) -> Fraction:
        """Seconds from the first picture to the end of the last."""
        return len(self.files) / self.rate

    def frame_time(self, index: int) -> Fraction:
        """Return the seconds from the first picture to picture `index`."""
        return index / self.rate


def is_visible_picture(path: Path) -> bool:
    """Return whether a file has a picture's suffix and is not hidden."""
    return is_picture(path) and not path.name.startswith(".")


def is_glob(source: Path) -> bool:
    """Return whether a source is a pattern of file names, and not an existing file."""
    return not source.exists() and re.search(r"[*?\[]", source.name) is not None


def glob_pictures(source: Path) -> list[Path]:
    """Return the pictures that a glob matches, unsorted; none where it is not a glob."""
    if not is_glob(source):
        return []
    return [path for path in source.parent.glob(source.name) if is_visible_picture(path)]


def list_pictures(source: Path) -> tuple[Path, ...] | None:
    """Return the pictures of a folder or glob in natural order, or None for a file.

    Raises:
        MediaError: The folder or glob has no pictures.
    """
    if source.is_dir():
        files = [path for path in source.iterdir() if path.is_file() and is_visible_picture(path)]
        if not files:
            raise MediaError(f"{source} is a folder without pictures", where=str(source))
    elif not is_glob(source):
        return None
    else:
        files = glob_pictures(source)
        if not files:
            raise MediaError(f"{source} matches no pictures", where=str(source))
    return tuple(sorted(files, key=natural_sort_key))


def list_source_files(source: Path) -> list[Path]:
    """Return the pictures of a folder or glob in natural order, or the file itself."""
    return list(list_pictures(source) or (source,))


def read_picture_folder(info: PictureFolderInfo, first: int = 0) -> IndexedPictures:
    """Yield (index, picture) of a folder of pictures from picture `first` on.

    Raises:
        MediaError: A picture cannot be read, or its size differs from the first one's.
    """
    for index, path in enumerate(info.files[first:], start=first):
        picture = read_picture(path)
        if picture.shape[:2] != (info.height, info.width):
            height, width = picture.shape[:2]
            raise MediaError(
                f"{path} is {width}x{height}, but {info.files[0].name} is "
                f"{info.width}x{info.height}: all pictures of a clip must be of one size",
                where=str(path),
            )
        yield index, picture
