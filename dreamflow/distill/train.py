"""Training a student on a teacher's activations, with checkpoints that resume exactly."""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from dreamflow import __version__
from dreamflow.distill.batches import Batches, climbed, gradient_of
from dreamflow.distill.student import Student
from dreamflow.errors import SettingsError
from dreamflow.networks import Network, googlenet, pocket
from dreamflow.networks.graph import describe
from dreamflow.options import DistillOptions

POWER_BATCHES = 8
"""Batches over which the teacher's power per channel is measured before training begins."""
AVERAGE_DECAY = 0.999
EARLY = ("conv1", "conv2")


class Trainer:
    """A distillation: step it, save it, go on with it."""

    def __init__(self, teacher: Network, photographs: list[np.ndarray], options: DistillOptions):
        """Raise SettingsError for a layer to end at that the teacher has not."""
        teacher.layer(options.last)
        if teacher.name != "googlenet":
            raise SettingsError(f"{teacher.name} cannot be a teacher yet: only googlenet can")
        self.teacher, self.options, self.device = teacher, options, teacher.device
        torch.manual_seed(options.seed)
        nodes = pocket.up_to(googlenet.nodes(self._width), options.last)
        self.branches = [node.name for node in nodes if node.kind == "conv"]
        self.layers = [node.name for node in nodes]
        channels = {layer.name: layer.channels for layer in describe(nodes).values()}
        adapters = {
            name: nn.Conv2d(channels[name], teacher.layers[name].channels, 1)
            for name in self.branches
        }
        self.student = Student(nodes).to(self.device)
        self.student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.adapters = nn.ModuleDict(adapters).to(self.device)
        self.average = copy.deepcopy(self.student)
        parameters = [*self.student.parameters(), *self.adapters.parameters()]
        self.optimizer = torch.optim.AdamW(parameters, lr=options.rate, weight_decay=1e-4)
        self.batches = Batches(photographs, options.batch, options.crop, options.seed)
        self.power: dict[str, Tensor] = {}
        self.step, self.spent_s = 0, 0.0
        self.losses: dict[str, float] = {}

    def _width(self, name: str, channels: int) -> int:
        share = self.options.early_width if name.startswith(EARLY) else self.options.width
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

    def _seen_by_teacher(self, images: Tensor) -> dict[str, Tensor]:
        return self.teacher.activations(images, self.layers)

    def _images(self, step: int) -> tuple[Tensor, np.random.Generator]:
        """Return a step's batch on the device, brought into the domain of dreams now and then."""
        images, made = self.batches(step)
        images = images.to(self.device, memory_format=torch.channels_last)
        chance, layer = made.random(), self.layers[made.integers(len(self.layers))]
        steps, size = int(made.integers(1, 5)), float(made.uniform(1.5, 6))
        if chance < self.options.dreamed:
            self.student.eval()
            images = climbed(images, self.student, layer, steps, size)
        elif chance < self.options.dreamed + self.options.teacher_dreamed:
            images = climbed(images, self._seen_by_teacher, layer, steps, size)
        return images, made

    @torch.no_grad()
    def _measure_power(self) -> None:
        """Measure the teacher's mean square per channel on plain batches."""
        total: dict[str, Tensor] = {}
        for number in range(POWER_BATCHES):
            images = self.batches(10**9 + number)[0].to(self.device)
            for name, seen in self.teacher.activations(images, self.branches).items():
                power = seen.float().square().mean(dim=(0, 2, 3)) / POWER_BATCHES
                total[name] = total.get(name, torch.zeros_like(power)) + power
        # A channel that hardly ever speaks must not drown the others.
        self.power = {name: p + 0.05 * p.mean() for name, p in total.items()}

    def train_step(self) -> float:
        """Train on one batch; return the loss: 1 is as bad as saying nothing."""
        if not self.power:
            self._measure_power()
        started = time.monotonic()
        for group in self.optimizer.param_groups:
            warmup = min(1.0, (self.step + 1) / 100)
            group["lr"] = self.options.rate * warmup * 0.5 * (1 + math.cos(math.pi * self.progress))
        images, made = self._images(self.step)
        self.student.train()
        loss = self._loss(images, self.layers[made.integers(len(self.layers))])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.student.parameters(), 10.0)
        self.optimizer.step()
        self._update_average()
        self.step += 1
        self.spent_s += time.monotonic() - started
        return float(loss.detach())

    def _loss(self, images: Tensor, layer: str) -> Tensor:
        directed = self.options.gradient > 0
        if directed:
            images = images.detach().requires_grad_(True)
        with torch.set_grad_enabled(directed), self._autocast():
            seen = self._seen_by_teacher(images)
        with self._autocast():
            found = self.student(images)
            parts = {
                name: self._error(name, self.adapters[name](found[name]), seen[name].detach())
                for name in self.branches
            }
        loss = torch.stack(list(parts.values())).mean()
        self._note(parts)
        if directed:
            wanted = gradient_of(seen, images, layer, keep=False).detach()
            ours = gradient_of(found, images, layer, keep=True)
            off = (1 - (wanted * ours).sum(dim=1)).mean()
            self.losses["direction"] = smoothed(self.losses.get("direction"), float(off.detach()))
            loss = loss + self.options.gradient * off
        return loss

    def _error(self, name: str, ours: Tensor, theirs: Tensor) -> Tensor:
        """Return the mean over channels of squared error over the teacher's power.

        The power is the batch's own where that is greater: a dreamed batch speaks ten times
        louder than a photograph, and would drown all others.
        """
        theirs = theirs.float()
        power = torch.maximum(self.power[name], theirs.square().mean(dim=(0, 2, 3)))
        return ((ours.float() - theirs).square().mean(dim=(0, 2, 3)) / power).mean()

    def _note(self, parts: dict[str, Tensor]) -> None:
        stages: dict[str, list[float]] = {}
        for name, part in parts.items():
            stage = name.split("/")[0].replace("inception_", "")
            stages.setdefault(stage, []).append(float(part.detach()))
        for stage, values in stages.items():
            self.losses[stage] = smoothed(self.losses.get(stage), sum(values) / len(values))

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(AVERAGE_DECAY, (self.step + 1) / (self.step + 10))
        for mine, theirs in zip(
            self.average.state_dict().values(), self.student.state_dict().values(), strict=True
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
            "power": self.power,
            "student": self.student.state_dict(),
            "average": self.average.state_dict(),
            "adapters": self.adapters.state_dict(),
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
        self.losses, self.power = state["losses"], state["power"]
        self.student.load_state_dict(state["student"])
        self.average.load_state_dict(state["average"])
        self.adapters.load_state_dict(state["adapters"])
        self.optimizer.load_state_dict(state["optimizer"])

    def export(self, path: Path, data: str = "") -> None:
        """Write the pocket: one safetensors file in float16, with what it is made from inside."""
        half = {key: tensor.half() for key, tensor in self.average.folded().items()}
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


def smoothed(before: float | None, now: float) -> float:
    """Return a running mean over about a hundred steps."""
    return now if before is None else 0.99 * before + 0.01 * now
