"""`dreamflow video`: a clip dreamed."""

from __future__ import annotations

import time
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
from dreamflow.cli.prepare import check_layers, set_threads
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
    """
    check_layers(dream, machine)
    from dreamflow.media.clip import Clip
    from dreamflow.media.formats import format_of
    from dreamflow.media.writer import check_output

    format_of(out)
    check_output(out, overwrite, [clip])
    source = Clip(clip, frames)
    from dreamflow.networks import load_network
    from dreamflow.render import render_video

    set_threads(machine)
    network = load_network(dream.network, machine.weights, machine.device)
    settings = VideoSettings(dream, carry, frames, encode)
    started = time.monotonic()
    done = 0
    try:
        with terminal.progress_bar(f"dreaming {out.name}", len(source)) as progress:

            def count(frames_done: int) -> None:
                nonlocal done
                done = frames_done
                progress(frames_done)

            writer = render_video(source, out, network, settings, overwrite, count)
    except KeyboardInterrupt:
        from dreamflow.media.writer import partial_path

        kept = f"; the {done} frames finished are kept in {partial_path(out)}" if done else ""
        terminal.error(f"stopped{kept}")
        raise typer.Exit(130) from None
    spent = time.monotonic() - started
    per_frame = spent / max(1, writer.frames)
    length = writer.frames / float(source.rate)
    typer.echo(
        f"{out}: {writer.frames} frames, {length:.2f} s of {source.width}x{source.height}, "
        f"dreamed in {spent:.0f} s ({per_frame:.2f} s a frame)"
    )
