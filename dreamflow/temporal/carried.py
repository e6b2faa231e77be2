"""What is carried from frame to frame: how hard it is dreamed on, and how two of it are shown."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from dreamflow.dream.octaves import OctavePlan, octave_step_factor
from dreamflow.dream.options import DreamOptions
from dreamflow.temporal.carry import Carried
from dreamflow.temporal.options import CarryOptions
from dreamflow.temporal.strength import over_frame

LOOSEST = 0.15
"""By how much the decay falls at stability 0."""
STEADY = 0.98
"""What a carried dream is held at, of the climb of a new one: it is seen before 8-bit rounding and
encoding, and new ones differ by some hundredths from frame to frame."""
STEEPNESS = 24.0
"""The effort of a carried frame goes by this power, times the firmness, of how far its dream has
outgrown that."""
LEARNING = 4.0
"""And what it begins with goes on by this power, times the firmness, each time that it is seen."""
LEAST_EFFORT, MOST_EFFORT = 0.02, 1.1
EVENING = 2.0
"""Where a dream has become stronger than elsewhere, the steps are smaller by this power, times the
firmness, of its mean square."""
BARE = 0.85
"""Of the mean square of a new dream's forms: where there is less, steps are those of new areas."""
LEAST_EVEN, MOST_EVEN = 0.3, 1.6
WEAK, WEAK_SHARE = 0.3, 0.05
"""Where more than this share of the frame is less settled than 1 less this, all iterations are
made, however little the rest of it needs."""
NEW_AREAS = 1.5
"""Size of the steps where the scene has just come into view, in those where it has been seen."""
UNCOVER_STEP = 2.0
"""Size of the extra steps there, of a new dream's: a few large ones are as strong as that, and over
at once."""
FORMS_OCTAVE_SCALE = 2.0
"""How many times smaller a frame is, about, on which forms are dreamed."""
REGROWTH, MOST_REGROWTH = 32.0, 2.0
"""Size of the steps that make faded forms grow again, in those of a carried frame: times the
firmness, and times how much of them is missing; and at most."""
FADED = 0.15
"""Where less than this is missing at most, nothing is done about it."""


def carried_plan(options: DreamOptions, carry: CarryOptions) -> list[OctavePlan]:
    """Return the plan of a carried frame: few iterations, most of them at full size.

    Small steps, mostly at full size, hold a dream far better than few large ones. The stability
    scales them, from twice their size at 0 to nothing at 1. Octaves that the first frame dreamed
    less on than on others have smaller ones. None has larger, which would flicker: coarse octaves
    that it dreamed more on have more of them instead, else their large forms would fade.
    """
    step = carry.carry_step * 2 * (1 - carry.stability)
    plan: list[OctavePlan] = []
    for octave in reversed(range(options.octaves)):
        share = octave_step_factor(options, octave)
        count = carry.carry_iterations >> octave
        if share > 1 and octave > 0:
            count = max(count, round(share * carry.carry_iterations / 2**octave))
        if share > 0 and step > 0 and count:
            plan.append(OctavePlan(octave, options.octave_scale, count, step * min(1.0, share)))
    return plan


