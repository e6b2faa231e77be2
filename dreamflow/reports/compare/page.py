"""The web page of a comparison: one HTML file that loads nothing from outside of its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from dreamflow._version import __version__
from dreamflow.core.options.declaration import flag_of, format_setting_value
from dreamflow.reports.page_folder import load_page_template

TEMPLATE_PATH = Path(__file__).with_name("page.html")


@dataclass(frozen=True)
class ComparedItem:
    """One side of a comparison.

    Attributes:
        name: File name of what is compared.
        file: Name of its copy in the folder.
        is_film: Whether it moves.
        width: In pixels.
        height: In pixels.
        frames: How many; 1 of a picture.
        rate: Frames per second; 0 of a picture.
        record: Its record; {} where DreamFlow did not make it.
    """

    name: str
    file: str
    is_film: bool
    width: int
    height: int
    frames: int
    rate: Fraction
    record: Mapping[str, Any]


@dataclass(frozen=True)
class ComparedSetting:
    """A setting in which two dreams differ, with its plain value in each."""

    name: str
    first: Any
    second: Any

    @property
    def words(self) -> tuple[str, str, str]:
        """Its flag, and both values as a person writes them."""
        first, second = (format_setting_value(value) for value in (self.first, self.second))
        return flag_of(self.name), first, second


def render_compare_page(
    first: ComparedItem, second: ComparedItem, settings: Sequence[ComparedSetting] | None
) -> str:
    """Return the HTML of the page.

    Args:
        first: What is compared.
        second: With what.
        settings: The settings in which they differ; None where they are not known.
    """
    return load_page_template(TEMPLATE_PATH).render(
        version=__version__,
        a=first,
        b=second,
        is_film=first.is_film,
        fps=float(first.rate or 1),
        settings=None if settings is None else [setting.words for setting in settings],
    )
