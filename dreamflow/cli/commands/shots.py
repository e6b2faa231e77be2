"""`dreamflow shots`: list where a clip cuts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dreamflow.cli.output.tables import Column, print_table
from dreamflow.cli.progress.bars import progress_bar
from dreamflow.cli.progress.options import ProgressOptions
from dreamflow.cli.registry import Command, Section
from dreamflow.cli.settings.binding import with_options
from dreamflow.cli.settings.prepare import stop_on_ctrl_c
from dreamflow.cli.settings.shared_options import DebugOption, JsonOption, OverwriteOption
from dreamflow.core.errors import OutputError
from dreamflow.core.text.wording import format_count
from dreamflow.media.options import FilmOptions

if TYPE_CHECKING:
    from dreamflow.core.frames import Frame
    from dreamflow.media.read.clip import Clip


@dataclass(frozen=True)
class ShotRow:
    """One line of the table, and one object of the JSON."""

    shot: int
    frame: int
    time_s: float
    frames: int
    length_s: float


@with_options
def shots_command(
    clip: Annotated[
        Path,
        typer.Argument(help="A film or a folder of pictures.", metavar="CLIP", show_default=False),
    ],
    out: Annotated[
        Path | None,
        typer.Argument(
            help="A text file for --cuts; you may correct it by hand.",
            metavar="OUT",
            show_default=False,
        ),
    ] = None,
    *,
    film: FilmOptions,
    sheet: Annotated[
        Path | None,
        typer.Option(help="Draw the first frame of each shot.", metavar="FILE", show_default=False),
    ] = None,
    as_json: JsonOption = False,
    overwrite: OverwriteOption = False,
    reporting: ProgressOptions,
    debug: DebugOption = False,
) -> None:
    """List the shots of a clip. Flashes, fades and fast pans are not taken for cuts."""
    from dreamflow.media.files.atomic_file import atomic_write
    from dreamflow.media.read.clip import Clip
    from dreamflow.media.read.cut_list import format_cut_list
    from dreamflow.media.stills.write import WRITABLE_PICTURE_SUFFIXES, write_picture
    from dreamflow.media.write.output_path import check_output
    from dreamflow.reports.contact_sheet import draw_contact_sheet
    from dreamflow.reports.shots import SEARCH_SIZE

    source = Clip(clip, film.clip_options(SEARCH_SIZE))
    if sheet and sheet.suffix.lower() not in WRITABLE_PICTURE_SUFFIXES:
        raise OutputError(f"{sheet}: a sheet is written as {', '.join(WRITABLE_PICTURE_SUFFIXES)}")
    for path in (p for p in (out, sheet) if p):
        check_output(path, overwrite, source.source_paths)
    first_frames, rows = find_shot_rows(source, sheet is not None, reporting.kind)
    if out:
        cuts = [(frame.index, frame.time) for frame in first_frames]
        text = format_cut_list(clip.name, cuts)
        with atomic_write(out) as part:
            part.write_text(text, encoding="utf-8", errors="backslashreplace")
    if sheet:
        labels = [f"{row.shot}: frame {row.frame}, {row.time_s:.2f} s" for row in rows]
        write_picture(sheet, draw_contact_sheet([frame.picture for frame in first_frames], labels))
    if as_json:
        typer.echo(json.dumps([vars(row) for row in rows], indent=2))
        return
    headings = ("shot", "frame", "time s", "frames", "length s")
    columns: list[Column] = [(heading, "right") for heading in headings]
    table = [
        [f"{value:.2f}" if isinstance(value, float) else str(value) for value in vars(row).values()]
        for row in rows
    ]
    print_table(f"{clip.name}: {format_count(len(rows), 'shot')}", columns, table)


SHOTS = Command(
    "shots",
    shots_command,
    Section.INSPECT,
    1,
    "dreamflow shots film.mp4 cuts.txt --sheet shots.png",
)


def find_shot_rows(
    clip: Clip, keep_pictures: bool, progress_kind: str
) -> tuple[list[Frame], list[ShotRow]]:
    """Return the first frame of each shot of a clip, and what is listed of the shot.

    Args:
        clip: The clip.
        keep_pictures: Whether the frames keep their pictures; otherwise they take no memory.
        progress_kind: How progress is shown.
    """
    from dreamflow.reports.shots import list_shots

    with (
        stop_on_ctrl_c(),
        progress_bar(f"looking at {clip.path.name}", len(clip), kind=progress_kind) as progress,
    ):
        shots = list_shots(clip, keep_pictures=keep_pictures, progress=progress)
    rows = [
        ShotRow(
            number,
            shot.first.index,
            round(float(shot.start), 3),
            shot.frames,
            round(float(shot.length), 3),
        )
        for number, shot in enumerate(shots, start=1)
    ]
    return [shot.first for shot in shots], rows
