"""`dreamflow distill`: a pocket network of one's own."""

from __future__ import annotations

import functools
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dreamflow.cli import terminal
from dreamflow.cli.binding import DebugOption, with_options
from dreamflow.cli.prepare import apply_machine_options, stop_on_ctrl_c
from dreamflow.core.errors import MediaError, OutputError, SettingsError
from dreamflow.core.machine.options import MachineOptions
from dreamflow.dream.options import DreamOptions
from dreamflow.networks.distill.options import DistillOptions

if TYPE_CHECKING:
    from dreamflow.networks.caffe.graph import GraphNetwork
    from dreamflow.networks.distill.training import Trainer
    from dreamflow.networks.network import Network

DISTILL_EXAMPLE = "Example: dreamflow distill photographs/ mine.safetensors --minutes 60"
CHECKPOINT_INTERVAL_S = 30
MAX_EVALUATION_SIDE_PX = 320


@functools.partial(with_options, without=("precision",))
def distill_command(
    photographs: Annotated[
        Path,
        typer.Argument(help="A folder of photographs.", metavar="FOLDER", show_default=False),
    ],
    out: Annotated[
        Path,
        typer.Argument(help="The pocket, a .safetensors file.", metavar="OUT", show_default=False),
    ],
    *,
    teacher: Annotated[
        str, typer.Option(help="Network to learn from.", rich_help_panel="Training")
    ] = "googlenet",
    evaluate: Annotated[
        bool,
        typer.Option(
            "--evaluate",
            help="Train nothing: measure OUT against the teacher on these photographs.",
            rich_help_panel="Training",
        ),
    ] = False,
    fresh: Annotated[
        bool,
        typer.Option(
            "--fresh", help="Begin anew where a checkpoint lies.", rich_help_panel="Training"
        ),
    ] = False,
    training: DistillOptions,
    machine: MachineOptions,
    debug: DebugOption = False,
) -> None:
    """Distil a network into a small, fast one: a pocket, to dream with --network pocket.

    Stopped at any moment (Ctrl-C, or a power cut), the same command goes on from OUT.ckpt. The
    pocket is written with every checkpoint, so that it can be tried while it is trained.
    """
    if out.suffix != ".safetensors":
        raise OutputError(f"{out}: a pocket is a .safetensors file")
    if not out.resolve().parent.is_dir():
        raise OutputError(f"the folder {out.resolve().parent} does not exist; make it first")
    from dreamflow.networks.caffe.graph import GraphNetwork
    from dreamflow.networks.loading import load_network

    apply_machine_options(machine)
    network = load_network(teacher, machine.weights, machine.device, "float32")
    if not isinstance(network, GraphNetwork):
        raise SettingsError(f"--teacher {teacher}: a pocket learns the layers of googlenet only")
    if evaluate:
        print_transfer_scores(network, out, photographs)
        return
    train_pocket(network, photographs, out, training, fresh)


def train_pocket(
    teacher: GraphNetwork, photographs: Path, out: Path, options: DistillOptions, fresh: bool
) -> None:
    """Train, saving twice a minute and when stopped."""
    import torch

    from dreamflow.media.read.photographs import load_photographs
    from dreamflow.networks.distill.training import Trainer

    torch.set_flush_denormal(True)  # tiny numbers would slow a CPU down a hundredfold
    pictures = load_photographs(photographs)
    trainer = Trainer(teacher, pictures, options)
    checkpoint = out.with_name(out.name + ".ckpt")
    if checkpoint.exists() and not fresh:
        trainer.restore(checkpoint)
        terminal.print_labelled("resumed", "bold", f"{checkpoint} at step {trainer.step}")
    else:
        terminal.print_labelled(
            "fitting", "bold", f"{out.name} to {teacher.name}: about half a minute"
        )
    data = f"{len(pictures)} photographs of {photographs.name}"
    saved = -math.inf  # the first step is saved at once: the fitting before it takes long
    try:
        with stop_on_ctrl_c(), terminal.training_bar(f"distilling {out.name}") as show:
            for _ in trainer.run():
                show(trainer.progress, format_training_state(trainer))
                if time.monotonic() - saved > CHECKPOINT_INTERVAL_S:
                    save_checkpoint_and_pocket(trainer, checkpoint, out, data)
                    saved = time.monotonic()
    finally:
        torch.set_flush_denormal(False)
        save_checkpoint_and_pocket(trainer, checkpoint, out, data)
    typer.echo(f"{out}: {format_training_state(trainer)}")


def save_checkpoint_and_pocket(trainer: Trainer, checkpoint: Path, out: Path, data: str) -> None:
    """Write the checkpoint and the pocket as it is now."""
    try:
        trainer.save(checkpoint)
        trainer.export(out, data)
    except (OSError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise OutputError(f"{checkpoint} cannot be written: {why}") from error


def format_training_state(trainer: Trainer) -> str:
    """Return step and loss per stage on one line; a loss of 1 is that of saying nothing."""
    losses = " ".join(f"{stage} {loss:.2f}" for stage, loss in trainer.losses.items())
    return f"step {trainer.step}, loss {losses}"


def print_transfer_scores(teacher: Network, pocket_file: Path, folder: Path) -> None:
    """Print how much of the teacher's dream the pocket's is, layer by layer."""
    from dreamflow.core.options.values import fit_size
    from dreamflow.media.read.decoders import resize_picture
    from dreamflow.media.stills import is_picture, read_picture
    from dreamflow.networks.loading import load_network
    from dreamflow.reports.transfer import measure_transfer

    if not folder.is_dir() or not any(is_picture(path) for path in folder.iterdir()):
        raise MediaError(f"{folder} is no folder with photographs")
    pictures = []
    for path in sorted(path for path in folder.iterdir() if is_picture(path)):
        picture = read_picture(path)
        if max(picture.shape[:2]) > MAX_EVALUATION_SIDE_PX:
            width, height = fit_size(
                str(MAX_EVALUATION_SIDE_PX), picture.shape[1], picture.shape[0]
            )
            picture = resize_picture(picture, width, height)
        pictures.append(picture)
    pocket = load_network("pocket", pocket_file, teacher.device.type, "float32")
    typer.echo(f"transfer on {len(pictures)} photographs (1 is as good as the teacher)")
    found: list[float] = []
    for layer, share in measure_transfer(pocket, teacher, pictures, options=DreamOptions()):
        found.append(share)
        typer.echo(f"{layer:26} {share:.2f}")
    typer.echo(f"{'mean':26} {sum(found) / len(found):.2f}")
