"""Reading single stills of every format: colours, transparency, orientation, size."""

from __future__ import annotations

import os
import shutil
import struct
import sys
import warnings
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from conftest import SHARED_DIR, make_texture, psnr, run_ffmpeg
from icc_profiles import (
    cmyk_profile,
    grey_profile,
    lab_to_srgb,
    matrix_profile,
    srgb_codes,
    through_matrix,
)
from PIL import Image, ImageCms

from dreamflow.core.errors import DependencyError, DreamFlowWarning, MediaError
from dreamflow.core.opencv import cv2
from dreamflow.media.options import DEFAULT_FRAME_TIMECODE
from dreamflow.media.read.mattes.matte_files import MatteTarget, open_matte_pictures
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.read.single_frame import decode_first_frame, open_frames_up_to
from dreamflow.media.stills.read import (
    decode_picture,
    is_still,
    read_alpha,
    read_picture,
    read_picture_size,
)
from dreamflow.media.stills.write import write_picture

FAULTS = SHARED_DIR / "faults"
ADOBE_RGB_TO_XYZ_D50 = np.array(
    [[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]]
)
PATCHES = make_texture(24, 32)


def differs(picture: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference of two pictures, in levels."""
    return float(np.abs(picture.astype(float) - expected).max())


# --- colour profiles


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_a_profile_is_converted_to_srgb(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"p3{suffix}"
    options = {"lossless": True} if suffix == ".webp" else {}
    Image.fromarray(PATCHES).save(path, icc_profile=matrix_profile(), **options)
    assert differs(read_picture(path), through_matrix(PATCHES)) <= 2


@pytest.mark.parametrize("suffix", [".jpg", ".avif"])
def test_a_lossy_picture_is_converted_to_srgb(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(PATCHES).save(tmp_path / f"a{suffix}", quality=95, icc_profile=None)
    plain = np.asarray(Image.open(tmp_path / f"a{suffix}"))
    path = tmp_path / f"b{suffix}"
    Image.fromarray(PATCHES).save(path, quality=95, icc_profile=matrix_profile())
    assert differs(read_picture(path), through_matrix(plain)) <= 2


def test_the_profile_of_a_transparent_picture_is_converted(tmp_path: Path) -> None:
    alpha = np.tile(np.arange(32, dtype=np.uint8) * 8, (24, 1))
    path = tmp_path / "p3.png"
    Image.fromarray(np.dstack([PATCHES, alpha])).save(path, icc_profile=matrix_profile())
    assert differs(read_picture(path, flatten_alpha=False), through_matrix(PATCHES)) <= 2
    read = read_alpha(path)
    assert read is not None
    assert differs(read, alpha) == 0
    with pytest.warns(DreamFlowWarning):
        over_black = read_picture(path)
    assert differs(over_black, through_matrix(PATCHES) * (alpha / 255)[..., None]) <= 2


@pytest.mark.parametrize("mode", ["L", "LA", "P"])
def test_the_profile_of_grey_and_palette_pictures_is_converted(tmp_path: Path, mode: str) -> None:
    grey = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (4, 1))
    image = Image.fromarray(grey)
    image = image.convert("P", palette=Image.Palette.ADAPTIVE) if mode == "P" else image
    image = image.convert(mode)
    path = tmp_path / "grey.png"
    profile = matrix_profile(gamma=1.0) if mode == "P" else grey_profile(1.0)
    image.save(path, icc_profile=profile)
    shown = np.repeat(srgb_codes(grey / 255)[..., None], 3, axis=2)
    assert differs(read_picture(path), shown) <= 3


def test_a_grey_picture_may_have_an_rgb_profile(tmp_path: Path) -> None:
    grey = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (4, 1))
    Image.fromarray(grey).save(tmp_path / "g.png", icc_profile=matrix_profile(gamma=1.0))
    shown = np.repeat(srgb_codes(grey / 255)[..., None], 3, axis=2)
    assert differs(read_picture(tmp_path / "g.png"), shown) <= 3


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_the_profile_of_a_cmyk_picture_is_converted(tmp_path: Path, suffix: str) -> None:
    lab = np.zeros((2, 2, 2, 2, 3))
    for c, m, y, k in np.ndindex(2, 2, 2, 2):
        lab[c, m, y, k] = 100 - 20 * (c + m + y), 20.0 * (m - c), 30.0 * (y - m)
        lab[c, m, y, k] *= 1 - k
    inks = np.array([(0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (1, 1, 0, 1)])
    picture = np.repeat(np.repeat((inks * 255).astype(np.uint8)[None], 16, 0), 16, 1)
    path = tmp_path / f"print{suffix}"
    options = {"quality": 100} if suffix == ".jpg" else {}
    image = Image.fromarray(picture, "CMYK")
    image.save(path, icc_profile=cmyk_profile(lab), **options)
    read = read_picture(path)[8, 8::16]
    assert differs(read, lab_to_srgb(lab[tuple(inks.T)])) <= 3


def test_a_lab_picture_is_converted(tmp_path: Path) -> None:
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    to_lab.apply(Image.fromarray(PATCHES)).save(tmp_path / "lab.tif")
    # 8 bits of Lab are coarse where colours are dark and strong.
    assert np.abs(read_picture(tmp_path / "lab.tif").astype(float) - PATCHES).mean() < 1.5


def test_the_profile_of_srgb_changes_nothing(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(PATCHES).save(tmp_path / "s.png", icc_profile=profile)
    assert np.array_equal(read_picture(tmp_path / "s.png"), PATCHES)


@pytest.mark.parametrize(
    "profile",
    [b"nonsense", matrix_profile()[:150], bytes(600), grey_profile(2.2)],
    ids=["text", "cut short", "zeros", "of grey"],
)
def test_a_profile_that_cannot_be_used_is_said_and_ignored(tmp_path: Path, profile: bytes) -> None:
    for number in range(3):
        Image.fromarray(PATCHES).save(tmp_path / f"{number}.png", icc_profile=profile)
    with pytest.warns(DreamFlowWarning) as said:
        assert np.array_equal(read_picture(tmp_path / "0.png"), PATCHES)
    assert len(said) == 1
    with pytest.warns(DreamFlowWarning) as said:
        assert all(np.array_equal(frame.picture, PATCHES) for frame in open_clip(tmp_path))
    assert len(said) == 1, "once for a folder"


@pytest.mark.clips
@pytest.mark.parametrize("name", ["iccpng.png", "icc_only.tif", "icc_only.webp"])
def test_real_profiles_are_converted_as_by_their_formula(name: str) -> None:
    stored = np.asarray(Image.open(FAULTS / name).convert("RGB"))
    expected = through_matrix(stored, ADOBE_RGB_TO_XYZ_D50, 563 / 256)
    assert differs(stored, expected) > 5
    assert differs(read_picture(FAULTS / name), expected) <= 2


# --- HEIF and AVIF


@pytest.mark.clips
def test_a_tiled_heic_is_the_whole_photograph(tmp_path: Path) -> None:
    path = tmp_path / "renamed.jpg"
    shutil.copyfile(FAULTS / "example.heic", path)
    assert is_still(path)
    assert read_picture_size(path) == (1280, 854)
    picture = read_picture(path)
    # The same view as this photograph, which is cut a little closer.
    photograph = cv2.resize(
        read_picture(SHARED_DIR / "photos" / "public" / "tubingen.jpg"), (128, 96)
    )
    small = cv2.resize(picture, (144, 96))
    seen = cv2.matchTemplate(small, photograph[:, 8:-8], cv2.TM_CCOEFF_NORMED).max()
    assert seen > 0.5


@pytest.mark.clips
@pytest.mark.parametrize("name", ["still_exif.avif", "alpha.avif"])
def test_avif_stills_are_read(name: str) -> None:
    assert is_still(FAULTS / name)
    picture = read_picture(FAULTS / name, flatten_alpha=False)
    assert picture.shape[1::-1] == read_picture_size(FAULTS / name)
    stored = np.asarray(Image.open(FAULTS / name).convert("RGB"))
    assert differs(picture, stored) == 0
    assert (read_alpha(FAULTS / name) is None) == (name != "alpha.avif")
    with pytest.raises(MediaError):
        open_clip(FAULTS / name)


@pytest.mark.clips
def test_an_animated_avif_is_a_clip_without_what_is_transparent() -> None:
    path = FAULTS / "anim_exif.avif"
    assert not is_still(path)
    with pytest.warns(DreamFlowWarning):
        clip = open_clip(path)
    frames = list(clip)
    assert len(frames) == 5
    with Image.open(path) as image:
        for number, frame in enumerate(frames):
            image.seek(number)
            shown = np.asarray(image.convert("RGBA")).astype(float)
            assert differs(frame.picture, shown[..., :3] * shown[..., 3:] / 255) <= 1


def make_avif(path: Path, primaries: str, transfer: str, size: str = "64x48") -> Path:
    """Write an AVIF still of a test pattern whose code points are these."""
    tags = f"setparams=color_primaries={primaries}:color_trc={transfer}:range=tv"
    source = f"testsrc2=size={size}:rate=1"
    encoder = ("-c:v", "libsvtav1", "-crf", "5", "-pix_fmt", "yuv420p10le", "-still-picture", "1")
    run_ffmpeg("-f", "lavfi", "-i", source, "-vf", tags, *encoder, "-frames:v", "1", path)
    return path


@pytest.mark.parametrize(
    ("primaries", "transfer"),
    [("smpte432", "iec61966-2-1"), ("bt2020", "smpte2084"), ("bt2020", "arib-std-b67")],
)
def test_code_points_of_an_avif_are_converted(
    tmp_path: Path, primaries: str, transfer: str
) -> None:
    plain = read_picture(make_avif(tmp_path / "plain.avif", "bt709", "iec61966-2-1"))
    path = make_avif(tmp_path / "tagged.avif", primaries, transfer)
    if primaries == "smpte432":
        light = ((plain / 255 + 0.055) / 1.055) ** 2.4
        light = np.where(plain <= 10, plain / 255 / 12.92, light)
        matrix = np.array(
            [[1.22494, -0.22494, 0], [-0.04206, 1.04206, 0], [-0.01964, -0.07864, 1.09827]]
        )
        assert differs(read_picture(path), srgb_codes(light @ matrix.T)) <= 2
        return
    with pytest.warns(DreamFlowWarning):
        shown = read_picture(path)
    assert differs(shown, plain) > 30


def tag_png(path: Path, *chunks: tuple[bytes, bytes]) -> Path:
    """Write a PNG of PATCHES with chunks after its header."""
    write_picture(path, PATCHES)
    data = path.read_bytes()
    tags = b"".join(png_chunk(kind, content) for kind, content in chunks)
    path.write_bytes(data[:33] + tags + data[33:])
    return path


P3_CHRM = struct.pack(">8I", *(31270, 32900), *(68000, 32000), *(26500, 69000), *(15000, 6000))


def test_the_tags_of_a_png_are_followed_in_their_order(tmp_path: Path) -> None:
    p3 = through_matrix(PATCHES, gamma=1 / 0.5)
    gama, srgb = (b"gAMA", struct.pack(">I", 50000)), (b"sRGB", b"\0")
    read = read_picture(tag_png(tmp_path / "a.png", gama, (b"cHRM", P3_CHRM)))
    assert differs(read, p3) <= 2
    assert differs(read_picture(tag_png(tmp_path / "b.png", srgb, gama)), PATCHES) == 0
    usual = (b"gAMA", struct.pack(">I", 45455))
    assert differs(read_picture(tag_png(tmp_path / "c.png", usual)), PATCHES) == 0
    linear = (b"gAMA", struct.pack(">I", 100000))
    assert differs(read_picture(tag_png(tmp_path / "d.png", linear)), LIGHT_CODES) <= 1
    empty = tag_png(tmp_path / "g.png", usual, (b"cHRM", bytes(32)))
    assert differs(read_picture(empty), PATCHES) == 0
    tagged = tag_png(tmp_path / "e.png", (b"cICP", bytes((12, 13, 0, 1))), gama)
    light = np.where(PATCHES <= 10, LIGHT / 12.92, ((LIGHT + 0.055) / 1.055) ** 2.4)
    matrix = np.array(
        [[1.22494, -0.22494, 0], [-0.04206, 1.04206, 0], [-0.01964, -0.07864, 1.09827]]
    )
    assert differs(read_picture(tagged), srgb_codes(light @ matrix.T)) <= 1
    with pytest.warns(DreamFlowWarning):
        hdr = read_picture(tag_png(tmp_path / "f.png", (b"cICP", bytes((9, 16, 0, 1)))))
    assert differs(hdr, PATCHES) > 20


# --- what a file is, whatever its name


@pytest.mark.parametrize("suffix", [".HEIC", ".jfif", ".jpe", ".png", ".mp4", ""])
def test_a_jpeg_by_any_name_is_a_still(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[274] = 6
    path = tmp_path / f"phone{suffix}"
    Image.fromarray(PATCHES).save(path, format="JPEG", exif=exif, quality=95, subsampling=0)
    assert is_still(path)
    assert read_picture_size(path) == (24, 32)
    assert psnr(read_picture(path), np.rot90(PATCHES, -1)) > 30


def test_a_picture_of_several_is_the_first(tmp_path: Path) -> None:
    for name in ("a.mpo", "a.tif"):
        one, other = (Image.fromarray(make_texture(24, 32, seed)) for seed in (1, 2))
        one.save(tmp_path / name, save_all=True, append_images=[other])
        assert is_still(tmp_path / name)
        assert psnr(read_picture(tmp_path / name), make_texture(24, 32, 1)) > 20


@pytest.mark.parametrize(
    "content",
    [
        b"%PDF-1.7 ....",
        b"<!DOCTYPE html><html>",
        b"\xff\x0a\x00\x00",
        b"FUJIFILMCCD-RAW 0201",
        b"PK\x03\x04....",
        b"just words",
        b"",
        b"8BPS\0\1\0\0\0\0\0\0\0\3\0\0\0\x10\0\0\0\x10\0\x08\0\3",
        b"\x89PNG\r\n\x1a\n\0\0",
        b"II*\0\x08\0\0\0\xff\xff",
        b"SDPX" + bytes(100),
        b"\x76\x2f\x31\x01\x02\0\0\0",
        b"#?RADIANCE\n\n",
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        b"GIF89a",
        b"\x1a\x45\xdf\xa3matroska",
    ],
)
def test_what_is_no_picture_is_refused_by_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    for read in (read_picture, read_alpha, read_picture_size):
        with pytest.raises(MediaError) as raised:
            read(path)
        assert raised.value.where == str(path)
        assert "\n" not in str(raised.value)
    with pytest.raises(MediaError):
        open_clip(path)


@pytest.mark.parametrize("name", ["raw.dng", "raw.NEF", "dng.tif"])
def test_a_camera_raw_is_refused_rather_than_its_thumbnail(tmp_path: Path, name: str) -> None:
    tags = {50706: bytes((1, 4, 0, 0))} if "dng" in name else {}
    path = tmp_path / name
    Image.fromarray(PATCHES).save(path, format="TIFF", tiffinfo=tags)
    for read in (read_picture, read_picture_size):
        with pytest.raises(MediaError):
            read(path)


def test_a_photoshop_picture_by_any_name_is_read(tmp_path: Path) -> None:
    height, width = PATCHES.shape[:2]
    header = struct.pack(">4sH6xHIIHH", b"8BPS", 1, 3, height, width, 8, 3)
    planes = PATCHES.transpose(2, 0, 1).tobytes()
    (tmp_path / "p.png").write_bytes(header + bytes(12) + bytes(2) + planes)
    assert differs(read_picture(tmp_path / "p.png"), PATCHES) == 0


# --- scene-linear pictures


def write_exr(path: Path, channels: dict[str, np.ndarray], **header: object) -> Path:
    kinds = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    contiguous = {name: np.ascontiguousarray(data) for name, data in channels.items()}
    OpenEXR.File({**kinds, **header}, contiguous).write(str(path))
    return path


LIGHT = (PATCHES / np.float32(255)).astype(np.float32)
LIGHT_CODES = srgb_codes(LIGHT)


@pytest.mark.parametrize(
    "compression", ["NO", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "B44", "DWAA", "DWAB"]
)
@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_linear_exr_is_brought_to_a_display(tmp_path: Path, compression: str, kind: type) -> None:
    path = write_exr(
        tmp_path / "p.exr",
        {"RGB": LIGHT.astype(kind)},
        compression=getattr(OpenEXR, f"{compression}_COMPRESSION"),
    )
    assert is_still(path)
    lossy = compression in ("B44", "DWAA", "DWAB")
    assert np.abs(read_picture(path) - LIGHT_CODES).mean() < 1
    assert differs(read_picture(path), LIGHT_CODES) <= (20 if lossy else 1)


def test_light_above_white_is_clipped_and_said(tmp_path: Path) -> None:
    path = write_exr(tmp_path / "p.exr", {"RGB": LIGHT * 4})
    with pytest.warns(DreamFlowWarning) as said:
        assert differs(read_picture(path), srgb_codes(LIGHT * 4)) <= 1
    assert len(said) == 1
    odd = np.full((4, 4, 3), 0.5, np.float32)
    odd[0, 0], odd[1, 1], odd[2, 2] = np.nan, -1, np.inf
    with pytest.warns(DreamFlowWarning):
        read = read_picture(write_exr(tmp_path / "odd.exr", {"RGB": odd}))
    assert read[[0, 1, 2, 3], [0, 1, 2, 3], 0].tolist() == [0, 0, 255, 188]


def test_an_exr_is_laid_over_its_display_window(tmp_path: Path) -> None:
    window = (np.array([-4, 2], np.int32), np.array([27, 25], np.int32))
    display = (np.array([0, 0], np.int32), np.array([39, 29], np.int32))
    path = write_exr(tmp_path / "p.exr", {"RGB": LIGHT}, dataWindow=window, displayWindow=display)
    assert read_picture_size(path) == (40, 30)
    expected = np.zeros((30, 40, 3))
    expected[2:26, :28] = LIGHT_CODES[:, 4:]
    assert differs(read_picture(path), expected) <= 1


def test_an_exr_is_premultiplied(tmp_path: Path) -> None:
    alpha = np.tile(np.linspace(0, 1, 32, dtype=np.float32), (24, 1))[..., None]
    path = write_exr(tmp_path / "p.exr", {"RGBA": np.dstack([LIGHT * alpha, alpha])})
    with pytest.warns(DreamFlowWarning):
        assert differs(read_picture(path), srgb_codes(LIGHT * alpha)) <= 1
    opaque = read_picture(path, flatten_alpha=False)
    assert differs(opaque[:, 1:], LIGHT_CODES[:, 1:]) <= 1
    read = read_alpha(path)
    assert read is not None
    assert differs(read, 255 * alpha[..., 0]) <= 1


def test_the_main_layer_of_an_exr_is_taken(tmp_path: Path) -> None:
    layers = {f"ViewLayer.Combined.{name}": LIGHT[..., n] for n, name in enumerate("RGB")}
    others = {f"ViewLayer.Albedo.{name}": LIGHT[..., 0] for name in "RGB"}
    path = write_exr(tmp_path / "p.exr", layers | others | {"Depth.Z": LIGHT[..., 0]})
    with pytest.warns(DreamFlowWarning, match="Combined"):
        assert differs(read_picture(path), LIGHT_CODES) <= 1
    grey = write_exr(tmp_path / "grey.exr", {"Y": LIGHT[..., 0]})
    assert differs(read_picture(grey), LIGHT_CODES[..., :1]) <= 1
    with pytest.raises(MediaError, match="Z"):
        read_picture(write_exr(tmp_path / "depth.exr", {"Z": LIGHT[..., 0]}))


def test_the_part_of_an_exr_that_holds_colours_is_taken(tmp_path: Path) -> None:
    kind = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    depth = OpenEXR.Part({**kind, "name": "depth"}, {"Z": np.ascontiguousarray(LIGHT[..., 0])})
    colour = OpenEXR.Part({**kind, "name": "rgba"}, {"RGB": LIGHT})
    for number, parts in enumerate(([depth, colour], [colour, depth])):
        path = tmp_path / f"{number}.exr"
        OpenEXR.File(parts).write(str(path))
        assert differs(read_picture(path), LIGHT_CODES) <= 1


def test_the_primaries_of_an_exr_are_converted(tmp_path: Path) -> None:
    aces = (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767)
    path = write_exr(tmp_path / "p.exr", {"RGB": LIGHT}, chromaticities=aces)
    # AP0 to sRGB, Bradford-adapted from ACES white to D65 (Academy TB-2014-004).
    matrix = np.array(
        [
            [2.52169, -1.13413, -0.38756],
            [-0.27648, 1.37272, -0.09624],
            [-0.01538, -0.15298, 1.16835],
        ]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DreamFlowWarning)
        assert differs(read_picture(path), srgb_codes(LIGHT @ matrix.T)) <= 2


@pytest.mark.clips
def test_a_real_exr_is_linear_over_its_display_window() -> None:
    path = FAULTS / "beachball.0001.exr"
    channels = OpenEXR.File(str(path)).channels()["RGBA"].pixels[..., :3].astype(np.float64)
    expected = np.zeros((1556, 2048, 3))
    expected[245 : 245 + channels.shape[0], 654 : 654 + channels.shape[1]] = channels
    with pytest.warns(DreamFlowWarning):
        picture = read_picture(path)
    assert differs(picture, srgb_codes(expected)) <= 1


def test_a_damaged_exr_is_refused(tmp_path: Path) -> None:
    path = write_exr(tmp_path / "p.exr", {"RGB": make_texture(64, 64) / np.float32(255)})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(MediaError) as raised:
        read_picture(path)
    assert raised.value.where == str(path)


@pytest.mark.parametrize("suffix", [".hdr", ".pfm", ".tif"])
def test_float_pictures_are_linear(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"p{suffix}"
    assert cv2.imwrite(str(path), LIGHT[..., ::-1])
    assert is_still(path)
    assert read_picture_size(path) == (32, 24)
    assert differs(read_picture(path), LIGHT_CODES) <= (3 if suffix == ".hdr" else 1)


@pytest.mark.parametrize("pixel_format", ["rgb24", "rgb48be", "gbrp10be", "gbrp12be", "gray"])
def test_dpx_is_read_as_coded(tmp_path: Path, pixel_format: str) -> None:
    write_picture(tmp_path / "p.png", PATCHES)
    path = tmp_path / "p.dpx"
    run_ffmpeg("-i", tmp_path / "p.png", "-pix_fmt", pixel_format, path)
    assert is_still(path)
    assert read_picture_size(path) == (32, 24)
    grey = PATCHES @ [0.299, 0.587, 0.114]
    expected = grey[..., None] if pixel_format == "gray" else PATCHES
    assert differs(read_picture(path), expected) <= 1


def test_film_density_of_a_dpx_is_converted(tmp_path: Path) -> None:
    codes = np.array([95, 445, 685, 900])
    picture = np.repeat(np.round(codes * 65535 / 1023)[None, :, None], 3, 2).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "p.png"), np.repeat(picture, 4, 0))
    path = tmp_path / "p.dpx"
    run_ffmpeg("-i", tmp_path / "p.png", "-pix_fmt", "gbrp10be", path)
    data = bytearray(path.read_bytes())
    data[801] = 1
    path.write_bytes(data)
    black = 10 ** ((95 - 685) * 0.002 / 0.6)
    light = (10 ** ((codes - 685) * 0.002 / 0.6) - black) / (1 - black)
    with pytest.warns(DreamFlowWarning):
        read = read_picture(path)[0, :, 0]
    assert differs(read, srgb_codes(light)) <= 2


# --- folders of them


def save_tga(path: Path, picture: np.ndarray) -> None:
    Image.fromarray(picture).save(path)


def save_float(path: Path, picture: np.ndarray) -> None:
    cv2.imwrite(str(path), (picture / np.float32(255))[..., ::-1])


def save_exr(path: Path, picture: np.ndarray) -> None:
    write_exr(path, {"RGB": picture / np.float32(255)})


def save_dpx(path: Path, picture: np.ndarray) -> None:
    source = path.parent.parent / "source.png"
    write_picture(source, picture)
    run_ffmpeg("-i", source, path)


@pytest.mark.parametrize(
    ("suffix", "save"),
    [
        *((suffix, save_tga) for suffix in (".tga", ".jp2", ".avif", ".jfif", ".bmp")),
        *((suffix, save_float) for suffix in (".hdr", ".pfm", ".tiff")),
        (".exr", save_exr),
        (".dpx", save_dpx),
    ],
)
def test_folders_of_every_format_are_clips(
    tmp_path: Path, suffix: str, save: Callable[[Path, np.ndarray], None]
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in (1, 2, 3):
        save(folder / f"p_{number:04d}{suffix}", make_texture(24, 32, number))
    clip = open_clip(folder)
    assert (clip.width, clip.height) == (32, 24)
    assert clip.frame_numbers == (1, 2, 3)
    for number, frame in enumerate(clip, start=1):
        alone = read_picture(folder / f"p_{number:04d}{suffix}")
        assert np.array_equal(frame.picture, alone)


@pytest.mark.clips
def test_a_folder_of_heic_is_a_clip(tmp_path: Path) -> None:
    for number in (1, 2):
        shutil.copyfile(FAULTS / "example.heic", tmp_path / f"{number}.heic")
    assert [frame.picture.shape[1] for frame in open_clip(tmp_path, size="64")] == [64, 64]


# --- size


def test_a_picture_over_pillows_limit_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for suffix in (".png", ".jpg", ".webp", ".tif"):
        write_picture(tmp_path / f"p{suffix}", PATCHES)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
        assert read_picture(tmp_path / f"p{suffix}").shape == PATCHES.shape
        assert Image.MAX_IMAGE_PIXELS == 100, "as the program set it"


def test_a_picture_larger_than_memory_is_refused_by_its_size(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 2_000_000, 1_000_000, 8, 2, 0, 0, 0)
    path = tmp_path / "vast.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", b""))
    with pytest.raises(MediaError) as raised:
        read_picture(path)
    assert raised.value.value == "2000000x1000000"
    assert raised.value.allowed is not None


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_a_large_jpeg_is_scaled_while_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    gradient = Image.linear_gradient("L").resize((8000, 6000), Image.Resampling.BILINEAR)
    exif = Image.Exif()
    exif[274] = 6
    gradient.save(path, exif=exif)
    assert read_picture_size(path) == (6000, 8000)
    enough = decode_picture(path, at_least=(600, 800))
    assert enough.pixels.shape[0] in range(800, 4000)
    fitted = read_picture(path, "80")
    assert fitted.shape == (80, 60, 3)
    assert differs(fitted[:, :, 0], np.linspace(255, 0, 60)[None] * np.ones((80, 1))) <= 6


# --- animations


@pytest.mark.parametrize("default_image", [False, True])
def test_an_animated_png_by_any_name_is_a_clip(tmp_path: Path, default_image: bool) -> None:
    path = tmp_path / "moving.png"
    pictures = [make_texture(24, 32, seed) for seed in range(4)]
    first, *others = [Image.fromarray(picture) for picture in pictures]
    durations = [40, 200, 1000, 80][int(default_image) :]
    first.save(
        path,
        format="PNG",
        save_all=True,
        append_images=others,
        duration=durations,
        default_image=default_image,
    )
    assert not is_still(path)
    clip = open_clip(path)
    frames = list(clip)
    for picture, frame in zip(pictures[int(default_image) :], frames, strict=True):
        assert np.array_equal(frame.picture, picture)
    assert float(clip.length) == pytest.approx(sum(durations) / 1000)
    assert not clip.constant_rate


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_the_last_frame_of_an_animated_picture_is_held(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"moving{suffix}"
    first, *others = [Image.fromarray(make_texture(24, 32, seed)) for seed in range(4)]
    first.save(path, save_all=True, append_images=others, duration=[100, 100, 100, 2000])
    assert open_clip(path).length == Fraction(23, 10)


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_no_picture(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "p.png"
    if kind == "folder":
        path.mkdir()
    elif hasattr(os, "mkfifo"):
        os.mkfifo(path)
    else:
        pytest.skip("no pipes with names here")
    with pytest.raises(MediaError):
        read_picture(path)


def test_a_frame_of_an_animated_picture_is_said(tmp_path: Path) -> None:
    path = tmp_path / "moving.png"
    first, *others = [Image.fromarray(make_texture(24, 32, seed)) for seed in range(4)]
    first.save(path, save_all=True, append_images=others, duration=100)
    with pytest.warns(DreamFlowWarning):
        frames = open_frames_up_to(path, DEFAULT_FRAME_TIMECODE)
    assert np.array_equal(decode_first_frame(frames).picture, make_texture(24, 32, 2))
    frames = open_frames_up_to(path, "3")
    assert np.array_equal(decode_first_frame(frames).picture, make_texture(24, 32, 3))


@pytest.mark.clips
def test_an_animated_png_with_a_profile_is_read() -> None:
    path = FAULTS / "t_icc.apng"
    clip = open_clip(path)
    frames = list(clip)
    assert (len(frames), clip.rate) == (5, 10)
    with Image.open(path) as image:
        for number, frame in enumerate(frames):
            image.seek(number)
            assert differs(frame.picture, np.asarray(image.convert("RGB"))) <= 1


@pytest.mark.clips
@pytest.mark.parametrize("name", ["t_icc.apng", "alpha.avif", "icc_only.webp", "still_exif.avif"])
def test_pictures_with_odd_side_data_are_mattes(name: str) -> None:
    size = (192, 144)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DreamFlowWarning)
        matte = open_matte_pictures(FAULTS / name, MatteTarget(*size, size))
    grey = matte.read_grey(0)
    assert grey.shape == matte.size[::-1]
    assert grey.std() > 10


def test_a_matte_of_linear_numbers_is_taken_as_it_stands(tmp_path: Path) -> None:
    shares = np.tile(np.linspace(0, 1.5, 32, dtype=np.float32), (24, 1))
    path = write_exr(tmp_path / "m.exr", {"Y": shares})
    matte = open_matte_pictures(path, MatteTarget(32, 24, (32, 24)))
    assert differs(matte.read_grey(0), 255 * np.minimum(shares, 1)) <= 1


@pytest.mark.clips
@pytest.mark.parametrize(
    ("name", "library"), [("example.heic", "pi_heif"), ("beachball.0001.exr", "OpenEXR")]
)
def test_a_library_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    for read in (read_picture, read_picture_size):
        with pytest.raises(DependencyError) as raised:
            read(FAULTS / name)
        assert raised.value.where == str(FAULTS / name)
    assert read_picture(FAULTS / "still_exif.avif").shape == (512, 512, 3)


# --- folders that failed


@pytest.mark.clips
def test_real_folders_are_looked_at_before_their_first_frame() -> None:
    with pytest.raises(MediaError) as raised:
        open_clip(FAULTS / "seqmix")
    assert raised.value.where == str(FAULTS / "seqmix" / "3.png")
    damaged = open_clip(FAULTS / "seqcorrupt")
    with pytest.warns(DreamFlowWarning, match=r"7\.png") as said:
        frames = list(damaged)
    assert (len(frames), len(said)) == (12, 1)
    assert np.array_equal(frames[6].picture, read_picture(FAULTS / "seqcorrupt" / "6.png"))


@pytest.mark.clips
@pytest.mark.parametrize(
    ("missing", "files"),
    [("close", (1, 2, 3, 6, 7, 8)), ("hold", (1, 2, 3, 3, 3, 6, 7, 8)), ("black", (1, 2, 3, 0, 0))],
)
def test_the_gap_of_a_real_folder_is_said_and_filled(missing: str, files: tuple[int, ...]) -> None:
    with pytest.warns(DreamFlowWarning, match="4, 5"):
        clip = open_clip(FAULTS / "seqgap", missing=missing)
    for number, frame in zip(files, clip, strict=missing != "black"):
        path = FAULTS / "seqgap" / f"f_{number:04d}.png"
        expected = read_picture(path) if number else np.zeros((64, 96, 3))
        assert differs(frame.picture, expected) == 0


@pytest.mark.clips
def test_the_colours_under_transparency_of_a_real_folder_are_hidden() -> None:
    with pytest.warns(DreamFlowWarning) as said:
        frames = list(open_clip(FAULTS / "seqalpha"))
    assert (len(frames), len(said)) == (4, 1)
    for number, frame in enumerate(frames):
        stored = np.asarray(Image.open(FAULTS / "seqalpha" / f"{number:04d}.png")).astype(float)
        assert differs(frame.picture, stored[..., :3] * stored[..., 3:] / 255) <= 1
