"""The guide to the layers, written as a folder: a web page and its pictures.

A picture's two files say that it is done, so there is no other state that could go wrong: the same
command goes on where it was stopped, and one for other layers adds them to the page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dreamflow.core.errors import OutputError, SettingsError
from dreamflow.core.frames import Frame
from dreamflow.core.options.declaration import flag_of
from dreamflow.media.atomic_file import temporary_path
from dreamflow.media.resize import resize_picture
from dreamflow.media.stills import write_picture
from dreamflow.media.write.metadata import FOLDER_SETTINGS_FILE, format_record_comment, read_record
from dreamflow.networks.network import Network
from dreamflow.pipelines.settings.groups import diff_settings
from dreamflow.reports.guide.page import INDEX_FILE, LayerEntry, render_guide_page

PICTURES_FOLDER, THUMBNAILS_FOLDER = "pictures", "thumbnails"
SOURCE_PICTURE_FILE = "00_source.jpg"
THUMBNAIL_SIDE_PX = 420
"""Longer side of a thumbnail: sharp at 210 on a screen with two dots a pixel."""
THUMBNAIL_QUALITY = 84


@dataclass
class Guide:
    """A guide as it stands: which layers it shows, and what became of them.

    done: layers with a picture. made: those of them that are new. failed: why, by layer.
    """

    folder: Path
    layers: tuple[str, ...]
    done_layers: list[str] = field(default_factory=list)
    new_layers: list[str] = field(default_factory=list)
    failure_by_layer: dict[str, str] = field(default_factory=dict)

    @property
    def page_path(self) -> Path:
        """The web page."""
        return self.folder / INDEX_FILE


def check_guide_folder(out: Path) -> None:
    """Raise OutputError where a guide cannot be written, or would mix with other files."""
    if out.suffix.lower() in (".html", ".htm"):
        raise OutputError(f"{out}: a guide is a folder; give it a name without suffix")
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out} is a file; a guide is a folder: give it another name")
    if not out.resolve().parent.is_dir():
        raise OutputError(f"the folder {out.resolve().parent} does not exist; make it first")
    if out.is_dir() and not (out / FOLDER_SETTINGS_FILE).exists():
        strange = next((path for path in out.iterdir() if not path.name.startswith(".")), None)
        if strange:
            raise OutputError(f"{out} holds other files ({strange.name}); name a new folder")
    if (out / FOLDER_SETTINGS_FILE).exists():
        read_guide_record(out)


def read_guide_record(out: Path) -> dict[str, Any]:
    """Return the record of the guide in a folder. Raises OutputError where it is none."""
    try:
        record = read_record(out)
    except SettingsError:
        record = {}
    if record.get("command") != "guide":
        raise OutputError(f"{out} holds something else than a guide; name a new folder")
    return record


def describe_record_changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Return in words what of a guide's record would give other pictures than those there."""
    found: list[str] = []
    if old.get("source") != new["source"]:
        found.append(f"the picture is {new['source']} (it was {old.get('source')})")
    before, now = old.get("settings", {}), new["settings"]
    another = old.get("picture") != new["picture"]
    for name, was in diff_settings(before, now).items():
        # The size matters only as far as it gives another picture.
        if name in now and (another or name != "size"):
            found.append(f"{flag_of(name)} {now[name]} (it was {was})")
    if another and old.get("at") != new["at"]:
        found.append(f"--at {new['at']} (it was {old.get('at')})")
    weights = (old.get("network", {}), new["network"])
    if weights[0] != weights[1] and before.get("network") == now["network"]:
        found.append("the network's weights are others")
    if another and not found:
        found.append(f"{new['source']} has changed")
    return found


