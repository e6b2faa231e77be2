"""A mountain lake at golden hour: land, sky and water, drawn from noise alone.

The land is a height map traced in true perspective, so every texture sticks to its surface and
the parallax is exact: optical flow has something honest to follow.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

F = NDArray[Any]  # pictures and maps, nearly all float32
SECONDS = 4


def vec(*values: Any) -> F:
    return np.array(values, np.float32)


TEXEL, NEAR, MAP = 0.5, 85.0, (1800, 2700)  # height map: world units a texel, first z, (z, x)
SUN = vec(0.80, 0.42, -0.43)  # towards the light: right, up, and a little behind us
WARM = vec(0.30, 0.15, 0.03)
SUNLIGHT, SKYLIGHT = vec(3.5, 2.25, 1.15), vec(0.26, 0.36, 0.54)


@dataclass(frozen=True)
class View:
    """One picture's frame and layout; lengths in pixels are of the enlarged picture."""

    width: int
    height: int
    horizon: float
    focal: float
    sun: tuple[float, float]
    travel: float  # sideways way of the camera, world units
    yaw: float  # turn of the camera, pixels
    cover: float  # how much of the sky is cloud
    seed: int
    eye: float = 12.0

    @property
    def level(self) -> float:
        return self.horizon * self.height

    @property
    def run(self) -> float:
        """How far the near bank, 26 units away, moves across the picture in all."""
        return self.travel * self.focal / 26 + self.yaw


def smooth(low: float, high: float, value: F) -> F:
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def mix(a: F, b: F, t: F | float) -> F:
    return a + (b - a) * t


def noise(shape: tuple[int, int], cell: float, seed: int, octaves: int = 1, gain: float = 0.5) -> F:
    """Fractal noise of mean 0 and deviation about 1, its largest features `cell` pixels wide."""
    rng = np.random.default_rng(seed)
    total, power = np.zeros(shape, np.float32), 0.0
    for octave in range(octaves):
        size = cell / 2**octave
        grid = rng.standard_normal([int(n / size) + 3 for n in shape], dtype=np.float32)
        total += gain**octave * cv2.resize(grid, shape[::-1], interpolation=cv2.INTER_CUBIC)
        power += gain ** (2 * octave) * 0.5
    return total / np.float32(np.sqrt(power))


def sample(image: F, x: F, y: F) -> F:
    x, y = np.asarray(x, np.float32), np.asarray(y, np.float32)
    return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def heights(seed: int) -> F:
    """Bare land: a lake basin in front, hills behind it, eroded mountains at the back."""
    z, x = np.indices(MAP, dtype=np.float32) * TEXEL
    z, x = z + NEAR, x - MAP[1] * TEXEL / 2
    relief, sx, sz = (np.zeros(MAP, np.float32) for _ in range(3))
    for octave in range(8):
        cell = 720 / 2**octave
        n = noise(MAP, cell, seed + octave)
        n = 0.8 - 1.2 * np.sqrt(n * n + 0.01) if octave < 6 else 0.7 * n
        gz, gx = np.gradient(n)
        sx, sz = sx + gx * cell / 12 * 0.6, sz + gz * cell / 12 * 0.6
        # Steep places gather less detail, the way erosion leaves sharp ridges and smooth flanks.
        relief += 0.52**octave * n / (1 + 0.7 * (sx * sx + sz * sz))
    shore = z - 215 + 0.22 * np.abs(x + 30) + 32 * noise(MAP, 160, seed + 20, 4)
    hills = 0.5 + 0.28 * noise(MAP, 240, seed + 21, 4)
    land = 0.05 * shore + 42 * smooth(0, 190, shore) * np.maximum(hills, 0.06)
    return land + smooth(150, 560, shore) * (66 + 80 * relief + 0.12 * np.abs(x + 30))


