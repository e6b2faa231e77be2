"""`dreamflow frame`: one frame previewed, or several layers side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dreamflow.cli import terminal
from dreamflow.cli.binding import (
    AtOption,
    DebugOption,
    LikeOption,
    OverwriteOption,
    PresetOption,
    with_options,
)
from dreamflow.cli.prepare import check_layers, set_machine, stoppable
from dreamflow.errors import SettingsError
from dreamflow.options import (
    CarryOptions,
    ClipOptions,
    DreamOptions,
    GuideOptions,
    MachineOptions,
    ShowOptions,
)

EXAMPLE = (
    "Example: dreamflow frame clip.mp4 look.png --at 40% --layer inception_3b/3x3 "
    "--layer inception_4c/output"
)


@with_options
def frame(
    source: Annotated[
        Path, typer.Argument(help="A clip, or a picture.", metavar="SOURCE", show_default=False)
    ],
    out: Annotated[
        Path,
        typer.Argument(
            help="The picture: .png, .jpg, .webp or .tif.", metavar="OUT", show_default=False
        ),
    ],
    *,
    at: AtOption = GuideOptions.at,
    run_in: Annotated[
        int,
        typer.Option(
            help="Dream this many frames before it too, so that it looks as in the video.",
            min=0,
            rich_help_panel="Which frames",
        ),
    ] = 0,
    size: Annotated[
        str | None,
        typer.Option(
            help="Fit into WIDTHxHEIGHT (or make the longer side N); keeps the aspect.",
            metavar="SIZE",
            rich_help_panel="Which frames",
        ),
    ] = None,
    preset: PresetOption = None,
    like: LikeOption = None,
    dream: DreamOptions,
    carry: CarryOptions,
    show: ShowOptions,
    machine: MachineOptions,
    overwrite: OverwriteOption = False,
    debug: DebugOption = False,
) -> None:
    """Preview one frame of a clip, or dream a picture.

    Several --layer NAME draw a labelled contact sheet, one picture each; with weights, as
    --layer NAME=WEIGHT, they are blended into one dream.

    Schedules (`dreamflow video --help`) are those of the whole clip, at the moment of the frame.
    """
    from dreamflow.media.stills import TRANSPARENT, WRITABLE, write_picture
    from dreamflow.media.writer import check_output

    if out.suffix.lower() not in WRITABLE:
        raise SettingsError(f"{out}: a frame is written as {', '.join(WRITABLE)}")
    check_output(out, overwrite, [source])
    check_layers(dream, machine)
    from dreamflow.media.matte import open_matte
    from dreamflow.media.metadata import as_comment, write_sidecar
    from dreamflow.networks import load_network
    from dreamflow.render import settings_record
    from dreamflow.render.inputs import INPUTS, fingerprints, hashed
    from dreamflow.render.preview import (
        as_transparent,
        frames_before,
        frames_of,
        is_sheet,
        preview_inputs,
        preview_steps,
        render_preview,
    )

    transparent = out.suffix.lower() in TRANSPARENT and not is_sheet(dream)
    frames = frames_before(source, at, run_in, size, warn_of_alpha=not transparent)
    matte = open_matte(show, frames_of(frames, source)) if show.matte else None
    check_output(out, overwrite, matte.sources if matte else ())
    set_machine(machine)
    network = load_network(dream.network, machine.weights, machine.device, machine.precision)
    total = sum(preview_steps(frames, dream, carry))
    with stoppable(), terminal.progress_bar(f"dreaming {out.name}", total, "step") as progress:
        picture = render_preview(
            frames, network, dream, carry, progress, show, matte, terminal.note
        )
        groups = (dream, carry, show, ClipOptions(size=size))
        record = settings_record("frame", source, network, *groups)
        if transparent:
            picture = as_transparent(picture, source)
        record |= {} if isinstance(frames, tuple) else {"at": at}
        record[INPUTS] = hashed(fingerprints(preview_inputs(source, dream, matte)))
        write_picture(out, picture, as_comment(record))
        write_sidecar(out, record)
    typer.echo(f"{out}: {picture.shape[1]}x{picture.shape[0]}")
