"""Reading single still pictures as 8-bit RGB and alpha, whatever their format."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from dreamflow.core.errors import ConvertedSourceWarning, DreamFlowError, MediaError
from dreamflow.core.options.values import fit_size
from dreamflow.media.files.pillow import PILLOW_READ_ERRORS
from dreamflow.media.resize import resize_picture
from dreamflow.media.stills.decoded_picture import DecodedPicture
from dreamflow.media.stills.decoders.avif import decode_avif
from dreamflow.media.stills.decoders.dpx import decode_dpx, read_dpx_size
from dreamflow.media.stills.decoders.exr import decode_exr, read_exr_size
from dreamflow.media.stills.decoders.float_pictures import (
    decode_float_picture,
    read_float_picture_size,
    read_float_tiff_size,
)
from dreamflow.media.stills.decoders.heif import decode_heif, read_heif_size
from dreamflow.media.stills.decoders.pillow_decoder import (
    decode_with_pillow,
    is_animated_picture,
    may_be_transparent,
    read_pillow_size,
)
from dreamflow.media.stills.decoders.png import decode_png
from dreamflow.media.stills.formats import (
    AVIF,
    PNG,
    TIFF,
    Content,
    FileKind,
    has_picture_suffix,
    read_file_kind,
)


def is_picture(path: Path) -> bool:
    """Return whether a path has the suffix of a picture file, animated WebP included."""
    return has_picture_suffix(path)


def is_still(path: Path) -> bool:
    """Return whether a path is an existing picture file that is not animated.

    What a file holds counts, not its name; the name counts where the content tells nothing.
    """
    if not path.is_file():
        return False
    try:
        kind = read_file_kind(path)
        if kind is None or kind.content is Content.OTHER:
            return is_picture(path)
        if kind.content is Content.UNREADABLE:
            return True
        if kind.content is Content.PILLOW:
            return not is_animated_picture(path)
        return kind.content is not Content.FILM
    except PILLOW_READ_ERRORS:
        return is_picture(path)


def read_picture_size(path: Path, layer: str | None = None) -> tuple[int, int]:
    """Return the (width, height) of a picture as displayed, from its header.

    Args:
        path: The file.
        layer: Layer of an OpenEXR file; None is the main one.

    Raises:
        MediaError: The file is missing, not a picture that is read here, or its header is damaged.
        DependencyError: The library that reads its format is not installed.
    """
    with read_errors_of(path):
        return _read_size(path, identify_picture(path), layer)


def decode_picture(
    path: Path,
    at_least: tuple[int, int] | None = None,
    layer: str | None = None,
    alpha: str = "auto",
) -> DecodedPicture:
    """Decode a picture file, upright and in sRGB's primaries.

    Args:
        path: The file.
        at_least: (width, height) that will do: a large JPEG may be read smaller than it is, but
            not smaller than this. None is full size.
        layer: Layer of an OpenEXR file; None is the main one.
        alpha: How its colours are taken, as the setting of that name.

    Raises:
        MediaError: The file is missing, not a picture, cut short, or larger than memory allows.
        DependencyError: The library that reads its format is not installed.
    """
    with read_errors_of(path):
        return _decode(path, identify_picture(path), at_least, layer).associated(alpha)


def read_picture(
    path: str | Path,
    size: str | None = None,
    *,
    flatten_alpha: bool = True,
    layer: str | None = None,
    alpha: str = "auto",
) -> np.ndarray:
    """Read a picture file as it is displayed: upright, its colours in sRGB, 8 bits a channel.

    Warns of what is lost.

    Args:
        path: The file.
        size: WIDTHxHEIGHT to fit into, or N for the longer side; None keeps the size.
        flatten_alpha: Whether what is transparent is laid over black, with a warning; otherwise
            the colours are those that it has where it is opaque.
        layer: Layer of an OpenEXR file; None is the main one.
        alpha: How its colours are taken, as the setting of that name.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        MediaError: The file is missing, not a picture, cut short, or larger than memory allows.
        SettingsError: The size is none.
        DependencyError: The library that reads its format is not installed.
    """
    path = Path(path)
    fitted = fit_size(size, *read_picture_size(path, layer)) if size else None
    decoded = decode_picture(path, fitted, layer, alpha)
    decoded = decoded.over_black() if flatten_alpha else decoded.unpremultiplied()
    picture, notes = decoded.to_rgb8()
    for note in notes:
        warnings.warn(f"{path.name}: {note}", ConvertedSourceWarning, 2)
    return resize_picture(picture, *fitted) if fitted else picture


def read_alpha(path: Path, layer: str | None = None) -> np.ndarray | None:
    """Return the alpha of a picture file, (H, W) uint8, or None where every pixel is opaque.

    Args:
        path: The file.
        layer: Layer of an OpenEXR file; None is the main one.

    Raises:
        MediaError: The file is missing, not a picture, cut short, or larger than memory allows.
        DependencyError: The library that reads its format is not installed.
    """
    with read_errors_of(path):
        kind = identify_picture(path)
        if kind.content is Content.PILLOW and not may_be_transparent(path):
            return None
        return _decode(path, kind, None, layer).alpha8()


@contextmanager
def read_errors_of(path: Path) -> Generator[None]:
    """Turn what decoders raise for a damaged picture, in the block, into a MediaError."""
    try:
        yield
    except DreamFlowError:
        raise
    except PILLOW_READ_ERRORS as error:
        raise _make_read_error(path, error) from error


def identify_picture(path: Path) -> FileKind:
    """Return a file's kind.

    Raises:
        MediaError: It is missing, or not a picture that is read here.
        OSError: It cannot be opened.
    """
    if not path.exists():
        raise MediaError(f"{path} does not exist", where=str(path))
    if not path.is_file():
        what = "a folder" if path.is_dir() else "a device or a pipe"
        raise MediaError(f"{path} is {what}, not a picture", where=str(path))
    kind = read_file_kind(path)
    if kind is None:
        what = "it is not in a known format" if path.stat().st_size else "it is empty"
        raise MediaError(f"{path} cannot be read as a picture: {what}", where=str(path))
    if kind.content in (Content.FILM, Content.OTHER):
        raise MediaError(f"{path} is {kind.name}, not a still picture", where=str(path))
    if kind.content is Content.UNREADABLE:
        raise MediaError(
            f"{path} is {kind.name}, which is not read: convert it to PNG, TIFF or JPEG",
            where=str(path),
        )
    return kind


def _read_size(path: Path, kind: FileKind, layer: str | None = None) -> tuple[int, int]:
    if kind is TIFF and (size := read_float_tiff_size(path)):
        return size
    if kind.content is Content.EXR:
        return _check_size(read_exr_size(path, layer))
    reader = {
        Content.PILLOW: read_pillow_size,
        Content.HEIF: read_heif_size,
        Content.FLOAT_PICTURE: read_float_picture_size,
        Content.DPX: read_dpx_size,
    }[kind.content]
    return _check_size(reader(path))


def _check_size(size: tuple[int, int]) -> tuple[int, int]:
    if min(size) < 1:
        raise ValueError(f"its size is {size[0]}x{size[1]}")
    return size


def _decode(
    path: Path, kind: FileKind, at_least: tuple[int, int] | None, layer: str | None
) -> DecodedPicture:
    if kind.content is Content.FLOAT_PICTURE or (kind is TIFF and read_float_tiff_size(path)):
        return decode_float_picture(path, _read_size(path, kind))
    if kind.content is Content.HEIF:
        return decode_heif(path)
    if kind.content is Content.EXR:
        return decode_exr(path, layer)
    if kind.content is Content.DPX:
        return decode_dpx(path)
    if kind is AVIF:
        return decode_avif(path)
    return decode_png(path) if kind is PNG else decode_with_pillow(path, at_least)


def _make_read_error(path: Path, error: BaseException) -> MediaError:
    why = (str(error).splitlines() or [""])[0] or type(error).__name__
    why = why.replace(str(path), path.name)
    if isinstance(error, OSError) and error.errno is not None:
        return MediaError(f"{path} cannot be read: {error.strerror}", where=str(path))
    if isinstance(error, MemoryError):
        return MediaError(
            f"{path} cannot be read as a picture: there is not enough free memory", where=str(path)
        )
    return MediaError(f"{path} is damaged or cut short: {why}", where=str(path))
