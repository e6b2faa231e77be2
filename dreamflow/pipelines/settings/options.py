"""Settings of what is shown of a dream, of sweeps and of zooms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dreamflow.core.options.declaration import FloatOrSchedule, Options, option

DEFAULT_HOLD_S = DEFAULT_FADE_S = 1.0
"""Seconds that a sweep holds each layer, and that each fade takes, by default."""


@dataclass(frozen=True)
class ShowOptions(Options):
    """How much of the dream is shown, and where; the whole dream is carried between frames."""

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
        "Show the dream only where this is white: a picture, a clip, or a folder of pictures.",
        metavar="FILE",
        is_path=True,
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
        "Dream only the part of the picture that the matte ever shows; saves time.",
        needs=("matte", None),
    )


@dataclass(frozen=True)
class SweepOptions(Options):
    """Which layers a sweep shows, and how long."""

    layers: str | None = option(
        None,
        "Layers to go through, in this order; without it all layers, shallow to deep.",
        metavar="A,B,C",
        is_list=True,
    )
    category: tuple[str, ...] = option(
        (), "Only layers whose category contains this word; repeat for several.", metavar="WORD"
    )
    hold: float | None = option(
        None,
        f"Seconds that a layer stays [{DEFAULT_HOLD_S:g}; for a clip, what fills it].",
        low=0,
        high=86400,
    )
    fade: float | None = option(
        None,
        f"Seconds of the fade to the next layer [{DEFAULT_FADE_S:g}; for a clip, what fills it].",
        low=0,
        high=86400,
    )
    seconds: float | None = option(
        None, "Length of the whole; --hold and --fade keep their ratio.", above=0, high=86400
    )
    caption: bool = option(False, "Write the name of the layer into the picture.")


@dataclass(frozen=True)
class ZoomOptions(Options):
    """How a camera moves into a dream, how the dream grows meanwhile, and for how long."""

    layers: str | None = option(
        None,
        "Layers to dream on, one after the other, for an equal time each.",
        metavar="A,B,C",
        is_list=True,
    )
    seconds: float | None = option(
        None, "Length of the film [10; with --audio, that of the sound].", above=0, high=86400
    )
    fps: float = option(
        24.0, "Frames per second; the zoom looks the same at any rate.", above=0, high=1000
    )
    size: str | None = option(
        None,
        "WIDTHxHEIGHT, and the picture is cropped to it; or N for the longer side [640].",
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
        "Clockwise rotation of the picture, in degrees a second.",
        low=-360,
        high=360,
        scheduled=True,
    )
    centre_x: FloatOrSchedule = option(
        50.0,
        "Point that the camera moves towards, in percent of the width.",
        low=0,
        high=100,
        scheduled=True,
    )
    centre_y: FloatOrSchedule = option(
        50.0, "The same, from the top, in percent of the height.", low=0, high=100, scheduled=True
    )
    drift_x: FloatOrSchedule = option(
        0.0,
        "Camera motion to the right, in percent of the width a second.",
        low=-100,
        high=100,
        scheduled=True,
    )
    drift_y: FloatOrSchedule = option(
        0.0,
        "Camera motion downwards, in percent of the width a second.",
        low=-100,
        high=100,
        scheduled=True,
    )
    growth: FloatOrSchedule = option(
        24.0,
        "How much is dreamed at each size in a second, in levels of 255.",
        low=0,
        high=1000,
        scheduled=True,
    )
    steadiness: FloatOrSchedule = option(
        0.95,
        "How firmly contrast, sharpness and colour are held: share corrected in a second.",
        low=0,
        high=1,
        scheduled=True,
    )
    ticks: int = option(
        12,
        "How often a second the dream grows; frames between only move the camera.",
        low=1,
        high=120,
    )
    loop: bool = option(
        False,
        "Let the film repeat without a jump: it begins in a zoom that is under way, and melts back "
        "into it; takes up to twice as long.",
    )
    reverse: bool = option(False, "Zoom out: the same zoom, played backwards.")
