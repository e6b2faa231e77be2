"""A clip, dreamed frame by frame, the dream carried along the motion of the scene."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import chain, islice

import numpy as np
from torch import Tensor

from dreamflow.core.errors import SettingsError
from dreamflow.core.frames import Frame
from dreamflow.core.prefetch import prefetch
from dreamflow.core.schedules.timecode import Timeline
from dreamflow.core.tensors import array_to_tensor, tensor_to_array, tensor_to_picture
from dreamflow.dream.gradient_shaping import GradientShaping
from dreamflow.dream.objective import Objective
from dreamflow.dream.octaves import dream_octaves, plan_octaves
from dreamflow.dream.options import DreamOptions
from dreamflow.media.read.clip import Clip
from dreamflow.networks.network import Network
from dreamflow.pipelines.channel_choice import (
    apply_channel_picks,
    has_channel_picks,
    make_channel_picks,
)
from dreamflow.pipelines.compositor import (
    Compositor,
    CroppedDetector,
    get_matte_box,
    make_matte_lookup,
    make_sequential_matte_lookup,
    open_clip_matte,
)
from dreamflow.pipelines.ground import Ground
from dreamflow.pipelines.pipeline import PipelineState
from dreamflow.pipelines.settings.options import ShowOptions
from dreamflow.pipelines.settings.timeline import SettingsTimeline
from dreamflow.pipelines.two_pass import dream_visible_frames
from dreamflow.temporal.carried import LEAST_EFFORT, carried_share, evened, learned, mixed, young
from dreamflow.temporal.carry import Carried
from dreamflow.temporal.flow.source import motion_source
from dreamflow.temporal.options import CarryOptions
from dreamflow.temporal.refining import refined
from dreamflow.temporal.shots import GivenCuts, Mark, Marker, ShotFinder

LOST_TRUST = 0.15
"""Where less of a frame than this can be traced back, it is dreamed like the first of a shot."""
NO_NEIGHBOUR = -1
"""Index of a frame that the next one does not follow: a flash came between."""
RENEW_S = Fraction(2)
"""A new dream is made this often, in seconds, to see how strong one is now: the scene may have
changed. It costs a few carried frames."""
RETARGET_S = Fraction(1, 2)
"""The same where how hard is dreamed is on a schedule, or what guides the dream is a clip."""
RETARGETING = 0.2
"""How much of the way the strength held goes to that of a new dream in a frame."""
WATCHING = 0.6
"""How much of the way the strength that a carried dream is taken to have goes to what is seen."""
MEASURE_EVERY = 2
"""How strong a carried dream is, is seen in one carried frame of so many."""


class VideoDreamer:
    """Dreams the frames of a clip one after the other; holds what is carried between them.

    Between two keyframes of a schedule of layers two dreams are carried, each begun from nothing on
    its own layers, and what is shown is both, one fading into the other. It is dreamed on as one
    picture, for the layers of the moment, so that the two grow together; but the old one leaves,
    which the dream of one changing objective does not: it would grow on the old one's lines.
    """

    def __init__(
        self,
        network: Network,
        options: DreamOptions,
        carry: CarryOptions,
        timeline: Timeline | None = None,
    ) -> None:
        """Make ready. timeline: what schedules count on; without one there can be none.

        Raises SettingsError for a layer that the network does not have, or a schedule that cannot
        be over this timeline, and what the source of the motion raises: WeightsError for RAFT's.
        """
        self.options, self.carry = options, carry
        """As they were given; `now` holds those of the frame at hand."""
        self.course = SettingsTimeline(network, options, carry, timeline)
        self.now = self.course.first_settings
        self.device = network.device
        self.trusted = 0.0
        """Share of the last frame that was carried over, from 0 (a new shot) to 1."""
        # Where nothing is carried, a flow that is not there is not missed.
        self.motion = motion_source(carry if carry.carry else CarryOptions(), network.device)
        self._ground = Ground(options, network.device)
        self.least_effort = LEAST_EFFORT
        """See `effort`."""
        self._before: Frame | None = None
        self._carried: dict[int, Carried] = {}
        """By the keyframe of the layers that it is the dream of."""
        self._measured: tuple[DreamOptions, Fraction] | None = None
        """For which settings, and when, it was seen how strong a new dream is."""
        self._unwatched = 0
        """Carried frames since it was seen how strong the carried dream is."""
        self._silent = False
        """Whether it was said that nothing responds."""

    def reset(self) -> None:
        """Forget what is carried: the next frame begins a new shot."""
        self._before, self._carried, self._measured, self._unwatched = None, {}, None, 0
        self._ground.reset()

    def state(self) -> PipelineState:
        """Return what is carried: the next frame's dream depends on it, and on nothing else."""
        return {
            "before": self._before and vars(self._before),
            "carried": {number: vars(one) for number, one in self._carried.items()},
            "shares": self.now.keyframe_weights,
            "measured": self._measured and self._measured[1],
            "unwatched": self._unwatched,
            "ground": self._ground.state(),
        }

    def restore(self, state: PipelineState) -> None:
        """Go on from a state, one of a DreamFlow that knew no noise, too."""
        self._before = state["before"] and Frame(**state["before"])
        self._carried = {n: Carried.restored(one) for n, one in state["carried"].items()}
        self.now = replace(self.now, keyframe_weights=state["shares"])
        self._unwatched = state.get("unwatched", self._unwatched)
        if "ground" in state:
            self._ground.restore(state["ground"])
        if (when := state["measured"]) is not None:
            self._measured = (replace(self.course.at(when).options, layer=()), when)

    def __call__(self, frame: Frame, mark: Mark = Mark.SAME) -> Frame:
        """Return the dream of the next frame: the same index and time, another picture.

        mark: a cut lets go of what is carried. Over a flash it is held as it was, and the frame
        after the flash goes on from the one before.
        """
        flash = mark is Mark.FLASH and bool(self._carried)
        shares = self.now.keyframe_weights
        self.now = self.course.at(frame.time)
        self.course.check_size(*frame.picture.shape[:2])
        if self.now.options.iterations == 0:
            self.reset()
            return replace(frame, source=frame.picture)
        if mark is Mark.CUT:
            self.reset()
        key = (self.now.options.seed, frame.index)
        if not self.now.carry.carry:
            anew = self._anew(self._ground.under(frame.picture), self.now.objective, key)
            return replace(frame, picture=tensor_to_picture(anew), source=frame.picture)
        if flash:
            self.now = replace(self.now, keyframe_weights=shares)
        carried = self._carried if flash else self._coming(frame)
        source = self._ground.under(frame.picture)
        self.trusted = self.trusted if carried else 0.0
        begun = {
            number: self._anew(source, self.course.objective_at_keyframe(number), key)
            for number in self.now.keyframe_weights
            if number not in carried
        }
        coming = carried | {n: self._begun(d, source, n) for n, d in begun.items()}
        if not flash:
            self.now = replace(self.now, keyframe_weights=evened(coming, self.now.keyframe_weights))
        if not carried and len(begun) == 1:
            (dreamed,) = begun.values()
        elif not carried:
            dreamed = source + array_to_tensor(
                mixed(coming, self.now.keyframe_weights), self.device
            )
        else:
            if not flash:
                coming = self._retarget(coming, source, frame.time, key)
            dreamed = refined(source, coming, self.now, key, self.least_effort)
        if not flash:
            self._before = frame
            self._carried = (
                self._settle(coming, tensor_to_array(dreamed - source)) if carried else coming
            )
            self._unwatched = self._unwatched + 1 if carried else 0
            if self._unwatched == MEASURE_EVERY:
                # Counted here: where only every second frame is taken, all numbers may be odd.
                self._carried, self._unwatched = self._watched(self._carried, dreamed, source), 0
        elif self._before is not None:
            self._before = replace(self._before, index=NO_NEIGHBOUR)
        return replace(frame, picture=tensor_to_picture(dreamed), source=frame.picture)

    def _anew(self, source: Tensor, objective: Objective, key: tuple[int, int]) -> Tensor:
        """Return the dream of a frame by itself."""
        options = self.now.options
        plan, shaping = plan_octaves(options), GradientShaping.from_options(options)
        dreamed = dream_octaves(source, objective, plan, options.jitter, key, shaping=shaping)
        self._silent = self._silent or objective.warn_if_unchanged(source, dreamed)
        return dreamed

    def _begun(self, dreamed: Tensor, source: Tensor, number: int) -> Carried:
        """Return what a new dream, of the layers of a keyframe, gives on."""
        begun = Carried.begun(tensor_to_array(dreamed - source))
        return replace(
            begun, climb=self._climb(dreamed, source, self.course.objective_at_keyframe(number))
        )

    def _climb(self, dreamed: Tensor, source: Tensor, objective: Objective) -> float | None:
        """Return how much of an objective a dream has gained; None where nobody asks for it."""
        if self.now.carry.firmness == 0:
            return None
        return objective.value(dreamed) - objective.value(source)

    def _watched(
        self, carried: dict[int, Carried], dreamed: Tensor, source: Tensor
    ) -> dict[int, Carried]:
        """Return what is carried, with how strong it is now: of one dream alone, not of a fade."""
        if len(carried) > 1 or self.now.carry.stability == 1:
            return carried
        ((number, one),) = carried.items()
        now = self._climb(dreamed, source, self.now.objective)
        if now is not None and one.climbed is not None:
            now = one.climbed + WATCHING * (now - one.climbed)
        seen = replace(one, climbed=now)
        return {number: learned(seen, self.now.carry.firmness, self.least_effort)}

    def _coming(self, frame: Frame) -> dict[int, Carried]:
        """Return what this frame begins with: nothing where a new shot begins."""
        wanted = {n: c for n, c in self._carried.items() if n in self.now.keyframe_weights}
        before = self._before
        if before is None or before.picture.shape != frame.picture.shape or not wanted:
            return {}
        motion = self.motion(before, frame)
        self.trusted = float(motion.trust.mean())
        if self.trusted < LOST_TRUST:
            self._ground.reset()
            return {}
        self._ground.move(motion)
        share, firmness = carried_share(self.now.carry), self.now.carry.firmness
        coming: dict[int, Carried] = {}
        for number, one in wanted.items():
            # What is dreamed anew is shared between the two of a fade, and so is what is forgotten.
            decay = 1 - (1 - share) * self.now.keyframe_weights[number]
            moved = one.along(motion, decay)
            if self.course.settings_vary:
                coming[number] = moved.held(math.sqrt(firmness) / 2)
            else:
                # What decays is given back at most: more, and what survives the warps best, fine
                # lines side by side, would grow by itself and cover everything in time.
                coming[number] = moved.held(firmness, most=1 / max(decay, 1e-6))
        return coming

    def _retarget(
        self, coming: dict[int, Carried], source: Tensor, time: Fraction, key: tuple[int, int]
    ) -> dict[int, Carried]:
        """Let the strength that is held go to that of a new dream, as it is now."""
        if self.now.carry.firmness == 0:
            return coming
        numbers = replace(self.now.options, layer=())
        last, when = self._measured or (numbers, time)
        same = numbers == last and not self.course.reference_varies
        if self._measured is None:
            self._measured = (numbers, time)
        elif abs(time - when) >= (RENEW_S if same else RETARGET_S):
            self._measured = (numbers, time)
            for number, one in coming.items():
                anew = self._anew(source, self.course.objective_at_keyframe(number), key)
                new = self._begun(anew, source, number)
                coming[number] = replace(one, goal=new.goal, forms=new.forms, climb=new.climb)
        return {number: one.nearer(RETARGETING) for number, one in coming.items()}

    def _settle(self, coming: dict[int, Carried], residual: np.ndarray) -> dict[int, Carried]:
        """Return what goes on to the next frame, of a frame's residual (H, W, 3)."""
        shares = self.now.keyframe_weights
        if len(coming) == 1:
            return {number: one.settling(residual) for number, one in coming.items()}
        # Each takes its share of the change, so that what is shown, by share, has changed as it
        # did. What came into view is new to both, and goes to both alike.
        change = residual - mixed(coming, shares)
        new, alike = young(coming)[..., None], 1 / sum(shares.values())
        whole = sum(share**2 for share in shares.values())
        grown: dict[int, Carried] = {}
        for number, one in coming.items():
            own = shares[number] / whole
            part = change * (own + new * (alike - own)).astype(np.float32)
            grown[number] = one.settling(one.residual + part)
        return grown


