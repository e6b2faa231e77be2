"""`dreamflow video`: a clip dreamed."""

from __future__ import annotations

import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from dreamflow.cli.binding import (
    DebugOption,
    FreshOption,
    LikeOption,
    OverwriteOption,
    PlateOption,
    PresetOption,
    WatchOption,
    with_options,
)
from dreamflow.cli.prepare import check_layers, followed_render, set_machine, stoppable, what_came
from dreamflow.options import (
    CarryOptions,
    ClipOptions,
    DreamOptions,
    EncodeOptions,
    MachineOptions,
    ShowOptions,
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
        help="The dream: .mp4, .mov, .mkv, .webm, .gif or .webp; without suffix, a folder of PNGs.",
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
    show: ShowOptions,
    frames: ClipOptions,
    encode: EncodeOptions,
    machine: MachineOptions,
    overwrite: OverwriteOption = False,
    fresh: FreshOption = False,
    watch: WatchOption = None,
    plate: PlateOption = None,
    debug: DebugOption = False,
) -> None:
    """Dream a clip, frame by frame, the dream carried along the motion of the scene.

    The sound, frame rate and length stay as they are. A render that was broken off, by Ctrl-C or
    by a power cut, goes on when the same command is given again.

    What is marked * may change over time: --step "0: 1.5, 4s: 3, 100%: 1". So may
    --layer: "0: conv2/3x3, 4s: inception_4c/output". Arithmetic: "1.5 + sin(2*pi*t)".
    """
    settings = VideoSettings(dream, carry, frames, encode, show)
    with stoppable():
        typer.echo(dream_clip(clip, out, settings, machine, overwrite, fresh, watch, plate))


def dream_clip(
    clip: Path,
    out: Path,
    settings: VideoSettings,
    machine: MachineOptions,
    overwrite: bool = False,
    fresh: bool = False,
    watch: Path | None = None,
    plate: Path | None = None,
) -> str:
    """Render a clip with a progress bar, and return a line that says what came of it."""
    # What is quickly seen to be wrong is said before PyTorch is loaded.
    from dreamflow.media.clip import Clip
    from dreamflow.media.formats import check_encode
    from dreamflow.media.matte import open_matte
    from dreamflow.media.matte_files import Frames
    from dreamflow.media.writer import check_target

    check_encode(out, settings.encode)
    source = Clip(clip, settings.clip)
    matte = open_matte(settings.show, Frames.of(source))
    sources = [*source.sources, *(matte.sources if matte else [])]
    check_target(out, overwrite, fresh, sources, plate)
    check_layers(settings.dream, machine)
    for group in (settings.dream, settings.carry, settings.show):
        group.check_over(source.timeline, warn=False)
    settings = replace(settings, dream=in_full(settings.dream))
    from dreamflow.networks import load_network
    from dreamflow.render import remembered, render_video
    from dreamflow.render.preview import frame_steps
    from dreamflow.render.video import rounds

    machine = machine if fresh else remembered(out, machine)
    set_machine(machine)
    network = load_network(
        settings.dream.network, machine.weights, machine.device, machine.precision
    )
    started = time.monotonic()
    total = len(source) * rounds(settings.carry)
    steps = frame_steps(settings.dream, settings.carry, source.timeline.at(Fraction(0)))
    with followed_render(out, total, overwrite, fresh, watch, plate, steps) as handles:
        done = render_video(source, out, network, settings, handles, matte=matte)
    return f"{out}: {what_came(done, source.outline, time.monotonic() - started)}"


def in_full(dream: DreamOptions) -> DreamOptions:
    """Return the settings with each layer's weight, so that `frame --like` knows a blend."""
    from dreamflow.dream import parse_layers

    if len(dream.layer) == 1:
        return dream
    weights = parse_layers(dream.layer)
    return replace(dream, layer=tuple(f"{name}={w:g}" for name, w in weights.items()))
