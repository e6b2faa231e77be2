"""`dreamflow distill`: train a small network on photographs of your own."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dreamflow.cli.output.terminal import print_labelled, print_line
from dreamflow.cli.progress.bars import training_bar
from dreamflow.cli.progress.options import ProgressOptions
from dreamflow.cli.registry import Command, Section
from dreamflow.cli.settings.binding import panel_title, with_options
from dreamflow.cli.settings.prepare import apply_machine_options, stop_on_ctrl_c
from dreamflow.cli.settings.shared_options import DebugOption, OverwriteOption
from dreamflow.core.errors import MediaError, OutputError, SettingsError, named
from dreamflow.core.machine.options import MachineOptions
from dreamflow.dream.options import DreamOptions
from dreamflow.networks.distill.options import DistillOptions

if TYPE_CHECKING:
    import numpy as np

    from dreamflow.networks.caffe.graph import GraphNetwork
    from dreamflow.networks.distill.training import Trainer
    from dreamflow.networks.network import Network

CHECKPOINT_INTERVAL_S = 30
"""Seconds of training between two checkpoints."""
MAX_EVALUATION_SIDE_PX = 320
"""Larger photographs are evaluated at this size, in pixels of the longer side."""
CHECKPOINT_SUFFIX = ".ckpt"
TRAINING_PANEL = panel_title(DistillOptions)


@functools.partial(with_options, without=("precision",))
def distill_command(
    photographs: Annotated[
        Path,
        typer.Argument(help="A folder of photographs.", metavar="FOLDER", show_default=False),
    ],
    out: Annotated[
        Path,
        typer.Argument(
            help="The small network, a .safetensors file.", metavar="OUT", show_default=False
        ),
    ],
    *,
    teacher: Annotated[
        str, typer.Option(help="Network to learn from.", rich_help_panel=TRAINING_PANEL)
    ] = "googlenet",
    evaluate: Annotated[
        bool,
        typer.Option(
            "--evaluate",
            help="Do not train: compare OUT with the teacher on these photographs.",
            rich_help_panel=TRAINING_PANEL,
        ),
    ] = False,
    fresh: Annotated[
        bool,
        typer.Option(
            "--fresh",
            help="Start over, even if there is a checkpoint.",
            rich_help_panel=TRAINING_PANEL,
        ),
    ] = False,
    begin_with: Annotated[
        Path | None,
        typer.Option(
            "--begin-with",
            help="A small network whose training goes on, with the same or with fewer channels. "
            "[the teacher, thinned out]",
            metavar="FILE",
            show_default=False,
            rich_help_panel=TRAINING_PANEL,
        ),
    ] = None,
    training: DistillOptions,
    machine: MachineOptions,
    reporting: ProgressOptions,
    overwrite: OverwriteOption = False,
    debug: DebugOption = False,
) -> None:
    """Train a small, fast network to dream like a large one, on photographs of your own.

    Dream with it: --weights OUT. Stopped at any moment (Ctrl-C, or a power cut), the training is
    resumed from OUT.ckpt when the same command is given again. The network is written with every
    checkpoint, so you can try it during the training.
    """
    if out.suffix != ".safetensors":
        raise OutputError(f"{out}: the network is written as a .safetensors file")
    if not evaluate:
        check_pocket_path(out, overwrite or fresh, [machine.weights, begin_with])
    from dreamflow.networks.caffe.graph import GraphNetwork
    from dreamflow.networks.loading import load_network

    used = replace(apply_machine_options(machine), precision="float32")
    network = load_network(teacher, machine.weights, machine=used)
    if not isinstance(network, GraphNetwork):
        raise SettingsError(
            f"{named('teacher')} {teacher}: a small network learns from googlenet only, or from "
            "another with its layers",
            setting="teacher",
            value=teacher,
        )
    if evaluate:
        print_transfer_scores(network, out, photographs)
        return
    first = load_network("pocket", begin_with, machine=used) if begin_with else None
    assert first is None or isinstance(first, GraphNetwork)
    train_pocket(network, photographs, out, training, first, fresh, reporting.kind)


DISTILL = Command(
    "distill",
    distill_command,
    Section.SET_UP,
    4,
    "dreamflow distill photographs/ mine.safetensors --minutes 60",
)


def check_pocket_path(out: Path, overwrite: bool, inputs: Sequence[Path | None]) -> None:
    """Raise OutputError where a network would replace a file that is not of this training."""
    from dreamflow.media.write.output_path import check_output

    is_resumed = checkpoint_path(out).exists()
    check_output(out, overwrite or is_resumed, [path for path in inputs if path])


def checkpoint_path(out: Path) -> Path:
    """Return the file that the training of a network is resumed from."""
    return out.with_name(out.name + CHECKPOINT_SUFFIX)


def train_pocket(
    teacher: GraphNetwork,
    photographs: Path,
    out: Path,
    options: DistillOptions,
    begin_with: GraphNetwork | None,
    fresh: bool,
    progress_kind: str,
) -> None:
    """Train; save at every checkpoint, and when stopped."""
    import torch

    from dreamflow.media.read.photographs import load_photographs
    from dreamflow.networks.distill.training import Trainer

    torch.set_flush_denormal(True)  # subnormal numbers would slow a CPU down a hundredfold
    pictures = load_photographs(photographs)
    trainer = Trainer(teacher, pictures, options, begin_with)
    checkpoint = checkpoint_path(out)
    if checkpoint.exists() and not fresh:
        trainer.restore(checkpoint)
        print_labelled("resumed", "bold", f"{checkpoint} at step {trainer.step}")
    else:
        print_labelled(
            "fitting", "bold", f"{out.name} to {(begin_with or teacher).name}: about half a minute"
        )
    description = f"{len(pictures)} photographs of {photographs.name}"
    last_save_s = -math.inf  # save at the first step: the fitting before it takes long
    try:
        with stop_on_ctrl_c(), training_bar(f"distilling {out.name}", kind=progress_kind) as show:
            for _ in trainer.run():
                show(trainer.progress, format_training_state(trainer))
                if time.monotonic() - last_save_s > CHECKPOINT_INTERVAL_S:
                    save_checkpoint_and_pocket(trainer, checkpoint, out, description)
                    last_save_s = time.monotonic()
    finally:
        torch.set_flush_denormal(False)
        save_checkpoint_and_pocket(trainer, checkpoint, out, description)
    print_line(f"{out}: {format_training_state(trainer)}")


def save_checkpoint_and_pocket(
    trainer: Trainer, checkpoint: Path, out: Path, description: str
) -> None:
    """Write the checkpoint, and the network as it is now.

    Args:
        trainer: The training.
        checkpoint: The file that the training is resumed from.
        out: The file of the network.
        description: What it was trained on, kept in its file.
    """
    try:
        trainer.save(checkpoint)
        trainer.export(out, description)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise OutputError(f"{checkpoint} cannot be written: {reason}") from error


def format_training_state(trainer: Trainer) -> str:
    """Return step and loss per stage on one line; 1 is the loss of a network that outputs 0."""
    losses = " ".join(f"{stage} {loss:.2f}" for stage, loss in trainer.losses.items())
    return f"step {trainer.step}, loss {losses}"


def print_transfer_scores(teacher: Network, pocket_file: Path, folder: Path) -> None:
    """Print, layer by layer, how much of the teacher's dream the small network reaches."""
    from dreamflow.networks.loading import load_network
    from dreamflow.reports.transfer import measure_transfer

    pictures = read_small_photographs(folder)
    pocket = load_network("pocket", pocket_file, teacher.device.type, "float32")
    typer.echo(f"transfer on {len(pictures)} photographs (1 is as good as the teacher)")
    shares: list[float] = []
    for layer, share in measure_transfer(pocket, teacher, pictures, options=DreamOptions()):
        shares.append(share)
        typer.echo(f"{layer:26} {share:.2f}")
    typer.echo(f"{'mean':26} {sum(shares) / len(shares):.2f}")


def read_small_photographs(folder: Path) -> list[np.ndarray]:
    """Return the photographs in a folder, uint8 (H, W, 3) RGB, sides up to the evaluation's.

    Raises:
        MediaError: There are none.
    """
    from dreamflow.core.options.values import fit_size
    from dreamflow.media.resize import resize_picture
    from dreamflow.media.stills.read import is_picture, read_picture

    paths = sorted(filter(is_picture, folder.iterdir())) if folder.is_dir() else []
    if not paths:
        raise MediaError(f"{folder} is no folder with photographs")
    pictures: list[np.ndarray] = []
    for path in paths:
        picture = read_picture(path)
        height, width = picture.shape[:2]
        if max(width, height) > MAX_EVALUATION_SIDE_PX:
            size = fit_size(str(MAX_EVALUATION_SIDE_PX), width, height)
            picture = resize_picture(picture, *size)
        pictures.append(picture)
    return pictures
