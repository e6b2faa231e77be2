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
from dreamflow.cli.listing import print_table
from dreamflow.cli.prepare import set_machine, stoppable
from dreamflow.errors import SettingsError
from dreamflow.options import (
    ClipOptions,
    DreamOptions,
    MachineOptions,
    VideoSettings,
    fit_size,
    given_size,
)
from dreamflow.wording import counted

if TYPE_CHECKING:
    from dreamflow.networks import Network

EXAMPLE = "Example: dreamflow bench --network googlenet --json > before.json"
SIZE = "640x360"
ROUNDS = 9
RENDER_ROUNDS = 3
RENDER_FRAMES = 24
LEAST_S = 1e-4
"""Of a frame; less is not compared."""
WHOLE, STARTUP = "all", "start-up"


@with_options
def bench(
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
    ] = SIZE,
    rounds: Annotated[
        int | None,
        typer.Option(
            help="How often each is timed; the median counts.",
            min=1,
            max=1000,
            show_default=f"{ROUNDS}; {RENDER_ROUNDS} of --render",
        ),
    ] = None,
    frames: Annotated[
        int, typer.Option(help="With --render: frames of each, at most.", min=2, max=100_000)
    ] = RENDER_FRAMES,
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
    before = earlier(against, "render" if whole else "passes") if against else {}
    width, height = size_of(size)
    import torch

    from dreamflow.networks import load_network

    set_machine(machine)
    loaded = load_network(network, machine.weights, machine.device, machine.precision)
    for name in layer or ():
        loaded.layer(name.partition("=")[0] if whole else name)
    rounds = rounds or (RENDER_ROUNDS if whole else ROUNDS)
    found: dict[str, Any] = {
        "network": network,
        "size": f"{width}x{height}",
        "device": device_name(loaded.device),
        "threads": torch.get_num_threads(),
        "precision": loaded.precision,
        "torch": torch.__version__,
        "rounds": rounds,
    }
    with stoppable():
        if whole:
            found |= render_figures(loaded, clip, size, layer, frames, rounds, machine)
        else:
            found |= engine_figures(loaded, (width, height), layer, rounds)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    threads = f"{counted(found['threads'], 'thread')}, {found['precision']}"
    title = f"{network} at {found['size']} on {found['device']}, {threads}"
    if whole:
        print_render(title, found["render"], before)
    else:
        print_passes(f"{title}, {counted(rounds, 'round')}", found["passes"], before)


def engine_figures(
    network: Network, size: tuple[int, int], layer: list[str] | None, rounds: int
) -> dict[str, Any]:
    """Return the figures of passes, as plain values; size: (width, height)."""
    from dreamflow.bench.engine import LAYERS, bench_engine, rows

    with terminal.progress_bar("timing", rounds, "round") as progress:
        peak, figures = bench_engine(network, size[1], size[0], layer or LAYERS, rounds, progress)
    return {"passes": list(rows(peak, figures))}


