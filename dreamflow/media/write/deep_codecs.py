"""How films of more than 8 bits, of HDR and with transparency are encoded."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property

import av

from dreamflow.core.errors import ConvertedOutputWarning, SettingsError, named
from dreamflow.media.colour.carried_tags import ColourTags
from dreamflow.media.colour.hdr_tone_mapping import H273_BT709, H273_BT2020
from dreamflow.media.options import EncodeOptions
from dreamflow.media.sample_format import SampleFormat
from dreamflow.media.write.codecs import (
    ACCURATE_SWSCALE_FLAGS,
    VideoEncoding,
    make_video_encoding,
)
from dreamflow.media.write.ffmpeg import has_ffmpeg_option
from dreamflow.media.write.pixel_aspect import pixel_aspect_filter

DEEP_CODECS = ("h265", "av1", "prores", "ffv1")
"""Codecs whose films keep more than 8 bits, and HDR."""
ALPHA_CODECS = ("prores", "ffv1")
"""Codecs whose films keep transparency."""
PLAYED_PIXEL_FORMAT = "yuv420p10le"
"""Pixel format of the films of 10 bits that players play."""
PRORES_ALPHA_PIXEL_FORMAT = "yuva444p10le"
FFV1_NAME_OF_PACKED = {"rgb48le": "gbrp16le", "rgba64le": "gbrap16le", "rgba": "bgra"}
"""How FFV1 holds RGB that comes as it lies in pictures."""
MAX_X265_BITS = 12
"""Most bits of a sample that x265 encodes."""


@dataclass(frozen=True)
class DeepVideoEncoding(VideoEncoding):
    """How a video stream is encoded from frames in depth.

    Attributes:
        samples: The samples of the frames as they come.
    """

    samples: SampleFormat = field(kw_only=True)

    @property
    def is_rgb(self) -> bool:
        """Whether pixels are stored as RGB."""
        return bool(av.VideoFormat(self.pixel_format).is_rgb)

    @property
    def bits(self) -> int:
        """Bits of a sample in the film."""
        return av.VideoFormat(self.pixel_format).components[0].bits

    @property
    def film_tags(self) -> ColourTags:
        """The tags of the film: RGB that becomes YUV gets a matrix; ProRes has limited range."""
        tags = self.samples.tags
        if self.is_rgb:
            return tags
        if self.samples.is_rgb:
            matrix = H273_BT2020 if tags.primaries == H273_BT2020 else H273_BT709
            return replace(tags, matrix=matrix, is_full_range=False)
        return replace(tags, is_full_range=tags.is_full_range and self.codec != "prores")

    @cached_property
    def loses_mastering_data(self) -> bool:
        """Whether this ffmpeg cannot write what the source says of its mastering display."""
        tags = self.samples.tags
        is_stated = bool(tags.mastering_display or tags.content_light)
        return is_stated and not has_ffmpeg_option("mastering_display")

    def ffmpeg_input_options(self) -> list[str]:
        """Return ffmpeg's options of the frames as they come."""
        if self.loses_mastering_data:
            return []
        tags, options = self.samples.tags, list[str]()
        for name in ("mastering_display", "content_light"):
            options += [f"-{name}", getattr(tags, name)] if getattr(tags, name) else []
        return options

    def ffmpeg_options(self, pixel_aspect: Fraction | None = None) -> list[str]:
        """Return ffmpeg's options that convert, tag and encode the frames.

        Args:
            pixel_aspect: Width of a pixel over its height; None to leave it untagged.
        """
        source, film = self.samples.tags, self.film_tags
        filters = [source.setparams]
        if (self.pixel_format, film) != (self.samples.pixel_format, source):
            scale = [f"out_range={film.ffmpeg_range}", f"flags={ACCURATE_SWSCALE_FLAGS}"]
            if film.matrix != source.matrix:
                name = "bt2020" if film.matrix == H273_BT2020 else "bt709"
                scale.insert(0, f"out_color_matrix={name}")
            filters += [f"scale={':'.join(scale)}", f"format={self.pixel_format}", film.setparams]
        if pixel_aspect:
            filters.append(pixel_aspect_filter(pixel_aspect))
        # FFV1's encoder takes limited range alone, unless it is told otherwise.
        return ["-vf", ",".join(filters), "-color_range", film.ffmpeg_range, *self.encoder_options]


def make_deep_encoding(
    codec: str, encode: EncodeOptions, samples: SampleFormat
) -> DeepVideoEncoding:
    """Return how a codec encodes frames in depth with these settings.

    Args:
        codec: One of DEEP_CODECS; of ALPHA_CODECS, where the frames have alpha.
        encode: Quality and whether to lose nothing; its codec does not count.
        samples: The samples of the frames.

    Raises:
        SettingsError: The codec has no such quality, or cannot keep every sample as it is asked to.
        DependencyError: This ffmpeg lacks the encoder.
    """
    if codec == "prores" and samples.has_alpha:
        encode = replace(encode, quality="master")  # of its kinds, 4444 alone has alpha
    plain = make_video_encoding(codec, encode)
    pixel_format = _choose_pixel_format(codec, plain.pixel_format, encode, samples)
    encoding = DeepVideoEncoding(
        codec,
        pixel_format,
        plain.encoder_options,
        plain.segment_suffix,
        plain.muxer_options,
        samples=samples,
    )
    if codec != "ffv1":
        return encoding
    # Segments of FFV1, in .nut, have no tags.
    return replace(
        encoding,
        muxer_options=_tag_options(encoding.film_tags),
        joined_options=tuple(encoding.ffmpeg_input_options()),
    )


def _choose_pixel_format(
    codec: str, usual: str, encode: EncodeOptions, samples: SampleFormat
) -> str:
    if codec == "prores":
        return PRORES_ALPHA_PIXEL_FORMAT if samples.has_alpha else usual
    if codec == "ffv1":
        return FFV1_NAME_OF_PACKED.get(samples.pixel_format, samples.pixel_format)
    if codec == "h265" and encode.lossless:
        return _choose_lossless_h265_format(samples)
    return PLAYED_PIXEL_FORMAT


def _tag_options(tags: ColourTags) -> tuple[str, ...]:
    """Return ffmpeg's options that tag a video stream which is not encoded again."""
    options = ("-colorspace:v", str(tags.matrix), "-color_primaries:v", str(tags.primaries))
    return (*options, "-color_trc:v", str(tags.transfer), "-color_range:v", tags.ffmpeg_range)


def warn_of_lost_depth(encoding: VideoEncoding) -> None:
    """Warn of what a film in depth does not keep of its source."""
    if not isinstance(encoding, DeepVideoEncoding):
        return
    if encoding.bits < encoding.samples.bits:
        warnings.warn(
            f"{encoding.codec} films have {encoding.bits} bits a channel: the source's "
            f"{encoding.samples.bits} are rounded; {named('codec')} ffv1 keeps them",
            ConvertedOutputWarning,
            2,
        )
    if encoding.loses_mastering_data:
        warnings.warn(
            "this ffmpeg does not write the brightness of the mastering display, which the source "
            "states: a newer imageio-ffmpeg does",
            ConvertedOutputWarning,
            2,
        )


def _choose_lossless_h265_format(samples: SampleFormat) -> str:
    if samples.bits > MAX_X265_BITS:
        raise SettingsError(
            f"{named('codec')} h265 keeps at most {MAX_X265_BITS} bits without loss, and the "
            f"source has {samples.bits}: choose ffv1",
            setting="lossless",
            value=True,
            allowed="codec ffv1",
        )
    return samples.pixel_format
