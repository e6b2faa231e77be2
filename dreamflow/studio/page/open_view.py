"""The view that opens a clip or picture."""

from __future__ import annotations

import asyncio
from pathlib import Path

from nicegui import ui

from dreamflow.core.errors import DreamFlowError
from dreamflow.studio.page.context import LOOKS, PageContext, box, main_button, text_button
from dreamflow.studio.project import describe_error, read_source_facts


class OpenView:
    """A path to type, and the films and pictures of the folders that are open."""

    def __init__(self, page: PageContext) -> None:
        """Build it in the current place of the page."""
        self._page = page
        self._folder = page.studio.folders.roots[0]
        with box("stack"):
            ui.label("Open a clip or a picture").classes("title")
            with box("line path-row"):
                self._path = ui.input("Path", placeholder="clip.mp4").props("outlined dense dark")
                self._path.classes("grow").on("keydown.enter", self._open_typed)
                main_button("Open", self._open_typed)
            self._failure = ui.label().classes("failure")
            self._failure.set_visibility(False)
            self._where = ui.label().classes("faint")
            self._files = box("files")
        self._list()

    async def _open_typed(self) -> None:
        await self.open(self._path.value or "")

    async def open(self, text: str) -> None:
        """Open a path, and go on to the looks."""
        studio = self._page.studio
        self._failure.set_visibility(False)
        try:
            path = studio.folders.find(text)
            if path.is_dir() and any(one.is_folder for one in studio.folders.list(path)):
                self._folder = path
                self._list()
                return
            facts = await asyncio.to_thread(read_source_facts, path)
        except DreamFlowError as error:
            self._failure.set_text(describe_error(error))
            self._failure.set_visibility(True)
            return
        studio.use(facts)
        self._page.show_view(LOOKS)
        self._page.tell("; ".join(facts.notes))

    def _list(self) -> None:
        """List the folder."""
        folders = self._page.studio.folders
        self._where.set_text(str(self._folder))
        self._files.clear()
        with self._files:
            for root in folders.roots:
                if root != self._folder:
                    self._add(root, str(root), is_folder=True)
            if self._folder not in folders.roots:
                self._add(self._folder.parent, "..", is_folder=True)
            for listed in folders.list(self._folder):
                self._add(listed.path, listed.path.name, listed.is_folder)

    def _add(self, path: Path, name: str, is_folder: bool) -> None:
        async def choose() -> None:
            if is_folder and path in (*self._page.studio.folders.roots, self._folder.parent):
                self._folder = path
                self._list()
            else:
                await self.open(str(path))

        text_button(f"{name}/" if is_folder and name != ".." else name, choose, "file")
