"""What of a dream is shown, sweeps through layers, and zooms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dreamflow.core.options.declaration import FloatOrSchedule, Options, option

DEFAULT_HOLD_S = DEFAULT_FADE_S = 1.0
"""Seconds that a layer of a sweep stays, and a fade takes, where nothing says otherwise."""


@dataclass(frozen=True)
class ShowOptions(Options):
    """How much of the dream is shown, and where. What is carried between frames is all of it."""

    PANEL: ClassVar[str] = "What is shown"
    strength: FloatOrSchedule = option(
        1.0,
        "How much of the dream is shown: 0 is the source, 1 the dream, 2 twice the change.",
        low=0,
        high=2,
        scheduled=True,
    )
    matte: str | None = option(
        None,
        "Show it only where this is white: a picture, a clip, or a folder of pictures.",
        metavar="FILE",
    )
    matte_feather: float = option(
        0.0,
        "Width of the matte's soft edge, in percent of the picture's longer side.",
        low=0,
        high=50,
        needs=("matte", None),
    )
    matte_invert: bool = option(
        False, "Show the dream where the matte is black instead.", needs=("matte", None)
    )
    matte_crop: bool = option(
        False,
        "Dream only the part of the picture that the matte ever shows: quicker.",
        needs=("matte", None),
    )


@dataclass(frozen=True)
class SweepOptions(Options):
    """Which layers a sweep goes through, and how long it stays on each."""

    layers: str | None = option(
        None,
        "Layers to go through, in this order; without them all of the network, shallow to deep.",
        metavar="A,B,C",
    )
    category: tuple[str, ...] = option(
        (), "Only layers whose category holds this word; repeat for several.", metavar="WORD"
    )
    hold: float | None = option(
        None,
        f"Seconds that a layer stays [{DEFAULT_HOLD_S:g}; or so that a clip is filled].",
        low=0,
        high=86400,
    )
    fade: float | None = option(
        None,
        f"Seconds from a layer to the next [{DEFAULT_FADE_S:g}; or so that a clip is filled].",
        low=0,
        high=86400,
    )
    seconds: float | None = option(
        None, "Length of all, in which hold and fade keep their ratio.", above=0, high=86400
    )
    caption: bool = option(False, "Write the layer's name into the picture.")


@dataclass(frozen=True)
class ZoomOptions(Options):
    """How a camera moves into a dream, how the dream grows on the way, and for how long."""

    layers: str | None = option(
        None,
        "Layers to dream on one after the other, an equal share of the time each.",
        metavar="A,B,C",
    )
    seconds: float = option(10.0, "Length of the film.", above=0, high=86400)
    fps: float = option(
        24.0, "Frames per second; the same journey at any rate.", above=0, high=1000
    )
    size: str | None = option(
        None,
        "WIDTHxHEIGHT, to which the picture is cropped; or N for the longer side [640].",
        metavar="SIZE",
    )
    speed: FloatOrSchedule = option(
        1.25,
        "How many times larger things get in a second, 1 or more; --reverse zooms out.",
        low=1,
        high=16,
        scheduled=True,
    )
    rotation: FloatOrSchedule = option(
        0.0,
        "Degrees a second that the picture turns clockwise.",
        low=-360,
        high=360,
        scheduled=True,
    )
    centre_x: FloatOrSchedule = option(
        50.0, "What is moved into, in percent of the width.", low=0, high=100, scheduled=True
    )
    centre_y: FloatOrSchedule = option(
        50.0, "The same from above, in percent of the height.", low=0, high=100, scheduled=True
    )
    drift_x: FloatOrSchedule = option(
        0.0,
        "Percent of the width a second that the camera moves to the right.",
        low=-100,
        high=100,
        scheduled=True,
    )
    drift_y: FloatOrSchedule = option(
        0.0, "The same downwards, in percent of the width.", low=-100, high=100, scheduled=True
    )
    growth: FloatOrSchedule = option(
        24.0,
        "How much each octave is dreamed on in a second, in levels of 255.",
        low=0,
        high=1000,
        scheduled=True,
    )
    steadiness: FloatOrSchedule = option(
        0.95,
        "How firmly contrast, sharpness and colour are kept: share led back in a second.",
        low=0,
        high=1,
        scheduled=True,
    )
    ticks: int = option(
        12, "Times a second that is dreamed; frames between are views of it.", low=1, high=120
    )
    loop: bool = option(False, "Come back to the first frame: it is met again, deep inside.")
    reverse: bool = option(False, "Zoom out: the same journey, shown backwards.")
