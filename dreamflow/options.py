"""Every setting of DreamFlow: its default, range, unit and help line live here, and only here.

The command line, presets, the Python API and the settings saved with an output are all read from
these dataclasses. Ranges are checked when an object is made, so library users meet them too.
"""

from __future__ import annotations

import math
import re
import warnings
from dataclasses import Field, dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Self, TypeVar, get_args, get_type_hints

from dreamflow.clock import Moment, Timeline
from dreamflow.errors import DreamFlowWarning, SettingsError
from dreamflow.schedule import LayerSchedule, Schedule, is_keyed, layer_schedule, value_label

T = TypeVar("T")

Number = float | Any
"""A number, or a Schedule of one, or its text, which becomes one. The type says `Any` because what
`Options.at` returns holds plain numbers, and all that calculates with settings takes those."""
Count = int | Any
"""The same of whole numbers."""


def option(
    default: T,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    choices: tuple[str, ...] = (),
    saved: bool = True,
    scheduled: bool = False,
    metavar: str | None = None,
) -> T:
    """Declare a setting: its default, help line, and range (`low`, `high` inclusive; `above` not).

    `saved` settings travel with an output and may stand in a preset; `scheduled` ones may change
    over time.
    """
    metadata = {
        "help": help,
        "low": low,
        "high": high,
        "above": above,
        "choices": choices,
        "saved": saved,
        "scheduled": scheduled,
        "metavar": metavar,
    }
    return field(default=default, metadata=metadata)


def flag_of(name: str) -> str:
    """Return the command-line flag of a setting: `octave_scale` is `--octave-scale`."""
    return "--" + name.replace("_", "-")


class Options:
    """Base of the settings: checks every field's type and range when made."""

    def __post_init__(self) -> None:
        hints = type_hints(type(self))
        for setting in fields(self):  # type: ignore[arg-type]
            value = coerce(setting.name, getattr(self, setting.name), hints[setting.name])
            object.__setattr__(self, setting.name, value)
            check_range(setting, value)

    @property
    def schedules(self) -> dict[str, Schedule | LayerSchedule]:
        """The settings that change over time, by name."""
        found: dict[str, Schedule | LayerSchedule] = {}
        for setting in fields(self):  # type: ignore[arg-type]
            if setting.metadata["scheduled"]:
                value = getattr(self, setting.name)
                schedule = layer_schedule(value) if isinstance(value, tuple) else value
                if isinstance(schedule, (Schedule, LayerSchedule)):
                    found[setting.name] = schedule
        return found

    def at(self, moment: Moment) -> Self:
        """Return the settings of one moment: each schedule gives way to its value then.

        Numbers are brought into their range, whole ones rounded. Raises SettingsError where a
        schedule's arithmetic has no value.
        """
        rules = {f.name: f for f in fields(self)}  # type: ignore[arg-type]
        values: dict[str, Any] = {}
        for name, schedule in self.schedules.items():
            if isinstance(schedule, LayerSchedule):
                values[name] = schedule.at(moment)
                continue
            value = schedule.at(moment)
            if math.isnan(value):
                raise out_of_range(rules[name], f", at {float(moment.time):.2f} s,", value)
            values[name] = within(rules[name], value, int in get_args(type_hints(type(self))[name]))
        return replace(self, **values) if values else self  # type: ignore[type-var]

    def check_over(self, timeline: Timeline, warn: bool = True) -> None:
        """Make sure that every schedule has a value, in its range, at each frame of a timeline.

        Raises SettingsError that names the keyframe: out of order, past the end, or out of range.
        Where the output is a part of its source, a keyframe past the end is only warned of.
        """
        rules = {f.name: f for f in fields(self)}  # type: ignore[arg-type]
        for name, schedule in self.schedules.items():
            try:
                beyond = schedule.check_order(timeline)
            except SettingsError as error:
                raise SettingsError(f"{flag_of(name)}, {error}") from None
            for note in beyond if warn else ():
                warnings.warn(f"{flag_of(name)}, {note}; not reached", DreamFlowWarning, 3)
            if isinstance(schedule, LayerSchedule) or not schedule.varies:
                continue
            for moment in timeline.moments():
                value = schedule.at(moment)
                if not in_range(rules[name], value):
                    before = schedule.keyframes[schedule.place(moment)[0]]
                    where = f", {before.label}, at {float(moment.time):.2f} s:"
                    raise out_of_range(rules[name], where, value)


@lru_cache(maxsize=32)
def type_hints(cls: type) -> dict[str, Any]:
    """Return the resolved type of each field of a settings class."""
    return get_type_hints(cls)


