"""`dreamflow shots`: where a clip cuts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from dreamflow.cli import terminal
from dreamflow.cli.binding import DebugOption, OverwriteOption
from dreamflow.cli.commands.listing import print_table
from dreamflow.cli.prepare import stop_on_ctrl_c
from dreamflow.core.errors import OutputError
from dreamflow.core.wording import format_count
from dreamflow.media.options import ClipOptions

SHOTS_EXAMPLE = "Example: dreamflow shots film.mp4 cuts.txt --sheet shots.png"
THUMBNAIL_SIZE = "320"


def shots_command(
    clip: Annotated[
        Path,
        typer.Argument(help="A film or a folder of pictures.", metavar="CLIP", show_default=False),
    ],
    out: Annotated[
        Path | None,
        typer.Argument(
            help="A text file for --cuts: correct it where it errs.",
            metavar="OUT",
            show_default=False,
        ),
    ] = None,
    *,
    sheet: Annotated[
        Path | None,
        typer.Option(help="Draw the first frame of each shot.", metavar="FILE", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    overwrite: OverwriteOption = False,
    debug: DebugOption = False,
) -> None:
    """List the shots of a clip: hard cuts, told apart from flashes, fades and fast pans."""
    from dreamflow.media.read.clip import Clip
    from dreamflow.media.read.cut_list import format_cut_list
    from dreamflow.media.stills import WRITABLE_PICTURE_SUFFIXES, write_picture
    from dreamflow.media.write.output_path import check_output
    from dreamflow.reports.contact_sheet import draw_contact_sheet
    from dreamflow.temporal.shots import Mark, find_shots

    source = Clip(clip, ClipOptions(size=THUMBNAIL_SIZE))
    if sheet and sheet.suffix.lower() not in WRITABLE_PICTURE_SUFFIXES:
        raise OutputError(f"{sheet}: a sheet is written as {', '.join(WRITABLE_PICTURE_SUFFIXES)}")
    for path in (p for p in (out, sheet) if p):
        check_output(path, overwrite, source.source_paths)
    begun = []
    end, frames = source.length, 0
    with (
        stop_on_ctrl_c(),
        terminal.progress_bar(f"looking at {clip.name}", len(source)) as progress,
    ):
        for number, (frame, mark) in enumerate(find_shots(source), start=1):
            if mark is Mark.CUT:
                begun.append(frame if sheet else replace(frame, picture=frame.picture[:0]))
            frames = frame.index + 1
            progress(number)
    stops = [(frame.index, frame.time) for frame in begun[1:]] + [(frames, end)]
    facts = [
        {
            "shot": number,
            "frame": frame.index,
            "time_s": round(float(frame.time), 3),
            "frames": stop - frame.index,
            "length_s": round(float(until - frame.time), 3),
        }
        for number, (frame, (stop, until)) in enumerate(zip(begun, stops, strict=True), start=1)
    ]
    if out:
        out.write_text(
            format_cut_list(clip.name, [(f.index, f.time) for f in begun]), encoding="utf-8"
        )
    if sheet:
        labels = [
            f"{fact['shot']}: frame {fact['frame']}, {fact['time_s']:.2f} s" for fact in facts
        ]
        write_picture(sheet, draw_contact_sheet([frame.picture for frame in begun], labels))
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    columns = [(name, "right") for name in ("shot", "frame", "time s", "frames", "length s")]
    rows = [
        [f"{value:.2f}" if isinstance(value, float) else str(value) for value in fact.values()]
        for fact in facts
    ]
    print_table(f"{clip.name}: {format_count(len(facts), 'shot')}", columns, rows)
