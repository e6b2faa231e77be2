"""Draw the documentation's pictures with DreamFlow itself, from the samples and its own network.

moving.webp        valley.mp4 and its dream, with a border between them that moves to and fro.
before_after.webp  meadow.jpg and the dream of it.
layers.webp        one frame of valley.mp4 on four layers.
guide.webp         the guide to pocket's layers, in the system's Chromium, 1280 pixels wide.
dance.webp         the first two bars of samples/make_dance.py, without sound.
heard.webp         what `dreamflow listen` hears in groove.flac.
sweep.webp         meadow.jpg swept through four layers: eight moments.
zoom.webp          a zoom into meadow.jpg with the preset descent: eight moments of 20 seconds.
matte.webp         valley.mp4 dreamed around its balloon: two moments.
shaping.webp       meadow.jpg dreamed with each way of shaping, by itself.
strips.webp        x-t slices of valley.mp4: the source, frames dreamed one by one, and carried.
presets/           every preset; layers/, every layer of GoogLeNet by category (see gallery.py).

All of it takes a quarter of an hour on two cores.
"""

from __future__ import annotations

import argparse
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from gallery import (
    GALLERY_SIZE,
    LAYER_SIZE,
    preset_names,
    write_layer_sheets,
    write_preset_picture,
    write_webp,
)

import dreamflow
from dreamflow import CarryOptions, DreamOptions, ShowOptions, SweepOptions, ZoomOptions
from dreamflow.core.options.declaration import flag_of
from dreamflow.media.resize import resize_picture
from dreamflow.pipelines.settings.presets import load_preset
from dreamflow.reports.contact_sheet import draw_contact_sheet

DOCS_DIR = Path(__file__).parent
PICTURES_DIR = DOCS_DIR / "pictures"
SAMPLES_DIR = DOCS_DIR.parent / "samples"
SHEET_LAYERS = ("conv2/3x3", "inception_3b/5x5_reduce", "inception_4b/pool", "inception_4c/output")
STRIP_LAYER = "inception_3b/output"
SHAPING_LAYER = "inception_3b/output"
SHAPING_VARIANTS: tuple[dict[str, Any], ...] = (
    {},
    {"gradient": "smooth", "smoothing": 3.0},
    {"gradient": "laplacian"},
    {"total_variation": 0.3},
    {"colour": "luminance"},
    {"colour": "source"},
    {"octave_tilt": -1.0},
    {"octave_tilt": 1.0},
    {"octave_iterations": "30,10,0,0"},
    {"iteration_zoom": 1.0},
    {"jitter_rotation": 90.0},
    {"jitter_scale": 50.0},
    {"noise": 0.5},
    {"noise": 1.0},
    {"noise": 1.0, "gradient": "laplacian"},
)
DANCE_S = 8 * 60 / 112
"""Two bars of the groove."""
STRIP_ROWS_PER_FRAME = 3  # lines of a strip per frame


def load_still(name: str, size: tuple[int, int]) -> np.ndarray:
    """Return a sample picture at (width, height), uint8 (H, W, 3) RGB."""
    return resize_picture(dreamflow.read_picture(SAMPLES_DIR / name), *size)


def wipe_to_and_fro(frames: list[dreamflow.Frame]) -> Iterator[dreamflow.Frame]:
    """Yield dreams whose left part is the source; its border goes to the right and back."""
    for number, frame in enumerate(frames):
        assert frame.source is not None
        width = frame.picture.shape[1]
        border = round(width * (1 - math.cos(2 * math.pi * number / len(frames))) / 2)
        picture = frame.picture.copy()
        picture[:, :border] = frame.source[:, :border]
        picture[:, max(0, border - 1) : border + 1] = 255
        yield replace(frame, picture=picture)


def write_moving_picture(network: dreamflow.Network, path: Path) -> None:
    """Write four seconds of the valley, half source and half dream, that loop."""
    clip = dreamflow.open_clip(SAMPLES_DIR / "valley.mp4", size="480", every=2)
    dreams = list(dreamflow.dream_video(clip, network, preset="animals"))
    dreamflow.write_video(path, wipe_to_and_fro(dreams), clip, crf=40, overwrite=True)