def plant(land: F, seed: int) -> tuple[F, F]:
    """Heights of the trees on the land, and each tree's own tint (0 where there is none)."""
    rng = np.random.default_rng(seed)
    trees, tint = np.zeros_like(land), np.zeros_like(land)
    slope = np.hypot(*np.gradient(cv2.GaussianBlur(land, (0, 0), 4))) / TEXEL
    wood = noise(MAP, 90, seed + 1, 5) + 0.85 - 3 * smooth(45, 80, land) - 0.8 * (slope > 1.3)
    spots = rng.uniform((12, 12), (MAP[0] - 13, MAP[1] - 13), (90000, 2)).astype(int)
    yy, xx = np.indices((17, 17)) - 8.0
    for (row, col), size, hue in zip(
        spots, rng.random(len(spots)), rng.random(len(spots)), strict=True
    ):
        if land[row, col] < 0.7 or wood[row, col] < 0:
            continue
        cone = 1 - np.hypot(xx, yy) / (2.6 + 2.6 * size)
        rough = rng.uniform(0.75, 1.1, cone.shape)
        crown = rough * np.clip(cone, 0, 1) ** (0.9 if hue < 0.75 else 0.5) * (4.5 + 5.5 * size)
        here = np.s_[row - 8 : row + 9, col - 8 : col + 9]
        tint[here] = np.where(crown > trees[here], 0.1 + hue, tint[here])
        trees[here] = np.maximum(trees[here], crown)
    return trees, tint


def colours(land: F, trees: F, tint: F, seed: int) -> F:
    """The land's own colours, before light."""
    gz, gx = np.gradient(cv2.GaussianBlur(land, (0, 0), 1.5))
    slope = np.hypot(gz, gx) / TEXEL
    patch, fine = noise(MAP, 60, seed, 6, 0.6), noise(MAP, 7, seed + 1, 3, 0.7)
    t = smooth(-1.4, 1.4, patch)[..., None]
    grass = mix(vec(0.11, 0.15, 0.035), vec(0.34, 0.25, 0.07), t)
    band = np.sin(land * 0.55 + 2.2 * patch)[..., None]
    rock = vec(0.145, 0.14, 0.138) * (1 + 0.18 * band)
    colour = mix(grass, rock, smooth(0.95, 1.4, slope + 0.15 * patch + land / 150)[..., None])
    colour = mix(vec(0.30, 0.24, 0.16), colour, smooth(0.2, 1.6, land + 0.3 * fine)[..., None])
    snow = smooth(72, 106, land + 9 * patch) * smooth(1.9, 1.1, slope + 0.12 * fine)
    colour = mix(colour, vec(0.80, 0.83, 0.88), snow[..., None])
    colour = colour * (1 + 0.16 * fine[..., None])
    leaf = mix(vec(0.028, 0.050, 0.022), vec(0.09, 0.11, 0.025), tint[..., None])
    gold = vec(0.42, 0.20, 0.035)
    leaf = np.where(tint[..., None] > 0.95, gold * (0.4 + 0.5 * tint[..., None]), leaf)
    return mix(colour, leaf, smooth(0.2, 1.2, trees)[..., None])


def build_land(seed: int) -> tuple[F, F]:
    """The height map with its trees, and its colours under the low sun (both baked once)."""
    land = heights(seed)
    trees, tint = plant(land, seed + 40)
    colour = colours(land, trees, tint, seed + 60)
    top = land + trees
    gz, gx = np.gradient(top)
    gz, gx = gz / TEXEL, gx / TEXEL
    facing = (SUN[1] - gx * SUN[0] - gz * SUN[2]) / np.sqrt(1 + gx * gx + gz * gz)
    # A shadow is where some point further to the sun's side stands above the line to the sun.
    fall = np.arange(MAP[1], dtype=np.float32) * TEXEL * 0.55
    ceiling = np.maximum.accumulate((top - fall)[:, ::-1], axis=1)[:, ::-1] + fall
    lit = smooth(4.0, 0.0, cv2.GaussianBlur(ceiling - top, (0, 0), 1.2)) * np.clip(facing, 0, 1)
    hollow = 1 + (top - cv2.GaussianBlur(top, (0, 0), 6)) / 9
    hollow = np.clip(hollow + (top - cv2.blur(top, (61, 61))) / 22, 0.3, 1.4)
    light = lit[..., None] * SUNLIGHT + hollow[..., None] * SKYLIGHT
    return np.where(land > 0, top, -1).astype(np.float32), (colour * light).astype(np.float32)


def glow(view: View, x: F, y: F) -> F:
    """How near a direction is to the sun: 1 at the sun, falling off softly."""
    away = np.hypot(x - view.sun[0] * view.width, (y - view.sun[1] * view.height) * 1.25)
    return np.exp(-away / (0.20 * view.width))


def clear_sky(view: View, x: F, y: F) -> F:
    up = np.clip((view.level - y) / view.level, 0, 1)[..., None] ** 0.75
    low, middle, high = vec([0.90, 0.62, 0.40], [0.40, 0.55, 0.66], [0.055, 0.19, 0.42])
    near = glow(view, x, y)[..., None]
    sky = mix(mix(low, middle, smooth(0, 0.5, up)), high, smooth(0.3, 1.0, up))
    return sky + near * vec(1.3, 0.72, 0.26) + near**12 * vec(14, 9, 4)


