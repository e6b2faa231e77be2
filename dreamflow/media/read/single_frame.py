"""One frame of a clip or picture, with the frames that lead up to it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dreamflow.core.errors import (
    ConvertedSourceWarning,
    IneffectiveSettingWarning,
    MediaError,
    named,
)
from dreamflow.core.frames import Frame
from dreamflow.core.options.declaration import option_fields
from dreamflow.core.text.wording import format_count
from dreamflow.media.depth.original import PictureOriginal
from dreamflow.media.depth.read import read_deep_picture, warn_of_notes
from dreamflow.media.depth.write import DeepOutput
from dreamflow.media.options import DEFAULT_FRAME_TIMECODE, ClipOptions, FilmOptions
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.input_space import find_input_coding, read_in_space
from dreamflow.media.read.originals import fit_to_picture
from dreamflow.media.sample_format import SampleFormat
from dreamflow.media.stills.read import is_picture, is_still, read_picture

SETTINGS_OF_STILLS = frozenset({"alpha", "exr_layer", "input_space", "working_space"})
"""Settings of `FilmOptions` that say how a still is read, too."""


def open_frames_up_to(
    source: Path,
    at: str = DEFAULT_FRAME_TIMECODE,
    run_in: int = 0,
    options: ClipOptions | None = None,
    flatten_alpha: bool = True,
    deep_output: DeepOutput | None = None,
) -> tuple[Frame, ...] | Clip:
    """Open one frame of a clip and some frames before it; of a picture, just the picture.

    Warns where `at`, `run_in` or a setting of films is given for a picture, where a picture is
    animated, and where the clip's pixels are not square.

    Args:
        source: A clip or a picture.
        at: Timecode of the frame, such as `48`, `2s` or `40%`.
        run_in: Frames before it to open too, fewer where the clip begins within them.
        options: The size, and how a film is read; None is the defaults.
        flatten_alpha: Whether a picture's transparency is laid over black, with a warning.
        deep_output: The output, where that keeps a picture's depth; None where it does not.

    Returns:
        A part of the clip that ends with the frame, or a tuple that holds the picture as a frame.

    Raises:
        MediaError: The source cannot be read.
        SettingsError: The clip has no such frame or track.
    """
    options = options or ClipOptions()
    if is_still(source):
        ineffective = [named("at")] if at != DEFAULT_FRAME_TIMECODE else []
        ineffective += [named("run_in")] if run_in else []
        film_settings = {setting.name for setting in option_fields(FilmOptions)}
        ineffective += [
            named(name)
            for name in sorted(film_settings - SETTINGS_OF_STILLS)
            if getattr(options, name) != getattr(FilmOptions, name)
        ]
        if ineffective:
            verb = "does" if len(ineffective) == 1 else "do"
            warnings.warn(
                f"{source.name} is a picture: {' and '.join(ineffective)} {verb} nothing for it",
                IneffectiveSettingWarning,
                2,
            )
        still = read_still(source, options, deep_output, flatten_alpha)
        return (Frame(0, Fraction(0), still.proxy, original=still.original),)
    return open_clip_up_to(Clip(source, options, deep_output), at, run_in)


def open_clip_up_to(clip: Clip, at: str = DEFAULT_FRAME_TIMECODE, run_in: int = 0) -> Clip:
    """Return the part of a clip that ends with a frame; warns as `open_frames_up_to` does.

    Args:
        clip: The clip.
        at: Timecode of the frame.
        run_in: Frames before it, fewer where the clip begins within them.

    Raises:
        SettingsError: The clip has no such frame.
    """
    source = clip.path
    if clip.info.pixel_aspect != 1:
        warnings.warn(
            f"the pixels of {source.name} are not square ({clip.info.pixel_aspect}): a picture of "
            "it looks squeezed, the video will not",
            ConvertedSourceWarning,
            2,
        )
    number = clip.parse_frame_number(at)
    if is_picture(source) and at == DEFAULT_FRAME_TIMECODE:
        warnings.warn(
            f"{source.name} is an animation of {format_count(clip.info.frames, 'frame')}: frame "
            f"{number} is taken; choose another with {named('at')}",
            ConvertedSourceWarning,
            2,
        )
    return clip.subclip(max(0, number - run_in), number + 1)


class StillPicture(NamedTuple):
    """A still picture, as it is dreamed and as an output keeps it.

    Attributes:
        proxy: uint8 (H, W, 3) RGB.
        original: The picture in the coding of the output; None where 8 bits have all of it.
        samples: What frames of the picture are made of, where the output is a film in depth.
    """

    proxy: np.ndarray
    original: PictureOriginal | None = None
    samples: SampleFormat | None = None


def read_still(
    path: Path,
    options: ClipOptions,
    output: DeepOutput | None = None,
    flatten_alpha: bool = True,
) -> StillPicture:
    """Read a still picture, in depth where an output keeps more than 8 bits of it.

    Args:
        path: The file.
        options: The size, the layer, the alpha and the colour space.
        output: The output; None where its format keeps 8 bits at most.
        flatten_alpha: Whether transparency is laid over black, with a warning, where the picture
            is not read in depth.

    Raises:
        MediaError: The picture cannot be read.
        SettingsError: There is no such layer or colour space.
        DependencyError: OpenColorIO or the library of its format is not installed.
    """
    coding = find_input_coding(options)
    if output is not None or coding is not None:
        deep = read_deep_picture(path, options.size, options.exr_layer, options.alpha)
        deep = read_in_space(deep, coding)
        fitted = output and fit_to_picture(output, deep.original, coding)
        if fitted is not None:
            warn_of_notes(path, deep)
            original = next(fitted.prepare_all([deep.original]))
            return StillPicture(deep.proxy, original, fitted.samples)
        if coding is not None:
            return StillPicture(deep.proxy)
    picture = read_picture(
        *(path, options.size),
        flatten_alpha=flatten_alpha,
        layer=options.exr_layer,
        alpha=options.alpha,
    )
    return StillPicture(picture)


def decode_first_frame(frames: Iterable[Frame]) -> Frame:
    """Return the first of a few frames.

    Raises:
        MediaError: It cannot be decoded.
    """
    decoded = list(frames)  # to the end, where a warning of what does not decode comes
    if not decoded:
        raise MediaError(
            f"the frame wanted cannot be decoded: choose an earlier one with {named('at')}"
        )
    return decoded[0]
