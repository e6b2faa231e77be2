"""Series from other programs: CSV files of seconds and values."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path

from dreamflow.core.errors import MediaError
from dreamflow.core.files.regular_file import read_file_text
from dreamflow.core.schedules.signals import PointSeries

MAX_SERIES_BYTES = 256 << 20
"""Largest file: some ten million rows."""
DELIMITERS = (";", "\t", ",")
"""What may stand between the seconds and the value; with `;` and tabs, decimals may have commas."""


def read_series(path: Path) -> PointSeries:
    """Return the series of a file: seconds from the source's first frame, and a value, in each row.

    The first row may be a heading; empty rows and those that begin with # are left out. Further
    columns are not read.

    Raises:
        MediaError: It cannot be read, a row holds no two numbers, or times do not rise; the error
            names the row.
    """
    try:
        text = read_file_text(path, MAX_SERIES_BYTES, encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror}", where=str(path)) from error
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
    delimiter = next((mark for mark in DELIMITERS if any(mark in line for line in lines[:2])), ",")
    has_begun = False
    try:
        for number, cells in enumerate(csv.reader(lines, delimiter=delimiter), start=1):
            filled = [cell.strip() for cell in cells]
            if not any(filled) or filled[0].startswith("#"):
                continue
            numbers = [_read_number(cell, delimiter) for cell in filled[:2]]
            if not has_begun and all(number is None for number in numbers):
                has_begun = True  # the heading
                continue
            has_begun = True
            if len(filled) < 2 or not filled[0] or not filled[1]:
                raise _make_row_error(path, number, "a value is missing")
            time, value = numbers
            if time is None or value is None:
                wrong = filled[0] if time is None else filled[1]
                raise _make_row_error(path, number, f"{wrong[:40]!r} is not a number")
            yield number, time, value
    except csv.Error as error:
        raise MediaError(f"{path} is not CSV: {error}", where=str(path)) from error


def _read_number(text: str, delimiter: str) -> float | None:
    """Return the finite number that a cell holds, or None."""
    if delimiter != ",":
        text = text.replace(",", ".")
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
