"""Pictures in their own depth: what a dream leaves as it is, and what it adds."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import OpenEXR
import pytest
import tifffile
from conftest import CommandResult, make_texture, refused, run_ffmpeg
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dreamflow.core.errors import MediaError
from dreamflow.media.colour.hdr_tone_mapping import (
    H273_BT2020,
    PRIMARIES_XY_BY_H273,
    HdrTransfer,
)
from dreamflow.media.depth.codings import Coding, shape_light, unshape_light
from dreamflow.media.depth.original import PictureOriginal
from dreamflow.media.depth.read import read_deep_picture
from dreamflow.media.records.embedded_settings import read_record
from dreamflow.media.stills.read import read_picture

Cli = Callable[..., CommandResult]
SMALL = ("--octaves", "1", "--iterations", "2", "--step", "4", "--threads", "1")
HEIGHT, WIDTH = 40, 56


def light_picture(seed: int = 0) -> np.ndarray:
    """Return linear light with values below 0 and above 1, float32 (H, W, 3)."""
    light = (make_texture(HEIGHT, WIDTH, seed) / np.float32(255)) ** np.float32(2.2)
    light[4:8, 4:12] *= 50
    light[20:24, 30:40] -= 0.5
    return light


def soft_alpha() -> np.ndarray:
    """Return a disc with a soft edge, float32 (H, W), 0 outside and 1 inside."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    distance = np.hypot(rows - HEIGHT / 2, columns - WIDTH / 2)
    return np.clip((14 - distance) / 4 + 0.5, 0, 1).astype(np.float32)


def codes_16_bit() -> np.ndarray:
    noise = np.random.default_rng(3).integers(0, 257, (HEIGHT, WIDTH, 3))
    return (make_texture(HEIGHT, WIDTH).astype(np.uint16) * 256 + noise).astype(np.uint16)


def write_exr(path: Path, channels: dict[str, np.ndarray], **header: Any) -> Path:
    made = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage} | header
    OpenEXR.File(made, {n: np.ascontiguousarray(c) for n, c in channels.items()}).write(str(path))
    return path


def rgb(pixels: np.ndarray, prefix: str = "") -> dict[str, np.ndarray]:
    return {prefix + name: pixels[..., n] for n, name in enumerate("RGBA"[: pixels.shape[2]])}


def make_half(path: Path) -> Path:
    return write_exr(path.with_suffix(".exr"), rgb(light_picture().astype(np.float16)))


def make_float(path: Path) -> Path:
    return write_exr(path.with_suffix(".exr"), rgb(light_picture()))


def make_float_with_alpha(path: Path) -> Path:
    alpha = soft_alpha()[..., None]
    return write_exr(path.with_suffix(".exr"), rgb(np.dstack([light_picture() * alpha, alpha])))


def make_wide_gamut(path: Path) -> Path:
    rec2020 = (0.708, 0.292, 0.17, 0.797, 0.131, 0.046, 0.3127, 0.329)
    pixels = light_picture().astype(np.float16)
    return write_exr(path.with_suffix(".exr"), rgb(pixels), chromaticities=rec2020)


def make_png(path: Path) -> Path:
    cv2.imwrite(str(path.with_suffix(".png")), codes_16_bit()[..., ::-1])
    return path.with_suffix(".png")


def make_png_with_alpha(path: Path) -> Path:
    alpha = np.rint(65535 * soft_alpha()).astype(np.uint16)
    cv2.imwrite(str(path.with_suffix(".png")), np.dstack([codes_16_bit()[..., ::-1], alpha]))
    return path.with_suffix(".png")


def make_tiff(path: Path) -> Path:
    tifffile.imwrite(path.with_suffix(".tif"), codes_16_bit(), photometric="rgb")
    return path.with_suffix(".tif")


def make_tiff_with_alpha(path: Path) -> Path:
    alpha = np.rint(65535 * soft_alpha()).astype(np.uint16)
    pixels = np.dstack([codes_16_bit(), alpha])
    tifffile.imwrite(
        path.with_suffix(".tif"), pixels, photometric="rgb", extrasamples=["unassalpha"]
    )
    return path.with_suffix(".tif")


