"""Video codecs: FFmpeg's encoder options, pixel format and colour tags, by codec and quality."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from dreamflow.core.errors import DependencyError, SettingsError, named
from dreamflow.media.options import EncodeOptions
from dreamflow.media.write.ffmpeg import ffmpeg_path
from dreamflow.media.write.pixel_aspect import pixel_aspect_filter

X264_CRF_BY_QUALITY = {"draft": 26, "good": 17, "master": 11}
"""Constant rate factor on x264's scale, from 0, lossless, to 51."""
SPEED_INDEX_BY_QUALITY = {"draft": 0, "good": 1, "master": 2}
"""Index of an encoder's speed preset, fastest first."""
VPX_AV1_CRF_SCALE = 63 / 51
"""Units of VP9's and AV1's scale, 0 to 63, in one of x264's, 0 to 51."""
PLANAR_RGB_PIXEL_FORMAT = "gbrp"
EVEN_SIDED_CODECS = ("h264", "h265", "av1", "prores")
"""Codecs that need an even width and height where chroma is subsampled."""
ACCURATE_SWSCALE_FLAGS = "bicubic+accurate_rnd+full_chroma_int"
"""swscale's flags for rounding to the nearest level instead of down."""


@dataclass(frozen=True)
class VideoEncoding:
    """How a video stream is encoded.

    Attributes:
        codec: Name of the codec.
        pixel_format: FFmpeg's name of the pixel format.
        encoder_options: FFmpeg's options of the encoder.
        segment_suffix: Suffix of the files that hold segments before the output is finished.
        muxer_options: FFmpeg's options of the finished file.
        joined_options: FFmpeg's options of the joined segments, as an input.
    """

    codec: str
    pixel_format: str
    encoder_options: tuple[str, ...]
    segment_suffix: str = ".mp4"
    muxer_options: tuple[str, ...] = ()
    joined_options: tuple[str, ...] = ()

    @property
    def is_rgb(self) -> bool:
        """Whether pixels are stored as RGB, so that nothing is lost by conversion."""
        return self.pixel_format == PLANAR_RGB_PIXEL_FORMAT

    @property
    def needs_even_sides(self) -> bool:
        """Whether width and height must be even."""
        return self.codec in EVEN_SIDED_CODECS and not self.is_rgb

    def ffmpeg_options(self, pixel_aspect: Fraction | None = None) -> list[str]:
        """Return ffmpeg's options that convert, tag and encode raw RGB frames.

        Filters set the colour tags; ffmpeg drops the plain -color_* options.

        Args:
            pixel_aspect: Width of a pixel over its height; None to leave it untagged.
        """
        filters = [f"format={self.pixel_format}"]
        if not self.is_rgb:
            scale = f"scale=out_color_matrix=bt709:out_range=tv:flags={ACCURATE_SWSCALE_FLAGS}"
            filters.insert(0, scale)
        matrix, colour_range = ("gbr", "pc") if self.is_rgb else ("bt709", "tv")
        tags = f"colorspace={matrix}:color_primaries=bt709:color_trc=bt709:range={colour_range}"
        filters.append(f"setparams={tags}")
        if pixel_aspect:
            filters.append(pixel_aspect_filter(pixel_aspect))
        return ["-vf", ",".join(filters), *self.encoder_options]


def lossless_rgb_encoding() -> VideoEncoding:
    """Return a fast lossless encoding of segments, for outputs that are encoded at the end."""
    return VideoEncoding(
        "exact", PLANAR_RGB_PIXEL_FORMAT, ("-c:v", "libx264rgb", "-qp", "0", "-preset", "ultrafast")
    )


def x264_crf(encode: EncodeOptions) -> int:
    """Return the constant rate factor on x264's scale, 0 (best) to 51."""
    return X264_CRF_BY_QUALITY[encode.quality] if encode.crf is None else encode.crf


def _choose_by_quality(encode: EncodeOptions, fastest_first: tuple[str, str, str]) -> str:
    return fastest_first[SPEED_INDEX_BY_QUALITY[encode.quality]]


def _make_h264_encoding(encode: EncodeOptions) -> VideoEncoding:
    preset = _choose_by_quality(encode, ("veryfast", "medium", "slow"))
    if encode.lossless:
        return VideoEncoding(
            "h264", PLANAR_RGB_PIXEL_FORMAT, ("-c:v", "libx264rgb", "-qp", "0", "-preset", preset)
        )
    # No B-frames: they are softer and slightly other in colour than the frames between them, so
    # that dreams pulse. Measured on a dreamed pan: sharpness changes by 9% from frame to frame
    # with them and by 0.8% without, mean red by 0.7 and 0.05 levels; files are half as large again.
    encoder = ("-c:v", "libx264", "-crf", str(x264_crf(encode)), "-preset", preset, "-bf", "0")
    return VideoEncoding("h264", "yuv420p", encoder)


