"""A zoom rendered into a file."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from dreamflow.core.errors import SettingsError
from dreamflow.core.options.values import fit_size, parse_size
from dreamflow.dream.options import DreamOptions
from dreamflow.jobs.job import RenderControls, RenderResult, render_job
from dreamflow.jobs.picked_channels import resolve_channel_picks
from dreamflow.jobs.storage.folder import is_job_folder, job_folder_path
from dreamflow.media.options import DEFAULT_FRAME_TIMECODE, EncodeOptions
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.decoders import resize_picture
from dreamflow.media.read.single_frame import decode_first_frame, open_frames_up_to
from dreamflow.media.stills import is_still, read_picture
from dreamflow.media.write.metadata import REQUESTED_SETTINGS_KEY, read_record
from dreamflow.media.write.picture_segments import frame_file_name
from dreamflow.networks.network import Network
from dreamflow.pipelines.inputs import InputFiles
from dreamflow.pipelines.noise import coloured_noise
from dreamflow.pipelines.reference_frames import list_reference_files
from dreamflow.pipelines.settings.groups import diff_settings
from dreamflow.pipelines.settings.options import ZoomOptions
from dreamflow.pipelines.settings.record import build_settings_record
from dreamflow.pipelines.zoom.pipeline import ZoomPipeline, make_zoom_timeline, schedule_zoom_layers
from dreamflow.pipelines.zoom.reversed import ReversedPlayback

DEFAULT_ZOOM_SIZE = "640"
NOISE_SIZE_PX = (1920, 1080)
COMPARED_RECORD_KEYS = ("network", "source", "picture_sha256")
NOISE_SOURCE = Path("noise")
"""What stands for the source in the record of a zoom out of nothing."""


@dataclass(frozen=True)
class ZoomSettings:
    """All the settings of a zoom, in their groups."""

    dream: DreamOptions = DreamOptions()
    zoom: ZoomOptions = ZoomOptions()
    encode: EncodeOptions = EncodeOptions()


def make_zoom_start_picture(
    source: Path | None, settings: ZoomSettings, at: str = DEFAULT_FRAME_TIMECODE
) -> np.ndarray:
    """Return what a zoom begins with, uint8 (H, W, 3) RGB, of the size of its frames.

    source: a picture, or a clip of which the frame at `at` is taken; it is cropped about the zoom's
    centre where the size has another aspect. None makes noise. Raises MediaError, or SettingsError
    for a size that is none, or a frame that there is not.
    """
    zoom = settings.zoom
    size = zoom.size or DEFAULT_ZOOM_SIZE
    exact = parse_size(size)
    if source is None:
        wide, high = exact or fit_size(size, *NOISE_SIZE_PX)
        return coloured_noise(wide, high, settings.dream.seed)
    picture = decode_first_frame(open_frames_up_to(source, at, 0, None)).picture
    height, width = picture.shape[:2]
    if exact is None:
        return resize_picture(picture, *fit_size(size, width, height))
    first = zoom.at(make_zoom_timeline(zoom).moment_at(Fraction(0)))
    scale = min(width / exact[0], height / exact[1])
    wide, high = round(scale * exact[0]), round(scale * exact[1])
    left = round((width - wide) * first.centre_x / 100)
    top = round((height - high) * first.centre_y / 100)
    return resize_picture(picture[top : top + high, left : left + wide], *exact)


def make_zoom_output_spec(
    settings: ZoomSettings, picture: np.ndarray, *sources: Path
) -> OutputSpec:
    """Return size and timing of a zoom's film."""
    timeline = make_zoom_timeline(settings.zoom)
    height, width = picture.shape[:2]
    frames = int(timeline.length * timeline.rate)
    return OutputSpec.at_constant_rate(width, height, timeline.rate, frames, *sources)


def forward_frames_folder(out: Path) -> Path:
    """Return the folder that the frames of a zoom out lie in until the last one is dreamed."""
    return out.resolve().with_name(f"{out.stem.replace('.', '_')}_forwards")


def render_zoom(
    source: Path | None,
    picture: np.ndarray,
    out: Path,
    network: Network,
    settings: ZoomSettings,
    controls: RenderControls | None = None,
    at: str = DEFAULT_FRAME_TIMECODE,
) -> RenderResult:
    """Dream a zoom into a file.

    source: where the picture is from, for the record; None for noise. picture, at: see
    `first_picture`. A zoom out is dreamed into a folder of frames first, and then shown backwards.
    See `render` for what it raises, and how it goes on.
    """
    controls = controls or RenderControls()
    made_by = forward_frames_folder(out) if settings.zoom.reverse else out
    dream = schedule_zoom_layers(settings.zoom, settings.dream)
    dream, more = resolve_channel_picks(dream, network, lambda: picture, made_by, controls)
    if more:
        more[REQUESTED_SETTINGS_KEY] |= {
            "layer": list(settings.dream.layer),
            "layers": settings.zoom.layers,
        }
        settings = replace(settings, dream=dream, zoom=replace(settings.zoom, layers=None))
    groups = (settings.dream, settings.zoom, settings.encode)
    record = build_settings_record("zoom", source or NOISE_SOURCE, network, *groups) | more
    sources = [source] if source else []
    outline = make_zoom_output_spec(settings, picture, *sources)
    inputs: InputFiles = {}
    if source and is_still(source):
        inputs = {"picture": [source]}
    elif source:
        record["at"] = at
        inputs = {f"frame at {at}": Clip(source).files}
    inputs = {**inputs, **list_reference_files(settings.dream)}
    rest = (outline, settings.encode, record, inputs, network.device)

    def journey() -> ZoomPipeline:
        return ZoomPipeline(picture, network, settings.dream, settings.zoom)

    if not settings.zoom.reverse:
        return render_job(journey(), out, *rest, controls)
    folder, count, dreamed = forward_frames_folder(out), outline.frames, 0
    record["picture_sha256"] = hashlib.sha256(picture.tobytes()).hexdigest()
    # A job that was killed when its frames were in their place is cleared away by going on.
    if (
        controls.fresh
        or not has_all_frames(folder, record, count)
        or is_job_folder(job_folder_path(folder))
    ):
        inwards = replace(
            controls,
            progress=lambda done, total: controls.progress(done, 2 * count),
            overwrite=True,
        )
        dreamed = render_job(journey(), folder, *rest, inwards).dreamed_frames
    frames = [folder / frame_file_name(number) for number in range(count)]
    backwards = ReversedPlayback(lambda n: read_picture(frames[n]), count, outline.rate)
    outwards = replace(
        controls,
        progress=lambda done, total: controls.progress(count + done, 2 * count),
        watch_path=None,
    )
    done = render_job(backwards, out, *rest, outwards)
    shutil.rmtree(folder, ignore_errors=True)
    return replace(done, dreamed_frames=dreamed)


def has_all_frames(folder: Path, record: dict[str, Any], count: int) -> bool:
    """Return whether a folder holds all `count` frames of a zoom, dreamed with these settings.

    Raises SettingsError where they are those of another one.
    """
    if not folder.exists():
        return False
    try:
        made = read_record(folder)
    except SettingsError:
        made = {}
    others = diff_settings(made.get("settings", {}), record["settings"])
    if others or any(made.get(name) != record[name] for name in COMPARED_RECORD_KEYS):
        raise SettingsError(
            f"{folder} holds other frames: remove it, or give --fresh to dream this zoom anew"
        )
    return all((folder / frame_file_name(number)).exists() for number in range(count))
