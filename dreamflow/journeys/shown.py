"""How much of a dream is shown, and where.

    shown = source + strength * matte * (dream - source)

It is the last thing done to a frame. What is carried to the next one is the whole dream: so one
that fades in has grown already, and where a matte comes to, there is no empty patch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from dreamflow.clock import Moment, Timeline
from dreamflow.errors import SettingsError
from dreamflow.frames import Frame
from dreamflow.journeys.journey import State
from dreamflow.media.clip import Clip
from dreamflow.media.matte import Box, Matte, same_aspect
from dreamflow.media.matte_files import Frames, luma
from dreamflow.media.readers import fitted
from dreamflow.motion import Mark, Marker
from dreamflow.options import CarryOptions, ShowOptions

MatteFor = Callable[[Frame], np.ndarray]
"""Gives the matte of a frame, float32 (H, W) in [0, 1]."""


def shown(
    dream: np.ndarray, source: np.ndarray, strength: float = 1.0, matte: np.ndarray | None = None
) -> np.ndarray:
    """Return what is shown of a dream, uint8 (H, W, 3) RGB, as are both pictures.

    matte: float32 (H, W) in [0, 1]; None is 1. Where strength or matte is 0 it is the source, and
    where their product is 1 the dream, exactly.
    """
    if matte is None and strength == 1:
        return dream
    share = np.float32(strength) if matte is None else (np.float32(strength) * matte)[..., None]
    levels = dream.astype(np.float32)
    levels -= source
    levels *= share
    levels += source
    return np.rint(levels.clip(0, 255)).astype(np.uint8)


def cut_out(frame: Frame, box: Box | None) -> Frame:
    """Return the part of a frame that is dreamed, which has the whole with it."""
    if box is None:
        return frame
    part = np.ascontiguousarray(frame.picture[box])
    return replace(frame, picture=part, whole=frame.picture)


class Within:
    """A Marker that looks at whole frames, and passes on the part of them that is dreamed."""

    def __init__(self, marker: Marker, box: Box | None) -> None:
        self._marker, self._box = marker, box

    def __call__(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Mark]]:
        """Yield the part of each frame with the mark of the whole."""
        return ((cut_out(frame, self._box), mark) for frame, mark in self._marker(frames))

    def state(self) -> State:
        """Return what the marks of the frames to come depend on."""
        return self._marker.state()

    def restore(self, state: State) -> None:
        """Go on from a state."""
        self._marker.restore(state)


class Shown:
    """Makes what is shown of dreamed frames; they have their source with them."""

    def __init__(
        self,
        show: ShowOptions | None = None,
        timeline: Timeline | None = None,
        matte_for: MatteFor | None = None,
        box: Box | None = None,
    ) -> None:
        """Make ready. timeline: what schedules count on. matte_for: None shows it everywhere.

        box: the part of the frames that was dreamed, if not all.

        Raises SettingsError for a schedule that cannot be on this timeline, or has none.
        """
        self._show, self._timeline = show or ShowOptions(), timeline
        self._matte_for, self._box = matte_for, box
        if timeline is not None:
            self._show.check_over(timeline)
        elif self._show.schedules:
            raise SettingsError("a schedule needs the rate and length of the clip: give a timeline")

    def __call__(self, frame: Frame) -> Frame:
        """Return a dreamed frame as it is shown."""
        if frame.source is None:
            return frame
        moment = self._timeline.at(frame.time) if self._timeline else Moment()
        strength = self._show.at(moment).strength
        matte = self._matte_for(frame) if self._matte_for else None
        if self._box is None or frame.whole is None:
            return replace(frame, picture=shown(frame.picture, frame.source, strength, matte))
        picture = frame.whole.copy()
        matte = None if matte is None else matte[self._box]
        picture[self._box] = shown(frame.picture, frame.source, strength, matte)
        return replace(frame, picture=picture, source=frame.whole, whole=None)


def as_matte(matte: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return an array as a matte, float32 (H, W) in [0, 1], of (width, height) pixels.

    matte: (H, W) or (H, W, 3), uint8 from 0 to 255, bool, or floats from 0 to 1. Raises
    SettingsError for another type or shape, or for an aspect that is not that of the frames.
    """
    known = matte.dtype == np.uint8 or matte.dtype.kind in "bf"
    if not known or not (matte.ndim == 2 or (matte.ndim == 3 and matte.shape[2] == 3)):
        raise SettingsError(
            "a matte is (height, width) or (height, width, 3), uint8 from 0 to 255, bool, or "
            f"floats from 0 to 1; this one is {matte.dtype} {matte.shape}"
        )
    high, wide = matte.shape[:2]
    if not same_aspect((wide, high), (width, height)):
        raise SettingsError(
            f"the matte is {wide}x{high}, the frame {width}x{height}: another shape"
        )
    grey = np.nan_to_num(matte.astype(np.float32)) / (255 if matte.dtype == np.uint8 else 1)
    return fitted(luma(grey) if grey.ndim == 3 else grey, width, height).clip(0, 1)


def box_of(matte: Matte | None, carry: CarryOptions) -> Box | None:
    """Return the part of the frames that is dreamed; None for all of them.

    Raises SettingsError where motion comes from files, which is that of the whole.
    """
    box = matte.box if matte else None
    if box and carry.flow_dir is not None:
        raise SettingsError("--flow-dir has the motion of whole frames: leave out --matte-crop")
    return box


def matte_of(matte: Matte | None) -> MatteFor | None:
    """Return what gives each frame its own of a matte; None for none."""
    return None if matte is None else lambda frame: matte.at(frame.time)


def matte_beside(frames: Iterable[Frame], show: ShowOptions) -> Matte | None:
    """Return the matte that the options name for frames, or None.

    Raises SettingsError where there is no Clip for it to go with.
    """
    if show.matte is None:
        return None
    if not isinstance(frames, Clip):
        raise SettingsError("a matte file goes with a Clip; give the mattes of other frames")
    return Matte(show, Frames.of(frames))


def in_turn(mattes: Iterable[np.ndarray | Frame] | np.ndarray) -> MatteFor:
    """Return what gives frames in their order a matte each; one array is for all of them.

    Where there are fewer than frames, the last one stays. Raises SettingsError where there is none.
    """
    coming = iter([mattes] if isinstance(mattes, np.ndarray) else mattes)
    latest: np.ndarray | None = None

    def matte_for(frame: Frame) -> np.ndarray:
        nonlocal latest
        found = next(coming, None)
        if found is not None:
            height, width = frame.picture.shape[:2]
            picture = found.picture if isinstance(found, Frame) else found
            latest = as_matte(picture, width, height)
        if latest is None:
            raise SettingsError("there are no mattes")
        return latest

    return matte_for
