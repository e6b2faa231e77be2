"""Settings of the guide to the layers and of sheets of channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dreamflow.core.options.declaration import Options, option
from dreamflow.core.options.values import check_timecodes
from dreamflow.dream.options import DreamOptions
from dreamflow.media.options import DEFAULT_FRAME_TIMECODE


@dataclass(frozen=True)
class GuideDreamOptions(DreamOptions):
    """Settings of the dreams of the guide to the layers, each of one layer."""

    layer: tuple[str, ...] = option((), "Only this layer; repeat for several.", metavar="NAME")
    iterations: int = option(5, "Steps per octave.", low=1, high=1000)


@dataclass(frozen=True)
class GuideOptions(Options):
    """Which picture the guide to the layers shows, at which size, and which layers."""

    layers: str | None = option(None, "Only these layers.", metavar="A,B,C", is_list=True)
    category: tuple[str, ...] = option(
        (), "Only layers whose category contains this word; repeat for several.", metavar="WORD"
    )
    at: str = option(  # pyright: ignore[reportIncompatibleMethodOverride]
        DEFAULT_FRAME_TIMECODE, "Which frame of a clip: 48, 2s, 1:02.5 or 40%.", metavar="WHEN"
    )
    size: str | None = option(
        "640",
        "Fit into WIDTHxHEIGHT (or make the longer side N); keeps the aspect.",
        metavar="SIZE",
    )

    def _check_fields(self) -> None:
        super()._check_fields()
        check_timecodes(self, "at")


@dataclass(frozen=True)
class ChannelDreamOptions(DreamOptions):
    """Settings of the dreams of a sheet of channels, all of one layer."""

    layer: tuple[str, ...] = option(
        ("inception_4c/output",),
        "Layer whose channels are shown; LAYER:0-99 shows only these.",
        metavar="LAYER",
    )


@dataclass(frozen=True)
class ChannelsOptions(Options):
    """Which channels a sheet shows, in which order, and how large."""

    PANEL: ClassVar[str] = "Sheet"
    DEFAULT_COUNT: ClassVar[int] = 27
    count: int = option(
        0,
        f"Number of channels; 0 is {DEFAULT_COUNT}, or all that --layer names.",
        low=0,
        high=100_000,
    )
    order: str = option(
        "strongest",
        "Order: strongest or weakest response first, or by number.",
        choices=("strongest", "weakest", "number"),
    )
    tile: int = option(224, "Side of each picture, in pixels.", low=32, high=2048)