def dream_video(
    frames: Iterable[Frame],
    network: Network,
    layer: str | Sequence[str] | None = None,
    options: DreamOptions | None = None,
    carry: CarryOptions | None = None,
    cuts: Sequence[Fraction] | None = None,
    timeline: Timeline | None = None,
    show: ShowOptions | None = None,
    mattes: Iterable[np.ndarray | Frame] | np.ndarray | None = None,
) -> Iterator[Frame]:
    """Yield the dream of each frame of a clip, as it is finished.

    frames: of one size, in order; a Clip is one, and is read ahead in a thread. layer: a layer's
    name, or several as `NAME=WEIGHT`; None takes those of `options`. cuts: the times at which new
    shots begin; None finds them, unless `carry.cuts` is "none". timeline: what schedules count on;
    None takes that of a Clip. show: how much of the dream is shown; its matte goes with a Clip.
    mattes: where it is shown, an array for all frames or one for each, as `dream_image` takes them,
    or the frames of a Clip. A few frames are held in memory, in two passes those of a second.
    Raises SettingsError for an unknown layer, frames too small for it, or a schedule or a matte
    that cannot be.
    """
    options, carry = options or DreamOptions(), carry or CarryOptions()
    if layer is not None:
        options = replace(options, layer=(layer,) if isinstance(layer, str) else tuple(layer))
    if timeline is None and isinstance(frames, Clip):
        timeline = frames.timeline
    show = show or ShowOptions()
    if mattes is not None and show.matte is not None:
        raise SettingsError("give a matte file or mattes, not both")
    matte = open_clip_matte(frames, show)
    box = get_matte_box(matte, carry)
    touch = Compositor(
        show,
        timeline,
        make_matte_lookup(matte) if mattes is None else make_sequential_matte_lookup(mattes),
        box,
    )
    if has_channel_picks(options) and isinstance(frames, Clip):
        options = apply_channel_picks(
            options, make_channel_picks(options, network, frames.first_picture())
        )
    elif has_channel_picks(options):
        coming = iter(frames)
        first = list(islice(coming, 1))
        for frame in first:
            options = apply_channel_picks(
                options, make_channel_picks(options, network, frame.picture)
            )
        frames = chain(first, coming)
    dreamer = VideoDreamer(network, options, carry, timeline)
    marked = CroppedDetector(marker_of(carry, cuts), box)(frames)
    marked = prefetch(marked) if isinstance(frames, Clip) else marked
    yield from map(touch, dream_visible_frames(marked, dreamer))


def marker_of(carry: CarryOptions, cuts: Sequence[Fraction] | None) -> Marker:
    """Return what marks a clip's frames, as the options want new shots to be found."""
    if cuts is None and carry.carry and carry.cuts != "none":
        return ShotFinder()
    return GivenCuts(cuts or ())
