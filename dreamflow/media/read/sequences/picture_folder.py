"""A folder, glob or pattern of pictures as a clip: its facts, and its frames."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from dreamflow.core.errors import (
    ConvertedSourceWarning,
    DamagedSourceWarning,
    MediaError,
    SettingsError,
    named,
)
from dreamflow.media.depth.read import NOTES_OF_PROXY, DeepPicture, read_deep_picture
from dreamflow.media.output_spec import Chapter
from dreamflow.media.read.sequences.numbered_files import find_frame_numbers, find_gaps, format_gaps
from dreamflow.media.read.sequences.picture_stand_ins import PictureSequence, PictureT
from dreamflow.media.read.video.video_info import Doubt, IndexedPictures
from dreamflow.media.stills.read import decode_picture, read_picture_size

MAX_DAMAGED_NAMED = 3
"""Most damaged pictures that a warning names."""
MAX_FILLED_FRAMES = 100_000
"""Most missing frames that are filled: names with more between them do not number frames."""
WORDS_BY_MISSING = {
    "close": "the pictures around the gap follow each other",
    "hold": "the one before is shown",
    "black": "black is shown",
}
"""What happens where numbers are missing, by the setting `missing`."""


@dataclass(frozen=True)
class PictureFolderInfo:
    """Facts of a folder of pictures, under the names of VideoInfo where they mean the same.

    Attributes:
        path: The folder, glob or pattern.
        files: The pictures in order.
        width: Of every picture, in pixels.
        height: Of every picture, in pixels.
        rate: Frames per second.
        places: For each frame, the place of its picture in `files`; None is a black frame.
        numbers: Frame number in the name of each frame's picture, rising, such as 12 of
            `shot_0012.png`; None where the names are not numbered.
        pixel_aspect: Pixels are square.
        constant_rate: Frames come evenly.
        start_offset: Seconds before the first frame.
        sound_codecs: None.
        subtitle_codecs: None.
        chapters: None.
        notes: Warnings of missing numbers.
        sound_track: None.
        playlist_files: None.
        is_interlaced: Pictures are whole.
        exr_layer: Layer of OpenEXR pictures that is read; None is the main one.
        alpha: How their colours are taken, as the setting of that name.
        assumptions: Warnings of what reading the first picture assumed.
        losses: Warnings of what 8-bit pictures lose, and pictures in depth do not.
        left_out: None.
        doubts: None.
    """

    path: Path
    files: tuple[Path, ...]
    width: int
    height: int
    rate: Fraction
    places: tuple[int | None, ...]
    numbers: tuple[int, ...] | None = None
    pixel_aspect: Fraction = Fraction(1)
    constant_rate: bool = True
    start_offset: Fraction = Fraction(0)
    sound_codecs: tuple[str, ...] = ()
    subtitle_codecs: tuple[str, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    notes: tuple[str, ...] = ()
    sound_track: int | None = None
    playlist_files: tuple[Path, ...] = ()
    is_interlaced: bool = False
    exr_layer: str | None = None
    alpha: str = "auto"
    assumptions: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.places)

    @property
    def length(self) -> Fraction:
        """Seconds from the first frame to the end of the last."""
        return self.frames / self.rate

    def frame_time(self, index: int) -> Fraction:
        """Return the seconds from the first frame to frame `index`."""
        return index / self.rate


def probe_picture_folder(
    source: Path,
    files: tuple[Path, ...],
    rate: Fraction,
    missing: str = "close",
    exr_layer: str | None = None,
) -> PictureFolderInfo:
    """Return the facts of a folder of pictures; the headers of all are read, and the first decoded.

    Args:
        source: The folder, glob or pattern.
        files: Its pictures in order.
        rate: Frames per second.
        missing: What happens where numbers are missing: "close", "hold", "black" or "stop".
        exr_layer: Layer of OpenEXR pictures; None is the main one.

    Raises:
        MediaError: None can be read, they are not of one size, or numbers are missing and
            `missing` is "stop".
        SettingsError: So many numbers are missing that they do not count frames.
        DependencyError: The library that reads their format is not installed.
    """
    width, height = check_one_size(files, exr_layer)
    first = PictureSequence(files, lambda path: decode_picture(path, layer=exr_layer)).read(0)
    found = first.over_black().to_rgb8()[1]
    notes: list[str] = []
    assumptions = [_format_note(source, note) for note in found if note not in NOTES_OF_PROXY]
    losses = [_format_note(source, note) for note in found if note in NOTES_OF_PROXY]
    numbers = find_frame_numbers(files)
    places: tuple[int | None, ...] = tuple(range(len(files)))
    if numbers and (gaps := find_gaps(numbers)):
        notes.append(_describe_gaps(source, gaps, missing))
        if missing != "close":
            numbers, places = _fill_gaps(numbers, gaps, hold=missing == "hold")
    return PictureFolderInfo(
        *(source, files, width, height, rate, places, numbers),
        notes=tuple(notes),
        exr_layer=exr_layer,
        assumptions=tuple(assumptions),
        losses=tuple(losses),
    )


def check_one_size(files: Sequence[Path], exr_layer: str | None = None) -> tuple[int, int]:
    """Return the (width, height) of all pictures, by their headers; damaged ones are left out.

    A picture of another size is refused rather than fitted: between the frames of a clip it is a
    mistake, which is quickly mended before a render and costly to see after it.

    Raises:
        MediaError: They are not of one size, or none can be read.
    """
    sizes: dict[Path, tuple[int, int]] = {}
    error: MediaError | None = None
    for path in files:
        try:
            sizes[path] = read_picture_size(path, exr_layer)
        except MediaError as damage:
            error = error or damage
    if not sizes:
        raise error or MediaError("there are no pictures")
    usual, count = Counter(sizes.values()).most_common(1)[0]
    odd = [path for path, size in sizes.items() if size != usual]
    if odd:
        example = next(path for path, size in sizes.items() if size == usual)
        width, height = sizes[odd[0]]
        others = f", and {len(odd) - 1} more differ too" if len(odd) > 1 else ""
        raise MediaError(
            f"{odd[0]} is {width}x{height}, but {example.name} is {usual[0]}x{usual[1]} as "
            f"{count} of {len(sizes)} are{others}: all pictures of a clip must be of one size; "
            "take it out, or crop or pad it",
            value=f"{width}x{height}",
            allowed=f"{usual[0]}x{usual[1]}",
            where=str(odd[0]),
        )
    return usual


def read_picture_folder(info: PictureFolderInfo, first: int, stop: int) -> IndexedPictures:
    """Yield (index, picture) of each frame from `first` up to, not including, `stop`.

    A damaged picture is replaced by the one before it. Warns once of each kind of loss that the
    first picture did not have, and at the end of damaged pictures.

    Raises:
        MediaError: None can be read, or the size of one is not what its header says.
    """

    def read(path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
        decoded = decode_picture(path, layer=info.exr_layer, alpha=info.alpha)
        return decoded.over_black().to_rgb8()

    for index, picture in _read_in_order(info, first, stop, read):
        if picture is None:
            picture = np.zeros((info.height, info.width, 3), np.uint8)
        elif picture.shape[:2] != (info.height, info.width):
            raise _make_size_error(info, index, picture.shape[1::-1])
        yield index, picture


def read_deep_picture_folder(
    info: PictureFolderInfo, first: int, stop: int
) -> Iterator[tuple[int, DeepPicture | None]]:
    """Yield (index, picture) as `read_picture_folder`, in depth; None is a black frame."""

    def read(path: Path) -> tuple[DeepPicture, tuple[str, ...]]:
        picture = read_deep_picture(path, layer=info.exr_layer, alpha=info.alpha)
        return picture, picture.notes

    for index, picture in _read_in_order(info, first, stop, read):
        if picture is not None and picture.original.size != (info.width, info.height):
            raise _make_size_error(info, index, picture.original.size)
        yield index, picture


def _read_in_order(
    info: PictureFolderInfo,
    first: int,
    stop: int,
    read_file: Callable[[Path], tuple[PictureT, tuple[str, ...]]],
) -> Iterator[tuple[int, PictureT | None]]:
    """Yield (index, picture) of the frames, None for a black one; see `read_picture_folder`."""
    said = {*info.assumptions, *info.losses}

    def read(path: Path) -> PictureT:
        picture, notes = read_file(path)
        for note in (_format_note(info.path, note) for note in notes):
            if note not in said:
                said.add(note)
                warnings.warn(note, ConvertedSourceWarning, 2)
        return picture

    pictures = PictureSequence(info.files, read)
    for index, place in enumerate(info.places[first:stop], start=first):
        yield index, None if place is None else pictures.read(place)
    if pictures.damaged:
        warnings.warn(describe_damaged(info.path, pictures), DamagedSourceWarning, 2)


def _make_size_error(info: PictureFolderInfo, index: int, size: tuple[int, int]) -> MediaError:
    path = info.files[info.places[index] or 0]
    return MediaError(
        f"{path} is {size[0]}x{size[1]}, and was {info.width}x{info.height} when the clip was "
        "opened",
        where=str(path),
    )


def describe_damaged(source: Path, pictures: PictureSequence[Any]) -> str:
    """Return the warning of the damaged pictures of a sequence."""
    names = [pictures.files[place].name for place in sorted(pictures.damaged)]
    more = ", ..." if len(names) > MAX_DAMAGED_NAMED else ""
    return (
        f"{source.name}: {len(names)} of {len(pictures.files)} pictures are damaged, and shown as "
        f"the one before ({', '.join(names[:MAX_DAMAGED_NAMED])}{more})"
    )


def _format_note(source: Path, note: str) -> str:
    return f"{source.name}: {note}"


def _describe_gaps(source: Path, gaps: list[range], missing: str) -> str:
    """Return the warning of missing numbers.

    Raises:
        MediaError: `missing` is "stop".
        SettingsError: There are too many to be filled.
    """
    count = sum(map(len, gaps))
    words = f"number {format_gaps(gaps)} is" if count == 1 else f"numbers {format_gaps(gaps)} are"
    if missing == "stop":
        raise MediaError(f"{source}: {words} missing", where=str(source))
    if missing != "close" and count > MAX_FILLED_FRAMES:
        raise SettingsError(
            f"{source}: {count} numbers are missing between the names, which do not count frames: "
            f"set {named('missing')} to close",
            setting="missing",
            value=missing,
            allowed="close",
            where=str(source),
        )
    advice = f"; in a video {named('missing')} can fill it" if missing == "close" else ""
    return f"{source.name}: {words} missing: {WORDS_BY_MISSING[missing]}{advice}"


def _fill_gaps(
    numbers: tuple[int, ...], gaps: list[range], hold: bool
) -> tuple[tuple[int, ...], tuple[int | None, ...]]:
    """Return the number of each frame, gaps filled, and the place of its picture."""
    place_by_number: dict[int, int | None] = {n: place for place, n in enumerate(numbers)}
    for gap in gaps:
        before = place_by_number[gap[0] - gap.step]
        place_by_number |= dict.fromkeys(gap, before if hold else None)
    filled = sorted(place_by_number)
    return tuple(filled), tuple(place_by_number[number] for number in filled)
