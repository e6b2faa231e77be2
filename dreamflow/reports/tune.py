"""A sweep over gains of the temporal step, measured on a short clip in memory."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dreamflow.core.callbacks import DoneCallback
from dreamflow.core.errors import MediaError, SettingsError, named
from dreamflow.core.frames import Frame
from dreamflow.core.machine.memory import MB
from dreamflow.dream.options import DreamOptions
from dreamflow.media.read.clip import Clip
from dreamflow.media.sound.options import SoundOptions
from dreamflow.networks.network import Network
from dreamflow.pipelines.hearing import hear_once
from dreamflow.pipelines.settings.timeline import SettingsTimeline
from dreamflow.pipelines.video.dream_video import dream_video
from dreamflow.reports.coherence.dream_meter import DreamMeter
from dreamflow.reports.coherence.measurement import Measurement
from dreamflow.reports.coherence.verdict import (
    EXCESS_FLICKER_METRIC,
    INTENSITY_METRIC,
    SHARPNESS_METRIC,
    compare_measurements,
)
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.control.gains_file import parse_gains
from dreamflow.temporal.options import CarryOptions
from dreamflow.temporal.shots import Mark, find_shots

MAX_TUNING_MB = 1024
"""Largest memory that the clip and its naive dream may take."""

GainPoint = Mapping[str, float | str]
"""A point of the grid: gains by name, each a number, or a text of a number with its unit."""


@dataclass(frozen=True)
class TuningResult:
    """The metrics of the dream at one point of a grid, against dreaming each frame by itself.

    Attributes:
        point: The gains that the point sets.
        excess_flicker: Excess flicker; None where the clip does not flicker.
        intensity: Objective as a share of the naive dream's; None where that has none.
        sharpness: Sharpness as a share of the naive dream's.
        seconds: Median time of a carried frame.
    """

    point: GainPoint
    excess_flicker: float | None
    intensity: float | None
    sharpness: float | None
    seconds: float


def parse_gain_grid(texts: Sequence[str]) -> list[GainPoint]:
    """Return the points of a grid: all combinations of the values of some gains.

    Args:
        texts: `NAME=VALUE,VALUE`, one or more; a value is a number, or a number with its unit. None
            give one point, with all gains at their defaults.

    Raises:
        SettingsError: A text has another form, a gain is unknown, or a value out of its range.
    """
    values: dict[str, list[float | str]] = {}
    for text in texts:
        name, _, listed = text.partition("=")
        parts = [part.strip() for part in listed.split(",")]
        if not name.strip() or not all(parts):
            raise SettingsError(
                f"{named('gain')} {text!r}: write NAME=VALUE,VALUE",
                setting="gain",
                value=text,
                allowed="NAME=VALUE,VALUE",
            )
        values.setdefault(name.strip(), []).extend(_parse_number(part) for part in parts)
    points = [
        dict(zip(values, combination, strict=True))
        for combination in itertools.product(*values.values())
    ]
    for point in points:
        parse_gains(point, named("gain"))
    return list(points)


def _parse_number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def make_gains(point: GainPoint, base: Gains | None = None) -> Gains:
    """Return the gains of a point, over others.

    Args:
        point: The gains that it sets.
        base: All other gains; None is the defaults.

    Raises:
        SettingsError: A gain is unknown, or a value out of its range.
    """
    gains = parse_gains(dict(point), named("gain"))
    return replace(base or Gains(), **{name: getattr(gains, name) for name in point})


@dataclass
class _TimedFrames:
    """Frames as they are dreamed, with the seconds that each took."""

    frames: Iterator[Frame]
    seconds: list[float] = field(default_factory=list[float])

    def __iter__(self) -> Iterator[Frame]:
        started = time.perf_counter()
        for frame in self.frames:
            self.seconds.append(time.perf_counter() - started)
            yield frame
            started = time.perf_counter()


class GainTuner:
    """Dreams a clip with different gains, and measures each dream against a naive one.

    Attributes:
        frame_count: Frames of the clip.
    """

    def __init__(
        self,
        clip: Clip,
        network: Network,
        dream: DreamOptions | None = None,
        carry: CarryOptions | None = None,
        base: Gains | None = None,
    ) -> None:
        """Decode the clip and find its shots.

        Args:
            clip: A short clip.
            network: Network to dream with.
            dream: Settings of the dream.
            carry: Settings of the temporal step.
            base: Gains that a point does not set; None is the defaults.

        Raises:
            SettingsError: The clip takes too much memory, or a setting does not fit the network.
            MediaError: The clip has less than two frames.
        """
        self._network, self._base = network, base
        self._dream, self._carry = dream or DreamOptions(), carry or CarryOptions()
        clip = hear_once(clip, SoundOptions(), (self._dream, self._carry))
        self._clip = clip
        check_tuning_memory(clip)
        timeline = SettingsTimeline(network, self._dream, CarryOptions(), clip.timeline)
        self._timeline = timeline
        self._marked = [(frame, mark is Mark.CUT) for frame, mark in find_shots(clip)]
        self.frame_count = len(self._marked)
        if self.frame_count < 2:
            raise MediaError(f"{clip.path} has less than two frames to compare")
        self._naive: Measurement | None = None

    def dream_naive(self, progress: DoneCallback = lambda done: None) -> None:
        """Dream each frame by itself, which every point is compared with.

        Args:
            progress: Called with the number of frames dreamed.
        """
        self._naive, _ = self._measure("naive", CarryOptions(carry=False), None, progress)

    def measure(self, point: GainPoint, progress: DoneCallback = lambda done: None) -> TuningResult:
        """Dream the clip with the gains of a point, and measure the dream.

        Args:
            point: The gains to set.
            progress: Called with the number of frames dreamed.

        Raises:
            SettingsError: A gain is unknown, or a value out of its range.
        """
        gains = make_gains(point, self._base)
        if self._naive is None:
            self.dream_naive()
        assert self._naive is not None
        measurement, seconds = self._measure("carried", self._carry, gains, progress)
        shares = compare_measurements([measurement, self._naive])
        carried_s = [s for s, (_, cut) in zip(seconds, self._marked, strict=False) if not cut]
        return TuningResult(
            point,
            shares.get(EXCESS_FLICKER_METRIC),
            shares.get(INTENSITY_METRIC),
            shares.get(SHARPNESS_METRIC),
            statistics.median(carried_s or seconds),
        )

    def _measure(
        self, name: str, carry: CarryOptions, gains: Gains | None, progress: DoneCallback
    ) -> tuple[Measurement, list[float]]:
        """Return the measurement of a dream, and the seconds of each of its frames."""
        frames = [frame for frame, _ in self._marked]
        dreams = _TimedFrames(
            dream_video(
                frames,
                self._network,
                None,
                self._dream,
                carry,
                timeline=self._clip.timeline,
                gains=gains,
            )
        )
        meter = DreamMeter([name], lambda time_s: self._timeline.at(time_s).objective)
        for done, ((frame, cut), dreamed) in enumerate(
            zip(self._marked, dreams, strict=True), start=1
        ):
            meter.add(frame, [np.asarray(dreamed.picture)], cut)
            progress(done)
        return meter.measurements[0], dreams.seconds


def check_tuning_memory(clip: Clip) -> None:
    """Check that a clip and its dream fit into memory.

    Raises:
        SettingsError: They take more than `MAX_TUNING_MB`.
    """
    needed_mb = 2 * len(clip) * clip.width * clip.height * 3 / MB
    if needed_mb > MAX_TUNING_MB:
        raise SettingsError(
            f"{len(clip)} frames of {clip.width}x{clip.height} are too many for memory: give a "
            f"smaller {named('size')}, or an earlier {named('end')}",
            setting="end",
        )


def result_to_row(result: TuningResult) -> dict[str, Any]:
    """Return a result as plain values, ready for JSON."""
    return {
        "gains": dict(result.point),
        "excess_flicker": result.excess_flicker,
        "intensity": result.intensity,
        "sharpness": result.sharpness,
        "seconds_per_carried_frame": round(result.seconds, 4),
    }
