"""Where one shot ends and the next begins, found while frames stream by.

Two frames belong to one shot where optical flow leads from one to the other, or where their fine
detail agrees along the flow. Brightness does not count, so a fade, a lamp or a flicker is no cut; a
fast pan is none either, for its detail can be followed even where little of the flow can be
believed. On 57 real clips true cuts had a consistent share below 0.29 and a correlation of detail
below 0.29; the nearest frames that were none, 0.14 and 0.87 or 0.40 and 0.29.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Any, Protocol

import numpy as np

from dreamflow.core.files.documents import DocumentError, fit_schema
from dreamflow.core.frames import Frame
from dreamflow.core.opencv import cv2
from dreamflow.temporal.flow.estimators import dis_flow, to_gray
from dreamflow.temporal.flow.flow_pair import FlowPair
from dreamflow.temporal.motion.confidence import check_consistency, flow_positions, sample_linear

MAX_SIGNATURE_SIDE_PX = 160
"""Longer side at which frames are compared."""
MIN_CONSISTENT_SHARE = 0.35
"""Frames of whose flow at least this share is consistent show the same shot."""
MIN_DETAIL_CORRELATION = 0.32
"""Frames whose fine detail correlates at least this much show the same shot."""
DETAIL_SIGMA_PX = 3.0
"""Fine detail = frame - its Gaussian blur with this sigma, at the size of comparison."""
BLANK_LEVELS = 4.0
"""Standard deviation, in levels of 255, below which a frame shows nothing."""
MAX_PAN_SHARE = 0.5
"""Largest shift of a pan from one frame to the next, as a share of the side."""
FLASH_FRAMES = 3
"""A disturbance of at most this many frames, after which the shot goes on, is a flash."""


class Mark(Enum):
    """What a frame is to the one before: a new shot, the same shot, or a disturbance within it."""

    CUT = "cut"
    SAME = "same"
    FLASH = "flash"


@dataclass(frozen=True)
class FrameSignature:
    """A frame as it is compared.

    Attributes:
        gray: uint8 (h, w), small.
        blank: Whether it shows nothing.
    """

    gray: np.ndarray
    blank: bool


def make_signature(picture: np.ndarray) -> FrameSignature:
    """Return the signature of a uint8 (H, W, 3) RGB picture."""
    scale = min(1.0, MAX_SIGNATURE_SIDE_PX / max(picture.shape[:2]))
    height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
    gray = to_gray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA))
    return FrameSignature(gray, float(gray.std()) < BLANK_LEVELS)


def match_levels(gray: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Return a grey picture with the mean and the standard deviation of another, uint8 (h, w)."""
    here, there = gray.astype(np.float32), like.astype(np.float32)
    contrast = max(float(there.std()), BLANK_LEVELS) / max(float(here.std()), BLANK_LEVELS)
    return np.clip((here - here.mean()) * contrast + there.mean(), 0, 255).astype(np.uint8)


def is_same_shot(before: FrameSignature, here: FrameSignature) -> bool:
    """Return whether two frames show the same shot."""
    if before.gray.shape != here.gray.shape:
        return False
    gray = match_levels(here.gray, before.gray)
    flow = FlowPair(dis_flow(gray, before.gray), dis_flow(before.gray, gray))
    if float(check_consistency(flow).mean()) >= MIN_CONSISTENT_SHARE:
        return True
    x, y = flow_positions(flow.backward)
    followed = sample_linear(before.gray.astype(np.float32), x, y)
    if correlate(fine_detail(followed), fine_detail(gray)) >= MIN_DETAIL_CORRELATION:
        return True
    shifted = correlate_shifted(fine_detail(before.gray), fine_detail(gray))
    return shifted >= MIN_DETAIL_CORRELATION


def correlate_shifted(before: np.ndarray, here: np.ndarray) -> float:
    """Return the correlation of two pictures' detail, one shifted as a whole onto the other.

    A whip pan is too fast for flow, but not for phase correlation.
    """
    window = cv2.createHanningWindow(before.shape[::-1], cv2.CV_32F)
    (dx, dy), _ = cv2.phaseCorrelate(before, here, window)
    height, width = here.shape
    across, down = round(dx), round(dy)
    if abs(across) > MAX_PAN_SHARE * width or abs(down) > MAX_PAN_SHARE * height:
        return 0.0
    rows = slice(max(0, down), height + min(0, down))
    columns = slice(max(0, across), width + min(0, across))
    rows_before = slice(max(0, -down), height - max(0, down))
    columns_before = slice(max(0, -across), width - max(0, across))
    return correlate(before[rows_before, columns_before], here[rows, columns])


