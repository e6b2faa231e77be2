"""What a carried dream is from frame to frame: the state of the temporal step."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from dreamflow.core.files.documents import DocumentError, fit_schema
from dreamflow.core.imaging.arrays import image_size
from dreamflow.core.imaging.filters import resize_linear
from dreamflow.core.tensors import in_pixel_order
from dreamflow.temporal.control.bands import BandEnergies, measure_bands, measure_energy
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.motion.crops import grid_of_blocks

TreeT = TypeVar("TreeT")
PartT = TypeVar("PartT", "CarriedDream", "Ground")

UNKNOWN = math.nan
"""A measurement that has not been made yet."""


@dataclass(frozen=True)
class Ground:
    """The dream of the ground where something that moves hides it now.

    Attributes:
        residual: (1, 3, H, W), of the whole ground; under what moves, as it was before.
        age: (1, 1, H, W) in [0, 1], of the ground; 0 where it has not been seen.
        hidden: (1, 1, H, W) in [0, 1]: where something that moves hides it.
        vacated: (1, 1, H, W) in [0, 1]: 1 where something that hid it has just gone; it fades with
            `Gains.vacated_time`.
        measured: (1, 4, h, w), the average by area, over the last moments, of what is gained of the
            objective on what moves, on vacated ground, and by a fresh dream on either.
        still_s: Seconds for which nothing has moved.
    """

    residual: Tensor
    age: Tensor
    hidden: Tensor
    vacated: Tensor
    measured: Tensor
    still_s: float = 0.0


@dataclass(frozen=True)
class CarriedDream:
    """One dream that is carried: of one keyframe of the layers.

    Tensors are float32 on the compute device, never re-quantised; the floats are the controller's.

    Attributes:
        residual: (1, 3, H, W), dream minus source, in units of full scale.
        age: (1, 1, H, W) in [0, 1]: 0 where the scene has just come into view, 1 where it has been
            in view for long.
        setpoint: Energies by band that the residual is kept near.
        setpoint_target: Energies that the setpoint approaches: those of the last fresh dream.
        reference_energy: (1, 1, h, w), energy by area of the last fresh dream, carried with the
            scene.
        reference_gain_map: (1, 1, H, W), how much of the objective that fresh dream gains over its
            source at each position, carried alike; None where it is not known. At full size, since
            each warp of a smaller map would spread a mover's into its surroundings.
        reference_gain: How much of the objective a fresh dream gains over its source.
        gain_ema: Average of how much this dream has gained.
        base_effort: Integral part of the effort, in efforts.
        ground: The dream of the ground; None where nothing hides any of it.
    """

    residual: Tensor
    age: Tensor
    setpoint: BandEnergies
    setpoint_target: BandEnergies
    reference_energy: Tensor
    reference_gain_map: Tensor | None = None
    reference_gain: float = UNKNOWN
    gain_ema: float = UNKNOWN
    base_effort: float = 0.6
    ground: Ground | None = None

    @classmethod
    def begin(cls, residual: Tensor, gains: Gains, gain_map: Tensor | None = None) -> CarriedDream:
        """Return the carried dream that a fresh dream begins.

        Args:
            residual: Of the fresh dream, (1, 3, H, W).
            gains: The constants.
            gain_map: How much of the objective it gains, (1, 1, h, w); see `reference_gain_map`.
        """
        if gain_map is not None:
            gain_map = resize_linear(gain_map, image_size(residual))
        energies = measure_bands(residual, gains)
        age = torch.ones_like(residual[:, :1])
        reference = measure_energy(residual, gains)
        return cls(
            residual,
            age,
            energies,
            energies,
            reference,
            gain_map,
            base_effort=gains.initial_effort,
        )

    def coverage(self, gains: Gains) -> Tensor:
        """Return whether there is a dream yet: (1, 1, H, W), from 0 where the scene is new to 1."""
        return 1 - (1 - self.age) ** gains.coverage_power

    def energy_ratio(self, gains: Gains) -> Tensor:
        """Return the energy by area against a fresh dream's: (1, 1, h, w); 1 is as strong."""
        tiny = 1e-10
        return (measure_energy(self.residual, gains) + tiny) / (self.reference_energy + tiny)


