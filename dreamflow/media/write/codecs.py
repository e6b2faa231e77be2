"""How a film's picture is encoded: a codec, a quality, and the pixels and colour tags with them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from dreamflow.core.errors import DependencyError, SettingsError
from dreamflow.media.options import EncodeOptions
from dreamflow.media.write.ffmpeg import ffmpeg_path

X264_CRF_BY_QUALITY = {"draft": 26, "good": 17, "master": 11}
"""What a quality is on x264's scale, from 0, lossless, to 51."""
SPEED_INDEX_BY_QUALITY = {"draft": 0, "good": 1, "master": 2}
"""Which of an encoder's three speeds a quality takes."""
VPX_AV1_CRF_SCALE = 63 / 51
"""VP9 and AV1 count from 0 to 63 where x264 counts to 51."""
PLANAR_RGB_PIXEL_FORMAT = "gbrp"


@dataclass(frozen=True)
class VideoEncoding:
    """How a film's picture is encoded.

    codec: its name. pixels: FFmpeg's name of its pixel format. encoder: FFmpeg's options. chunk:
    suffix of the files that hold it until it is whole. join: options for the finished file.
    """

    codec: str
    pixel_format: str
    encoder_options: tuple[str, ...]
    segment_suffix: str = ".mp4"
    muxer_options: tuple[str, ...] = ()

    @property
    def needs_even_sides(self) -> bool:
        """Whether both sides must be even."""
        return (
            self.codec in ("h264", "h265", "av1", "prores")
            and self.pixel_format != PLANAR_RGB_PIXEL_FORMAT
        )

    def ffmpeg_options(self, pixel_aspect: str | None = None) -> list[str]:
        """Return ffmpeg's options for raw RGB frames. aspect: of a pixel, where not square.

        The picture is converted and tagged by filters; ffmpeg drops the plain -color_* options.
        """
        matrix, span = (
            ("gbr", "pc") if self.pixel_format == PLANAR_RGB_PIXEL_FORMAT else ("bt709", "tv")
        )
        filters = [f"format={self.pixel_format}"]
        if self.pixel_format != PLANAR_RGB_PIXEL_FORMAT:
            exact = "bicubic+accurate_rnd+full_chroma_int"
            filters.insert(0, f"scale=out_color_matrix=bt709:out_range=tv:flags={exact}")
        tags = f"colorspace={matrix}:color_primaries=bt709:color_trc=bt709:range={span}"
        filters.append(f"setparams={tags}")
        if pixel_aspect:
            # Without a maximum, setsar rounds to integers below 100.
            filters.append(f"setsar={pixel_aspect}:max=65535")
        return ["-vf", ",".join(filters), *self.encoder_options]


def lossless_rgb_encoding() -> VideoEncoding:
    """Return the recipe of chunks that lose nothing, for what is encoded when it is whole."""
    return VideoEncoding(
        "exact", PLANAR_RGB_PIXEL_FORMAT, ("-c:v", "libx264rgb", "-qp", "0", "-preset", "ultrafast")
    )


def x264_crf(encode: EncodeOptions) -> int:
    """Return the quality on x264's scale."""
    return X264_CRF_BY_QUALITY[encode.quality] if encode.crf is None else encode.crf


def _make_h264_encoding(encode: EncodeOptions) -> VideoEncoding:
    preset = ("veryfast", "medium", "slow")[SPEED_INDEX_BY_QUALITY[encode.quality]]
    if encode.lossless:
        return VideoEncoding(
            "h264", PLANAR_RGB_PIXEL_FORMAT, ("-c:v", "libx264rgb", "-qp", "0", "-preset", preset)
        )
    # No B-frames: they are softer and of a slightly other colour than those between, and a dream
    # pulses with them. Of a dreamed pan the sharpness changed by 9% from frame to frame with them
    # and by 0.8% without, the mean red by 0.7 and 0.05 levels; the film is half as large again.
    encoder = ("-c:v", "libx264", "-crf", str(x264_crf(encode)), "-preset", preset, "-bf", "0")
    return VideoEncoding("h264", "yuv420p", encoder)


