"""`dreamflow video`: dream a clip into a film."""

from __future__ import annotations

import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dreamflow.cli.output.terminal import print_line
from dreamflow.cli.progress.options import ProgressOptions
from dreamflow.cli.registry import Command, Section
from dreamflow.cli.settings.binding import with_options
from dreamflow.cli.settings.prepare import (
    RenderFlags,
    check_layers,
    check_render_files,
    format_render_summary,
    kept_analysis_folder,
    list_input_paths,
    prepare_network,
    stop_on_ctrl_c,
    track_render,
)
from dreamflow.cli.settings.shared_options import (
    DebugOption,
    FreshOption,
    GainsOption,
    LikeAllOption,
    LikeOption,
    OpenjdOption,
    OutArgument,
    OverwriteOption,
    PlateOption,
    PresetOption,
    RepairOption,
    TraceOption,
    WatchOption,
)
from dreamflow.cli.settings.workers import (
    describe_farm_work,
    plan_workers,
)
from dreamflow.core.machine.options import MachineOptions
from dreamflow.dream.options import DreamOptions
from dreamflow.jobs.shards.options import ShardOptions
from dreamflow.media.options import ClipOptions, EncodeOptions
from dreamflow.media.sound.options import SoundOptions
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.settings.looks import add_layer_weights
from dreamflow.pipelines.settings.options import ShowOptions
from dreamflow.temporal.options import CarryOptions

if TYPE_CHECKING:
    from dreamflow.media.read.clip import Clip
    from dreamflow.media.read.mattes.matte import Matte

ClipArgument = Annotated[
    Path,
    typer.Argument(
        help="A film, a GIF, a folder of pictures, or names: 'shots/*.png', shot_####.exr.",
        metavar="CLIP",
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
    like_all: LikeAllOption = None,
    dream: DreamOptions,
    carry: CarryOptions,
    gains: GainsOption = None,
    show: ShowOptions,
    sound: SoundOptions,
    frames: ClipOptions,
    encode: EncodeOptions,
    machine: MachineOptions,
    workers: ShardOptions,
    openjd: OpenjdOption = None,
    reporting: ProgressOptions,
    overwrite: OverwriteOption = False,
    fresh: FreshOption = False,
    repair: RepairOption = False,
    watch: WatchOption = None,
    plate: PlateOption = None,
    trace: TraceOption = None,
    debug: DebugOption = False,
) -> None:
    """Dream a clip frame by frame. The dream moves with the scene.

    Sound, frame rate and length stay as they are. A render that was interrupted, by Ctrl-C or by a
    power cut, is resumed when the same command is given again.

    Settings marked * may change over time: --step "0: 1.5, 4s: 3, 100%: 1". So may
    --layer: "0: conv2/3x3, 4s: inception_4c/output". Arithmetic: "1.5 + sin(2*pi*t)".
    The sound: "1 + audio.bass", and on each beat "1 + pulse(1, 0.3, beat)".
    """
    settings = VideoSettings(dream, carry, frames, encode, show, sound)
    inputs = list_input_paths([gains], dream, carry, show, sound, machine, preset=preset)
    flags = RenderFlags(
        *(overwrite, fresh, watch, plate, gains, trace, reporting.kind),
        repair=repair,
        inputs=inputs,
    )
    with stop_on_ctrl_c():
        print_line(render_clip(clip, out, settings, machine, flags, workers, openjd))


VIDEO = Command(
    "video",
    video_command,
    Section.RENDER,
    1,
    "dreamflow video clip.mp4 dream.mp4 --preset fur --size 640x360 --start 2s --end 6s",
)


def render_clip(
    clip: Path,
    out: Path,
    settings: VideoSettings,
    machine: MachineOptions,
    flags: RenderFlags,
    workers: ShardOptions | None = None,
    openjd: Path | None = None,
) -> str:
    """Render a clip with a progress bar, and return a line that sums the render up.

    Args:
        clip: The clip.
        out: The output.
        settings: All settings.
        machine: Where to compute.
        flags: The options of the render.
        workers: How the render is spread over workers.
        openjd: Folder of a job bundle, which is written instead of rendering.
    """
    source, matte = open_and_check(clip, out, settings, machine, flags)
    settings = replace(settings, dream=add_layer_weights(settings.dream))
    # These load PyTorch, which takes seconds: the checks above come first.
    from dreamflow.dream.octaves import look_scale_of
    from dreamflow.jobs.renders.render_video import (
        count_dreams_per_frame,
        prepare_video_job,
        render_video,
    )
    from dreamflow.reports.preview import estimate_frame_steps

    workers = workers or ShardOptions()
    crew, sharding = plan_workers(workers, machine, out, flags.fresh, openjd)
    machine = crew.machine
    network = prepare_network(settings.dream.network, machine)
    started_s = time.monotonic()
    total = len(source) * count_dreams_per_frame(settings.carry)
    steps = estimate_frame_steps(
        settings.dream,
        settings.carry,
        source.timeline.moment_at(Fraction(0)),
        look_scale_of(settings.dream, source.height, source.width),
    )
    with track_render(out, total, flags, steps) as controls:
        if crew.is_farm and sharding:
            folder = prepare_video_job(source, out, network, settings, controls, matte, sharding)
            return describe_farm_work(folder, machine, openjd)
        result = render_video(source, out, network, settings, controls, matte, sharding)
    elapsed_s = time.monotonic() - started_s
    return f"{out}: {format_render_summary(result, source.output_spec, elapsed_s)}"


def open_and_check(
    clip: Path, out: Path, settings: VideoSettings, machine: MachineOptions, flags: RenderFlags
) -> tuple[Clip, Matte | None]:
    """Open a clip and its matte, and check all that can be checked without loading PyTorch."""
    from dreamflow.media.depth.write import DeepOutput
    from dreamflow.media.read.clip import Clip
    from dreamflow.media.read.mattes.matte import open_matte
    from dreamflow.media.read.mattes.matte_files import MatteTarget
    from dreamflow.media.write.containers import check_encode_options
    from dreamflow.pipelines.hearing import hear_clip, warn_of_unheard

    check_encode_options(out, settings.encode)
    source = Clip(clip, settings.clip, DeepOutput.of(out, settings.encode))
    matte = open_matte(settings.show, MatteTarget.from_clip(source))
    check_render_files(out, flags, [*source.source_paths, *(matte.source_paths if matte else [])])
    check_layers(settings.dream, machine)
    groups = (settings.dream, settings.carry, settings.show)
    warn_of_unheard(settings.sound, groups, source.output_spec)
    source = hear_clip(source, settings.sound, groups, kept_analysis_folder(out, flags))
    for group in groups:
        group.check_schedules(source.timeline, warn=False)
    return source, matte
