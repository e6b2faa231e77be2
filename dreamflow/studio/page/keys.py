"""The keys of the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nicegui.events import KeyEventArguments

from dreamflow.studio.page.context import PageContext
from dreamflow.studio.page.view import View

FEW_FRAMES, MANY_FRAMES = 1, 10
"""Frames of a step of the arrow keys, and of one with shift."""


class Keys:
    """What is frequent, without the mouse."""

    def __init__(
        self,
        page: PageContext,
        views: Sequence[str],
        find_view: Callable[[], View],
        dialogs: Mapping[str, Callable[[], None]],
    ) -> None:
        """Take what the keys are for.

        Args:
            page: The tab.
            views: The views, which have the digits from 1 on.
            find_view: Returns the view that is shown.
            dialogs: What shows each dialog, by its key.
        """
        self._page, self._views = page, views
        self._find_view, self._dialogs = find_view, dialogs

    def take(self, event: KeyEventArguments) -> None:
        """Do what a key is for."""
        if not event.action.keydown:
            return
        key, studio = str(event.key.name), self._page.studio
        has_shift = event.modifiers.shift
        if key.lower() == "z":
            (studio.redo if has_shift else studio.undo)()
        elif event.modifiers.ctrl or event.modifiers.meta or event.modifiers.alt:
            return
        elif (digit := _find_digit(event)) is not None:
            self._take_digit(digit, has_shift)
        elif open_dialog := self._dialogs.get(key.lower()):
            open_dialog()
        elif key == "/":
            self._find_view().open_search()
        elif action := self._find_action(key, has_shift):
            action()

    def _take_digit(self, digit: int, has_shift: bool) -> None:
        """Choose what has the digit in the view that is shown, else the view that has it."""
        if not has_shift and self._find_view().take_digit(digit):
            return
        if 1 <= digit <= len(self._views):
            self._page.show_view(self._views[digit - 1])

    def _find_action(self, key: str, has_shift: bool) -> Callable[[], object] | None:
        """Return what a key does beside the picture; None where it does nothing."""
        studio, viewer = self._page.studio, self._find_view().viewer
        if viewer is None:
            return None
        step = MANY_FRAMES if has_shift else FEW_FRAMES
        frame = studio.project.frame
        actions: dict[str, Callable[[], object]] = {
            "ArrowLeft": lambda: studio.go_to(frame - step),
            "ArrowRight": lambda: studio.go_to(frame + step),
            " ": viewer.play,
            "j": lambda: viewer.shuttle(-1),
            "k": lambda: viewer.shuttle(0),
            "l": lambda: viewer.shuttle(1),
            "b": viewer.toggle_before,
            "i": studio.begin_here,
            "o": studio.end_here,
            "p": viewer.toggle_pin,
            "m": viewer.toggle_moving,
        }
        if painting := viewer.painting:
            actions |= {
                "a": painting.toggle,
                "e": painting.toggle_eraser,
                "[": lambda: painting.widen(-1),
                "]": lambda: painting.widen(1),
            }
        return actions.get(key if key.startswith("Arrow") else key.lower())


def _find_digit(event: KeyEventArguments) -> int | None:
    """Return a digit's key, with Shift or without; None for any other."""
    name = str(event.key.name)
    return int(name) if name in set("0123456789") else event.key.number
