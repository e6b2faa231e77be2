"""`dreamflow jobs`: renders that were broken off."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Annotated, Any

import typer

from dreamflow.cli.binding import OverwriteOption
from dreamflow.cli.help import App
from dreamflow.cli.listing import print_table
from dreamflow.cli.prepare import extent, stoppable
from dreamflow.options import (
    CarryOptions,
    ClipOptions,
    ShowOptions,
    SweepOptions,
    ZoomOptions,
    saved_fields,
)
from dreamflow.settings import flag_of, in_words, plain_value
from dreamflow.wording import counted

jobs_app = App(
    help="Renders that were broken off: look at them, finish them as they are, remove them.",
    no_args_is_help=True,
)
JobArgument = Annotated[
    Path, typer.Argument(help="The folder of a job.", metavar="JOB", show_default=False)
]
DebugHidden = Annotated[bool, typer.Option("--debug", hidden=True)]


@jobs_app.command("list")
def list_jobs(
    folder: Annotated[
        Path, typer.Argument(help="Where to look.", metavar="FOLDER", exists=True, file_okay=False)
    ] = Path("."),
    debug: DebugHidden = False,
) -> None:
    """List the jobs in a folder. To go on with one, give its command: `jobs show` prints it."""
    from dreamflow.media.kept import jobs_in

    rows = [
        [
            str(job.folder),
            f"{job.frames} of {job.of}",
            f"{job.bytes / 1e6:.1f} MB",
            job.state,
        ]
        for job in jobs_in(folder)
    ]
    if not rows:
        typer.echo(f"no jobs in {folder.resolve()}")
        return
    columns = [("job", "left"), ("frames", "right"), ("on disk", "right"), ("", "left")]
    print_table("jobs", columns, rows)


@jobs_app.command("show")
def show(job: JobArgument, debug: DebugHidden = False) -> None:
    """Print how far a job is, what it was begun with, and the command that goes on with it."""
    from dreamflow.media.kept import look_at

    found = look_at(job)
    record, machine = found.facts["record"], found.facts.get("machine", {})
    rows = [
        ["output", str(found.out)],
        ["frames", f"{found.frames} of {found.of}"],
        ["state", found.state],
        ["source", str(record.get("source", ""))],
        *([name, in_words(value)] for name, value in machine.items() if name != "memory"),
        *(["memory", f"{machine[name]} MB"] for name in ("memory",) if name in machine),
        *chosen(record),
    ]
    print_table(str(job), [("", "left"), ("", "left")], rows)
    typer.echo("all other settings are as by default")
    if not found.running:
        typer.echo(going_on(job, found.facts))


def chosen(record: dict[str, Any]) -> list[list[str]]:
    """Return the settings of a record that are not as by default: each with its flag, in words."""
    journey = record.get("command")
    others = (
        (CarryOptions, ShowOptions, ClipOptions, SweepOptions)
        if journey == "zoom"
        else (ZoomOptions,)
    )
    known = saved_fields()
    rows: list[list[str]] = []
    for name, value in record.get("settings", {}).items():
        groups = [group for group in known.get(name, ()) if group not in others]
        if value not in [plain_value(getattr(group, name)) for group in groups]:
            rows.append([flag_of(name), in_words(value)])
    return rows


def going_on(job: Path, facts: dict[str, Any]) -> str:
    """Return how to go on with a job: its command, on a line that can be pasted into a shell."""
    joined = subprocess.list2cmdline if os.name == "nt" else shlex.join
    given = facts.get("command", {})
    if not given.get("words"):
        end = joined(["dreamflow", "jobs", "finish", str(job)])
        return f"it was not begun by a command; to make an output of what is there:\n{end}"
    line, there = joined(given["words"]), Path(given["folder"])
    if there != Path.cwd():
        line = f"cd {joined([str(there)])} && {line}"
    return f"to go on:\n{line}"


@jobs_app.command("finish")
def finish(
    job: JobArgument,
    out: Annotated[
        Path | None,
        typer.Argument(
            help="Another output, of the same suffix: then the job stays, and can go on.",
            metavar="OUT",
            show_default=False,
        ),
    ] = None,
    *,
    overwrite: OverwriteOption = False,
    debug: DebugHidden = False,
) -> None:
    """Make an output of the frames that are there, with their sound, and end the job."""
    from dreamflow.media.kept import finish_job, look_at
    from dreamflow.media.outline import Outline

    outline = Outline.from_plain(look_at(job).facts["outline"])
    with stoppable():
        made, frames = finish_job(job, out, overwrite)
    part = f"{frames} of " if frames < outline.frames else ""
    whole = counted(outline.frames, "frame")
    typer.echo(f"{made}: {part}{whole}, {extent(frames, outline)}")


@jobs_app.command("remove")
def remove(job: JobArgument, debug: DebugHidden = False) -> None:
    """Remove a job and the frames that it has."""
    from dreamflow.media.kept import remove_job

    remove_job(job)
    typer.echo(f"{job} is removed")