def coerce(name: str, value: Any, hint: Any) -> Any:
    """Return `value` as the type of the setting `name`, or raise SettingsError.

    Whole numbers are taken for floats, lists and single strings for tuples of strings, strings
    for paths, texts for schedules; nothing else is converted, so a preset with
    `iterations = "ten"` is refused.
    """
    allowed = get_args(hint) or (hint,)
    if Any in allowed and isinstance(value, str):
        value = parse_number(name, value, hint)
    if Any in allowed and isinstance(value, Schedule):
        return value
    if value is None and type(None) in allowed:
        return None
    if hint == tuple[str, ...]:
        items = (value,) if isinstance(value, str) else value
        if isinstance(items, (tuple, list)) and all(isinstance(item, str) for item in items):
            try:
                layer_schedule(tuple(items))
            except SettingsError as error:
                raise SettingsError(f"{flag_of(name)}, {error}") from None
            return tuple(items)
    elif bool in allowed:
        if isinstance(value, bool):
            return value
    elif isinstance(value, bool):
        pass
    elif int in allowed and isinstance(value, int):
        return value
    elif float in allowed and isinstance(value, (int, float)):
        return float(value)
    elif Path in allowed and isinstance(value, (str, Path)):
        return Path(value)
    elif str in allowed and isinstance(value, (str, int)):
        return str(value)
    raise SettingsError(f"{name} = {value!r} is not {describe_type(hint)}")


def parse_number(name: str, text: str, hint: Any) -> float | Schedule:
    """Return the number that a text is, or the schedule. Raises SettingsError for neither."""
    whole = int in get_args(hint)
    try:
        return int(text) if whole else float(text)
    except ValueError:
        pass
    try:
        schedule = Schedule(text)
    except SettingsError as error:
        if is_keyed(text):
            raise SettingsError(f"{flag_of(name)}, {error}") from None
        why = str(error).removeprefix(f"{value_label(text)}: ")
        kind = describe_type(hint)
        raise SettingsError(
            f"{flag_of(name)} {text!r} is not {kind}, nor a schedule: {why}"
        ) from None
    if is_keyed(text) or schedule.varies:
        return schedule
    value = schedule.at(Moment())
    if math.isnan(value):
        raise SettingsError(f"{flag_of(name)} {text!r} has no value, or too large a one")
    if whole and not value.is_integer():
        raise SettingsError(f"{flag_of(name)} {text!r} is not {describe_type(hint)}")
    return int(value) if whole else value


def describe_type(hint: Any) -> str:
    """Return a type in words: `a whole number`."""
    if hint == tuple[str, ...]:
        return "a text or a list of texts"
    allowed = get_args(hint) or (hint,)
    words = {bool: "true or false", int: "a whole number", float: "a number", Path: "a path"}
    return next((words[kind] for kind in words if kind in allowed), "a text")


def check_range(setting: Field[Any], value: Any) -> None:
    """Raise SettingsError where a value is not finite, out of its range, or not a known choice.

    Of a schedule, the keyframes whose value does not depend on time are looked at.
    """
    rule, flag = setting.metadata, flag_of(setting.name)
    if rule.get("choices") and value not in rule["choices"]:
        raise SettingsError(f"{flag} {value!r} is unknown; choose {', '.join(rule['choices'])}")
    if isinstance(value, Schedule):
        for keyframe, number in value.constants:
            if not in_range(setting, number):
                raise out_of_range(setting, f", {keyframe.label}:", number)
    elif isinstance(value, (int, float)) and not in_range(setting, value):
        raise out_of_range(setting, "", value)


def in_range(setting: Field[Any], value: float) -> bool:
    """Return whether a number is finite and in the range of a setting."""
    low, high, above = (setting.metadata.get(name) for name in ("low", "high", "above"))
    return (
        math.isfinite(value)
        and (low is None or value >= low)
        and (high is None or value <= high)
        and (above is None or value > above)
    )


def within(setting: Field[Any], value: float, whole: bool) -> float:
    """Return a number brought into the range of a setting, and rounded where it is a whole one."""
    low, high, above = (setting.metadata.get(name) for name in ("low", "high", "above"))
    if above is not None:
        low = math.nextafter(above, math.inf)
    value = value if low is None else max(low, value)
    value = value if high is None else min(high, value)
    return math.floor(value + 0.5) if whole else value


