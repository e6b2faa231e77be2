"""The galleries of the documentation: every preset, and every layer by category.

The table of presets in docs/looks.md is written anew by `python docs/gallery.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import dreamflow
from dreamflow.media.resize import resize_picture
from dreamflow.networks.loading import network_layers
from dreamflow.networks.network import Network
from dreamflow.pipelines.settings.presets import load_preset
from dreamflow.reports.contact_sheet import draw_contact_sheet

DOCS_DIR = Path(__file__).parent
SAMPLES_DIR = DOCS_DIR.parent / "samples"
PRESETS_DIR = DOCS_DIR.parent / "presets"
GALLERY_SIZE = (360, 240)
"""Width and height of a preset's picture."""
LAYER_SIZE = (216, 144)
"""Width and height of a layer's picture."""
LAYER_COLUMNS = 5
ZOOM_SIZE = (240, 160)
"""Width and height of a zoom's frames."""
ZOOM_SECONDS = 5.0
DANCE_FRAMES = 72
"""Source frames of a moving picture of a preset that follows sound."""
WEBP_QUALITY = 82
TABLE_PATTERN = re.compile(r"(?<=<!-- presets -->\n).*?(?=<!-- /presets -->)", re.DOTALL)


def write_webp(path: Path, picture: np.ndarray, quality: int = WEBP_QUALITY) -> None:
    """Write a picture as a small WebP."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, quality=quality, method=6)


def preset_names() -> list[str]:
    """Return the presets that come with DreamFlow."""
    return sorted(path.stem for path in PRESETS_DIR.glob("*.toml"))


def is_zoom(settings: dict[str, Any]) -> bool:
    """Return whether a preset's settings are those of a zoom."""
    return "rotation" in settings


def hears(settings: dict[str, Any]) -> bool:
    """Return whether a preset's settings follow sound."""
    return any(word in str(value) for value in settings.values() for word in ("audio.", "beat"))


def is_journey(settings: dict[str, Any]) -> bool:
    """Return whether a preset's settings change over the whole of a clip."""
    return any("%:" in str(value) for value in settings.values())


def write_preset_picture(network: Network, name: str, still: np.ndarray, path: Path) -> None:
    """Dream with a preset: a still, or what moves where it is a zoom or follows sound.

    Args:
        network: Dreams.
        name: The preset.
        still: The picture, uint8 (H, W, 3) RGB.
        path: A `.webp` file.
    """
    settings = load_preset(name)[1]
    path.parent.mkdir(parents=True, exist_ok=True)
    if is_zoom(settings):
        small = resize_picture(still, *ZOOM_SIZE)
        frames = dreamflow.dream_zoom(
            small, network, preset=name, fps=12.0, seconds=ZOOM_SECONDS, loop=True
        )
        write_moving(path, frames, 12.0)
    elif hears(settings) or is_journey(settings):
        end, every = (DANCE_FRAMES, 2) if hears(settings) else (None, 4)
        clip = dreamflow.open_clip(SAMPLES_DIR / "valley.mp4", size="240", end=end, every=every)
        groove = str(SAMPLES_DIR / "groove.flac") if hears(settings) else None
        frames = dreamflow.dream_video(clip, network, preset=name, audio=groove)
        write_moving(path, frames, 24 / every)
    else:
        write_webp(path, dreamflow.dream_image(still, network, preset=name))


def write_moving(path: Path, frames: Iterable[dreamflow.Frame], fps: float) -> None:
    """Write frames as a small animated WebP that loops."""
    pictures = [Image.fromarray(frame.picture) for frame in frames]
    pictures[0].save(
        *(path,),
        save_all=True,
        append_images=pictures[1:],
        duration=round(1000 / fps),
        loop=0,
        quality=55,
        method=4,
    )


def preset_table() -> str:
    """Return the table of presets in Markdown: picture, name, description and command."""
    lines = ["| | |", "|---|---|"]
    for name in preset_names():
        description, settings = load_preset(name)
        command = "zoom picture.jpg" if is_zoom(settings) else "video clip.mp4"
        song = " --audio song.flac" if hears(settings) else ""
        lines.append(
            f"| ![{name}](pictures/presets/{name}.webp) | **{name}**<br>{description}<br>"
            f"`dreamflow {command} dream.mp4 --preset {name}{song}` |"
        )
    return "\n".join(lines) + "\n"


def write_layer_sheets(
    network: Network, name: str, stills: dict[str, np.ndarray], to: Path
) -> None:
    """Dream stills on every layer, and write a sheet for each still and category.

    Args:
        network: Dreams.
        name: Its name, as `load_network` takes it.
        stills: uint8 (H, W, 3) RGB, by name.
        to: The folder for the sheets, `CATEGORY_STILL.webp`.
    """
    by_category: dict[str, list[str]] = {}
    for layer, facts in network_layers(name).items():
        by_category.setdefault(facts.category or "other", []).append(layer)
    for category, layers in by_category.items():
        for still, picture in stills.items():
            dreams = [dreamflow.dream_image(picture, network, layer=layer) for layer in layers]
            sheet = draw_contact_sheet(dreams, layers, min(LAYER_COLUMNS, len(layers)))
            write_webp(to / f"{category.replace(' ', '_')}_{still}.webp", sheet)


if __name__ == "__main__":
    page = DOCS_DIR / "looks.md"
    text = page.read_text(encoding="utf-8")
    page.write_text(TABLE_PATTERN.sub(lambda _: preset_table(), text), encoding="utf-8")
