"""Decoding OpenEXR stills with the format's own library.

FFmpeg, which is here too, gives a file that is cut short with black rows and no error, and reads
neither layers nor primaries; OpenCV's wheels are built without OpenEXR.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dreamflow.core.errors import DependencyError, MediaError
from dreamflow.core.opencv import cv2
from dreamflow.media.colour.primaries import (
    BT709_PRIMARIES_XY,
    D65_WHITE_XY,
    Chromaticity,
    find_matrix_to_bt709,
)
from dreamflow.media.stills.decoded_picture import DecodedPicture, grey_to_rgb
from dreamflow.media.stills.decoders.exr_layers import choose_channels
from dreamflow.media.stills.memory import check_picture_memory

FLOAT_BYTES_PER_PIXEL = 64
"""Memory that reading takes for each pixel: float colours and alpha, converted and displayed."""
MAX_NAMED_CHANNELS = 6
"""Channels that a message names at most."""


@dataclass(frozen=True)
class ExrPicture:
    """The colours of an OpenEXR file as they lie in it.

    Attributes:
        pixels: (H, W, 3) float16 or float32 RGB over the data window, premultiplied by alpha.
        alpha: (H, W) of the same type, or None where the file has none.
        header: Header of their part.
        layer: Name of their layer, "" where they stand outside of layers.
        others: Names of the file's other channels.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    header: dict[str, Any]
    layer: str
    others: tuple[str, ...] = ()

    @property
    def origin(self) -> tuple[int, int]:
        """(x, y) of the first pixel, counted from the display window's upper left corner."""
        (left, top), (x0, y0) = self.header["dataWindow"][0], self.header["displayWindow"][0]
        return int(left) - int(x0), int(top) - int(y0)

    @property
    def display_size(self) -> tuple[int, int]:
        """(width, height) of the display window."""
        return _window_size(self.header["displayWindow"])

    @property
    def notes(self) -> tuple[str, ...]:
        """What the choice of a layer assumed."""
        return (f"its layer {self.layer} is taken",) if self.layer else ()

    @property
    def left_out_note(self) -> tuple[str, ...]:
        """Which channels a picture that is made of this one lacks."""
        if not self.others:
            return ()
        shown = ", ".join(self.others[:MAX_NAMED_CHANNELS])
        more = "" if len(self.others) <= MAX_NAMED_CHANNELS else f" and {len(self.others)} in all"
        return (f"colours and alpha are taken; its other channels are left out: {shown}{more}",)

    def decode(self) -> DecodedPicture:
        """Return the display window as linear light with BT.709's primaries."""
        channels = [self.pixels, *([] if self.alpha is None else [self.alpha])]
        data = np.dstack([channel.astype(np.float32) for channel in channels])
        data = _fit_display_window(data, self.origin, self.display_size)
        pixels, alpha = data[..., :3], None
        matrix = _find_matrix(self.header)
        if matrix is not None:
            pixels = cv2.transform(np.ascontiguousarray(pixels), matrix)
        if self.alpha is not None and bool((data[..., -1] < 1).any()):
            alpha = data[..., -1]
        return DecodedPicture(pixels, alpha, is_premultiplied=True, notes=self.notes)


def read_exr_size(path: Path, layer: str | None = None) -> tuple[int, int]:
    """Return the (width, height) of the display window, from the header.

    Raises:
        MediaError: The file holds no colours.
        SettingsError: It has no layer of this name.
        RuntimeError: It is damaged.
    """
    parts = _read_headers(path)
    return _window_size(parts[choose_channels(path, parts, layer).part]["displayWindow"])


def decode_exr(path: Path, layer: str | None = None) -> DecodedPicture:
    """Decode the colours of an OpenEXR file; see `read_exr` and `ExrPicture.decode`.

    What lies outside of the data window is transparent black; what lies outside of the display
    window is left out.
    """
    return read_exr(path, layer).decode()


def read_exr(path: Path, layer: str | None = None) -> ExrPicture:
    """Read the colours of an OpenEXR file as they lie in it.

    Args:
        path: The file.
        layer: Name of the layer to read; None is the main one.

    Raises:
        MediaError: It holds no colours, or is larger than memory allows.
        SettingsError: It has no layer of this name.
        OSError, RuntimeError, ValueError: It is damaged.
    """
    parts = _read_headers(path)
    chosen = choose_channels(path, parts, layer)
    header = parts[chosen.part]
    names = [*chosen.names, *([chosen.alpha] if chosen.alpha else [])]
    for window in ("displayWindow", "dataWindow"):
        check_picture_memory(path, *_window_size(header[window]), FLOAT_BYTES_PER_PIXEL)
    channels = _read_channels(path, chosen.part, names, header)
    alpha = channels.pop() if chosen.alpha else None
    pixels = grey_to_rgb(channels[0]) if len(channels) == 1 else np.stack(channels, axis=2)
    if alpha is not None and alpha.dtype != pixels.dtype:
        pixels, alpha = pixels.astype(np.float32), alpha.astype(np.float32)
    held = dict.fromkeys(channel.name for part in parts for channel in part["channels"])
    others = tuple(name for name in held if name not in names)
    return ExrPicture(pixels, alpha, header, chosen.layer, others)


