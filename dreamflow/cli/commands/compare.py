"""`dreamflow compare`: a page on which two films or pictures are compared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dreamflow.cli.output.terminal import print_line
from dreamflow.cli.progress.bars import progress_bar
from dreamflow.cli.progress.options import ProgressOptions
from dreamflow.cli.registry import Command, Section
from dreamflow.cli.settings.binding import with_options
from dreamflow.cli.settings.prepare import stop_on_ctrl_c
from dreamflow.cli.settings.shared_options import OUTPUT_PANEL, DebugOption, OverwriteOption


@with_options
def compare_command(
    first: Annotated[
        Path, typer.Argument(help="A film or a picture.", metavar="A", show_default=False)
    ],
    second: Annotated[
        Path, typer.Argument(help="What it is compared with.", metavar="B", show_default=False)
    ],
    out: Annotated[
        Path,
        typer.Argument(
            help="The folder for index.html and its films.", metavar="FOLDER", show_default=False
        ),
    ],
    *,
    reporting: ProgressOptions,
    show: Annotated[
        bool,
        typer.Option("--open", help="Open the page when it is done.", rich_help_panel=OUTPUT_PANEL),
    ] = False,
    overwrite: OverwriteOption = False,
    debug: DebugOption = False,
) -> None:
    """Compare two films, or two pictures, on a web page that works offline.

    A wipe, side by side or their difference, played in step; and the settings in which two dreams
    differ. Films are encoded anew for the page, without sound.
    """
    from dreamflow.reports.compare.build import (
        check_comparison_folder,
        count_comparison_frames,
        make_comparison,
    )

    check_comparison_folder(out, overwrite)
    total = count_comparison_frames(first, second)
    with (
        stop_on_ctrl_c(),
        progress_bar(f"writing {out.name}", total, kind=reporting.kind) as progress,
    ):
        page = make_comparison(first, second, out, overwrite=overwrite, progress=progress)
    print_line(f"{page}: {first.name} and {second.name}")
    if show:
        typer.launch(page.resolve().as_uri())


COMPARE = Command(
    "compare", compare_command, Section.INSPECT, 6, "dreamflow compare old.mp4 new.mp4 compared"
)