def fine_detail(gray: np.ndarray) -> np.ndarray:
    """Return the fine detail of a (h, w) picture, float32."""
    levels = gray.astype(np.float32)
    return levels - cv2.GaussianBlur(levels, (0, 0), DETAIL_SIGMA_PX)


def correlate(one: np.ndarray, other: np.ndarray) -> float:
    """Return the correlation of two pictures of detail, -1 to 1; 1 where one shows nothing."""
    power = float(np.sqrt(np.square(one).mean() * np.square(other).mean()))
    return float((one * other).mean()) / power if power > 1e-3 else 1.0


class Marker(Protocol):
    """Marks the frames of a clip as they come; can be stopped, and go on elsewhere."""

    def __call__(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Mark]]:
        """Yield each frame with its mark."""
        ...

    def state(self) -> dict[str, Any]:
        """Return what the marks of the frames to come depend on, after the last one yielded."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state: the next frames are those that follow it."""
        ...


@dataclass(frozen=True)
class ShotFinderState:
    """What a shot finder goes on from.

    Attributes:
        gray: uint8 (h, w), small: the last frame that showed something.
        started: Whether any frame came.
    """

    gray: np.ndarray | None
    started: bool


class ShotFinder:
    """Finds cuts and flashes by comparing frames."""

    def __init__(self) -> None:
        """Begin before the first frame."""
        self._last: FrameSignature | None = None
        self._started = False

    def state(self) -> dict[str, Any]:
        """Return the signature of the last frame that showed something, and whether any came."""
        return {"gray": None if self._last is None else self._last.gray, "started": self._started}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state. Raises DocumentError where it is none of `state`'s."""
        last = fit_schema(state, ShotFinderState)
        if last.gray is not None and (last.gray.dtype != np.uint8 or last.gray.ndim != 2):
            raise DocumentError("the last frame is not in levels of grey")
        self._last = None if last.gray is None else FrameSignature(last.gray, False)
        self._started = last.started

    def __call__(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Mark]]:
        """Yield each frame with its mark, `FLASH_FRAMES` frames after it came.

        The first frame is a cut. A frame that shows nothing (black between two shots) belongs to
        the shot before it; the first one to show something again is compared with the last that
        did.
        """
        coming: deque[tuple[Frame, FrameSignature]] = deque()
        source = iter(frames)
        while True:
            while len(coming) <= FLASH_FRAMES and (frame := next(source, None)) is not None:
                coming.append((frame, make_signature(frame.picture)))
            if not coming:
                return
            frame, here = coming.popleft()
            mark = Mark.SAME
            if not here.blank:
                if self._last is None or not is_same_shot(self._last, here):
                    mark = self._classify_break([signature for _, signature in coming])
                if mark is not Mark.FLASH:
                    self._last = here
            mark, self._started = mark if self._started else Mark.CUT, True
            yield frame, mark

    def _classify_break(self, coming: list[FrameSignature]) -> Mark:
        """Return what a frame unlike the last is: a flash if one of the next is like the last."""
        last = self._last
        returns = last is not None and any(is_same_shot(last, k) for k in coming if not k.blank)
        return Mark.FLASH if returns else Mark.CUT


def find_shots(frames: Iterable[Frame]) -> Iterator[tuple[Frame, Mark]]:
    """Yield each frame with its mark, a few frames after it came; see `ShotFinder`."""
    return ShotFinder()(frames)


@dataclass(frozen=True)
class GivenCutsState:
    """What `GivenCuts` goes on from: the time of the last frame, in seconds."""

    seen: Fraction | None


class GivenCuts:
    """Marks frames by a list of cuts: times in seconds, as those of the frames."""

    def __init__(self, cuts: Sequence[Fraction]) -> None:
        """Take the times at which new shots begin."""
        self._cuts = sorted(cuts)
        self._last_time: Fraction | None = None

    def state(self) -> dict[str, Any]:
        """Return the time of the last frame."""
        return {"seen": self._last_time}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state. Raises DocumentError where it is none of `state`'s."""
        self._last_time = fit_schema(state, GivenCutsState).seen

    def __call__(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Mark]]:
        """Yield each frame with its mark. The first one is a cut."""
        for frame in frames:
            last, self._last_time = self._last_time, frame.time
            cut = last is None or any(last < time <= frame.time for time in self._cuts)
            yield frame, Mark.CUT if cut else Mark.SAME


def marked_at(frames: Iterable[Frame], cuts: Sequence[Fraction]) -> Iterator[tuple[Frame, Mark]]:
    """Yield each frame with its mark, by a list of cuts: times in seconds, as the frames'."""
    return GivenCuts(cuts)(frames)
