"""Series from other programs: CSV files of seconds and values."""

from __future__ import annotations

import codecs
import csv
import itertools
import math
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

from dreamflow.core.errors import MediaError, SkippedItemWarning
from dreamflow.core.files.regular_file import read_file_bytes
from dreamflow.core.schedules.signals import PointSeries

MAX_SERIES_BYTES = 256 << 20
"""Largest file: some ten million rows."""
DELIMITERS = (";", "\t", ",", " ")
"""What may stand between the seconds and the value; with `;` and tabs, decimals may have commas."""
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""What UTF-16 begins with, the "Unicode text" of spreadsheets."""
COMMENT = "#"


def read_series(path: Path) -> PointSeries:
    """Return the series of a file: seconds from the source's first frame, and a value, in each row.

    The first row may be a heading; empty rows and those that begin with # are left out. Warns of
    further columns, which are not read.

    Raises:
        MediaError: It cannot be read, a row holds no two numbers, or times do not rise; the error
            names the row.
    """
    try:
        content = read_file_bytes(path, MAX_SERIES_BYTES)
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror}", where=str(path)) from error
    encoding = "utf-16" if content.startswith(UTF16_MARKS) else "utf-8-sig"
    text = content.decode(encoding, errors="replace")
    if "\0" in text:
        raise MediaError(f"{path} is not CSV: it is no text", where=str(path))
    times: list[float] = []
    values: list[float] = []
    for row, time, value in _read_rows(path, text):
        if times and time <= times[-1]:
            raise _make_row_error(path, row, f"{time:g} s does not come after {times[-1]:g} s")
        times.append(time)
        values.append(value)
    if not times:
        raise MediaError(f"{path} holds no row of seconds and a value", where=str(path))
    return PointSeries(tuple(times), tuple(values))


def _read_rows(path: Path, text: str) -> Iterator[tuple[int, float, float]]:
    """Yield the number of each row, counted from 1, with its seconds and value."""
    lines = text.splitlines()
    delimiter = _find_delimiter(lines)
    has_begun = has_others = False
    try:
        for number, cells in enumerate(csv.reader(lines, delimiter=delimiter), start=1):
            filled = [cell.strip() for cell in cells]
            if delimiter == " ":
                filled = list(filter(None, filled))
            if not any(filled) or filled[0].startswith(COMMENT):
                continue
            numbers = [_read_number(cell, delimiter) for cell in filled[:2]]
            if not has_begun and all(number is None for number in numbers):
                has_begun = True  # the heading
                continue
            has_begun = True
            has_others |= any(filled[2:])
            if len(filled) < 2 or not filled[0] or not filled[1]:
                raise _make_row_error(path, number, "a value is missing")
            time, value = numbers
            if time is None or value is None:
                wrong = filled[0] if time is None else filled[1]
                raise _make_row_error(path, number, f"{wrong[:40]!r} is not a number")
            yield number, time, value
    except csv.Error as error:
        raise MediaError(f"{path} is not CSV: {error}", where=str(path)) from error
    if has_others:
        warnings.warn(
            f"{path.name} has more than two columns: the first is read as seconds, the second as "
            "the value",
            SkippedItemWarning,
            2,
        )


def _find_delimiter(lines: Iterable[str]) -> str:
    """Return what stands between the cells of a table's first two lines; a comma if nothing."""
    rows = (line.strip() for line in lines if line.strip() and not line.startswith(COMMENT))
    first = list(itertools.islice(rows, 2))
    return next((mark for mark in DELIMITERS if any(mark in row for row in first)), ",")


def _read_number(text: str, delimiter: str) -> float | None:
    """Return the finite number that a cell holds, or None."""
    if delimiter != ",":
        text = text.replace(",", ".")
    if "_" in text:  # which Python reads over
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _make_row_error(path: Path, row: int, what: str) -> MediaError:
    return MediaError(
        f"{path}, row {row}: {what}; each row is seconds and a value, in order of time",
        where=f"row {row}",
    )
