"""`dreamflow studio`: a local web page on which a look is found, tuned and rendered."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from dreamflow.cli.output.terminal import print_line, print_note
from dreamflow.cli.registry import Command, Section
from dreamflow.cli.settings.binding import with_options
from dreamflow.cli.settings.prepare import stop_on_ctrl_c
from dreamflow.cli.settings.shared_options import DebugOption
from dreamflow.cli.settings.workers import option_words
from dreamflow.core.errors import DependencyError, SettingsError, named
from dreamflow.core.machine.options import MachineOptions
from dreamflow.jobs.shards.options import ShardOptions

SERVER_PANEL = "Server"
PASSWORD_VARIABLE = "DREAMFLOW_STUDIO_PASSWORD"
"""Environment variable with the password for other machines."""


@with_options
def studio_command(
    clip: Annotated[
        Path | None,
        typer.Argument(help="A clip or picture to open.", metavar="CLIP", show_default=False),
    ] = None,
    *,
    folder: Annotated[
        list[Path] | None,
        typer.Option(
            help="Open this folder to the page, to read clips from and write films to; repeat for "
            "several. Without it, that of the clip, else the current one.",
            metavar="FOLDER",
            show_default=False,
        ),
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(
            help="Begin with the look of a dream made before.", metavar="FILE", show_default=False
        ),
    ] = None,
    port: Annotated[
        int,
        typer.Option(
            help="Port; 0 is any that is free.", min=0, max=65535, rich_help_panel=SERVER_PANEL
        ),
    ] = 0,
    host: Annotated[
        str,
        typer.Option(
            help=f"Address to serve at; another than this machine's own needs a password in "
            f"${PASSWORD_VARIABLE}.",
            metavar="ADDRESS",
            rich_help_panel=SERVER_PANEL,
        ),
    ] = "127.0.0.1",
    browser: Annotated[
        bool,
        typer.Option("--browser/--no-browser", help="Open the page.", rich_help_panel=SERVER_PANEL),
    ] = True,
    machine: MachineOptions,
    workers: ShardOptions,
    debug: DebugOption = False,
) -> None:
    """Find a look, tune it and render it, on a web page that only this machine serves.

    Every picture is a warm preview, and every film a command that can be copied. Films are rendered
    in processes of their own, and go on when the page or the studio is closed.
    """
    check_studio_is_installed()
    from dreamflow.studio.files.folders import OpenFolders
    from dreamflow.studio.films.renders import RenderQueue
    from dreamflow.studio.home import default_queue_folder
    from dreamflow.studio.studio import Studio
    from dreamflow.studio.worker.client import PreviewWorker

    folders = OpenFolders(list_folders(clip, folder))
    queue = RenderQueue(
        default_queue_folder(),
        lambda: studio.tell_queue(),
        machine.threads,
        option_words(workers),
    )
    studio = Studio(folders, queue, machine, PreviewWorker)
    studio.start_worker()  # loads PyTorch while this process loads the page
    if like is not None:
        from dreamflow.pipelines.settings.save_preset import read_look_of

        studio.take(read_look_of(like), like.stem)
    if clip is not None:
        studio.open(str(clip.absolute()))
        studio.show_wall(studio.wall)
    from dreamflow.studio.page.server import Address, serve_studio

    address = Address(host, port, os.environ.get(PASSWORD_VARIABLE))
    with stop_on_ctrl_c():
        print_note("starting the studio; Ctrl-C ends it, and renders go on")
        serve_studio(studio, address, print_line, open_browser=browser)


STUDIO = Command(
    "studio", studio_command, Section.PREVIEW, 6, "dreamflow studio clip.mp4 --folder films"
)


def check_studio_is_installed() -> None:
    """Raise DependencyError where the studio's library is missing."""
    import importlib.util

    if importlib.util.find_spec("nicegui") is None:
        raise DependencyError(
            "the studio needs NiceGUI, which is not installed: pip install 'dreamflow[studio]'"
        )


def list_folders(clip: Path | None, folders: list[Path] | None) -> list[Path]:
    """Return the folders to open: those named, else the clip's, else the current one."""
    if folders:
        outside = clip is not None and not any(
            clip.resolve().is_relative_to(folder.resolve()) for folder in folders
        )
        return [*folders, *([clip.resolve().parent] if outside and clip else [])]
    if clip is None:
        return [Path.cwd()]
    if not clip.exists():
        raise SettingsError(
            f"{clip} does not exist; {named('folder')} FOLDER opens a folder to choose from",
            value=str(clip),
        )
    return [clip.resolve().parent]
