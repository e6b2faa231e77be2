"""`dreamflow preview`: a short moving piece of a clip, dreamed as in the film."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from dreamflow.cli.commands.video import ClipArgument
from dreamflow.cli.output.terminal import print_line, print_note
from dreamflow.cli.progress.bars import progress_bar
from dreamflow.cli.progress.options import ProgressOptions
from dreamflow.cli.registry import Command, Section
from dreamflow.cli.settings.binding import with_options
from dreamflow.cli.settings.prepare import (
    check_gains_file,
    check_layers,
    list_input_paths,
    prepare_network,
    stop_on_ctrl_c,
)
from dreamflow.cli.settings.shared_options import (
    FRAMES_PANEL,
    AtOption,
    DebugOption,
    GainsOption,
    LikeAllOption,
    LikeOption,
    OverwriteOption,
    PresetOption,
    RunInOption,
)
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.text.wording import format_count
from dreamflow.dream.options import DreamOptions
from dreamflow.media.options import DEFAULT_FRAME_TIMECODE, EncodeOptions, FilmOptions
from dreamflow.media.sound.options import SoundOptions
from dreamflow.pipelines.settings.looks import Look
from dreamflow.pipelines.settings.options import ShowOptions
from dreamflow.temporal.options import CarryOptions

DEFAULT_SIZE = "320"
"""Longer side of a moving preview in pixels, where no size is given."""
DEFAULT_LENGTH_S = 0.6
"""Length of a moving preview in seconds, where none is given."""


@functools.partial(with_options, without=("audio_out",))
def preview_command(
    clip: ClipArgument,
    out: Annotated[
        Path,
        typer.Argument(
            help="The preview: .webp or .gif, which loop, or a film.",
            metavar="OUT",
            show_default=False,
        ),
    ],
    *,
    at: AtOption = DEFAULT_FRAME_TIMECODE,
    seconds: Annotated[
        float,
        typer.Option(help="How long it is.", min=0.01, max=60, rich_help_panel=FRAMES_PANEL),
    ] = DEFAULT_LENGTH_S,
    run_in: RunInOption = 0,
    size: Annotated[
        str,
        typer.Option(
            help="Fit into WIDTHxHEIGHT (or make the longer side N); keeps the aspect.",
            metavar="SIZE",
            rich_help_panel=FRAMES_PANEL,
        ),
    ] = DEFAULT_SIZE,
    film: FilmOptions,
    preset: PresetOption = None,
    like: LikeOption = None,
    like_all: LikeAllOption = None,
    dream: DreamOptions,
    carry: CarryOptions,
    gains: GainsOption = None,
    show: ShowOptions,
    sound: SoundOptions,
    machine: MachineOptions,
    reporting: ProgressOptions,
    overwrite: OverwriteOption = False,
    debug: DebugOption = False,
) -> None:
    """Preview how a clip moves: a second of it or less, small, the dream carried as in the film.

    Nothing is kept of a preview that is interrupted. Schedules are those of the whole clip.
    """
    from dreamflow.jobs.output_writer import write_video
    from dreamflow.media.read.mattes.matte import open_matte
    from dreamflow.media.read.mattes.matte_files import MatteTarget
    from dreamflow.media.write.containers import container_format_for
    from dreamflow.media.write.output_path import check_output
    from dreamflow.pipelines.hearing import hear_clip, warn_of_unheard
    from dreamflow.pipelines.settings.paths import publish_record
    from dreamflow.pipelines.settings.record import build_settings_record
    from dreamflow.reports.moving_preview import (
        dream_preview_piece,
        estimate_piece_steps,
        open_preview_piece,
    )

    look = Look("", dream, carry, show).blended()
    frames_options = film.clip_options(size)
    inputs = list_input_paths([clip, gains], dream, carry, show, sound, machine, preset=preset)
    container_format_for(out)
    check_output(out, overwrite, inputs)
    if gains:
        check_gains_file(gains)
    check_layers(dream, machine)
    piece = open_preview_piece(clip, at, seconds, run_in, frames_options)
    warn_of_unheard(sound, look.groups)
    piece = replace(piece, clip=hear_clip(piece.clip, sound, look.groups))
    matte = open_matte(show, MatteTarget.from_clip(piece.clip)) if show.matte else None
    network = prepare_network(dream.network, machine)
    total = sum(estimate_piece_steps(piece, look))
    with (
        stop_on_ctrl_c(),
        progress_bar(f"dreaming {out.name}", total, "step", kind=reporting.kind) as progress,
    ):
        # All in memory, and written when it is whole: it is short and small.
        frames = list(
            dream_preview_piece(piece, network, look, matte, progress, print_note, gains_path=gains)
        )
        groups: tuple[Any, ...] = (*look.groups, frames_options, EncodeOptions(), sound)
        record = build_settings_record("preview", clip, network, *groups) | {"at": at}
        record = publish_record(record, out)
        write_video(out, frames, piece.output_spec, record=record, overwrite=overwrite)
    width, height = piece.clip.width, piece.clip.height
    print_line(f"{out}: {format_count(len(frames), 'frame')} of {width}x{height}")


PREVIEW = Command(
    "preview",
    preview_command,
    Section.PREVIEW,
    5,
    "dreamflow preview clip.mp4 look.webp --at 40% --run-in 5 --preset fur",
)
