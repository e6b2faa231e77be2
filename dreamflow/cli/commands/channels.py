"""`dreamflow channels`: draw what each channel of a layer dreams on a picture."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated

import typer

from dreamflow.cli.output.terminal import print_line
from dreamflow.cli.progress.bars import progress_bar
from dreamflow.cli.progress.options import ProgressOptions
from dreamflow.cli.registry import Command, Section
from dreamflow.cli.settings.binding import with_options
from dreamflow.cli.settings.crew import plan_crew
from dreamflow.cli.settings.prepare import (
    check_layers,
    list_input_paths,
    prepare_network,
    stop_on_ctrl_c,
)
from dreamflow.cli.settings.shared_options import (
    AtOption,
    DebugOption,
    OverwriteOption,
    PresetOption,
)
from dreamflow.cli.settings.workers import SETTINGS_OF_SHARDS, open_layer_workers
from dreamflow.core.errors import OutputError
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.targets import CLASS_LAYER, Target
from dreamflow.jobs.shards.options import ShardOptions
from dreamflow.media.options import DEFAULT_FRAME_TIMECODE, FilmOptions
from dreamflow.reports.options import ChannelDreamOptions, ChannelsOptions


@functools.partial(with_options, without=("channels", *SETTINGS_OF_SHARDS))
def channels_command(
    source: Annotated[
        Path, typer.Argument(help="A picture, or a clip.", metavar="IMAGE", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Argument(
            help="The sheet: .png, .jpg, .webp or .tif; without it, a PNG named by picture and "
            "layer.",
            metavar="OUT",
            show_default=False,
        ),
    ] = None,
    *,
    at: AtOption = DEFAULT_FRAME_TIMECODE,
    film: FilmOptions,
    sheet: ChannelsOptions,
    preset: PresetOption = None,
    dream: ChannelDreamOptions,
    machine: MachineOptions,
    workers: ShardOptions,
    reporting: ProgressOptions,
    overwrite: OverwriteOption = False,
    debug: DebugOption = False,
) -> None:
    """Draw what each channel of a layer dreams on a picture, on one sheet.

    Each channel dreams by itself on the square in the middle of the picture; those that respond
    most to it come first. Dream on one of them with --layer LAYER:61.

    --layer class shows the classes that the network sees in the picture.
    """
    from dreamflow.media.stills.write import WRITABLE_PICTURE_SUFFIXES, write_picture
    from dreamflow.media.write.output_path import check_output
    from dreamflow.reports.channel_sheet import (
        default_sheet_path,
        make_channel_sheet,
        parse_single_layer,
    )

    out = out or default_sheet_path(source, dream)
    if out.suffix.lower() not in WRITABLE_PICTURE_SUFFIXES:
        raise OutputError(f"{out}: a sheet is written as {', '.join(WRITABLE_PICTURE_SUFFIXES)}")
    check_output(out, overwrite, list_input_paths([source], dream, machine, preset=preset))
    # "class" without a class is no objective for a dream, but makes a sheet.
    if parse_single_layer(dream) != Target(CLASS_LAYER):
        check_layers(dream, machine)
    from dreamflow.media.read.single_frame import decode_first_frame, open_frames_up_to
    from dreamflow.media.records.embedded_settings import format_record_comment
    from dreamflow.pipelines.settings.paths import publish_record
    from dreamflow.pipelines.settings.record import build_settings_record

    clip = film.clip_options()
    frames = open_frames_up_to(source, at, options=clip)
    frame = decode_first_frame(frames)
    crew = plan_crew(workers, machine)
    network = prepare_network(dream.network, crew.machine)
    with (
        stop_on_ctrl_c(),
        open_layer_workers(crew, dream.network) as processes,
        progress_bar(f"drawing {out.name}", 1, "channel", kind=reporting.kind) as progress,
    ):
        picture = make_channel_sheet(frame.picture, network, dream, sheet, progress, processes)
        record = build_settings_record("channels", source, network, dream, clip)
        if not isinstance(frames, tuple):
            record["at"] = at
        write_picture(out, picture, format_record_comment(publish_record(record, out)))
    print_line(f"{out}: {picture.shape[1]}x{picture.shape[0]}")


CHANNELS = Command(
    "channels",
    channels_command,
    Section.PREVIEW,
    3,
    "dreamflow channels portrait.jpg --layer inception_4c/output --count 40",
)
