"""What a carried dream is from frame to frame: the state of the temporal step."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from dreamflow.core.imaging.arrays import image_size
from dreamflow.core.imaging.filters import resize_linear
from dreamflow.core.tensors import in_pixel_order
from dreamflow.temporal.control.bands import BandEnergies, measure_bands, measure_energy
from dreamflow.temporal.control.gains import Gains

PartT = TypeVar("PartT", "CarriedDream", "Ground")

UNKNOWN = math.nan
"""A measurement that has not been made yet."""
JUST_LEFT_RANGE = (0.35, 0.65)
"""Values of `Ground.laid_bare` between which `Ground.just_left` rises from 0 to 1. By the default
`vacated_time` it has fallen to the upper one 4/30 s after something has left, and to the lower one
10/30 s after. The soft border of what moves slowly leaves no larger values behind it."""


@dataclass(frozen=True)
class Ground:
    """The dream of the ground where something that moves hides it now.

    Attributes:
        residual: (1, 3, H, W), of the whole ground; under what moves, as it was before.
        age: (1, 1, H, W) in [0, 1], of the ground; 0 where it has not been seen.
        hidden: (1, 1, H, W) in [0, 1]: where something that moves hides it.
        vacated: (1, 1, H, W) in [0, 1]: 1 where something that hid it has just gone; it fades with
            `Gains.vacated_time`.
        measured: (1, 4, h, w), gain of the objective by area, averaged over `Gains.measured_time`:
            this dream's on what moves and on ground laid bare, then a fresh dream's on either.
        still_s: Seconds for which nothing has moved.
    """

    residual: Tensor
    age: Tensor
    hidden: Tensor
    vacated: Tensor
    measured: Tensor
    still_s: float = 0.0

    @property
    def laid_bare(self) -> Tensor:
        """Where something that hid the ground has just gone, and nothing hides it: (1, 1, H, W).

        The border of what moves is vacated in each frame, and hidden again.
        """
        return self.vacated * (1 - self.hidden)

    @property
    def just_left(self) -> Tensor:
        """Where what hid the ground has just left it: (1, 1, H, W) in [0, 1], less on young ground.

        A creature grows over the edge of what moves. The ground keeps its own dream here a little
        longer, since that creature is still on it. A young dream is not kept: on water, all of
        which counts as moving at times, the dream would fade with it.
        """
        low, high = JUST_LEFT_RANGE
        return ((self.laid_bare - low) / (high - low)).clamp(0, 1) * self.age


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
        base_effort: Integral part of the effort, see `effort_controller`.
        reference_gain_map: (1, 1, H, W), how much of the objective the last fresh dream gains over
            its source at each position, carried alike; None where it is not known. At full size,
            since each warp of a smaller map would spread a mover's into its surroundings.
        reference_gain: How much of the objective a fresh dream gains over its source.
        gain_ema: Average of how much this dream has gained.
        ground: The dream of the ground; None where nothing hides any of it.
    """

    residual: Tensor
    age: Tensor
    setpoint: BandEnergies
    setpoint_target: BandEnergies
    reference_energy: Tensor
    base_effort: float
    reference_gain_map: Tensor | None = None
    reference_gain: float = UNKNOWN
    gain_ema: float = UNKNOWN
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
            gains.initial_effort,
            gain_map,
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

    @property
    def age(self) -> Tensor:
        """That of the youngest dream at each pixel: (1, 1, H, W) in [0, 1]."""
        return torch.stack([dream.age for dream in self.dreams.values()]).amin(0)

    def newness(self, gains: Gains) -> Tensor:
        """Return where one of the dreams has no coverage yet: (1, 1, H, W) in [0, 1]."""
        coverages = [dream.coverage(gains) for dream in self.dreams.values()]
        coverage = torch.stack(coverages).amin(0) if len(coverages) > 1 else coverages[0]
        return 1 - coverage

    def energy_ratios(self, shown: Iterable[int], gains: Gains) -> list[Tensor]:
        """Return the energy by area of each shown dream against a fresh one's: (1, 1, h, w)."""
        return [self.dreams[number].energy_ratio(gains) for number in shown]


def _in_pixel_order(part: PartT) -> PartT:
    """Return a carried dream or its ground, its tensors in the order of pixels."""
    ordered = {
        name: in_pixel_order(value) if isinstance(value, Tensor) else _in_pixel_order(value)
        for name, value in vars(part).items()
        if isinstance(value, (Tensor, Ground))
    }
    return replace(part, **ordered)
