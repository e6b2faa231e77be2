"""Training a student on a teacher's activations and gradients, resumable from checkpoints."""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dreamflow._version import __version__
from dreamflow.core.errors import SettingsError, named
from dreamflow.networks.caffe import pocket
from dreamflow.networks.caffe.graph import GraphNetwork
from dreamflow.networks.caffe.node import WEIGHTED_KINDS
from dreamflow.networks.distill.dream_pool import DreamPool, ascend_gradient
from dreamflow.networks.distill.initialisation import fit_student_weights
from dreamflow.networks.distill.losses import (
    compute_activation_error,
    compute_channel_power,
    sum_layer_power,
    update_running_mean,
)
from dreamflow.networks.distill.options import DistillOptions
from dreamflow.networks.distill.student import Student
from dreamflow.networks.distill.training_pictures import TrainingPictures
from dreamflow.networks.distill.widths import make_trunk_shape
from dreamflow.networks.kernels.selection import has_fast_bfloat16

INITIAL_FIT_BATCHES = 12
"""Batches that the student's first weights are fitted to."""
INITIAL_FIT_FIRST_PICTURE = 10**9
"""Number of the first picture of those batches, beyond those of any training."""
INITIAL_ASCENT_LEVELS = 4.0
"""Step of the teacher's dreams on every second of those batches, in 8-bit levels."""
WARMUP_STEPS = 50
"""Steps over which the learning rate rises from 0."""
ADAM_BETAS = (0.9, 0.98)
"""Decay of Adam's running means of the gradient and of its square."""
MAX_GRADIENT_NORM = 1.0
"""Norm that the gradient of all parameters is clipped to."""
WEIGHT_AVERAGE_DECAY = 0.998
"""Decay a step of the running mean of the weights, which is what is exported."""
FREE_SETTINGS = ("steps", "minutes")
"""Settings that may differ between a checkpoint and the training that resumes from it."""


