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
    MOST_USED,
    DebugOption,
    FreshOption,
    LikeOption,
    OverwriteOption,
    PresetOption,
    WatchOption,
    is_given,
    literal,
    with_options,
)
from dreamflow.cli.frame import frame
from dreamflow.cli.listing import print_table
from dreamflow.cli.prepare import stoppable
from dreamflow.cli.sweep import sweep
from dreamflow.cli.video import dream_clip, in_full
from dreamflow.cli.zoom import zoom
from dreamflow.errors import DreamFlowError, OutputError, SettingsError, Stopped
from dreamflow.options import (
    CarryOptions,
    ClipOptions,
    DreamOptions,
    EncodeOptions,
    GuideOptions,
    MachineOptions,
    ShowOptions,
    VideoSettings,
    altered,
    as_dict,
)
from dreamflow.settings import flag_of

if TYPE_CHECKING:
    from dreamflow.queue import Render, Run

EXAMPLE = "Example: dreamflow batch monday.mp4 tuesday.mov --out dreams --preset fur"
QUEUE = ".toml"


@with_options
def batch(
    ctx: typer.Context,
    sources: Annotated[
        list[Path],
        typer.Argument(
            help=literal(
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
            rich_help_panel=MOST_USED,
        ),
    ] = None,
    suffix: Annotated[
        str,
        typer.Option(
            help="What they are: .mp4, .mov, .mkv, .webm, .gif or .webp; or '' for folders of "
            "PNGs.",
            metavar="SUFFIX",
            rich_help_panel=MOST_USED,
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
    from dreamflow.media.pictures import is_glob
    from dreamflow.queue import Run

    settings = VideoSettings(dream, carry, frames, encode, show)
    renders = renders_of(ctx, sources, folder, suffix, settings)
    rows: list[list[str]] = []
    failed = 0
    for source in (one.source for one in renders if one.source):
        if not source.exists() and not is_glob(source):
            # It will fail in its turn; who starts a night's work wants to know now.
            terminal.warning(f"{source} does not exist")
    try:
        for number, render in enumerate(renders, start=1):
            terminal.note(f"{number} of {len(renders)}: {render.source or 'noise'} to {render.out}")
            try:
                if not overwrite and done_before(render):
                    rows.append(["done before", str(render.out), ""])
                    continue
                with stoppable():
                    if isinstance(render, Run):
                        said = run(render, machine, overwrite, fresh, watch)
                    else:
                        where = (render.source, render.out)
                        said = dream_clip(*where, render.settings, machine, overwrite, fresh, watch)
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
        left = renders[len(rows) :]
        rows += [["not done", str(render.out), "the same command goes on"] for render in left]
        title = sources[0].name if folder is None else str(folder)
        print_table(title, [("", "left"), ("output", "left"), ("", "left")], rows)
    if failed:
        terminal.error(f"{failed} of {len(renders)} renders failed")
        raise typer.Exit(1)


def renders_of(
    ctx: typer.Context,
    sources: list[Path],
    folder: Path | None,
    suffix: str,
    settings: VideoSettings,
) -> list[Render | Run]:
    """Return what is to be rendered: what a queue says, or each clip with the same settings."""
    from dreamflow.media.formats import format_of
    from dreamflow.queue import queue_of, read_queue

    queues = [source for source in sources if source.suffix.lower() == QUEUE]
    if queues:
        if len(sources) > 1:
            raise SettingsError(f"{queues[0]} is a queue, which is given alone")
        saved = {"folder": "--out", "suffix": "--suffix", "preset": "--preset", "like": "--like"}
        saved |= {name: flag_of(name) for name in as_dict(*vars(settings).values())}
        given = [flag for name, flag in saved.items() if is_given(ctx, name)]
        if given:
            raise SettingsError(f"{given[0]} is for clips: a queue's settings stand in {queues[0]}")
        return read_queue(queues[0])
    if folder is None:
        raise SettingsError("name the folder that the dreams go into: --out FOLDER")
    renders = queue_of(sources, folder, suffix, settings)
    format_of(renders[0].out)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"--out {folder} cannot be made: {error.strerror}") from error
    return [*renders]


def run(
    wanted: Run, machine: MachineOptions, overwrite: bool, fresh: bool, watch: Path | None
) -> str:
    """Run another command than `video`, and return a line that says what came of it."""
    from dreamflow.queue import FRAME, SWEEP, ZOOM

    commands: dict[str, Callable[..., None]] = {SWEEP: sweep, ZOOM: zoom, FRAME: frame}
    given = {**wanted.settings, **vars(machine), "overwrite": overwrite}
    if wanted.command != FRAME:
        given |= {"fresh": fresh, "watch": watch}
    sources = [wanted.source] if wanted.source else []
    with contextlib.redirect_stdout(io.StringIO()) as said:
        commands[wanted.command](*sources, wanted.out, **given)
    return said.getvalue().strip()


def done_before(wanted: Render | Run) -> bool:
    """Return whether an output is there, whole and of the same settings.

    Raises OutputError where it is, but was made from other files than there are now.
    """
    from dreamflow.media.folder import is_job, job_path
    from dreamflow.media.metadata import record_of
    from dreamflow.queue import Run
    from dreamflow.render.inputs import others_since

    if not wanted.out.exists() or is_job(job_path(wanted.out)):
        return False
    record = record_of(wanted.out)
    ran = isinstance(wanted, Run)
    settings = settings_of_run(wanted) if ran else settings_of_render(wanted)
    if not (was_run(wanted, record, settings) if ran else was_rendered(record, settings)):
        return False
    if others := others_since(record, wanted.source, settings):
        raise OutputError(
            f"{wanted.out} was made from another {' and another '.join(others)} than there is now; "
            "move it away to have it dreamed anew"
        )
    return True


def settings_of_run(wanted: Run) -> dict[str, Any]:
    """Return all settings of a run, as its output keeps them."""
    from dreamflow.queue import SWEEP, groups_of

    settings = as_dict(*groups_of(wanted))
    if wanted.command == SWEEP:
        del settings["layer"]  # there it is the schedule that was made of `layers`
    return settings


def was_run(wanted: Run, record: dict[str, Any], settings: dict[str, Any]) -> bool:
    """Return whether a record is that of a run with these settings."""
    from dreamflow.media.metadata import asked_of

    at = wanted.settings.get("at", GuideOptions.at)
    return (
        record.get("command") == wanted.command
        and record.get("at", at) == at  # a picture's says nothing of it
        and not settings.keys() & altered(asked_of(record), settings).keys()
    )


def settings_of_render(wanted: Render) -> dict[str, Any]:
    """Return all settings of a render, as its output keeps them."""
    chosen = wanted.settings
    groups = (in_full(chosen.dream), chosen.carry, chosen.show, chosen.clip, chosen.encode)
    return as_dict(*groups)


def was_rendered(record: dict[str, Any], settings: dict[str, Any]) -> bool:
    """Return whether a record is that of a render with these settings."""
    from dreamflow.media.metadata import asked_of

    return record.get("command") == "video" and not altered(asked_of(record), settings)
