"""Builds the guide to the layers: from a picture and a network to a folder with a web page."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from dreamflow.core.callbacks import DoneCallback
from dreamflow.core.errors import OutputError, SettingsError, SkippedItemWarning
from dreamflow.core.frames import Frame
from dreamflow.core.interrupts import defer_interrupt
from dreamflow.core.options.values import fit_size
from dreamflow.core.text.wording import format_count
from dreamflow.dream.options import DreamOptions
from dreamflow.dream.progress import StepCallback
from dreamflow.media.options import ClipOptions, FilmOptions
from dreamflow.media.read.single_frame import decode_first_frame, open_frames_up_to
from dreamflow.media.records.embedded_settings import format_record_comment, read_record
from dreamflow.media.resize import resize_picture
from dreamflow.media.stills.read import read_picture
from dreamflow.media.stills.write import WRITABLE_PICTURE_SUFFIXES, write_picture
from dreamflow.media.write.output_path import check_output
from dreamflow.networks.network import Network
from dreamflow.pipelines.layer_choice import select_layers
from dreamflow.pipelines.settings.paths import publish_record
from dreamflow.pipelines.settings.record import build_settings_record
from dreamflow.reports.contact_sheet import MAX_SHEET_WIDTH_PX, draw_contact_sheet
from dreamflow.reports.guide.folder import (
    PICTURES_FOLDER,
    SOURCE_PICTURE_FILE,
    Guide,
    GuideFolder,
    check_guide_folder,
)
from dreamflow.reports.guide.layers import dream_layers
from dreamflow.reports.guide.workers import LayerWorkers
from dreamflow.reports.options import GuideDreamOptions, GuideOptions


def make_guide(
    source: str | Path,
    out: str | Path,
    network: Network,
    layers: Sequence[str] = (),
    options: DreamOptions | None = None,
    *,
    at: str = GuideOptions.at,
    size: str | None = GuideOptions.size,
    deinterlace: str = FilmOptions.deinterlace,
    video_track: str | int | None = None,
    category: Sequence[str] = (),
    sheet: str | Path | None = None,
    weights: Path | None = None,
    overwrite: bool = False,
    allow_playlist: bool = False,
    progress: DoneCallback = lambda done: None,
    on_step: StepCallback | None = None,
    workers: LayerWorkers | None = None,
) -> Guide:
    """Dream a picture on each layer of a network, and write a web page that shows them.

    A layer that fails is noted on the page, and a DreamFlowWarning reports it at the end.

    Args:
        source: A picture, or a clip of which one frame is taken.
        out: The guide's folder; pictures that are in it already are kept.
        network: Network to dream with.
        layers: Layers to show; with no `category` either, all of the network.
        options: Settings of the dreams; their own layers have no effect. None is the defaults.
        at: Timecode of the frame of a clip, such as `48`, `2s` or `40%`.
        size: WIDTHxHEIGHT to fit the picture into, or N for the longer side; None keeps its size.
        deinterlace: "auto" for a frame that is marked as interlaced, "on" for any, or "off".
        video_track: Number from 0 or language of a film's video track; None for the main one.
        category: Words; layers are shown whose category's name contains one of them.
        sheet: File of a contact sheet to draw besides.
        weights: File of weights that the commands on the page name.
        overwrite: Whether to start the folder over.
        allow_playlist: Whether the source may be an HLS playlist.
        progress: Called with the number of layers done.
        on_step: Called after each step of a dream, unless workers dream.
        workers: Dream several layers at the same time; None dreams them in this process.

    Returns:
        The guide, with the layers that are done, new and failed.

    Raises:
        OutputError: The folder holds something else, or cannot be written.
        SettingsError: The folder's guide has other settings or another picture, or the network does
            not have a layer.
    """
    source, out = Path(source), Path(out)
    options = options or GuideDreamOptions()
    chosen = select_layers(network.name, network.layers, layers, category)
    check_guide_folder(out)
    clip = ClipOptions(
        size=size,
        deinterlace=deinterlace,
        allow_playlist=allow_playlist,
        video_track=None if video_track is None else str(video_track),
    )
    frames = open_frames_up_to(source, at, options=clip)
    frame = decode_first_frame(frames)
    record = build_guide_record(source, frame, network, options, clip)
    record["at"] = None if isinstance(frames, tuple) else at
    record = publish_record(record, out)
    folder = GuideFolder(source, out, frame, network, record, weights)
    folder.create_or_resume(overwrite)
    guide = folder.load_guide(chosen)
    folder.write_page(guide)
    missing = [name for name in chosen if name not in guide.done_layers]
    done = len(chosen) - len(missing)
    progress(done)
    try:
        dreams = (
            dream_layers(frame, network, missing, options, on_step)
            if workers is None
            else workers.dream_layers(frame, missing, options)
        )
        for dreamed in dreams:
            with defer_interrupt():
                folder.add_layer(guide, dreamed.layer, dreamed.picture, dreamed.failure)
            done += 1
            progress(done)
    except BaseException as error:
        layers_of_guide = format_count(len(guide.layers), "layer")
        error.add_note(
            f"{len(guide.done_layers)} of {layers_of_guide} are in {guide.page_path}; the same "
            "command goes on"
        )
        raise
    if sheet is not None:
        write_guide_sheet(Path(sheet), folder, guide)
    if guide.failure_by_layer:
        warnings.warn(describe_failures(guide), SkippedItemWarning, 2)
    return guide


def build_guide_record(
    source: Path, frame: Frame, network: Network, options: DreamOptions, clip: ClipOptions
) -> dict[str, Any]:
    """Return the record that is saved with a guide: its settings, and its picture's digest."""
    record = build_settings_record("guide", source, network, options, clip)
    record["settings"].pop("layer")
    height, width = frame.picture.shape[:2]
    digest = hashlib.sha256(frame.picture.tobytes()).hexdigest()
    record["picture"] = {"width": width, "height": height, "frame": frame.index, "sha256": digest}
    return record


