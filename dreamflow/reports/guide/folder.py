"""The folder of a guide to the layers: a web page, its pictures, and the guide's settings.

A layer is done when its picture and its thumbnail exist; there is no other state. The same command
continues a guide that was stopped, and one for other layers adds them to the page.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from dreamflow.core.errors import OutputError, SettingsError, named
from dreamflow.core.frames import Frame
from dreamflow.media.options import FilmOptions
from dreamflow.media.records.embedded_settings import (
    FOLDER_SETTINGS_FILE,
    format_record_comment,
    read_record,
    read_record_if_any,
)
from dreamflow.media.resize import resize_picture
from dreamflow.media.stills.write import write_picture
from dreamflow.networks.network import Network
from dreamflow.pipelines.settings.groups import diff_settings
from dreamflow.pipelines.settings.paths import publish_path, publish_record
from dreamflow.reports.guide.page import LayerEntry, render_guide_page
from dreamflow.reports.page_folder import INDEX_FILE, check_can_be_folder, write_page_text

PICTURES_FOLDER, THUMBNAILS_FOLDER = "pictures", "thumbnails"
SETTINGS_OF_THE_PICTURE = frozenset({"size", *(setting.name for setting in fields(FilmOptions))})
"""Settings of which another value matters only where it gives another picture to dream on."""
SOURCE_PICTURE_FILE = "00_source.jpg"
THUMBNAIL_SIDE_PX = 420
"""Longer side of a thumbnail: shown at 210 pixels, it is sharp on a high-density screen."""
THUMBNAIL_QUALITY = 84
"""JPEG quality of a thumbnail."""


@dataclass
class Guide:
    """A guide and the state of its layers.

    Attributes:
        folder: The guide's folder.
        layers: Layers that the page shows, shallow to deep.
        done_layers: Layers that have a picture.
        new_layers: Layers of these that were dreamed by this process.
        failure_by_layer: Reasons of the layers that failed.
    """

    folder: Path
    layers: tuple[str, ...]
    done_layers: list[str] = field(default_factory=list[str])
    new_layers: list[str] = field(default_factory=list[str])
    failure_by_layer: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def page_path(self) -> Path:
        """The web page."""
        return self.folder / INDEX_FILE


def check_guide_folder(out: Path) -> None:
    """Check that a guide can be written to a folder, new or of a guide.

    Raises:
        OutputError: It is a file or holds other files, or the folder that it is in does not exist.
    """
    check_can_be_folder(out, "a guide")
    if out.is_dir() and not (out / FOLDER_SETTINGS_FILE).exists():
        foreign = next((path for path in out.iterdir() if not path.name.startswith(".")), None)
        if foreign:
            raise OutputError(f"{out} holds other files ({foreign.name}); name a new folder")
    if (out / FOLDER_SETTINGS_FILE).exists():
        read_guide_record(out)


def read_guide_record(out: Path) -> dict[str, Any]:
    """Return the record of the guide in a folder.

    Raises:
        OutputError: The folder is not a guide's.
    """
    try:
        record = read_record(out)
    except SettingsError:
        record = {}
    if record.get("command") != "guide":
        raise OutputError(f"{out} holds an output that is not a guide; name a new folder")
    return record


def describe_record_changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Return in words how a guide's record differs where that would give other pictures."""
    changes: list[str] = []
    if old.get("source") != new["source"]:
        changes.append(f"the picture is {new['source']} (it was {old.get('source')})")
    old_settings, new_settings = old.get("settings", {}), new["settings"]
    picture_differs = old.get("picture") != new["picture"]
    for name, old_value in diff_settings(old_settings, new_settings).items():
        if name in new_settings and (picture_differs or name not in SETTINGS_OF_THE_PICTURE):
            changes.append(f"{named(name)} {new_settings[name]} (it was {old_value})")
    if picture_differs and old.get("at") != new["at"]:
        changes.append(f"{named('at')} {new['at']} (it was {old.get('at')})")
    same_network = old_settings.get("network") == new_settings["network"]
    if old.get("network", {}) != new["network"] and same_network:
        changes.append("the network's weights are others")
    if picture_differs and not changes:
        changes.append(f"{new['source']} has changed")
    return changes