@dataclass(frozen=True)
class HostFacts:
    """What the host knows of the frame before, read back at the beginning of the next one.

    Attributes:
        young_share: Share of the frame that is younger than `Gains.young_below_age`.
        missing: Largest missing amplitude of the dream's forms, in [0, 1].
        uncovered: float32 (rows, columns), share of each block with less coverage than
            `Gains.fill_below_coverage`, what moves and is weak included; None where nothing is.
        missing_on_movers: Missing amplitude of the objective on all that moves, in [0, 1].
    """

    young_share: float = 0.0
    missing: float = 0.0
    uncovered: np.ndarray | None = None
    missing_on_movers: float = 0.0


@dataclass(frozen=True)
class Pending:
    """Numbers that a step left on the device, to be read back in one transfer before the next.

    Attributes:
        names: What each number is, blocks of the frame aside.
        values: float32 (len(names) + rows * columns,) on the compute device.
        grid: (rows, columns) of the blocks.
    """

    names: tuple[str, ...] = ()
    values: Tensor | None = None
    grid: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class DreamState:
    """What the next frame's dream depends on, besides that frame.

    Attributes:
        dreams: The carried dreams by the number of their keyframe of the layers: one, or two within
            a cross-fade.
        weights: Share of each in what is shown; see `effort_controller.equal_power_mix`.
        since_measured: Seconds of carried frames since the objective was last measured.
        facts: What was read back of the frame before.
        pending: What is yet to be read back.
    """

    dreams: dict[int, CarriedDream] = field(default_factory=dict[int, CarriedDream])
    weights: dict[int, Tensor] = field(default_factory=dict[int, Tensor])
    since_measured: float = 0.0
    facts: HostFacts = HostFacts()
    pending: Pending = Pending()

    def with_dream(self, number: int, dream: CarriedDream) -> DreamState:
        """Return the state with one of its dreams replaced."""
        return replace(self, dreams=self.dreams | {number: dream})

    def in_pixel_order(self) -> DreamState:
        """Return the state with its tensors in memory as `state_from_tree` has them.

        A dream that is resumed rounds as one that goes on.
        """
        dreams = {number: _in_pixel_order(dream) for number, dream in self.dreams.items()}
        return replace(self, dreams=dreams)

    def newness(self, gains: Gains) -> Tensor:
        """Return where one of the dreams has no coverage yet: (1, 1, H, W) in [0, 1]."""
        coverages = [dream.coverage(gains) for dream in self.dreams.values()]
        coverage = torch.stack(coverages).amin(0) if len(coverages) > 1 else coverages[0]
        return 1 - coverage

    def strength_by_area(self, shown: Iterable[int], gains: Gains) -> list[Tensor]:
        """Return the energy by area of each shown dream against a fresh one's: (1, 1, h, w)."""
        return [self.dreams[number].energy_ratio(gains) for number in shown]


def state_to_tree(state: DreamState) -> dict[str, Any]:
    """Return a state as tensors, numbers and texts, in dicts and tuples.

    The tensors are those of the state, on its device: nothing is transferred until they are written
    to a file.
    """
    return {
        "dreams": {number: _dream_to_tree(dream) for number, dream in state.dreams.items()},
        "weights": dict(state.weights),
        "since_measured": state.since_measured,
        "facts": vars(state.facts),
        "pending": vars(state.pending),
    }


def state_from_tree(tree: Any, device: torch.device) -> DreamState:
    """Return the state of a tree from `state_to_tree`, on a device.

    In place of tensors there may be the arrays that they were written as: images (1, C, H, W) as
    (H, W, C), all others in their own shape.

    Raises:
        DocumentError: A part of the tree is missing or of another type.
    """
    return fit_tree(tree, DreamState, device)


