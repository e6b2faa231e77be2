"""The view that opens a clip or picture."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from nicegui import ui

from dreamflow.core.errors import DreamFlowError
from dreamflow.studio.files.folders import PICTURE_SUFFIXES
from dreamflow.studio.files.recent import RecentProject
from dreamflow.studio.page.context import LOOKS, TUNE, PageContext, box, main_button, text_button
from dreamflow.studio.page.drop import drop_place
from dreamflow.studio.page.view import View
from dreamflow.studio.project import describe_error
from dreamflow.studio.source import read_source_facts
from dreamflow.studio.studio import PROJECT


class OpenView(View):
    """A path to type, and the films and pictures of the folders that are open."""

    def __init__(self, page: PageContext) -> None:
        """Build it in the current place of the page."""
        self._page = page
        self._shown_recent: list[tuple[RecentProject, str, str]] = []
        self._folder = page.studio.folders.roots[0]
        with box("stack"):
            ui.label("Open a clip or a picture").classes("title")
            with box("line path-row"):
                self._path = ui.input("Path", placeholder="clip.mp4").props(
                    "outlined dense dark stack-label"
                )
                self._path.classes("grow").on("keydown.enter", self._open_typed)
                main_button("Open", self._open_typed)
            drop_place(page, "Drop a clip or a picture here", self._open_dropped, self._fail).mark(
                "drop"
            )
            self._failure = ui.label().classes("failure")
            self._failure.set_visibility(False)
            self._recent = box("files")
            self._where = ui.label().classes("faint")
            self._files = box("files")
            self._as_clip = text_button("", self._open_as_clip, "as-clip").mark("open-folder")
        self._list()
        self._list_recent()
        page.listeners.append(self._hear)

    def _hear(self, topic: str) -> None:
        if topic == PROJECT:
            self._list_recent()

    def _list_recent(self) -> None:
        """List the projects that were worked on, in the folders that are open."""
        studio = self._page.studio
        found = [one for one in studio.recent.projects if studio.folders.holds(Path(one.source))]
        shown = [(one, one.source, one.name) for one in found]
        if shown == self._shown_recent:
            return
        self._shown_recent = shown
        self._recent.clear()
        with self._recent:
            if found:
                ui.label("Go on with").classes("faint files-title")
            for one in found:
                label = " · ".join(filter(None, [Path(one.source).name, one.name]))
                text_button(label, partial(self._resume, one), "file").mark("recent")

    async def _resume(self, recent: RecentProject) -> None:
        studio = self._page.studio
        try:
            await asyncio.to_thread(read_source_facts, Path(recent.source))
            studio.resume(recent)
        except DreamFlowError as error:
            self._fail(describe_error(error))
        else:
            self._page.show_view(TUNE)

    async def _open_dropped(self, path: Path) -> None:
        await self.open(str(path))

    def _fail(self, line: str) -> None:
        self._failure.set_text(line)
        self._failure.set_visibility(True)

    async def _open_typed(self) -> None:
        await self.open(self._path.value or "")

    async def open(self, text: str, *, as_clip: bool = False) -> None:
        """Open a path, and go on to the looks; list a folder.

        Args:
            text: The path.
            as_clip: Whether a folder is opened as a clip of its pictures.
        """
        studio = self._page.studio
        self._failure.set_visibility(False)
        try:
            path = studio.folders.find(text)
            if path.is_dir() and not as_clip:
                self._browse(path)
                return
            facts = await asyncio.to_thread(read_source_facts, path)
        except DreamFlowError as error:
            self._fail(describe_error(error))
            return
        studio.use(facts)
        self._page.show_view(LOOKS)

    def _browse(self, folder: Path) -> None:
        self._folder = folder
        self._list()

    def _list(self) -> None:
        """List the folder."""
        folders = self._page.studio.folders
        self._where.set_text(str(self._folder))
        self._files.clear()
        with self._files:
            for root in folders.roots:
                if root != self._folder:
                    is_dropped = root == self._page.studio.uploads.folder
                    name = "Dropped files" if is_dropped else str(root)
                    self._add(root, name, is_folder=True)
            if self._folder not in folders.roots:
                self._add(self._folder.parent, "..", is_folder=True)
            listed = folders.list(self._folder)
            for one in listed:
                self._add(one.path, one.path.name, one.is_folder)
        pictures = sum(one.path.suffix.lower() in PICTURE_SUFFIXES for one in listed)
        self._as_clip.set_visibility(pictures > 1)
        self._as_clip.set_text(f"Open its {pictures} pictures as a clip")

    async def _open_as_clip(self) -> None:
        await self.open(str(self._folder), as_clip=True)

    def _add(self, path: Path, name: str, is_folder: bool) -> None:
        async def choose() -> None:
            await self.open(str(path))

        text_button(f"{name}/" if is_folder and name != ".." else name, choose, "file")
