"""`dreamflow batch`: many renders, one after the other."""

from __future__ import annotations

import contextlib
import io
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dreamflow.cli.batch_worker import FAILED, RenderResult, RenderWorker
from dreamflow.cli.commands.frame import frame_command
from dreamflow.cli.commands.sweep import sweep_command
from dreamflow.cli.commands.video import render_clip
from dreamflow.cli.commands.zoom import zoom_command
from dreamflow.cli.finished_outputs import is_already_done
from dreamflow.cli.output.tables import print_table
from dreamflow.cli.output.terminal import (
    format_error,
    format_internal_error,
    print_error,
    print_note,
)
from dreamflow.cli.progress.options import ProgressOptions
from dreamflow.cli.registry import Command, Section
from dreamflow.cli.settings.binding import MOST_USED_PANEL, escape_markup, with_options
from dreamflow.cli.settings.inherited import is_given
from dreamflow.cli.settings.prepare import RenderFlags, list_input_paths, stop_on_ctrl_c
from dreamflow.cli.settings.shared_options import (
    DebugOption,
    FreshOption,
    LikeAllOption,
    LikeOption,
    OverwriteOption,
    PresetOption,
    RepairOption,
    WatchOption,
)
from dreamflow.core.errors import (
    DreamFlowError,
    OutputError,
    SettingsError,
    SkippedItemWarning,
    UserInterrupt,
    named,
)
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.options.declaration import flag_of
from dreamflow.dream.options import DreamOptions
from dreamflow.jobs.shards.options import ShardOptions
from dreamflow.media.options import ClipOptions, EncodeOptions
from dreamflow.media.sound.options import SoundOptions
from dreamflow.pipelines.settings.groups import VideoSettings, saved_settings_dict
from dreamflow.pipelines.settings.options import ShowOptions
from dreamflow.temporal.options import CarryOptions

if TYPE_CHECKING:
    from dreamflow.jobs.queue import QueuedCommand, QueuedVideo

    QueuedRender = QueuedVideo | QueuedCommand

QUEUE_SUFFIX = ".toml"
LOOK_AGAIN_S = 2.0
"""Seconds between two looks at renders that are all being worked on by other processes."""
ELSEWHERE = "elsewhere", "another process works on it"
"""How a render ended that another process has; it is looked at again when the others are done."""
NOT_DONE = "not done", "the same command goes on"
"""How a render ended that was not begun."""


@with_options
def batch_command(
    ctx: typer.Context,
    sources: Annotated[
        list[Path],
        typer.Argument(
            help=escape_markup(
                "Clips; or a .toml file: [defaults] with settings, and a [[render]] with source "
                "and out for each."
            ),
            metavar="CLIP...|QUEUE",
            show_default=False,
        ),
    ],
    *,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="The folder for the dreams of clips; it is made if there is none.",
            metavar="FOLDER",
            show_default=False,
            rich_help_panel=MOST_USED_PANEL,
        ),
    ] = None,
    suffix: Annotated[
        str,
        typer.Option(
            help="Their format: .mp4, .mov, .mkv, .webm, .gif or .webp; or '' for folders of PNGs.",
            metavar="SUFFIX",
            rich_help_panel=MOST_USED_PANEL,
        ),
    ] = ".mp4",
    preset: PresetOption = None,
    like: LikeOption = None,
    like_all: LikeAllOption = None,
    dream: DreamOptions,
    carry: CarryOptions,
    show: ShowOptions,
    sound: SoundOptions,
    frames: ClipOptions,
    encode: EncodeOptions,
    machine: MachineOptions,
    workers: ShardOptions,
    reporting: ProgressOptions,
    overwrite: OverwriteOption = False,
    fresh: FreshOption = False,
    repair: RepairOption = False,
    watch: WatchOption = None,
    debug: DebugOption = False,
) -> None:
    """Dream many clips, one after the other. One that fails does not stop the rest.

    Each is a job of its own: the same command, given again, resumes those that were interrupted and
    leaves out those that are done. A render that crashes does not stop the rest either. Several
    such commands, on one machine or on many, share the renders. The exit code is 0 if all are done.
    """
    settings = VideoSettings(dream, carry, frames, encode, show, sound)
    renders = collect_renders(ctx, sources, folder, suffix, settings)
    warn_of_missing_sources(renders)
    inputs = list_input_paths(sources, dream, carry, show, sound, machine, preset=preset)
    flags = RenderFlags(
        overwrite,
        fresh,
        watch,
        progress_kind=reporting.kind,
        repair=repair,
        inputs=inputs,
        allow_playlist=frames.allow_playlist,
    )
    rows: list[list[str]] = []
    run_one = partial(run_render, machine=machine, workers=workers, flags=flags, debug=debug)
    worker = RenderWorker(run_one)
    waiting = deque(enumerate(renders, start=1))
    results: dict[int, RenderResult] = {}
    try:
        while waiting:
            number, render = waiting.popleft()
            if results.get(number) != ELSEWHERE:
                print_note(
                    f"{number} of {len(renders)}: {render.source or 'noise'} to {render.out}"
                )
            elif all(results.get(other) == ELSEWHERE for other, _ in waiting):
                time.sleep(LOOK_AGAIN_S)
            results[number] = run_one(render) if debug else worker.run(render)
            if results[number] == ELSEWHERE:
                waiting.append((number, render))
    finally:
        worker.close()
        for number, render in enumerate(renders, start=1):
            state, summary = results.get(number, NOT_DONE)
            rows.append([state, str(render.out), summary])
        title = sources[0].name if folder is None else str(folder)
        print_table(title, [("", "left"), ("output", "left"), ("", "left")], rows)
    failures = sum(state == FAILED for state, *_ in rows)
    if failures:
        print_error(f"{failures} of {len(renders)} renders failed")
        raise typer.Exit(1)


