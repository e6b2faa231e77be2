"""A mountain lake at golden hour: land, sky and water, drawn from noise alone.

The land is a height map traced in true perspective, so every texture sticks to its surface and
the parallax is exact: optical flow has something honest to follow.
"""

from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[Any]  # pictures and maps, nearly all float32
DURATION_S = 4


def vec(*values: Any) -> FloatArray:
    """Return numbers as a float32 array."""
    return np.array(values, np.float32)


TEXEL_SIZE, NEAREST_Z, MAP_SHAPE = (
    0.5,
    85.0,
    (1800, 2700),
)  # height map: world units a texel, first z, (z, x)
SUN_DIRECTION = vec(0.80, 0.42, -0.43)  # towards the light: right, up, and a little behind us
SUN_VEIL_COLOUR = vec(0.30, 0.15, 0.03)
SUNLIGHT, SKYLIGHT = vec(3.5, 2.25, 1.15), vec(0.26, 0.36, 0.54)


@dataclass(frozen=True)
class View:
    """One picture's frame and layout; lengths in pixels are of the enlarged picture."""

    width: int
    height: int
    horizon: float
    focal: float
    sun_position: tuple[float, float]
    camera_travel: float  # sideways way of the camera, world units
    yaw_px: float  # turn of the camera, pixels
    cloud_cover: float  # how much of the sky is cloud
    seed: int
    eye_height: float = 12.0

    @property
    def horizon_px(self) -> float:
        """Height of the horizon, in pixels from the top."""
        return self.horizon * self.height

    @property
    def bank_travel_px(self) -> float:
        """How far the near bank, 26 units away, moves across the picture in all."""
        return self.camera_travel * self.focal / 26 + self.yaw_px


