"""Carrying the dream (not the picture) from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dreamflow.core.opencv import cv2
from dreamflow.temporal.confidence import positions
from dreamflow.temporal.flow.estimators import Motion
from dreamflow.temporal.strength import LARGEST_GAIN, by_area, held, over_frame, strength


def warp(picture: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """Return the previous frame's float32 (H, W) or (H, W, C) picture as the current frame sees it.

    backward: float32 (H, W, 2). Lanczos over 8 pixels: of a dream's sharpness (the variance of its
    Laplacian) a warp then leaves nine tenths, where bicubic leaves eight; that adds up over frames.
    What comes from outside the frame repeats its edge.
    """
    x, y = positions(backward)
    return cv2.remap(picture, x, y, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE)


TINY = 1e-10
"""Mean square that is not told from nothing: of a hundredth of a thousandth, in units of 1."""
SETTLING = 0.1
"""How much of the way to settled an area goes in a frame: 22 frames for nine tenths."""
PARTLY_TRUSTED = 0.25
"""By this power of its trust an area's value is carried, in place of the mean."""
FIRST_EFFORT = 0.6
"""What a dream begins with (see `Carried.effort`): what most come to within a second."""


@dataclass(frozen=True)
class Carried:
    """What goes from one frame to the next.

    residual: float32 (H, W, 3), dream minus source in units of 1, never re-quantised. settled:
    float32 (H, W) in [0, 1], how far the dream has grown there: 0 where the scene has just come
    into view, 1 where it has been seen for long. wanted: the strength (see `strength`) that it is
    held near; goal: what that is on its way to. forms: float32 (h, w), how strong those of a new
    dream are by areas (see `by_area`), carried with the scene. climb: how much of the objective a
    new dream gains over its source; climbed: how much this one has, lately. None: not known.
    effort: of 1, how hard to dream on it, so that it stays so.
    """

    residual: np.ndarray
    settled: np.ndarray
    wanted: tuple[float, ...] = ()
    goal: tuple[float, ...] = ()
    forms: np.ndarray | None = None
    climb: float | None = None
    climbed: float | None = None
    effort: float = FIRST_EFFORT

    @classmethod
    def begun(cls, residual: np.ndarray) -> Carried:
        """Return what the first frame of a dream gives on, of its residual."""
        wanted = strength(residual)
        settled = np.ones(residual.shape[:2], np.float32)
        return cls(residual, settled, wanted, wanted, by_area(residual))

    @classmethod
    def restored(cls, state: dict[str, Any]) -> Carried:
        """Return what was kept as `vars`.

        A DreamFlow that told strength by fewer numbers held it near others: it is held as it is.
        So it is where how strong it is by areas was told of all of it, as its `spread`.
        """
        kept = cls(**{name: value for name, value in state.items() if name != "spread"})
        if kept.forms is None:
            kept = replace(kept, forms=by_area(kept.residual))
        now = strength(kept.residual)
        return kept if len(now) == len(kept.wanted) else replace(kept, wanted=now, goal=now)

    def along(self, motion: Motion, decay: float) -> Carried:
        """Return what the current frame starts with: decay * trust * the warped residual."""
        residual = warp(self.residual, motion.backward) * (decay * motion.trust)[..., None]
        settled = np.clip(warp(self.settled, motion.backward), 0, 1) * motion.trust
        forms = None if self.forms is None else along(self.forms, motion)
        return replace(self, residual=residual, settled=settled, forms=forms)

    def held(self, firmness: float, most: float = LARGEST_GAIN) -> Carried:
        """Return it nearer to the strength wanted; most: what a band is multiplied by at most."""
        if firmness == 0:
            return self
        residual = held(self.residual, self.wanted, firmness, most, self.grown)
        result = replace(self, residual=residual)
        reached = result.reached
        if reached is None or reached.max() <= 1:
            return result
        # Bands are held as a whole: what holds still is not to make up for what moves.
        less = np.maximum(1, reached).astype(np.float32) ** -firmness
        return replace(result, residual=residual * over_frame(less, *self.settled.shape)[..., None])

    def nearer(self, share: float) -> Carried:
        """Return it with the strength wanted a share of the way nearer to its goal."""
        pairs = zip(self.wanted, self.goal, strict=True)
        return replace(self, wanted=tuple(old + share * (new - old) for old, new in pairs))

    def settling(self, residual: np.ndarray) -> Carried:
        """Return it with a frame's residual, and a frame nearer to settled."""
        return replace(
            self, residual=residual, settled=self.settled + SETTLING * (1 - self.settled)
        )

    @property
    def grown(self) -> np.ndarray:
        """Whether there is a dream at all: float32 (H, W), 0 where the scene is new, to 1.

        As settled, in a seventh of the frames: four for nine tenths.
        """
        rest = 1 - self.settled
        square = rest * rest
        return 1 - rest * square * square * square

    @property
    def reached(self) -> np.ndarray | None:
        """How strong its forms are where, against a new dream: float32 (h, w), by areas.

        Of the mean square; 1 is as strong. None: not known.
        """
        if self.forms is None:
            return None
        return (by_area(self.residual) + TINY) / (self.forms + TINY)


def along(areas: np.ndarray, motion: Motion) -> np.ndarray:
    """Return values by areas, float32 (h, w), as the current frame has them; new ones: the mean.

    What moves is trusted in part, frame after frame; it is not for that to be held as weak as most.
    """
    (height, width), frame = areas.shape, motion.trust.shape
    scale = np.array([width / frame[1], height / frame[0]], np.float32)
    flow = cv2.resize(motion.backward, (width, height), interpolation=cv2.INTER_AREA) * scale
    trust = cv2.resize(motion.trust, (width, height), interpolation=cv2.INTER_AREA)
    x, y = positions(flow)
    moved = cv2.remap(areas, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mean = areas.mean()
    # Resized, 1 may have become a little more.
    return mean + np.minimum(1, trust) ** PARTLY_TRUSTED * (moved - mean)
