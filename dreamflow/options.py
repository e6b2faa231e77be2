"""Every setting of DreamFlow: its default, range, unit and help line live here, and only here.

The command line, presets, the Python API and the settings saved with an output are all read from
these dataclasses. Ranges are checked when an object is made, so library users meet them too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

from dreamflow.clock import When
from dreamflow.errors import SettingsError
from dreamflow.schedule import Schedule
from dreamflow.settings import Count, Number, Options, flag_of, option, plain_value
from dreamflow.target import PICK_FORMS, Pick


def check_times(options: Options, *names: str) -> None:
    """Raise SettingsError where one of these settings is given, and is no time."""
    for name in names:
        try:
            if (text := getattr(options, name)) is not None:
                When.parse(text)
        except SettingsError as error:
            raise SettingsError(f"{flag_of(name)} {error}") from None


SHAPING = "Shaping"


@dataclass(frozen=True)
class DreamOptions(Options):
    """What is dreamed, and how hard."""

    network: str = option("pocket", "Network that dreams: `dreamflow models list` shows them.")
    layer: tuple[str, ...] = option(
        ("inception_4c/output",),
        "Layer, channels (LAYER:61, LAYER:3:7:10-20) or class (class:tabby) to dream on; repeat as "
        "NAME=WEIGHT for a blend.",
        scheduled=True,
        metavar="NAME[=WEIGHT]",
    )
    channels: str | None = option(
        None,
        "Only so many channels of each layer, by how they respond to the first picture: "
        "strongest 5, weakest 5 or random 5.",
        metavar="'PICK N'",
    )
    guided_by: str | None = option(
        None,
        "A picture or a clip whose features are dreamed into this one, in step with it.",
        metavar="FILE",
    )
    guidance: Number = option(
        1.0,
        "How much --guided-by counts: from 0, as without it, to 1.",
        low=0,
        high=1,
        scheduled=True,
        needs=("guided_by", None),
    )
    octaves: Count = option(4, "Sizes dreamed at, coarse to fine.", low=1, high=16, scheduled=True)
    octave_scale: Number = option(
        1.4, "Ratio of one size to the next.", above=1, high=4, scheduled=True
    )
    iterations: Count = option(
        10, "Steps per octave; 0 gives the source back.", low=0, high=1000, scheduled=True
    )
    step: Number = option(
        1.5,
        "Mean change of a pixel per step, in levels of 255.",
        above=0,
        high=64,
        scheduled=True,
    )
    jitter: Count = option(
        32, "Largest random shift before each step, in pixels.", low=0, high=512, scheduled=True
    )
    seed: int = option(0, "The same seed gives the same dream.", low=0, high=2**32 - 1)
    # Shaping: from here to the end of the class.
    noise: float = option(
        0.0,
        "Share of noise in what is dreamed on: 0 is the source, 1 noise alone.",
        low=0,
        high=1,
        panel=SHAPING,
    )
    octave_iterations: str | None = option(
        None,
        "Steps in each octave, coarse to fine, instead of --iterations: 20,10,5,2.",
        metavar="N,N,...",
        panel=SHAPING,
    )
    octave_tilt: Number = option(
        0.0,
        "From -1, most of each step in fine detail, to 1, most of it in large forms.",
        low=-1,
        high=1,
        scheduled=True,
        panel=SHAPING,
    )
    gradient: str = option(
        "plain",
        "plain; smooth, blurred for soft forms; or laplacian, all sizes of detail alike.",
        choices=("plain", "smooth", "laplacian"),
        panel=SHAPING,
    )
    smoothing: Number = option(
        1.0,
        "Pixels that --gradient smooth blurs by.",
        above=0,
        high=16,
        scheduled=True,
        panel=SHAPING,
        needs=("gradient", "smooth"),
    )
    laplacian_levels: int = option(
        4,
        "Sizes of detail that --gradient laplacian evens out.",
        low=1,
        high=8,
        panel=SHAPING,
        needs=("gradient", "laplacian"),
    )
    total_variation: Number = option(
        0.0,
        "Weight of a pull towards a dream without grain; the source stays sharp.",
        low=0,
        high=4,
        scheduled=True,
        panel=SHAPING,
    )
    colour: str = option(
        "free",
        "free; luminance, dreamed in light and dark; or source, dreamed freely and recoloured.",
        choices=("free", "luminance", "source"),
        panel=SHAPING,
    )
    iteration_zoom: Number = option(
        0.0,
        "Percent that the dream, not the source, moves outwards in each step.",
        low=-10,
        high=10,
        scheduled=True,
        panel=SHAPING,
    )
    jitter_rotation: Number = option(
        0.0,
        "Largest random turn before each step, in degrees.",
        low=0,
        high=180,
        scheduled=True,
        panel=SHAPING,
    )
    jitter_scale: Number = option(
        0.0,
        "Largest random change of size before each step, in percent.",
        low=0,
        high=100,
        scheduled=True,
        panel=SHAPING,
    )

    def _check_each(self) -> None:
        super()._check_each()
        if self.channels is not None and Pick.parse(self.channels) is None:
            raise SettingsError(
                f"--channels {self.channels!r}: write {PICK_FORMS}; single ones are named with "
                "their layer, --layer LAYER:61"
            )
        if self.octave_iterations is not None:
            numbers_of(self.octave_iterations)

    def _check_together(self) -> None:
        if self.octave_iterations is None:
            return
        if isinstance(self.octaves, Schedule):
            raise SettingsError("--octave-iterations wants a fixed number of --octaves")
        counts = self.iterations_by_octave
        if len(counts) != self.octaves:
            raise SettingsError(
                f"--octave-iterations {self.octave_iterations} is for {len(counts)} octaves, there "
                f"are {self.octaves}: give --octaves {len(counts)}"
            )

    @property
    def iterations_by_octave(self) -> list[int]:
        """The steps of each octave, coarse to fine."""
        if self.octave_iterations is None:
            return [self.iterations] * self.octaves
        return numbers_of(self.octave_iterations)


def numbers_of(octave_iterations: str) -> list[int]:
    """Return the steps of each octave, of a list such as 20,10,5,2. Raises SettingsError."""
    counts = [part.strip() for part in octave_iterations.split(",")]
    good = all(re.fullmatch("[0-9]{1,4}", part) and int(part) <= 1000 for part in counts)
    if not good or not any(map(int, counts)):
        raise SettingsError(
            f"--octave-iterations {octave_iterations!r}: write a whole number up to 1000 for each "
            "octave, coarse to fine, such as 20,10,5,2; not all 0"
        )
    return [int(part) for part in counts]


@dataclass(frozen=True)
class GuideDreamOptions(DreamOptions):
    """The same for the guide to the layers, which shows each layer by itself."""

    layer: tuple[str, ...] = option((), "Only this layer; repeat for several.", metavar="NAME")
    iterations: int = option(5, "Steps per octave.", low=1, high=1000)


@dataclass(frozen=True)
class GuideOptions(Options):
    """Which picture the guide to the layers shows, at what size, and which layers."""

    layers: str | None = option(None, "Only these layers.", metavar="A,B,C")
    category: tuple[str, ...] = option(
        (), "Only layers whose category holds this word; repeat for several.", metavar="WORD"
    )
    at: str = option("50%", "Which frame of a clip: 48, 2s, 1:02.5 or 40%.", metavar="WHEN")
    size: str | None = option(
        "640",
        "Fit into WIDTHxHEIGHT (or make the longer side N); keeps the aspect.",
        metavar="SIZE",
    )

    def _check_each(self) -> None:
        super()._check_each()
        check_times(self, "at")


@dataclass(frozen=True)
class ChannelDreamOptions(DreamOptions):
    """The same for a sheet of channels, which shows those of one layer."""

    layer: tuple[str, ...] = option(
        ("inception_4c/output",),
        "Layer whose channels are shown; LAYER:0-99 shows only these.",
        metavar="LAYER",
    )


@dataclass(frozen=True)
class ChannelsOptions(Options):
    """Which channels a sheet shows, in which order, how large."""

    USUAL_COUNT: ClassVar[int] = 27
    count: int = option(
        0,
        f"How many channels; 0 is {USUAL_COUNT}, or all that --layer names.",
        low=0,
        high=100_000,
    )
    order: str = option(
        "strongest",
        "What comes first: strongest or weakest response, or number.",
        choices=("strongest", "weakest", "number"),
    )
    tile: int = option(224, "Side of each picture, in pixels.", low=32, high=2048)


@dataclass(frozen=True)
class CarryOptions(Options):
    """How a dream is carried from frame to frame along optical flow."""

    carry: bool = option(True, "Carry the dream along the motion, or dream each frame anew.")
    stability: Number = option(
        0.5,
        "From 0, boiling freely, to 1, locked to the scene.",
        low=0,
        high=1,
        scheduled=True,
        needs=("carry", True),
    )
    decay: Number = option(
        0.92,
        "Share of the dream kept from frame to frame, at stability 0.5.",
        low=0,
        high=1,
        scheduled=True,
        needs=("carry", True),
    )
    carry_iterations: Count = option(
        3,
        "Steps on a carried frame at full size; half as many per coarser octave.",
        low=0,
        high=1000,
        scheduled=True,
        needs=("carry", True),
    )
    carry_step: Number = option(
        0.9,
        "Mean change per step on a carried frame, in levels of 255, at stability 0.5.",
        above=0,
        high=64,
        scheduled=True,
        needs=("carry", True),
    )
    uncover_iterations: Count = option(
        2,
        "Large steps where the scene has lately come into view.",
        low=0,
        high=1000,
        scheduled=True,
        needs=("carry", True),
    )
    firmness: Number = option(
        0.25,
        "How firmly a dream is kept as strong, sharp and bright as in the first frame of its shot.",
        low=0,
        high=1,
        scheduled=True,
        needs=("carry", True),
    )
    flow: str = option(
        "dis",
        "How motion is found: dis, farneback, or a network, raft or raft-small (for a GPU).",
        choices=("dis", "farneback", "raft", "raft-small"),
        needs=("carry", True),
    )
    flow_dir: str | None = option(
        None,
        "Motion from elsewhere: a folder of backward_12_11.flo and forward_11_12.flo.",
        metavar="FOLDER",
        needs=("carry", True),
    )
    passes: int = option(
        1,
        "2 dreams the beginning of each shot backwards first, so that it starts settled.",
        low=1,
        high=2,
        needs=("carry", True),
    )
    loop: bool = option(
        False, "Lead the end into the beginning, for clips that loop; takes twice as long."
    )
    cuts: str = option(
        "auto",
        "Where a new shot begins: auto, none, or a file that `dreamflow shots` wrote.",
        metavar="auto|none|FILE",
        needs=("carry", True),
    )

    def _check_together(self) -> None:
        if self.loop and self.passes > 1:
            raise SettingsError("--loop dreams the clip twice round already: leave out --passes")


@dataclass(frozen=True)
class ShowOptions(Options):
    """How much of the dream is shown, and where. What is carried between frames is all of it."""

    strength: Number = option(
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
class ClipOptions(Options):
    """Which frames are taken from the source, and at what size."""

    size: str | None = option(
        None, "Fit into WIDTHxHEIGHT (or make the longer side N); keeps the aspect.", metavar="SIZE"
    )
    start: str | None = option(None, "First frame: 48, 2s, 1:02.5 or 40%.", metavar="WHEN")
    end: str | None = option(
        None, "End, that frame not included: 96, 4s, 1:02.5 or 60%.", metavar="WHEN"
    )
    every: int = option(1, "Take every Nth frame; the length stays.", low=1, high=100000)
    fps: float | None = option(
        None,
        "Resample to this many frames per second (a folder of pictures: its rate, else 24).",
        above=0,
        high=1000,
    )
    decoder: str = option(
        "auto",
        "opencv, pyav, or auto: OpenCV where its colours are right.",
        choices=("auto", "opencv", "pyav"),
    )

    def _check_each(self) -> None:
        super()._check_each()
        check_times(self, "start", "end")


@dataclass(frozen=True)
class EncodeOptions(Options):
    """How the output is encoded."""

    codec: str = option(
        "auto",
        "h264, h265, av1, vp9, prores, ffv1, or auto: what plays everywhere.",
        choices=("auto", "h264", "h265", "av1", "vp9", "prores", "ffv1"),
    )
    quality: str = option(
        "good",
        "draft (small, quick), good, or master (for further work; slow).",
        choices=("draft", "good", "master"),
    )
    crf: int | None = option(
        None, "Quality by number: 17 is good, 26 draft, 11 master.", low=0, high=51
    )
    lossless: bool = option(False, "Keep every pixel exactly as it was dreamed; large files.")

    def _check_together(self) -> None:
        if self.lossless and self.crf is not None:
            raise SettingsError("give --crf or --lossless, not both")


@dataclass(frozen=True)
class MachineOptions(Options):
    """Where the work is done. Not saved with an output, and not for presets."""

    weights: Path | None = option(
        None,
        "Weights of the network: .safetensors, .pth or .caffemodel.",
        saved=False,
        metavar="FILE",
    )
    device: str = option("auto", "auto, cpu, cuda, cuda:1 or mps.", saved=False, metavar="DEVICE")
    threads: int = option(
        0, "CPU threads; 0 measures how many are fastest now.", low=0, high=1024, saved=False
    )
    memory: int = option(
        0,
        "MB that a pass of the network may take, larger pictures go in tiles; 0 is by the machine.",
        low=0,
        high=10_000_000,
        saved=False,
    )
    precision: str = option(
        "auto",
        "What a network computes in; auto is bfloat16 for googlenet and pocket on a CPU that has "
        "it (half as fast again), else float32.",
        choices=("auto", "float32", "bfloat16", "float16"),
        saved=False,
    )


HOLD_S = FADE_S = 1.0
"""Seconds that a layer of a sweep stays, and a fade takes, where nothing says otherwise."""


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
        f"Seconds that a layer stays [{HOLD_S:g}; or so that a clip is filled].",
        low=0,
        high=86400,
    )
    fade: float | None = option(
        None,
        f"Seconds from a layer to the next [{FADE_S:g}; or so that a clip is filled].",
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
    speed: Number = option(
        1.25,
        "How many times larger things get in a second, 1 or more; --reverse zooms out.",
        low=1,
        high=16,
        scheduled=True,
    )
    rotation: Number = option(
        0.0,
        "Degrees a second that the picture turns clockwise.",
        low=-360,
        high=360,
        scheduled=True,
    )
    centre_x: Number = option(
        50.0, "What is moved into, in percent of the width.", low=0, high=100, scheduled=True
    )
    centre_y: Number = option(
        50.0, "The same from above, in percent of the height.", low=0, high=100, scheduled=True
    )
    drift_x: Number = option(
        0.0,
        "Percent of the width a second that the camera moves to the right.",
        low=-100,
        high=100,
        scheduled=True,
    )
    drift_y: Number = option(
        0.0, "The same downwards, in percent of the width.", low=-100, high=100, scheduled=True
    )
    growth: Number = option(
        24.0,
        "How much each octave is dreamed on in a second, in levels of 255.",
        low=0,
        high=1000,
        scheduled=True,
    )
    steadiness: Number = option(
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


@dataclass(frozen=True)
class DistillOptions(Options):
    """How a pocket is made and trained."""

    width: float = option(0.5, "Channels, as a share of the teacher's.", above=0, high=1)
    early_width: float = option(
        0.75, "The same for the first two layers, which all others live on.", above=0, high=1
    )
    last: str = option("inception_4e/output", "Deepest layer of the pocket.", metavar="LAYER")
    steps: int = option(5000, "Batches to train on.", low=1, high=10_000_000)
    minutes: float | None = option(
        None, "Train for this long instead of --steps.", above=0, high=100_000
    )
    batch: int = option(16, "Pictures in a batch.", low=2, high=4096)
    crop: int = option(112, "Side of a picture in a batch, in pixels.", low=64, high=1024)
    rate: float = option(
        0.02,
        "Learning rate at first, of a weight's own size; falls to 0 as a cosine.",
        above=0,
        high=1,
    )
    dreamed: int = option(
        12, "Steps that a picture is dreamed on, at most, before a new one.", low=0, high=1000
    )
    gradient: float = option(
        1.0, "Weight of the loss on the direction of the dream.", low=0, high=100
    )
    seed: int = option(0, "The same seed gives the same batches.", low=0, high=2**32 - 1)


@dataclass(frozen=True)
class VideoSettings:
    """All the settings of a rendered clip, in their groups."""

    dream: DreamOptions = DreamOptions()
    carry: CarryOptions = CarryOptions()
    clip: ClipOptions = ClipOptions()
    encode: EncodeOptions = EncodeOptions()
    show: ShowOptions = ShowOptions()


GROUPS: tuple[type[Options], ...] = (
    DreamOptions,
    CarryOptions,
    ClipOptions,
    EncodeOptions,
    ShowOptions,
    SweepOptions,
    ZoomOptions,
)
"""The groups whose settings are saved with an output and may stand in a preset."""


def saved_fields() -> dict[str, tuple[type[Options], ...]]:
    """Return the name of every saved setting, and the groups that have it.

    Commands that mean the same by a name have it each with a default of its own.
    """
    found: dict[str, tuple[type[Options], ...]] = {}
    for group in GROUPS:
        for setting in fields(group):  # type: ignore[arg-type]
            found[setting.name] = (*found.get(setting.name, ()), group)
    return found


def as_dict(*groups: Options) -> dict[str, Any]:
    """Return the saved settings of these groups as plain values, ready for TOML or JSON."""
    plain: dict[str, Any] = {}
    for group in groups:
        for setting in fields(group):  # type: ignore[arg-type]
            if setting.metadata["saved"]:
                value = getattr(group, setting.name)
                plain[setting.name] = plain_value(value)
    return plain


def defaults_of(name: str) -> list[Any]:
    """Return the defaults of a saved setting, one of each group that has it, as plain values."""
    return [plain_value(getattr(group, name)) for group in saved_fields().get(name, ())]


def altered(kept: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that differ from those wanted, both as plain values, and what they were.

    kept: those of what was made before, maybe by an older DreamFlow. One that it did not know yet
    was as by default.
    """
    found: dict[str, Any] = {}
    for name in dict.fromkeys([*wanted, *kept]):
        was = [kept[name]] if name in kept else defaults_of(name)
        if name not in wanted or wanted[name] not in was:
            found[name] = was[0] if was else None
    return found


SIZE_PATTERN = re.compile(r"(\d+)(?:\s*[xX]\s*(\d+))?$")


def given_size(size: str) -> tuple[int, int] | None:
    """Return the (width, height) of `"640x360"`; None of one that only names the longer side.

    Raises SettingsError for what is no size.
    """
    match = SIZE_PATTERN.match(size.strip())
    if not match or int(match[1]) == 0 or (match[2] and int(match[2]) == 0):
        raise SettingsError(f"--size {size!r} is not a size: write 640x360, or 640 for the longer")
    return (int(match[1]), int(match[2])) if match[2] else None


def fit_size(size: str | None, width: int, height: int) -> tuple[int, int]:
    """Return the (width, height) in pixels that `size` gives a picture of (width, height).

    `"640x360"` fits into that box, `"640"` makes the longer side 640, None changes nothing. The
    aspect is kept and both sides are rounded to even numbers, which every film format takes.
    """
    if size is None:
        return width, height
    box = given_size(size)
    longer = max(width, height)
    scale = min(box[0] / width, box[1] / height) if box else int(size) / longer
    wide, high = (max(2, 2 * math.floor(side * scale / 2 + 0.5)) for side in (width, height))
    return wide, high