class Trainer:
    """A distillation: `run` it, `save` it, `restore` it, `export` what it has learnt."""

    def __init__(
        self,
        teacher: GraphNetwork,
        photographs: Sequence[np.ndarray],
        options: DistillOptions,
        begin_with: GraphNetwork | None = None,
    ) -> None:
        """Prepare a training from its beginning.

        Args:
            teacher: GoogLeNet; the student is trained on its device.
            photographs: uint8 (H, W, 3) RGB each.
            options: How the student is built and trained.
            begin_with: A trained pocket whose trunk the student's first weights are fitted to,
                instead of the teacher's channels.

        Raises:
            SettingsError: The teacher has no layer `options.last`, or is another network; or
                `options.widths` or `options.ranks` cannot be read.
        """
        teacher.layer(options.last)
        if teacher.name != "googlenet":
            raise SettingsError(
                f"{teacher.name} cannot be a {named('teacher')} yet: only googlenet can",
                setting="teacher",
                value=teacher.name,
                allowed="googlenet",
            )
        self.teacher, self.options, self.device = teacher, options, teacher.device
        self.begin_with = begin_with
        self.begun_with = begin_with.weights_hash if begin_with else teacher.weights_hash
        self.nodes = pocket.make_pocket_nodes(make_trunk_shape(options), options.last)
        self.student = Student(self.nodes).to(self.device)
        self.layers = self.student.layers
        self.convolution_layers = [
            name for name in self.layers if teacher.nodes[name].kind == "conv"
        ]
        self.average_student = copy.deepcopy(self.student)
        self.optimizer = torch.optim.Adam(self.student.parameters(), betas=ADAM_BETAS)
        self.pictures = TrainingPictures(photographs, options.crop, options.seed)
        self.pool = DreamPool(
            self.pictures, self.layers, options.batch, options.dreamed, options.seed
        )
        self.channel_power: dict[str, Tensor] = {}
        self.step, self.spent_s = 0, 0.0
        self.losses: dict[str, float] = {}

    @property
    def progress(self) -> float:
        """Share of the training that is done, 0 to 1."""
        if self.options.minutes is not None:
            return min(1.0, self.spent_s / (60 * self.options.minutes))
        return min(1.0, self.step / self.options.steps)

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Let the convolutions of a pass compute in bfloat16, where that is faster."""
        if self.device.type == "cuda" or (self.device.type == "cpu" and has_fast_bfloat16()):
            return torch.autocast(self.device.type, torch.bfloat16)
        return contextlib.nullcontext()

    def initialise_student(self) -> None:
        """Give the student its first weights; a restored student has its own.

        They are those of the pocket to begin with, where that has the same shape; otherwise they
        are fitted to its channels, or to the teacher's.
        """
        batches = [self._make_initial_batch(number) for number in range(INITIAL_FIT_BATCHES)]
        rng = np.random.default_rng((self.options.seed, 4))
        with torch.no_grad():
            # Of plain photographs: activations of dreamed ones are ten times as large.
            theirs = self.teacher.activations(batches[0], self.convolution_layers)
            self.channel_power = {
                name: compute_channel_power(maps) for name, maps in theirs.items()
            }
        layer_rms = {name: math.sqrt(float(p.mean())) for name, p in self.channel_power.items()}
        weights = self._get_weights_to_begin_with()
        if weights is None:
            weights = fit_student_weights(
                self.teacher, self.nodes, torch.cat(batches), rng, self.begin_with
            )
        self.student.set_weights(weights, layer_rms)
        self.average_student.set_weights(weights, layer_rms)

    def _get_weights_to_begin_with(self) -> dict[str, Tensor] | None:
        """Return the weights of the pocket to begin with, or None where its shape is another."""
        if self.begin_with is None:
            return None
        weighted = [node for node in self.nodes if node.kind in WEIGHTED_KINDS]
        if any(self.begin_with.nodes.get(node.name) != node for node in weighted):
            return None
        keys = [f"{node.name}.{part}" for node in weighted for part in ("weight", "bias")]
        weights = self.begin_with.get_weights()
        return {key: weights[key] for key in keys}

    def _make_initial_batch(self, number: int) -> Tensor:
        """Return a batch for the first weights, every second one dreamed on by the teacher."""
        size = self.options.batch
        first = INITIAL_FIT_FIRST_PICTURE + number * size
        images = self.pictures.stack(first, size).to(self.device)
        rng = np.random.default_rng((self.options.seed, 5, number))
        layers = [self.layers[int(n)] for n in rng.integers(len(self.layers), size=size)]
        for _ in range(int(rng.integers(1, 5)) if number % 2 else 0):
            images.requires_grad_(True)
            value = sum_layer_power(self.teacher.activations(images, self.layers), layers)
            (gradient,) = torch.autograd.grad(value, images)
            images = ascend_gradient(images.detach(), gradient, INITIAL_ASCENT_LEVELS)
        return images.detach()

    def train_step(self) -> float:
        """Train on one batch, and return its loss.

        The loss is the mean of the layers' errors, plus the setting `gradient` times 1 minus the
        cosine between the student's gradient and the teacher's.
        """
        if not self.channel_power:
            self.initialise_student()
        started = time.monotonic()
        self._set_learning_rate()
        batch, layers = self.pool.draw_batch(self.step)
        images = batch.to(self.device, memory_format=torch.channels_last).requires_grad_(True)
        with self._autocast():
            theirs = self.teacher.activations(images, self.layers)
        (their_gradient,) = torch.autograd.grad(sum_layer_power(theirs, layers), images)
        with self._autocast():
            ours = self.student(images)
        (our_gradient,) = torch.autograd.grad(
            sum_layer_power(ours, layers), images, create_graph=True
        )
        cosine = F.cosine_similarity(our_gradient.flatten(1), their_gradient.flatten(1))
        direction_error = 1 - cosine.mean()
        layer_errors = {
            name: compute_activation_error(ours[name], theirs[name], self.channel_power[name])
            for name in self.convolution_layers
        }
        loss = torch.stack(list(layer_errors.values())).mean()
        loss = loss + self.options.gradient * direction_error
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.student.parameters(), MAX_GRADIENT_NORM)
        self.optimizer.step()
        self.pool.ascend_batch(our_gradient.detach(), their_gradient, self.step)
        self._record_losses(layer_errors, direction_error)
        self._update_average()
        self.step += 1
        self.spent_s += time.monotonic() - started
        return float(loss.detach())

    def _set_learning_rate(self) -> None:
        """Set rate * warm-up * (1 + cos(pi * progress)) / 2."""
        warmup = min(1.0, (self.step + 1) / WARMUP_STEPS)
        cosine = 0.5 * (1 + math.cos(math.pi * self.progress))
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.rate * warmup * cosine

    def _record_losses(self, layer_errors: dict[str, Tensor], direction_error: Tensor) -> None:
        stages: dict[str, list[float]] = {}
        for name, error in layer_errors.items():
            stage = name.split("/")[0].replace("inception_", "")
            stages.setdefault(stage, []).append(float(error.detach()))
        stages["direction"] = [float(direction_error.detach())]
        for stage, values in stages.items():
            mean = sum(values) / len(values)
            self.losses[stage] = update_running_mean(self.losses.get(stage), mean)

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(WEIGHT_AVERAGE_DECAY, (self.step + 1) / (self.step + 10))
        averages = self.average_student.state_dict()
        for name, value in self.student.state_dict().items():
            if value.dtype.is_floating_point:
                averages[name].lerp_(value, 1 - decay)
            else:
                averages[name].copy_(value)

    def run(self) -> Iterator[float]:
        """Train until `progress` is 1, yielding the loss of each step."""
        while self.progress < 1:
            yield self.train_step()

    def save(self, path: Path) -> None:
        """Write a checkpoint, replacing an older one only once it is complete."""
        state = {
            "options": asdict(self.options),
            "teacher": self.teacher.weights_hash,
            "begun_with": self.begun_with,
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
        """Continue from a checkpoint.

        Raises:
            SettingsError: It is of other settings, or of another teacher.
        """
        # weights_only: tensors and plain values, no code.
        state = torch.load(path, map_location=self.device, weights_only=True)
        own = asdict(self.options)
        changed = [
            key
            for key, value in own.items()
            if key not in FREE_SETTINGS and state["options"].get(key) != value
        ]
        if state["teacher"] != self.teacher.weights_hash:
            changed.append("teacher")
        if changed:
            raise SettingsError(
                f"{path} was trained with another {', '.join(map(named, changed))}; use the same "
                f"settings, or {named('fresh')} to start again",
                setting=changed[0],
                where=str(path),
            )
        self.step, self.spent_s = state["step"], state["spent_s"]
        self.begun_with = state.get("begun_with", self.teacher.weights_hash)
        self.losses, self.channel_power = state["losses"], state["power"]
        self.student.load_state_dict(state["student"])
        self.average_student.load_state_dict(state["average"])
        self.pool.restore(state["pool"])
        self.optimizer.load_state_dict(state["optimizer"])

    def export(self, path: Path, data: str = "") -> None:
        """Write the pocket: one safetensors file in float16, its origin in the metadata.

        Args:
            path: Of the file.
            data: What it was trained on, in words.
        """
        weights = self.average_student.export_weights()
        metadata = {
            "made_by": f"dreamflow {__version__}",
            "teacher": self.teacher.name,
            "teacher_sha256": self.teacher.weights_hash,
            "data": data,
            "begun_with_sha256": self.begun_with,
            "steps": str(self.step),
            "pictures_seen": str(self.step * self.options.batch),
            "losses": ", ".join(f"{stage} {loss:.3f}" for stage, loss in self.losses.items()),
            "date": datetime.now(UTC).date().isoformat(),
            "licence": "weights derived from the teacher's: its licence applies",
        }
        part = path.with_name(path.name + ".part")
        halves = {key: tensor.half() for key, tensor in weights.items()}
        safetensors.torch.save_file(halves, part, metadata=metadata)
        part.replace(path)
