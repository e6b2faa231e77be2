"""The web page of a comparison: one HTML file that loads nothing from outside of its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamflow._version import __version__
from dreamflow.core.options.declaration import flag_of, format_setting_value
from dreamflow.reports.page_folder import load_page_template

if TYPE_CHECKING:
    from dreamflow.reports.compare.build import ComparedItem

TEMPLATE_PATH = Path(__file__).with_name("page.html")


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
