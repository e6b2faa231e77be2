"""A sweep through the layers of a network: one source, and one dream of it after another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from dreamflow.core.errors import SettingsError
from dreamflow.core.frames import Frame
from dreamflow.core.schedules.timecode import Timeline
from dreamflow.core.targets import parse_blend
from dreamflow.dream.options import DreamOptions
from dreamflow.media.read.clip import DEFAULT_PICTURE_FOLDER_FPS, Clip, to_exact_rate
from dreamflow.media.read.matte import Matte
from dreamflow.networks.classes import check_network_has_target
from dreamflow.networks.network import Layer, Network
from dreamflow.pipelines.caption import LayerCaptions
from dreamflow.pipelines.channel_choice import (
    apply_channel_picks,
    has_channel_picks,
    make_channel_picks,
)
from dreamflow.pipelines.clip import VideoPipeline
from dreamflow.pipelines.compositor import (
    Compositor,
    CroppedDetector,
    get_matte_box,
    make_matte_lookup,
)
from dreamflow.pipelines.settings.options import (
    DEFAULT_FADE_S,
    DEFAULT_HOLD_S,
    ShowOptions,
    SweepOptions,
)
from dreamflow.pipelines.video import VideoDreamer, marker_of
from dreamflow.reports.guide.layers import select_layers
from dreamflow.temporal.options import CarryOptions


@dataclass(frozen=True)
class StillClip:
    """A picture, uint8 (H, W, 3) RGB, that is shown for some time."""

    picture: np.ndarray
    rate: Fraction
    frames: int

    @property
    def timeline(self) -> Timeline:
        """What the times of schedules count on."""
        return Timeline(self.rate, self.frames / self.rate)

    def first_picture(self) -> np.ndarray:
        """Return the picture."""
        return self.picture

    def __len__(self) -> int:
        """Return how many frames there are."""
        return self.frames

    def frames_from(self, start: int = 0) -> Iterator[Frame]:
        """Yield the frames from number `start` on: all the same picture, each at its time."""
        for number in range(start, self.frames):
            yield Frame(number, number / self.rate, self.picture)


def select_sweep_layers(
    network_name: str, layers_by_name: dict[str, Layer], sweep: SweepOptions
) -> list[str]:
    """Return the layers of a sweep: those named, in that order, then those of the categories.

    All where neither is given, shallow to deep. Each may be a blend, `A=1 + B=0.5`. Raises
    SettingsError for a layer or category that the network does not have.
    """
    names: list[str] = []
    if sweep.layers is not None:
        names = [name.strip() for name in sweep.layers.split(",") if name.strip()]
        if not names:
            raise SettingsError("--layers names no layer; `dreamflow layers` lists them")
        for target in (t for name in names for t in parse_blend(name.split("+")).targets):
            check_network_has_target(network_name, layers_by_name, target)
        if not sweep.category:
            return names
    return names + [
        n for n in select_layers(network_name, layers_by_name, (), sweep.category) if n not in names
    ]


def compute_sweep_times(
    count: int, sweep: SweepOptions, rate: Fraction, clip_length_s: Fraction | None = None
) -> tuple[Fraction, Fraction]:
    """Return for how many seconds each of `count` layers stays, and how long a fade takes.

    available: seconds that a clip has; it is filled where nothing says how long a layer stays.
    Raises SettingsError for a length that is nothing, that the clip has not, or in which a layer
    would not get a frame of its own.
    """
    hold = Fraction(DEFAULT_HOLD_S if sweep.hold is None else sweep.hold)
    fade = Fraction(DEFAULT_FADE_S if sweep.fade is None else sweep.fade)
    whole = count * hold + (count - 1) * fade
    if whole == 0:
        raise SettingsError(
            "--hold 0 leaves no time for the layers; give a --fade, or a longer hold"
        )
    wanted = whole if sweep.seconds is None else Fraction(sweep.seconds)
    if sweep.seconds is None and sweep.hold is None and sweep.fade is None:
        wanted = whole if clip_length_s is None else clip_length_s
    if clip_length_s is not None and wanted > clip_length_s:
        raise SettingsError(
            f"{count} layers take {float(wanted):.2f} s, the clip has {float(clip_length_s):.2f} s: "
            "give less --hold or --fade, fewer --layers, or neither hold nor fade to fill the clip"
        )
    hold, fade = hold * wanted / whole, fade * wanted / whole
    if (hold + fade) * rate < 1:
        raise SettingsError(
            f"{count} layers in {float(wanted):.2f} s leave less than a frame for each: give more "
            "time, or fewer --layers"
        )
    return hold, fade


def format_sweep_schedule(layers: Sequence[str], hold: Fraction, fade: Fraction) -> str:
    """Return the schedule of a sweep: each layer stays for `hold` seconds, and fades for `fade`.

    Gently at both ends, since what is held is all but still: where the last of a layer went at
    once, it could be seen.
    """
    keyframes: list[str] = []
    for number, layer in enumerate(layers):
        begin = number * (hold + fade)
        times = [begin, begin + hold] if hold and fade and number + 1 < len(layers) else [begin]
        # Rounded down: none may come after the end.
        keyframes += [f"{int(time * 1_000_000) / 1e6:.6f}s: {layer}" for time in times]
    return ", ".join(["smooth" if fade else "hold", *keyframes])


def plan_sweep_schedule(
    source: np.ndarray | Clip, layers: Sequence[str], sweep: SweepOptions, rate: Fraction
) -> tuple[StillClip | Clip, str]:
    """Return what is shown, and the schedule of its layers.

    source: a picture, uint8 (H, W, 3) RGB, to be shown at `rate` for as long as the layers take; or
    a clip. Raises SettingsError, see `sweep_times`.
    """
    if isinstance(source, Clip):
        hold, fade = compute_sweep_times(len(layers), sweep, source.rate, source.length)
        return source, format_sweep_schedule(layers, hold, fade)
    hold, fade = compute_sweep_times(len(layers), sweep, rate)
    length = len(layers) * hold + (len(layers) - 1) * fade
    return StillClip(source, rate, math.ceil(length * rate)), format_sweep_schedule(
        layers, hold, fade
    )


def build_sweep_pipeline(
    source: StillClip | Clip,
    network: Network,
    schedule: str,
    dream: DreamOptions | None = None,
    carry: CarryOptions | None = None,
    cuts: Sequence[Fraction] | None = None,
    caption: bool = False,
    show: ShowOptions | None = None,
    matte: Matte | None = None,
) -> VideoPipeline:
    """Return the journey of a sweep.

    schedule: see `sweep_schedule`. caption: whether the layer's name is written into the picture.
    show, matte: how much of the dream is shown, and where.
    Raises SettingsError for layers that the network does not have, or that the source is too small
    for.
    """
    options = replace(dream or DreamOptions(), layer=(schedule,))
    if has_channel_picks(options):
        options = apply_channel_picks(
            options, make_channel_picks(options, network, source.first_picture())
        )
    carry = carry or CarryOptions()
    if isinstance(source, StillClip):
        cuts = cuts or ()
    names = LayerCaptions(options.layers) if caption else None
    timeline = source.timeline
    box = get_matte_box(matte, carry)
    touch = Compositor(show, timeline, make_matte_lookup(matte), box)

    def captioned(frame: Frame) -> Frame:
        frame = touch(frame)
        return names.draw(frame, timeline.moment_at(frame.time)) if names else frame

    dreamer = VideoDreamer(network, options, carry, timeline)
    if isinstance(source, StillClip):
        dreamer.least_effort = 1.0  # nothing else moves in it, and held still it were a slide show
    marker = CroppedDetector(marker_of(carry, cuts), box)
    return VideoPipeline(source.frames_from, len(source), dreamer, marker, captioned)


def dream_sweep(
    source: np.ndarray | Clip,
    network: Network,
    sweep: SweepOptions | None = None,
    dream: DreamOptions | None = None,
    carry: CarryOptions | None = None,
    cuts: Sequence[Fraction] | None = None,
    fps: float = float(DEFAULT_PICTURE_FOLDER_FPS),
) -> Iterator[Frame]:
    """Yield the frames of a sweep through the layers of a network, as they are finished.

    source: a picture, uint8 (H, W, 3) RGB, that stays while its dream changes; or a clip. sweep:
    which layers, and for how long; those of `dream` do not count. cuts: of a clip, as for
    `dream_video`. fps: frames per second of a picture's sweep. Raises SettingsError for layers
    that the network does not have or the source is too small for, and lengths that cannot be.
    """
    sweep = sweep or SweepOptions()
    layers = select_sweep_layers(network.name, network.layers, sweep)
    shown, schedule = plan_sweep_schedule(source, layers, sweep, to_exact_rate(fps))
    journey = build_sweep_pipeline(shown, network, schedule, dream, carry, cuts, sweep.caption)
    return (frame for frame in journey if frame is not None)
