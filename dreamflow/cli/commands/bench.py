"""`dreamflow bench`: measure how fast this machine dreams."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dreamflow.cli.output.bench_tables import (
    load_earlier_times,
    print_pass_times,
    print_render_times,
)
from dreamflow.cli.progress.bars import progress_bar
from dreamflow.cli.progress.options import ProgressOptions
from dreamflow.cli.registry import Command, Section
from dreamflow.cli.settings.binding import with_options
from dreamflow.cli.settings.prepare import prepare_network, stop_on_ctrl_c
from dreamflow.cli.settings.shared_options import DebugOption, JsonOption
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.options.values import fit_size, parse_size
from dreamflow.core.text.wording import format_count
from dreamflow.dream.options import DreamOptions
from dreamflow.media.options import ClipOptions, FilmOptions
from dreamflow.pipelines.settings.groups import VideoSettings

if TYPE_CHECKING:
    from dreamflow.core.callbacks import ProgressCallback
    from dreamflow.core.timing import StageTimes
    from dreamflow.media.read.clip import Clip
    from dreamflow.networks.network import Network
    from dreamflow.reports.bench.render import RenderFunction

DEFAULT_BENCH_SIZE = "640x360"
DEFAULT_PASS_ROUNDS = 9
DEFAULT_RENDER_ROUNDS = 3
DEFAULT_RENDER_FRAMES = 24


@with_options
def bench_command(
    clip: Annotated[
        Path | None,
        typer.Argument(
            help="A clip to render, as with --render; without it, a synthetic scene.",
            metavar="CLIP",
            show_default=False,
        ),
    ] = None,
    *,
    whole: Annotated[
        bool, typer.Option("--render", help="Time whole renders, and where their time goes.")
    ] = False,
    network: Annotated[str, typer.Option(help="Network to time.")] = DreamOptions.network,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            help="Layer to time; repeat for several. With --render: to dream on.",
            show_default="ten of them",
        ),
    ] = None,
    size: Annotated[
        str,
        typer.Option(
            help="Size of the picture: WIDTHxHEIGHT, or N for the longer side.", metavar="SIZE"
        ),
    ] = DEFAULT_BENCH_SIZE,
    rounds: Annotated[
        int | None,
        typer.Option(
            help="How often each is timed; the median counts.",
            min=1,
            max=1000,
            show_default=f"{DEFAULT_PASS_ROUNDS}; {DEFAULT_RENDER_ROUNDS} of --render",
        ),
    ] = None,
    frames: Annotated[
        int, typer.Option(help="With --render: frames of each, at most.", min=2, max=100_000)
    ] = DEFAULT_RENDER_FRAMES,
    against: Annotated[
        Path | None,
        typer.Option(
            help="Compare with the --json of another run.", metavar="FILE", show_default=False
        ),
    ] = None,
    as_json: JsonOption = False,
    film: FilmOptions,
    machine: MachineOptions,
    reporting: ProgressOptions,
    debug: DebugOption = False,
) -> None:
    """Time one step on a layer, forward and backward; or, with --render, whole renders.

    After a warm-up all layers are timed in turn, round after round; medians count. Efficiency:
    operations per second of the network's convolutions, as a share of what a plain 3x3 convolution
    in float32 reaches in the same run. Close other programs.

    --render reads a clip, dreams it with the default settings and writes it, round after round,
    after a warm-up of two frames; the median round counts. The time of other threads is listed
    beside it. Start-up: a new process, until one frame of one step is done. Memory: the most that
    this process has taken.
    """
    whole = whole or clip is not None
    before = load_earlier_times(against, "render" if whole else "passes") if against else {}
    width, height = parse_bench_size(size)
    loaded = prepare_network(network, machine)
    for name in layer or ():
        loaded.layer(name.partition("=")[0] if whole else name)
    rounds = rounds or (DEFAULT_RENDER_ROUNDS if whole else DEFAULT_PASS_ROUNDS)
    result = describe_run(loaded, width, height, rounds)
    with stop_on_ctrl_c():
        if whole:
            options = film.clip_options(size)
            result |= time_renders(
                loaded, clip, options, layer, frames, rounds, machine, reporting.kind
            )
        else:
            result |= time_passes(loaded, (width, height), layer, rounds, reporting.kind)
    if as_json:
        typer.echo(json.dumps(result, indent=2))
        return
    threads = f"{format_count(result['threads'], 'thread')}, {result['precision']}"
    title = f"{network} at {result['size']} on {result['device']}, {threads}"
    if whole:
        print_render_times(title, result["render"], before)
    else:
        print_pass_times(f"{title}, {format_count(rounds, 'round')}", result["passes"], before)


BENCH = Command(
    "bench",
    bench_command,
    Section.INSPECT,
    5,
    "dreamflow bench --network googlenet --json > before.json",
)


def describe_run(network: Network, width: int, height: int, rounds: int) -> dict[str, Any]:
    """Return what is timed and on which machine, as plain values."""
    import torch

    device = network.device
    is_cuda = device.type == "cuda"
    return {
        "network": network.name,
        "size": f"{width}x{height}",
        "device": torch.cuda.get_device_name(device) if is_cuda else device.type,
        "threads": torch.get_num_threads(),
        "precision": network.precision,
        "torch": torch.__version__,
        "rounds": rounds,
    }


def time_passes(
    network: Network,
    size: tuple[int, int],
    layer: list[str] | None,
    rounds: int,
    progress_kind: str,
) -> dict[str, Any]:
    """Return the times of passes through layers, as plain values; size is (width, height)."""
    from dreamflow.reports.bench.passes import BENCH_LAYERS, bench_passes, timings_to_rows

    with progress_bar("timing", rounds, "round", kind=progress_kind) as progress:
        peak, figures = bench_passes(
            network, size[1], size[0], layer or BENCH_LAYERS, rounds, progress
        )
    return {"passes": list(timings_to_rows(peak, figures))}


def time_renders(
    network: Network,
    path: Path | None,
    options: ClipOptions,
    layer: list[str] | None,
    frames: int,
    rounds: int,
    machine: MachineOptions,
    progress_kind: str,
) -> dict[str, Any]:
    """Return the times of whole renders, as plain values.

    Args:
        network: The network.
        path: The clip; None for a synthetic scene.
        options: How the clip is opened; what has no size is made in `DEFAULT_BENCH_SIZE`.
        layer: Layers to dream on; None for the default.
        frames: Frames of each render, at most.
        rounds: How often it is rendered.
        machine: Threads and device for the process whose start-up is timed.
        progress_kind: How progress is shown.
    """
    from dreamflow.jobs.output_writer import write_video
    from dreamflow.media.read.clip import Clip
    from dreamflow.reports.bench.render import (
        bench_render,
        peak_memory_mb,
        startup_seconds,
        synthesise_scene,
        synthetic_scene_spec,
    )

    size = options.size or DEFAULT_BENCH_SIZE
    dream = DreamOptions(network=network.name)
    dream = replace(dream, layer=tuple(layer)) if layer else dream
    with tempfile.TemporaryDirectory(prefix="dreamflow_bench_") as folder:
        source = path or Path(folder) / "scene.mp4"
        if path is None:
            scene = (*parse_bench_size(size), frames)
            write_video(source, synthesise_scene(*scene), synthetic_scene_spec(*scene))
        clip = Clip(source, options).subclip(0, frames)
        title = f"rendering {path.name if path else 'a synthetic scene'}"
        with progress_bar(title, rounds * len(clip), kind=progress_kind) as progress:
            render = make_render(network, VideoSettings(dream), Path(folder) / "dream.mp4")
            times = bench_render(render, clip, rounds, progress)
        startup_s = startup_seconds(
            source, startup_arguments(network, options, dream.layer, machine)
        )
    stages = {
        name: {key: round(value, 4) for key, value in row.items()}
        for name, row in times.median_stage_times().items()
    }
    return {
        "size": f"{clip.width}x{clip.height}",
        "render": {
            "clip": path.name if path else "made",
            "frames": times.frames,
            "wall_s": [round(seconds, 4) for seconds in times.round_s],
            "fps": round(times.frames / times.median_s, 3),
            "stages": stages,
            "memory_mb": peak_memory_mb(network.device),
            "startup_s": round(startup_s, 2),
        },
    }


def make_render(network: Network, settings: VideoSettings, out: Path) -> RenderFunction:
    """Return the function that is timed: it dreams a clip into a file."""
    from dreamflow.jobs.controls import RenderControls
    from dreamflow.jobs.renders.render_video import render_video

    def render(clip: Clip, progress: ProgressCallback, stage_times: StageTimes) -> object:
        controls = RenderControls(progress, overwrite=True, stage_times=stage_times)
        return render_video(clip, out, network, settings, controls)

    return render


def startup_arguments(
    network: Network, options: ClipOptions, layers: Iterable[str], machine: MachineOptions
) -> list[str]:
    """Return the options of the command whose start-up is timed."""
    import torch

    arguments = ["--network", network.name, "--size", options.size or DEFAULT_BENCH_SIZE]
    arguments += ["--allow-playlist"] if options.allow_playlist else []
    arguments += ["--threads", str(torch.get_num_threads()), "--device", machine.device]
    arguments += ["--precision", network.precision]
    arguments += ["--weights", str(machine.weights)] if machine.weights else []
    return [*arguments, *(f"--layer={layer}" for layer in layers)]


def parse_bench_size(size: str) -> tuple[int, int]:
    """Return the (width, height) of a `--size`; at 16:9 where it names only the longer side."""
    return fit_size(size, *(parse_size(size) or (16, 9)))
