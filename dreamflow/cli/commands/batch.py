"""`dreamflow batch`: many renders, one after the other."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dreamflow.cli import terminal
from dreamflow.cli.binding import (
    MOST_USED_PANEL,
    DebugOption,
    FreshOption,
    LikeOption,
    OverwriteOption,
    PresetOption,
    WatchOption,
    escape_markup,
    is_given,
    with_options,
)
from dreamflow.cli.commands.frame import frame_command
from dreamflow.cli.commands.listing import print_table
from dreamflow.cli.commands.sweep import sweep_command
from dreamflow.cli.commands.video import add_layer_weights, render_clip
from dreamflow.cli.commands.zoom import zoom_command
from dreamflow.cli.prepare import stop_on_ctrl_c
from dreamflow.core.errors import DreamFlowError, OutputError, SettingsError, UserInterrupt
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.options.declaration import flag_of
from dreamflow.dream.options import DreamOptions
from dreamflow.media.options import ClipOptions, EncodeOptions
from dreamflow.pipelines.settings.groups import VideoSettings, diff_settings, saved_settings_dict
from dreamflow.pipelines.settings.options import ShowOptions
from dreamflow.reports.options import GuideOptions
from dreamflow.temporal.options import CarryOptions

if TYPE_CHECKING:
    from dreamflow.jobs.queue import QueuedCommand, QueuedVideo

BATCH_EXAMPLE = "Example: dreamflow batch monday.mp4 tuesday.mov --out dreams --preset fur"
QUEUE_SUFFIX = ".toml"


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
            help="The folder that the dreams of clips go into; it is made where there is none.",
            metavar="FOLDER",
            show_default=False,
            rich_help_panel=MOST_USED_PANEL,
        ),
    ] = None,
    suffix: Annotated[
        str,
        typer.Option(
            help="What they are: .mp4, .mov, .mkv, .webm, .gif or .webp; or '' for folders of "
            "PNGs.",
            metavar="SUFFIX",
            rich_help_panel=MOST_USED_PANEL,
        ),
    ] = ".mp4",
    preset: PresetOption = None,
    like: LikeOption = None,
    dream: DreamOptions,
    carry: CarryOptions,
    show: ShowOptions,
    frames: ClipOptions,
    encode: EncodeOptions,
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
    from dreamflow.jobs.queue import QueuedCommand
    from dreamflow.media.read.picture_folder import is_glob

    settings = VideoSettings(dream, carry, frames, encode, show)
    renders = collect_renders(ctx, sources, folder, suffix, settings)
    rows: list[list[str]] = []
    failed = 0
    for source in (one.source for one in renders if one.source):
        if not source.exists() and not is_glob(source):
            # It will fail in its turn; who starts a night's work wants to know now.
            terminal.print_warning(f"{source} does not exist")
    try:
        for number, render in enumerate(renders, start=1):
            terminal.print_note(
                f"{number} of {len(renders)}: {render.source or 'noise'} to {render.out}"
            )
            try:
                if not overwrite and is_already_done(render):
                    rows.append(["done before", str(render.out), ""])
                    continue
                with stop_on_ctrl_c():
                    if isinstance(render, QueuedCommand):
                        said = run_queued_command(render, machine, overwrite, fresh, watch)
                    else:
                        where = (render.source, render.out)
                        said = render_clip(
                            *where, render.settings, machine, overwrite, fresh, watch
                        )
                rows.append(["done", str(render.out), said.split(": ", 1)[-1]])
            except UserInterrupt:
                raise
            except Exception as error:
                if debug:
                    raise
                ours = not isinstance(error, DreamFlowError)
                said = (
                    terminal.format_internal_error(error) if ours else terminal.format_error(error)
                )
                terminal.print_error(said)
                failed += 1
                rows.append(["FAILED", str(render.out), said])
    finally:
        left = renders[len(rows) :]
        rows += [["not done", str(render.out), "the same command goes on"] for render in left]
        title = sources[0].name if folder is None else str(folder)
        print_table(title, [("", "left"), ("output", "left"), ("", "left")], rows)
    if failed:
        terminal.print_error(f"{failed} of {len(renders)} renders failed")
        raise typer.Exit(1)


def collect_renders(
    ctx: typer.Context,
    sources: list[Path],
    folder: Path | None,
    suffix: str,
    settings: VideoSettings,
) -> list[QueuedVideo | QueuedCommand]:
    """Return what is to be rendered: what a queue says, or each clip with the same settings."""
    from dreamflow.jobs.queue import queue_clips, read_queue
    from dreamflow.media.write.containers import container_format_for

    queues = [source for source in sources if source.suffix.lower() == QUEUE_SUFFIX]
    if queues:
        if len(sources) > 1:
            raise SettingsError(f"{queues[0]} is a queue, which is given alone")
        saved = {"folder": "--out", "suffix": "--suffix", "preset": "--preset", "like": "--like"}
        saved |= {name: flag_of(name) for name in saved_settings_dict(*vars(settings).values())}
        given = [flag for name, flag in saved.items() if is_given(ctx, name)]
        if given:
            raise SettingsError(f"{given[0]} is for clips: a queue's settings stand in {queues[0]}")
        return read_queue(queues[0])
    if folder is None:
        raise SettingsError("name the folder that the dreams go into: --out FOLDER")
    renders = queue_clips(sources, folder, suffix, settings)
    container_format_for(renders[0].out)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"--out {folder} cannot be made: {error.strerror}") from error
    return [*renders]


def run_queued_command(
    entry: QueuedCommand, machine: MachineOptions, overwrite: bool, fresh: bool, watch: Path | None
) -> str:
    """Run another command than `video`, and return a line that says what came of it."""
    from dreamflow.jobs.queue import FRAME_COMMAND, SWEEP_COMMAND, ZOOM_COMMAND

    commands: dict[str, Callable[..., None]] = {
        SWEEP_COMMAND: sweep_command,
        ZOOM_COMMAND: zoom_command,
        FRAME_COMMAND: frame_command,
    }
    given = {**entry.settings, **vars(machine), "overwrite": overwrite}
    if entry.command != FRAME_COMMAND:
        given |= {"fresh": fresh, "watch": watch}
    sources = [entry.source] if entry.source else []
    with contextlib.redirect_stdout(io.StringIO()) as said:
        commands[entry.command](*sources, entry.out, **given)
    return said.getvalue().strip()


def is_already_done(entry: QueuedVideo | QueuedCommand) -> bool:
    """Return whether an output is there, whole and of the same settings.

    Raises OutputError where it is, but was made from other files than there are now.
    """
    from dreamflow.jobs.fingerprints import find_changed_inputs
    from dreamflow.jobs.queue import QueuedCommand
    from dreamflow.jobs.storage.folder import is_job_folder, job_folder_path
    from dreamflow.media.write.metadata import read_record_if_any

    if not entry.out.exists() or is_job_folder(job_folder_path(entry.out)):
        return False
    record = read_record_if_any(entry.out)
    ran = isinstance(entry, QueuedCommand)
    settings = collect_run_settings(entry) if ran else collect_render_settings(entry)
    if not (
        record_matches_run(entry, record, settings)
        if ran
        else record_matches_render(record, settings)
    ):
        return False
    if others := find_changed_inputs(record, entry.source, settings):
        raise OutputError(
            f"{entry.out} was made from another {' and another '.join(others)} than there is now; "
            "move it away to have it dreamed anew"
        )
    return True


def collect_run_settings(entry: QueuedCommand) -> dict[str, Any]:
    """Return all settings of a run, as its output keeps them."""
    from dreamflow.jobs.queue import SWEEP_COMMAND, get_option_groups

    settings = saved_settings_dict(*get_option_groups(entry))
    if entry.command == SWEEP_COMMAND:
        del settings["layer"]  # there it is the schedule that was made of `layers`
    return settings


def record_matches_run(
    entry: QueuedCommand, record: dict[str, Any], settings: dict[str, Any]
) -> bool:
    """Return whether a record is that of a run with these settings."""
    from dreamflow.media.write.metadata import requested_settings

    at = entry.settings.get("at", GuideOptions.at)
    return (
        record.get("command") == entry.command
        and record.get("at", at) == at  # a picture's says nothing of it
        and not settings.keys() & diff_settings(requested_settings(record), settings).keys()
    )


def collect_render_settings(entry: QueuedVideo) -> dict[str, Any]:
    """Return all settings of a render, as its output keeps them."""
    chosen = entry.settings
    groups = (
        add_layer_weights(chosen.dream),
        chosen.carry,
        chosen.show,
        chosen.clip,
        chosen.encode,
    )
    return saved_settings_dict(*groups)


def record_matches_render(record: dict[str, Any], settings: dict[str, Any]) -> bool:
    """Return whether a record is that of a render with these settings."""
    from dreamflow.media.write.metadata import requested_settings

    return record.get("command") == "video" and not diff_settings(
        requested_settings(record), settings
    )