def _make_h265_encoding(encode: EncodeOptions) -> VideoEncoding:
    preset = ("veryfast", "medium", "slow")[SPEED_INDEX_BY_QUALITY[encode.quality]]
    # QuickTime plays hvc1 only.
    quiet = ("-preset", preset, "-tag:v", "hvc1", "-x265-params")
    tag = ("-tag:v", "hvc1")
    if encode.lossless:
        return VideoEncoding(
            "h265",
            PLANAR_RGB_PIXEL_FORMAT,
            ("-c:v", "libx265", *quiet, "log-level=0:lossless=1"),
            muxer_options=tag,
        )
    pixels = "yuv420p10le" if encode.quality == "master" else "yuv420p"
    encoder = ("-c:v", "libx265", "-crf", str(x264_crf(encode)), *quiet, "log-level=0")
    return VideoEncoding("h265", pixels, encoder, muxer_options=tag)


def _make_av1_encoding(encode: EncodeOptions) -> VideoEncoding:
    if encode.lossless:
        raise SettingsError("--codec av1 is not written without loss; choose h264, vp9 or ffv1")
    preset = ("10", "8", "6")[SPEED_INDEX_BY_QUALITY[encode.quality]]
    pixels = "yuv420p10le" if encode.quality == "master" else "yuv420p"
    crf = str(max(1, round(x264_crf(encode) * VPX_AV1_CRF_SCALE)))
    return VideoEncoding("av1", pixels, ("-c:v", "libsvtav1", "-crf", crf, "-preset", preset))


def _make_vp9_encoding(encode: EncodeOptions) -> VideoEncoding:
    speed = ("-row-mt", "1", "-cpu-used", ("6", "4", "2")[SPEED_INDEX_BY_QUALITY[encode.quality]])
    if encode.lossless:
        return VideoEncoding(
            "vp9", PLANAR_RGB_PIXEL_FORMAT, ("-c:v", "libvpx-vp9", "-lossless", "1", *speed)
        )
    crf = str(round(x264_crf(encode) * VPX_AV1_CRF_SCALE))
    return VideoEncoding("vp9", "yuv420p", ("-c:v", "libvpx-vp9", "-crf", crf, "-b:v", "0", *speed))


def _make_prores_encoding(encode: EncodeOptions) -> VideoEncoding:
    if encode.lossless or encode.crf is not None:
        flag = "--lossless" if encode.lossless else "--crf"
        raise SettingsError(f"--codec prores has no {flag}; choose --quality draft, good or master")
    profile, tag = (("lt", "apcs"), ("hq", "apch"), ("4444", "ap4h"))[
        SPEED_INDEX_BY_QUALITY[encode.quality]
    ]
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
"""How each codec is encoded, and FFmpeg's encoder."""


def make_video_encoding(codec: str, encode: EncodeOptions) -> VideoEncoding:
    """Return how the picture of a film is encoded.

    Raises SettingsError where the codec cannot be written so, DependencyError where ffmpeg lacks
    it.
    """
    make, encoder = ENCODING_BY_CODEC[codec]
    recipe = make(encode)
    if codec != "h264" and encoder not in list_ffmpeg_encoders():
        raise DependencyError(
            f"this ffmpeg has no {encoder}, which --codec {codec} needs; `dreamflow doctor` lists "
            "what it has"
        )
    return recipe


@cache
def list_ffmpeg_encoders() -> frozenset[str]:
    """Return the names of the encoders that ffmpeg has."""
    line = [ffmpeg_path(), "-hide_banner", "-encoders"]
    said = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    listed = said.partition("------")[2].splitlines()
    return frozenset(line.split()[1] for line in listed if len(line.split()) > 1)
