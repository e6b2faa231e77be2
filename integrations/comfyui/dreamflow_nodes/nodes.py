"""The nodes: a network, dreams of images, of a batch as a film, a zoom, and settings."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import torch

import dreamflow
from dreamflow.core.errors import SettingsError
from dreamflow.core.schedules.timecode import Timeline
from dreamflow.core.text.did_you_mean import suggest_similar
from dreamflow.networks.catalogue import known_networks
from dreamflow.pipelines.settings.groups import groups_by_saved_setting
from dreamflow.pipelines.settings.presets import (
    list_preset_files,
    load_preset,
    parse_setting_value,
)

from .host import (
    follow,
    stop_if_interrupted,
    to_frames,
    to_images,
    to_pictures,
    with_gradients,
)

CATEGORY = "DreamFlow"
NO_PRESET = "(none)"
NETWORK, SETTINGS = "DREAMFLOW_NETWORK", "DREAMFLOW_SETTINGS"
Inputs = dict[str, dict[str, Any]]


def preset_input() -> tuple[list[str], dict[str, Any]]:
    """Return the widget of a preset: the names of all."""
    return [NO_PRESET, *sorted(list_preset_files())], {}


def dream_inputs() -> dict[str, Any]:
    """Return the widgets that every dream has."""
    return {
        "network": (NETWORK,),
        "preset": preset_input(),
        "layer": ("STRING", {"default": "", "tooltip": "Empty: that of the preset"}),
        "octaves": ("INT", {"default": 4, "min": 1, "max": 16}),
        "iterations": ("INT", {"default": 10, "min": 0, "max": 1000}),
        "step": ("FLOAT", {"default": 1.5, "min": 0.01, "max": 64.0, "step": 0.1}),
        "seed": ("INT", {"default": 0, "min": 0, "max": 2**32 - 1}),
    }


def gather_settings(
    preset: str, layer: str, settings: dict[str, Any] | None, **widgets: Any
) -> dict[str, Any]:
    """Return the keywords of a dream: what is connected counts most, then the preset, then widgets.

    The preset counts more than the widgets, since these always hold some number.
    """
    of_preset = {} if preset == NO_PRESET else load_preset(preset)[1]
    free = {name: value for name, value in widgets.items() if name not in of_preset}
    chosen = {"layer": (layer,)} if layer else {}
    name = {} if preset == NO_PRESET else {"preset": preset}
    return name | free | chosen | (settings or {})


class LoadNetwork:
    """Loads a network with its weights."""

    CATEGORY = CATEGORY
    RETURN_TYPES = (NETWORK,)
    RETURN_NAMES = ("network",)
    FUNCTION = "load"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:  # ComfyUI's name
        """Return the widgets."""
        return {
            "required": {"name": (list(known_networks()), {"default": "pocket"})},
            "optional": {"weights": ("STRING", {"default": "", "tooltip": "A file; or empty"})},
        }

    @with_gradients
    def load(self, name: str, weights: str = "") -> tuple[dreamflow.Network]:
        """Return the network."""
        return (dreamflow.load_network(name, weights or None),)


class Setting:
    """A setting of DreamFlow by name, also a schedule: `0: 1.5, 4s: 3`."""

    CATEGORY = CATEGORY
    RETURN_TYPES = (SETTINGS,)
    RETURN_NAMES = ("settings",)
    FUNCTION = "add"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the widgets."""
        return {
            "required": {
                "name": ("STRING", {"default": "strength"}),
                "value": ("STRING", {"default": "smooth, 0: 0, 100%: 1", "multiline": True}),
            },
            "optional": {"settings": (SETTINGS,)},
        }

    def add(
        self, name: str, value: str, settings: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any]]:
        """Return the settings so far, and this one."""
        known = groups_by_saved_setting()
        groups = known.get(name)
        if groups is None:
            hint = suggest_similar(name, known)
            raise SettingsError(f"there is no setting {name!r}{hint}", setting=name)
        return ((settings or {}) | {name: parse_setting_value(name, value, groups)},)


