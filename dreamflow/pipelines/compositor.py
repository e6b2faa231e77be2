"""How much of a dream is shown, and where.

    shown = source + strength * matte * (dream - source)

It is the last thing done to a frame. What is carried to the next one is the whole dream: so one
that fades in has grown already, and where a matte comes to, there is no empty patch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from dreamflow.core.errors import SettingsError
from dreamflow.core.frames import Frame
from dreamflow.core.schedules.timecode import Moment, Timeline
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.matte import Matte
from dreamflow.media.read.matte_crop import CropBox
from dreamflow.media.read.matte_files import MatteTarget
from dreamflow.media.read.matte_fitting import fit_matte_array
from dreamflow.pipelines.pipeline import PipelineState
from dreamflow.pipelines.settings.options import ShowOptions
from dreamflow.temporal.options import CarryOptions
from dreamflow.temporal.shots import Mark, Marker

MatteLookup = Callable[[Frame], np.ndarray]
"""Gives the matte of a frame, float32 (H, W) in [0, 1]."""


def composite(
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


def crop_frame(frame: Frame, box: CropBox | None) -> Frame:
    """Return the part of a frame that is dreamed, which has the whole with it."""
    if box is None:
        return frame
    part = np.ascontiguousarray(frame.picture[box])
    return replace(frame, picture=part, full_picture=frame.picture)


class CroppedDetector:
    """A Marker that looks at whole frames, and passes on the part of them that is dreamed."""

    def __init__(self, detector: Marker, box: CropBox | None) -> None:
        self._detector, self._box = detector, box

    def __call__(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Mark]]:
        """Yield the part of each frame with the mark of the whole."""
        return ((crop_frame(frame, self._box), mark) for frame, mark in self._detector(frames))

    def state(self) -> PipelineState:
        """Return what the marks of the frames to come depend on."""
        return self._detector.state()

    def restore(self, state: PipelineState) -> None:
        """Go on from a state."""
        self._detector.restore(state)


class Compositor:
    """Makes what is shown of dreamed frames; they have their source with them."""

    def __init__(
        self,
        show: ShowOptions | None = None,
        timeline: Timeline | None = None,
        matte_lookup: MatteLookup | None = None,
        box: CropBox | None = None,
    ) -> None:
        """Make ready. timeline: what schedules count on. matte_for: None shows it everywhere.

        box: the part of the frames that was dreamed, if not all.

        Raises SettingsError for a schedule that cannot be on this timeline, or has none.
        """
        self._show, self._timeline = show or ShowOptions(), timeline
        self._matte_lookup, self._box = matte_lookup, box
        if timeline is not None:
            self._show.check_schedules(timeline)
        elif self._show.schedules:
            raise SettingsError("a schedule needs the rate and length of the clip: give a timeline")

    def __call__(self, frame: Frame) -> Frame:
        """Return a dreamed frame as it is shown."""
        if frame.source is None:
            return frame
        moment = self._timeline.moment_at(frame.time) if self._timeline else Moment()
        strength = self._show.at(moment).strength
        matte = self._matte_lookup(frame) if self._matte_lookup else None
        if self._box is None or frame.full_picture is None:
            return replace(frame, picture=composite(frame.picture, frame.source, strength, matte))
        picture = frame.full_picture.copy()
        matte = None if matte is None else matte[self._box]
        picture[self._box] = composite(frame.picture, frame.source, strength, matte)
        return replace(frame, picture=picture, source=frame.full_picture, full_picture=None)


def get_matte_box(matte: Matte | None, carry: CarryOptions) -> CropBox | None:
    """Return the part of the frames that is dreamed; None for all of them.

    Raises SettingsError where motion comes from files, which is that of the whole.
    """
    box = matte.bounding_box if matte else None
    if box and carry.flow_dir is not None:
        raise SettingsError("--flow-dir has the motion of whole frames: leave out --matte-crop")
    return box


def make_matte_lookup(matte: Matte | None) -> MatteLookup | None:
    """Return what gives each frame its own of a matte; None for none."""
    return None if matte is None else lambda frame: matte.opacity_at(frame.time)


def open_clip_matte(frames: Iterable[Frame], show: ShowOptions) -> Matte | None:
    """Return the matte that the options name for frames, or None.

    Raises SettingsError where there is no Clip for it to go with.
    """
    if show.matte is None:
        return None
    if not isinstance(frames, Clip):
        raise SettingsError("a matte file goes with a Clip; give the mattes of other frames")
    return Matte(show, MatteTarget.from_clip(frames))


def make_sequential_matte_lookup(mattes: Iterable[np.ndarray | Frame] | np.ndarray) -> MatteLookup:
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
            latest = fit_matte_array(picture, width, height)
        if latest is None:
            raise SettingsError("there are no mattes")
        return latest

    return matte_for