def render_figures(
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

    from dreamflow.bench.render import bench_render, peak_memory_mb, startup_seconds, write_scene
    from dreamflow.media import Clip

    dream = DreamOptions(network=network.name)
    dream = replace(dream, layer=tuple(layer)) if layer else dream
    with tempfile.TemporaryDirectory(prefix="dreamflow_bench_") as folder:
        source = path or Path(folder) / "scene.mp4"
        if path is None:
            write_scene(source, *size_of(size), frames)
        options = ClipOptions(size=size)
        clip = Clip(source, options).between(0, frames)
        title = f"rendering {path.name if path else 'a made scene'}"
        with terminal.progress_bar(title, rounds * len(clip)) as progress:
            figures = bench_render(network, clip, VideoSettings(dream), rounds, progress)
        arguments = ["--network", network.name, "--size", options.size or SIZE]
        arguments += ["--threads", str(torch.get_num_threads()), "--device", machine.device]
        arguments += ["--precision", network.precision]
        arguments += ["--weights", str(machine.weights)] if machine.weights else []
        startup = startup_seconds(source, [*arguments, *(f"--layer={n}" for n in dream.layer)])
    stages = {
        name: {key: round(value, 4) for key, value in row.items()}
        for name, row in figures.stages().items()
    }
    return {
        "size": f"{clip.width}x{clip.height}",
        "render": {
            "clip": path.name if path else "made",
            "frames": figures.frames,
            "wall_s": [round(seconds, 4) for seconds in figures.seconds],
            "fps": round(figures.frames / figures.median_s, 3),
            "stages": stages,
            "memory_mb": peak_memory_mb(network.device),
            "startup_s": round(startup, 2),
        },
    }


def size_of(size: str) -> tuple[int, int]:
    """Return (width, height) of a --size; of one that names only the longer side, at 16:9."""
    return fit_size(size, *(given_size(size) or (16, 9)))


def earlier(path: Path, kind: str) -> dict[str, float]:
    """Return the times of an earlier run's --json by layer, or stage. Raises SettingsError.

    kind: "passes" or "render".
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))[kind]
        if kind == "passes":
            return {str(row["layer"]): float(row["ms"]) for row in found}
        times = {str(name): float(row["s"]) for name, row in found["stages"].items()}
        times = {name: seconds / found["frames"] for name, seconds in times.items()}
        return times | {WHOLE: 1 / float(found["fps"]), STARTUP: float(found["startup_s"])}
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


def print_passes(title: str, passes: Any, before: dict[str, float]) -> None:
    """Print a pass a row; with an earlier run, how many times as fast it is now."""
    columns = [("layer", "left")]
    columns += [(name, "right") for name in ("ms", "GFLOP", "GFLOP/s", "efficiency")]
    if before:
        columns.append(("times as fast", "right"))
    table: list[list[str]] = []
    for row in passes:
        cells = [row["layer"], f"{row['ms']:.1f}", f"{row['gflop']:.2f}"]
        cells += [f"{row['gflop_per_s']:.0f}", f"{row['efficiency']:.2f}"]
        if before:
            was = before.get(row["layer"])
            cells.append("-" if was is None else f"{was / row['ms']:.2f}")
        table.append(cells)
    print_table(title, columns, table)


def print_render(title: str, render: Any, before: dict[str, float]) -> None:
    """Print a stage a row, and the whole; with an earlier run, how many times as fast it is now."""
    columns = [("stage", "left"), ("ms a frame", "right"), ("share", "right")]
    columns.append(("in other threads, ms", "right"))
    if before:
        columns.append(("times as fast", "right"))
    frames, stages = render["frames"], render["stages"]
    table: list[list[str]] = []
    for name, row in stages.items():
        beside = f"{1000 * row['beside_s'] / frames:.1f}" if row["beside_s"] else ""
        cells = [name, f"{1000 * row['s'] / frames:.1f}", f"{row['share']:.1%}", beside]
        table.append([*cells, times_as_fast(before, name, row["s"] / frames)][: len(columns)])
    each = 1 / render["fps"]
    cells = [WHOLE, f"{1000 * each:.1f}", "100.0%", ""]
    table.append([*cells, times_as_fast(before, WHOLE, each)][: len(columns)])
    print_table(title, columns, table)
    outside = 1 - stages["dream"]["share"]
    memory = ", ".join(f"{mb} MB {where}" for where, mb in render["memory_mb"].items())
    startup = f"start-up {render['startup_s']:.1f} s"
    if STARTUP in before:
        startup += f" ({times_as_fast(before, STARTUP, render['startup_s'])} times as fast)"
    times, fps = len(render["wall_s"]), render["fps"]
    typer.echo(
        f"{counted(times, 'round')} of {counted(frames, 'frame')}: {fps:.2f} frames a second, "
        f"{outside:.1%} of the time outside of dreaming; {startup}; memory {memory or 'not known'}"
    )


def times_as_fast(before: dict[str, float], name: str, now: float) -> str:
    """Return how many times as fast something is as it was; "-" where that says nothing."""
    was = before.get(name, 0.0)
    return f"{was / now:.2f}" if min(was, now) > LEAST_S else "-"