def smoothstep(low: float, high: float, value: FloatArray) -> FloatArray:
    """Return 0 below `low`, 1 above `high`, and a smooth step between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def mix(a: FloatArray, b: FloatArray, t: FloatArray | float) -> FloatArray:
    """Return a mix of two values: `a` where t is 0, `b` where it is 1."""
    return a + (b - a) * t


def fractal_noise(
    shape: tuple[int, int], cell: float, seed: int, octaves: int = 1, gain: float = 0.5
) -> FloatArray:
    """Fractal noise of mean 0 and deviation about 1, its largest features `cell` pixels wide."""
    rng = np.random.default_rng(seed)
    total, power = np.zeros(shape, np.float32), 0.0
    for octave in range(octaves):
        size = cell / 2**octave
        grid = rng.standard_normal([int(n / size) + 3 for n in shape], dtype=np.float32)
        total += gain**octave * cv2.resize(grid, shape[::-1], interpolation=cv2.INTER_CUBIC)
        power += gain ** (2 * octave) * 0.5
    return total / np.float32(np.sqrt(power))


def bilinear_sample(image: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    """Return an image at positions between its pixels; it is mirrored beyond its edges."""
    x, y = np.asarray(x, np.float32), np.asarray(y, np.float32)
    return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def build_bare_height_map(seed: int) -> FloatArray:
    """Bare land: a lake basin in front, hills behind it, eroded mountains at the back."""
    z, x = np.indices(MAP_SHAPE, dtype=np.float32) * TEXEL_SIZE
    z, x = z + NEAREST_Z, x - MAP_SHAPE[1] * TEXEL_SIZE / 2
    relief, sx, sz = (np.zeros(MAP_SHAPE, np.float32) for _ in range(3))
    for octave in range(8):
        cell = 720 / 2**octave
        n = fractal_noise(MAP_SHAPE, cell, seed + octave)
        n = 0.8 - 1.2 * np.sqrt(n * n + 0.01) if octave < 6 else 0.7 * n
        gz, gx = np.gradient(n)
        sx, sz = sx + gx * cell / 12 * 0.6, sz + gz * cell / 12 * 0.6
        # Steep places gather less detail, the way erosion leaves sharp ridges and smooth flanks.
        relief += 0.52**octave * n / (1 + 0.7 * (sx * sx + sz * sz))
    shore = z - 215 + 0.22 * np.abs(x + 30) + 32 * fractal_noise(MAP_SHAPE, 160, seed + 20, 4)
    hills = 0.5 + 0.28 * fractal_noise(MAP_SHAPE, 240, seed + 21, 4)
    land = 0.05 * shore + 42 * smoothstep(0, 190, shore) * np.maximum(hills, 0.06)
    return land + smoothstep(150, 560, shore) * (66 + 80 * relief + 0.12 * np.abs(x + 30))


def plant_trees(land: FloatArray, seed: int) -> tuple[FloatArray, FloatArray]:
    """Heights of the trees on the land, and each tree's own tint (0 where there is none)."""
    rng = np.random.default_rng(seed)
    trees, tint = np.zeros_like(land), np.zeros_like(land)
    slope = np.hypot(*np.gradient(cv2.GaussianBlur(land, (0, 0), 4))) / TEXEL_SIZE
    wood = (
        fractal_noise(MAP_SHAPE, 90, seed + 1, 5)
        + 0.85
        - 3 * smoothstep(45, 80, land)
        - 0.8 * (slope > 1.3)
    )
    spots = rng.uniform((12, 12), (MAP_SHAPE[0] - 13, MAP_SHAPE[1] - 13), (90000, 2)).astype(int)
    yy, xx = np.indices((17, 17)) - 8.0
    for (row, col), size, hue in zip(
        spots, rng.random(len(spots)), rng.random(len(spots)), strict=True
    ):
        if land[row, col] < 0.7 or wood[row, col] < 0:
            continue
        cone = 1 - np.hypot(xx, yy) / (2.6 + 2.6 * size)
        rough = cast(FloatArray, rng.uniform(0.75, 1.1, cone.shape))
        crown = rough * np.clip(cone, 0, 1) ** (0.9 if hue < 0.75 else 0.5) * (4.5 + 5.5 * size)
        here = np.s_[row - 8 : row + 9, col - 8 : col + 9]
        tint[here] = np.where(crown > trees[here], 0.1 + hue, tint[here])
        trees[here] = np.maximum(trees[here], crown)
    return trees, tint


def build_albedo(land: FloatArray, trees: FloatArray, tint: FloatArray, seed: int) -> FloatArray:
    """The land's own colours, before light."""
    gz, gx = np.gradient(cv2.GaussianBlur(land, (0, 0), 1.5))
    slope = np.hypot(gz, gx) / TEXEL_SIZE
    patch, fine = (
        fractal_noise(MAP_SHAPE, 60, seed, 6, 0.6),
        fractal_noise(MAP_SHAPE, 7, seed + 1, 3, 0.7),
    )
    t = smoothstep(-1.4, 1.4, patch)[..., None]
    grass = mix(vec(0.11, 0.15, 0.035), vec(0.34, 0.25, 0.07), t)
    band = np.sin(land * 0.55 + 2.2 * patch)[..., None]
    rock = vec(0.145, 0.14, 0.138) * (1 + 0.18 * band)
    colour = mix(grass, rock, smoothstep(0.95, 1.4, slope + 0.15 * patch + land / 150)[..., None])
    colour = mix(vec(0.30, 0.24, 0.16), colour, smoothstep(0.2, 1.6, land + 0.3 * fine)[..., None])
    snow = smoothstep(72, 106, land + 9 * patch) * smoothstep(1.9, 1.1, slope + 0.12 * fine)
    colour = mix(colour, vec(0.80, 0.83, 0.88), snow[..., None])
    colour = colour * (1 + 0.16 * fine[..., None])
    leaf = mix(vec(0.028, 0.050, 0.022), vec(0.09, 0.11, 0.025), tint[..., None])
    gold = vec(0.42, 0.20, 0.035)
    leaf = np.where(tint[..., None] > 0.95, gold * (0.4 + 0.5 * tint[..., None]), leaf)
    return mix(colour, leaf, smoothstep(0.2, 1.2, trees)[..., None])


