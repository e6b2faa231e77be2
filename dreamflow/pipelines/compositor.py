"""How much of a dream is shown, and where.

    shown = source + strength * matte * (dream - source)

It is applied to a frame last, and what is carried to the next frame is the whole dream: so a dream
that fades in has grown already, and there is no empty patch where a matte moves to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dreamflow.core.errors import SettingsError, named
from dreamflow.core.frames import Frame
from dreamflow.core.schedules.timecode import Moment, Timeline
from dreamflow.media.depth.layers import MATTE
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.mattes.matte import Matte
from dreamflow.media.read.mattes.matte_crop import CropBox
from dreamflow.media.read.mattes.matte_files import MatteTarget
from dreamflow.media.read.mattes.matte_fitting import fit_matte_array
from dreamflow.pipelines.flashing import warn_of_flashing
from dreamflow.pipelines.pipeline import PipelineState
from dreamflow.pipelines.settings.options import ShowOptions
from dreamflow.temporal.options import CarryOptions
from dreamflow.temporal.shots import Mark, Marker

MatteLookup = Callable[[Frame], np.ndarray]
"""Returns the matte of a frame, float32 (H, W) in [0, 1]."""


def composite_image(
    dream: Tensor, source: Tensor, strength: float = 1.0, matte: Tensor | None = None
) -> Tensor:
    """Return what is shown of a dream, on the device of its image.

    Args:
        dream: (1, 3, H, W) float32, RGB in [0, 1].
        source: The image that it is the dream of, of the same shape.
        strength: 0 is the source, 1 the dream, 2 twice the change.
        matte: (1, 1, H, W) float32 in [0, 1]; None is 1 everywhere.

    Returns:
        (1, 3, H, W) float32 in [0, 1]: exactly the source where strength or matte is 0, and exactly
        the dream where their product is 1.
    """
    if matte is None and strength == 1:
        return dream
    # `lerp` is exact at both ends: it counts from the nearer of the two.
    return torch.lerp(source, dream, strength if matte is None else matte * strength).clamp_(0, 1)


def composite(
    dream: np.ndarray, source: np.ndarray, strength: float = 1.0, matte: np.ndarray | None = None
) -> np.ndarray:
    """Return what is shown of a dreamed picture; see `composite_image`.

    Args:
        dream: uint8 (H, W, 3) RGB.
        source: uint8 (H, W, 3) RGB.
        strength: 0 is the source, 1 the dream, 2 twice the change.
        matte: (H, W) float32 in [0, 1]; None is 1 everywhere.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    if matte is None and strength == 1:
        return dream
    weight = np.float32(strength) if matte is None else (np.float32(strength) * matte)[..., None]
    levels = dream.astype(np.float32)
    levels -= source
    levels *= weight
    levels += source
    return np.rint(levels.clip(0, 255)).astype(np.uint8)


def crop_frame(frame: Frame, box: CropBox | None) -> Frame:
    """Return the part of a frame that is dreamed, which keeps the full picture with it."""
    if box is None:
        return frame
    part = np.ascontiguousarray(frame.picture[box])
    return replace(frame, picture=part, full_picture=frame.picture)


def _uncrop(part: np.ndarray, box: CropBox, shape: tuple[int, ...]) -> np.ndarray:
    """Return an array of full frames, float32, 0 outside of the part."""
    full = np.zeros(shape, np.float32)
    full[box] = part
    return full


class CroppedDetector:
    """A detector that is shown full frames, and passes on the part of them that is dreamed."""

    def __init__(self, detector: Marker, box: CropBox | None) -> None:
        self._detector, self._box = detector, box

    def __call__(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Mark]]:
        """Yield the part of each frame, with the mark of the full frame."""
        return ((crop_frame(frame, self._box), mark) for frame, mark in self._detector(frames))

    def state(self) -> PipelineState:
        """Return the state that the marks of the frames to come depend on."""
        return self._detector.state()

    def restore(self, state: PipelineState) -> None:
        """Go on from a state."""
        self._detector.restore(state)


