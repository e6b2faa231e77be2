"""Training a student on a teacher's activations, with checkpoints that resume exactly."""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dreamflow import __version__
from dreamflow.core.errors import SettingsError
from dreamflow.networks.caffe import pocket
from dreamflow.networks.caffe.graph import GraphNetwork
from dreamflow.networks.distill.initialisation import fit_student_weights
from dreamflow.networks.distill.options import DistillOptions
from dreamflow.networks.distill.photographs import DreamPool, TrainingPictures, ascend_gradient
from dreamflow.networks.distill.student import Student

INITIAL_FIT_BATCHES = 12
"""Batches that the student's first weights are fitted to."""
WEIGHT_AVERAGE_DECAY = 0.998
LOSS_POWER_FLOOR_SHARE = 0.1
"""A channel's error counts against its power, and this share of its layer's mean power."""
EARLY_LAYERS = ("conv1/7x7_s2", "conv2/3x3_reduce")


class Trainer:
    """A distillation: step it, save it, go on with it."""

    def __init__(
        self, teacher: GraphNetwork, photographs: list[np.ndarray], options: DistillOptions
    ):
        """Raise SettingsError for a layer to end at that the teacher has not."""
        teacher.layer(options.last)
        if teacher.name != "googlenet":
            raise SettingsError(f"{teacher.name} cannot be a teacher yet: only googlenet can")
        self.teacher, self.options, self.device = teacher, options, teacher.device
        self.nodes = pocket.make_pocket_nodes(self._choose_channel_width, options.last)
        self.student = Student(self.nodes).to(self.device)
        self.layers = self.student.layers
        self.convolution_layers = [
            name for name in self.layers if teacher.nodes[name].kind == "conv"
        ]
        self.average_student = copy.deepcopy(self.student)
        self.optimizer = torch.optim.Adam(self.student.parameters(), betas=(0.9, 0.98))
        self.pictures = TrainingPictures(photographs, options.crop, options.seed)
        self.pool = DreamPool(
            self.pictures, self.layers, options.batch, options.dreamed, options.seed
        )
        self.channel_power: dict[str, Tensor] = {}
        self.step, self.spent_s = 0, 0.0
        self.losses: dict[str, float] = {}

    def _choose_channel_width(self, name: str, channels: int) -> int:
        share = self.options.early_width if name in EARLY_LAYERS else self.options.width
        return max(8, 8 * round(channels * share / 8))

    @property
    def progress(self) -> float:
        """How much of the training is done, 0 to 1."""
        if self.options.minutes is not None:
            return min(1.0, self.spent_s / (60 * self.options.minutes))
        return min(1.0, self.step / self.options.steps)

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self.device.type == "cuda":
            return torch.autocast("cuda", torch.bfloat16)
        return contextlib.nullcontext()

    def initialise_student(self) -> None:
        """Give the student its first weights, fitted to the teacher's; a restored one has them."""
        images = [self._make_initial_batch(number) for number in range(INITIAL_FIT_BATCHES)]
        made = np.random.default_rng((self.options.seed, 4))
        together = torch.cat(images)
        with torch.no_grad():
            seen = self.teacher.activations(images[0], self.convolution_layers)
            # Of plain photographs: a dreamed one speaks ten times louder.
            self.channel_power = {
                name: compute_channel_power(theirs) for name, theirs in seen.items()
            }
        loudness = {
            name: math.sqrt(float(power.mean())) for name, power in self.channel_power.items()
        }
        weights = fit_student_weights(self.teacher, self.nodes, together, made)
        self.student.set_weights(weights, loudness)
        self.average_student.set_weights(weights, loudness)

    def _make_initial_batch(self, number: int) -> Tensor:
        """Return a batch to inherit on: every second one has been dreamed on by the teacher."""
        size = self.options.batch
        images = self.pictures.stack(10**9 + number * size, size).to(self.device)
        made = np.random.default_rng((self.options.seed, 5, number))
        layers = [self.layers[n] for n in made.integers(len(self.layers), size=size)]
        for _ in range(int(made.integers(1, 5)) if number % 2 else 0):
            images.requires_grad_(True)
            value = sum_layer_power(self.teacher.activations(images, self.layers), layers)
            (gradient,) = torch.autograd.grad(value, images)
            images = ascend_gradient(images.detach(), gradient, 4.0)
        return images.detach()

    def train_step(self) -> float:
        """Train on one batch; return the loss."""
        if not self.channel_power:
            self.initialise_student()
        started = time.monotonic()
        for group in self.optimizer.param_groups:
            warmup = min(1.0, (self.step + 1) / 50)
            group["lr"] = self.options.rate * warmup * 0.5 * (1 + math.cos(math.pi * self.progress))
        plain, layers = self.pool.draw_batch(self.step)
        images = plain.to(self.device, memory_format=torch.channels_last).requires_grad_(True)
        with self._autocast():
            seen = self.teacher.activations(images, self.layers)
        (theirs,) = torch.autograd.grad(sum_layer_power(seen, layers), images)
        with self._autocast():
            found = self.student(images)
        (ours,) = torch.autograd.grad(sum_layer_power(found, layers), images, create_graph=True)
        off = 1 - F.cosine_similarity(ours.flatten(1), theirs.flatten(1)).mean()
        parts = {
            name: self._compute_activation_error(name, found[name], seen[name].detach())
            for name in self.convolution_layers
        }
        loss = torch.stack(list(parts.values())).mean() + self.options.gradient * off
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        self.optimizer.step()
        self.pool.ascend_batch(ours.detach(), theirs, self.step)
        self._record_losses(parts, off)
        self._update_average()
        self.step += 1
        self.spent_s += time.monotonic() - started
        return float(loss.detach())

    def _compute_activation_error(self, name: str, ours: Tensor, theirs: Tensor) -> Tensor:
        """Return the mean over channels of squared error over the teacher's power.

        The power is the batch's own where that is greater: a dreamed batch speaks ten times
        louder than a photograph, and would drown all others.
        """
        theirs = theirs.detach().float()
        power = torch.maximum(self.channel_power[name], compute_channel_power(theirs))
        # A channel that hardly ever speaks must not drown the others.
        power = power + LOSS_POWER_FLOOR_SHARE * power.mean()
        return ((ours.float() - theirs).square().mean(dim=(0, 2, 3)) / power).mean()

    def _record_losses(self, parts: dict[str, Tensor], direction_error: Tensor) -> None:
        stages: dict[str, list[float]] = {}
        for name, part in parts.items():
            stage = name.split("/")[0].replace("inception_", "")
            stages.setdefault(stage, []).append(float(part.detach()))
        stages["direction"] = [float(direction_error.detach())]
        for stage, values in stages.items():
            self.losses[stage] = update_running_mean(
                self.losses.get(stage), sum(values) / len(values)
            )

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(WEIGHT_AVERAGE_DECAY, (self.step + 1) / (self.step + 10))
        for mine, theirs in zip(
            self.average_student.state_dict().values(),
            self.student.state_dict().values(),
            strict=True,
        ):
            if mine.dtype.is_floating_point:
                mine.lerp_(theirs, 1 - decay)
            else:
                mine.copy_(theirs)

    def run(self) -> Iterator[float]:
        """Yield the loss of each step until the training is done."""
        while self.progress < 1:
            yield self.train_step()

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        state = {
            "options": asdict(self.options),
            "teacher": self.teacher.weights_hash,
            "step": self.step,
            "spent_s": self.spent_s,
            "losses": self.losses,
            "power": self.channel_power,
            "student": self.student.state_dict(),
            "average": self.average_student.state_dict(),
            "pool": self.pool.state(),
            "optimizer": self.optimizer.state_dict(),
        }
        part = path.with_name(path.name + ".part")
        torch.save(state, part)
        part.replace(path)

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint. Raises SettingsError for one of other settings or teacher."""
        # weights_only: tensors and plain values, no code.
        state = torch.load(path, map_location=self.device, weights_only=True)
        mine = asdict(self.options)
        free = {"steps", "minutes"}
        changed = [k for k, v in state["options"].items() if k not in free and mine.get(k) != v]
        if state["teacher"] != self.teacher.weights_hash:
            changed.append("teacher")
        if changed:
            raise SettingsError(
                f"{path} was trained with another {', '.join(changed)}; use the same settings, or "
                "--fresh to begin anew"
            )
        self.step, self.spent_s = state["step"], state["spent_s"]
        self.losses, self.channel_power = state["losses"], state["power"]
        self.student.load_state_dict(state["student"])
        self.average_student.load_state_dict(state["average"])
        self.pool.restore(state["pool"])
        self.optimizer.load_state_dict(state["optimizer"])

    def export(self, path: Path, data: str = "") -> None:
        """Write the pocket: one safetensors file in float16, with what it is made from inside."""
        half = {key: tensor.half() for key, tensor in self.average_student.export_weights().items()}
        note = {
            "made_by": f"dreamflow {__version__}",
            "teacher": self.teacher.name,
            "teacher_sha256": self.teacher.weights_hash,
            "data": data,
            "steps": str(self.step),
            "pictures_seen": str(self.step * self.options.batch),
            "losses": ", ".join(f"{stage} {loss:.3f}" for stage, loss in self.losses.items()),
            "date": datetime.now(UTC).date().isoformat(),
            "licence": "weights derived from the teacher's: its licence applies",
        }
        part = path.with_name(path.name + ".part")
        safetensors.torch.save_file(half, part, metadata=note)
        part.replace(path)


def compute_channel_power(activation: Tensor) -> Tensor:
    """Return the mean square of each channel of (N, C, H, W)."""
    return activation.float().square().mean(dim=(0, 2, 3))


def sum_layer_power(activations: Mapping[str, Tensor], layers: Sequence[str]) -> Tensor:
    """Return the sum over pictures of the mean square of each one's own layer."""
    chosen: dict[str, list[int]] = {}
    for number, layer in enumerate(layers):
        chosen.setdefault(layer, []).append(number)
    parts = [
        activations[layer][numbers].float().square().mean(dim=(1, 2, 3)).sum()
        for layer, numbers in chosen.items()
    ]
    return torch.stack(parts).sum()


def update_running_mean(before: float | None, now: float) -> float:
    """Return a running mean over about a hundred steps."""
    return now if before is None else 0.99 * before + 0.01 * now