def build_land(seed: int) -> tuple[FloatArray, FloatArray]:
    """The height map with its trees, and its colours under the low sun (both baked once)."""
    land = build_bare_height_map(seed)
    trees, tint = plant_trees(land, seed + 40)
    colour = build_albedo(land, trees, tint, seed + 60)
    top = land + trees
    gz, gx = np.gradient(top)
    gz, gx = gz / TEXEL_SIZE, gx / TEXEL_SIZE
    facing = (SUN_DIRECTION[1] - gx * SUN_DIRECTION[0] - gz * SUN_DIRECTION[2]) / np.sqrt(
        1 + gx * gx + gz * gz
    )
    # A shadow is where some point further to the sun's side stands above the line to the sun.
    fall = np.arange(MAP_SHAPE[1], dtype=np.float32) * TEXEL_SIZE * 0.55
    ceiling = np.maximum.accumulate((top - fall)[:, ::-1], axis=1)[:, ::-1] + fall
    lit = smoothstep(4.0, 0.0, cv2.GaussianBlur(ceiling - top, (0, 0), 1.2)) * np.clip(facing, 0, 1)
    hollow = 1 + (top - cv2.GaussianBlur(top, (0, 0), 6)) / 9
    hollow = np.clip(hollow + (top - cv2.blur(top, (61, 61))) / 22, 0.3, 1.4)
    light = lit[..., None] * SUNLIGHT + hollow[..., None] * SKYLIGHT
    return np.where(land > 0, top, -1).astype(np.float32), (colour * light).astype(np.float32)


def compute_sun_glow(view: View, x: FloatArray, y: FloatArray) -> FloatArray:
    """How near a direction is to the sun: 1 at the sun, falling off softly."""
    away = np.hypot(
        x - view.sun_position[0] * view.width, (y - view.sun_position[1] * view.height) * 1.25
    )
    return np.exp(-away / (0.20 * view.width))


def render_clear_sky(view: View, x: FloatArray, y: FloatArray) -> FloatArray:
    """Return the colour of the clear sky at positions in pixels: (..., 3)."""
    up = np.clip((view.horizon_px - y) / view.horizon_px, 0, 1)[..., None] ** 0.75
    low, middle, high = vec([0.90, 0.62, 0.40], [0.40, 0.55, 0.66], [0.055, 0.19, 0.42])
    near = compute_sun_glow(view, x, y)[..., None]
    sky = mix(mix(low, middle, smoothstep(0, 0.5, up)), high, smoothstep(0.3, 1.0, up))
    return sky + near * vec(1.3, 0.72, 0.26) + near**12 * vec(14, 9, 4)


def build_clouds(view: View) -> FloatArray:
    """A wide cloud picture, premultiplied colour and cover, to be slid across the sky."""
    size = int(view.horizon_px) + 40, view.width + 400
    y, x = np.indices(size, dtype=np.float32)
    deep = 1 / ((size[0] - y) / view.focal + 0.26)  # distance on the cloud plane
    big = (1400, 2400)
    field = fractal_noise(big, 170, view.seed + 80, 8, 0.56)
    bend = 14 * fractal_noise(big, 150, view.seed + 90, 3)
    px, py = (x / view.focal - 0.6) * deep * 430 + 1200, deep * 300
    px, py = px + bilinear_sample(bend, px, py), py + 0.6 * bilinear_sample(bend, py, px)
    thick = bilinear_sample(field, px, py) + view.cloud_cover
    veil = 0.16 * smoothstep(-1.0, 2.2, bilinear_sample(field, px * 0.8 + 300, py * 1.7 + 90))
    body, unit = smoothstep(0.0, 0.8, thick), view.width / 960
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
    near = compute_sun_glow(view, x - 200, y - 40)[..., None]
    colour = mix(cool, warm, np.clip(light, 0, 1.3)[..., None]) * (1 + 0.9 * near)
    colour += near**10 * vec(9, 5.5, 2.6)  # thin cloud lets the sun itself through
    cover = np.maximum(body * 0.95, veil)
    return np.dstack([colour * cover[..., None], cover]).astype(np.float32)


