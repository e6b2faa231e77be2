"""`dreamflow video`: a clip dreamed."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from dreamflow.cli import terminal
from dreamflow.cli.binding import (
    DebugOption,
    LikeOption,
    OverwriteOption,
    PresetOption,
    with_options,
)
from dreamflow.cli.prepare import check_layers, set_threads, stoppable
from dreamflow.options import (
    CarryOptions,
    ClipOptions,
    DreamOptions,
    EncodeOptions,
    MachineOptions,
    VideoSettings,
)

EXAMPLE = (
    "Example: dreamflow video clip.mp4 dream.mp4 --preset fur --size 640x360 --start 2s --end 6s"
)

ClipArgument = Annotated[
    Path,
    typer.Argument(
        help="A film, a GIF, a folder of pictures, or a glob such as 'shots/*.png'.",
        metavar="CLIP",
        show_default=False,
    ),
]
OutArgument = Annotated[
    Path,
    typer.Argument(
        help="The dream: .mp4, .mov, .mkv, .webm or .gif; without suffix, a folder of PNGs.",
        metavar="OUT",
        show_default=False,
    ),
]


@with_options
def video(
    clip: ClipArgument,
    out: OutArgument,
    *,
    preset: PresetOption = None,
    like: LikeOption = None,
    dream: DreamOptions,
    carry: CarryOptions,
    frames: ClipOptions,
    encode: EncodeOptions,
    machine: MachineOptions,
    overwrite: OverwriteOption = False,
    debug: DebugOption = False,
) -> None:
    """Dream a clip, frame by frame, the dream carried along the motion of the scene.

    The sound, frame rate and length stay as they are. All settings travel inside the output, and
    in a .json beside it.

    What is marked * may change over time: --step "0: 1.5, 4s: 3, 100%: 1". So may
    --layer: "0: conv2/3x3, 4s: inception_4c/output". Arithmetic: "1.5 + sin(2*pi*t)".
    """
    check_layers(dream, machine)
    from dreamflow.dream import parse_layers
    from dreamflow.media.clip import Clip
    from dreamflow.media.formats import format_of
    from dreamflow.media.writer import check_output

    format_of(out)
    source = Clip(clip, frames)
    check_output(out, overwrite, source.sources)
    for group in (dream, carry):
        group.check_over(source.timeline, warn=False)
    if len(dream.layer) > 1:  # said in full, so that `frame --like` knows a blend from a sheet
        weights = parse_layers(dream.layer)
        dream = replace(dream, layer=tuple(f"{name}={w:g}" for name, w in weights.items()))
    from dreamflow.networks import load_network
    from dreamflow.render import render_video
    from dreamflow.render.job import rounds

    set_threads(machine)
    network = load_network(dream.network, machine.weights, machine.device)
    settings = VideoSettings(dream, carry, frames, encode)
    started = time.monotonic()
    total = len(source) * rounds(carry)
    with stoppable(), terminal.progress_bar(f"dreaming {out.name}", total) as progress:
        writer = render_video(source, out, network, settings, overwrite, progress)
    spent = time.monotonic() - started
    per_frame = spent / max(1, writer.frames)
    length = writer.frames / float(source.rate)
    typer.echo(
        f"{out}: {writer.frames} frames, {length:.2f} s of {source.width}x{source.height}, "
        f"dreamed in {spent:.0f} s ({per_frame:.2f} s a frame)"
    )
