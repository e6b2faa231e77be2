"""`dreamflow jobs`: renders that were broken off."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Annotated, Any

import typer

from dreamflow.cli.binding import OverwriteOption
from dreamflow.cli.commands.listing import print_table
from dreamflow.cli.help import CommandGroup
from dreamflow.cli.prepare import format_duration_and_size, stop_on_ctrl_c
from dreamflow.core.options.declaration import flag_of, format_setting_value, plain_value
from dreamflow.core.wording import format_count
from dreamflow.media.options import ClipOptions
from dreamflow.pipelines.settings.groups import groups_by_saved_setting
from dreamflow.pipelines.settings.options import ShowOptions, SweepOptions, ZoomOptions
from dreamflow.temporal.options import CarryOptions

jobs_app = CommandGroup(
    help="Renders that were broken off: look at them, finish them as they are, remove them.",
    no_args_is_help=True,
)
JobArgument = Annotated[
    Path, typer.Argument(help="The folder of a job.", metavar="JOB", show_default=False)
]
JobsDebugOption = Annotated[bool, typer.Option("--debug", hidden=True)]


@jobs_app.command("list")
def list_jobs(
    folder: Annotated[
        Path, typer.Argument(help="Where to look.", metavar="FOLDER", exists=True, file_okay=False)
    ] = Path("."),
    debug: JobsDebugOption = False,
) -> None:
    """List the jobs in a folder. To go on with one, give its command: `jobs show` prints it."""
    from dreamflow.jobs.listing import list_jobs_in

    rows = [
        [
            str(job.folder),
            f"{job.frames} of {job.expected_frames}",
            f"{job.size_bytes / 1e6:.1f} MB",
            job.status,
        ]
        for job in list_jobs_in(folder)
    ]
    if not rows:
        typer.echo(f"no jobs in {folder.resolve()}")
        return
    columns = [("job", "left"), ("frames", "right"), ("on disk", "right"), ("", "left")]
    print_table("jobs", columns, rows)


@jobs_app.command("show")
def show_job(job: JobArgument, debug: JobsDebugOption = False) -> None:
    """Print how far a job is, what it was begun with, and the command that goes on with it."""
    from dreamflow.jobs.listing import inspect_job

    found = inspect_job(job)
    record, machine = found.job_metadata["record"], found.job_metadata.get("machine", {})
    rows = [
        ["output", str(found.output_path)],
        ["frames", f"{found.frames} of {found.expected_frames}"],
        ["state", found.status],
        ["source", str(record.get("source", ""))],
        *(
            [name, format_setting_value(value)]
            for name, value in machine.items()
            if name != "memory"
        ),
        *(["memory", f"{machine[name]} MB"] for name in ("memory",) if name in machine),
        *list_non_default_settings(record),
    ]
    print_table(str(job), [("", "left"), ("", "left")], rows)
    typer.echo("all other settings are as by default")
    if not found.is_running:
        typer.echo(format_resume_command(job, found.job_metadata))


def list_non_default_settings(record: dict[str, Any]) -> list[list[str]]:
    """Return the settings of a record that are not as by default: each with its flag, in words."""
    journey = record.get("command")
    others = (
        (CarryOptions, ShowOptions, ClipOptions, SweepOptions)
        if journey == "zoom"
        else (ZoomOptions,)
    )
    known = groups_by_saved_setting()
    rows: list[list[str]] = []
    for name, value in record.get("settings", {}).items():
        groups = [group for group in known.get(name, ()) if group not in others]
        if value not in [plain_value(getattr(group, name)) for group in groups]:
            rows.append([flag_of(name), format_setting_value(value)])
    return rows


def format_resume_command(job: Path, facts: dict[str, Any]) -> str:
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
def finish_job_command(
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
    debug: JobsDebugOption = False,
) -> None:
    """Make an output of the frames that are there, with their sound, and end the job."""
    from dreamflow.jobs.listing import finish_job, inspect_job
    from dreamflow.media.output_spec import OutputSpec

    outline = OutputSpec.from_dict(inspect_job(job).job_metadata["outline"])
    with stop_on_ctrl_c():
        made, frames = finish_job(job, out, overwrite)
    part = f"{frames} of " if frames < outline.frames else ""
    whole = format_count(outline.frames, "frame")
    typer.echo(f"{made}: {part}{whole}, {format_duration_and_size(frames, outline)}")


@jobs_app.command("remove")
def remove_job_command(job: JobArgument, debug: JobsDebugOption = False) -> None:
    """Remove a job and the frames that it has."""
    from dreamflow.jobs.listing import remove_job

    remove_job(job)
    typer.echo(f"{job} is removed")
