"""What commands check and set before the work begins."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from dreamflow.cli import terminal
from dreamflow.errors import SettingsError, Stopped
from dreamflow.options import DreamOptions, MachineOptions
from dreamflow.schedule import layer_schedule
from dreamflow.wording import counted

if TYPE_CHECKING:
    from dreamflow.media.outline import Outline
    from dreamflow.render import Handles, Rendered


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn a Ctrl-C into an error that says what is kept; typer would end without a word."""
    try:
        yield
    except KeyboardInterrupt as error:
        stopped = Stopped("stopped")
        for note in getattr(error, "__notes__", []):
            stopped.add_note(note)
        raise stopped from error


@contextmanager
def followed_render(
    out: Path,
    total: int,
    overwrite: bool,
    fresh: bool,
    watch: Path | None,
    plate: Path | None = None,
    steps: tuple[int, int] | None = None,
) -> Iterator[Handles]:
    """Show the progress of a render of so many frames, and yield what it is steered by.

    steps: about how many the first frame takes, and each that comes after it, where they are to be
    followed, too.
    """
    from dreamflow.dream.follow import FrameSteps, followed
    from dreamflow.render import Handles

    with stoppable(), terminal.progress_bar(f"dreaming {out.name}", total) as progress:
        within = FrameSteps(progress, *(steps or (1, 1)))
        handles = Handles(
            within.reach,
            terminal.note,
            watch=watch,
            overwrite=overwrite,
            fresh=fresh,
            plate=plate,
            command=given_command(),
        )
        with followed(within.step) if steps else nullcontext():
            yield handles


def given_command() -> list[str]:
    """Return the words of this command, as they were given: given again, they go on."""
    # --fresh would start over. A word that is not in the system's encoding could not be kept.
    words = [word for word in sys.argv[1:] if word != "--fresh"]
    return ["dreamflow", *(word.encode(errors="replace").decode() for word in words)]


def check_layers(dream: DreamOptions, machine: MachineOptions) -> None:
    """Refuse an unknown network or layer at once, before weights are loaded."""
    from dreamflow.blend import parse_layers
    from dreamflow.networks.classes import check_target
    from dreamflow.networks.store import network_layers

    known = network_layers(dream.network, machine.weights)
    schedule = layer_schedule(dream.layer)
    for name, keyframe in (schedule.layers if schedule else {}).items():
        try:
            check_target(dream.network, known, name)
        except SettingsError as error:
            raise SettingsError(f"--layer, {keyframe}: {error}") from None
    for name in () if schedule else parse_layers(dream.layer):
        check_target(dream.network, known, name)


def set_machine(machine: MachineOptions) -> None:
    """Give PyTorch and OpenCV the threads asked for, or the fastest now, and a pass its memory."""
    import torch

    from dreamflow.memory import keep_freed_memory, set_pass_memory
    from dreamflow.opencv import cv2
    from dreamflow.threads import fastest_threads

    keep_freed_memory()
    threads = machine.threads or fastest_threads()
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    set_pass_memory(machine.memory)


def extent(frames: int, outline: Outline) -> str:
    """Return how long and how large a film of so many frames is: `4.00 s of 640x360`."""
    return f"{frames / float(outline.rate):.2f} s of {outline.width}x{outline.height}"


def what_came(done: Rendered, outline: Outline, spent: float) -> str:
    """Return what came of a render that took so many seconds: its last line."""
    what = f"{counted(done.frames, 'frame')}, {extent(done.frames, outline)}"
    if not done.dreamed:
        return f"{what}, dreamed before"
    how = "dreamed" if done.dreamed >= done.frames else f"{done.dreamed} of them dreamed now"
    took = f"{spent:.1f}" if spent < 10 else f"{spent:.0f}"
    return f"{what}, {how} in {took} s ({spent / done.dreamed:.2f} s a frame)"
