"""`dreamflow batch`: many renders, one after the other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dreamflow.cli import terminal
from dreamflow.cli.binding import (
    DebugOption,
    FreshOption,
    OverwriteOption,
    WatchOption,
    with_options,
)
from dreamflow.cli.listing import print_table
from dreamflow.cli.prepare import stoppable
from dreamflow.cli.video import dream_clip, in_full
from dreamflow.errors import DreamFlowError, Stopped
from dreamflow.options import MachineOptions

if TYPE_CHECKING:
    from dreamflow.queue import Render

EXAMPLE = "Example: dreamflow batch tonight.toml"


@with_options
def batch(
    queue: Annotated[
        Path,
        typer.Argument(
            help="A .toml file: [defaults] with settings, and a [[render]] with source and out "
            "for each.",
            metavar="QUEUE",
            show_default=False,
        ),
    ],
    *,
    machine: MachineOptions,
    overwrite: OverwriteOption = False,
    fresh: FreshOption = False,
    watch: WatchOption = None,
    debug: DebugOption = False,
) -> None:
    """Dream many clips, one after the other. One that fails does not stop the rest.

    Each is a job of its own: given again, the command goes on with those that were broken off, and
    leaves out those that are done. The exit code is 0 if all are.
    """
    from dreamflow.queue import read_queue

    rows: list[list[str]] = []
    failed = 0
    renders = read_queue(queue)
    try:
        for number, render in enumerate(renders, start=1):
            terminal.note(f"{number} of {len(renders)}: {render.source} to {render.out}")
            if not overwrite and is_done(render):
                rows.append(["done before", str(render.out), ""])
                continue
            try:
                with stoppable():
                    said = dream_clip(
                        render.source, render.out, render.settings, machine, overwrite, fresh, watch
                    )
                rows.append(["done", str(render.out), said.split(": ", 1)[-1]])
            except Stopped:
                raise
            except Exception as error:
                if debug:
                    raise
                ours = not isinstance(error, DreamFlowError)
                said = terminal.fault(error) if ours else terminal.with_notes(error)
                terminal.error(said)
                failed += 1
                rows.append(["FAILED", str(render.out), said])
    finally:
        for render in renders[len(rows) :]:
            rows.append(["not done", str(render.out), ""])
        print_table(queue.name, [("", "left"), ("output", "left"), ("", "left")], rows)
    if failed:
        terminal.error(f"{failed} of {len(renders)} renders failed")
        raise typer.Exit(1)


def is_done(render: Render) -> bool:
    """Return whether an output is there, whole and of the same settings."""
    from dreamflow.media.folder import job_path
    from dreamflow.media.metadata import settings_of
    from dreamflow.options import as_dict

    if not render.out.exists() or job_path(render.out).exists():
        return False
    wanted = render.settings
    groups = (in_full(wanted.dream), wanted.carry, wanted.show, wanted.clip, wanted.encode)
    return settings_of(render.out) == as_dict(*groups)
