"""What commands check and set before the work begins."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from dreamflow.cli import terminal
from dreamflow.core.errors import SettingsError, UserInterrupt, named
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.wording import format_count
from dreamflow.dream.options import DreamOptions

if TYPE_CHECKING:
    from dreamflow.core.machine.machine import Machine
    from dreamflow.jobs.controls import RenderControls, RenderResult
    from dreamflow.media.output_spec import OutputSpec


@contextmanager
def stop_on_ctrl_c() -> Iterator[None]:
    """Turn a Ctrl-C into an error that says what is kept; typer would end without a word."""
    try:
        yield
    except KeyboardInterrupt as error:
        stopped = UserInterrupt("stopped")
        for note in getattr(error, "__notes__", []):
            stopped.add_note(note)
        raise stopped from error


@contextmanager
def track_render(
    out: Path,
    total: int,
    overwrite: bool,
    fresh: bool,
    watch: Path | None,
    plate: Path | None = None,
    steps: tuple[int, int] | None = None,
) -> Iterator[RenderControls]:
    """Show the progress of a render of so many frames, and yield what it is steered by.

    steps: about how many the first frame takes, and each that comes after it, where they are to be
    followed, too.
    """
    from dreamflow.dream.progress import FrameProgress, call_on_step
    from dreamflow.jobs.controls import RenderControls

    with stop_on_ctrl_c(), terminal.progress_bar(f"dreaming {out.name}", total) as progress:
        within = FrameProgress(progress, *(steps or (1, 1)))
        handles = RenderControls(
            within.finish_frames,
            terminal.print_note,
            watch_path=watch,
            overwrite=overwrite,
            fresh=fresh,
            plate_path=plate,
            resume_command=read_command_line(),
            on_step=within.step if steps else None,
        )
        with call_on_step(within.step) if steps else nullcontext():
            yield handles


def read_command_line() -> list[str]:
    """Return the words of this command, as they were given: given again, they go on."""
    # --fresh would start over. A word that is not in the system's encoding could not be kept.
    words = [word for word in sys.argv[1:] if word != "--fresh"]
    return ["dreamflow", *(word.encode(errors="replace").decode() for word in words)]


def check_layers(dream: DreamOptions, machine: MachineOptions) -> None:
    """Refuse an unknown network or layer at once, before weights are loaded."""
    from dreamflow.networks.classes import check_network_has_target
    from dreamflow.networks.loading import network_layers

    known = network_layers(dream.network, machine.weights)
    for target, keyframe in dream.layers.first_keyframe_by_target.items():
        try:
            check_network_has_target(dream.network, known, target)
        except SettingsError as error:
            if dream.layers.is_constant:
                raise
            raise error.located(f"{named('layer')}, {keyframe}") from None


def apply_machine_options(options: MachineOptions) -> Machine:
    """Set up this process as its options ask, and return the machine that networks are loaded on."""
    from dreamflow.core.machine.machine import Machine

    return Machine.from_options(options)


def format_duration_and_size(frames: int, outline: OutputSpec) -> str:
    """Return how long and how large a film of so many frames is: `4.00 s of 640x360`."""
    return f"{frames / float(outline.rate):.2f} s of {outline.width}x{outline.height}"


def format_render_summary(result: RenderResult, outline: OutputSpec, elapsed_s: float) -> str:
    """Return what came of a render that took so many seconds: its last line."""
    what = f"{format_count(result.frames, 'frame')}, {format_duration_and_size(result.frames, outline)}"
    if not result.dreamed_frames:
        return f"{what}, dreamed before"
    how = (
        "dreamed"
        if result.dreamed_frames >= result.frames
        else f"{result.dreamed_frames} of them dreamed now"
    )
    took = f"{elapsed_s:.1f}" if elapsed_s < 10 else f"{elapsed_s:.0f}"
    return f"{what}, {how} in {took} s ({elapsed_s / result.dreamed_frames:.2f} s a frame)"
