"""How a film's picture is encoded: a codec, a quality, and the pixels and colour tags with them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from dreamflow.errors import DependencyError, SettingsError
from dreamflow.media.ffmpeg import ffmpeg_path
from dreamflow.options import EncodeOptions

CRF = {"draft": 26, "good": 17, "master": 11}
"""What a quality is on x264's scale, from 0, lossless, to 51."""
SPEED = {"draft": 0, "good": 1, "master": 2}
"""Which of an encoder's three speeds a quality takes."""
VPX_SCALE = 63 / 51
"""VP9 and AV1 count from 0 to 63 where x264 counts to 51."""
GBR = "gbrp"


@dataclass(frozen=True)
class Recipe:
    """How a film's picture is encoded.

    codec: its name. pixels: FFmpeg's name of its pixel format. encoder: FFmpeg's options. chunk:
    suffix of the files that hold it until it is whole. join: options for the finished file.
    """

    codec: str
    pixels: str
    encoder: tuple[str, ...]
    chunk: str = ".mp4"
    join: tuple[str, ...] = ()

    @property
    def even(self) -> bool:
        """Whether both sides must be even."""
        return self.codec in ("h264", "h265", "av1", "prores") and self.pixels != GBR

    def options(self, aspect: str | None = None) -> list[str]:
        """Return ffmpeg's options for raw RGB frames. aspect: of a pixel, where not square.

        The picture is converted and tagged by filters; ffmpeg drops the plain -color_* options.
        """
        matrix, span = ("gbr", "pc") if self.pixels == GBR else ("bt709", "tv")
        filters = [f"format={self.pixels}"]
        if self.pixels != GBR:
            exact = "bicubic+accurate_rnd+full_chroma_int"
            filters.insert(0, f"scale=out_color_matrix=bt709:out_range=tv:flags={exact}")
        tags = f"colorspace={matrix}:color_primaries=bt709:color_trc=bt709:range={span}"
        filters.append(f"setparams={tags}")
        if aspect:
            # Without a maximum, setsar rounds to integers below 100.
            filters.append(f"setsar={aspect}:max=65535")
        return ["-vf", ",".join(filters), *self.encoder]


def exact_rgb() -> Recipe:
    """Return the recipe of chunks that lose nothing, for what is encoded when it is whole."""
    return Recipe("exact", GBR, ("-c:v", "libx264rgb", "-qp", "0", "-preset", "ultrafast"))


def crf_of(encode: EncodeOptions) -> int:
    """Return the quality on x264's scale."""
    return CRF[encode.quality] if encode.crf is None else encode.crf


def _h264(encode: EncodeOptions) -> Recipe:
    preset = ("veryfast", "medium", "slow")[SPEED[encode.quality]]
    if encode.lossless:
        return Recipe("h264", GBR, ("-c:v", "libx264rgb", "-qp", "0", "-preset", preset))
    # No B-frames: they are softer and of a slightly other colour than those between, and a dream
    # pulses with them. Of a dreamed pan the sharpness changed by 9% from frame to frame with them
    # and by 0.8% without, the mean red by 0.7 and 0.05 levels; the film is half as large again.
    encoder = ("-c:v", "libx264", "-crf", str(crf_of(encode)), "-preset", preset, "-bf", "0")
    return Recipe("h264", "yuv420p", encoder)


def _h265(encode: EncodeOptions) -> Recipe:
    preset = ("veryfast", "medium", "slow")[SPEED[encode.quality]]
    # QuickTime plays hvc1 only.
    quiet = ("-preset", preset, "-tag:v", "hvc1", "-x265-params")
    tag = ("-tag:v", "hvc1")
    if encode.lossless:
        return Recipe("h265", GBR, ("-c:v", "libx265", *quiet, "log-level=0:lossless=1"), join=tag)
    pixels = "yuv420p10le" if encode.quality == "master" else "yuv420p"
    encoder = ("-c:v", "libx265", "-crf", str(crf_of(encode)), *quiet, "log-level=0")
    return Recipe("h265", pixels, encoder, join=tag)


def _av1(encode: EncodeOptions) -> Recipe:
    if encode.lossless:
        raise SettingsError("--codec av1 is not written without loss; choose h264, vp9 or ffv1")
    preset = ("10", "8", "6")[SPEED[encode.quality]]
    pixels = "yuv420p10le" if encode.quality == "master" else "yuv420p"
    crf = str(max(1, round(crf_of(encode) * VPX_SCALE)))
    return Recipe("av1", pixels, ("-c:v", "libsvtav1", "-crf", crf, "-preset", preset))


def _vp9(encode: EncodeOptions) -> Recipe:
    speed = ("-row-mt", "1", "-cpu-used", ("6", "4", "2")[SPEED[encode.quality]])
    if encode.lossless:
        return Recipe("vp9", GBR, ("-c:v", "libvpx-vp9", "-lossless", "1", *speed))
    crf = str(round(crf_of(encode) * VPX_SCALE))
    return Recipe("vp9", "yuv420p", ("-c:v", "libvpx-vp9", "-crf", crf, "-b:v", "0", *speed))


def _prores(encode: EncodeOptions) -> Recipe:
    if encode.lossless or encode.crf is not None:
        flag = "--lossless" if encode.lossless else "--crf"
        raise SettingsError(f"--codec prores has no {flag}; choose --quality draft, good or master")
    profile, tag = (("lt", "apcs"), ("hq", "apch"), ("4444", "ap4h"))[SPEED[encode.quality]]
    pixels = "yuv444p10le" if encode.quality == "master" else "yuv422p10le"
    encoder = ("-c:v", "prores_ks", "-profile:v", profile, "-vendor", "apl0")
    return Recipe("prores", pixels, encoder, ".mov", ("-tag:v", tag))


def _ffv1(encode: EncodeOptions) -> Recipe:
    options = ("-level", "3", "-g", "1", "-slices", "4", "-slicecrc", "1")
    return Recipe("ffv1", GBR, ("-c:v", "ffv1", *options), ".nut")


CODECS: dict[str, tuple[Callable[[EncodeOptions], Recipe], str]] = {
    "h264": (_h264, "libx264"),
    "h265": (_h265, "libx265"),
    "av1": (_av1, "libsvtav1"),
    "vp9": (_vp9, "libvpx-vp9"),
    "prores": (_prores, "prores_ks"),
    "ffv1": (_ffv1, "ffv1"),
}
"""How each codec is encoded, and FFmpeg's encoder."""


def recipe_of(codec: str, encode: EncodeOptions) -> Recipe:
    """Return how the picture of a film is encoded.

    Raises SettingsError where the codec cannot be written so, DependencyError where ffmpeg lacks
    it.
    """
    make, encoder = CODECS[codec]
    recipe = make(encode)
    if codec != "h264" and encoder not in encoders():
        raise DependencyError(
            f"this ffmpeg has no {encoder}, which --codec {codec} needs; `dreamflow doctor` lists "
            "what it has"
        )
    return recipe


@cache
def encoders() -> frozenset[str]:
    """Return the names of the encoders that ffmpeg has."""
    line = [ffmpeg_path(), "-hide_banner", "-encoders"]
    said = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    listed = said.partition("------")[2].splitlines()
    return frozenset(line.split()[1] for line in listed if len(line.split()) > 1)
