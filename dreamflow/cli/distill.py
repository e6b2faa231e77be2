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
from dreamflow.cli.prepare import set_machine, stoppable
from dreamflow.errors import MediaError, OutputError, SettingsError
from dreamflow.options import DistillOptions, DreamOptions, MachineOptions

if TYPE_CHECKING:
    from dreamflow.distill import Trainer
    from dreamflow.networks import Network
    from dreamflow.networks.graph import GraphNetwork

EXAMPLE = "Example: dreamflow distill photographs/ mine.safetensors --minutes 60"
SAVE_EVERY_S = 30
EVALUATED_PX = 320


@functools.partial(with_options, without=("precision",))
def distill(
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
    from dreamflow.networks import load_network
    from dreamflow.networks.graph import GraphNetwork

    set_machine(machine)
    network = load_network(teacher, machine.weights, machine.device, "float32")
    if not isinstance(network, GraphNetwork):
        raise SettingsError(f"--teacher {teacher}: a pocket learns the layers of googlenet only")
    if evaluate:
        print_transfer(network, out, photographs)
        return
    train(network, photographs, out, training, fresh)


def train(
    teacher: GraphNetwork, photographs: Path, out: Path, options: DistillOptions, fresh: bool
) -> None:
    """Train, saving twice a minute and when stopped."""
    import torch

    from dreamflow.distill import Trainer
    from dreamflow.distill.pictures import load_photographs

    torch.set_flush_denormal(True)  # tiny numbers would slow a CPU down a hundredfold
    pictures = load_photographs(photographs)
    trainer = Trainer(teacher, pictures, options)
    checkpoint = out.with_name(out.name + ".ckpt")
    if checkpoint.exists() and not fresh:
        trainer.restore(checkpoint)
        terminal.say("resumed", "bold", f"{checkpoint} at step {trainer.step}")
    else:
        terminal.say("fitting", "bold", f"{out.name} to {teacher.name}: about half a minute")
    data = f"{len(pictures)} photographs of {photographs.name}"
    saved = -math.inf  # the first step is saved at once: the fitting before it takes long
    try:
        with stoppable(), terminal.training_bar(f"distilling {out.name}") as show:
            for _ in trainer.run():
                show(trainer.progress, state_of(trainer))
                if time.monotonic() - saved > SAVE_EVERY_S:
                    save(trainer, checkpoint, out, data)
                    saved = time.monotonic()
    finally:
        torch.set_flush_denormal(False)
        save(trainer, checkpoint, out, data)
    typer.echo(f"{out}: {state_of(trainer)}")


def save(trainer: Trainer, checkpoint: Path, out: Path, data: str) -> None:
    """Write the checkpoint and the pocket as it is now."""
    try:
        trainer.save(checkpoint)
        trainer.export(out, data)
    except (OSError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise OutputError(f"{checkpoint} cannot be written: {why}") from error


def state_of(trainer: Trainer) -> str:
    """Return step and loss per stage on one line; a loss of 1 is that of saying nothing."""
    losses = " ".join(f"{stage} {loss:.2f}" for stage, loss in trainer.losses.items())
    return f"step {trainer.step}, loss {losses}"


def print_transfer(teacher: Network, pocket_file: Path, folder: Path) -> None:
    """Print how much of the teacher's dream the pocket's is, layer by layer."""
    from dreamflow.distill import transfer
    from dreamflow.media.readers import fitted
    from dreamflow.media.stills import is_picture, read_picture
    from dreamflow.networks import load_network
    from dreamflow.options import fit_size

    if not folder.is_dir() or not any(is_picture(path) for path in folder.iterdir()):
        raise MediaError(f"{folder} is no folder with photographs")
    pictures = []
    for path in sorted(path for path in folder.iterdir() if is_picture(path)):
        picture = read_picture(path)
        if max(picture.shape[:2]) > EVALUATED_PX:
            width, height = fit_size(str(EVALUATED_PX), picture.shape[1], picture.shape[0])
            picture = fitted(picture, width, height)
        pictures.append(picture)
    pocket = load_network("pocket", pocket_file, teacher.device.type, "float32")
    typer.echo(f"transfer on {len(pictures)} photographs (1 is as good as the teacher)")
    found: list[float] = []
    for layer, share in transfer(pocket, teacher, pictures, options=DreamOptions()):
        found.append(share)
        typer.echo(f"{layer:26} {share:.2f}")
    typer.echo(f"{'mean':26} {sum(found) / len(found):.2f}")
