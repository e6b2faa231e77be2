"""Writing a picture in depth, in the format of the path's suffix."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dreamflow.core.errors import ConvertedOutputWarning
from dreamflow.media.depth.layers import collect_layers
from dreamflow.media.depth.original import PictureOriginal
from dreamflow.media.depth.write_exr import write_exr
from dreamflow.media.depth.write_integers import write_16_bit_picture
from dreamflow.media.options import PictureFileOptions

EXR_SUFFIX = ".exr"
DEEP_SUFFIXES = (EXR_SUFFIX, ".png", ".tif", ".tiff")
"""Suffixes of pictures that keep more than 8 bits."""


@dataclass(frozen=True)
class DeepOutput:
    """An output whose name is that of a picture that keeps more than 8 bits.

    Attributes:
        path: The file.
        options: How it is written.
    """

    path: Path
    options: PictureFileOptions = PictureFileOptions()

    @classmethod
    def of(cls, path: Path, options: PictureFileOptions) -> DeepOutput | None:
        """Return the output of a name; None where its suffix keeps 8 bits at most.

        A name without suffix is a folder of PNGs.
        """
        path = path if path.suffix else path / "frame.png"
        return cls(path, options) if path.suffix.lower() in DEEP_SUFFIXES else None

    def prepare_all(self, pictures: Iterable[PictureOriginal]) -> Iterator[PictureOriginal]:
        """Yield source pictures in the coding of the output; see `prepare_original`.

        Warns once of light that a picture of whole numbers does not hold.
        """
        has_warned = False
        for picture in pictures:
            prepared, is_clipped = prepare_original(self.path, picture, self.options)
            if is_clipped and not has_warned:
                has_warned = True
                warnings.warn(
                    f"{self.path.name} holds whole numbers, from black to white: light below black "
                    "and brighter than white is clipped; an .exr keeps it",
                    ConvertedOutputWarning,
                    2,
                )
            yield prepared


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
    return (prepared.straight() if path.suffix.lower() == ".png" else prepared), is_clipped


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