def build_clouds(view: View) -> F:
    """A wide cloud picture, premultiplied colour and cover, to be slid across the sky."""
    size = int(view.level) + 40, view.width + 400
    y, x = np.indices(size, dtype=np.float32)
    deep = 1 / ((size[0] - y) / view.focal + 0.26)  # distance on the cloud plane
    big = (1400, 2400)
    field = noise(big, 170, view.seed + 80, 8, 0.56)
    bend = 14 * noise(big, 150, view.seed + 90, 3)
    px, py = (x / view.focal - 0.6) * deep * 430 + 1200, deep * 300
    px, py = px + sample(bend, px, py), py + 0.6 * sample(bend, py, px)
    thick = sample(field, px, py) + view.cover
    veil = 0.16 * smooth(-1.0, 2.2, sample(field, px * 0.8 + 300, py * 1.7 + 90))
    body, unit = smooth(0.0, 0.8, thick), view.width / 960
    bulge = np.sqrt(np.clip(thick, 0, 3) + 0.02)
    puff = np.zeros(size, np.float32)
    for width in (1.5, 5.0, 12.0):  # small curls and great heaps both turn a side to the light
        gy, gx = np.gradient(cv2.GaussianBlur(bulge, (0, 0), width * unit))
        puff += (gy * 0.85 - gx * 0.6) * unit * (2.2 + width)
    dense = cv2.GaussianBlur(body * np.clip(thick, 0, 2), (0, 0), 16 * unit)
    light = np.clip(0.5 + 1.5 * puff, 0, 1.5) * np.exp(-0.4 * dense) + 0.3 * np.exp(
        -3 * thick.clip(0)
    )
    warm, cool = vec(1.75, 1.22, 0.80), vec(0.27, 0.30, 0.39)
    near = glow(view, x - 200, y - 40)[..., None]
    colour = mix(cool, warm, np.clip(light, 0, 1.3)[..., None]) * (1 + 0.9 * near)
    colour += near**10 * vec(9, 5.5, 2.6)  # thin cloud lets the sun itself through
    cover = np.maximum(body * 0.95, veil)
    return np.dstack([colour * cover[..., None], cover]).astype(np.float32)


def first_hit(slope: F, up: F, start: NDArray[np.intp]) -> NDArray[np.intp]:
    """For every ray (`up` a row) and column, the first slice from `start` on that it runs into."""
    hit = np.full((len(up), slope.shape[1]), len(slope))
    for begin in np.unique(start[start < len(slope)]):
        rows = start == begin
        best = np.maximum.accumulate(slope[begin:], axis=0)
        found = [np.searchsorted(line, up[rows]) for line in best.T]
        hit[rows] = begin + np.stack(found, axis=1)
    return hit