def _make_h265_encoding(encode: EncodeOptions) -> VideoEncoding:
    preset = _choose_by_quality(encode, ("veryfast", "medium", "slow"))
    tag = ("-tag:v", "hvc1")  # QuickTime plays no other
    common = ("-preset", preset, *tag, "-x265-params")
    if encode.lossless:
        return VideoEncoding(
            "h265",
            PLANAR_RGB_PIXEL_FORMAT,
            ("-c:v", "libx265", *common, "log-level=0:lossless=1"),
            muxer_options=tag,
        )
    pixels = "yuv420p10le" if encode.quality == "master" else "yuv420p"
    encoder = ("-c:v", "libx265", "-crf", str(x264_crf(encode)), *common, "log-level=0")
    return VideoEncoding("h265", pixels, encoder, muxer_options=tag)


def _make_av1_encoding(encode: EncodeOptions) -> VideoEncoding:
    if encode.lossless:
        raise SettingsError(
            f"{named('codec')} av1 is not written without loss; choose h264, vp9 or ffv1",
            setting="lossless",
            value=True,
            allowed="codec h264, h265, vp9 or ffv1",
        )
    preset = _choose_by_quality(encode, ("10", "8", "6"))
    pixels = "yuv420p10le" if encode.quality == "master" else "yuv420p"
    crf = str(max(1, round(x264_crf(encode) * VPX_AV1_CRF_SCALE)))
    return VideoEncoding("av1", pixels, ("-c:v", "libsvtav1", "-crf", crf, "-preset", preset))


def _make_vp9_encoding(encode: EncodeOptions) -> VideoEncoding:
    speed = ("-row-mt", "1", "-cpu-used", _choose_by_quality(encode, ("6", "4", "2")))
    if encode.lossless:
        return VideoEncoding(
            "vp9", PLANAR_RGB_PIXEL_FORMAT, ("-c:v", "libvpx-vp9", "-lossless", "1", *speed)
        )
    crf = str(round(x264_crf(encode) * VPX_AV1_CRF_SCALE))
    return VideoEncoding("vp9", "yuv420p", ("-c:v", "libvpx-vp9", "-crf", crf, "-b:v", "0", *speed))


def _make_prores_encoding(encode: EncodeOptions) -> VideoEncoding:
    if encode.lossless or encode.crf is not None:
        setting = "lossless" if encode.lossless else "crf"
        raise SettingsError(
            f"{named('codec')} prores has no {named(setting)}; choose {named('quality')} draft, "
            "good or master",
            setting=setting,
            value=getattr(encode, setting),
            allowed="quality draft, good or master",
        )
    profile = _choose_by_quality(encode, ("lt", "hq", "4444"))
    tag = _choose_by_quality(encode, ("apcs", "apch", "ap4h"))
    pixels = "yuv444p10le" if encode.quality == "master" else "yuv422p10le"
    encoder = ("-c:v", "prores_ks", "-profile:v", profile, "-vendor", "apl0")
    return VideoEncoding("prores", pixels, encoder, ".mov", ("-tag:v", tag))


def _make_ffv1_encoding(encode: EncodeOptions) -> VideoEncoding:
    options = ("-level", "3", "-g", "1", "-slices", "4", "-slicecrc", "1")
    return VideoEncoding("ffv1", PLANAR_RGB_PIXEL_FORMAT, ("-c:v", "ffv1", *options), ".nut")


ENCODING_BY_CODEC: dict[str, tuple[Callable[[EncodeOptions], VideoEncoding], str]] = {
    "h264": (_make_h264_encoding, "libx264"),
    "h265": (_make_h265_encoding, "libx265"),
    "av1": (_make_av1_encoding, "libsvtav1"),
    "vp9": (_make_vp9_encoding, "libvpx-vp9"),
    "prores": (_make_prores_encoding, "prores_ks"),
    "ffv1": (_make_ffv1_encoding, "ffv1"),
}
"""By codec: what makes its VideoEncoding, and FFmpeg's name of the encoder."""


def make_video_encoding(codec: str, encode: EncodeOptions) -> VideoEncoding:
    """Return how a codec encodes video with these settings.

    Args:
        codec: A key of ENCODING_BY_CODEC.
        encode: Quality and whether to lose nothing; its codec does not count.

    Raises:
        SettingsError: The codec has no such quality.
        DependencyError: This ffmpeg lacks the encoder.
    """
    make, encoder = ENCODING_BY_CODEC[codec]
    encoding = make(encode)
    if codec != "h264" and encoder not in list_ffmpeg_encoders():
        raise DependencyError(
            f"this ffmpeg has no {encoder}, which {named('codec')} {codec} needs; "
            "`dreamflow doctor` lists what it has",
            setting="codec",
            value=codec,
        )
    return encoding


@cache
def list_ffmpeg_encoders() -> frozenset[str]:
    """Return the names of ffmpeg's encoders."""
    command = [ffmpeg_path(), "-hide_banner", "-encoders"]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [row.split() for row in listing.partition("------")[2].splitlines()]
    return frozenset(row[1] for row in rows if len(row) > 1)
