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
from dreamflow.cli.prepare import (
    apply_machine_options,
    check_layers,
    format_render_summary,
    stop_on_ctrl_c,
    track_render,
)
from dreamflow.core.machine.options import MachineOptions
from dreamflow.dream.options import DreamOptions
from dreamflow.media.options import ClipOptions, EncodeOptions
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.settings.options import ShowOptions
from dreamflow.temporal.options import CarryOptions

VIDEO_EXAMPLE = (
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
def video_command(
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
    with stop_on_ctrl_c():
        typer.echo(render_clip(clip, out, settings, machine, overwrite, fresh, watch, plate))


def render_clip(
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
    from dreamflow.jobs.output import check_output_and_plate
    from dreamflow.media.read.clip import Clip
    from dreamflow.media.read.matte import open_matte
    from dreamflow.media.read.matte_files import MatteTarget
    from dreamflow.media.write.containers import check_encode_options

    check_encode_options(out, settings.encode)
    source = Clip(clip, settings.clip)
    matte = open_matte(settings.show, MatteTarget.from_clip(source))
    sources = [*source.source_paths, *(matte.source_paths if matte else [])]
    check_output_and_plate(out, overwrite, fresh, sources, plate)
    check_layers(settings.dream, machine)
    for group in (settings.dream, settings.carry, settings.show):
        group.check_schedules(source.timeline, warn=False)
    settings = replace(settings, dream=add_layer_weights(settings.dream))
    from dreamflow.jobs.job import restore_machine_options
    from dreamflow.jobs.render_video import count_dreams_per_frame, render_video
    from dreamflow.networks.loading import load_network
    from dreamflow.reports.preview import estimate_frame_steps

    machine = machine if fresh else restore_machine_options(out, machine)
    used = apply_machine_options(machine)
    network = load_network(settings.dream.network, machine.weights, machine=used)
    started = time.monotonic()
    total = len(source) * count_dreams_per_frame(settings.carry)
    steps = estimate_frame_steps(
        settings.dream, settings.carry, source.timeline.moment_at(Fraction(0))
    )
    with track_render(out, total, overwrite, fresh, watch, plate, steps) as handles:
        done = render_video(source, out, network, settings, handles, matte=matte)
    return f"{out}: {format_render_summary(done, source.output_spec, time.monotonic() - started)}"


def add_layer_weights(dream: DreamOptions) -> DreamOptions:
    """Return the settings with each layer's weight, so that `frame --like` knows a blend."""
    if len(dream.layer) == 1:
        return dream
    weights = dream.layers.blends[0].weights
    return replace(dream, layer=tuple(f"{target}={w:g}" for target, w in weights.items()))
