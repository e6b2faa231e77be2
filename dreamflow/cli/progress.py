"""Progress bars; where stderr is no terminal, a line a minute instead."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from dreamflow.cli.escaping import escape_line
from dreamflow.cli.terminal import stderr_console

LOG_INTERVAL_S = 60.0
"""Seconds between two lines of progress where stderr is no terminal."""
SPEED_WINDOW_S = 60.0
"""Seconds of work that a progress bar's speed is averaged over."""


@contextmanager
def progress_bar(title: str, total: int, unit: str = "frame") -> Generator[Callable[..., None]]:
    """Show how much is done, the speed and the time left.

    Args:
        title: What is done, such as `dreaming dream.mp4`.
        total: How many units there are.
        unit: What is counted, in the singular.

    Yields:
        A function to call with the number of units done, fractions included, and optionally a new
        total.
    """
    if not stderr_console().is_terminal:
        yield make_progress_logger(title, total, unit)
        return
    from rich import progress as bars

    class SpeedColumn(bars.ProgressColumn):
        def render(self, task: bars.Task) -> str:
            speed = task.speed or 0.0
            if speed == 0:
                return ""
            return f"{speed:.1f}/s" if speed >= 1 else f"{1 / speed:.1f} s each"

    bar = make_bar(
        bars.BarColumn(bar_width=None),
        bars.TextColumn("{task.fields[whole]}/{task.total:.0f} " + unit + "s"),
        SpeedColumn(),
        bars.TimeRemainingColumn(compact=True, elapsed_when_finished=True),
    )
    with bar:
        task = bar.add_task(escape_title(title), total=total, whole=0)
        is_first = True

        def show(done: float, total: int | None = None) -> None:
            nonlocal is_first
            if done > 1 and is_first:
                # A render that is resumed: what was done before says nothing about the speed now.
                bar.reset(task, completed=round(done), total=total, whole=int(done))
            else:
                bar.update(task, completed=done, total=total, whole=int(done))
            is_first = False

        yield show


def make_progress_logger(title: str, total: int, unit: str) -> Callable[..., None]:
    """Return a function that prints a line of progress a minute, from the first minute on.

    It takes the number of units done and optionally a new total.
    """
    first_call: tuple[float, float] | None = None
    last_line_s = time.monotonic()

    def log_progress(done: float, new_total: int | None = None) -> None:
        nonlocal first_call, last_line_s
        now, whole = time.monotonic(), new_total or total
        first_call = first_call or (now, done)
        started_s, done_before = first_call
        if now - last_line_s < LOG_INTERVAL_S or done == done_before:
            return
        last_line_s = now
        each_s = (now - started_s) / (done - done_before)
        hours, seconds = divmod(round(each_s * (whole - done)), 3600)
        left = f"{hours}:{seconds // 60:02d}:{seconds % 60:02d}"
        line = f"{title}: {int(done)}/{whole} {unit}s, {each_s:.2f} s each, {left} left"
        stderr_console().print(escape_line(line), markup=False, emoji=False)

    return log_progress


@contextmanager
def download_bar(title: str) -> Generator[Callable[[int, int | None], None]]:
    """Show bytes received, speed and time left; nothing where stderr is no terminal.

    Yields:
        A function to call with the bytes received, and the bytes of the whole where known.
    """
    if not stderr_console().is_terminal:
        yield lambda done, total: None
        return
    from rich import progress as bars

    bar = make_bar(
        bars.BarColumn(bar_width=None),
        bars.DownloadColumn(),
        bars.TransferSpeedColumn(),
        bars.TimeRemainingColumn(),
    )
    with bar:
        task = bar.add_task(escape_title(title), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def training_bar(title: str) -> Generator[Callable[[float, str], None]]:
    """Show the share of the training that is done, and a line of state.

    Yields:
        A function to call with the share done, 0 to 1, and the state in words.
    """
    if not stderr_console().is_terminal:
        last_line_s = -LOG_INTERVAL_S

        def log_state(done: float, state: str) -> None:
            nonlocal last_line_s
            if time.monotonic() - last_line_s >= LOG_INTERVAL_S:
                last_line_s = time.monotonic()
                stderr_console().print(f"{done:.1%} {state}", markup=False, emoji=False)

        yield log_state
        return
    from rich import progress as bars

    bar = make_bar(
        bars.BarColumn(bar_width=20),
        bars.TaskProgressColumn(),
        bars.TimeRemainingColumn(),
        bars.TextColumn("{task.fields[state]}"),
    )
    with bar:
        task = bar.add_task(escape_title(title), total=1.0, state="")
        yield lambda done, state: bar.update(task, completed=done, state=state)


def make_bar(*columns: Any) -> Any:
    """Return a rich progress bar on stderr: the title, then these columns."""
    from rich import progress as bars

    title = bars.TextColumn("{task.description}")
    return bars.Progress(
        title, *columns, console=stderr_console(), speed_estimate_period=SPEED_WINDOW_S
    )


def escape_title(title: str) -> str:
    """Return a title in which rich sees no markup, and the terminal no controls."""
    from rich.markup import escape

    return escape(escape_line(title))
