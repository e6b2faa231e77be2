"""The reference that steers a dream, over time: a picture, or a clip in step with the source."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from dreamflow.core.errors import IneffectiveSettingWarning, MediaError, ShortSourceWarning, named
from dreamflow.core.frames import Frame
from dreamflow.core.schedules.timecode import Timeline
from dreamflow.core.targets import CLASS_LAYER
from dreamflow.core.tensors import picture_to_tensor
from dreamflow.dream.objective.reference import ReferenceFeatures
from dreamflow.dream.options import DreamOptions
from dreamflow.media.options import ClipOptions
from dreamflow.media.read.clip import Clip
from dreamflow.media.stills.read import is_still, read_picture, read_picture_size
from dreamflow.networks.network import Network

MAX_REFERENCE_SIDE_PX = 512
"""A reference with a longer side is scaled down to this: its features then have about the size that
the network was trained on."""
MAX_BUFFERED_FRAMES = 64
"""Frames of a reference clip that are kept, for a source that is dreamed backwards for a while."""


class ReferenceFrames:
    """The reference of each moment; frames of a clip are decoded as they are asked for.

    Attributes:
        network: The network whose features are taken.
        path: The picture or clip.
    """

    def __init__(self, network: Network, path: Path, timeline: Timeline | None = None) -> None:
        """Open a picture or a clip; warns of a clip that ends before the source does.

        Args:
            network: The network whose features are taken.
            path: The picture or clip.
            timeline: The source's timeline.

        Raises:
            MediaError: The file cannot be read.
        """
        self.network, self.path = network, path
        self._clip: Clip | None = None
        self._current: tuple[Fraction, ReferenceFeatures] | None = None
        self._buffer: deque[Frame] = deque(maxlen=MAX_BUFFERED_FRAMES)
        self._upcoming: Iterator[Frame] = iter(())
        if is_still(path):
            self._buffer.append(_read_still(path))
            return
        clip = Clip(path)
        if max(clip.width, clip.height) > MAX_REFERENCE_SIDE_PX:
            clip = Clip(path, ClipOptions(size=str(MAX_REFERENCE_SIDE_PX)))
        self._clip = clip
        if timeline is not None and clip.length + 1 / clip.rate < timeline.length:
            warnings.warn(
                f"the reference {path.name} has {float(clip.length):.2f} s, the source "
                f"{float(timeline.length):.2f} s: its last frame is held",
                ShortSourceWarning,
                3,
            )

    @property
    def is_clip(self) -> bool:
        """Whether the reference changes over time."""
        return self._clip is not None

    def at(self, time: Fraction) -> ReferenceFeatures:
        """Return the features of the frame shown at a time, in seconds from the start of both.

        After the end of the reference, its last frame counts.
        """
        frame = self._frame_at(time)
        if self._current is None or self._current[0] != frame.time:
            image = picture_to_tensor(frame.picture, self.network.device)
            features = ReferenceFeatures(self.network, image, f"the reference {self.path.name}")
            self._current = (frame.time, features)
        return self._current[1]

    def _frame_at(self, time: Fraction) -> Frame:
        if self._clip is not None:
            if not self._buffer or self._buffer[0].time > time:
                self._buffer.clear()
                self._upcoming = iter(self._clip)
                self._buffer.append(next(self._upcoming))
            # Which frame is shown at a time is known only once the frame after it is decoded.
            while self._buffer[-1].time <= time and (frame := next(self._upcoming, None)):
                self._buffer.append(frame)
        shown = [frame for frame in self._buffer if frame.time <= time]
        return shown[-1] if shown else self._buffer[0]


def _read_still(path: Path) -> Frame:
    is_large = max(read_picture_size(path)) > MAX_REFERENCE_SIDE_PX
    size = str(MAX_REFERENCE_SIDE_PX) if is_large else None
    return Frame(0, Fraction(0), read_picture(path, size))


def open_reference_frames(
    network: Network, options: DreamOptions, timeline: Timeline | None = None
) -> ReferenceFrames | None:
    """Return the reference that the settings name; warns where it has no effect.

    Args:
        network: The network whose features are taken.
        options: Settings of the dream.
        timeline: The source's timeline.

    Returns:
        None where the settings name no reference.

    Raises:
        MediaError: The reference cannot be read; the error names the setting.
    """
    if options.guided_by is None:
        return None
    if set(options.layers.layers) == {CLASS_LAYER}:
        warnings.warn(
            f"{named('guided_by')} does nothing for classes: add a layer, or leave it out",
            IneffectiveSettingWarning,
            3,
        )
    try:
        return ReferenceFrames(network, Path(options.guided_by), timeline)
    except MediaError as error:
        located = error.located(named("guided_by"), " ")
        located.setting = "guided_by"
        raise located from None