class GuideFolder:
    """The files of a guide."""

    def __init__(
        self,
        source: Path,
        out: Path,
        frame: Frame,
        network: Network,
        record: dict[str, Any],
        weights: Path | None,
    ) -> None:
        self.source = source
        self.out = out
        self.frame = frame
        self.network = network
        self.record = record
        self.weights = weights
        numbered = enumerate(network.layers, start=1)
        self.file_by_layer = {name: layer_file_name(number, name) for number, name in numbered}

    def create_or_resume(self, overwrite: bool) -> None:
        """Make the folder, or go on with the one that is there.

        Raises SettingsError where that one was made otherwise, OutputError where it is no guide.
        """
        if (self.out / FOLDER_SETTINGS_FILE).exists():
            old = read_guide_record(self.out)
            if not overwrite and (differ := describe_record_changes(old, self.record)):
                raise SettingsError(
                    f"{self.out} was made otherwise: {', '.join(differ)}; name a new folder, or "
                    "add --overwrite to begin anew"
                )
            if overwrite:
                self._remove_pictures()
        text = json.dumps(self.record, ensure_ascii=False, indent=2) + "\n"
        try:
            self.out.mkdir(exist_ok=True)
            write_text_atomically(
                self.out / FOLDER_SETTINGS_FILE, text
            )  # first: it says that the folder is ours
            for name in (PICTURES_FOLDER, THUMBNAILS_FOLDER):
                (self.out / name).mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.out} cannot be written: {error.strerror}") from error
        self._write_picture(SOURCE_PICTURE_FILE, self.frame.picture, "")

    def _remove_pictures(self) -> None:
        for name in (PICTURES_FOLDER, THUMBNAILS_FOLDER):
            for file in (self.out / name).glob("[0-9]*_*.jpg"):
                file.unlink()
        (self.out / INDEX_FILE).unlink(missing_ok=True)

    def load_guide(self, chosen: Sequence[str]) -> Guide:
        """Return the guide to the layers chosen, and to those that are there from before."""
        there = [
            name
            for name, file in self.file_by_layer.items()
            if all(
                (self.out / folder / file).exists()
                for folder in (PICTURES_FOLDER, THUMBNAILS_FOLDER)
            )
        ]
        shown = tuple(name for name in self.file_by_layer if name in chosen or name in there)
        return Guide(self.out, shown, there)

    def add_layer(self, guide: Guide, layer: str, picture: np.ndarray | None, failure: str) -> None:
        """Add what became of a layer, and write the page anew."""
        if picture is None:
            guide.failure_by_layer[layer] = failure
        else:
            record = {**self.record, "settings": {**self.record["settings"], "layer": [layer]}}
            self._write_picture(self.file_by_layer[layer], picture, format_record_comment(record))
            guide.done_layers.append(layer)
            guide.new_layers.append(layer)
        self.write_page(guide)

    def _write_picture(self, file: str, picture: np.ndarray, comment: str) -> None:
        height, width = picture.shape[:2]
        scale = min(1.0, THUMBNAIL_SIDE_PX / max(height, width))
        small = resize_picture(picture, max(1, round(width * scale)), max(1, round(height * scale)))
        write_picture(self.out / THUMBNAILS_FOLDER / file, small, quality=THUMBNAIL_QUALITY)
        write_picture(self.out / PICTURES_FOLDER / file, picture, comment)

    def write_page(self, guide: Guide) -> None:
        """Write the page as the guide stands."""
        shown = [
            LayerEntry(
                self.network.layers[name],
                f"{PICTURES_FOLDER}/{self.file_by_layer[name]}"
                if name in guide.done_layers
                else "",
                f"{THUMBNAILS_FOLDER}/{self.file_by_layer[name]}",
                guide.failure_by_layer.get(name, ""),
            )
            for name in guide.layers
        ]
        source = (
            f"{PICTURES_FOLDER}/{SOURCE_PICTURE_FILE}",
            f"{THUMBNAILS_FOLDER}/{SOURCE_PICTURE_FILE}",
        )
        write_text_atomically(
            guide.page_path,
            render_guide_page(self.record, self.source, shown, source, self.weights),
        )


def layer_file_name(number: int, layer: str) -> str:
    """Return the name of a layer's picture: plain, and sorted shallow to deep."""
    return f"{number:02d}_{re.sub(r'[^A-Za-z0-9_.]+', '-', layer)}.jpg"


def write_text_atomically(path: Path, text: str) -> None:
    """Write a text file, whole or not at all. Raises OutputError."""
    part = temporary_path(path, "part")
    try:
        # A name that is not in the system's encoding has no UTF-8.
        part.write_text(text, encoding="utf-8", errors="replace")
        part.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
