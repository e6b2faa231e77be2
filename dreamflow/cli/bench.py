"""`dreamflow bench`: how fast this machine dreams."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from dreamflow.cli import terminal
from dreamflow.cli.binding import DebugOption, with_options
from dreamflow.cli.listing import print_table
from dreamflow.cli.prepare import set_machine, stoppable
from dreamflow.errors import SettingsError
from dreamflow.options import DreamOptions, MachineOptions, fit_size

EXAMPLE = "Example: dreamflow bench --network googlenet --json > before.json"
SIZE = "640x360"
ROUNDS = 9


@with_options
def bench(
    *,
    network: Annotated[str, typer.Option(help="Network to time.")] = DreamOptions.network,
    layer: Annotated[
        list[str] | None,
        typer.Option(help="Layer to time; repeat for several.", show_default="ten of them"),
    ] = None,
    size: Annotated[
        str, typer.Option(help="Size of the picture, WIDTHxHEIGHT.", metavar="SIZE")
    ] = SIZE,
    rounds: Annotated[
        int, typer.Option(help="How often each is timed; the median counts.", min=1, max=1000)
    ] = ROUNDS,
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
    """Time the engine: one step on a layer, forward and backward.

    After a warm-up all layers are timed in turn, round after round; medians count.
    Efficiency: operations per second of the network's convolutions, as a share of
    what a plain 3x3 convolution reaches in the same run. Close other programs.
    """
    before = earlier(against) if against else {}
    width, height = size_of(size)
    import torch

    from dreamflow.bench import bench_engine
    from dreamflow.bench.engine import LAYERS, rows
    from dreamflow.networks import load_network

    set_machine(machine)
    loaded = load_network(network, machine.weights, machine.device)
    for name in layer or ():
        loaded.layer(name)
    with stoppable(), terminal.progress_bar("timing", rounds, "round") as progress:
        peak, figures = bench_engine(loaded, height, width, layer or LAYERS, rounds, progress)
    found = {
        "network": network,
        "size": f"{width}x{height}",
        "device": device_name(loaded.device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "rounds": rounds,
        "passes": list(rows(peak, figures)),
    }
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    threads = f"{found['threads']} thread{'s' * (found['threads'] != 1)}"
    where = f"{network} at {found['size']} on {found['device']}, {threads}"
    title = f"{where}, {rounds} rounds"
    print_passes(title, found["passes"], before)


def size_of(size: str) -> tuple[int, int]:
    """Return (width, height) of a --size that names both."""
    width, _, height = size.lower().partition("x")
    if not (width.strip().isdigit() and height.strip().isdigit()):
        raise SettingsError(f"--size {size!r}: write WIDTHxHEIGHT, such as {SIZE}")
    return fit_size(size, int(width), int(height))


def earlier(path: Path) -> dict[str, float]:
    """Return the milliseconds by layer of an earlier run's --json. Raises SettingsError."""
    try:
        passes = json.loads(path.read_text(encoding="utf-8"))["passes"]
        return {str(row["layer"]): float(row["ms"]) for row in passes}
    except OSError as error:
        raise SettingsError(f"--against {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"--against {path}: it is no --json of `dreamflow bench`") from error


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
