"""The guide to the layers, written as a folder: a web page and its pictures.

A picture's two files say that it is done, so there is no other state that could go wrong: the same
command goes on where it was stopped, and one for other layers adds them to the page.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dreamflow.errors import DreamFlowWarning, MediaError, OutputError, SettingsError
from dreamflow.frames import Frame
from dreamflow.journeys.guide import chosen_layers, dream_layers
from dreamflow.journeys.sheet import WIDEST_PX, contact_sheet
from dreamflow.media.interrupt import finished_first
from dreamflow.media.metadata import FOLDER_FILE, as_comment, read_record
from dreamflow.media.readers import fitted
from dreamflow.media.stills import read_picture, working_path, write_picture
from dreamflow.networks import Network
from dreamflow.options import (
    ClipOptions,
    DreamOptions,
    GuideDreamOptions,
    GuideOptions,
    fit_size,
)
from dreamflow.render.guide_page import INDEX, Shown, guide_page
from dreamflow.render.job import Progress, settings_record
from dreamflow.render.preview import frames_before

PICTURES, THUMBNAILS = "pictures", "thumbnails"
SOURCE_FILE = "00_source.jpg"
THUMBNAIL_PX = 420
"""Longer side of a thumbnail: sharp at 210 on a screen with two dots a pixel."""
THUMBNAIL_QUALITY = 84


@dataclass
class Guide:
    """A guide as it stands: which layers it shows, and what became of them.

    done: layers with a picture. made: those of them that are new. failed: why, by layer.
    """

    folder: Path
    layers: tuple[str, ...]
    done: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def page(self) -> Path:
        """The web page."""
        return self.folder / INDEX


def make_guide(
    source: str | Path,
    out: str | Path,
    network: Network,
    layers: Sequence[str] = (),
    options: DreamOptions | None = None,
    *,
    at: str = GuideOptions.at,
    size: str | None = GuideOptions.size,
    category: Sequence[str] = (),
    sheet: str | Path | None = None,
    weights: Path | None = None,
    overwrite: bool = False,
    progress: Progress = lambda done: None,
) -> Guide:
    """Dream a picture on each layer of a network, and write a web page that shows them.

    source: a picture, or a clip of which the frame at `at` is taken. out: the folder; pictures that
    are in it already are kept. layers, category: which ones; all where neither is given. options:
    how hard; its own layers do not count. sheet: a picture of all of them besides. weights: file to
    name in the commands that the page shows. overwrite: begin the folder anew. progress: called
    with the number of layers done of those chosen.

    A layer that fails is noted on the page, and a DreamFlowWarning says so at the end. Raises
    OutputError for a folder that holds something else or cannot be written, SettingsError for one
    that was made with other settings or of another picture.
    """
    source, out = Path(source), Path(out)
    options = options or GuideDreamOptions()
    chosen = chosen_layers(network.name, network.layers, layers, category)
    check_folder(out)
    frames = frames_before(source, at, 0, size)
    frame = next(iter(frames), None)
    if frame is None:
        raise MediaError("the frame wanted does not decode; choose an earlier one with --at")
    record = guide_record(source, frame, network, options, ClipOptions(size=size))
    record["at"] = None if isinstance(frames, tuple) else at
    folder = GuideFolder(source, out, frame, network, record, weights)
    folder.begin(overwrite)
    guide = folder.guide(chosen)
    folder.write_page(guide)
    todo = [name for name in chosen if name not in guide.done]
    there = len(chosen) - len(todo)
    progress(there)
    try:
        for number, dreamed in enumerate(dream_layers(frame, network, todo, options), there + 1):
            with finished_first():
                folder.add(guide, dreamed.layer, dreamed.picture, dreamed.failure)
            progress(number)
    except BaseException as error:
        error.add_note(
            f"{len(guide.done)} of {len(guide.layers)} layers are in {guide.page}; "
            "the same command goes on"
        )
        raise
    if sheet is not None:
        write_sheet(Path(sheet), folder, guide)
    if guide.failed:
        warnings.warn(failures(guide), DreamFlowWarning, 2)
    return guide


def guide_record(
    source: Path, frame: Frame, network: Network, options: DreamOptions, clip: ClipOptions
) -> dict[str, Any]:
    """Return what is kept with a guide: its settings, and which picture it is of."""
    record = settings_record("guide", source, network, options, clip)
    record["settings"].pop("layer")
    height, width = frame.picture.shape[:2]
    digest = hashlib.sha256(frame.picture.tobytes()).hexdigest()
    record["picture"] = {"width": width, "height": height, "frame": frame.index, "sha256": digest}
    return record


def check_folder(out: Path) -> None:
    """Raise OutputError where a guide cannot be written, or would mix with other files."""
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out} is a file; a guide is a folder: give it another name")
    if not out.resolve().parent.is_dir():
        raise OutputError(f"the folder {out.resolve().parent} does not exist; make it first")
    if out.is_dir() and not (out / FOLDER_FILE).exists():
        strange = next(iter(out.iterdir()), None)
        if strange:
            raise OutputError(f"{out} holds other files ({strange.name}); name a new folder")
    if (out / FOLDER_FILE).exists():
        record_of(out)


def record_of(out: Path) -> dict[str, Any]:
    """Return the record of the guide in a folder. Raises OutputError where it is none."""
    try:
        record = read_record(out)
    except SettingsError:
        record = {}
    if record.get("command") != "guide":
        raise OutputError(f"{out} holds something else than a guide; name a new folder")
    return record


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Return in words what of a guide's record would give other pictures than those there."""
    found: list[str] = []
    if old.get("source") != new["source"]:
        found.append(f"the picture is {new['source']} (it was {old.get('source')})")
    before, now = old.get("settings", {}), new["settings"]
    another = old.get("picture") != new["picture"]
    for name, value in now.items():
        # The size matters only as far as it gives another picture.
        if before.get(name) != value and (another or name != "size"):
            found.append(f"--{name.replace('_', '-')} {value} (it was {before.get(name)})")
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
        self.files = {name: layer_file(number, name) for number, name in numbered}

    def begin(self, overwrite: bool) -> None:
        """Make the folder, or go on with the one that is there.

        Raises SettingsError where that one was made otherwise, OutputError where it is no guide.
        """
        if (self.out / FOLDER_FILE).exists():
            old = record_of(self.out)
            if not overwrite and (differ := differences(old, self.record)):
                raise SettingsError(
                    f"{self.out} was made otherwise: {', '.join(differ)}; name a new folder, or "
                    "add --overwrite to begin anew"
                )
            if overwrite:
                self._clear()
        try:
            for name in (PICTURES, THUMBNAILS):
                (self.out / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.out} cannot be written: {error.strerror}") from error
        text = json.dumps(self.record, ensure_ascii=False, indent=2) + "\n"
        write_text(self.out / FOLDER_FILE, text)
        self._write(SOURCE_FILE, self.frame.picture, "")

    def _clear(self) -> None:
        for name in (PICTURES, THUMBNAILS):
            for file in (self.out / name).glob("[0-9]*_*.jpg"):
                file.unlink()
        (self.out / INDEX).unlink(missing_ok=True)

    def guide(self, chosen: Sequence[str]) -> Guide:
        """Return the guide to the layers chosen, and to those that are there from before."""
        there = [name for name, file in self.files.items() if (self.out / PICTURES / file).exists()]
        shown = tuple(name for name in self.files if name in chosen or name in there)
        return Guide(self.out, shown, there)

    def add(self, guide: Guide, layer: str, picture: np.ndarray | None, failure: str) -> None:
        """Add what became of a layer, and write the page anew."""
        if picture is None:
            guide.failed[layer] = failure
        else:
            record = {**self.record, "settings": {**self.record["settings"], "layer": [layer]}}
            self._write(self.files[layer], picture, as_comment(record))
            guide.done.append(layer)
            guide.made.append(layer)
        self.write_page(guide)

    def _write(self, file: str, picture: np.ndarray, comment: str) -> None:
        height, width = picture.shape[:2]
        scale = min(1.0, THUMBNAIL_PX / max(height, width))
        small = fitted(picture, max(1, round(width * scale)), max(1, round(height * scale)))
        write_picture(self.out / THUMBNAILS / file, small, quality=THUMBNAIL_QUALITY)
        write_picture(self.out / PICTURES / file, picture, comment)

    def write_page(self, guide: Guide) -> None:
        """Write the page as the guide stands."""
        shown = [
            Shown(
                self.network.layers[name],
                f"{PICTURES}/{self.files[name]}" if name in guide.done else "",
                f"{THUMBNAILS}/{self.files[name]}",
                guide.failed.get(name, ""),
            )
            for name in guide.layers
        ]
        source = (f"{PICTURES}/{SOURCE_FILE}", f"{THUMBNAILS}/{SOURCE_FILE}")
        write_text(guide.page, guide_page(self.record, self.source, shown, source, self.weights))