class DreamImage:
    """Dreams each image by itself."""

    CATEGORY = CATEGORY
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "dream"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the sockets and widgets."""
        return {
            "required": {"images": ("IMAGE",), **dream_inputs()},
            "optional": {"settings": (SETTINGS,)},
        }

    @with_gradients
    def dream(
        self,
        images: torch.Tensor,
        network: dreamflow.Network,
        preset: str,
        layer: str,
        settings: dict[str, Any] | None = None,
        **widgets: Any,
    ) -> tuple[torch.Tensor]:
        """Return the dreams, (B, H, W, 3)."""
        given = gather_settings(preset, layer, settings, **widgets)
        show = follow(len(images))
        dreams = []
        for number, picture in enumerate(to_pictures(images)):
            dreams.append(
                dreamflow.dream_image(
                    picture, network, frame_index=number, on_step=stop_if_interrupted, **given
                )
            )
            show(number + 1)
        return (to_images(dreams),)


class DreamVideo:
    """Dreams a batch as the frames of a film: the dream moves with the scene."""

    CATEGORY = CATEGORY
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "dream"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the sockets and widgets."""
        return {
            "required": {
                "images": ("IMAGE",),
                "fps": ("FLOAT", {"default": 24.0, "min": 1.0, "max": 1000.0}),
                "stability": ("FLOAT", {"default": 0.5, "min": 0.0, "max": 1.0, "step": 0.05}),
                **dream_inputs(),
            },
            "optional": {"settings": (SETTINGS,)},
        }

    @with_gradients
    def dream(
        self,
        images: torch.Tensor,
        fps: float,
        network: dreamflow.Network,
        preset: str,
        layer: str,
        settings: dict[str, Any] | None = None,
        **widgets: Any,
    ) -> tuple[torch.Tensor]:
        """Return the dreams, (B, H, W, 3)."""
        frames = to_frames(images, fps)
        rate = Fraction(fps).limit_denominator(1001)
        show = follow(len(frames))
        dreams = []
        for dreamed in dreamflow.dream_video(
            frames,
            network,
            timeline=Timeline(rate, len(frames) / rate),
            on_step=stop_if_interrupted,
            **gather_settings(preset, layer, settings, **widgets),
        ):
            dreams.append(dreamed.picture)
            show(len(dreams))
        return (to_images(dreams),)


class Zoom:
    """Zooms into the first image of a batch without end."""

    CATEGORY = CATEGORY
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "zoom"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the sockets and widgets."""
        return {
            "required": {
                "image": ("IMAGE",),
                "seconds": ("FLOAT", {"default": 4.0, "min": 0.1, "max": 3600.0, "step": 0.1}),
                "fps": ("FLOAT", {"default": 24.0, "min": 1.0, "max": 1000.0}),
                "speed": ("FLOAT", {"default": 1.25, "min": 1.0, "max": 16.0, "step": 0.05}),
                **dream_inputs(),
            },
            "optional": {"settings": (SETTINGS,)},
        }

    @with_gradients
    def zoom(
        self,
        image: torch.Tensor,
        seconds: float,
        fps: float,
        network: dreamflow.Network,
        preset: str,
        layer: str,
        settings: dict[str, Any] | None = None,
        **widgets: Any,
    ) -> tuple[torch.Tensor]:
        """Return the frames, (seconds x fps, H, W, 3)."""
        given = gather_settings(preset, layer, settings, **widgets)
        given |= {"seconds": seconds, "fps": fps}
        show = follow(round(seconds * fps))
        frames = []
        zoom = dreamflow.dream_zoom(
            to_pictures(image)[0], network, on_step=stop_if_interrupted, **given
        )
        for frame in zoom:
            frames.append(frame.picture)
            show(len(frames))
        return (to_images(frames),)


NODE_CLASS_MAPPINGS = {
    "DreamFlowNetwork": LoadNetwork,
    "DreamFlowSetting": Setting,
    "DreamFlowImage": DreamImage,
    "DreamFlowVideo": DreamVideo,
    "DreamFlowZoom": Zoom,
}
NODE_DISPLAY_NAME_MAPPINGS = {
    "DreamFlowNetwork": "DreamFlow: network",
    "DreamFlowSetting": "DreamFlow: setting or schedule",
    "DreamFlowImage": "DreamFlow: dream images",
    "DreamFlowVideo": "DreamFlow: dream a film",
    "DreamFlowZoom": "DreamFlow: zoom",
}
