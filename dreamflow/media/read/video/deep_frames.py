"""Films decoded in their own depth: 10 bits and more, HDR, and transparency."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import av
import numpy as np

from dreamflow.media.colour.hdr_tone_mapping import PRIMARIES_XY_BY_H273
from dreamflow.media.colour.rgb_conversion import CODE_16_WHITE
from dreamflow.media.depth.codings import SDR_CODING, Coding
from dreamflow.media.depth.film_samples import FilmSamples
from dreamflow.media.depth.original import PictureOriginal
from dreamflow.media.depth.read import DeepPicture, as_deep_picture
from dreamflow.media.read.video.decoder_choice import read_video
from dreamflow.media.read.video.orientation import apply_orientation
from dreamflow.media.read.video.packet_decoding import DecodedFrame
from dreamflow.media.read.video.pyav_decoder import read_converted
from dreamflow.media.read.video.video_info import VideoInfo
from dreamflow.media.resize import letterbox
from dreamflow.media.sample_format import SampleFormat
from dreamflow.media.stills.decoded_picture import DecodedPicture


def is_deep_film(info: VideoInfo) -> bool:
    """Return whether a film's frames have more in them than 8-bit RGB of SDR."""
    if info.packets is None:
        return False
    components = av.VideoFormat(info.pixel_format).components
    is_high = any(component.bits > 8 for component in components)
    return is_high or info.colour.has_alpha or is_hdr_film(info)


def is_hdr_film(info: VideoInfo) -> bool:
    """Return whether a film is tone-mapped where it is shown in SDR."""
    return info.colour.hdr_transfer is not None and info.colour.hdr_transfer.is_hdr


def read_deep_video(
    info: VideoInfo,
    first: int,
    decoder: str,
    deinterlace: str,
    sample_format: SampleFormat | None = None,
) -> Iterator[tuple[int, DeepPicture]]:
    """Yield (index, picture) of a film from frame `first` on, in depth.

    Args:
        info: The probed film.
        first: Number of the first frame.
        decoder: As in `read_video`; counts for films of 8 bits alone.
        deinterlace: As in `read_video`.
        sample_format: In which the originals have the film's own samples, too; None for none.
    """
    if not is_deep_film(info) or info.colour.own_matrix is not None:
        pictures = read_video(info, first, decoder, deinterlace)
        return ((index, as_deep_picture(picture)) for index, picture in pictures)
    return read_converted(info, first, deinterlace, _DeepConversion(info, sample_format))


class _DeepConversion:
    """Conversion of frames to upright pictures in depth; repeated frames are kept."""

    def __init__(self, info: VideoInfo, sample_format: SampleFormat | None) -> None:
        self._info, self._coding = info, _find_coding(info)
        self._sample_format = sample_format
        self._kept: tuple[av.VideoFrame, DeepPicture] | None = None

    def __call__(self, item: DecodedFrame) -> DeepPicture:
        if self._kept is None or self._kept[0] is not item.frame:
            self._kept = item.frame, self._convert(item.frame)
        return self._kept[1]

    def _convert(self, frame: av.VideoFrame) -> DeepPicture:
        info, conversion = self._info, self._info.colour
        colours, alpha = conversion.to_deep_rgb(frame)
        # Straight colours: what is transparent is dreamed as it would be shown opaque.
        straight = _divide_by_alpha(colours, alpha) if conversion.is_premultiplied else colours
        if conversion.hdr_transfer:
            proxy = conversion.hdr_transfer.to_sdr(straight)
        elif alpha is None:
            proxy = conversion.to_rgb(frame)
        else:
            proxy = np.rint(straight / np.float32(257)).astype(np.uint8)
        proxy, colours = (apply_orientation(one, info.orientation) for one in (proxy, colours))
        if alpha is not None:
            alpha = apply_orientation(alpha[..., None], info.orientation)[..., 0]
        film = None
        if self._sample_format is not None:
            film = FilmSamples.of_frame(frame, self._sample_format, info.orientation)
        original = PictureOriginal(
            colours,
            self._coding,
            alpha,
            film=film,
            is_premultiplied=conversion.is_premultiplied,
            keeps_association=conversion.is_premultiplied,
        )
        size = info.width, info.height
        if proxy.shape[1::-1] == size:
            return DeepPicture(proxy, original, ())
        fitted = replace(  # a film that changes its size
            original,
            pixels=letterbox(colours, *size),
            alpha=None if alpha is None else letterbox(alpha, *size),
            film=film and film.letterboxed(*size),
        )
        return DeepPicture(letterbox(proxy, *size), fitted, ())


def _divide_by_alpha(colours: np.ndarray, alpha: np.ndarray | None) -> np.ndarray:
    opacity = None if alpha is None else alpha / np.float32(CODE_16_WHITE)
    return DecodedPicture(colours, opacity, is_premultiplied=True).unpremultiplied().pixels


def _find_coding(info: VideoInfo) -> Coding:
    transfer = info.colour.hdr_transfer
    if transfer is None:
        return SDR_CODING
    primaries = PRIMARIES_XY_BY_H273[transfer.primaries]
    return Coding(transfer.transfer, primaries, peak_nits=transfer.peak_nits)
