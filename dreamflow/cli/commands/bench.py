"""`dreamflow bench`: how fast this machine dreams."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dreamflow.cli import terminal
from dreamflow.cli.binding import DebugOption, with_options
from dreamflow.cli.commands.listing import print_table
from dreamflow.cli.prepare import apply_machine_options, stop_on_ctrl_c
from dreamflow.core.errors import SettingsError
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.options.values import fit_size, parse_size
from dreamflow.core.wording import format_count
from dreamflow.dream.options import DreamOptions
from dreamflow.media.options import ClipOptions
from dreamflow.pipelines.settings.groups import VideoSettings

if TYPE_CHECKING:
    from dreamflow.core.callbacks import ProgressCallback
    from dreamflow.core.timing import StageTimes
    from dreamflow.media.read.clip import Clip
    from dreamflow.networks.network import Network
    from dreamflow.reports.bench.render import RenderFunction

BENCH_EXAMPLE = "Example: dreamflow bench --network googlenet --json > before.json"
DEFAULT_BENCH_SIZE = "640x360"
DEFAULT_PASS_ROUNDS = 9
DEFAULT_RENDER_ROUNDS = 3
DEFAULT_RENDER_FRAMES = 24
MIN_COMPARABLE_S = 1e-4
"""Of a frame; less is not compared."""
TOTAL_LABEL, STARTUP_LABEL = "all", "start-up"


@with_options
def bench_command(
    clip: Annotated[
        Path | None,
        typer.Argument(
            help="The clip to render, as --render does; without one a scene is made.",
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
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    machine: MachineOptions,
    debug: DebugOption = False,
) -> None:
    """Time the engine, one step on a layer, forward and backward; or whole renders.

    After a warm-up all layers are timed in turn, round after round; medians count.
    Efficiency: operations per second of the network's convolutions, as a share of
    what a plain 3x3 convolution reaches in float32 in the same run. Close other
    programs.

    --render: a clip is read, dreamed with the default settings and written, round after
    round, after a warm-up of two frames; the median round counts. What other threads
    did meanwhile stands beside it. Start-up: a new process, to the end of one frame of
    one step. Memory: the most that this process has had.
    """
    whole = whole or clip is not None
    before = load_earlier_times(against, "render" if whole else "passes") if against else {}
    width, height = parse_bench_size(size)
    import torch

    from dreamflow.networks.loading import load_network

    used = apply_machine_options(machine)
    loaded = load_network(network, machine.weights, machine=used)
    for name in layer or ():
        loaded.layer(name.partition("=")[0] if whole else name)
    rounds = rounds or (DEFAULT_RENDER_ROUNDS if whole else DEFAULT_PASS_ROUNDS)
    found: dict[str, Any] = {
        "network": network,
        "size": f"{width}x{height}",
        "device": device_name(loaded.device),
        "threads": torch.get_num_threads(),
        "precision": loaded.precision,
        "torch": torch.__version__,
        "rounds": rounds,
    }
    with stop_on_ctrl_c():
        if whole:
            found |= time_renders(loaded, clip, size, layer, frames, rounds, machine)
        else:
            found |= time_passes(loaded, (width, height), layer, rounds)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    threads = f"{format_count(found['threads'], 'thread')}, {found['precision']}"
    title = f"{network} at {found['size']} on {found['device']}, {threads}"
    if whole:
        print_render_times(title, found["render"], before)
    else:
        print_pass_times(f"{title}, {format_count(rounds, 'round')}", found["passes"], before)


def time_passes(
    network: Network, size: tuple[int, int], layer: list[str] | None, rounds: int
) -> dict[str, Any]:
    """Return the figures of passes, as plain values; size: (width, height)."""
    from dreamflow.reports.bench.passes import BENCH_LAYERS, bench_passes, timings_to_rows

    with terminal.progress_bar("timing", rounds, "round") as progress:
        peak, figures = bench_passes(
            network, size[1], size[0], layer or BENCH_LAYERS, rounds, progress
        )
    return {"passes": list(timings_to_rows(peak, figures))}


def time_renders(
    network: Network,
    path: Path | None,
    size: str,
    layer: list[str] | None,
    frames: int,
    rounds: int,
    machine: MachineOptions,
) -> dict[str, Any]:
    """Return the figures of whole renders, as plain values; size: what a clip is fitted into."""
    import torch

    from dreamflow.jobs.output import write_video
    from dreamflow.media.read.clip import Clip
    from dreamflow.reports.bench.render import (
        bench_render,
        peak_memory_mb,
        startup_seconds,
        synthesise_scene,
        synthetic_scene_spec,
    )

    dream = DreamOptions(network=network.name)
    dream = replace(dream, layer=tuple(layer)) if layer else dream
    with tempfile.TemporaryDirectory(prefix="dreamflow_bench_") as folder:
        source = path or Path(folder) / "scene.mp4"
        if path is None:
            scene = (*parse_bench_size(size), frames)
            write_video(source, synthesise_scene(*scene), synthetic_scene_spec(*scene))
        options = ClipOptions(size=size)
        clip = Clip(source, options).subclip(0, frames)
        title = f"rendering {path.name if path else 'a made scene'}"
        with terminal.progress_bar(title, rounds * len(clip)) as progress:
            render = make_render(network, VideoSettings(dream), Path(folder) / "dream.mp4")
            figures = bench_render(render, clip, rounds, progress)
        arguments = ["--network", network.name, "--size", options.size or DEFAULT_BENCH_SIZE]
        arguments += ["--threads", str(torch.get_num_threads()), "--device", machine.device]
        arguments += ["--precision", network.precision]
        arguments += ["--weights", str(machine.weights)] if machine.weights else []
        startup = startup_seconds(source, [*arguments, *(f"--layer={n}" for n in dream.layer)])
    stages = {
        name: {key: round(value, 4) for key, value in row.items()}
        for name, row in figures.median_stage_times().items()
    }
    return {
        "size": f"{clip.width}x{clip.height}",
        "render": {
            "clip": path.name if path else "made",
            "frames": figures.frames,
            "wall_s": [round(seconds, 4) for seconds in figures.round_s],
            "fps": round(figures.frames / figures.median_s, 3),
            "stages": stages,
            "memory_mb": peak_memory_mb(network.device),
            "startup_s": round(startup, 2),
        },
    }


def make_render(network: Network, settings: VideoSettings, out: Path) -> RenderFunction:
    """Return the function that the benchmark times: a clip dreamed into a file."""
    from dreamflow.jobs.controls import RenderControls
    from dreamflow.jobs.render_video import render_video

    def render(clip: Clip, progress: ProgressCallback, stage_times: StageTimes) -> object:
        controls = RenderControls(progress, overwrite=True, stage_times=stage_times)
        return render_video(clip, out, network, settings, controls)

    return render


def parse_bench_size(size: str) -> tuple[int, int]:
    """Return (width, height) of a --size; of one that names only the longer side, at 16:9."""
    return fit_size(size, *(parse_size(size) or (16, 9)))


def load_earlier_times(path: Path, kind: str) -> dict[str, float]:
    """Return the times of an earlier run's --json by layer, or stage. Raises SettingsError.

    kind: "passes" or "render".
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))[kind]
        if kind == "passes":
            return {str(row["layer"]): float(row["ms"]) for row in found}
        times = {str(name): float(row["s"]) for name, row in found["stages"].items()}
        times = {name: seconds / found["frames"] for name, seconds in times.items()}
        return times | {
            TOTAL_LABEL: 1 / float(found["fps"]),
            STARTUP_LABEL: float(found["startup_s"]),
        }
    except OSError as error:
        raise SettingsError(f"--against {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        of = "" if kind == "passes" else " --render"
        raise SettingsError(
            f"--against {path}: it is no --json of `dreamflow bench{of}`"
        ) from error


def device_name(device: Any) -> str:
    """Return what a device is called."""
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def print_pass_times(title: str, passes: Any, earlier_times: dict[str, float]) -> None:
    """Print a pass a row; with an earlier run, how many times as fast it is now."""
    columns = [("layer", "left")]
    columns += [(name, "right") for name in ("ms", "GFLOP", "GFLOP/s", "efficiency")]
    if earlier_times:
        columns.append(("times as fast", "right"))
    table: list[list[str]] = []
    for row in passes:
        cells = [row["layer"], f"{row['ms']:.1f}", f"{row['gflop']:.2f}"]
        cells += [f"{row['gflop_per_s']:.0f}", f"{row['efficiency']:.2f}"]
        if earlier_times:
            was = earlier_times.get(row["layer"])
            cells.append("-" if was is None else f"{was / row['ms']:.2f}")
        table.append(cells)
    print_table(title, columns, table)


def print_render_times(title: str, render: Any, earlier_times: dict[str, float]) -> None:
    """Print a stage a row, and the whole; with an earlier run, how many times as fast it is now."""
    columns = [("stage", "left"), ("ms a frame", "right"), ("share", "right")]
    columns.append(("in other threads, ms", "right"))
    if earlier_times:
        columns.append(("times as fast", "right"))
    frames, stages = render["frames"], render["stages"]
    table: list[list[str]] = []
    for name, row in stages.items():
        beside = f"{1000 * row['beside_s'] / frames:.1f}" if row["beside_s"] else ""
        cells = [name, f"{1000 * row['s'] / frames:.1f}", f"{row['share']:.1%}", beside]
        table.append(
            [*cells, format_speedup(earlier_times, name, row["s"] / frames)][: len(columns)]
        )
    each = 1 / render["fps"]
    cells = [TOTAL_LABEL, f"{1000 * each:.1f}", "100.0%", ""]
    table.append([*cells, format_speedup(earlier_times, TOTAL_LABEL, each)][: len(columns)])
    print_table(title, columns, table)
    outside = 1 - stages["dream"]["share"]
    memory = ", ".join(f"{mb} MB {where}" for where, mb in render["memory_mb"].items())
    startup = f"start-up {render['startup_s']:.1f} s"
    if STARTUP_LABEL in earlier_times:
        startup += (
            f" ({format_speedup(earlier_times, STARTUP_LABEL, render['startup_s'])} times as fast)"
        )
    times, fps = len(render["wall_s"]), render["fps"]
    typer.echo(
        f"{format_count(times, 'round')} of {format_count(frames, 'frame')}: {fps:.2f} frames a second, "
        f"{outside:.1%} of the time outside of dreaming; {startup}; memory {memory or 'not known'}"
    )


def format_speedup(earlier_times: dict[str, float], name: str, now: float) -> str:
    """Return how many times as fast something is as it was; "-" where that says nothing."""
    was = earlier_times.get(name, 0.0)
    return f"{was / now:.2f}" if min(was, now) > MIN_COMPARABLE_S else "-"
