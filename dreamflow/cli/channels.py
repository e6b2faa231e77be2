"""`dreamflow channels`: what each channel of a layer dreams on a picture."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated

import typer

from dreamflow.cli import terminal
from dreamflow.cli.binding import DebugOption, OverwriteOption, PresetOption, with_options
from dreamflow.cli.prepare import check_layers, set_machine, stoppable
from dreamflow.errors import OutputError
from dreamflow.options import ChannelDreamOptions, ChannelsOptions, MachineOptions
from dreamflow.target import CLASS, Target

EXAMPLE = "Example: dreamflow channels portrait.jpg --layer inception_4c/output --count 40"


@functools.partial(with_options, without=("channels",))
def channels(
    source: Annotated[
        Path, typer.Argument(help="A picture, or a clip.", metavar="IMAGE", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Argument(
            help="The sheet: .png, .jpg, .webp or .tif; without, it is named by picture and layer.",
            metavar="OUT",
            show_default=False,
        ),
    ] = None,
    *,
    at: Annotated[
        str,
        typer.Option(
            help="Which frame of a clip: 48, 2s, 1:02.5 or 40%.",
            metavar="WHEN",
            rich_help_panel="Sheet",
        ),
    ] = "50%",
    sheet: ChannelsOptions,
    preset: PresetOption = None,
    dream: ChannelDreamOptions,
    machine: MachineOptions,
    overwrite: OverwriteOption = False,
    debug: DebugOption = False,
) -> None:
    """Draw what each channel of a layer dreams on a picture, on one sheet.

    The square in the middle of the picture is dreamed on, by each channel by itself; those that
    respond most to it come first. Dream on one with --layer LAYER:61.

    --layer class shows what the network sees in the picture.
    """
    from dreamflow.journeys.channels import one_layer
    from dreamflow.media.stills import WRITABLE, write_picture
    from dreamflow.media.writer import check_output
    from dreamflow.render.channels import channel_sheet, sheet_path

    out = out or sheet_path(source, dream)
    if out.suffix.lower() not in WRITABLE:
        raise OutputError(f"{out}: a sheet is written as {', '.join(WRITABLE)}")
    check_output(out, overwrite, [source])
    if one_layer(dream) != Target(CLASS):  # all classes are no objective, but make a sheet
        check_layers(dream, machine)
    from dreamflow.media.metadata import as_comment
    from dreamflow.networks import load_network
    from dreamflow.render import settings_record
    from dreamflow.render.preview import first_of, frames_before

    frame = first_of(frames_before(source, at, 0, None))
    set_machine(machine)
    network = load_network(dream.network, machine.weights, machine.device, machine.precision)
    with stoppable(), terminal.progress_bar(out.name, 1, "channel") as progress:
        picture = channel_sheet(frame.picture, network, dream, sheet, progress)
        record = settings_record("channels", source, network, dream)
        write_picture(out, picture, as_comment(record))
    typer.echo(f"{out}: {picture.shape[1]}x{picture.shape[0]}")
