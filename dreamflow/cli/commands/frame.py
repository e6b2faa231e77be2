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
from dreamflow.cli.prepare import apply_machine_options, check_layers, stop_on_ctrl_c
from dreamflow.core.errors import SettingsError
from dreamflow.core.machine.options import MachineOptions
from dreamflow.dream.options import DreamOptions
from dreamflow.media.options import ClipOptions
from dreamflow.pipelines.settings.options import ShowOptions
from dreamflow.reports.options import GuideOptions
from dreamflow.temporal.options import CarryOptions

FRAME_EXAMPLE = (
    "Example: dreamflow frame clip.mp4 look.png --at 40% --layer inception_3b/3x3 "
    "--layer inception_4c/output"
)


@with_options
def frame_command(
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
    from dreamflow.media.stills import (
        ALPHA_PICTURE_SUFFIXES,
        WRITABLE_PICTURE_SUFFIXES,
        write_picture,
    )
    from dreamflow.media.write.output_path import check_output

    if out.suffix.lower() not in WRITABLE_PICTURE_SUFFIXES:
        raise SettingsError(f"{out}: a frame is written as {', '.join(WRITABLE_PICTURE_SUFFIXES)}")
    check_output(out, overwrite, [source])
    check_layers(dream, machine)
    from dreamflow.jobs.fingerprints import INPUTS_KEY, fingerprint_inputs, hash_fingerprints
    from dreamflow.media.read.matte import open_matte
    from dreamflow.media.read.single_frame import open_frames_up_to
    from dreamflow.media.write.metadata import format_record_comment, write_sidecar
    from dreamflow.networks.loading import load_network
    from dreamflow.pipelines.settings.record import build_settings_record
    from dreamflow.reports.preview import (
        add_source_alpha,
        collect_preview_inputs,
        estimate_preview_steps,
        get_matte_frames,
        render_preview,
        wants_contact_sheet,
    )

    transparent = out.suffix.lower() in ALPHA_PICTURE_SUFFIXES and not wants_contact_sheet(dream)
    frames = open_frames_up_to(source, at, run_in, size, warn_of_alpha=not transparent)
    matte = open_matte(show, get_matte_frames(frames, source)) if show.matte else None
    check_output(out, overwrite, matte.source_paths if matte else ())
    apply_machine_options(machine)
    network = load_network(dream.network, machine.weights, machine.device, machine.precision)
    total = sum(estimate_preview_steps(frames, dream, carry))
    with stop_on_ctrl_c(), terminal.progress_bar(f"dreaming {out.name}", total, "step") as progress:
        picture = render_preview(
            frames, network, dream, carry, progress, show, matte, terminal.print_note
        )
        groups = (dream, carry, show, ClipOptions(size=size))
        record = build_settings_record("frame", source, network, *groups)
        if transparent:
            picture = add_source_alpha(picture, source)
        record |= {} if isinstance(frames, tuple) else {"at": at}
        record[INPUTS_KEY] = hash_fingerprints(
            fingerprint_inputs(collect_preview_inputs(source, dream, matte))
        )
        write_picture(out, picture, format_record_comment(record))
        write_sidecar(out, record)
    typer.echo(f"{out}: {picture.shape[1]}x{picture.shape[0]}")
