"""Films of more than 8 bits, of HDR and with transparency, as sequences in their own depth."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import OpenEXR
import pytest
from conftest import run_ffmpeg
from job_rendering import CARRY, DREAM, Rendering

from dreamflow.media.colour.hdr_tone_mapping import hlg_to_scene_light, pq_to_nits
from dreamflow.media.options import ClipOptions
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.settings.options import ShowOptions

PLAIN = VideoSettings(DREAM, CARRY, ClipOptions())
UNSEEN = VideoSettings(DREAM, CARRY, ClipOptions(), show=ShowOptions(strength=0.0))
GRADIENT = "gradients=size=64x48:rate=24:n=2:c0=black:c1=white:duration=0.1:seed=1"


def make_hdr_film(path: Path, transfer: str) -> Path:
    """Make a film of grey from black to the brightest light, in H.265 of 10 bits."""
    tags = f"colorspace=bt2020nc:color_primaries=bt2020:color_trc={transfer}:range=tv"
    convert = "format=gbrp16le,scale=out_color_matrix=bt2020:out_range=tv,format=yuv420p10le"
    lossless = ("-c:v", "libx265", "-x265-params", "log-level=0:lossless=1")
    run_ffmpeg("-f", "lavfi", "-i", GRADIENT, "-vf", f"{convert},setparams={tags}", *lossless, path)
    return path


def read_luma(path: Path) -> np.ndarray:
    """Return the signal of a film's first frame by its luma, 0 to 1, (H, W)."""
    with av.open(str(path)) as film:
        frame = next(film.decode(video=0))
    plane = np.frombuffer(frame.planes[0], np.uint16).reshape(frame.height, -1)
    return (plane[:, : frame.width].astype(np.float64) - 64) / 876


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_hdr_light_goes_into_openexr(tmp_path: Path, render: Rendering, transfer: str) -> None:
    film = make_hdr_film(tmp_path / "hdr.mkv", transfer)
    render("o_%d.exr", UNSEEN, source=film)
    header = OpenEXR.File(str(tmp_path / "o_0.exr")).header()
    assert np.allclose(header["chromaticities"][:2], (0.708, 0.292))
    light = OpenEXR.File(str(tmp_path / "o_0.exr")).channels()["RGB"].pixels
    signal = np.clip(read_luma(film), 0, 1)
    if transfer == "smpte2084":
        expected = pq_to_nits(signal) / 203
    else:
        expected = hlg_to_scene_light(signal) ** 1.2 * 1000 / 203
    assert expected.max() > 4, "brighter than SDR's white"
    middle = expected > 0.01
    for channel in range(3):
        assert np.abs(light[..., channel][middle] / expected[middle] - 1).max() < 0.02
    render("d_%d.exr", PLAIN, source=film)
    dream = OpenEXR.File(str(tmp_path / "d_0.exr")).channels()["RGB"].pixels
    assert not np.array_equal(dream, light)
    assert dream.max() > 0.5 * light.max()


def test_transparency_of_a_film_goes_along(tmp_path: Path, render: Rendering) -> None:
    film = tmp_path / "title.mov"
    graph = "[0]format=rgba[a];[1]format=gray[b];[a][b]alphamerge,format=yuva444p10le"
    inputs = ("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=24:duration=0.1")
    prores = ("-c:v", "prores_ks", "-profile:v", "4444")
    run_ffmpeg(*inputs, "-f", "lavfi", "-i", GRADIENT, "-filter_complex", graph, *prores, film)
    with av.open(str(film)) as container:
        frame = next(container.decode(video=0))
    bits = frame.format.components[3].bits
    plane = np.frombuffer(frame.planes[3], np.uint16).reshape(frame.height, -1)[:, : frame.width]
    alpha = plane / (2**bits - 1)
    render("o_%d.png", PLAIN, source=film)
    shown = cv2.imread(str(tmp_path / "o_0.png"), cv2.IMREAD_UNCHANGED)
    assert shown.dtype == np.uint16
    assert np.abs(shown[..., 3] / 65535 - alpha).max() < 1e-4
    render("o_%d.exr", PLAIN, source=film)
    pixels = OpenEXR.File(str(tmp_path / "o_0.exr")).channels()["RGBA"].pixels
    assert np.abs(pixels[..., 3] - alpha).max() < 1e-3
    assert (pixels[..., :3] <= pixels[..., 3:] * 1.01 + 1e-4).all(), "premultiplied"


def test_a_film_of_10_bits_becomes_pictures_of_16(tmp_path: Path, render: Rendering) -> None:
    film = tmp_path / "ten.mkv"
    codes = np.random.default_rng(0).permutation(48 * 64 * 3).reshape(48, 64, 3) % 1024
    blue_green_red = codes.astype(np.uint16)
    planes = [blue_green_red[..., n] for n in (1, 0, 2)]  # FFmpeg's gbrp
    (tmp_path / "raw").write_bytes(np.stack(planes).tobytes())
    raw = ("-f", "rawvideo", "-pix_fmt", "gbrp10le", "-s", "64x48", "-i", tmp_path / "raw")
    run_ffmpeg(*raw, "-c:v", "ffv1", film)
    for name in ("o_%d.png", "o_%d.tif"):
        render(name, UNSEEN, source=film)
        shown = cv2.imread(str(tmp_path / name.replace("%d", "0")), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(np.rint(shown * (1023 / 65535)).astype(np.uint16), codes)
        assert len(np.unique(shown)) == 1024, "more levels than 8 bits have"


def test_a_film_of_8_bit_rgb_with_alpha_has_its_codes_in_pictures(
    tmp_path: Path, render: Rendering
) -> None:
    codes = np.random.default_rng(0).integers(0, 256, (48, 64, 4)).astype(np.uint8)
    (tmp_path / "raw").write_bytes(codes.tobytes())
    raw = ("-f", "rawvideo", "-pix_fmt", "bgra", "-s", "64x48", "-i", tmp_path / "raw")
    run_ffmpeg(*raw, "-c:v", "ffv1", tmp_path / "title.mkv")
    render("o_%d.png", UNSEEN, source=tmp_path / "title.mkv")
    shown = cv2.imread(str(tmp_path / "o_0.png"), cv2.IMREAD_UNCHANGED)
    assert shown is not None
    assert np.array_equal(shown, codes.astype(np.uint16) * 257)