def check_sheet_path(sheet: Path, overwrite: bool, sources: Iterable[Path] = ()) -> None:
    """Check that a guide's sheet can be written; an existing sheet of a guide is replaced.

    Args:
        sheet: The file.
        overwrite: Whether any other picture may be replaced.
        sources: Files that must not be.

    Raises:
        OutputError: Its suffix is not a picture's, or another file is in the way.
    """
    if sheet.suffix.lower() not in WRITABLE_PICTURE_SUFFIXES:
        suffixes = ", ".join(WRITABLE_PICTURE_SUFFIXES)
        raise OutputError(
            f"{sheet}: a sheet is a picture: name it {suffixes}",
            setting="sheet",
            value=str(sheet),
            allowed=suffixes,
        )
    try:
        is_sheet = sheet.is_file() and read_record(sheet).get("command") == "guide"
    except SettingsError:
        is_sheet = False
    check_output(sheet, overwrite or is_sheet, sources)


def write_guide_sheet(sheet: Path, folder: GuideFolder, guide: Guide) -> None:
    """Draw the source and the layers that are done on one sheet."""
    done = {n: file for n, file in folder.file_by_layer.items() if n in guide.done_layers}
    files = {"source": SOURCE_PICTURE_FILE} | done
    height, width = folder.frame.picture.shape[:2]
    # No larger than the sheet shows them, since all are in memory at once.
    limit = min(max(width, height), round(MAX_SHEET_WIDTH_PX / math.sqrt(len(files))))
    wide, high = fit_size(str(limit), width, height)
    pictures = [
        resize_picture(read_picture(folder.out / PICTURES_FOLDER / file), wide, high)
        for file in files.values()
    ]
    write_picture(
        sheet, draw_contact_sheet(pictures, list(files)), format_record_comment(folder.record)
    )


def describe_failures(guide: Guide) -> str:
    """Return in one line which layers failed, and why."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in guide.failure_by_layer.items():
        by_reason.setdefault(reason.replace(name, "it"), []).append(name)
    parts = [f"{join_first_names(names)}: {reason}" for reason, names in by_reason.items()]
    failed = len(guide.failure_by_layer)
    count = "one layer" if failed == 1 else f"{failed} layers"
    return f"{count} failed: {'; '.join(parts)}"


def join_first_names(names: list[str]) -> str:
    """Return the first three names, and the number of the others."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
