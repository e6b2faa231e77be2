"""`dreamflow bench`: measure how fast this machine dreams."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dreamflow.cli.binding import with_options
from dreamflow.cli.prepare import prepare_network, stop_on_ctrl_c
from dreamflow.cli.progress import progress_bar
from dreamflow.cli.registry import Command, Section
from dreamflow.cli.shared_options import DebugOption, JsonOption
from dreamflow.cli.tables import Column, print_table
from dreamflow.core.errors import SettingsError, named
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.options.values import fit_size, parse_size
from dreamflow.core.wording import format_count
from dreamflow.dream.options import DreamOptions
from dreamflow.media.options import ClipOptions
from dreamflow.pipelines.settings.groups import VideoSettings

if TYPE_CHECKING:
    from dreamflow.networks.network import Network

DEFAULT_BENCH_SIZE = "640x360"
DEFAULT_PASS_ROUNDS = 9
DEFAULT_RENDER_ROUNDS = 3
DEFAULT_RENDER_FRAMES = 24
MIN_COMPARABLE_S = 1e-4
"""Seconds of a stage in a frame; shorter ones are not compared with an earlier run."""
TOTAL_LABEL, STARTUP_LABEL = "all", "start-up"


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
    machine: MachineOptions,
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
            result |= time_renders(loaded, clip, size, layer, frames, rounds, machine)
        else:
            result |= time_passes(loaded, (width, height), layer, rounds)
    if as_json:
        typer.echo(json.dumps(result, indent=2))
        return
    threads = f"{format_count(result['threads'], 'thread')}, {result['precision']}"
    title = f"{network} at {result['size']} on {result['device']}, {threads}"
    if whole:
        print_render_times(title, result["render"], before)
    else:
        print_pass_times(f"{title}, {format_count(rounds, 'round')}", result["passes"], before)


COMMAND = Command(
    "bench",
    bench_command,
    Section.INSPECT,
    4,
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
    network: Network, size: tuple[int, int], layer: list[str] | None, rounds: int
) -> dict[str, Any]:
    """Return the times of passes through layers, as plain values; size is (width, height)."""
    from dreamflow.reports.bench.passes import BENCH_LAYERS, bench_passes, timings_to_rows

    with progress_bar("timing", rounds, "round") as progress:
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
    """Return the times of whole renders, as plain values.

    Args:
        network: The network.
        path: The clip; None for a synthetic scene.
        size: What the clip is fitted into, as `--size` has it.
        layer: Layers to dream on; None for the default.
        frames: Frames of each render, at most.
        rounds: How often it is rendered.
        machine: Threads and device for the process whose start-up is timed.
    """
    from dreamflow.media.read.clip import Clip
    from dreamflow.reports.bench.render import (
        bench_render,
        peak_memory_mb,
        startup_seconds,
        write_synthetic_scene,
    )

    dream = DreamOptions(network=network.name)
    dream = replace(dream, layer=tuple(layer)) if layer else dream
    with tempfile.TemporaryDirectory(prefix="dreamflow_bench_") as folder:
        source = path or Path(folder) / "scene.mp4"
        if path is None:
            write_synthetic_scene(source, *parse_bench_size(size), frames)
        clip = Clip(source, ClipOptions(size=size)).subclip(0, frames)
        title = f"rendering {path.name if path else 'a synthetic scene'}"
        with progress_bar(title, rounds * len(clip)) as progress:
            times = bench_render(network, clip, VideoSettings(dream), rounds, progress)
        startup_s = startup_seconds(source, startup_arguments(network, size, dream.layer, machine))
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


def startup_arguments(
    network: Network, size: str, layers: Iterable[str], machine: MachineOptions
) -> list[str]:
    """Return the options of the command whose start-up is timed."""
    import torch

    arguments = ["--network", network.name, "--size", size]
    arguments += ["--threads", str(torch.get_num_threads()), "--device", machine.device]
    arguments += ["--precision", network.precision]
    arguments += ["--weights", str(machine.weights)] if machine.weights else []
    return [*arguments, *(f"--layer={layer}" for layer in layers)]


def parse_bench_size(size: str) -> tuple[int, int]:
    """Return the (width, height) of a `--size`; at 16:9 where it names only the longer side."""
    return fit_size(size, *(parse_size(size) or (16, 9)))


def load_earlier_times(path: Path, kind: Literal["passes", "render"]) -> dict[str, float]:
    """Return the times of an earlier run's `--json`, by layer in ms, or by stage in s a frame.

    Raises:
        SettingsError: The file cannot be read, or is not of this kind.
    """
    try:
        result = json.loads(path.read_text(encoding="utf-8"))[kind]
        if kind == "passes":
            return {str(row["layer"]): float(row["ms"]) for row in result}
        times = {str(name): float(row["s"]) for name, row in result["stages"].items()}
        times = {name: seconds / result["frames"] for name, seconds in times.items()}
        return times | {
            TOTAL_LABEL: 1 / float(result["fps"]),
            STARTUP_LABEL: float(result["startup_s"]),
        }
    except OSError as error:
        raise SettingsError(
            f"{named('against')} {path}: {error.strerror}", setting="against", value=path
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        command = "dreamflow bench" if kind == "passes" else "dreamflow bench --render"
        raise SettingsError(
            f"{named('against')} {path}: this is not the {named('json')} of `{command}`",
            setting="against",
            value=path,
        ) from error


def print_pass_times(
    title: str, passes: Sequence[Mapping[str, Any]], earlier_ms: Mapping[str, float]
) -> None:
    """Print a table with a row for each layer, and its speed-up over an earlier run if given."""
    headings = ("ms", "GFLOP", "GFLOP/s", "efficiency")
    columns: list[Column] = [("layer", "left"), *((heading, "right") for heading in headings)]
    if earlier_ms:
        columns.append(("times as fast", "right"))
    table: list[list[str]] = []
    for row in passes:
        cells = [row["layer"], f"{row['ms']:.1f}", f"{row['gflop']:.2f}"]
        cells += [f"{row['gflop_per_s']:.0f}", f"{row['efficiency']:.2f}"]
        if earlier_ms:
            before_ms = earlier_ms.get(row["layer"])
            cells.append("-" if before_ms is None else f"{before_ms / row['ms']:.2f}")
        table.append(cells)
    print_table(title, columns, table)


def print_render_times(title: str, render: Mapping[str, Any], earlier_s: dict[str, float]) -> None:
    """Print a table with a row for each stage, and a line about the whole."""
    columns: list[Column] = [("stage", "left"), ("ms a frame", "right"), ("share", "right")]
    columns.append(("in other threads, ms", "right"))
    if earlier_s:
        columns.append(("times as fast", "right"))
    frames, table = render["frames"], []
    for name, row in render["stages"].items():
        other = f"{1000 * row['beside_s'] / frames:.1f}" if row["beside_s"] else ""
        cells = [name, f"{1000 * row['s'] / frames:.1f}", f"{row['share']:.1%}", other]
        table.append([*cells, format_speedup(earlier_s, name, row["s"] / frames)][: len(columns)])
    frame_s = 1 / render["fps"]
    cells = [TOTAL_LABEL, f"{1000 * frame_s:.1f}", "100.0%", ""]
    table.append([*cells, format_speedup(earlier_s, TOTAL_LABEL, frame_s)][: len(columns)])
    print_table(title, columns, table)
    typer.echo(format_render_line(render, earlier_s))


def format_render_line(render: Mapping[str, Any], earlier_s: dict[str, float]) -> str:
    """Return frames a second, time outside of dreaming, start-up and memory, on one line."""
    rounds = format_count(len(render["wall_s"]), "round")
    frames = format_count(render["frames"], "frame")
    memory = ", ".join(f"{mb} MB {where}" for where, mb in render["memory_mb"].items())
    startup = f"start-up {render['startup_s']:.1f} s"
    if STARTUP_LABEL in earlier_s:
        speedup = format_speedup(earlier_s, STARTUP_LABEL, render["startup_s"])
        startup += f" ({speedup} times as fast)"
    outside = 1 - render["stages"]["dream"]["share"]
    return (
        f"{rounds} of {frames}: {render['fps']:.2f} frames a second, {outside:.1%} of the time "
        f"outside of dreaming; {startup}; memory {memory or 'not known'}"
    )


def format_speedup(earlier_s: dict[str, float], name: str, now_s: float) -> str:
    """Return how many times as fast a stage is now; "-" where either time is too short to tell."""
    before_s = earlier_s.get(name, 0.0)
    return f"{before_s / now_s:.2f}" if min(before_s, now_s) > MIN_COMPARABLE_S else "-"
