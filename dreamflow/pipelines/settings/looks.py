"""Looks: what is dreamed, how it moves and how much of it is shown, under a name."""

from __future__ import annotations

import warnings
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from dreamflow.core.errors import (
    IneffectiveSettingWarning,
    SettingsError,
    SkippedItemWarning,
    named,
)
from dreamflow.core.options.declaration import Options
from dreamflow.dream.options import DreamOptions
from dreamflow.pipelines.settings.groups import groups_by_saved_setting
from dreamflow.pipelines.settings.options import ShowOptions
from dreamflow.pipelines.settings.presets import (
    list_preset_files,
    list_user_preset_files,
    load_preset,
)
from dreamflow.temporal.options import CarryOptions

ALL_PRESETS = "all"
"""What stands for every preset that is a look."""


@dataclass(frozen=True)
class Look:
    """The settings of a dream that do not belong to one film.

    Attributes:
        name: What it is called, such as the name of its preset; "" for none.
        dream: What is dreamed.
        carry: How it moves.
        show: How much of it is shown, and where.
    """

    name: str = ""
    dream: DreamOptions = field(default_factory=DreamOptions)
    carry: CarryOptions = field(default_factory=CarryOptions)
    show: ShowOptions = field(default_factory=ShowOptions)

    @property
    def groups(self) -> tuple[Options, ...]:
        """Its settings, in their groups."""
        return self.dream, self.carry, self.show

    @property
    def is_scheduled(self) -> bool:
        """Whether a setting changes over time."""
        return any(group.schedules for group in self.groups)

    def over(self, name: str, settings: Mapping[str, Any]) -> Self:
        """Return a look of another name, with some settings in place of these.

        Args:
            name: Its name.
            settings: Values by name; those of other groups are left out.

        Raises:
            SettingsError: A value has a wrong type or is out of range, or settings contradict each
                other.
        """
        changed = {
            part: _change(getattr(self, part), settings) for part in ("dream", "carry", "show")
        }
        return replace(self, name=name, **changed)

    def blended(self) -> Self:
        """Return the look with several layers blended into one dream; see `add_layer_weights`."""
        return replace(self, dream=add_layer_weights(self.dream))


LOOK_OPTION_GROUPS: tuple[type[Options], ...] = (DreamOptions, CarryOptions, ShowOptions)
"""The groups of a look."""


def _change(options: Options, settings: Mapping[str, Any]) -> Options:
    own = {setting.name for setting in fields(options)}  # type: ignore[arg-type]
    values = {name: value for name, value in settings.items() if name in own}
    return replace(options, **values) if values else options  # type: ignore[type-var]


def add_layer_weights(dream: DreamOptions) -> DreamOptions:
    """Return the settings with each layer's weight written out.

    Without weights, a preview takes several layers for a contact sheet, not a blend.
    """
    if len(dream.layer) == 1:
        return dream
    weights = dream.layers.blends[0].weights
    return replace(dream, layer=tuple(f"{target}={w:g}" for target, w in weights.items()))


def find_settings_of_no_look(settings: Mapping[str, Any]) -> list[str]:
    """Return the names of settings that say nothing of a look: sizes, codecs, a zoom's speed."""
    groups = groups_by_saved_setting()
    return [name for name in settings if not set(groups[name]) & set(LOOK_OPTION_GROUPS)]


def list_look_presets() -> list[str]:
    """Return the names of the presets that are looks alone, and not made for a zoom or a sweep."""
    shipped = [
        name for name in list_preset_files() if not find_settings_of_no_look(load_preset(name)[1])
    ]
    return [*shipped, *_list_readable(list_user_preset_files())]


def _list_readable(names: Iterable[str]) -> list[str]:
    """Return those of the user's presets that are looks; warns of each that cannot be read."""
    readable: list[str] = []
    for name in names:
        try:
            is_look = not find_settings_of_no_look(load_preset(name)[1])
        except SettingsError as error:
            warnings.warn(f"{error.message}; it is left out", SkippedItemWarning, 3)
            continue
        readable += [name] if is_look else []
    return readable


def expand_preset_names(names: Sequence[str]) -> list[str]:
    """Return names of presets, each once, with every look in place of `all`."""
    expanded = [
        one for name in names for one in (list_look_presets() if name == ALL_PRESETS else [name])
    ]
    return list(dict.fromkeys(expanded))


def build_preset_looks(
    names: Sequence[str], base: Look, fixed: Container[str] = frozenset()
) -> list[Look]:
    """Return a look for each of some presets; their layers are blended.

    Warns of settings of a preset that belong to no look, which are left out.

    Args:
        names: Presets, by name or as .toml files.
        base: What the presets do not say.
        fixed: Names of the settings of `base` that presets do not replace.

    Raises:
        SettingsError: A preset is unknown or wrong, or does not fit the fixed settings; the error
            names it.
    """
    looks: list[Look] = []
    for name in names:
        settings = load_preset(name)[1]
        if others := find_settings_of_no_look(settings):
            are = "is" if len(others) == 1 else "are"
            warnings.warn(
                f"{named('preset')} {name}: {', '.join(others)} {are} left out of a sheet of looks",
                IneffectiveSettingWarning,
                2,
            )
        own = {key: value for key, value in settings.items() if key not in fixed}
        try:
            looks.append(base.over(name, own).blended())
        except SettingsError as error:
            raise error.located(f"{named('preset')} {name}") from None
    return looks