def dream_xt_slice(
    network: dreamflow.Network, clip: dreamflow.Clip, carry: CarryOptions
) -> np.ndarray:
    """Return the middle row of every frame's dream, one under the other."""
    options = DreamOptions(layer=(STRIP_LAYER,))
    dreams = dreamflow.dream_video(clip, network, options=options, carry=carry)
    return build_xt_slice([frame.picture for frame in dreams])


def dream_around_matte(network: dreamflow.Network) -> np.ndarray:
    """Return the third and the ninetieth frame of a dream that leaves the balloon out."""
    clip = dreamflow.open_clip(SAMPLES_DIR / "valley.mp4", end=90)
    show = ShowOptions(matte=str(SAMPLES_DIR / "balloon.mp4"), matte_invert=True, matte_feather=1)
    frames = [frame.picture for frame in dreamflow.dream_video(clip, network, show=show)]
    return np.hstack([frames[2], frames[89]])


def dream_sweep_moments(network: dreamflow.Network, picture: np.ndarray) -> list[dreamflow.Frame]:
    """Return eight moments of a sweep, two on their way from each layer to the next."""
    options = SweepOptions(layers=",".join(SHEET_LAYERS), hold=0.5, fade=1.5, caption=True)
    frames = list(dreamflow.dream_sweep(picture, network, options, fps=12))
    return [frames[number] for number in (2, 12, 19, 27, 36, 43, 60, 77)]


def dream_zoom_moments(network: dreamflow.Network, picture: np.ndarray) -> list[dreamflow.Frame]:
    """Return eight moments of a zoom."""
    settings: dict[str, Any] = {**load_preset("descent")[1], "seconds": 20.0, "fps": 12.0}
    options = ZoomOptions(**settings)
    frames = list(dreamflow.dream_zoom(picture, network, zoom=options))
    return [frames[number] for number in (0, 8, 40, 80, 120, 160, 200, 239)]


def draw_shaping_sheet(network: dreamflow.Network, picture: np.ndarray) -> np.ndarray:
    """Return a sheet of a picture and its dreams, each under the flags that it was made with."""
    pictures, labels = [picture], ["the source"]
    for settings in SHAPING_VARIANTS:
        options = DreamOptions(layer=(SHAPING_LAYER,), **settings)
        pictures.append(dreamflow.dream_image(picture, network, options=options))
        flags = [f"{flag_of(name)[2:]} {format_value(value)}" for name, value in settings.items()]
        labels.append(", ".join(flags) or "all at their defaults")
    return draw_contact_sheet(pictures, labels, 4)


def format_value(value: object) -> str:
    """Return a setting's value as a label shows it."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def draw_moments_sheet(frames: list[dreamflow.Frame]) -> np.ndarray:
    """Return frames on a sheet, each with its time."""
    times = [f"{float(frame.time):.2f} s" for frame in frames]
    return draw_contact_sheet([frame.picture for frame in frames], times, 4)


def build_xt_slice(pictures: list[np.ndarray]) -> np.ndarray:
    """Return the middle row of each picture, one below the other."""
    rows = np.stack([picture[picture.shape[0] // 2] for picture in pictures])
    return rows.repeat(STRIP_ROWS_PER_FRAME, axis=0)


def draw_heard(path: Path) -> None:
    """Draw what `dreamflow listen` hears in the groove."""
    with tempfile.TemporaryDirectory() as folder:
        plot = Path(folder) / "heard.png"
        groove = str(SAMPLES_DIR / "groove.flac")
        subprocess.run(
            [sys.executable, "-m", "dreamflow", "listen", groove, "--plot", str(plot)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        write_webp(path, dreamflow.read_picture(plot))


def draw_dance(path: Path) -> None:
    """Dream the beginning of the sample's dance as a moving picture."""
    with tempfile.TemporaryDirectory() as folder:
        dance = Path(folder) / path.name
        line = [str(SAMPLES_DIR / "make_dance.py"), str(dance), "--size", "360"]
        subprocess.run([sys.executable, *line, "--seconds", f"{DANCE_S:.3f}"], check=True)
        shutil.copyfile(dance, path)


