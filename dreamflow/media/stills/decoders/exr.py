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
from dreamflow.media.colour.primaries import find_matrix_to_bt709
from dreamflow.media.stills.decoded_picture import DecodedPicture, grey_to_rgb
from dreamflow.media.stills.memory import check_picture_memory

FLOAT_BYTES_PER_PIXEL = 64
"""Memory that reading takes for each pixel: float colours and alpha, converted and displayed."""
MAIN_LAYERS = ("rgba", "rgb", "beauty", "combined", "color", "colour", "left")
"""Names of the layer that is shown where no channels stand outside of layers."""


@dataclass(frozen=True)
class ExrChannels:
    """Which channels of a file are shown.

    Attributes:
        part: Number of the file's part.
        names: Those of red, green and blue, or of grey.
        alpha: That of alpha, or None.
        layer: Name of their layer, "" where they stand outside of layers.
    """

    part: int
    names: tuple[str, ...]
    alpha: str | None
    layer: str


def read_exr_size(path: Path) -> tuple[int, int]:
    """Return the (width, height) of the display window, from the header.

    Raises:
        MediaError: The file holds no colours.
        RuntimeError: It is damaged.
    """
    parts = _read_headers(path)
    return _window_size(parts[choose_channels(path, parts).part]["displayWindow"])


def decode_exr(path: Path) -> DecodedPicture:
    """Decode the colours of an OpenEXR file: linear light with BT.709's primaries.

    What lies outside of the data window is transparent black; what lies outside of the display
    window is left out.

    Raises:
        MediaError: It holds no colours, or is larger than memory allows.
        OSError, RuntimeError, ValueError: It is damaged.
    """
    parts = _read_headers(path)
    chosen = choose_channels(path, parts)
    header = parts[chosen.part]
    names = [*chosen.names, *([chosen.alpha] if chosen.alpha else [])]
    for window in ("displayWindow", "dataWindow"):
        check_picture_memory(path, *_window_size(header[window]), FLOAT_BYTES_PER_PIXEL)
    data = np.stack(_read_channels(path, chosen.part, names, header), axis=2)
    data = _fit_display_window(data, header)
    colours = data[..., : len(chosen.names)]
    pixels = grey_to_rgb(colours[..., 0]) if len(chosen.names) == 1 else colours
    matrix = _find_matrix(header)
    if matrix is not None:
        pixels = cv2.transform(np.ascontiguousarray(pixels), matrix)
    alpha = data[..., -1] if chosen.alpha and bool((data[..., -1] < 1).any()) else None
    notes = (f"its layer {chosen.layer} is taken",) if chosen.layer else ()
    return DecodedPicture(pixels, alpha, is_premultiplied=True, notes=notes)


def choose_channels(path: Path, parts: list[dict[str, Any]]) -> ExrChannels:
    """Return the channels to show: R, G, B or Y, else those of the main layer.

    Raises:
        MediaError: The file holds no colours.
    """
    found: dict[str, ExrChannels] = {}
    for number, header in enumerate(parts):
        if "deep" in str(header["type"]):
            continue
        names = {channel.name for channel in header["channels"]}
        for layer in sorted({name.rpartition(".")[0] for name in names}):
            prefix = f"{layer}." if layer else ""
            alpha = prefix + "A" if prefix + "A" in names else None
            for group in (("R", "G", "B"), ("r", "g", "b"), ("Y",)):
                wanted = tuple(prefix + name for name in group)
                if names.issuperset(wanted):
                    found.setdefault(layer, ExrChannels(number, wanted, alpha, layer))
    if not found:
        held = ", ".join(sorted({c.name for header in parts for c in header["channels"]})[:6])
        raise MediaError(
            f"{path} is an OpenEXR picture without colours; its channels are {held}",
            where=str(path),
        )
    return min(found.values(), key=lambda channels: _layer_rank(channels.layer))


def _layer_rank(layer: str) -> tuple[int, str]:
    """Return a sort key of layers, the main one first."""
    name = layer.rpartition(".")[2].casefold()
    if not layer:
        return -1, layer
    return (MAIN_LAYERS.index(name) if name in MAIN_LAYERS else len(MAIN_LAYERS)), layer


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
    if part == 0:
        # Reads these channels only: files of a renderer may hold dozens of others.
        file = open_exr.InputFile(str(path))
        try:
            kinds = file.header()["channels"]
            types = [np.dtype((np.uint32, np.float16, np.float32)[kinds[n].type.v]) for n in names]
            data = file.channels(names)
        finally:
            file.close()
        arrays = [np.frombuffer(one, kind) for one, kind in zip(data, types, strict=True)]
    else:
        with open_exr.File(str(path), separate_channels=True) as file:
            arrays = [file.parts[part].channels[name].pixels for name in names]
    return [array.reshape(height, width).astype(np.float32) for array in arrays]


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


def _fit_display_window(data: np.ndarray, header: dict[str, Any]) -> np.ndarray:
    """Return (H, W, C) pixels of the data window as those of the display window."""
    (left, top), _ = header["dataWindow"]
    (x0, y0), _ = header["displayWindow"]
    width, height = _window_size(header["displayWindow"])
    dx, dy = int(left) - int(x0), int(top) - int(y0)
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


def _find_matrix(header: dict[str, Any]) -> np.ndarray | None:
    """Return the matrix to BT.709's primaries, None where the file has those."""
    numbers = header.get("chromaticities")
    if numbers is None:
        return None
    pairs = [(float(x), float(y)) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]
    return find_matrix_to_bt709(tuple(pairs[:3]), pairs[3])
