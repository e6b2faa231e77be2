"""Progress on stderr: a bar, lines, JSON, or nothing, as `--progress` says."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from dreamflow.cli.output.escaping import escape_line
from dreamflow.cli.output.terminal import print_note, print_plain, stderr_console
from dreamflow.cli.progress.lines import ProgressLines, progress_lines

SPEED_WINDOW_S = 60.0
"""Seconds of work that a progress bar's speed is averaged over."""


@contextmanager
def progress_bar(
    title: str, total: int, unit: str = "frame", *, kind: str
) -> Generator[Callable[..., None]]:
    """Show how much is done, the speed and the time left.

    Args:
        title: What is done, such as `dreaming dream.mp4`.
        total: How many units there are.
        unit: What is counted, in the singular.
        kind: How it is shown; see `ProgressOptions.kind`.

    Yields:
        A function to call with the number of units done, fractions included, and optionally a new
        total.
    """
    if kind != "bar":
        with _report(kind, title, total, unit) as update:
            yield update
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


@contextmanager
def download_bar(title: str, *, kind: str) -> Generator[Callable[[int, int | None], None]]:
    """Show how much of a file is received, the speed and the time left.

    Args:
        title: What is downloaded.
        kind: How it is shown; see `ProgressOptions.kind`.

    Yields:
        A function to call with the bytes received, and the bytes of the whole where known.
    """
    if kind != "bar":
        with _report(kind, f"downloading {title}", None, "MB") as update:
            yield lambda done, total: update(done / 1e6, total and total / 1e6)
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
def training_bar(title: str, *, kind: str) -> Generator[Callable[[float, str], None]]:
    """Show the share of the training that is done, and a line of state.

    Args:
        title: What is trained.
        kind: How it is shown; see `ProgressOptions.kind`.

    Yields:
        A function to call with the share done, 0 to 1, and the state in words.
    """
    if kind != "bar":
        with _report(kind, title, 100, "percent") as update:
            yield lambda done, state: update(100 * done, None, state)
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


@contextmanager
def _report(
    kind: str, title: str, total: float | None, unit: str
) -> Generator[Callable[..., None]]:
    """Yield a function that prints lines of progress as `ProgressLines.update` does, or nothing."""
    if kind == "none":
        yield lambda *done: None
        return
    as_json = kind == "json"
    write = print_plain if as_json else print_note
    with progress_lines(ProgressLines(title, total, unit, write, as_json)) as lines:
        yield lines.update


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