KINDS = (
    *(make_half, make_float, make_float_with_alpha, make_wide_gamut),
    *(make_png, make_png_with_alpha, make_tiff, make_tiff_with_alpha),
)


def read_with_ffmpeg(path: Path) -> np.ndarray:
    """Return the samples of a picture as FFmpeg's libraries read them, plane by plane."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    if not frame.format.name.startswith("gbr"):
        return frame.to_ndarray()
    kind = np.float16 if "f16" in frame.format.name else np.float32
    planes = [np.frombuffer(plane, kind) for plane in frame.planes]
    rows = [plane.reshape(frame.height, -1)[:, : frame.width] for plane in planes]
    return np.stack(rows)


def bits_of(samples: np.ndarray) -> np.ndarray:
    return samples.view({2: np.uint16, 4: np.uint32}[samples.dtype.itemsize])


@pytest.mark.parametrize("settings", [("--strength", "0"), ("--iterations", "0")])
@pytest.mark.parametrize("make", KINDS)
def test_a_dream_of_nothing_is_the_source_bit_for_bit(
    tmp_path: Path, cli: Cli, make: Callable[[Path], Path], settings: tuple[str, ...]
) -> None:
    source = make(tmp_path / "source")
    out = tmp_path / f"out{source.suffix}"
    run = cli("frame", source, out, *SMALL, *settings)
    assert run.code == 0, run.err
    before, after = read_with_ffmpeg(source), read_with_ffmpeg(out)
    assert before.dtype == after.dtype
    assert np.array_equal(bits_of(before), bits_of(after))
    if source.suffix == ".exr":
        types = [OpenEXR.InputFile(str(path)).header()["channels"] for path in (source, out)]
        assert {name: str(c.type) for name, c in types[0].items()} == {
            name: str(c.type) for name, c in types[1].items()
        }


def test_light_outside_of_a_display_and_what_is_no_number_stay(tmp_path: Path, cli: Cli) -> None:
    light = light_picture().astype(np.float16)
    light[10, 10], light[11, 20, 1], light[12, 30] = np.nan, np.inf, -np.inf
    source = write_exr(tmp_path / "odd.exr", rgb(light))
    run = cli("frame", source, tmp_path / "out.exr", *SMALL)
    assert run.code == 0, run.err
    dream = OpenEXR.File(str(tmp_path / "out.exr")).channels()["RGB"].pixels
    odd = ~np.isfinite(light).all(axis=2)
    assert np.array_equal(bits_of(dream)[odd], bits_of(light)[odd])
    assert np.isfinite(dream[~odd]).all(), "nothing that is no number has spread"
    assert not np.array_equal(dream, light)
    # 50 times white stays that bright, and light below black is there still.
    assert dream[4:8, 4:12].max() > 0.8 * light[4:8, 4:12].max()
    assert dream[~odd].min() < -0.2


def test_a_float_dream_looks_as_the_dream_of_what_is_displayed(tmp_path: Path, cli: Cli) -> None:
    source = make_half(tmp_path / "source")
    for suffix in (".exr", ".jpg"):
        run = cli("frame", source, tmp_path / f"dream{suffix}", *SMALL)
        assert run.code == 0, run.err
    light = np.clip(OpenEXR.File(str(tmp_path / "dream.exr")).channels()["RGB"].pixels, 0, 1)
    light = light.astype(np.float32)
    shown = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    picture = read_picture(tmp_path / "dream.jpg") / 255
    inside = np.ones((HEIGHT, WIDTH), bool)
    inside[2:10, 2:14] = inside[18:26, 28:42] = False  # where the display clips
    assert np.abs(shown - picture)[inside].mean() < 0.015


def test_a_dream_does_not_come_out_of_transparency(tmp_path: Path, cli: Cli) -> None:
    source = make_float_with_alpha(tmp_path / "source")
    run = cli("frame", source, tmp_path / "out.exr", *SMALL)
    assert run.code == 0, run.err
    before, after = (
        OpenEXR.File(str(path)).channels()["RGBA"].pixels for path in (source, tmp_path / "out.exr")
    )
    alpha = before[..., 3:]
    assert np.array_equal(after[..., 3:], alpha)
    change = np.abs(after - before)[..., :3]
    assert change[alpha[..., 0] == 0].max() == 0
    # Over any ground the change is in proportion to alpha: no halo.
    edge = (alpha > 0.02) & (alpha < 0.98)
    inner = (change / np.maximum(np.abs(before[..., :3]), 0.02))[alpha[..., 0] == 1].max()
    straight = before[..., :3] / np.maximum(alpha, 1e-6)
    at_edge = change / np.maximum(alpha * np.maximum(np.abs(straight), 0.02), 1e-6)
    assert at_edge[edge[..., 0]].max() < 3 * inner


def test_straight_and_premultiplied_colours_give_one_composite() -> None:
    made = np.random.default_rng(0)
    straight = made.integers(0, 65536, (8, 9, 3)).astype(np.uint16)
    alpha = made.integers(0, 65536, (8, 9)).astype(np.uint16)
    share = alpha[..., None] / np.float32(65535)
    premultiplied = np.rint(straight * share).astype(np.uint16)
    residual = made.uniform(-0.2, 0.2, (8, 9, 3)).astype(np.float32)
    proxy = (straight >> 8).astype(np.uint8)
    one = PictureOriginal(straight, Coding(), alpha).with_dream(residual, proxy)
    other = PictureOriginal(premultiplied, Coding(), alpha, True).with_dream(residual, proxy)
    inside = (one.pixels > 0) & (one.pixels < 65535) & (alpha[..., None] > 650)
    difference = np.abs(one.pixels * share - other.pixels)[inside]
    assert difference.max() < 100, "levels of 65535"


def test_a_layer_is_taken_by_its_name(tmp_path: Path, cli: Cli) -> None:
    main, other = light_picture(0).astype(np.float16), light_picture(1).astype(np.float16)
    source = write_exr(tmp_path / "l.exr", rgb(main) | rgb(other, "diffuse."))
    for name in ("diffuse", "Diffuse"):
        assert np.array_equal(read_deep_picture(source, layer=name).original.pixels, other)
    assert np.array_equal(read_deep_picture(source).original.pixels, main)
    with refused("exr_layer", str(source)):
        read_deep_picture(source, layer="specular")
    line = ("frame", source, tmp_path / "o.exr", "--iterations", "0", "--threads", "1")
    run = cli(*line, "--exr-layer", "diffuse")
    assert run.code == 0, run.err
    assert np.array_equal(read_deep_picture(tmp_path / "o.exr").original.pixels, other)


def test_a_data_window_of_its_own_is_kept(tmp_path: Path, cli: Cli) -> None:
    light = light_picture().astype(np.float16)
    for left, top in ((-8, -6), (10, 12)):
        windows = {
            "dataWindow": _window(left, top, WIDTH, HEIGHT),
            "displayWindow": _window(0, 0, 48, 36),
        }
        source = write_exr(tmp_path / f"w{left}.exr", rgb(light), **windows)
        out = tmp_path / f"out{left}.exr"
        run = cli("frame", source, out, *SMALL)
        assert run.code == 0, run.err
        header = OpenEXR.File(str(out)).header()
        assert all(np.array_equal(header[name], windows[name]) for name in windows)
        dream = OpenEXR.File(str(out)).channels()["RGB"].pixels
        rows, columns = np.mgrid[top : top + HEIGHT, left : left + WIDTH]
        shown = (rows >= 0) & (rows < 36) & (columns >= 0) & (columns < 48)
        assert np.array_equal(dream[~shown], light[~shown])
        assert not np.array_equal(dream[shown], light[shown])


def _window(left: int, top: int, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    ends = (left, top), (left + width - 1, top + height - 1)
    return np.array(ends[0], np.int32), np.array(ends[1], np.int32)


def test_turned_pictures_of_16_bits_are_upright(tmp_path: Path) -> None:
    codes = codes_16_bit()
    for orientation, suffix in product(range(1, 9), (".tif", ".png")):
        path = tmp_path / f"{orientation}{suffix}"
        if suffix == ".tif":
            tag = [(274, "H", 1, orientation, True)]
            tifffile.imwrite(path, codes, photometric="rgb", extratags=tag, metadata=None)
        else:
            content = cv2.imencode(".png", codes[..., ::-1])[1].tobytes()
            exif = Image.Exif()
            exif[274] = orientation
            data = b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
            checksum = struct.pack(">I", zlib.crc32(data))
            chunk = struct.pack(">I", len(data) - 4) + data + checksum
            path.write_bytes(content[:33] + chunk + content[33:])
        picture = read_deep_picture(path)
        assert picture.original.pixels.dtype == np.uint16
        assert picture.proxy.shape[0] == (HEIGHT if orientation < 5 else WIDTH)
        eighth = np.rint(picture.original.pixels / 257).astype(int)
        assert np.abs(eighth - picture.proxy).max() <= 1


def test_colour_tags_and_settings_go_along(tmp_path: Path, cli: Cli) -> None:
    for make in (make_half, make_png, make_tiff):
        source = make(tmp_path / "source")
        out = tmp_path / f"out{source.suffix}"
        assert cli("frame", source, out, "--iterations", "0", "--threads", "1").code == 0
        Path(f"{out}.json").unlink()
        if source.suffix != ".tif":
            assert read_record(out)["settings"]["iterations"] == 0
    wide = make_wide_gamut(tmp_path / "wide")
    assert cli("frame", wide, tmp_path / "w.exr", "--iterations", "0", "--threads", "1").code == 0
    tags = [
        OpenEXR.File(str(path)).header()["chromaticities"] for path in (wide, tmp_path / "w.exr")
    ]
    assert tags[0] == tags[1]


@pytest.mark.parametrize("compression", ["zip", "piz", "dwaa", "none"])
@pytest.mark.parametrize("kind", ["half", "float"])
def test_compressions_and_types(tmp_path: Path, cli: Cli, compression: str, kind: str) -> None:
    source, out = make_half(tmp_path / "source"), tmp_path / "out.exr"
    how = ("--exr-compression", compression, "--exr-type", kind, "--iterations", "0")
    assert cli("frame", source, out, *how, "--threads", "1").code == 0
    before, after = read_with_ffmpeg(source), read_with_ffmpeg(out)
    assert (
        OpenEXR.File(str(out))
        .header()["compression"]
        .name.lower()
        .startswith("no" if compression == "none" else compression)
    )
    if compression == "dwaa":
        assert np.abs(before.astype(np.float32) - after).mean() < 0.01 * np.abs(before).mean()
    else:
        assert np.array_equal(before.astype(np.float32), after.astype(np.float32))


def test_8_bit_pictures_become_linear_light(tmp_path: Path, cli: Cli) -> None:
    source = tmp_path / "s.png"
    cv2.imwrite(str(source), make_texture(HEIGHT, WIDTH)[..., ::-1])
    out = tmp_path / "o.exr"
    assert cli("frame", source, out, "--iterations", "0", "--threads", "1").code == 0
    assert np.abs(read_picture(out).astype(int) - make_texture(HEIGHT, WIDTH)).max() <= 1


def test_pictures_without_rgb_are_refused(tmp_path: Path) -> None:
    plane = light_picture()[..., 0]
    unknown = write_exr(tmp_path / "z.exr", {"Z": plane, "velocity.X": plane})
    luminance = write_exr(tmp_path / "yc.exr", {"Y": plane, "RY": plane, "BY": plane})
    for path in (unknown, luminance):
        with pytest.raises(MediaError) as error:
            read_deep_picture(path)
        assert error.value.where == str(path)


@given(st.floats(-65504, 65504, width=32))
def test_the_shaper_is_inverted(light: float) -> None:
    value = np.array([light], np.float32)
    assert unshape_light(shape_light(value)) == pytest.approx(value, rel=2e-5, abs=1e-7)


@pytest.mark.parametrize("transfer", ["SDR", "PQ", "HLG", "linear"])
@pytest.mark.parametrize("wide", [False, True])
def test_what_is_added_follows_the_dream(transfer: str, wide: bool) -> None:
    primaries = ((0.708, 0.292), (0.17, 0.797), (0.131, 0.046)) if wide else Coding().primaries
    coding = Coding(transfer, primaries)
    proxy = np.repeat(np.arange(5, 251, 5, dtype=np.uint8)[None, :, None], 3, axis=2)
    residual = np.full(proxy.shape, 0.01, np.float32)
    residual[:, ::2] = 0
    change = coding.measure_change(residual, proxy)
    assert (change[:, ::2] == 0).all()
    assert (change[:, 1::2] > 0).all()
    assert (coding.measure_change(-residual, proxy)[:, 1::2] < 0).all()


@pytest.mark.parametrize("transfer", ["PQ", "HLG"])
def test_a_dream_in_hdr_is_tone_mapped_to_the_dream(transfer: str) -> None:
    shown = HdrTransfer(H273_BT2020, transfer, 2000.0)
    coding = Coding(transfer, PRIMARIES_XY_BY_H273[H273_BT2020], peak_nits=2000.0)
    hue = np.linspace(0, 2 * np.pi, 96)[None, :, None] + np.array([0, 2.1, 4.2])
    level = np.linspace(0.25, 0.6, 64)[:, None, None]
    signal = ((level + 0.06 * np.sin(hue)) * 65535).astype(np.uint16)
    proxy = shown.to_sdr(signal)
    stripes = 0.06 * np.sin(np.arange(96) / 3)[None, :, None] * np.array([1, -0.5, 0.2])
    residual = np.broadcast_to(stripes, proxy.shape).astype(np.float32)
    dreamed = PictureOriginal(signal, coding).with_dream(residual, proxy)
    wanted = np.clip(proxy + 255 * residual, 0, 255)
    assert np.abs(shown.to_sdr(dreamed.pixels) - wanted).mean() < 0.6


def test_a_still_read_in_a_space_has_no_setting_that_does_nothing(tmp_path: Path, cli: Cli) -> None:
    source = make_png(tmp_path / "source")
    run = cli(
        *("frame", source, tmp_path / "out.png", *SMALL, "--strength", "0"),
        *("--input-space", "PQ"),
    )
    assert run.code == 0, run.err
    assert "warning" not in run.err
    shown = cv2.imread(str(tmp_path / "out.png"), cv2.IMREAD_UNCHANGED)
    assert shown is not None
    assert np.array_equal(shown[..., ::-1], codes_16_bit())


WITHOUT_OPENCOLORIO = """
import sys
sys.modules["PyOpenColorIO"] = None
from dreamflow.core.errors import DependencyError
from dreamflow.media.depth.colour_spaces import find_coding
assert find_coding("hlg", "input_space").transfer == "HLG"
try:
    find_coding("ACEScg", "input_space")
