"""`dreamflow listen`: what schedules hear of a sound."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dreamflow.cli.output.tables import print_table
from dreamflow.cli.registry import Command, Section
from dreamflow.cli.settings.shared_options import DebugOption, JsonOption, OverwriteOption
from dreamflow.core.errors import SettingsError, named

if TYPE_CHECKING:
    from dreamflow.reports.listening import Listening

PLOT_SUFFIX = ".png"


def listen_command(
    source: Annotated[
        Path,
        typer.Argument(
            help="A sound, or a film with sound.", metavar="SONG|CLIP", show_default=False
        ),
    ],
    *,
    track: Annotated[
        str | None,
        typer.Option(
            "--audio-track",
            help="Sound track: its number from 0, or its language (ger); else the main one.",
            metavar="TRACK",
            show_default=False,
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Draw waveform, beats, levels and onsets.", metavar="PNG", show_default=False
        ),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            "--csv", help="Write all of it, 200 rows a second.", metavar="FILE", show_default=False
        ),
    ] = None,
    as_json: JsonOption = False,
    overwrite: OverwriteOption = False,
    debug: DebugOption = False,
) -> None:
    """Show what schedules hear: levels of bands, onsets, tempo and beats.

    Levels go from 0 to 1, in schedules as audio.loud, audio.bass, audio.mid, audio.high; onsets are
    audio.onset, audio.bass_onset ...; beats are counted by beat and bar. Times are in seconds.
    """
    from dreamflow.media.write.output_path import check_output
    from dreamflow.reports.listening import (
        draw_listening,
        listen,
        listening_to_dict,
        write_listening_csv,
    )

    if plot is not None and plot.suffix.lower() != PLOT_SUFFIX:
        raise SettingsError(
            f"{named('plot')} {plot}: a plot is a {PLOT_SUFFIX}; give it that suffix",
            setting="plot",
            value=plot,
            allowed=PLOT_SUFFIX,
        )
    for path in filter(None, (plot, table)):
        check_output(path, overwrite, [source])
    listening = listen(source, track)
    if table is not None:
        write_listening_csv(listening, table)
    if plot is not None:
        draw_listening(listening, plot, describe_tempo(source, listening))
    if as_json:
        typer.echo(json.dumps(listening_to_dict(listening), indent=2))
        return
    rows = [
        [f"audio.{name}", str(len(times)), " ".join(f"{time:.2f}" for time in times[:8])]
        for name, times in listening.onsets.items()
    ]
    beats = listening.beats
    rows.append(["beat", str(len(beats)), " ".join(f"{time:.2f}" for time in beats[:8])])
    columns = [("heard", "left"), ("how many", "right"), ("the first, s", "left")]
    print_table(describe_tempo(source, listening), columns, rows)  # type: ignore[arg-type]


LISTEN = Command(
    "listen",
    listen_command,
    Section.INSPECT,
    4,
    "dreamflow listen song.flac --plot song.png",
)


def describe_tempo(source: Path, listening: Listening) -> str:
    """Return the length and the tempo of a sound in words."""
    analysis = listening.analysis
    tempo = f"{analysis.bpm:.1f} beats a minute" if analysis.bpm else "no beats found"
    return f"{source.name}: {analysis.length_s:.2f} s, {tempo}"
