"""Colour spaces by name: a few that are built in, and those of an OpenColorIO config.

The config is the one that `$OCIO` names, or else OpenColorIO's own ACES studio config.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from dreamflow.core.errors import DependencyError, SettingsError, named
from dreamflow.media.colour.hdr_tone_mapping import H273_BT2020, PRIMARIES_XY_BY_H273
from dreamflow.media.depth.codings import Coding, shape_light, unshape_light
from dreamflow.media.stills.decoded_picture import srgb_to_linear

BT2020 = PRIMARIES_XY_BY_H273[H273_BT2020]
BUILT_IN_CODINGS = {
    "Rec.709": Coding(),
    "Rec.2020": Coding("SDR", BT2020),
    "PQ": Coding("PQ", BT2020),
    "HLG": Coding("HLG", BT2020),
    "linear": Coding("linear"),
}
"""Colour spaces that need no config: display-coded, HDR of BT.2100, scene-linear BT.709."""
DEFAULT_CONFIG = "ocio://studio-config-latest"
"""OpenColorIO's built-in ACES config with the cameras' spaces."""
LINEAR_BT709 = "lin_rec709_srgb"
"""OpenColorIO's name of linear BT.709, which other configs are connected to."""
MAX_SHOWN_NAMES = 3
"""Names that an error suggests at most."""


@dataclass(frozen=True)
class OcioCoding(Coding):
    """A colour space of an OpenColorIO config, connected to linear BT.709.

    Attributes:
        name: Its name.
        working: Name of the space that dreams are added in, through the shaper of linear light.
    """

    transfer: str = "OCIO"
    name: str = field(default="", kw_only=True)
    working: str = field(default="", kw_only=True)

    def decode_light(self, numbers: np.ndarray) -> np.ndarray:
        """Return linear light of BT.709."""
        return _apply(_processor_to_linear(self.name), numbers)

    def encode_light(self, light: np.ndarray) -> np.ndarray:
        """Return the numbers that stand for linear light of BT.709."""
        return _apply(_processor_from_linear(self.name), light)

    def encode(self, codes: np.ndarray) -> np.ndarray:
        """Return what colours of the proxy are in the working space, shaped; see `Coding`."""
        light = srgb_to_linear(codes)
        return shape_light(_apply(_processor_from_linear(self.working), light))

    def add(self, source: np.ndarray, change: np.ndarray) -> np.ndarray:
        """Return a source's numbers with a change that is made in the working space."""
        finite = np.nan_to_num(source, nan=0, posinf=0, neginf=0)
        light = _apply(_processor(self.name, self.working), finite)
        changed = unshape_light(shape_light(light) + change)
        return _apply(_processor(self.working, self.name), changed)


def find_coding(name: str, setting: str, working: str = "") -> Coding:
    """Return the coding of a colour space.

    Args:
        name: One of BUILT_IN_CODINGS, or a name, alias or role of the config.
        setting: The setting that names it.
        working: Name of the config's space that dreams are added in; "" is its scene-linear one.

    Raises:
        SettingsError: There is no space of this name.
        DependencyError: It is not built in, and OpenColorIO is not installed.
    """
    for built_in, coding in BUILT_IN_CODINGS.items():
        if built_in.casefold() == name.strip().casefold():
            return coding
    space = _find_space(name, setting)
    return OcioCoding(name=space, working=_find_space(working or "scene_linear", "working_space"))


def _find_space(name: str, setting: str) -> str:
    config = _load_config(setting, name)
    space = config.getColorSpace(name.strip())
    if space is not None:
        return str(space.getName())
    names = [*BUILT_IN_CODINGS, *map(str, config.getColorSpaceNames())]
    near = _nearest(name, names)
    raise SettingsError(
        f"{named(setting)} {name!r} is no colour space of {_config_name()}; near it: "
        f"{', '.join(near)}",
        setting=setting,
        value=name,
        allowed=", ".join(names),
    )


def _nearest(name: str, names: Iterable[str]) -> list[str]:
    by_folded = {one.casefold(): one for one in names}
    wanted = name.strip().casefold()
    near = difflib.get_close_matches(wanted, by_folded, MAX_SHOWN_NAMES, cutoff=0)
    holding = [folded for folded in by_folded if wanted and wanted in folded]
    ordered = dict.fromkeys([*holding[:MAX_SHOWN_NAMES], *near])
    return [by_folded[folded] for folded in list(ordered)[:MAX_SHOWN_NAMES]]


def _config_name() -> str:
    return os.environ.get("OCIO") or "OpenColorIO's ACES config"


def _load_config(setting: str, name: str) -> Any:
    """Return the config that spaces are found in.

    Raises:
        DependencyError: OpenColorIO is not installed.
        SettingsError: The file that `$OCIO` names cannot be read.
    """
    try:
        return _current_config()
    except ImportError as error:
        allowed = ", ".join(BUILT_IN_CODINGS)
        raise DependencyError(
            f"{named(setting)} {name!r}: OpenColorIO is not installed, which brings more spaces "
            f"than {allowed}: pip install 'dreamflow[vfx]'",
            setting=setting,
            value=name,
            allowed=allowed,
        ) from error
    except Exception as error:  # PyOpenColorIO.Exception, which cannot be imported beforehand
        raise SettingsError(
            f"$OCIO names {_config_name()}, which cannot be read as a config: "
            f"{str(error).splitlines()[0]}",
            setting=setting,
            value=name,
            where=_config_name(),
        ) from error


@cache
def _import_library() -> Any:
    return import_module("PyOpenColorIO")


@cache
def _read_config(path: str) -> Any:
    return _import_library().Config.CreateFromFile(path)


def _current_config() -> Any:
    return _read_config(os.environ.get("OCIO") or DEFAULT_CONFIG)


@cache
def _processor(source: str, target: str) -> Any:
    return _current_config().getProcessor(source, target).getDefaultCPUProcessor()


@cache
def _processor_to_linear(name: str) -> Any:
    config = _import_library().Config
    found = config.GetProcessorToBuiltinColorSpace(_current_config(), name, LINEAR_BT709)
    return found.getDefaultCPUProcessor()


@cache
def _processor_from_linear(name: str) -> Any:
    config = _import_library().Config
    found = config.GetProcessorFromBuiltinColorSpace(LINEAR_BT709, _current_config(), name)
    return found.getDefaultCPUProcessor()


def _apply(processor: Any, colours: np.ndarray) -> np.ndarray:
    """Return (..., 3) float32 colours through a processor, which works in place."""
    result = np.array(colours, np.float32, order="C")
    rows = result.reshape(1, -1, 3)
    processor.applyRGB(rows)
    return rows.reshape(result.shape)
