"""`dreamflow jobs`: renders that were interrupted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from dreamflow.cli.help import CommandGroup
from dreamflow.cli.output.tables import print_table
from dreamflow.cli.output.terminal import print_line, print_note
from dreamflow.cli.progress.options import ProgressOptions
from dreamflow.cli.registry import Command, Section
from dreamflow.cli.resume_command import format_resume_command
from dreamflow.cli.settings.binding import with_options
from dreamflow.cli.settings.prepare import format_duration_and_size, stop_on_ctrl_c
from dreamflow.cli.settings.shared_options import HiddenDebugOption, OverwriteOption
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.options.declaration import flag_of, format_setting_value, plain_value
from dreamflow.core.text.wording import format_count
from dreamflow.jobs.shards.options import ShardOptions
from dreamflow.media.options import ClipOptions
from dreamflow.pipelines.settings.groups import groups_by_saved_setting
from dreamflow.pipelines.settings.options import ShowOptions, SweepOptions, ZoomOptions
from dreamflow.temporal.options import CarryOptions

jobs_app = CommandGroup(
    help="Interrupted renders: list them, look at one, make a film of its frames, remove it.",
    no_args_is_help=True,
)
JobArgument = Annotated[
    Path, typer.Argument(help="The folder of a job.", metavar="JOB", show_default=False)
]
ClusterOption = Annotated[
    str | None,
    typer.Option(
        help="Have the machines of a Ray cluster render: ray://HOST:10001, auto or local.",
        metavar="ADDRESS",
        show_default=False,
    ),
]
ClusterWorkersOption = Annotated[
    str | None,
    typer.Option(help="Workers on the cluster at most.", metavar="N", show_default=False),
]
MixedOption = Annotated[
    bool,
    typer.Option(
        "--mixed",
        help="Render also where version, device, precision or threads are not the job's.",
    ),
]
JOBS_GROUP = Command("jobs", jobs_app, Section.RENDER, 5)
GROUPS_NOT_OF_ZOOM = (CarryOptions, ShowOptions, ClipOptions, SweepOptions)
GROUPS_ONLY_OF_ZOOM = (ZoomOptions,)


@jobs_app.command("list")
def list_jobs(
    folder: Annotated[
        Path, typer.Argument(help="Where to look.", metavar="FOLDER", exists=True, file_okay=False)
    ] = Path("."),
    debug: HiddenDebugOption = False,
) -> None:
    """List the jobs in a folder, and in those in it. `jobs show` prints what resumes one."""
    from dreamflow.jobs.listing import list_jobs_below

    rows = [
        [
            str(job.folder),
            f"{job.frames} of {job.expected_frames}",
            f"{job.size_bytes / 1e6:.1f} MB",
            job.status,
        ]
        for job in list_jobs_below(folder)
    ]
    if not rows:
        print_line(f"no jobs in {folder.resolve()}, nor in the folders in it")
        return
    print_table(
        "jobs", [("job", "left"), ("frames", "right"), ("on disk", "right"), ("", "left")], rows
    )


@jobs_app.command("show")
def show_job(job: JobArgument, debug: HiddenDebugOption = False) -> None:
    """Print how far a job is, its settings, and the command that resumes it."""
    from dreamflow.jobs.listing import inspect_job

    info = inspect_job(job)
    record, machine = info.job_metadata["record"], info.job_metadata.get("machine", {})
    rows = [
        ["output", str(info.output_path)],
        ["frames", f"{info.frames} of {info.expected_frames}"],
        ["state", info.status],
        ["source", str(record.get("source", ""))],
        *(
            [name, format_setting_value(value)]
            for name, value in machine.items()
            if name != "memory"
        ),
    ]
    if "memory" in machine:
        rows.append(["memory", f"{machine['memory']} MB"])
    rows += list_non_default_settings(record)
    rows += list_shard_rows(job)
    print_table(str(job), [("", "left"), ("", "left")], rows)
    typer.echo("all other settings have their defaults")
    if not info.is_running:
        typer.echo(format_resume_command(job, info.job_metadata))


def list_shard_rows(job: Path) -> list[list[str]]:
    """Return what is done of each shard of a job; nothing for one that is not cut into shards."""
    from dreamflow.jobs.storage.folder import has_shards

    if not has_shards(job):
        return []
    from dreamflow.jobs.shards.shard import count_shard_frames, is_shard_locked
    from dreamflow.jobs.shards.worker import open_sharded_job

    sharded = open_sharded_job(job)
    return [
        [
            f"shard {number + 1}",
            f"{count_shard_frames(sharded, number)} of {format_count(shard.frames, 'frame')}"
            + (", is being rendered" if is_shard_locked(sharded, number) else ""),
        ]
        for number, shard in enumerate(sharded.plan.shards)
    ]


def list_non_default_settings(record: Mapping[str, Any]) -> list[list[str]]:
    """Return the flag and value of each setting in a record that differs from its default."""
    is_zoom = record.get("command") == "zoom"
    foreign = GROUPS_NOT_OF_ZOOM if is_zoom else GROUPS_ONLY_OF_ZOOM
    known = groups_by_saved_setting()
    rows: list[list[str]] = []
    for name, value in record.get("settings", {}).items():
        groups = [group for group in known.get(name, ()) if group not in foreign]
        if value not in [plain_value(getattr(group, name)) for group in groups]:
            rows.append([flag_of(name), format_setting_value(value)])
    return rows


@jobs_app.command("finish")
def finish_job_command(
    job: JobArgument,
    out: Annotated[
        Path | None,
        typer.Argument(
            help="Another output, of the same suffix: then the job stays, and can be resumed.",
            metavar="OUT",
            show_default=False,
        ),
    ] = None,
    *,
    overwrite: OverwriteOption = False,
    silent: Annotated[
        bool,
        typer.Option(
            "--silent", help="Leave the source's sound out, also where the source is gone."
        ),
    ] = False,
    debug: HiddenDebugOption = False,
) -> None:
    """Make an output of the frames that are done, with their sound, and end the job."""
    from dreamflow.jobs.listing import finish_job, inspect_job
    from dreamflow.jobs.resume.first_format import adopt_first_format

    with stop_on_ctrl_c():
        adopt_first_format(job)
        output_spec = inspect_job(job).output_spec
        output_path, frames = finish_job(job, out, overwrite, silent)
    part = f"{frames} of " if frames < output_spec.frames else ""
    whole = format_count(output_spec.frames, "frame")
    print_line(f"{output_path}: {part}{whole}, {format_duration_and_size(frames, output_spec)}")


@jobs_app.command("shard")
@with_options
def render_shards_command(
    shards: Annotated[
        str,
        typer.Argument(
            help="Which, counted from 1: 3, 1-4, 2,5 or all, which leaves out what others render.",
            metavar="N",
            show_default=False,
        ),
    ],
    job: JobArgument,
    *,
    machine: MachineOptions,
    reporting: ProgressOptions,
    cluster: ClusterOption = None,
    workers: ClusterWorkersOption = None,
    mixed: MixedOption = False,
    until_closed: Annotated[bool, typer.Option("--until-closed", hidden=True)] = False,
    debug: HiddenDebugOption = False,
) -> None:
    """Render shards of a job that `dreamflow video --workers 0` has begun, on any machine."""
    from dreamflow.cli.shard_worker import render_shards

    crew = ShardOptions(workers=workers, cluster=cluster, mixed=mixed)
    with stop_on_ctrl_c():
        print_line(render_shards(shards, job, machine, reporting.kind, crew, until_closed))


@jobs_app.command("join")
@with_options
def join_job_command(
    job: JobArgument,
    *,
    reporting: ProgressOptions,
    overwrite: OverwriteOption = False,
    debug: HiddenDebugOption = False,
) -> None:
    """Make the output of a job whose shards are all rendered."""
    from dreamflow.cli.progress.bars import progress_bar
    from dreamflow.jobs.controls import RenderControls
    from dreamflow.jobs.shards.join_job import join_job

    with stop_on_ctrl_c(), progress_bar(f"joining {job.name}", 1, kind=reporting.kind) as progress:
        controls = RenderControls(progress, print_note, overwrite=overwrite)
        out, spec, result = join_job(job, controls)
    whole = format_count(result.frames, "frame")
    print_line(f"{out}: {whole}, {format_duration_and_size(result.frames, spec)}")


@jobs_app.command("remove")
def remove_job_command(job: JobArgument, debug: HiddenDebugOption = False) -> None:
    """Remove a job and its frames."""
    from dreamflow.jobs.listing import remove_job

    remove_job(job)
    print_line(f"{job} is removed")
