"""A zoom rendered into a file."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from dreamflow.errors import SettingsError
from dreamflow.journeys.backwards import BackwardsJourney
from dreamflow.journeys.exemplars import guide_files
from dreamflow.journeys.noise import coloured_noise
from dreamflow.journeys.zoom import ZoomJourney, layers_over, zoom_timeline
from dreamflow.media import Clip, is_still, read_picture
from dreamflow.media.folder import is_job, job_path
from dreamflow.media.metadata import ASKED, read_record
from dreamflow.media.outline import Outline
from dreamflow.media.readers import fitted
from dreamflow.media.reel_pictures import frame_name
from dreamflow.networks import Network
from dreamflow.options import (
    DreamOptions,
    EncodeOptions,
    GuideOptions,
    ZoomOptions,
    altered,
    fit_size,
    given_size,
)
from dreamflow.render.inputs import Inputs
from dreamflow.render.job import Handles, Rendered, render
from dreamflow.render.picking import pick_once
from dreamflow.render.preview import first_of, frames_before
from dreamflow.render.record import settings_record

USUAL_SIZE = "640"
NOISE_PX = (1920, 1080)
COMPARED = ("network", "source", "picture_sha256")
NOISE_NAME = Path("noise")
"""What stands for the source in the record of a zoom out of nothing."""


@dataclass(frozen=True)
class ZoomSettings:
    """All the settings of a zoom, in their groups."""

    dream: DreamOptions = DreamOptions()
    zoom: ZoomOptions = ZoomOptions()
    encode: EncodeOptions = EncodeOptions()


def first_picture(
    source: Path | None, settings: ZoomSettings, at: str = GuideOptions.at
) -> np.ndarray:
    """Return what a zoom begins with, uint8 (H, W, 3) RGB, of the size of its frames.

    source: a picture, or a clip of which the frame at `at` is taken; it is cropped about the zoom's
    centre where the size has another aspect. None makes noise. Raises MediaError, or SettingsError
    for a size that is none, or a frame that there is not.
    """
    zoom = settings.zoom
    size = zoom.size or USUAL_SIZE
    exact = given_size(size)
    if source is None:
        wide, high = exact or fit_size(size, *NOISE_PX)
        return coloured_noise(wide, high, settings.dream.seed)
    picture = first_of(frames_before(source, at, 0, None)).picture
    height, width = picture.shape[:2]
    if exact is None:
        return fitted(picture, *fit_size(size, width, height))
    first = zoom.at(zoom_timeline(zoom).at(Fraction(0)))
    scale = min(width / exact[0], height / exact[1])
    wide, high = round(scale * exact[0]), round(scale * exact[1])
    left = round((width - wide) * first.centre_x / 100)
    top = round((height - high) * first.centre_y / 100)
    return fitted(picture[top : top + high, left : left + wide], *exact)


def zoom_outline(settings: ZoomSettings, picture: np.ndarray, *sources: Path) -> Outline:
    """Return size and timing of a zoom's film."""
    timeline = zoom_timeline(settings.zoom)
    height, width = picture.shape[:2]
    frames = int(timeline.length * timeline.rate)
    return Outline.made(width, height, timeline.rate, frames, *sources)


def forwards_path(out: Path) -> Path:
    """Return the folder that the frames of a zoom out lie in until the last one is dreamed."""
    return out.resolve().with_name(f"{out.stem.replace('.', '_')}_forwards")


def render_zoom(
    source: Path | None,
    picture: np.ndarray,
    out: Path,
    network: Network,
    settings: ZoomSettings,
    handles: Handles | None = None,
    at: str = GuideOptions.at,
) -> Rendered:
    """Dream a zoom into a file.

    source: where the picture is from, for the record; None for noise. picture, at: see
    `first_picture`. A zoom out is dreamed into a folder of frames first, and then shown backwards.
    See `render` for what it raises, and how it goes on.
    """
    handles = handles or Handles()
    made_by = forwards_path(out) if settings.zoom.reverse else out
    dream = layers_over(settings.zoom, settings.dream)
    dream, more = pick_once(dream, network, lambda: picture, made_by, handles)
    if more:
        more[ASKED] |= {"layer": list(settings.dream.layer), "layers": settings.zoom.layers}
        settings = replace(settings, dream=dream, zoom=replace(settings.zoom, layers=None))
    groups = (settings.dream, settings.zoom, settings.encode)
    record = settings_record("zoom", source or NOISE_NAME, network, *groups) | more
    sources = [source] if source else []
    outline = zoom_outline(settings, picture, *sources)
    inputs: Inputs = {}
    if source and is_still(source):
        inputs = {"picture": [source]}
    elif source:
        record["at"] = at
        inputs = {f"frame at {at}": Clip(source).files}
    inputs = {**inputs, **guide_files(settings.dream)}
    rest = (outline, settings.encode, record, inputs, network.device)

    def journey() -> ZoomJourney:
        return ZoomJourney(picture, network, settings.dream, settings.zoom)

    if not settings.zoom.reverse:
        return render(journey(), out, *rest, handles)
    folder, count, dreamed = forwards_path(out), outline.frames, 0
    record["picture_sha256"] = hashlib.sha256(picture.tobytes()).hexdigest()
    # A job that was killed when its frames were in their place is cleared away by going on.
    if handles.fresh or not is_made(folder, record, count) or is_job(job_path(folder)):
        inwards = replace(
            handles,
            progress=lambda done, total: handles.progress(done, 2 * count),
            overwrite=True,
        )
        dreamed = render(journey(), folder, *rest, inwards).dreamed
    frames = [folder / frame_name(number) for number in range(count)]
    backwards = BackwardsJourney(lambda n: read_picture(frames[n]), count, outline.rate)
    outwards = replace(
        handles,
        progress=lambda done, total: handles.progress(count + done, 2 * count),
        watch=None,
    )
    done = render(backwards, out, *rest, outwards)
    shutil.rmtree(folder, ignore_errors=True)
    return replace(done, dreamed=dreamed)


def is_made(folder: Path, record: dict[str, Any], count: int) -> bool:
    """Return whether a folder holds all `count` frames of a zoom, dreamed with these settings.

    Raises SettingsError where they are those of another one.
    """
    if not folder.exists():
        return False
    try:
        made = read_record(folder)
    except SettingsError:
        made = {}
    others = altered(made.get("settings", {}), record["settings"])
    if others or any(made.get(name) != record[name] for name in COMPARED):
        raise SettingsError(
            f"{folder} holds other frames: remove it, or give --fresh to dream this zoom anew"
        )
    return all((folder / frame_name(number)).exists() for number in range(count))
