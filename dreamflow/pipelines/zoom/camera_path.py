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
MAX_LEAD_IN_S = 3.0
"""Longest lead-in of a loop, in seconds; it is at most half of the loop, too."""
MAX_LEAD_IN_ZOOM = 3.0
"""Largest factor by which a lead-in enlarges the picture that it begins with."""
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
        lead_in_ticks: Ticks before the first one in which the first state of a loop comes to be,
            with the movements of the camera in as many ticks before the last; 0 without a loop.
    """

    def __init__(
        self, zoom: ZoomOptions, timeline: Timeline, width: int, height: int, seed: int
    ) -> None:
        self.zoom, self.timeline, self.width, self.height = zoom, timeline, width, height
        self._seed = seed
        self.ticks = max(1, round(timeline.length * zoom.ticks))
        self.tick_s = timeline.length / self.ticks
        self.margin_px = max(MIN_MARGIN_PX, round(MARGIN_SHARE * max(height, width)))
        self.lead_in_ticks = self._count_lead_in_ticks() if zoom.loop else 0

    def _count_lead_in_ticks(self) -> int:
        longest = max(1, min(round(MAX_LEAD_IN_S / float(self.tick_s)), self.ticks // 2))
        zoom_factor = 1.0
        for count in range(1, longest):
            zoom_factor /= abs(self.transform(self.ticks - count).scale_rotation)
            if zoom_factor > MAX_LEAD_IN_ZOOM:
                return count
        return longest

    @property
    def first_tick(self) -> int:
        """The tick of the loop that its lead-in begins at; 0 without a loop."""
        return (self.ticks - self.lead_in_ticks) % self.ticks

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
            self._centre_of(zoom),
            complex(zoom.drift_x, zoom.drift_y) * self.width / 100,
        )

    def _centre_of(self, zoom: ZoomOptions) -> complex:
        """Return the zoom's centre at a moment's settings, in pixels of the frame."""
        return complex(zoom.centre_x * (self.width - 1), zoom.centre_y * (self.height - 1)) / 100

    def centre(self, tick: int) -> complex:
        """Return the zoom's centre at a tick, in pixels of the state."""
        return self.origin(tick) + self._centre_of(self.zoom.at(self.moment_at(tick)))

    def first_view_transform(self) -> SimilarityTransform:
        """Return the transform from the first state that is dreamed to the picture.

        Without a loop that state shows the picture; in a loop it shows it from so far that the
        lead-in ends on it.
        """
        lead_in = SimilarityTransform()
        for tick in range(self.ticks - self.lead_in_ticks, self.ticks):
            lead_in = lead_in.then(self.transform(tick))
        return lead_in.inverse().with_origins(0, self.origin(self.first_tick))

    def state_transform(self, tick: int) -> SimilarityTransform:
        """Return the movement from the state of a tick to that of the next."""
        return self.transform(tick).with_origins(self.origin(tick), self.origin(tick + 1))

    def origin(self, tick: int) -> complex:
        """Return where the frame's first pixel lies in the state of a tick, in pixels.

        The pixel grids of the ticks are shifted against each other by random parts of a pixel. Else
        each place would always be resampled at the same phase, and rings of sharp and soft detail
        would show. The first and the last tick have no shift, so that the first frame is the
        picture itself. In a loop both have the same shift: else the first frame would be the only
        one that is not resampled, and sharper than its neighbours.
        """
        margin = complex(self.margin_px, self.margin_px)
        if self.zoom.loop:
            tick = tick or self.ticks
        elif tick in (0, self.ticks):
            return margin
        across, down = jitter_offset(SUBPIXEL_STEPS, self._seed, GRID_JITTER_KEY, tick)
        return margin + complex(across, down) / (2 * SUBPIXEL_STEPS)
