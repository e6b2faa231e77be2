"""What stands before the landscape: a hot-air balloon, and a bank of grass, flowers and pines."""

from typing import cast

import cv2
import numpy as np
from landscape import SKYLIGHT, SUN_DIRECTION, SUNLIGHT, FloatArray, View, fractal_noise, mix, vec
from numpy.typing import NDArray


def build_balloon(size: int) -> FloatArray:
    """A hot-air balloon, premultiplied linear light, `size` pixels high."""
    y, x = np.indices((size * 4, size * 3), dtype=np.float32) / (size * 4) * 2.9
    y, x = y - 1.05, x - 1.0875
    ball, neck = np.sqrt(np.clip(1 - y * y, 0, 1)), np.cos(np.clip(y, 0, 1.25) * 0.98)
    radius = cast(FloatArray, np.where(y < 0, ball, neck))
    skin = (np.abs(x) < radius) & (y < 1.25)
    turn = np.arcsin(np.clip(x / np.maximum(radius, 1e-3), -1, 1))
    gore = turn / (np.pi / 8) + 0.5
    part = gore - np.floor(gore)
    band = np.floor(y * 2.6 + 1.6 * np.abs(part - 0.5) + 9).astype(int) % 4
    dyes = np.array(
        [[0.62, 0.05, 0.03], [0.80, 0.28, 0.04], [0.85, 0.66, 0.36], [0.03, 0.16, 0.24]]
    )
    flat = np.stack([np.sin(turn) * radius, -y, -np.cos(turn) * radius], axis=-1)
    facing = np.clip((flat @ SUN_DIRECTION + 0.35) / 1.35, 0, 1)[..., None]
    weave = 1 + 0.05 * fractal_noise(x.shape, 60, 3, 5, 0.7)[..., None]
    seam = (0.72 + 0.28 * np.sqrt(1 - (2 * part - 1) ** 2))[..., None]
    dyed = dyes[band] * seam * weave * (facing * SUNLIGHT * 0.62 + SKYLIGHT * 0.8)
    basket = (np.abs(x) < 0.14) & (y > 1.55) & (y < 1.78)
    rope = (np.abs(np.abs(x) - (0.33 - 0.7 * (y - 1.25))) < 0.012) & (y >= 1.25) & (y < 1.6)
    brown = vec(0.20, 0.10, 0.04) * (1.1 + 2.2 * x[..., None])
    colour = cast(FloatArray, np.where((basket | rope)[..., None], brown, dyed))
    cover = (skin | basket | rope).astype(np.float32)[..., None]
    whole = np.concatenate([colour * cover, cover], axis=-1).astype(np.float32)
    return cv2.resize(whole, (size * 3 // 4, size), interpolation=cv2.INTER_AREA)


def draw_line(
    canvas: NDArray[np.uint8], points: FloatArray, colour: FloatArray, width: int
) -> None:
    """An antialiased line to a sixteenth of a pixel; drawing the cover too premultiplies it."""
    ink = [*np.clip(colour, 0, 255).tolist(), 255]
    cv2.polylines(canvas, [(points * 16).astype(np.int32)], False, ink, width, cv2.LINE_AA, 4)


def fill_polygon(canvas: NDArray[np.uint8], corners: list[FloatArray], colour: FloatArray) -> None:
    """Fill a polygon, its corners in pixels, on an RGBA canvas."""
    ink = [*np.clip(colour, 0, 255).tolist(), 255]
    cv2.fillPoly(canvas, [(np.stack(corners) * 16).astype(np.int32)], ink, cv2.LINE_AA, 4)


def draw_pine(
    canvas: NDArray[np.uint8], foot: tuple[float, float], height: float, seed: int
) -> None:
    """Draw a pine of a height in pixels on its foot."""
    rng = np.random.default_rng(seed)
    x, y = foot
    draw_line(canvas, vec([x, y], [x, y - height * 0.97]), vec(44, 32, 24), 5)
    for level in np.linspace(1, 0, int(height / 3.4)):  # from the foot up: higher boughs lie over
        root = y - height * (0.97 - 0.85 * level)
        full = rng.uniform(0.72, 1.12)
        for _ in range(7):
            side = rng.uniform(-1, 1)
            reach = side * height * (0.015 + 0.21 * level**0.85) * rng.uniform(0.7, 1.1) * full
            drop = abs(reach) * rng.uniform(0.15, 0.5)
            sun = np.clip(0.48 + 0.5 * side + rng.normal(0, 0.16), 0, 1) ** 1.5
            tint = mix(vec(20, 36, 24), vec(188, 158, 66), sun)
            for along in rng.uniform(0.1, 1, 11):
                at = vec(x + reach * along, root + drop * along**1.6)
                tip = vec(np.sign(reach) * rng.uniform(1, 6), rng.uniform(1, 7))
                shade = rng.uniform(0.65, 1.0) * (0.6 + 0.45 * along)
                draw_line(
                    canvas,
                    np.stack([at, at + tip * height / 330]),
                    tint * shade,
                    1 + int(height / 450),
                )


def draw_flower(
    canvas: NDArray[np.uint8], tip: FloatArray, scale: float, rng: np.random.Generator
) -> None:
    """Draw a flower of a random kind at the tip of its stem."""
    kinds = [(236, 228, 206), (240, 196, 70), (132, 92, 176), (200, 74, 62)]
    kind = rng.choice(4, p=(0.34, 0.22, 0.34, 0.10))
    colour = vec(*kinds[kind])
    for k in range(12 if kind == 2 else 3):  # lupins stand in spikes, the others are small heads
        spot = tip + vec(rng.normal(0, 1.4), 1.7 * k if kind == 2 else rng.normal(0, 1)) * scale
        ink = [*np.clip(colour * rng.uniform(0.7, 1.08), 0, 255).tolist(), 255]
        size = int((14 + 1.3 * k if kind == 2 else 26) * scale)
        cv2.circle(canvas, (spot * 16).astype(int).tolist(), size, ink, -1, cv2.LINE_AA, 4)


def build_bank(view: View, pines: list[tuple[float, float]], blades: int) -> FloatArray:
    """The near bank with grass, flowers and pines: premultiplied display colours, 0 to 1."""
    wide, tall = view.width + int(view.bank_travel_px) + 40, view.height
    rng = np.random.default_rng(view.seed + 300)
    unit = view.height / 540
    rise = 62 + 13 * fractal_noise((2, wide), 330 * unit, view.seed + 301, 3)[0]
    patch = fractal_noise((tall, wide), 120 * unit, view.seed + 302, 4)
    canvas = np.zeros((tall, wide, 4), np.uint8)
    ground = [[x, tall - rise[x] * unit + 8 * unit] for x in range(wide)]
    ground = np.array([*ground, [wide, tall + 9], [0, tall + 9]]).astype(np.int32)
    cv2.fillPoly(canvas, [ground], (52, 58, 28, 255), cv2.LINE_AA)
    for x, size in pines:
        foot = (
            x * view.width,
            tall - rise[int(np.clip(x * view.width, 0, wide - 1))] * unit + 12 * unit,
        )
        draw_pine(canvas, foot, size * view.height, int(x * 1000) + 5000)
    near = np.sort(rng.random(blades)) ** 0.8
    for v, u in zip(near, rng.random(blades), strict=True):
        x = u * (wide - 1)
        y = tall - rise[int(x)] * unit * (1 - 1.5 * v) + 6 * unit
        size = unit * (0.55 + 0.9 * v) * rng.uniform(14, 34)
        dim = 1.12 - 0.32 * v
        lean = rng.normal(0.12, 0.25) * size
        ripe = np.clip(
            0.5 + 0.35 * patch[int(np.clip(y, 0, tall - 1)), int(x)] + rng.normal(0, 0.2), 0, 1
        )
        low = mix(vec(44, 60, 26), vec(90, 80, 38), ripe)
        high = mix(vec(104, 122, 44), vec(226, 184, 96), ripe)
        root, tip = vec(x, y), vec(x + lean, y - size)
        bend = mix(root, tip, 0.5) - vec(0.2 * lean, 0)
        half = vec((0.7 + 0.8 * v) * unit, 0)
        fill_polygon(
            canvas, [root - half, root + half, bend + 0.8 * half, bend - 0.8 * half], low * dim
        )
        fill_polygon(
            canvas, [bend - 0.8 * half, bend + 0.8 * half, tip], high * dim * rng.uniform(0.7, 1)
        )
        if rng.random() < 0.05:
            draw_flower(canvas, tip, unit * (0.5 + 0.6 * v), rng)
    return canvas.astype(np.float32) / 255
