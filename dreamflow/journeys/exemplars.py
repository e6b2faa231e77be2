"""What a dream is guided by, over time: a picture, or a clip in step with the source."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from dreamflow.clock import Timeline
from dreamflow.dream.exemplar import Exemplar
from dreamflow.errors import DreamFlowWarning
from dreamflow.frames import Frame
from dreamflow.journeys.edge import to_image
from dreamflow.media.clip import Clip
from dreamflow.media.pictures import files_of
from dreamflow.media.readers import fitted
from dreamflow.media.stills import is_still, read_picture
from dreamflow.networks import Network
from dreamflow.options import ClipOptions, DreamOptions, fit_size
from dreamflow.schedule import targets_in
from dreamflow.target import CLASS, layers_of

GUIDE = "--guided-by file"
"""What it is called among the inputs of a render."""
LONGEST_PX = 512
"""A larger guide is made smaller: its features then are near the size that the network learnt."""
KEPT = 64
"""Frames of a guide that are held, for a source that is gone through backwards for a while."""


class Exemplars:
    """The guide of each moment; frames of a clip are decoded as they are asked for."""

    def __init__(self, network: Network, path: Path, timeline: Timeline | None = None) -> None:
        """Open a picture or a clip. timeline: that of the source.

        Warns of a clip that ends before its source, for then its last frame is held. Raises
        MediaError where it cannot be read.
        """
        self.network, self.path = network, path
        self._clip: Clip | None = None
        self._now: tuple[Fraction, Exemplar] | None = None
        self._kept: deque[Frame] = deque(maxlen=KEPT)
        self._coming: Iterator[Frame] = iter(())
        if is_still(path):
            picture = read_picture(path)
            height, width = picture.shape[:2]
            if max(height, width) > LONGEST_PX:
                picture = fitted(picture, *fit_size(str(LONGEST_PX), width, height))
            self._kept.append(Frame(0, Fraction(0), picture))
            return
        clip = Clip(path)
        if max(clip.width, clip.height) > LONGEST_PX:
            clip = Clip(path, ClipOptions(size=str(LONGEST_PX)))
        self._clip = clip
        if timeline is not None and clip.length + 1 / clip.rate < timeline.length:
            warnings.warn(
                f"the guide {path.name} has {float(clip.length):.2f} s, the source "
                f"{float(timeline.length):.2f} s: its last frame is held",
                DreamFlowWarning,
                3,
            )

    @property
    def moves(self) -> bool:
        """Whether it is a clip."""
        return self._clip is not None

    def at(self, time: Fraction) -> Exemplar:
        """Return the guide of a moment: the frame that is shown then, the last one after its end.

        time: seconds from the beginning of both.
        """
        frame = self._frame(time)
        if self._now is None or self._now[0] != frame.time:
            image = to_image(frame.picture, self.network.device)
            self._now = frame.time, Exemplar(self.network, image, f"the guide {self.path.name}")
        return self._now[1]

    def _frame(self, time: Fraction) -> Frame:
        if self._clip is not None:
            if not self._kept or self._kept[0].time > time:
                self._kept.clear()
                self._coming = iter(self._clip)
                self._kept.append(next(self._coming))
            # One frame beyond the moment is held, too: only then it is known which one is shown.
            while self._kept[-1].time <= time and (frame := next(self._coming, None)):
                self._kept.append(frame)
        shown = [frame for frame in self._kept if frame.time <= time]
        return shown[-1] if shown else self._kept[0]


def open_exemplars(
    network: Network, options: DreamOptions, timeline: Timeline | None = None
) -> Exemplars | None:
    """Return the guide that some settings name, or None where they name none.

    Warns where only classes are dreamed, for which a guide does nothing.
    """
    if options.guided_by is None:
        return None
    if set(layers_of(targets_in(options.layer))) == {CLASS}:
        warnings.warn(
            "--guided-by does nothing for classes: add a layer, or leave it out",
            DreamFlowWarning,
            3,
        )
    return Exemplars(network, Path(options.guided_by), timeline)


def guide_files(options: DreamOptions) -> dict[str, list[Path]]:
    """Return the files of a guide, by the name that the user knows them by; none without one."""
    if options.guided_by is None:
        return {}
    return {GUIDE: files_of(Path(options.guided_by))}
