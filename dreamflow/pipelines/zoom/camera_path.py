"""The path of a zoom's camera over time, from tick to tick."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from dreamflow.core.keyed_random import jitter_offset
from dreamflow.core.schedules.timecode import Moment, Timeline
from dreamflow.pipelines.settings.options import ZoomOptions
from dreamflow.pipelines.zoom.camera import SimilarityTransform, make_camera_transform

MARGIN_SHARE = 0.05
"""Width of the margin that is dreamed around the frame, as a share of its longer side: what comes
into view has been dreamed on for a while."""
MIN_MARGIN_PX = 8
"""Smallest width of that margin, in pixels."""
SUBPIXEL_STEPS = 1 << 20
"""Positions per half pixel, each way, that the pixel grids of ticks are shifted to."""
GRID_JITTER_KEY = -1
"""Keeps the random shifts of the pixel grid apart from those of the dream."""


class CameraPath:
    """Where the camera of a zoom is at each tick, and how it moves in between.

    Attributes:
        zoom: Settings of the zoom; some may be schedules.
        timeline: Rate and length of the zoom.
        width: Width of a frame in pixels.
        height: Height of a frame in pixels.
        ticks: Number of ticks of the whole zoom.
        tick_s: Seconds between two ticks.
        margin_px: Width of the margin of a state around the frame.
    """

    def __init__(
        self, zoom: ZoomOptions, timeline: Timeline, width: int, height: int, seed: int
    ) -> None:
        self.zoom, self.timeline, self.width, self.height = zoom, timeline, width, height
        self._seed = seed
        self.ticks = max(1, round(timeline.length * zoom.ticks))
        self.tick_s = timeline.length / self.ticks
        self.margin_px = max(MIN_MARGIN_PX, round(MARGIN_SHARE * max(height, width)))

    def moment_at(self, tick: float) -> Moment:
        """Return the moment of a tick, or of a time between two."""
        moment = self.timeline.moment_at(Fraction(tick) * self.tick_s)
        return replace(moment, step=self.tick_s)

    def transform(self, tick: int, share: float = 1.0) -> SimilarityTransform:
        """Return the camera's movement in a share of the time from a tick to the next."""
        zoom = self.zoom.at(self.moment_at(tick + 0.5))
        return make_camera_transform(
            share * float(self.tick_s),
            zoom.speed,
            zoom.rotation,
            complex(zoom.centre_x * (self.width - 1), zoom.centre_y * (self.height - 1)) / 100,
            complex(zoom.drift_x, zoom.drift_y) * self.width / 100,
        )

    def state_transform(self, tick: int) -> SimilarityTransform:
        """Return the movement from the state of a tick to that of the next."""
        return self.transform(tick).with_origins(self.origin(tick), self.origin(tick + 1))

    def origin(self, tick: int) -> complex:
        """Return where the frame's first pixel lies in the state of a tick, in pixels.

        The pixel grids of the ticks are shifted against each other by random parts of a pixel. Else
        each place would always be resampled at the same phase, and rings of sharp and soft detail
        would show. The first and the last tick have no shift, so that a loop closes to the pixel.
        """
        margin = complex(self.margin_px, self.margin_px)
        if tick in (0, self.ticks):
            return margin
        across, down = jitter_offset(SUBPIXEL_STEPS, self._seed, GRID_JITTER_KEY, tick)
        return margin + complex(across, down) / (2 * SUBPIXEL_STEPS)
