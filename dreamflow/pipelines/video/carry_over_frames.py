"""Dreams the frames of a clip one after the other, and holds what is carried between them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from torch import Tensor

from dreamflow.core.files.documents import Count, DocumentError
from dreamflow.core.frames import Frame
from dreamflow.core.schedules.timecode import Timeline
from dreamflow.core.tensors import picture_to_tensor, tensor_to_array, tensor_to_picture
from dreamflow.dream.octaves import look_scale_of
from dreamflow.dream.options import DreamOptions
from dreamflow.media.depth.layers import BACKWARD_U, BACKWARD_V, CONFIDENCE
from dreamflow.networks.network import Network
from dreamflow.pipelines.dreamer_controls import DreamerControls
from dreamflow.pipelines.pipeline import PipelineState, check_frame_picture
from dreamflow.pipelines.settings.timeline import FrameSettings, SettingsTimeline
from dreamflow.pipelines.video.renewals import Renewals
from dreamflow.pipelines.video.trace_relay import TraceRelay
from dreamflow.temporal.control.effort_controller import overshoot_of
from dreamflow.temporal.control.gains import REFERENCE_S
from dreamflow.temporal.flow.source import open_motion_source
from dreamflow.temporal.motion.motion import Motion
from dreamflow.temporal.noise_base import NoiseBase
from dreamflow.temporal.options import CarryOptions
from dreamflow.temporal.readback import read_back
from dreamflow.temporal.shots import Mark
from dreamflow.temporal.state import DreamState
from dreamflow.temporal.state_tree import check_state, fit_tree, state_to_tree
from dreamflow.temporal.step import StepResult, begin, hold, step
from dreamflow.temporal.step_settings import Key, StepSettings, dream_fresh
from dreamflow.temporal.trace import StageClock, Trace

LAYOUT = 6
"""Layout of the state; version 0.1.0 wrote one without a number."""
MOTION_LAYERS = frozenset({"confidence", "backward", "stmap"})
"""Layers of an output that show the motion."""
NO_NEIGHBOUR = -1
"""Index of a frame that the next one does not follow: a flash came between."""


@dataclass(frozen=True)
class CarriedState:
    """What a dreamer goes on from.

    Attributes:
        before: The frame dreamed last; None at the beginning of a shot.
        dream: What is carried from it.
        renewed: Time of the last fresh dream, in seconds.
        noise: State of the noise that is dreamed on.
        trace: Trace of that frame, as far as it is known.
        held_traces: Those of the frames of a flash behind it.
        passed_traces: How many were passed on before.
    """

    before: Frame | None
    dream: DreamState
    renewed: Fraction | None
    noise: Any
    trace: Trace | None
    held_traces: list[Trace]
    passed_traces: Count


class VideoDreamer:
    """Dreams the frames of a clip one after the other.

    Between two keyframes of a schedule of layers two dreams are carried, each begun from nothing on
    its own layers, and what is shown is a mix of both, one fading into the other. It is dreamed on
    as one picture, on the layers of the moment, so that the two grow together; but the old one
    leaves, which the dream of one changing objective does not: it would grow on the old one's
    lines.
    """

    def __init__(
        self,
        network: Network,
        options: DreamOptions,
        carry: CarryOptions,
        timeline: Timeline | None = None,
        controls: DreamerControls | None = None,
    ) -> None:
        """Check all settings before the work begins.

        Args:
            network: Dreams, on its own device.
            options: Settings of the dream.
            carry: Settings of the temporal step.
            timeline: What schedules count on; without one there can be none.
            controls: Constants of the temporal step, and callbacks.

        Raises:
            SettingsError: The network has no such layer, or a schedule does not fit the timeline.
            WeightsError: The weights of a flow network are not found.
        """
        self.options, self.carry = options, carry
        self.controls = controls or DreamerControls()
        self.gains = self.controls.gains
        self.device = network.device
        self.settings_timeline = SettingsTimeline(network, options, carry, timeline)
        # Where nothing is carried, flow files that are not there are not missed.
        carries = carry if carry.carry else CarryOptions()
        self.motion = open_motion_source(
            carries, network.device, self.gains, self.controls.stage_times
        )
        self.mean_confidence = 0.0
        """Mean confidence of the motion to the last frame; 0 at the beginning of a shot."""
        self._motion: Motion | None = None
        """Motion from the frame at hand into the one before; None at the beginning of a shot, and
        where it has been handed over."""
        self._frame_s = float(1 / timeline.rate) if timeline else REFERENCE_S
        self._noise_base = NoiseBase(options, network.device, self.gains)
        self._now = self.settings_timeline.first_settings
        self._look_scale = 1.0
        """How many times larger the last frame was than the size of its look."""
        self._state = DreamState()
        self._before: Frame | None = None
        self._renewals = Renewals(self.gains, self.settings_timeline.reference_varies)
        self._step_settings: StepSettings | None = None
        self._traces = TraceRelay(self.controls)
        self._warned_unchanged = False

    def reset(self) -> None:
        """Begin a new shot: pass the last frame's trace on, and forget what is carried."""
        self._read_back()
        self._before, self._state, self._step_settings = None, DreamState(), None
        self._renewals.reset()
        self._noise_base.reset()

    def state(self) -> PipelineState:
        """Return what is carried: the next frame's dream depends on it, and on nothing else."""
        return {
            "layout": LAYOUT,
            "before": self._before and _frame_to_tree(self._before),
            "dream": state_to_tree(self._state),
            "time": None if self._before is None else self._before.time,
            "renewed": self._renewals.time,
            "noise": self._noise_base.state(),
            **self._traces.state(),
        }

    def restore(self, state: PipelineState) -> None:
        """Go on from a state.

        Raises:
            ValueError, KeyError, ArithmeticError: It is no state of a dreamer with these settings.
        """
        carried = fit_tree(state, CarriedState, self.device)
        self._before, self._state = carried.before, carried.dream
        if (self._before is None) != (not self._state.dreams):
            raise DocumentError("a dream is carried without its frame")
        size = None
        if self._before is not None:
            size = check_frame_picture(self._before.picture)
            check_state(self._state, *size, self.gains)
        self._noise_base.restore(carried.noise, size)
        if (renewed := carried.renewed) is not None:
            self._renewals.restore(self.settings_timeline.at(renewed), renewed)
        if self._before is not None:
            self._now = self.settings_timeline.at(self._before.time)
            self._look_scale = look_scale_of(self.options, *self._before.whole_size)
            self._step_settings = self._settings_for(self._now, self._frame_s)
            # What cannot be read back is found now, not in the next frame.
            read_back(self._state, self._step_settings, self.gains)
        self._traces.restore(carried.trace, carried.held_traces, carried.passed_traces)

    def __call__(self, frame: Frame, mark: Mark = Mark.SAME) -> Frame:
        """Return the dream of the next frame: the same index and time, another picture.

        Args:
            frame: The frame, of the size of the ones before.
            mark: A cut forgets what is carried. Over a flash it is held as it was, and the frame
                after the flash goes on from the one before it.
        """
        before_flash = self._now
        self._now, self._motion = self.settings_timeline.at(frame.time), None
        self._look_scale = look_scale_of(self.options, *frame.whole_size)
        self.settings_timeline.check_size(*frame.picture.shape[:2])
        if self._now.options.iterations == 0:
            self.reset()
            self._traces.pass_on(Trace(frame.index))
            return replace(frame, source=frame.picture)
        if mark is Mark.CUT:
            self.reset()
        key = (self._now.options.seed, frame.index)
        if not self._now.carry.carry:
            dream = self._dream_alone(frame, key)
        elif mark is Mark.FLASH and self._state.dreams:
            self._now = replace(self._now, keyframe_weights=before_flash.keyframe_weights)
            dream = self._hold(frame, key)
        else:
            dream = self._carry_on(frame, key)
        return self._dreamed_frame(frame, dream)

    def _dreamed_frame(self, frame: Frame, dream: Tensor) -> Frame:
        """Return a frame with its dream, and what that changes where the frame has an original."""
        residual, original = None, frame.original
        if original is not None:
            residual = tensor_to_array(dream - picture_to_tensor(frame.picture, self.device))
            if self._motion is not None and _shows_motion(frame):
                size = frame.picture.shape[0], frame.picture.shape[1]
                original = original.with_planes(_motion_planes(self._motion.resized(size)))
        return replace(
            frame,
            picture=tensor_to_picture(dream),
            source=frame.picture,
            original=original,
            residual=residual,
        )

    def finish(self) -> None:
        """Read back what the last frame left on the device, and pass its trace on."""
        self._read_back()

    def _dream_alone(self, frame: Frame, key: Key) -> Tensor:
        """Return the dream of a frame by itself."""
        source = self._source_of(frame)
        clock = StageClock(self.device)
        with clock.stage("fresh"):
            dream = dream_fresh(
                *(source, self._now.objective, self._now.options, key),
                *(self._look_scale, self.controls.on_step),
            )
        self._warn_if_unchanged(source, dream)
        self._traces.pass_on(Trace.of_fresh_frame(frame.index, clock))
        return dream

    def _hold(self, frame: Frame, key: Key) -> Tensor:
        """Return the dream of a frame within a flash; what is carried stays as it was."""
        settings = self._settings_for(self._now, self._frame_s)
        height, width = frame.picture.shape[:2]
        result = hold(self._state, self._source_of(frame), settings, self.gains, key, height, width)
        if self._before is not None:
            self._before = replace(self._before, index=NO_NEIGHBOUR)
        if self._traces.is_wanted:
            numbers = read_back(result.state, settings, self.gains).numbers
            self._traces.hold(result.trace.completed(numbers))
        return result.dream

    def _carry_on(self, frame: Frame, key: Key) -> Tensor:
        """Return the dream of a frame that follows the last one, or begins a shot."""
        self._read_back()
        before = self._before
        self._motion = self._find_motion(before, frame)
        self.mean_confidence = self._motion.mean_confidence if self._motion else 0.0
        settings = self._settings_for(self._now, self._seconds_since(before, frame))
        if self._motion is None:
            source = self._source_of(frame)
            result = begin(source, settings, self.gains, key)
            self._warn_if_unchanged(source, result.dream)
            self._renewals.reset()
        else:
            self._noise_base.advance(self._motion)
            renew = self._renewals.take_frame(self._now, frame.time)
            renew_movers = (
                not renew
                and before is not None
                and self._renewals.is_due_for_movers(self._now, before.time, frame.time)
            )
            settings = replace(settings, renew=renew, renew_movers=renew_movers)
            source = self._source_of(frame)
            result = step(
                self._state,
                source,
                self._hand_over_motion(frame),
                settings,
                self.gains,
                key,
            )
        self._take(result, settings, frame)
        return result.dream

    def _find_motion(self, before: Frame | None, frame: Frame) -> Motion | None:
        """Return the motion into the frame before; None where the frame begins a shot."""
        motion = None
        if before is not None and before.picture.shape == frame.picture.shape:
            motion = self.motion(before, frame).to(self.device)
            if motion.mean_confidence < self.gains.lost_confidence:
                motion = None
                self._noise_base.reset()
        carried = any(number in self._state.dreams for number in self._now.keyframe_weights)
        return motion if carried else None

    def _hand_over_motion(self, frame: Frame) -> Motion:
        """Return the motion to the one caller, which can let go of it, unless the output shows it.

        The passes of the network can use the memory.
        """
        motion = self._motion
        assert motion is not None
        if not _shows_motion(frame):
            self._motion = None
        return motion

    def _take(self, result: StepResult, settings: StepSettings, frame: Frame) -> None:
        self._state, self._step_settings = result.state, settings
        self._before = frame.without_original()
        controller = {
            number: {
                "base_effort": dream.base_effort,
                "gain_ema": dream.gain_ema,
                "reference_gain": dream.reference_gain,
                "overshoot": overshoot_of(dream, self.gains),
            }
            for number, dream in result.state.dreams.items()
        }
        self._traces.keep(replace(result.trace, controller=controller))

    def _read_back(self) -> None:
        """Bring the last frame's numbers to the host, once a frame, and pass its trace on."""
        if self._step_settings is None:
            return
        result = read_back(self._state, self._step_settings, self.gains)
        self._state = result.state
        self._traces.complete(result.numbers)

    def _source_of(self, frame: Frame) -> Tensor:
        return self._noise_base.under(picture_to_tensor(frame.picture, self.device))

    def _settings_for(self, now: FrameSettings, seconds: float) -> StepSettings:
        timeline = self.settings_timeline
        return StepSettings(
            dream=now.options,
            carry=now.carry,
            objective=now.objective,
            objectives={n: timeline.objective_at_keyframe(n) for n in now.keyframe_weights},
            weights=now.keyframe_weights,
            seconds=seconds,
            look_scale=self._look_scale,
            settings_change=timeline.settings_vary,
            min_effort=self.controls.min_effort,
            on_step=self.controls.on_step,
        )

    def _seconds_since(self, before: Frame | None, frame: Frame) -> float:
        """Return the time between two frames in either direction, or that of a usual frame.

        It is usual where two frames have one time, and from a loop's end to its beginning.
        """
        seconds = abs(float(frame.time - before.time)) if before else 0.0
        wraps = before is not None and self.carry.loop and frame.time < before.time
        return self._frame_s if wraps or seconds == 0 else seconds

    def _warn_if_unchanged(self, source: Tensor, dream: Tensor) -> None:
        """Warn once where a dream is the very picture that it began with."""
        if not self._warned_unchanged:
            self._warned_unchanged = self._now.objective.warn_if_unchanged(source, dream)


def _frame_to_tree(frame: Frame) -> dict[str, Any]:
    """Return the part of a frame that the next one's dream depends on."""
    names = ("index", "time", "picture", "source", "full_picture")
    return {name: getattr(frame, name) for name in names}


def _shows_motion(frame: Frame) -> bool:
    """Return whether the output shows the motion to a frame."""
    original = frame.original
    return original is not None and bool(MOTION_LAYERS.intersection(original.wanted_layers))


def _motion_planes(motion: Motion) -> dict[str, np.ndarray]:
    """Return motion of a frame's size as channels of an output, v upwards; see `depth.layers`."""
    flow = tensor_to_array(motion.backward)
    confidence = tensor_to_array(motion.confidence)[..., 0]
    return {BACKWARD_U: flow[..., 0], BACKWARD_V: -flow[..., 1], CONFIDENCE: confidence}
