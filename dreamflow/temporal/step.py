"""One frame of a carried dream: advect, equalise, fill, regrow, refine, observe.

A pure function of its arguments, all tensors on the compute device. Nothing is transferred to the
host but by `read_back`, once a frame, before the step:

    state = read_back(state, settings, gains).state
    result = step(state, frame, motion, settings, gains, key)

A new shot begins with `begin`, which dreams a frame by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dreamflow.temporal.control.effort_controller import equal_power_mix, mix_residuals
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.control.parts import newness_of_parts
from dreamflow.temporal.flow.completion import still_motion
from dreamflow.temporal.motion.motion import Motion
from dreamflow.temporal.stages.advect import advect
from dreamflow.temporal.stages.equalise import equalise
from dreamflow.temporal.stages.fill import fill
from dreamflow.temporal.stages.observe import observe, pack
from dreamflow.temporal.stages.reference import dream_reference, renew, renew_movers
from dreamflow.temporal.stages.refine import refine
from dreamflow.temporal.stages.regrow import regrow
from dreamflow.temporal.stages.settle import settle
from dreamflow.temporal.state import CarriedDream, DreamState
from dreamflow.temporal.step_settings import Key, StepSettings
from dreamflow.temporal.trace import StageClock, Trace


@dataclass(frozen=True)
class StepResult:
    """What came of a step.

    Attributes:
        state: What the next frame's dream depends on.
        dream: float32 (1, 3, H, W), RGB in [0, 1].
        trace: What the controller saw and did.
    """

    state: DreamState
    dream: Tensor
    trace: Trace


def begin(
    frame: Tensor,
    settings: StepSettings,
    gains: Gains,
    key: Key,
    carried: Mapping[int, CarriedDream] | None = None,
) -> StepResult:
    """Dream the first frame of a shot, one dream for each keyframe that is blended.

    Args:
        frame: float32 (1, 3, H, W), RGB in [0, 1].
        settings: Those of the frame.
        gains: The constants.
        key: Seed and index of the frame.
        carried: Dreams that are there already, by their keyframe.

    Returns:
        The state after the frame, its dream, and the trace.
    """
    clock = StageClock(frame.device)
    with clock.stage("fresh"):
        state, pending = begin_missing(DreamState(dict(carried or {})), frame, settings, gains, key)
        weights = blend_weights(state.dreams, settings.weights, frame.device)
        image = frame + mix_residuals(state.dreams, weights)
    state = replace(state, weights=weights)
    state = replace(state, pending=pack(state, pending, settings, gains))
    return StepResult(state.in_pixel_order(), image, Trace.of_fresh_frame(key[1], clock))


def step(
    state: DreamState,
    frame: Tensor,
    motion: Motion,
    settings: StepSettings,
    gains: Gains,
    key: Key,
) -> StepResult:
    """Carry the dream of the previous frame to the current one, and dream on.

    Args:
        state: What was carried, its pending numbers read back; see `read_back`.
        frame: float32 (1, 3, H, W), RGB in [0, 1]: what is dreamed on.
        motion: From the current frame into the previous one, estimated at any size. Its fields are
            let go of once all is carried along.
        settings: Those of the frame.
        gains: The constants.
        key: Seed and index of the frame.

    Returns:
        The state after the frame, its dream, and the trace.
    """
    clock = StageClock(frame.device)
    with clock.stage("advect"):
        state = advect(state, motion, settings, gains)
    with clock.stage("equalise"):
        state = equalise(state, motion, settings, gains)
    motion = motion.without_fields()
    return _dream_on(state, frame, motion, settings, gains, key, clock)


def hold(
    state: DreamState,
    frame: Tensor,
    settings: StepSettings,
    gains: Gains,
    key: Key,
    height: int,
    width: int,
) -> StepResult:
    """Dream on what is carried without moving it, as over a flash; the new state is to be dropped.

    height, width: of the frame, in pixels. The other arguments are those of `step`.
    """
    motion = still_motion(height, width, gains)
    return _dream_on(state, frame, motion, settings, gains, key, StageClock(frame.device))


def _dream_on(
    state: DreamState,
    frame: Tensor,
    motion: Motion,
    settings: StepSettings,
    gains: Gains,
    key: Key,
    clock: StageClock,
) -> StepResult:
    with clock.stage("fresh"):
        state, renewed = renew_references(state, frame, motion, settings, gains, key)
        state, begun = begin_missing(state, frame, settings, gains, key)
    weights = blend_weights(state.dreams, settings.weights, frame.device)
    state = replace(state, weights=weights)
    image = (frame + mix_residuals(state.dreams, weights)).clamp_(0, 1)
    energy_ratios = state.energy_ratios(settings.weights, gains)
    weak_parts = newness_of_parts(state, gains)
    with clock.stage("fill"):
        image, crops = fill(image, frame, state, weak_parts, motion, settings, gains, key)
    with clock.stage("regrow"):
        image, regrown = regrow(
            image, frame, state, weak_parts, energy_ratios, settings, gains, key
        )
    with clock.stage("refine"):
        image, refined = refine(image, frame, state, energy_ratios, settings, gains, key)
    with clock.stage("observe"):
        state = settle(state, image - frame, settings, gains)
        state, measured = observe(state, image, frame, settings, gains)
        packed = pack(state, renewed | begun | measured, settings, gains)
        state = replace(state, pending=packed)
    trace = Trace.of_step(key[1], settings, motion, refined, crops, regrown, clock)
    return StepResult(state.in_pixel_order(), image, trace)


def begin_missing(
    state: DreamState, frame: Tensor, settings: StepSettings, gains: Gains, key: Key
) -> tuple[DreamState, dict[str, Tensor]]:
    """Begin the dreams that a frame blends and that are not carried yet.

    Returns:
        (the state with them, what is to be read back of them).
    """
    pending: dict[str, Tensor] = {}
    for number in settings.weights:
        if number not in state.dreams:
            fresh, gain_map, measured = dream_reference(number, frame, settings, key)
            state = state.with_dream(number, begin_carrying(fresh, frame, gains, gain_map))
            pending |= measured
    return state, pending


def renew_references(
    state: DreamState,
    frame: Tensor,
    motion: Motion,
    settings: StepSettings,
    gains: Gains,
    key: Key,
) -> tuple[DreamState, dict[str, Tensor]]:
    """Compare the dreams that a frame blends with fresh ones from now on, where it is time.

    Returns:
        (the state with other references, what is to be read back of them).
    """
    pending: dict[str, Tensor] = {}
    for number in settings.weights:
        if number not in state.dreams:
            continue
        if settings.renew:
            fresh, gain_map, measured = dream_reference(number, frame, settings, key)
            state = renew(state, number, fresh - frame, gain_map, gains)
            pending |= measured
        elif settings.renew_movers:
            state = renew_movers(state, number, frame, motion, settings, gains, key)
    return state, pending


def begin_carrying(
    fresh: Tensor, frame: Tensor, gains: Gains, gain_map: Tensor | None = None
) -> CarriedDream:
    """Return the carried dream that a fresh dream of a frame begins, both (1, 3, H, W).

    gain_map: see `CarriedDream.reference_gain_map`.
    """
    residual = (fresh - frame).contiguous(memory_format=torch.channels_last)
    return CarriedDream.begin(residual, gains, gain_map)


def blend_weights(
    dreams: dict[int, CarriedDream], weights: Mapping[int, float], device: torch.device
) -> dict[int, Tensor]:
    """Return the share of each dream in what is shown, () tensors; see `equal_power_mix`."""
    shares = {number: torch.tensor(share, device=device) for number, share in weights.items()}
    return equal_power_mix(dreams, shares)