def check_state(state: DreamState, height: int, width: int, gains: Gains) -> None:
    """Check that a state can be that of a frame: its tensors fit each other and the frame.

    Args:
        state: The state.
        height: Height of the frame in pixels.
        width: Its width.
        gains: The constants.

    Raises:
        DocumentError: It cannot.
    """
    like = CarriedDream.begin(torch.zeros(1, 3, height, width), gains)
    for dream in state.dreams.values():
        if _list_shapes(dream) != _list_shapes(like):
            raise DocumentError("a carried dream is not of the frame's size")
        if dream.reference_gain_map is not None:
            _check_shapes({"gain of the objective": dream.reference_gain_map}, dream.age)
        if (ground := dream.ground) is not None:
            _check_shapes({"dream of the ground": ground.residual}, dream.residual)
            parts = {"age": ground.age, "mask": ground.hidden, "vacated part": ground.vacated}
            _check_shapes(
                {f"{name} of the ground": part for name, part in parts.items()}, dream.age
            )
            if ground.measured.dim() != 4 or ground.measured.shape[:2] != (1, 4):
                raise DocumentError("what is measured of the ground is not given by area")
    if not state.weights or not state.weights.keys() <= state.dreams.keys():
        raise DocumentError("the weights are not those of the carried dreams")
    if any(weight.numel() != 1 for weight in state.weights.values()):
        raise DocumentError("a weight is not one number")
    grid = grid_of_blocks(height, width, gains)
    uncovered, pending = state.facts.uncovered, state.pending
    if uncovered is not None and (uncovered.dtype, uncovered.shape) != (np.float32, grid):
        raise DocumentError("what is uncovered is not in blocks of the frame")
    if pending.values is not None and (
        pending.grid != grid or pending.values.shape != (len(pending.names) + math.prod(grid),)
    ):
        raise DocumentError("what is to be read back does not have its names")


def _check_shapes(tensors: dict[str, Tensor], like: Tensor) -> None:
    """Raise DocumentError where a tensor does not have the shape of another one."""
    for name, tensor in tensors.items():
        if tensor.shape != like.shape:
            raise DocumentError(f"the {name} is not of the frame's size")


def _list_shapes(dream: CarriedDream) -> list[tuple[int, ...]]:
    """Return the shapes of a carried dream's tensors, the ground's aside.

    One number is (1,): as such a () tensor comes back from a file.
    """
    energies = [*vars(dream.setpoint).values(), *vars(dream.setpoint_target).values()]
    tensors = (dream.residual, dream.age, dream.reference_energy, *energies)
    return [tuple(tensor.shape) or (1,) for tensor in tensors]


def _in_pixel_order(part: PartT) -> PartT:
    """Return a carried dream or its ground, its tensors in the order of pixels."""
    ordered = {
        name: in_pixel_order(value) if isinstance(value, Tensor) else _in_pixel_order(value)
        for name, value in vars(part).items()
        if isinstance(value, (Tensor, Ground))
    }
    return replace(part, **ordered)


def _dream_to_tree(dream: CarriedDream) -> dict[str, Any]:
    return vars(dream) | {
        "setpoint": vars(dream.setpoint),
        "setpoint_target": vars(dream.setpoint_target),
        "ground": dream.ground and vars(dream.ground),
    }


def _read_array(value: Any) -> Tensor | None:
    """Return a tensor, or an array as one; None for anything else, and for unfit arrays."""
    if isinstance(value, Tensor):
        return value
    if not isinstance(value, np.ndarray) or value.dtype != np.float32 or value.ndim > 4:
        return None
    tensor = torch.as_tensor(value)
    return tensor.permute(2, 0, 1)[None] if tensor.dim() == 3 else tensor


def fit_tree(tree: Any, schema: type[TreeT], device: torch.device) -> TreeT:
    """Return a part of a state's tree as a class has it, its tensors on a device.

    In place of a tensor there may be the array that it was written as.

    Args:
        tree: Tensors, arrays, numbers and texts, in dicts, lists and tuples.
        schema: The class: a dataclass, or a class of msgspec.
        device: Where its tensors are to be.

    Raises:
        DocumentError: A part is missing, or of another type.
    """

    def to_tensor(kind: type, value: Any) -> Any:
        if kind is not Tensor:
            return value
        tensor = _read_array(value)
        if not isinstance(tensor, Tensor):
            return value
        tensor = tensor.to(device)
        return in_pixel_order(tensor) if tensor.dim() == 4 else tensor

    return fit_schema(tree, schema, to_tensor)
