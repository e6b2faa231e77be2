"""`dreamflow frame`: preview one frame, or several layers side by side."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dreamflow.cli.binding import with_options
from dreamflow.cli.prepare import (
    RenderFlags,
    check_gains_and_trace,
    check_layers,
    list_input_paths,
    prepare_network,
    stop_on_ctrl_c,
)
from dreamflow.cli.progress.bars import progress_bar
from dreamflow.cli.progress.options import ProgressOptions
from dreamflow.cli.registry import Command, Section
from dreamflow.cli.shared_options import (
    FRAMES_PANEL,
    AtOption,
    DebugOption,
    GainsOption,
    LikeAllOption,
    LikeOption,
    OverwriteOption,
    PresetOption,
    TraceOption,
)
from dreamflow.cli.terminal import print_line, print_note
from dreamflow.core.errors import DreamFlowWarning, SettingsError, named
from dreamflow.core.machine.options import MachineOptions
from dreamflow.dream.options import DreamOptions
from dreamflow.media.options import ClipOptions, SourceOptions
from dreamflow.pipelines.settings.options import ShowOptions
from dreamflow.reports.options import GuideOptions
from dreamflow.temporal.options import CarryOptions

if TYPE_CHECKING:
    import numpy as np

    from dreamflow.core.options.declaration import Options
    from dreamflow.networks.network import Network
    from dreamflow.pipelines.inputs import InputFiles


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
            rich_help_panel=FRAMES_PANEL,
        ),
    ] = 0,
    size: Annotated[
        str | None,
        typer.Option(
            help="Fit into WIDTHxHEIGHT (or make the longer side N); keeps the aspect.",
            metavar="SIZE",
            rich_help_panel=FRAMES_PANEL,
        ),
    ] = None,
    opening: SourceOptions,
    preset: PresetOption = None,
    like: LikeOption = None,
    like_all: LikeAllOption = None,
    dream: DreamOptions,
    carry: CarryOptions,
    gains: GainsOption = None,
    show: ShowOptions,
    machine: MachineOptions,
    reporting: ProgressOptions,
    overwrite: OverwriteOption = False,
    trace: TraceOption = None,
    debug: DebugOption = False,
) -> None:
    """Preview one frame of a clip, or dream a picture.

    Several --layer NAME draw a labelled contact sheet, one picture each. With weights, as
    --layer NAME=WEIGHT, they are blended into one dream.

    Schedules (`dreamflow video --help`) are those of the whole clip, at the time of the frame.
    """
    inputs = list_input_paths([gains], dream, carry, show, machine, preset=preset)
    flags = RenderFlags(overwrite, gains=gains, trace=trace, inputs=inputs)
    check_frame(source, out, dream, machine, flags)
    from dreamflow.media.read.mattes.matte import open_matte
    from dreamflow.media.read.single_frame import open_frames_up_to
    from dreamflow.media.stills import ALPHA_PICTURE_SUFFIXES
    from dreamflow.media.write.output_path import check_output
    from dreamflow.reports.preview import (
        add_source_alpha,
        collect_preview_inputs,
        estimate_preview_steps,
        get_matte_frames,
        render_preview,
        wants_contact_sheet,
    )

    keeps_alpha = out.suffix.lower() in ALPHA_PICTURE_SUFFIXES and not wants_contact_sheet(dream)
    frames = open_frames_up_to(
        source,
        at,
        run_in,
        size,
        flatten_alpha=not keeps_alpha,
        allow_playlist=opening.allow_playlist,
    )
    matte = open_matte(show, get_matte_frames(frames, source)) if show.matte else None
    check_output(out, overwrite, [*flags.inputs, *(matte.source_paths if matte else ())])
    network = prepare_network(dream.network, machine)
    total = sum(estimate_preview_steps(frames, dream, carry))
    with (
        stop_on_ctrl_c(),
        progress_bar(f"dreaming {out.name}", total, "step", kind=reporting.kind) as progress,
    ):
        picture = render_preview(
            *(frames, network, dream, carry, progress, show, matte, print_note),
            gains_path=gains,
            trace_path=trace,
        )
        if keeps_alpha:
            picture = add_source_alpha(picture, source)
        groups = (dream, carry, show, ClipOptions(size=size))
        files = collect_preview_inputs(source, dream, matte)
        frame_time = None if isinstance(frames, tuple) else at
        write_frame(out, picture, source, network, groups, files, frame_time)
    print_line(f"{out}: {picture.shape[1]}x{picture.shape[0]}")


FRAME = Command(
    "frame",
    frame_command,
    Section.PREVIEW,
    1,
    "dreamflow frame clip.mp4 look.png --at 40% --layer inception_3b/3x3 "
    "--layer inception_4c/output",
)


def check_frame(
    source: Path, out: Path, dream: DreamOptions, machine: MachineOptions, flags: RenderFlags
) -> None:
    """Check what can be checked before the source is opened."""
    from dreamflow.media.stills import WRITABLE_PICTURE_SUFFIXES, is_still
    from dreamflow.media.write.output_path import check_output

    if out.suffix.lower() not in WRITABLE_PICTURE_SUFFIXES:
        allowed = ", ".join(WRITABLE_PICTURE_SUFFIXES)
        raise SettingsError(f"{out}: a frame is written as {allowed}", value=out, allowed=allowed)
    inputs = [source, *flags.inputs]
    check_output(out, flags.overwrite, inputs)
    check_gains_and_trace(flags, inputs, [out])
    given = [named(name) for name in ("gains", "trace") if getattr(flags, name)]
    if given and is_still(source):
        do = "does" if len(given) == 1 else "do"
        warnings.warn(
            f"{source.name} is a picture: {' and '.join(given)} {do} nothing for it",
            DreamFlowWarning,
            2,
        )
    check_layers(dream, machine)


def write_frame(
    out: Path,
    picture: np.ndarray,
    source: Path,
    network: Network,
    groups: Sequence[Options],
    inputs: InputFiles,
    at: str | None,
) -> None:
    """Write a dreamed picture, with the settings that it was made with in it and beside it.

    Args:
        out: The file.
        picture: uint8 (H, W, 3) RGB or (H, W, 4) RGBA.
        source: The clip or picture that was dreamed.
        network: The network that dreamed.
        groups: The settings.
        inputs: The files that the picture depends on.
        at: The frame of a clip; None for a picture.
    """
    from dreamflow.jobs.fingerprints import INPUTS_KEY, fingerprint_inputs, hash_fingerprints
    from dreamflow.media.embedded_settings import add_sidecar, format_record_comment
    from dreamflow.media.stills import write_picture
    from dreamflow.pipelines.settings.paths import publish_record
    from dreamflow.pipelines.settings.record import build_settings_record

    record = build_settings_record("frame", source, network, *groups)
    if at is not None:
        record["at"] = at
    record[INPUTS_KEY] = hash_fingerprints(fingerprint_inputs(inputs))
    record = publish_record(record, out)
    write_picture(out, picture, format_record_comment(record))
    add_sidecar(out, record)
