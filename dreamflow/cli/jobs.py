"""`dreamflow jobs`: renders that were broken off."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dreamflow.cli.binding import OverwriteOption
from dreamflow.cli.listing import print_table
from dreamflow.cli.prepare import stoppable

jobs_app = typer.Typer(
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
    """List the jobs in a folder. To go on with one, give its command again."""
    from dreamflow.render.kept import jobs_in

    rows = [
        [
            str(job.folder),
            f"{job.frames} of {job.of}",
            f"{job.bytes / 1e6:.0f} MB",
            "runs" if job.running else "stopped",
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
    """Print what a job was begun with."""
    from dreamflow.render.kept import look_at

    found = look_at(job)
    record = found.facts["record"]
    settings = record.get("settings", {})
    rows = [
        ["output", str(found.out)],
        ["frames", f"{found.frames} of {found.of}"],
        ["state", "runs" if found.running else "stopped"],
        ["source", str(record.get("source", ""))],
        *([name, str(value)] for name, value in found.facts.get("machine", {}).items()),
        *([name, "" if value is None else str(value)] for name, value in settings.items()),
    ]
    print_table(str(job), [("", "left"), ("", "left")], rows)


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
    from dreamflow.render.kept import finish_job

    with stoppable():
        made, frames = finish_job(job, out, overwrite)
    typer.echo(f"{made}: {frames} frames")


@jobs_app.command("remove")
def remove(job: JobArgument, debug: DebugHidden = False) -> None:
    """Remove a job and the frames that it has."""
    from dreamflow.render.kept import remove_job

    remove_job(job)
    typer.echo(f"{job} is removed")