class GuideFolder:
    """Writes the files of a guide.

    Attributes:
        source: The picture or clip.
        out: The guide's folder.
        frame: The picture that is dreamed on.
        network: The network.
        record: The record of the guide's settings.
        weights: File of weights that the commands on the page name.
        file_by_layer: Name of the picture of every layer of the network.
    """

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
        """Make the folder, or continue the guide that is in it.

        Args:
            overwrite: Whether to start that guide over.

        Raises:
            SettingsError: That guide has other settings or another picture.
            OutputError: The folder is not a guide's, or cannot be written.
        """
        if (self.out / FOLDER_SETTINGS_FILE).exists():
            old = publish_record(read_guide_record(self.out), self.out)
            if overwrite:
                self._remove_pictures()
            elif changes := describe_record_changes(old, self.record):
                raise SettingsError(
                    f"{self.out} holds a guide with other settings: {', '.join(changes)}; name a "
                    f"new folder, or add {named('overwrite')} to start over",
                    setting="overwrite",
                    where=str(self.out),
                )
        text = json.dumps(self.record, ensure_ascii=False, indent=2) + "\n"
        try:
            self.out.mkdir(exist_ok=True)
            # First, since this file marks the folder as a guide's.
            write_page_text(self.out / FOLDER_SETTINGS_FILE, text)
            for name in (PICTURES_FOLDER, THUMBNAILS_FOLDER):
                (self.out / name).mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.out} cannot be written: {error.strerror}") from error
        self._write_picture(SOURCE_PICTURE_FILE, self.frame.picture, "")

    def _remove_pictures(self) -> None:
        for picture in (self.out / PICTURES_FOLDER).glob("[0-9]*_*.jpg"):
            if is_guide_picture(picture):
                picture.unlink()
                (self.out / THUMBNAILS_FOLDER / picture.name).unlink(missing_ok=True)
        (self.out / INDEX_FILE).unlink(missing_ok=True)

    def load_guide(self, chosen: Sequence[str]) -> Guide:
        """Return the guide with the chosen layers, and those that are in the folder already."""
        folders = self.out / PICTURES_FOLDER, self.out / THUMBNAILS_FOLDER
        done = [
            name
            for name, file in self.file_by_layer.items()
            if all((folder / file).exists() for folder in folders)
        ]
        layers = tuple(name for name in self.file_by_layer if name in chosen or name in done)
        return Guide(self.out, layers, done)

    def add_layer(self, guide: Guide, layer: str, picture: np.ndarray | None, failure: str) -> None:
        """Add a layer to the guide, and rewrite the page.

        Args:
            guide: The guide.
            layer: Name of the layer.
            picture: Its dream, uint8 (H, W, 3) RGB; None where it failed.
            failure: Why it failed, or empty.
        """
        if picture is None:
            guide.failure_by_layer[layer] = failure
        else:
            record = {**self.record, "settings": {**self.record["settings"], "layer": [layer]}}
            self._write_picture(self.file_by_layer[layer], picture, format_record_comment(record))
            guide.done_layers.append(layer)
            guide.new_layers.append(layer)
        self.write_page(guide)

    def _write_picture(self, file: str, picture: np.ndarray, comment: str) -> None:
        target = self.out / PICTURES_FOLDER / file
        if file != SOURCE_PICTURE_FILE and os.path.lexists(target) and not is_guide_picture(target):
            raise OutputError(
                f"{target} is not of this guide's making: move it away", where=str(target)
            )
        height, width = picture.shape[:2]
        scale = min(1.0, THUMBNAIL_SIDE_PX / max(height, width))
        small = resize_picture(picture, max(1, round(width * scale)), max(1, round(height * scale)))
        write_picture(self.out / THUMBNAILS_FOLDER / file, small, quality=THUMBNAIL_QUALITY)
        write_picture(target, picture, comment)

    def write_page(self, guide: Guide) -> None:
        """Write the page with the current state of the guide."""
        entries = [
            LayerEntry(
                self.network.layers[name],
                f"{PICTURES_FOLDER}/{file}" if name in guide.done_layers else "",
                f"{THUMBNAILS_FOLDER}/{file}",
                guide.failure_by_layer.get(name, ""),
            )
            for name in guide.layers
            for file in (self.file_by_layer[name],)
        ]
        source = (
            f"{PICTURES_FOLDER}/{SOURCE_PICTURE_FILE}",
            f"{THUMBNAILS_FOLDER}/{SOURCE_PICTURE_FILE}",
        )
        named_source = publish_path(self.source, self.out)
        weights = None if self.weights is None else publish_path(self.weights, self.out)
        page = render_guide_page(self.record, named_source, entries, source, weights)
        write_page_text(guide.page_path, page)


def is_guide_picture(picture: Path) -> bool:
    """Return whether a picture is one that a guide has dreamed."""
    return picture.is_file() and read_record_if_any(picture).get("command") == "guide"


def layer_file_name(number: int, layer: str) -> str:
    """Return the file name of a layer's picture, which sorts shallow to deep."""
    return f"{number:02d}_{re.sub(r'[^A-Za-z0-9_.]+', '-', layer)}.jpg"