except DependencyError as error:
    assert error.setting == "input_space" and "\\n" not in str(error), error
    assert "dreamflow[vfx]" in str(error)
    print("refused")
"""


def test_without_opencolorio_its_spaces_are_refused_in_a_line() -> None:
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_OPENCOLORIO], capture_output=True, text=True, check=False
    )
    assert run.stdout == "refused\n", run.stderr


@pytest.mark.parametrize(
    ("pixel_format", "bits"), [("gbrp10le", 10), ("gbrp12le", 12), ("rgba64be", 16), ("rgba", 8)]
)
def test_a_dpx_keeps_its_codes(tmp_path: Path, pixel_format: str, bits: int) -> None:
    channels = 4 if "a" in pixel_format else 3
    codes = np.random.default_rng(0).integers(0, 2**bits, (HEIGHT, WIDTH, channels))
    planes = codes[..., (1, 2, 0)].transpose(2, 0, 1) if channels == 3 else codes
    raw = tmp_path / "raw"
    kind = "u1" if bits == 8 else "<u2" if channels == 3 else ">u2"
    raw.write_bytes(planes.astype(kind).tobytes())
    source = ("-f", "rawvideo", "-pix_fmt", pixel_format, "-s", f"{WIDTH}x{HEIGHT}", "-i", raw)
    run_ffmpeg(*source, "-frames:v", "1", tmp_path / "scan.dpx")
    original = read_deep_picture(tmp_path / "scan.dpx").original
    shown = original.pixels
    if channels == 4:
        assert original.alpha is not None
        shown = np.dstack([shown, original.alpha])
    assert np.array_equal(np.rint(shown * ((2**bits - 1) / 65535)).astype(int), codes)
