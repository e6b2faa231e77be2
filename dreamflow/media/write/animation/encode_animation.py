"""Animated GIF and WebP from a finished lossless video, by ffmpeg."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from dreamflow.core.errors import LeftOutWarning
from dreamflow.core.text.wording import format_count
from dreamflow.media.files.atomic_file import part_path
from dreamflow.media.files.film_file import open_film
from dreamflow.media.options import EncodeOptions
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.records.embedded_settings import format_record_comment
from dreamflow.media.records.picture_comments import add_gif_comment, add_webp_comment
from dreamflow.media.write.animation.frame_delays import (
    ANIMATION_TIMING_BY_SUFFIX,
    AnimationTiming,
    ShownFrames,
    choose_shown_frames,
)
from dreamflow.media.write.animation.webp_length import set_webp_length
from dreamflow.media.write.codecs import x264_crf
from dreamflow.media.write.ffmpeg import FfmpegFramePipe
from dreamflow.media.write.frame_times import FrameTimes
from dreamflow.media.write.pixel_aspect import square_pixel_filter

GIF_PALETTE_FILTER = "palettegen=stats_mode=diff"
GIF_DITHER_FILTER = "paletteuse=dither=sierra2_4a:diff_mode=rectangle"


def make_gif(
    joined: Path,
    times: FrameTimes,
    output_path: Path,
    output_spec: OutputSpec,
    record: dict[str, Any],
) -> int:
    """Write an animated GIF that repeats for ever, with one palette for the whole video.

    Two passes, the palette first, so that memory stays small.

    Args:
        joined: The video.
        times: When its frames are shown.
        output_path: The GIF.
        output_spec: Its size and timing.
        record: Settings to embed; {} for none.

    Returns:
        The number of frames that it shows.

    Raises:
        OutputError: ffmpeg failed.
    """
    timing = ANIMATION_TIMING_BY_SUFFIX[".gif"]
    shown = _choose_frames(times, timing, output_spec)
    palette = part_path(output_path.with_name("palette.png"))
    square = square_pixel_filter(output_spec.pixel_aspect)
    last_delay = shown.end - max(shown.starts.values())
    try:
        # Of each frame the filter counts only what differs in the next one, and so of the last one
        # what differs in the first.
        around = chain(
            _read_shown_frames(joined, shown, timing.unit),
            (
                (shown.end * timing.unit, picture)
                for _, picture in islice(_read_shown_frames(joined, shown, timing.unit), 1)
            ),
        )
        to_palette = ["-vf", f"{square},{GIF_PALETTE_FILTER}", "-update", "1"]
        to_palette.append(str(palette.absolute()))
        _run_ffmpeg_on_frames(around, output_spec, timing.unit, to_palette)
        to_gif = ["-lavfi", f"[0:v]{square}[v];[v][1:v]{GIF_DITHER_FILTER}", "-loop", "0"]
        to_gif += ["-final_delay", str(last_delay), "-f", "gif", str(output_path.absolute())]
        frames = _read_shown_frames(joined, shown, timing.unit)
        _run_ffmpeg_on_frames(frames, output_spec, timing.unit, to_gif, [palette])
    finally:
        palette.unlink(missing_ok=True)
    if record:
        add_gif_comment(output_path, format_record_comment(record))
    return len(shown.starts)


def make_webp(
    joined: Path,
    times: FrameTimes,
    output_path: Path,
    encode: EncodeOptions,
    output_spec: OutputSpec,
    record: dict[str, Any],
) -> int:
    """Write an animated WebP that repeats for ever.

    Args:
        joined: The video.
        times: When its frames are shown.
        output_path: The WebP.
        encode: Its quality.
        output_spec: Its size and timing.
        record: Settings to embed; {} for none.

    Returns:
        The number of frames that it shows; the encoder may have merged equal ones.

    Raises:
        OutputError: ffmpeg failed.
    """
    timing = ANIMATION_TIMING_BY_SUFFIX[".webp"]
    shown = _choose_frames(times, timing, output_spec)
    quality = ("-quality", f"{100 - x264_crf(encode):.0f}")
    square = square_pixel_filter(output_spec.pixel_aspect)
    arguments = ["-vf", f"{square},format=bgra", "-c:v", "libwebp_anim"]
    arguments += ["-lossless", "1"] if encode.lossless else quality
    arguments += ["-loop", "0", "-f", "webp", str(output_path.absolute())]
    frames = _read_shown_frames(joined, shown, timing.unit)
    _run_ffmpeg_on_frames(frames, output_spec, timing.unit, arguments)
    set_webp_length(output_path, shown.end)
    if record:
        add_webp_comment(output_path, format_record_comment(record, ascii_only=True))
    return len(shown.starts)


def _choose_frames(
    times: FrameTimes, timing: AnimationTiming, output_spec: OutputSpec
) -> ShownFrames:
    shown = choose_shown_frames(times, timing)
    dropped = len(times.starts) - len(shown.starts)
    # Of a constant rate that is too high, the user was told before the first frame.
    if dropped and not output_spec.constant_rate:
        warnings.warn(
            f"{format_count(dropped, 'frame')} of {len(times.starts)} came too soon after the one "
            "before to be shown in an animated picture, and are left out; the length stays",
            LeftOutWarning,
            2,
        )
    return shown


def _run_ffmpeg_on_frames(
    frames: Iterable[tuple[Fraction, np.ndarray]],
    output_spec: OutputSpec,
    unit: Fraction,
    arguments: Sequence[str],
    inputs: Sequence[Path] = (),
) -> None:
    """Pipe frames, each with its time in seconds, into ffmpeg, which counts in this unit."""
    timing = ["-enc_time_base", f"{unit.numerator}:{unit.denominator}"]
    width, height = output_spec.width, output_spec.height
    pipe = FfmpegFramePipe(width, height, 1 / unit, False, [*timing, *arguments], inputs)
    try:
        for time, picture in frames:
            pipe.write(picture, time)
        pipe.close()
    except BaseException:
        pipe.kill()
        raise


def _read_shown_frames(
    joined: Path, shown: ShownFrames, unit: Fraction
) -> Iterator[tuple[Fraction, np.ndarray]]:
    """Yield the time in seconds and the picture of each frame that is shown."""
    with open_film(joined) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number in shown.starts:
                yield shown.starts[number] * unit, frame.to_ndarray(format="rgb24")
