"""Animated GIF and WebP from a finished lossless video, by ffmpeg."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dreamflow.media.atomic_file import part_path
from dreamflow.media.embedded_settings import format_record_comment
from dreamflow.media.options import EncodeOptions
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.picture_comments import add_gif_comment, add_webp_comment
from dreamflow.media.write import ffmpeg
from dreamflow.media.write.codecs import x264_crf
from dreamflow.media.write.pixel_aspect import square_pixel_filter

GIF_PALETTE_FILTER = "palettegen=stats_mode=diff"
GIF_DITHER_FILTER = "paletteuse=dither=sierra2_4a:diff_mode=rectangle"


def make_gif(
    joined: Path, output_path: Path, output_spec: OutputSpec, record: dict[str, Any]
) -> None:
    """Write an animated GIF that repeats for ever, with one palette for the whole video.

    Two passes, the palette first, so that memory stays small.

    Args:
        joined: The video.
        output_path: The GIF.
        output_spec: Its size and timing.
        record: Settings to embed; {} for none.

    Raises:
        OutputError: ffmpeg failed.
    """
    palette = part_path(output_path.with_name("palette.png"))
    square = square_pixel_filter(output_spec.pixel_aspect)
    source = ("-i", str(joined.absolute()))
    try:
        ffmpeg.run_ffmpeg_command(
            [
                *(*source, "-vf", f"{square},{GIF_PALETTE_FILTER}"),
                *("-update", "1", str(palette.absolute())),
            ],
            "choosing the palette",
        )
        ffmpeg.run_ffmpeg_command(
            [
                *(*source, "-i", str(palette.absolute()), "-lavfi"),
                f"[0:v]{square}[v];[v][1:v]{GIF_DITHER_FILTER}",
                *("-fps_mode", "passthrough", "-loop", "0", "-f", "gif"),
                str(output_path.absolute()),
            ],
            "writing the GIF",
        )
    finally:
        palette.unlink(missing_ok=True)
    if record:
        add_gif_comment(output_path, format_record_comment(record))


def make_webp(
    joined: Path,
    output_path: Path,
    encode: EncodeOptions,
    output_spec: OutputSpec,
    record: dict[str, Any],
) -> None:
    """Write an animated WebP that repeats for ever.

    Args:
        joined: The video.
        output_path: The WebP.
        encode: Its quality.
        output_spec: Its size and timing.
        record: Settings to embed; {} for none.

    Raises:
        OutputError: ffmpeg failed.
    """
    quality = ("-quality", f"{100 - x264_crf(encode):.0f}")
    square = square_pixel_filter(output_spec.pixel_aspect)
    ffmpeg.run_ffmpeg_command(
        [
            *("-i", str(joined.absolute()), "-vf", f"{square},format=bgra"),
            *("-c:v", "libwebp_anim", *(("-lossless", "1") if encode.lossless else quality)),
            *("-loop", "0", "-fps_mode", "passthrough"),
            *("-f", "webp", str(output_path.absolute())),
        ],
        "writing the WebP",
    )
    if record:
        add_webp_comment(output_path, format_record_comment(record, ascii_only=True))