def find_first_hit(
    slope: FloatArray, ray_slope: FloatArray, start: NDArray[np.intp]
) -> NDArray[np.intp]:
    """For every ray (`up` a row) and column, the first slice from `start` on that it runs into."""
    hit = np.full((len(ray_slope), slope.shape[1]), len(slope))
    for begin in np.unique(start[start < len(slope)]):
        rows = start == begin
        best = np.maximum.accumulate(slope[begin:], axis=0)
        found = [np.searchsorted(line, ray_slope[rows]) for line in best.T]
        hit[rows] = begin + np.stack(found, axis=1)
    return hit


def trace_land(
    view: View, maps: dict[str, FloatArray], shift: tuple[float, float], eye: float
) -> tuple[FloatArray, FloatArray]:
    """See the land from height `eye` (negative: as the lake mirrors it): colour and cover."""
    side = (np.arange(view.width) + 0.5 - view.width / 2 + shift[1]) / view.focal
    z = np.geomspace(NEAREST_Z, NEAREST_Z + (MAP_SHAPE[0] - 1) * TEXEL_SIZE, 820)[:, None]
    rows = np.arange(int(view.horizon_px) + (int(eye * view.focal / NEAREST_Z) if eye > 0 else 0))
    up = (view.horizon_px - rows - 0.5) / view.focal
    across = (shift[0] + side * z) / TEXEL_SIZE + MAP_SHAPE[1] / 2
    deep = np.broadcast_to((z - NEAREST_Z) / TEXEL_SIZE, across.shape)
    top = bilinear_sample(maps["top"], across, deep)
    slope = np.where(top > 0.05, (top - eye) / z, -9).astype(np.float32)
    # What the lake mirrors must lie beyond the place where the eye's ray meets the water.
    meets = -eye / up if eye < 0 else np.zeros(len(up))
    hit = find_first_hit(slope, up, np.searchsorted(z[:, 0], meets) // 40 * 40)
    seen = hit < len(z)
    hit = np.clip(hit, 1, len(z) - 1)
    cols = np.arange(view.width)[None]
    before, after = slope[hit - 1, cols], slope[hit, cols]
    part = np.clip((up[:, None] - before) / np.maximum(after - before, 1e-6), 0, 1)
    depth = mix(z[hit - 1, 0], z[hit, 0], part)
    wide, height = shift[0] + side * depth, eye + up[:, None] * depth
    cover = (seen & ((height > 0) | (eye < 0))).astype(np.float32)
    px, py = wide / TEXEL_SIZE + MAP_SHAPE[1] / 2, (depth - NEAREST_Z) / TEXEL_SIZE
    far = smoothstep(300, 800, depth)[..., None]
    colour = mix(
        bilinear_sample(maps["colour"], px, py), bilinear_sample(maps["soft"], px, py), far
    )
    # Steep faces stretch the map's texels, so a grain bound to width and height covers them.
    grain = bilinear_sample(maps["grain"], wide * 6 + 4000, (height * 1.3 + depth * 0.6) * 6)
    colour = colour * np.exp(0.32 * grain * smoothstep(900, 200, depth))[..., None]
    near = compute_sun_glow(view, cols, rows[:, None])[..., None]
    haze = mix(vec(0.36, 0.45, 0.58), vec(1.5, 0.98, 0.56), near * 0.9)
    thick = 1 - np.exp(-(((depth - 120) / 1800).clip(0) ** 1.2))
    mist = 0.34 * np.exp(-np.clip(height, 0, None) / 22) * smoothstep(190, 420, depth)
    return mix(colour, haze, np.clip(thick + mist, 0, 0.9)[..., None]).astype(np.float32), cover


def compute_wave_heights(
    maps: dict[str, FloatArray],
    wide: FloatArray,
    depth: FloatArray,
    spacing: FloatArray,
    time: float,
) -> FloatArray:
    """Height of the small waves at points of the lake, moving slowly and without a jump."""
    total = np.zeros_like(depth)
    for index, length in enumerate((0.6, 1.2, 2.6, 5.5, 12.0)):
        # Waves shorter than the distance between two picture rows would only flicker.
        seen = smoothstep(1.0, 3.0, length / spacing)
        step, drift = 10 / length, (0.55 + 0.25 * index) * time
        one = bilinear_sample(
            maps["grain"], (wide * 0.6 + drift) * step + 3000, (depth + drift) * step
        )
        two = bilinear_sample(
            maps["grain"], (wide * 0.6 - drift) * step + 5000, (depth - drift) * step + 400
        )
        total += seen * (one + two) * (0.6 if index < 3 else 0.9)
    return np.clip(total, -2.2, 2.2)


def render_lake(
    view: View,
    maps: dict[str, FloatArray],
    mirror: FloatArray,
    shift: tuple[float, float],
    time: float,
) -> FloatArray:
    """The lake below the horizon, seen over the mirrored picture `mirror`."""
    y, x = np.indices((view.height - int(view.horizon_px), view.width), dtype=np.float32)
    down = y + 0.5
    depth = view.eye_height * view.focal / down
    wide = shift[0] + (x - view.width / 2 + shift[1]) / view.focal * depth
    wave = compute_wave_heights(maps, wide, depth, depth / down, time)
    calm = 0.35 + 0.65 * smoothstep(
        -0.7, 0.9, bilinear_sample(maps["grain"], wide * 0.12 + 900, depth * 0.3)
    )
    push = wave * calm * (0.5 + down * 0.011)
    seen = bilinear_sample(
        mirror, x + 0.35 * push, np.clip(view.horizon_px - down - 1.5 * push, 0, None)
    )
    bright = np.exp(-down / (0.55 * view.height))[..., None] * 0.62 + 0.30
    body = vec(0.020, 0.050, 0.055) * (1 + 0.25 * wave[..., None])
    return seen * np.clip(bright + 0.05 * (wave * calm)[..., None], 0.1, 1) + body


def composite_over(back: FloatArray, front: FloatArray) -> FloatArray:
    """Lay a premultiplied picture with cover over another."""
    return back * (1 - front[..., 3:]) + front[..., :3]


def render_scene(view: View, maps: dict[str, FloatArray], time: float) -> FloatArray:
    """Sky, land and lake at one moment, linear light."""
    part = time / DURATION_S
    shift = view.camera_travel * (part - 0.5), view.yaw_px * (part - 0.5)
    y, x = np.indices((view.height, view.width), dtype=np.float32)
    sky = render_clear_sky(view, x + shift[1], y)
    above = int(view.horizon_px)
    clouds = bilinear_sample(maps["clouds"], x + 200 + shift[1] - 3.0 * time, y + 40)[:above]
    sky[:above] = composite_over(sky[:above], clouds)
    colour, cover = trace_land(view, maps, shift, -view.eye_height)
    mirror = mix(sky[:above], colour, cover[..., None])
    sky[above:] = render_lake(view, maps, mirror, shift, time)
    colour, cover = trace_land(view, maps, shift, view.eye_height)
    sky[: len(colour)] = mix(sky[: len(colour)], colour, cover[..., None])
    # The air before everything is lit as well: a warm veil around the sun, as in a lens.
    near = compute_sun_glow(view, x + shift[1], y)[..., None]
    return sky * mix(vec(1, 1, 1), vec(1.16, 0.96, 0.66), near) + near**2 * SUN_VEIL_COLOUR
