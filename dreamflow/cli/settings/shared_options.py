"""Options that several commands have and that are not settings: they are not kept in an output."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dreamflow.cli.help import MACHINE_PANEL
from dreamflow.cli.settings.inherited import apply_like, apply_like_all, apply_preset, apply_presets

FRAMES_PANEL = "Which frames"
OUTPUT_PANEL = "Output"


def complete_presets(incomplete: str) -> list[str]:
    """Return the presets whose names begin with a text, for shell completion."""
    from dreamflow.pipelines.settings.presets import list_preset_files, list_user_preset_files

    names = [*list_preset_files(), *list_user_preset_files()]
    return [name for name in names if name.startswith(incomplete)]


OutArgument = Annotated[
    Path,
    typer.Argument(
        help="The dream: .mp4, .mov, .mkv, .webm, .gif, .webp; numbered pictures: out_%04d.exr, "
        ".png, .tif; without suffix, a folder of PNGs.",
        metavar="OUT",
        show_default=False,
    ),
]
AtOption = Annotated[
    str,
    typer.Option(
        help="Which frame of a clip: 48, 2s, 1:02.5 or 40%.",
        metavar="WHEN",
        rich_help_panel=FRAMES_PANEL,
    ),
]
RunInOption = Annotated[
    int,
    typer.Option(
        help="Dream this many frames before it too, so that it looks as in the video.",
        min=0,
        rich_help_panel=FRAMES_PANEL,
    ),
]
PresetOption = Annotated[
    str | None,
    typer.Option(
        "--preset",
        help="Settings by name (`dreamflow presets list`), or a .toml file.",
        metavar="NAME",
        is_eager=True,
        callback=apply_preset,
        autocompletion=complete_presets,
        rich_help_panel="Dream",
    ),
]
PresetsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--preset",
        help="Settings by name (`dreamflow presets list`), or a .toml file; several, or all, draw "
        "a contact sheet.",
        metavar="NAME",
        is_eager=True,
        callback=apply_presets,
        autocompletion=complete_presets,
        show_default=False,
        rich_help_panel="Dream",
    ),
]
LikeOption = Annotated[
    Path | None,
    typer.Option(
        "--like",
        help="Take the look of a dream made before: what is dreamed, and how it moves.",
        metavar="FILE",
        is_eager=True,
        callback=apply_like,
        rich_help_panel="Dream",
    ),
]
LikeAllOption = Annotated[
    Path | None,
    typer.Option(
        "--like-all",
        help="Take all settings of a dream made before, its size, times and matte too.",
        metavar="FILE",
        is_eager=True,
        callback=apply_like_all,
        rich_help_panel="Dream",
    ),
]
OpenjdOption = Annotated[
    Path | None,
    typer.Option(
        "--openjd",
        help="Write a job bundle for a render farm into this folder, instead of rendering.",
        metavar="FOLDER",
        show_default=False,
        rich_help_panel="Workers",
    ),
]
NoShardsOption = Annotated[str | None, typer.Option("--shards", hidden=True)]
NoWorkersOption = Annotated[str | None, typer.Option("--workers", hidden=True)]
"""Options of a command whose renders cannot be cut, to say so."""
OverwriteOption = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Replace an output that exists.", rich_help_panel=OUTPUT_PANEL
    ),
]
FreshOption = Annotated[
    bool,
    typer.Option(
        "--fresh",
        help="Start over where a render was interrupted, instead of resuming it.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
RepairOption = Annotated[
    bool,
    typer.Option(
        "--repair",
        help="Where an interrupted render is damaged, dream those pieces again.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
WatchOption = Annotated[
    Path | None,
    typer.Option(
        "--watch",
        help="Keep the latest frame in this picture file, to look at during the render.",
        metavar="FILE",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
PlateOption = Annotated[
    Path | None,
    typer.Option(
        "--plate",
        help="Also write what the dream changed: 128 + dream - source, for compositing; as "
        "plate_%04d.exr dream - source in float.",
        metavar="FILE",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
GainsOption = Annotated[
    Path | None,
    typer.Option(
        "--gains",
        help="Constants of the controller that carries the dream, from a .toml file.",
        metavar="FILE",
        rich_help_panel="Motion",
    ),
]
TraceOption = Annotated[
    Path | None,
    typer.Option(
        "--trace",
        help="Also write what the controller measured and did, a line for each frame, to a "
        ".jsonl file.",
        metavar="FILE",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DEBUG_HELP = "Show the traceback of an error."
DebugOption = Annotated[
    bool, typer.Option("--debug", help=DEBUG_HELP, rich_help_panel=MACHINE_PANEL)
]
HiddenDebugOption = Annotated[bool, typer.Option("--debug", help=DEBUG_HELP, hidden=True)]
"""The same for commands with few options, whose help does not list it."""