def layer_file(number: int, layer: str) -> str:
    """Return the name of a layer's picture: plain, and sorted shallow to deep."""
    return f"{number:02d}_{re.sub(r'[^A-Za-z0-9_.]+', '-', layer)}.jpg"


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all. Raises OutputError."""
    part = working_path(path, "part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def check_sheet(sheet: Path, overwrite: bool) -> None:
    """Raise OutputError where a sheet must not be written; one of a guide is written anew."""
    from dreamflow.media.stills import WRITABLE
    from dreamflow.media.writer import check_output

    if sheet.suffix.lower() not in WRITABLE:
        raise OutputError(f"{sheet}: a sheet is written as {', '.join(WRITABLE)}")
    try:
        ours = sheet.is_file() and read_record(sheet).get("command") == "guide"
    except SettingsError:
        ours = False
    check_output(sheet, overwrite or ours)


def write_sheet(sheet: Path, folder: GuideFolder, guide: Guide) -> None:
    """Draw the source and the layers that are done on one picture."""
    files = {"source": SOURCE_FILE} | {n: f for n, f in folder.files.items() if n in guide.done}
    height, width = folder.frame.picture.shape[:2]
    # No larger than a sheet of so many shows them: all are held at once.
    limit = min(max(width, height), round(WIDEST_PX / math.sqrt(len(files))))
    wide, high = fit_size(str(limit), width, height)
    pictures = [
        fitted(read_picture(folder.out / PICTURES / file), wide, high) for file in files.values()
    ]
    write_picture(sheet, contact_sheet(pictures, list(files)), as_comment(folder.record))


def failures(guide: Guide) -> str:
    """Return in one line which layers failed, and why."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in guide.failed.items():
        by_reason.setdefault(reason.replace(name, "it"), []).append(name)
    parts = [f"{listed(names)}: {reason}" for reason, names in by_reason.items()]
    return "; ".join(parts)


def listed(names: list[str]) -> str:
    """Return up to three names, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
