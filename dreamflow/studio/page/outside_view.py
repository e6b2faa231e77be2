"""The look outside of the studio: a command to copy, a preset to save, a Python program."""

from __future__ import annotations

from functools import partial

from nicegui import ui

from dreamflow.core.errors import DreamFlowError
from dreamflow.pipelines.settings.save_preset import PRESET_SUFFIX, format_preset, save_preset
from dreamflow.studio.outside import FilmChoices, film_words, format_python, frame_words, join_words
from dreamflow.studio.page.command_text import CommandText
from dreamflow.studio.page.context import PageContext, box, main_button, text_button
from dreamflow.studio.project import describe_error
from dreamflow.studio.studio import PROJECT

COMMANDS, PROGRAMS = ("The film, as a command", "This frame"), ("A preset", "Python")
"""Titles of the texts: lines for a shell, and what goes into a file."""


class OutsideView:
    """A dialog with the look as text."""

    def __init__(self, page: PageContext) -> None:
        """Build it; `open` shows it."""
        self._page = page
        with ui.dialog() as self.dialog, box("outside"):
            ui.label("The look as text").classes("title")
            self._texts: dict[str, ui.label | CommandText] = {}
            for title in (*COMMANDS, *PROGRAMS):
                with box("line heading"):
                    ui.label(title).classes("group-title")
                    text_button("Copy", partial(self._copy, title))
                is_command = title in COMMANDS
                self._texts[title] = (
                    CommandText() if is_command else ui.label().classes("mono command")
                )
            with box("line path-row"):
                self._name = ui.input("Name of the preset").props("outlined dense dark")
                self._name.classes("grow").mark("preset-name")
                main_button("Save", self.save)
            self._told = ui.label().classes("faint")
            text_button("Close", self.dialog.close)
        page.listeners.append(self._hear)

    def open(self) -> None:
        """Show it."""
        self.show()
        self.dialog.open()

    def save(self) -> None:
        """Save the look as a preset of one's own."""
        settings = self._page.studio.project.look.settings
        try:
            name = self._name.value or ""
            if name.lower().endswith(PRESET_SUFFIX):
                name = str(self._page.studio.folders.check_output(name))
            path = save_preset(name, settings)
        except DreamFlowError as error:
            self._told.set_text(describe_error(error))
        else:
            self._told.set_text(f"saved as {path}")
            self._page.studio.keep_matte()

    def _copy(self, title: str) -> None:
        self._page.studio.keep_matte()
        ui.clipboard.write(self._texts[title].text)

    def _hear(self, topic: str) -> None:
        if topic == PROJECT and self.dialog.value:
            self.show()

    def show(self) -> None:
        """Show the look as it is now."""
        studio = self._page.studio
        project, settings = studio.project, dict(studio.project.look.settings)
        source = project.source.path if project.source else "clip.mp4"
        film = FilmChoices(
            *(str(source), "dream.mp4"),
            start=str(project.first or ""),
            end=str(project.stop or ""),
        )
        is_clip = project.source is None or project.source.is_clip
        at = str(project.frame) if is_clip else None
        words = frame_words(
            *(settings, str(source), "look.png", at, studio.preview_size),
            project.run_in if is_clip else 0,
        )
        threads = ["--threads", str(studio.machine.threads)] if studio.machine.threads else []
        texts = {
            COMMANDS[0]: join_words([*film_words(settings, film), *threads]),
            COMMANDS[1]: join_words([*words, *threads]),
            PROGRAMS[0]: format_preset(settings).strip() or "# the defaults",
            PROGRAMS[1]: format_python(settings, film).strip(),
        }
        for title, text in texts.items():
            self._texts[title].set_text(text)