def trace(view: View, maps: dict[str, F], shift: tuple[float, float], eye: float) -> tuple[F, F]:
    """See the land from height `eye` (negative: as the lake mirrors it): colour and cover."""
    side = (np.arange(view.width) + 0.5 - view.width / 2 + shift[1]) / view.focal
    z = np.geomspace(NEAR, NEAR + (MAP[0] - 1) * TEXEL, 820)[:, None]
    rows = np.arange(int(view.level) + (int(eye * view.focal / NEAR) if eye > 0 else 0))
    up = (view.level - rows - 0.5) / view.focal
    across = (shift[0] + side * z) / TEXEL + MAP[1] / 2
    deep = np.broadcast_to((z - NEAR) / TEXEL, across.shape)
    top = sample(maps["top"], across, deep)
    slope = np.where(top > 0.05, (top - eye) / z, -9).astype(np.float32)
    # What the lake mirrors must lie beyond the place where the eye's ray meets the water.
    meets = -eye / up if eye < 0 else np.zeros(len(up))
    hit = first_hit(slope, up, np.searchsorted(z[:, 0], meets) // 40 * 40)
    seen = hit < len(z)
    hit = np.clip(hit, 1, len(z) - 1)
    cols = np.arange(view.width)[None]
    before, after = slope[hit - 1, cols], slope[hit, cols]
    part = np.clip((up[:, None] - before) / np.maximum(after - before, 1e-6), 0, 1)
    depth = mix(z[hit - 1, 0], z[hit, 0], part)
    wide, height = shift[0] + side * depth, eye + up[:, None] * depth
    cover = (seen & ((height > 0) | (eye < 0))).astype(np.float32)
    px, py = wide / TEXEL + MAP[1] / 2, (depth - NEAR) / TEXEL
    far = smooth(300, 800, depth)[..., None]
    colour = mix(sample(maps["colour"], px, py), sample(maps["soft"], px, py), far)
    # Steep faces stretch the map's texels, so a grain bound to width and height covers them.
    grain = sample(maps["grain"], wide * 6 + 4000, (height * 1.3 + depth * 0.6) * 6)
    colour = colour * np.exp(0.32 * grain * smooth(900, 200, depth))[..., None]
    near = glow(view, cols, rows[:, None])[..., None]
    haze = mix(vec(0.36, 0.45, 0.58), vec(1.5, 0.98, 0.56), near * 0.9)
    thick = 1 - np.exp(-(((depth - 120) / 1800).clip(0) ** 1.2))
    mist = 0.34 * np.exp(-np.clip(height, 0, None) / 22) * smooth(190, 420, depth)
    return mix(colour, haze, np.clip(thick + mist, 0, 0.9)[..., None]).astype(np.float32), cover


def ripples(maps: dict[str, F], wide: F, depth: F, spacing: F, time: float) -> F:
    """Height of the small waves at points of the lake, moving slowly and without a jump."""
    total = np.zeros_like(depth)
    for index, length in enumerate((0.6, 1.2, 2.6, 5.5, 12.0)):
        # Waves shorter than the distance between two picture rows would only flicker.
        seen = smooth(1.0, 3.0, length / spacing)
        step, drift = 10 / length, (0.55 + 0.25 * index) * time
        one = sample(maps["grain"], (wide * 0.6 + drift) * step + 3000, (depth + drift) * step)
        two = sample(
            maps["grain"], (wide * 0.6 - drift) * step + 5000, (depth - drift) * step + 400
        )
        total += seen * (one + two) * (0.6 if index < 3 else 0.9)
    return np.clip(total, -2.2, 2.2)


def water(view: View, maps: dict[str, F], mirror: F, shift: tuple[float, float], time: float) -> F:
    """The lake below the horizon, seen over the mirrored picture `mirror`."""
    y, x = np.indices((view.height - int(view.level), view.width), dtype=np.float32)
    down = y + 0.5
    depth = view.eye * view.focal / down
    wide = shift[0] + (x - view.width / 2 + shift[1]) / view.focal * depth
    wave = ripples(maps, wide, depth, depth / down, time)
    calm = 0.35 + 0.65 * smooth(-0.7, 0.9, sample(maps["grain"], wide * 0.12 + 900, depth * 0.3))
    push = wave * calm * (0.5 + down * 0.011)
    seen = sample(mirror, x + 0.35 * push, np.clip(view.level - down - 1.5 * push, 0, None))
    bright = np.exp(-down / (0.55 * view.height))[..., None] * 0.62 + 0.30
    body = vec(0.020, 0.050, 0.055) * (1 + 0.25 * wave[..., None])
    return seen * np.clip(bright + 0.05 * (wave * calm)[..., None], 0.1, 1) + body


def over(back: F, front: F) -> F:
    """Lay a premultiplied picture with cover over another."""
    return back * (1 - front[..., 3:]) + front[..., :3]


def scene(view: View, maps: dict[str, F], time: float) -> F:
    """Sky, land and lake at one moment, linear light."""
    part = time / SECONDS
    shift = view.travel * (part - 0.5), view.yaw * (part - 0.5)
    y, x = np.indices((view.height, view.width), dtype=np.float32)
    sky = clear_sky(view, x + shift[1], y)
    above = int(view.level)
    clouds = sample(maps["clouds"], x + 200 + shift[1] - 3.0 * time, y + 40)[:above]
    sky[:above] = over(sky[:above], clouds)
    colour, cover = trace(view, maps, shift, -view.eye)
    mirror = mix(sky[:above], colour, cover[..., None])
    sky[above:] = water(view, maps, mirror, shift, time)
    colour, cover = trace(view, maps, shift, view.eye)
    sky[: len(colour)] = mix(sky[: len(colour)], colour, cover[..., None])
    # The air before everything is lit as well: a warm veil around the sun, as in a lens.
    near = glow(view, x + shift[1], y)[..., None]
    return sky * mix(vec(1, 1, 1), vec(1.16, 0.96, 0.66), near) + near**2 * WARM