class Compositor:
    """Makes what is shown of dreamed frames, which have their source with them."""

    def __init__(
        self,
        show: ShowOptions | None = None,
        timeline: Timeline | None = None,
        matte_lookup: MatteLookup | None = None,
        box: CropBox | None = None,
    ) -> None:
        """Check the schedules.

        Args:
            show: How much of the dream is shown.
            timeline: The timeline of schedules; without it there can be none.
            matte_lookup: Returns the matte of a frame; None shows the dream everywhere.
            box: The part of the frames that is dreamed; None is all of them.

        Raises:
            SettingsError: A schedule does not fit the timeline, or there is none.
        """
        self._show, self._timeline = show or ShowOptions(), timeline
        self._matte_lookup, self._box = matte_lookup, box
        if timeline is not None:
            self._show.check_schedules(timeline)
            warn_of_flashing(self._show, timeline)
        elif self._show.schedules:
            raise SettingsError(
                f"a schedule needs the rate and length of the clip: give a {named('timeline')}",
                setting="timeline",
            )

    def __call__(self, frame: Frame) -> Frame:
        """Return a dreamed frame as it is shown."""
        if frame.source is None:
            return frame
        strength, matte = self._strength_at(frame), self._matte_of(frame)
        shown = composite(frame.picture, frame.source, strength, matte)
        frame = self._add_to_original(frame, strength, matte)
        if self._box is None or frame.full_picture is None:
            return replace(frame, picture=shown)
        picture = frame.full_picture.copy()
        picture[self._box] = shown
        return replace(frame, picture=picture, source=frame.full_picture, full_picture=None)

    def _add_to_original(self, frame: Frame, strength: float, matte: np.ndarray | None) -> Frame:
        """Return a dreamed frame whose original has what is shown of the dream, if it has one."""
        original = frame.original
        if original is None or frame.residual is None or frame.source is None:
            return frame
        weight = np.full(frame.source.shape[:2], strength, np.float32)
        if matte is not None:
            weight *= matte
        residual, proxy = frame.residual * weight[..., None], frame.source
        planes = {**original.planes, MATTE: original.planes.get(MATTE, 1) * weight}
        if self._box is not None and frame.full_picture is not None:
            proxy = frame.full_picture
            residual = _uncrop(residual, self._box, proxy.shape)
            planes = {n: _uncrop(one, self._box, proxy.shape[:2]) for n, one in planes.items()}
        original = original.with_planes(planes).with_dream(residual, proxy)
        return replace(frame, original=original, residual=residual)

    def composite_image(self, dream: Tensor, source: Tensor, frame: Frame) -> Tensor:
        """Return what is shown of a dream on the compute device.

        Args:
            dream: (1, 3, H, W) float32, RGB in [0, 1], of the part of the frame that is dreamed.
            source: The image that it is the dream of, of the same shape.
            frame: The frame: its time chooses the strength and the matte.

        Returns:
            (1, 3, H, W) float32 in [0, 1]; see `composite_image`.
        """
        matte = self._matte_of(frame)
        weights = None if matte is None else torch.as_tensor(np.ascontiguousarray(matte))
        if weights is not None:
            weights = weights.to(dream.device)[None, None]
        return composite_image(dream, source, self._strength_at(frame), weights)

    def _strength_at(self, frame: Frame) -> float:
        moment = self._timeline.moment_at(frame.time) if self._timeline else Moment()
        return self._show.at(moment).strength

    def _matte_of(self, frame: Frame) -> np.ndarray | None:
        """Return the matte of the part of a frame that is dreamed, float32 (H, W) in [0, 1]."""
        if self._matte_lookup is None:
            return None
        matte = self._matte_lookup(frame)
        return matte if self._box is None else matte[self._box]


def get_matte_box(matte: Matte | None, carry: CarryOptions) -> CropBox | None:
    """Return the part of the frames that is dreamed; None for all of them.

    Raises:
        SettingsError: The matte crops the frames, and the flow is read from files of full frames.
    """
    box = matte.bounding_box if matte else None
    if box and carry.flow_dir is not None:
        raise SettingsError(
            f"{named('flow_dir')} has the flow of full frames: leave out {named('matte_crop')}",
            setting="matte_crop",
        )
    return box


def make_matte_lookup(matte: Matte | None) -> MatteLookup | None:
    """Return a function that returns the matte of a frame; None where there is no matte."""
    return None if matte is None else lambda frame: matte.opacity_at(frame.time)


def open_clip_matte(frames: Iterable[Frame], show: ShowOptions) -> Matte | None:
    """Return the matte that the options name for a clip; None where they name none.

    Raises:
        SettingsError: They name one, and the frames are not a Clip.
        MediaError: The matte cannot be read.
    """
    if show.matte is None:
        return None
    if not isinstance(frames, Clip):
        raise SettingsError(
            f"a {named('matte')} file goes with a Clip; give the {named('mattes')} of other frames",
            setting="matte",
        )
    return Matte(show, MatteTarget.from_clip(frames))


def make_sequential_matte_lookup(mattes: Iterable[np.ndarray | Frame] | np.ndarray) -> MatteLookup:
    """Return a function that returns the next matte at each call; the last one stays.

    Args:
        mattes: One for each frame, in order, as arrays or as frames of a clip; a single array is
            for all frames. See `fit_matte_array` for the arrays.

    Returns:
        A function that raises SettingsError where there is no matte, or one does not fit.
    """
    given_mattes: Iterable[Any] = [mattes] if isinstance(mattes, np.ndarray) else mattes
    upcoming = iter(given_mattes)
    latest: np.ndarray | None = None

    def next_matte(frame: Frame) -> np.ndarray:
        nonlocal latest
        given = next(upcoming, None)
        if given is not None:
            height, width = frame.picture.shape[:2]
            array = given.picture if isinstance(given, Frame) else given
            latest = fit_matte_array(array, width, height)
        if latest is None:
            raise SettingsError(f"there are no {named('mattes')}", setting="mattes")
        return latest

    return next_matte