def _read_headers(path: Path) -> list[dict[str, Any]]:
    """Return the header of each part of a file."""
    open_exr = import_openexr(path)
    with open_exr.File(str(path), header_only=True) as file:
        return [dict(part.header) for part in file.parts]


def _read_channels(
    path: Path, part: int, names: list[str], header: dict[str, Any]
) -> list[np.ndarray]:
    """Return channels of a part over its data window, (H, W) float32 each."""
    open_exr = import_openexr(path)
    width, height = _window_size(header["dataWindow"])
    if any(c.xSampling != 1 or c.ySampling != 1 for c in header["channels"] if c.name in names):
        raise MediaError(f"{path} has subsampled channels, which are not read", where=str(path))
    if part == 0 and "scanline" in str(header["type"]):
        arrays: list[Any] = list(_read_scan_lines(path, names, header))
    else:
        with open_exr.File(str(path), separate_channels=True) as file:
            held: dict[str, Any] = file.parts[part].channels if part < len(file.parts) else {}
            arrays = [held[name].pixels for name in names if name in held]
        if len(arrays) < len(names) or any(array is None or not array.size for array in arrays):
            raise ValueError("its pixels cannot be decoded")
    planes: list[np.ndarray] = [array.reshape(height, width) for array in arrays]
    kinds = {plane.dtype for plane in planes}
    kind = np.float16 if kinds == {np.dtype(np.float16)} else np.float32
    return [plane.astype(kind, copy=False) for plane in planes]


def _read_scan_lines(path: Path, names: list[str], header: dict[str, Any]) -> list[np.ndarray]:
    """Return channels of a file of scan lines, flat: float16 where all are half, else float32.

    The library's older interface, which this is, reads these channels only: files of a renderer may
    hold dozens of others. It crashes on damaged files in tiles, and where it is asked for the
    header of a file with a preview; so a line tells the type.
    """
    from Imath import PixelType  # a part of OpenEXR

    width, _ = _window_size(header["dataWindow"])
    top = int(header["dataWindow"][0][1])
    file = import_openexr(path).InputFile(str(path))
    try:
        line = file.channels(names, scanLine1=top, scanLine2=top)
        is_half = all(len(samples) == 2 * width for samples in line)
        data = file.channels(names, PixelType(PixelType.HALF if is_half else PixelType.FLOAT))
    finally:
        file.close()
    return [np.frombuffer(one, np.float16 if is_half else np.float32) for one in data]


def import_openexr(path: Path) -> Any:
    """Return the module OpenEXR.

    Raises:
        DependencyError: It is not installed, or cannot be loaded.
    """
    try:
        import OpenEXR
    except ImportError as error:
        raise DependencyError(
            f"{path} is an OpenEXR picture, and the library that reads them cannot be loaded "
            f"({error}): pip install OpenEXR",
            where=str(path),
        ) from error
    return OpenEXR


def _fit_display_window(
    data: np.ndarray, origin: tuple[int, int], size: tuple[int, int]
) -> np.ndarray:
    """Return (H, W, C) pixels of the data window as those of the display window."""
    (dx, dy), (width, height) = origin, size
    if (dx, dy) == (0, 0) and data.shape[:2] == (height, width):
        return data
    fitted = np.zeros((height, width, data.shape[2]), np.float32)
    bottom, right = min(height, dy + data.shape[0]), min(width, dx + data.shape[1])
    if bottom > max(0, dy) and right > max(0, dx):
        inside = data[max(0, -dy) : bottom - dy, max(0, -dx) : right - dx]
        fitted[max(0, dy) : bottom, max(0, dx) : right] = inside
    return fitted


def _window_size(window: Any) -> tuple[int, int]:
    """Return the (width, height) of ((left, top), (right, bottom)), both ends in it."""
    (left, top), (right, bottom) = window
    return int(right) - int(left) + 1, int(bottom) - int(top) + 1


def read_chromaticities(header: dict[str, Any]) -> tuple[Chromaticity, ...]:
    """Return those of red, green, blue and white, BT.709's where the file does not say."""
    numbers = header.get("chromaticities")
    if numbers is None:
        return (*BT709_PRIMARIES_XY, D65_WHITE_XY)
    return tuple((float(x), float(y)) for x, y in zip(numbers[::2], numbers[1::2], strict=True))


def _find_matrix(header: dict[str, Any]) -> np.ndarray | None:
    """Return the matrix to BT.709's primaries, None where the file has those."""
    *primaries, white = read_chromaticities(header)
    return find_matrix_to_bt709(tuple(primaries), white)