BATCH = Command(
    "batch",
    batch_command,
    Section.RENDER,
    4,
    "dreamflow batch monday.mp4 tuesday.mov --out dreams --preset fur",
)


def collect_renders(
    ctx: typer.Context,
    sources: Sequence[Path],
    folder: Path | None,
    suffix: str,
    settings: VideoSettings,
) -> Sequence[QueuedRender]:
    """Return the renders of a queue, or one of each clip, all with the same settings."""
    from dreamflow.jobs.queue import queue_clips, read_queue
    from dreamflow.media.write.containers import container_format_for

    queues = [source for source in sources if source.suffix.lower() == QUEUE_SUFFIX]
    if queues:
        check_queue_alone(ctx, sources, queues[0], settings)
        return read_queue(queues[0])
    if folder is None:
        raise SettingsError(f"name the folder for the dreams: {named('out')} FOLDER", setting="out")
    renders = queue_clips(sources, folder, suffix, settings)
    container_format_for(renders[0].out)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{named('out')} {folder} cannot be made: {error.strerror}", setting="out", value=folder
        ) from error
    return renders


def check_queue_alone(
    ctx: typer.Context, sources: Sequence[Path], queue: Path, settings: VideoSettings
) -> None:
    """Raise SettingsError where clips or settings are given beside a queue."""
    if len(sources) > 1:
        raise SettingsError(f"{queue} is a queue: give it without other clips", value=queue)
    flags = {"folder": "--out", "suffix": "--suffix", "preset": "--preset", "like": "--like"}
    flags["like_all"] = "--like-all"
    flags |= {name: flag_of(name) for name in saved_settings_dict(*vars(settings).values())}
    given = next((name for name in flags if is_given(ctx, name)), None)
    if given:
        raise SettingsError(
            f"{flags[given]} is for clips: the settings of a queue stand in {queue}",
            setting=given,
            where=str(queue),
        )


def warn_of_missing_sources(renders: Iterable[QueuedRender]) -> None:
    """Warn of sources that do not exist before the first render begins, which may take hours."""
    from dreamflow.media.read.sequences.picture_files import is_file_pattern

    for source in (render.source for render in renders):
        if source and not source.exists() and not is_file_pattern(source):
            warnings.warn(f"{source} does not exist", SkippedItemWarning, 2)


def run_render(
    render: QueuedRender,
    machine: MachineOptions,
    workers: ShardOptions,
    flags: RenderFlags,
    debug: bool,
) -> RenderResult:
    """Run one render of a batch, and return how it ended and a line about it; print its error."""
    from dreamflow.jobs.queue import QueuedCommand
    from dreamflow.jobs.storage.folder import JobLockedError

    try:
        if not flags.overwrite and is_already_done(render):
            return "done before", ""
        with stop_on_ctrl_c():
            if isinstance(render, QueuedCommand):
                line = run_queued_command(render, machine, workers, flags)
            else:
                clip = replace(render.settings.clip, allow_playlist=flags.allow_playlist)
                settings = replace(render.settings, clip=clip)
                line = render_clip(render.source, render.out, settings, machine, flags, workers)
        return "done", line.split(": ", 1)[-1]
    except UserInterrupt:
        raise
    except JobLockedError:
        return ELSEWHERE
    except Exception as error:
        if debug:
            raise
        is_known = isinstance(error, DreamFlowError)
        message = format_error(error) if is_known else format_internal_error(error)
        print_error(message)
        return FAILED, message


def run_queued_command(
    entry: QueuedCommand, machine: MachineOptions, workers: ShardOptions, flags: RenderFlags
) -> str:
    """Run another command than `video`, and return the line that it prints."""
    from dreamflow.jobs.queue import FRAME_COMMAND, SWEEP_COMMAND, ZOOM_COMMAND

    commands: dict[str, Callable[..., None]] = {
        SWEEP_COMMAND: sweep_command,
        ZOOM_COMMAND: zoom_command,
        FRAME_COMMAND: frame_command,
    }
    given = {**entry.settings, **vars(machine), "overwrite": flags.overwrite}
    given |= {"progress": flags.progress_kind, "allow_playlist": flags.allow_playlist}
    if entry.command == SWEEP_COMMAND:
        given |= vars(workers)
    if entry.command != FRAME_COMMAND:
        given |= {"fresh": flags.fresh, "watch": flags.watch, "repair": flags.repair}
    sources = [entry.source] if entry.source else []
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        commands[entry.command](*sources, entry.out, **given)
    return printed.getvalue().strip()