def photograph_guide(network: dreamflow.Network, path: Path) -> None:
    """Take a picture of the guide to the meadow, in the system's Chromium; skip it without one."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print(f"no Chromium: {path.name} stays as it is")
        return
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        dreamflow.make_guide(SAMPLES_DIR / "meadow.jpg", folder, network, size="320")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto((Path(folder) / "index.html").as_uri())
        page.wait_for_load_state("networkidle")
        page.screenshot(path=Path(folder) / "guide.png")
        browser.close()
        write_webp(path, dreamflow.read_picture(Path(folder) / "guide.png"))


def draw_sheets(network: dreamflow.Network, out: Path) -> None:
    """Draw the pictures of single pages."""
    write_moving_picture(network, out / "moving.webp")
    meadow = load_still("meadow.jpg", (600, 400))
    dream = dreamflow.dream_image(meadow, network, layer="inception_4c/output")
    write_webp(out / "before_after.webp", np.hstack([meadow, dream]))
    frame = read_valley_frame()
    dreams = [dreamflow.dream_image(frame, network, layer=layer) for layer in SHEET_LAYERS]
    write_webp(out / "layers.webp", draw_contact_sheet(dreams, SHEET_LAYERS))
    moments = dream_sweep_moments(network, load_still("meadow.jpg", (300, 200)))
    write_webp(out / "sweep.webp", draw_moments_sheet(moments))
    moments = dream_zoom_moments(network, load_still("meadow.jpg", (240, 160)))
    write_webp(out / "zoom.webp", draw_moments_sheet(moments))
    write_webp(out / "matte.webp", dream_around_matte(network))
    sheet = draw_shaping_sheet(network, load_still("meadow.jpg", (270, 180)))
    write_webp(out / "shaping.webp", sheet, quality=70)
    clip = dreamflow.open_clip(SAMPLES_DIR / "valley.mp4", size="320")
    strips = {
        "the clip": build_xt_slice([frame.picture for frame in clip]),
        "each frame by itself": dream_xt_slice(network, clip, CarryOptions(carry=False)),
        "carried": dream_xt_slice(network, clip, CarryOptions()),
    }
    sheet = draw_contact_sheet(list(strips.values()), list(strips.keys()), 3)
    write_webp(out / "strips.webp", sheet)
    draw_heard(out / "heard.webp")
    draw_dance(out / "dance.webp")


def draw_galleries(network: dreamflow.Network, weights: Path | None, out: Path) -> None:
    """Draw every preset, and with GoogLeNet's weights every layer of it."""
    still = load_still("meadow.jpg", GALLERY_SIZE)
    for name in preset_names():
        write_preset_picture(network, name, still, out / "presets" / f"{name}.webp")
    if weights is None:
        print("no --weights: the pictures of GoogLeNet's layers stay as they are")
        return
    valley = resize_picture(read_valley_frame()[:, 40:445], *LAYER_SIZE)
    stills = {"meadow": load_still("meadow.jpg", LAYER_SIZE), "valley": valley}
    googlenet = dreamflow.load_network("googlenet", weights)
    write_layer_sheets(googlenet, "googlenet", stills, out / "layers")


def read_valley_frame() -> np.ndarray:
    """Return a frame from the middle of valley.mp4, uint8 (H, W, 3) RGB."""
    return next(iter(dreamflow.open_clip(SAMPLES_DIR / "valley.mp4", start="40%"))).picture


def main() -> None:
    """Draw the pictures of the documentation, or some of them."""
    parser = argparse.ArgumentParser(description="Draw the pictures of docs/.")
    parser.add_argument("--out", type=Path, default=PICTURES_DIR, metavar="FOLDER")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="GoogLeNet's")
    parser.add_argument("--only", choices=["sheets", "galleries", "guide"])
    parser.add_argument("--threads", type=int, default=0)
    given = parser.parse_args()
    network = dreamflow.load_network(threads=given.threads)
    if given.only in (None, "sheets"):
        draw_sheets(network, given.out)
    if given.only in (None, "galleries"):
        draw_galleries(network, given.weights, given.out)
    if given.only in (None, "guide"):
        photograph_guide(network, given.out / "guide.webp")


if __name__ == "__main__":
    main()
