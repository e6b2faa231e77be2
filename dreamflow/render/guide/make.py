"""The guide to the layers, from a picture and a network to a folder."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dreamflow.errors import DreamFlowWarning, OutputError, SettingsError
from dreamflow.frames import Frame
from dreamflow.journeys.guide import chosen_layers, dream_layers
from dreamflow.journeys.sheet import WIDEST_PX, contact_sheet
from dreamflow.media.interrupt import finished_first
from dreamflow.media.metadata import as_comment, read_record
from dreamflow.media.readers import fitted
from dreamflow.media.stills import WRITABLE, read_picture, write_picture
from dreamflow.media.writer import check_output
from dreamflow.networks import Network
from dreamflow.options import (
    ClipOptions,
    DreamOptions,
    GuideDreamOptions,
    GuideOptions,
    fit_size,
)
from dreamflow.render.guide.folder import PICTURES, SOURCE_FILE, Guide, GuideFolder, check_folder
from dreamflow.render.job import Progress
from dreamflow.render.preview import first_of, frames_before
from dreamflow.render.record import settings_record
from dreamflow.wording import counted


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
    frame = first_of(frames)
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
            f"{len(guide.done)} of {counted(len(guide.layers), 'layer')} are in {guide.page}; "
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


def check_sheet(sheet: Path, overwrite: bool) -> None:
    """Raise OutputError where a sheet must not be written; one of a guide is written anew."""
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
    count = "one layer" if len(guide.failed) == 1 else f"{len(guide.failed)} layers"
    return f"{count} failed: {'; '.join(parts)}"


def listed(names: list[str]) -> str:
    """Return up to three names, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