def uncover_plan(options: DreamOptions, carry: CarryOptions) -> list[OctavePlan]:
    """Return the plan for what has just come into view: large steps, most of them for its forms."""
    count = carry.uncover_iterations
    counts = ((1, count), (0, (count + 1) // 2)) if options.octaves > 1 else ((0, count),)
    return [
        OctavePlan(octave, options.octave_scale, steps, UNCOVER_STEP * options.step * share)
        for octave, steps in counts
        if steps and (share := octave_step_factor(options, octave))
    ]


def regrowth_plan(options: DreamOptions, carry: CarryOptions, missing: float) -> list[OctavePlan]:
    """Return the plan for forms that have faded, at half the size: none where there is no need.

    missing: how much of them is, where the most is: of 1. However stable the dream, what is gone is
    made anew: locked to a scene that moves, it would go bare in a few seconds.
    """
    halving = math.log(FORMS_OCTAVE_SCALE) / math.log(options.octave_scale)
    octave = min(max(1, round(halving)), options.octaves - 1)
    count = round(carry.carry_iterations * 2 / 3)
    size = min(MOST_REGROWTH, REGROWTH * carry.firmness * missing)
    size *= max(1.0, 2 * (1 - carry.stability)) * min(1.0, octave_step_factor(options, octave))
    if octave == 0 or count == 0 or size == 0 or missing < FADED:
        return []
    return [OctavePlan(octave, options.octave_scale, count, carry.carry_step * size)]


def carried_share(carry: CarryOptions) -> float:
    """Return the decay at a stability: as given at 0.5, 1 at 1, and some less at 0."""
    if carry.stability >= 0.5:
        return carry.decay + (1 - carry.decay) * (2 * carry.stability - 1)
    return max(0.0, carry.decay - LOOSEST * (1 - 2 * carry.stability))


def outgrown(one: Carried) -> float:
    """Return how far a carried dream has outgrown a new one, 0.1 to 10; 1 is as far as it should.

    Where that is not known, or a new one gains nothing, it is 1.
    """
    if one.climbed is None or not one.climb or one.climb < 0:
        return 1.0
    return min(10.0, max(0.1, one.climbed / one.climb / STEADY))


def effort(carried: dict[int, Carried], firmness: float, least: float = LEAST_EFFORT) -> float:
    """Return how hard to dream on a carried frame, from `least` to 1.1; 1 is as the options say.

    A dream that is carried on and on is worked out ever further, where one of a single frame is
    not: on a panning clip it climbed to twice the objective within three seconds. So the more it
    has outgrown the first frame's, the less is done; that flickers less, and saves time. Where
    much is lost from frame to frame more is done.
    """
    if firmness == 0:
        return 1.0
    found = [one.effort * outgrown(one) ** (-STEEPNESS * firmness) for one in carried.values()]
    return sum(min(MOST_EFFORT, max(least, hard)) for hard in found) / len(found)


def learned(one: Carried, firmness: float, least: float = LEAST_EFFORT) -> Carried:
    """Return what is carried, with the effort that it begins with nearer to what it takes.

    Both together are a PI controller: what it takes differs from clip to clip by ten times.
    """
    hard = one.effort * outgrown(one) ** (-LEARNING * firmness)
    return replace(one, effort=min(MOST_EFFORT, max(least, hard)))


def reached_by(carried: dict[int, Carried]) -> list[np.ndarray]:
    """Return how strong each dream is where, as far as that is known; see `Carried.reached`."""
    return [reached for one in carried.values() if (reached := one.reached) is not None]


def evening(known: list[np.ndarray], firmness: float) -> np.ndarray | float:
    """Return by how much to dream harder where: float32 (h, w) by areas, or 1 for everywhere.

    known: see `reached_by`. Where the flow is lost a dream stays weak, and the whole would be made
    up for elsewhere.
    """
    shares = [(part / geometric_mean(part)) ** (-EVENING * firmness) for part in known]
    if not shares:
        return 1.0
    return np.clip(sum(shares) / len(shares), LEAST_EVEN, MOST_EVEN).astype(np.float32)


def faded(known: list[np.ndarray], height: int, width: int) -> np.ndarray:
    """Return how much of a dream's forms is missing where: float32 (height, width), of 1.

    known: see `reached_by`. Flow is never quite right, and what is carried along it is never quite
    where its forms were: they fade, most of all on what moves, and are not made anew by steps at
    full size, which the objective is content with.
    """
    if not known:
        return np.zeros((height, width), np.float32)
    missing = np.mean([np.maximum(0, 1 - np.sqrt(part)) for part in known], axis=0)
    return over_frame(missing.astype(np.float32), height, width)


def geometric_mean(values: np.ndarray) -> float:
    """Return the geometric mean of positive values."""
    return float(np.exp(np.log(values).mean()))


def eased(
    options: DreamOptions,
    carry: CarryOptions,
    effort: float,
    settled: np.ndarray,
    even: np.ndarray | float = 1.0,
) -> tuple[list[OctavePlan], np.ndarray | None]:
    """Return the plan of a carried frame at an effort, and the share of its steps that is taken.

    Fewer iterations, as far as that goes, then smaller ones: few steps leave what is carried alone.
    settled: float32 (H, W) in [0, 1], how long the scene has been seen; where it has not been for
    long the steps are larger, whatever the whole has come to. even: see `evening`. The share is
    float32 (H, W) in [0, 1], or None where it is 1 everywhere.
    """
    iterations = min(carry.carry_iterations, max(1, round(carry.carry_iterations * effort)))
    if (settled < 1 - WEAK).mean() > WEAK_SHARE:
        # Else what moves goes bare beside what holds still: one step at full size makes no forms.
        iterations = carry.carry_iterations
    plan = carried_plan(options, replace(carry, carry_iterations=iterations))
    size = carry.carry_iterations * effort / max(1, iterations)
    if isinstance(even, np.ndarray):
        size = size * over_frame(even, *settled.shape)
    # What is new to the scene is not to lack the iterations that the whole can do without.
    new = NEW_AREAS * min(2.0, carry.carry_iterations / max(1, iterations))
    sizes = size + (np.maximum(new, size) - size) * np.square(1 - settled)
    largest = float(sizes.max())
    plan = [replace(part, step=part.step * largest) for part in plan]
    return plan, None if sizes.min() == largest else (sizes / largest).astype(np.float32)


def evened(carried: dict[int, Carried], shares: dict[int, float]) -> dict[int, float]:
    """Return the shares of two dreams, so that both together are as strong as each.

    Dreams that have nothing in common are so where the squares of the shares add up to 1; the more
    two have in common, the stronger they are together.
    """
    if len(shares) == 1:
        return shares
    one, other = (carried[number].residual.ravel() for number in shares)
    common = float(one @ other) / max(1e-12, float(np.sqrt((one @ one) * (other @ other))))
    first, second = shares.values()
    length = math.sqrt(first**2 + second**2 + 2 * first * second * max(0.0, common))
    return {number: share / length for number, share in shares.items()}


def mixed(carried: dict[int, Carried], shares: dict[int, float]) -> np.ndarray:
    """Return the residual shown, float32 (H, W, 3), of the dreams carried."""
    return sum(
        (carried[number].residual * np.float32(share) for number, share in shares.items()),
        start=np.float32(0),
    )  # type: ignore[return-value]


def seen_for(carried: dict[int, Carried], known: list[np.ndarray], firmness: float) -> np.ndarray:
    """Return how long the scene has been seen, float32 (H, W) in [0, 1].

    known: see `reached_by`. Where dreams are held at all, what is all but bare counts as new,
    however long it has been seen: what came in at the edge of the frame was too narrow there for
    anything to grow on it.
    """
    found = [one.settled for one in carried.values()]
    for reached in known if firmness > 0 else ():
        dreamed = 1 - np.sqrt(1 - np.minimum(1, reached / BARE)).astype(np.float32)
        found.append(over_frame(dreamed, *found[0].shape))
    return np.minimum.reduce(found)


def young(carried: dict[int, Carried]) -> np.ndarray:
    """Return where there is no dream yet, float32 (H, W) in [0, 1]."""
    return 1 - np.minimum.reduce([one.grown for one in carried.values()])
