"""Which channels of an OpenEXR file are its picture: the layers that it holds, and the main one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dreamflow.core.errors import MediaError, SettingsError, named

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


def choose_channels(
    path: Path, parts: list[dict[str, Any]], layer: str | None = None
) -> ExrChannels:
    """Return the channels to show: R, G, B or Y, else those of the main layer.

    Args:
        path: The file, for messages.
        parts: The header of each part.
        layer: Name of the layer to show; None is the main one.

    Raises:
        MediaError: The file holds no colours.
        SettingsError: It has no layer of this name.
    """
    found: dict[str, ExrChannels] = {}
    for number, header in enumerate(parts):
        if "deep" in str(header["type"]):
            continue
        names = {channel.name for channel in header["channels"]}
        for name, channels in _find_layers(number, names).items():
            # A part has a name of its own, and may have its channels without it.
            found.setdefault(name or _part_layer(header, layer), channels)
    if not found:
        raise _make_no_colours_error(path, parts)
    if layer is None:
        return min(found.values(), key=lambda channels: _layer_rank(channels.layer))
    for name, channels in found.items():
        if name.casefold() == layer.casefold():
            return replace(channels, layer=name)
    allowed = ", ".join(sorted(name for name in found if name)) or "none"
    raise SettingsError(
        f"{named('exr_layer')} {layer}: {path} has no such layer of colours; it has {allowed}",
        setting="exr_layer",
        value=layer,
        allowed=allowed,
        where=str(path),
    )


def _find_layers(part: int, names: set[str]) -> dict[str, ExrChannels]:
    """Return the layers of colours among a part's channels, by their names."""
    found: dict[str, ExrChannels] = {}
    for layer in sorted({name.rpartition(".")[0] for name in names}):
        prefix = f"{layer}." if layer else ""
        if names.issuperset((prefix + "RY", prefix + "BY")):
            continue  # luminance and colour differences: grey would be wrong
        alpha = prefix + "A" if prefix + "A" in names else None
        for group in (("R", "G", "B"), ("r", "g", "b"), ("Y",)):
            wanted = tuple(prefix + name for name in group)
            if names.issuperset(wanted):
                found.setdefault(layer, ExrChannels(part, wanted, alpha, layer))
    return found


def _part_layer(header: dict[str, Any], layer: str | None) -> str:
    """Return the name of a part where a layer of that name is asked for, else ""."""
    name = str(header.get("name", ""))
    return name if layer is not None and name.casefold() == layer.casefold() else ""


def _make_no_colours_error(path: Path, parts: list[dict[str, Any]]) -> MediaError:
    names = sorted({c.name for header in parts for c in header["channels"]})
    held = f"an OpenEXR picture without colours; its channels are {', '.join(names[:6])}"
    if parts and all("deep" in str(header["type"]) for header in parts):
        held = "a deep OpenEXR picture, which is not read: flatten it to R, G, B and A first"
    elif {"RY", "BY"} <= {name.rpartition(".")[2] for name in names}:
        held = "an OpenEXR picture of luminance and chroma, which is not read: save it as R, G, B"
    return MediaError(f"{path} is {held}", where=str(path))


def _layer_rank(layer: str) -> tuple[int, str]:
    """Return a sort key of layers, the main one first."""
    name = layer.rpartition(".")[2].casefold()
    if not layer:
        return -1, layer
    return (MAIN_LAYERS.index(name) if name in MAIN_LAYERS else len(MAIN_LAYERS)), layer
