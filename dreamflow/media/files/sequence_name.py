"""Names of numbered pictures: `shot_%04d.exr`, as printf writes them, or `shot_####.exr`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FRAME_NUMBER = re.compile(r"%0?(?P<digits>\d*)d|(?P<hashes>#+)")
"""Place of the frame number in a pattern, as printf and as compositors write it."""
SEQUENCE_SUFFIXES = (".exr", ".png", ".tif", ".tiff")
"""Suffixes of the numbered pictures that are written."""


@dataclass(frozen=True)
class SequenceName:
    """The names of an output of numbered pictures in a folder.

    Attributes:
        folder: Their folder.
        before: Their names up to the number.
        digits: Digits of the number at least.
        after: Their names after the number, with the suffix.
    """

    folder: Path
    before: str
    digits: int
    after: str

    @classmethod
    def parse(cls, path: Path) -> SequenceName | None:
        """Return the names that an output stands for; None where it is no pattern of pictures."""
        places = list(FRAME_NUMBER.finditer(path.name))
        if len(places) != 1 or path.suffix.lower() not in SEQUENCE_SUFFIXES:
            return None
        place = places[0]
        name = path.name
        return cls(path.parent, name[: place.start()], count_digits(place), name[place.end() :])

    @property
    def suffix(self) -> str:
        """Suffix of the pictures, in small letters."""
        return Path(f"name{self.after}").suffix.lower()

    def name_of(self, number: int) -> str:
        """Return the file name of a number."""
        return f"{self.before}{number:0{self.digits}d}{self.after}"

    def list_files(self) -> list[Path]:
        """Return what the folder holds under names of the sequence, by name."""
        if not self.folder.is_dir():
            return []
        return sorted(path for path in self.folder.iterdir() if self.matches(path.name))

    def matches(self, name: str) -> bool:
        """Return whether a file name is one of the sequence's."""
        return _compile(self.before, self.digits, self.after).fullmatch(name) is not None


def count_digits(place: re.Match[str]) -> int:
    """Return the least digits of a number in a place that `FRAME_NUMBER` has found."""
    return len(place["hashes"]) if place["hashes"] else int(place["digits"] or 1)


def compile_number_pattern(name: str) -> re.Pattern[str]:
    """Return what matches the names of a pattern such as `shot_%04d.png`.

    Numbers have at least the digits of the place, as printf and compositors write them: `####`
    matches 0012 and 12345, but not 12.
    """
    place = FRAME_NUMBER.search(name)
    assert place is not None
    return _compile(name[: place.start()], count_digits(place), name[place.end() :])


def _compile(before: str, digits: int, after: str) -> re.Pattern[str]:
    number = rf"(?:[0-9]{{{digits}}}|[1-9][0-9]{{{digits},}})" if digits > 1 else "[0-9]+"
    return re.compile(re.escape(before) + number + re.escape(after))
