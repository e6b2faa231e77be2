"""What a page shows of each setting of a look, read from where the setting is declared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from typing import Any, get_args

from dreamflow.core.options.declaration import (
    Options,
    format_setting_value,
    plain_value,
    resolve_field_types,
)
from dreamflow.core.options.validation import describe_range
from dreamflow.media.sound.options import SoundOptions
from dreamflow.pipelines.settings.looks import LOOK_OPTION_GROUPS, Look
from dreamflow.pipelines.settings.presets import validate_settings

CONTROL_GROUPS: tuple[type[Options], ...] = (*LOOK_OPTION_GROUPS, SoundOptions)
"""The groups of the settings that a page offers: those of a look, and of what schedules hear."""
SOUND_SETTINGS = ("audio", "audio_out", "bpm", "first_beat", "beats_per_bar")
"""Settings of the sound, which stay when another look is taken."""
NOT_OFFERED = ("data",)
"""Settings that have no control: a list of named files."""
SWITCH, CHOICE, NUMBER, TEXT = "switch", "choice", "number", "text"
"""Kinds of controls."""


@dataclass(frozen=True)
class SettingControl:
    """A setting, as a page offers it.

    Attributes:
        name: Its name.
        title: The heading that it stands under.
        kind: One of `SWITCH`, `CHOICE`, `NUMBER`, `TEXT`.
        help: Its line of help.
        default: Its default, as a plain value.
        allowed: Its range in words, or "".
        choices: What it may be; () for anything.
        low: End of a slider; None where there is none.
        high: The other end.
        step: Distance of a slider's stops; 1 of a whole number.
        scheduled: Whether it may change over time.
        is_path: Whether it names a file.
        needs: The setting without which it has no effect, and the value that that must have; None
            for any.
    """

    name: str
    title: str
    kind: str
    help: str
    default: Any
    allowed: str
    choices: tuple[str, ...]
    low: float | None
    high: float | None
    step: float
    scheduled: bool
    is_path: bool
    needs: tuple[str, Any] | None

    @property
    def label(self) -> str:
        """Its name as a person reads it."""
        return self.name.replace("_", " ")


SLIDER_ENDS: dict[str, tuple[float, float]] = {
    "iterations": (0, 40),
    "step": (0.1, 8),
    "octaves": (1, 8),
    "octave_scale": (1.1, 2),
    "jitter": (0, 64),
    "carry_iterations": (0, 12),
    "carry_step": (0.1, 4),
    "uncover_iterations": (0, 12),
    "smoothing": (0.5, 8),
    "jitter_rotation": (0, 45),
    "jitter_scale": (0, 50),
    "iteration_zoom": (-2, 2),
    "matte_feather": (0, 20),
}
"""Ends of sliders of settings whose whole range is wider than what is of use."""
MAX_SLIDER_RANGE = 64
"""Width of a declared range up to which it is a slider's."""
FINE_STEPS = 100
"""Stops of the slider of a setting that is no whole number."""
ESSENTIALS = (
    *("layer", "iterations", "step", "octaves", "octave_scale", "octave_tilt", "gradient"),
    *("colour", "strength", "stability", "seed"),
)
"""Settings that are always at hand; the others are in a drawer."""


def list_controls() -> list[SettingControl]:
    """Return a control for each setting of a look, in the order of their declaration."""
    return [
        make_control(group, setting)
        for group in CONTROL_GROUPS
        for setting in fields(group)  # type: ignore[arg-type]
        if setting.name not in NOT_OFFERED
    ]


def make_control(group: type[Options], setting: Field[Any]) -> SettingControl:
    """Return the control of a setting."""
    rule, hint = setting.metadata, resolve_field_types(group)[setting.name]
    kinds = set(get_args(hint) or (hint,))
    is_number = bool(kinds & {int, float}) and str not in kinds
    kind = TEXT
    if bool in kinds:
        kind = SWITCH
    elif rule["choices"]:
        kind = CHOICE
    elif is_number:
        kind = NUMBER
    low, high = find_slider_ends(setting) if kind == NUMBER else (None, None)
    step = 1.0
    if int not in kinds and low is not None and high is not None:
        step = float(f"{(high - low) / FINE_STEPS:.1g}")
    return SettingControl(
        setting.name,
        rule["panel"] or getattr(group, "PANEL", group.__name__.removesuffix("Options")),
        kind,
        rule["help"],
        plain_value(setting.default),
        describe_range(setting) if is_number else "",
        rule["choices"],
        low,
        high,
        step,
        rule["scheduled"],
        rule["is_path"],
        rule["needs"],
    )


def find_slider_ends(setting: Field[Any]) -> tuple[float | None, float | None]:
    """Return the ends of a setting's slider; None and None where a field serves better."""
    if setting.name in SLIDER_ENDS:
        return SLIDER_ENDS[setting.name]
    low, high, above = (setting.metadata[name] for name in ("low", "high", "above"))
    low = above if low is None else low
    if low is None or high is None or high - low > MAX_SLIDER_RANGE:
        return None, None
    return float(low), float(high)


def parse_setting(name: str, value: Any) -> Any:
    """Return a setting's value as a plain one, checked as in a preset.

    Args:
        name: Its name.
        value: What a page gives; the text of a number or a schedule is read as such. An empty
            text, or None, is the setting's default.

    Raises:
        SettingsError: The setting is unknown, or the value wrong.
    """
    default = plain_value(getattr(_group_of(name), name, None))
    if value is None or value == [] or (isinstance(value, str) and not value.strip()):
        return default
    if name == "layer" and isinstance(value, str):
        value = [line.strip() for line in value.splitlines() if line.strip()]
    if isinstance(value, float) and isinstance(default, int) and value.is_integer():
        value = int(value)
    return plain_value(validate_settings({name: value}, name)[name])


def _group_of(name: str) -> type[Options] | None:
    names = {s.name: group for group in CONTROL_GROUPS for s in fields(group)}  # type: ignore[arg-type]
    return names.get(name)


def find_changes(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of some settings of a look that differ from the defaults."""
    defaults = {control.name: control.default for control in list_controls()}
    return {n: v for n, v in settings.items() if n in defaults and v != defaults[n]}


def compare_looks(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Return in words how the settings of two looks differ, `step 1.5 to 3`."""
    return [
        f"{control.label} {format_setting_value(before)} to {format_setting_value(after)}"
        for control in list_controls()
        if (before := first.get(control.name, control.default))
        != (after := second.get(control.name, control.default))
    ]


def check_look(settings: Mapping[str, Any]) -> None:
    """Check settings together. Raises SettingsError."""
    Look().over("", validate_settings(settings, "the look"))
    open_sound(settings)


def open_sound(settings: Mapping[str, Any]) -> SoundOptions:
    """Return the settings of the sound among those of a look. Raises SettingsError."""
    return SoundOptions(**validate_settings(find_sound(settings), "the sound"))


def find_sound(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of some settings that are of the sound."""
    return {name: value for name, value in settings.items() if name in SOUND_SETTINGS}
