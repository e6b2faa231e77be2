"""Settings given as keywords of a Python function, or by the name of a preset."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar, cast

from dreamflow.core.errors import IneffectiveSettingWarning, SettingsError, named
from dreamflow.core.options.declaration import Options, warn_ineffective_settings
from dreamflow.core.text.did_you_mean import suggest_similar
from dreamflow.core.text.spelling import to_british_spelling
from dreamflow.media.options import ClipOptions
from dreamflow.pipelines.settings.groups import find_foreign_settings
from dreamflow.pipelines.settings.presets import load_preset

OptionsT = TypeVar("OptionsT", bound=Options)


@dataclass(frozen=True)
class KeywordSettings:
    """Settings that override those of option objects.

    Attributes:
        values: The settings by name; keywords override the preset.
        keywords: Names of those that were given as keywords.
    """

    values: Mapping[str, Any]
    keywords: frozenset[str]

    @classmethod
    def read(
        cls, function: str, preset: str | None, keywords: Mapping[str, Any], *groups: type[Options]
    ) -> KeywordSettings:
        """Return the settings of a preset and of keywords.

        Warns where the preset is made for another kind of dream.

        Args:
            function: Name of the function, for messages.
            preset: Name of a preset, or path of a .toml file; None for none.
            keywords: Settings by name.
            *groups: The groups that the function takes.

        Raises:
            SettingsError: A keyword is no setting of these groups, or the preset is wrong.
        """
        names = {setting.name for group in groups for setting in fields(group)}  # type: ignore[arg-type]
        given = {to_british_spelling(name): value for name, value in keywords.items()}
        for name in given:
            if name not in names:
                raise _make_unknown_error(function, name, names)
        from_preset = {} if preset is None else load_preset(preset)[1]
        if others := find_foreign_settings(from_preset, names):
            do = "does" if len(others) == 1 else "do"
            warnings.warn(
                f"{named('preset')} {preset}: {', '.join(others)} {do} nothing in {function}",
                IneffectiveSettingWarning,
                3,
            )
        values = {name: value for name, value in from_preset.items() if name in names} | given
        return cls(values, frozenset(given))

    def over(self, options: OptionsT) -> OptionsT:
        """Return options with these settings in place of their own.

        Raises:
            SettingsError: A value has a wrong type or is out of range, or settings contradict each
                other.
        """
        own = {setting.name for setting in fields(options)}  # type: ignore[arg-type]
        values = {name: value for name, value in self.values.items() if name in own}
        changed = cast(OptionsT, replace(options, **values))  # type: ignore[type-var]
        warn_ineffective_settings(self.keywords, changed)
        return changed


def _make_unknown_error(function: str, name: str, names: set[str]) -> SettingsError:
    if name in {setting.name for setting in fields(ClipOptions)}:
        hint = "; give it to open_clip"
    else:
        hint = suggest_similar(name, sorted(names)) or f"; it takes {', '.join(sorted(names))}"
    return SettingsError(f"{name} is not a setting of {function}{hint}", setting=name)
