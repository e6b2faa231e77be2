"""Writing a picture in depth, in the format of the path's suffix."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dreamflow.core.errors import ConvertedOutputWarning, named
from dreamflow.media.colour.carried_tags import H273_RGB
from dreamflow.media.colour.hdr_tone_mapping import (
    H273_BT2020,
    HDR_TRANSFER_BY_H273,
    PRIMARIES_XY_BY_H273,
)
from dreamflow.media.colour.primaries import Chromaticity
from dreamflow.media.depth.codings import Coding
from dreamflow.media.depth.colour_spaces import OcioCoding, find_coding
from dreamflow.media.depth.layers import collect_layers
from dreamflow.media.depth.original import PictureOriginal
from dreamflow.media.depth.write_exr import write_exr
from dreamflow.media.depth.write_film import fit_to_film
from dreamflow.media.depth.write_integers import write_16_bit_picture
from dreamflow.media.options import KEEP_HDR, EncodeOptions, PictureFileOptions
from dreamflow.media.sample_format import SampleFormat
from dreamflow.media.write.containers import CONTAINER_FORMAT_BY_SUFFIX
from dreamflow.media.write.deep_codecs import DEEP_CODECS

FULL_RANGE = 1
"""Code point of video that uses all codes (ITU-T H.273, 8.3)."""
EXR_SUFFIX = ".exr"
DEEP_SUFFIXES = (EXR_SUFFIX, ".png", ".tif", ".tiff")
"""Suffixes of pictures that keep more than 8 bits."""


@dataclass(frozen=True)
class DeepOutput:
    """An output whose name is that of pictures or of a film that keep more than 8 bits.

    Attributes:
        path: The file.
        options: How it is written.
        codec: Of a film; "" for pictures.
        samples: What a film's frames are made of, once its source is known.
    """

    path: Path
    options: PictureFileOptions = PictureFileOptions()
    codec: str = ""
    samples: SampleFormat | None = None

    @classmethod
    def of(cls, path: Path, options: PictureFileOptions) -> DeepOutput | None:
        """Return the output of a name; None where its format keeps 8 bits at most.

        A name without suffix is a folder of PNGs.

        Raises:
            SettingsError: The format does not hold the codec, or HDR.
        """
        path = path if path.suffix else path / "frame.png"
        suffix = path.suffix.lower()
        if suffix in DEEP_SUFFIXES:
            return cls(path, options)
        container = CONTAINER_FORMAT_BY_SUFFIX.get(suffix)
        if container is None or not isinstance(options, EncodeOptions):
            return None
        codec = container.choose_codec(options)
        return cls(path, options, codec) if codec in DEEP_CODECS else None

    @property
    def is_film(self) -> bool:
        """Whether it is a film, and not pictures."""
        return bool(self.codec)

    def keeps_depth_of(self, picture: PictureOriginal) -> bool:
        """Return whether the pictures keep more of one than its 8-bit proxy has."""
        bleeds = self.options.bleed and picture.alpha is not None
        is_asked_for = self.options.output_space is not None or bleeds
        return keeps_depth(self.path, picture) or is_asked_for

    @property
    def keeps_hdr(self) -> bool:
        """Whether PQ and HLG are not tone-mapped to SDR."""
        return isinstance(self.options, EncodeOptions) and self.options.hdr == KEEP_HDR

    def _choose_kind(self, picture: PictureOriginal) -> type[np.floating] | None:
        """Return the type of converted numbers: float for OpenEXR, None for 16 bits."""
        if self.path.suffix.lower() != EXR_SUFFIX:
            return None
        kind = {"half": np.float16, "float": np.float32}.get(self.options.exr_type)
        is_half = picture.pixels.dtype.name in ("float16", "uint8")
        return kind or (np.float16 if is_half else np.float32)

    def prepare_all(self, pictures: Iterable[PictureOriginal]) -> Iterator[PictureOriginal]:
        """Yield source pictures in the coding of the output; see `prepare_original`.

        Warns once of light that whole numbers do not hold.
        """
        has_warned = False
        for picture in pictures:
            if self.options.output_space is not None:
                coding = find_output_coding(self.options.output_space, picture.coding)
                picture = picture.converted(coding, self._choose_kind(picture))
            if self.samples is not None:
                prepared, is_clipped = fit_to_film(picture, self.samples)
            else:
                prepared, is_clipped = prepare_original(self.path, picture, self.options)
            if is_clipped and not has_warned:
                has_warned = True
                warnings.warn(
                    f"{self.path.name} holds whole numbers, from black to white: light below black "
                    "and brighter than white is clipped; an .exr keeps it, and "
                    f"{named('output_space')} PQ what is brighter",
                    ConvertedOutputWarning,
                    2,
                )
            yield replace(prepared, bleeds=self.options.bleed)


def find_output_coding(name: str, source: Coding) -> Coding:
    """Return the coding of an output; a dream is added in the working space of its source.

    Raises:
        SettingsError: There is no space of this name.
        DependencyError: OpenColorIO is not installed.
    """
    working = source.working if isinstance(source, OcioCoding) else ""
    return find_coding(name, "output_space", working)


def keeps_depth(path: Path, picture: PictureOriginal) -> bool:
    """Return whether an output of this name keeps more of a picture than its 8-bit proxy has."""
    suffix = path.suffix.lower()
    return suffix == EXR_SUFFIX or (suffix in DEEP_SUFFIXES and picture.pixels.dtype != np.uint8)


def prepare_original(
    path: Path, picture: PictureOriginal, options: PictureFileOptions
) -> tuple[PictureOriginal, bool]:
    """Return a picture in the coding that an output of this name holds, before it is dreamed.

    Args:
        path: The output.
        picture: The source.
        options: The type of numbers in an OpenEXR file.

    Returns:
        The picture, and whether light below black or brighter than white was clipped.
    """
    if path.suffix.lower() == EXR_SUFFIX:
        is_exact_in_half = picture.pixels.dtype.name in ("float16", "uint8")
        picture = picture.as_linear(np.float16 if is_exact_in_half else np.float32)
        kind = {"half": np.float16, "float": np.float32}.get(options.exr_type)
        picture = picture if kind is None else picture.as_type(kind)
        return replace(picture, wanted_layers=options.layers), False
    prepared, is_clipped = picture.as_codes()
    prepared = _with_code_points(prepared)
    return (prepared.straight() if path.suffix.lower() == ".png" else prepared), is_clipped


def _with_code_points(picture: PictureOriginal) -> PictureOriginal:
    """Return a picture of PQ or HLG that says so in a PNG (ITU-T H.273; PNG, 11.3.2.6)."""
    transfers = {name: code for code, name in HDR_TRANSFER_BY_H273.items()}
    chunks = picture.tags.get("png", {})
    if picture.coding.transfer not in transfers or b"cICP" in chunks:
        return picture
    primaries: dict[tuple[Chromaticity, ...], int] = {
        xy: code for code, xy in PRIMARIES_XY_BY_H273.items()
    }
    code = primaries.get(picture.coding.primaries, H273_BT2020)
    points = bytes([code, transfers[picture.coding.transfer], H273_RGB, FULL_RANGE])
    return replace(picture, tags={**picture.tags, "png": {**chunks, b"cICP": points}})


def write_deep_picture(
    path: Path,
    picture: PictureOriginal,
    comment: str = "",
    options: PictureFileOptions | None = None,
) -> None:
    """Write a prepared picture in the format of the path's suffix, completely or not at all.

    Args:
        path: The file.
        picture: What `prepare_original` returned, or that with a dream.
        comment: Settings to keep in the file.
        options: Compression of an OpenEXR file.

    Raises:
        OutputError: The file cannot be written.
    """
    if path.suffix.lower() == EXR_SUFFIX:
        write_exr(path, picture, comment, options, collect_layers(picture))
    else:
        write_16_bit_picture(path, picture, comment)
