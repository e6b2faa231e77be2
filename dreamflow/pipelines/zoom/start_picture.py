"""The picture that a zoom begins with, and the output that it makes."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dreamflow.core.errors import IneffectiveSettingWarning, named
from dreamflow.core.options.values import fit_size, parse_size
from dreamflow.core.schedules.timecode import Moment
from dreamflow.dream.options import DreamOptions
from dreamflow.media.options import DEFAULT_FRAME_TIMECODE, EncodeOptions, FilmOptions
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.read.single_frame import decode_first_frame, open_frames_up_to
from dreamflow.media.resize import resize_picture
from dreamflow.media.sound.options import SoundOptions
from dreamflow.media.write.containers import ignored_encode_settings
from dreamflow.pipelines.hearing import add_music
from dreamflow.pipelines.settings.options import ZoomOptions
from dreamflow.pipelines.zoom.pipeline import make_zoom_timeline
from dreamflow.temporal.noise_base import coloured_noise

DEFAULT_ZOOM_SIZE = "640"
NOISE_SIZE_PX = (1920, 1080)
"""Width and height whose aspect a zoom into noise has, where its size is only a longer side."""

SETTINGS_OF_DEPTH = ("hdr", "bleed", "output_space", "layers_out")
"""Settings of an output that add a dream to its source, which a zoom does not have."""


@dataclass(frozen=True)
class ZoomSettings:
    """All the settings of a zoom, in their groups."""

    dream: DreamOptions = DreamOptions()
    zoom: ZoomOptions = ZoomOptions()
    encode: EncodeOptions = EncodeOptions()
    film: FilmOptions = FilmOptions()
    sound: SoundOptions = SoundOptions()


def make_zoom_start_picture(
    source: Path | None,
    settings: ZoomSettings,
    at: str = DEFAULT_FRAME_TIMECODE,
) -> np.ndarray:
    """Return the picture that a zoom begins with, of the size of its frames.

    Args:
        source: A picture or a clip; None for coloured noise. It is cropped about the zoom's first
            centre where the size has another aspect.
        settings: The zoom's settings.
        at: Timecode of the frame of a clip.

    Returns:
        uint8 (H, W, 3) RGB.

    Raises:
        MediaError: The source cannot be read.
        SettingsError: The size is not valid, or the clip has no such frame.
    """
    zoom = settings.zoom
    size = zoom.size or DEFAULT_ZOOM_SIZE
    exact_size = parse_size(size)
    if source is None:
        noise_size = exact_size or fit_size(size, *NOISE_SIZE_PX)
        return coloured_noise(*noise_size, settings.dream.seed)
    clip = settings.film.clip_options()
    picture = decode_first_frame(open_frames_up_to(source, at, options=clip)).picture
    height, width = picture.shape[:2]
    if exact_size is None:
        return resize_picture(picture, *fit_size(size, width, height))
    first = zoom.at(Moment())
    scale = min(width / exact_size[0], height / exact_size[1])
    crop_width, crop_height = round(scale * exact_size[0]), round(scale * exact_size[1])
    left = round((width - crop_width) * first.centre_x / 100)
    top = round((height - crop_height) * first.centre_y / 100)
    return resize_picture(picture[top : top + crop_height, left : left + crop_width], *exact_size)


def make_zoom_output_spec(
    settings: ZoomSettings, picture: np.ndarray, *sources: Path
) -> OutputSpec:
    """Return the size, timing and sound of a zoom that begins with a picture, uint8 (H, W, 3).

    Raises:
        MediaError: The file of the sound holds none.
    """
    timeline = make_zoom_timeline(settings.zoom)
    height, width = picture.shape[:2]
    frames = int(timeline.length * timeline.rate)
    spec = OutputSpec.at_constant_rate(width, height, timeline.rate, frames, *sources)
    return add_music(spec, settings.sound)


def warn_of_idle_settings(out: Path, encode: EncodeOptions) -> None:
    """Warn of settings that a zoom ignores, other than those that its output's format ignores."""
    said, _ = ignored_encode_settings(out)
    for name in SETTINGS_OF_DEPTH:
        if name not in said and getattr(encode, name) != getattr(EncodeOptions, name):
            warnings.warn(
                f"{named(name)} does nothing for a zoom: its pictures have 8 bits of SDR",
                IneffectiveSettingWarning,
                2,
            )
