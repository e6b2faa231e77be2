"""Progress as lines of text or of JSON, where no bar can be drawn."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

LINE_INTERVAL_S = 10.0
"""Seconds after which a line is due."""
LINE_SHARE = 0.1
"""Share of the whole after which a line is due, however little time it took."""
JSON_INTERVAL_S, JSON_SHARE = 1.0, 0.01
"""The same for JSON, which programs read."""


@dataclass
class ProgressLines:
    """Prints a line at the start, and then whenever enough is done or enough time has passed.

    Attributes:
        title: What is done, such as `dreaming dream.mp4`.
        total: Units of the whole; None where it is not known.
        unit: What is counted, in the singular.
        print_line: Prints one line.
        as_json: Whether each line is a JSON object.
        clock: Returns seconds.
    """

    title: str
    total: float | None
    unit: str
    print_line: Callable[[str], None]
    as_json: bool = False
    clock: Callable[[], float] = time.monotonic
    _first: tuple[float, float] | None = field(default=None, init=False)
    _printed_s: float = field(default=0.0, init=False)
    _printed_done: float = field(default=0.0, init=False)

    def start(self) -> None:
        """Print that the work begins."""
        self._printed_s = self.clock()
        if self.as_json:
            self._print_json("start", 0)
            return
        count = "" if self.total is None else f": {self.total:g} {self._plural(self.total)}"
        self.print_line(f"{self.title}{count}")

    def update(self, done: float, total: float | None = None, state: str = "") -> None:
        """Take note of the number of units done; print it if a line is due.

        Args:
            done: Units done, fractions included.
            total: Units of the whole, where that has changed.
            state: How it stands, in words.
        """
        now = self.clock()
        self.total = total or self.total
        if self._first is None:
            self._first, self._printed_done = (now, done), done
        if done <= self._first[1] and not state:
            return
        interval_s, share = LINE_INTERVAL_S, LINE_SHARE
        if self.as_json:
            interval_s, share = JSON_INTERVAL_S, JSON_SHARE
        is_late = now - self._printed_s >= interval_s
        # Rounded: the steps of a tenth must not be missed by the last bit.
        share_done = round((done - self._printed_done) / self.total, 9) if self.total else 0.0
        if not is_late and share_done < share:
            return
        self._printed_s, self._printed_done = now, done
        if self.as_json:
            self._print_json("progress", done, self._seconds_left(now, done), state)
        else:
            self.print_line(self._format(done, self._seconds_left(now, done), state))

    def finish(self) -> None:
        """Print that the work is done; only as JSON, since a result follows in words."""
        if self.as_json:
            self._print_json("end", self.total or self._printed_done)

    def _seconds_left(self, now: float, done: float) -> float | None:
        assert self._first is not None
        started_s, done_before = self._first
        if self.total is None or done <= done_before:
            return None
        return (now - started_s) / (done - done_before) * (self.total - done)

    def _format(self, done: float, left_s: float | None, state: str) -> str:
        parts = [f"{int(done)} {self._plural(done)}"]
        if self.total is not None:
            parts = [f"{int(done)}/{self.total:g} {self._plural(self.total)}"]
            parts.append(f"{done / self.total:.0%}")
        if left_s is not None:
            hours, seconds = divmod(round(left_s), 3600)
            parts.append(f"{hours}:{seconds // 60:02d}:{seconds % 60:02d} left")
        return f"{self.title}: {', '.join([*parts, *([state] if state else [])])}"

    def _plural(self, count: float) -> str:
        return self.unit if count == 1 else f"{self.unit}s"

    def _print_json(
        self, event: str, done: float, left_s: float | None = None, state: str = ""
    ) -> None:
        report = {
            "event": event,
            "task": self.title,
            "done": round(done, 3),
            "total": self.total,
            "unit": self.unit,
        }
        if left_s is not None:
            report["seconds_left"] = round(left_s, 1)
        if state:
            report["state"] = state
        self.print_line(json.dumps(report))


@contextmanager
def progress_lines(lines: ProgressLines) -> Generator[ProgressLines]:
    """Print the first line, and the last one if the work ends well."""
    lines.start()
    yield lines
    lines.finish()