def out_of_range(setting: Field[Any], where: str, value: float) -> SettingsError:
    """Return the error of a number out of range; `where` follows the flag."""
    low, high, above = (setting.metadata.get(name) for name in ("low", "high", "above"))
    bounds = [f"above {above:g}"] if above is not None else []
    bounds += [f"at least {low:g}"] if low is not None else []
    bounds += [f"at most {high:g}"] if high is not None else []
    flag, wanted = flag_of(setting.name), " and ".join(bounds)
    if math.isnan(value) and where:
        return SettingsError(f"{flag}{where} it has no value; it must be {wanted}")
    return SettingsError(f"{flag}{where} {value:g} is out of range: it must be {wanted}")


@dataclass(frozen=True)
class DreamOptions(Options):
    """What is dreamed, and how hard."""

    network: str = option("pocket", "Network that dreams: pocket, or googlenet.")
    layer: tuple[str, ...] = option(
        ("inception_4c/output",),
        "Layer to dream on; repeat as NAME=WEIGHT for a blend.",
        scheduled=True,
        metavar="NAME[=WEIGHT]",
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
    )
    decay: Number = option(
        0.92,
        "Share of the dream kept from frame to frame, at stability 0.5.",
        low=0,
        high=1,
        scheduled=True,
    )
    carry_iterations: Count = option(
        3,
        "Steps on a carried frame at full size; half as many per coarser octave.",
        low=0,
        high=1000,
        scheduled=True,
    )
    carry_step: Number = option(
        0.9,
        "Mean change per step on a carried frame, in levels of 255, at stability 0.5.",
        above=0,
        high=64,
        scheduled=True,
    )
    uncover_iterations: Count = option(
        2,
        "Large steps where the scene has lately come into view.",
        low=0,
        high=1000,
        scheduled=True,
    )
    firmness: Number = option(
        0.2,
        "How firmly a dream is kept as strong as in the first frame of its shot.",
        low=0,
        high=1,
        scheduled=True,
    )
    loop: bool = option(
        False, "Lead the end into the beginning, for clips that loop; takes twice as long."
    )
    cuts: str = option(
        "auto",
        "Where a new shot begins: auto, none, or a file that `dreamflow shots` wrote.",
        metavar="auto|none|FILE",
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


@dataclass(frozen=True)
class EncodeOptions(Options):
    """How the output is encoded."""

    crf: int = option(
        17, "Quality of the film: 0 is lossless, 17 looks it, 28 is small.", low=0, high=51
    )


@dataclass(frozen=True)
class MachineOptions(Options):
    """Where the work is done. Not saved with an output, and not for presets."""

    weights: Path | None = option(
        None, "Weights of the network, a .safetensors file.", saved=False, metavar="FILE"
    )
    device: str = option("auto", "auto, cpu, cuda, cuda:1 or mps.", saved=False, metavar="DEVICE")
    threads: int = option(
        0, "CPU threads; 0 measures how many are fastest now.", low=0, high=1024, saved=False
    )


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


GROUPS: tuple[type[Options], ...] = (DreamOptions, CarryOptions, ClipOptions, EncodeOptions)
"""The groups whose settings are saved with an output and may stand in a preset."""


def saved_fields() -> dict[str, type[Options]]:
    """Return the name of every saved setting, and the group it belongs to."""
    return {f.name: group for group in GROUPS for f in fields(group)}  # type: ignore[arg-type]


def as_dict(*groups: Options) -> dict[str, Any]:
    """Return the saved settings of these groups as plain values, ready for TOML or JSON."""
    plain: dict[str, Any] = {}
    for group in groups:
        for setting in fields(group):  # type: ignore[arg-type]
            if setting.metadata["saved"]:
                value = getattr(group, setting.name)
                plain[setting.name] = plain_value(value)
    return plain


def plain_value(value: Any) -> Any:
    """Return a setting's value as TOML, JSON and the command line hold it."""
    if isinstance(value, Schedule):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


SIZE_PATTERN = re.compile(r"(\d+)(?:\s*[xX]\s*(\d+))?$")


def fit_size(size: str | None, width: int, height: int) -> tuple[int, int]:
    """Return the (width, height) in pixels that `size` gives a picture of (width, height).

    `"640x360"` fits into that box, `"640"` makes the longer side 640, None changes nothing. The
    aspect is kept and both sides are rounded to even numbers, which every film format takes.
    """
    if size is None:
        return width, height
    match = SIZE_PATTERN.match(size.strip())
    if not match or int(match[1]) == 0 or (match[2] and int(match[2]) == 0):
        raise SettingsError(f"--size {size!r} is not a size: write 640x360, or 640 for the longer")
    if match[2]:
        scale = min(int(match[1]) / width, int(match[2]) / height)
    else:
        scale = int(match[1]) / max(width, height)
    wide, high = (max(2, 2 * math.floor(side * scale / 2 + 0.5)) for side in (width, height))
    return wide, high
