"""What a dream is guided by, over time: a picture, or a clip in step with the source."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from dreamflow.core.errors import DreamFlowWarning
from dreamflow.core.frames import Frame
from dreamflow.core.options.values import fit_size
from dreamflow.core.schedules.timecode import Timeline
from dreamflow.core.targets import CLASS_LAYER
from dreamflow.core.tensors import picture_to_tensor
from dreamflow.dream.options import DreamOptions
from dreamflow.dream.reference import ReferenceFeatures
from dreamflow.media.options import ClipOptions
from dreamflow.media.read.clip import Clip
from dreamflow.media.resize import resize_picture
from dreamflow.media.stills import is_still, read_picture
from dreamflow.networks.network import Network

MAX_REFERENCE_SIDE_PX = 512
"""A larger guide is made smaller: its features then are near the size that the network learnt."""
MAX_BUFFERED_FRAMES = 64
"""Frames of a guide that are held, for a source that is gone through backwards for a while."""


class ReferenceFrames:
    """The guide of each moment; frames of a clip are decoded as they are asked for."""

    def __init__(self, network: Network, path: Path, timeline: Timeline | None = None) -> None:
        """Open a picture or a clip. timeline: that of the source.

        Warns of a clip that ends before its source, for then its last frame is held. Raises
        MediaError where it cannot be read.
        """
        self.network, self.path = network, path
        self._clip: Clip | None = None
        self._current: tuple[Fraction, ReferenceFeatures] | None = None
        self._buffer: deque[Frame] = deque(maxlen=MAX_BUFFERED_FRAMES)
        self._upcoming: Iterator[Frame] = iter(())
        if is_still(path):
            picture = read_picture(path)
            height, width = picture.shape[:2]
            if max(height, width) > MAX_REFERENCE_SIDE_PX:
                picture = resize_picture(
                    picture, *fit_size(str(MAX_REFERENCE_SIDE_PX), width, height)
                )
            self._buffer.append(Frame(0, Fraction(0), picture))
            return
        clip = Clip(path)
        if max(clip.width, clip.height) > MAX_REFERENCE_SIDE_PX:
            clip = Clip(path, ClipOptions(size=str(MAX_REFERENCE_SIDE_PX)))
        self._clip = clip
        if timeline is not None and clip.length + 1 / clip.rate < timeline.length:
            warnings.warn(
                f"the guide {path.name} has {float(clip.length):.2f} s, the source "
                f"{float(timeline.length):.2f} s: its last frame is held",
                DreamFlowWarning,
                3,
            )

    @property
    def is_clip(self) -> bool:
        """Whether it is a clip."""
        return self._clip is not None

    def at(self, time: Fraction) -> ReferenceFeatures:
        """Return the guide of a moment: the frame that is shown then, the last one after its end.

        time: seconds from the beginning of both.
        """
        frame = self._frame_at(time)
        if self._current is None or self._current[0] != frame.time:
            image = picture_to_tensor(frame.picture, self.network.device)
            self._current = (
                frame.time,
                ReferenceFeatures(self.network, image, f"the guide {self.path.name}"),
            )
        return self._current[1]

    def _frame_at(self, time: Fraction) -> Frame:
        if self._clip is not None:
            if not self._buffer or self._buffer[0].time > time:
                self._buffer.clear()
                self._upcoming = iter(self._clip)
                self._buffer.append(next(self._upcoming))
            # One frame beyond the moment is held, too: only then it is known which one is shown.
            while self._buffer[-1].time <= time and (frame := next(self._upcoming, None)):
                self._buffer.append(frame)
        shown = [frame for frame in self._buffer if frame.time <= time]
        return shown[-1] if shown else self._buffer[0]


def open_reference_frames(
    network: Network, options: DreamOptions, timeline: Timeline | None = None
) -> ReferenceFrames | None:
    """Return the guide that some settings name, or None where they name none.

    Warns where only classes are dreamed, for which a guide does nothing.
    """
    if options.guided_by is None:
        return None
    if set(options.layers.layers) == {CLASS_LAYER}:
        warnings.warn(
            "--guided-by does nothing for classes: add a layer, or leave it out",
            DreamFlowWarning,
            3,
        )
    return ReferenceFrames(network, Path(options.guided_by), timeline)
