"""`dreamflow studio`: a local web page on which a look is found, tuned and rendered."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from dreamflow.studio.studio import Studio

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
    from dreamflow.studio.listening import Address, open_socket

    folders = list_folders(clip, folder)
    address = Address(host, port, os.environ.get(PASSWORD_VARIABLE))
    with stop_on_ctrl_c(), open_socket(address) as listening, ExitStack() as open_things:
        with without_garbage_collection():
            studio = make_studio(folders, machine, option_words(workers))
            open_things.callback(studio.close)
            if like is not None:
                studio.take_look_of(like)
            with ThreadPoolExecutor(1) as readers:
                source = readers.submit(studio.read, str(clip.absolute())) if clip else None
                # The page is loaded while another process reads the clip.
                from dreamflow.studio.page.server import serve_studio

                if source is not None:
                    studio.use(source.result())
                    studio.wall.show(studio.wall.name)
        print_note("starting the studio; Ctrl-C ends it, and renders go on")
        serve_studio(studio, address, listening, print_line, open_browser=browser)


STUDIO = Command(
    "studio", studio_command, Section.PREVIEW, 6, "dreamflow studio clip.mp4 --folder films"
)


@contextmanager
def without_garbage_collection() -> Generator[None]:
    """Load modules without garbage collection, which finds nothing in them and takes its time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def make_studio(folders: list[Path], machine: MachineOptions, worker_words: list[str]) -> Studio:
    """Return a studio whose worker loads PyTorch while this process loads the page."""
    from dreamflow.studio.files.folders import OpenFolders
    from dreamflow.studio.films.renders import RenderQueue
    from dreamflow.studio.home import default_queue_folder
    from dreamflow.studio.studio import Studio
    from dreamflow.studio.worker.client import PreviewWorker

    queue = RenderQueue(
        default_queue_folder(), lambda: studio.tell_queue(), machine.threads, worker_words
    )
    studio = Studio(OpenFolders(folders), queue, machine, PreviewWorker)
    studio.start_worker()
    return studio


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
