"""What all views of the page have."""

from __future__ import annotations

from dreamflow.studio.page.tune.viewer import Viewer


class View:
    """A view, which is built in the current place of the page.

    Attributes:
        viewer: Its picture, which the keys are for; None where it has none.
    """

    viewer: Viewer | None = None

    def enter(self) -> None:
        """Show what has changed since the view was shown last."""

    def open_search(self) -> None:
        """Open its search, where it has one."""

    def take_digit(self, digit: int) -> bool:
        """Choose what has a digit, from 1 on; returns whether anything has."""
        return False
