"""What the user reads: errors and warnings of one line, a progress bar, a last line."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from dreamflow.core.errors import DreamFlowError, DreamFlowWarning
from dreamflow.core.options.declaration import flag_of

if TYPE_CHECKING:
    from rich.console import Console


@lru_cache(maxsize=1)
def stderr_console() -> Console:
    """Return the console on stderr, which the progress bar and all messages share."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def print_labelled(label: str, style: str, message: str) -> None:
    """Print `kind: message` on one line of stderr."""
    from rich.text import Text

    stderr_console().print(Text.assemble((f"{label}: ", style), message))


def print_error(message: str) -> None:
    """Print an error."""
    print_labelled("error", "bold red", message)


def print_warning(message: str) -> None:
    """Print a warning."""
    print_labelled("warning", "yellow", message)


def print_note(message: str) -> None:
    """Print how the work goes."""
    from rich.text import Text

    stderr_console().print(Text(message))


def format_error(error: BaseException, fallback: str = "") -> str:
    """Return an error's message, or another where it has none, and its notes, on one line."""
    message = error.worded(flag_of) if isinstance(error, DreamFlowError) else str(error)
    parts = [message or fallback, *getattr(error, "__notes__", [])]
    return "; ".join(part for part in parts if part)


def format_internal_error(error: BaseException) -> str:
    """Return a fault of ours on one line, with its notes, and how to see all of it."""
    kind, first = type(error).__name__, (str(error).splitlines() or [""])[0]
    said = f"a fault in DreamFlow: {kind}: {first} (run again with --debug for the whole)"
    return "; ".join([said, *getattr(error, "__notes__", [])])


LOG_INTERVAL_S = 60.0
"""How often a log is told of progress."""

_python_showwarning = warnings.showwarning


def show_warning(message: Any, category: type[Warning], *where: Any, **more: Any) -> None:
    """Show our own warnings as one line each, and others as Python does."""
    if issubclass(category, DreamFlowWarning):
        print_warning(message.worded(flag_of))
    elif not sys.warnoptions:
        return  # a library's note to its developers, not to an artist
    else:
        _python_showwarning(message, category, *where, **more)


@contextmanager
def progress_bar(title: str, total: int, unit: str = "frame") -> Iterator[Callable[..., None]]:
    """Show frames done, speed and time left; a line a minute where stderr is no terminal.

    What is yielded takes how many are done, with the share of the next one where that is known.
    """
    if not stderr_console().is_terminal:
        yield make_progress_logger(title, total, unit)
        return
    from rich import progress as bars
    from rich.markup import escape

    class Speed(bars.ProgressColumn):
        def render(self, task: bars.Task) -> str:
            speed = task.speed or 0.0
            if speed == 0:
                return ""
            return f"{speed:.1f}/s" if speed >= 1 else f"{1 / speed:.1f} s each"

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(bar_width=None),
        bars.TextColumn("{task.fields[whole]}/{task.total:.0f} " + unit + "s"),
        Speed(),
        bars.TimeRemainingColumn(compact=True, elapsed_when_finished=True),
    )
    with bars.Progress(*columns, console=stderr_console(), speed_estimate_period=60) as bar:
        task = bar.add_task(escape(title), total=total, whole=0)
        begun = False

        def show(done: float, total: int | None = None) -> None:
            nonlocal begun
            if done > 1 and not begun:  # what was done before says nothing of the speed now
                bar.reset(task, completed=round(done), total=total, whole=int(done))
            else:
                bar.update(task, completed=done, total=total, whole=int(done))
            begun = True

        yield show


def make_progress_logger(title: str, total: int, unit: str) -> Callable[..., None]:
    """Return what tells of progress in a log: a line a minute, from the first minute on."""
    begun: tuple[float, float] | None = None
    told = time.monotonic()

    def tell(done: float, of: int | None = None) -> None:
        nonlocal begun, told
        now, whole = time.monotonic(), of or total
        begun = begun or (now, done)
        if now - told < LOG_INTERVAL_S or done == begun[1]:
            return
        told = now
        each = (now - begun[0]) / (done - begun[1])
        left = round(each * (whole - done))
        hours, seconds = divmod(left, 3600)
        clock = f"{hours}:{seconds // 60:02d}:{seconds % 60:02d}"
        line = f"{title}: {int(done)}/{whole} {unit}s, {each:.2f} s each, {clock} left"
        stderr_console().print(line, markup=False, emoji=False)

    return tell


@contextmanager
def download_bar(title: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show bytes received of all, speed and time left; nothing where stderr is no terminal."""
    if not stderr_console().is_terminal:
        yield lambda done, total: None
        return
    from rich import progress as bars
    from rich.markup import escape

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(bar_width=None),
        bars.DownloadColumn(),
        bars.TransferSpeedColumn(),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=stderr_console()) as bar:
        task = bar.add_task(escape(title), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def training_bar(title: str) -> Iterator[Callable[[float, str], None]]:
    """Show the share done (0 to 1) and a line of state; a line a minute where it is no terminal."""
    if not stderr_console().is_terminal:
        last = -60.0

        def tell(done: float, state: str) -> None:
            nonlocal last
            if time.monotonic() - last >= 60:
                last = time.monotonic()
                stderr_console().print(f"{done:.1%} {state}", markup=False, emoji=False)

        yield tell
        return
    from rich import progress as bars
    from rich.markup import escape

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(bar_width=20),
        bars.TaskProgressColumn(),
        bars.TimeRemainingColumn(),
        bars.TextColumn("{task.fields[state]}"),
    )
    with bars.Progress(*columns, console=stderr_console()) as bar:
        task = bar.add_task(escape(title), total=1.0, state="")
        yield lambda done, state: bar.update(task, completed=done, state=state)
