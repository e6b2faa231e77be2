"""Sweeps that keep their source's depth, light and transparency."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest
from conftest import CommandResult, run_ffmpeg

from dreamflow.core.frames import Frame
from dreamflow.core.schedules.schedule import LayerSchedule
from dreamflow.core.schedules.timecode import Timeline
from dreamflow.media.depth.codings import Coding
from dreamflow.media.depth.original import PictureOriginal
from dreamflow.media.write.ffmpeg import ffmpeg_path
from dreamflow.pipelines.sweep.caption import LayerCaptions

Cli = Callable[..., CommandResult]
HEIGHT, WIDTH = 40, 56
FAST = ("--octaves", "1", "--iterations", "2", "--carry-iterations", "1", "--threads", "1")
LAYERS = ("--layers", "conv1/7x7_s2,conv2/3x3")
LENGTHS = ("--hold", "0.25", "--fade", "0.25", "--fps", "4")
"""Of two layers: three frames."""
UNSEEN = ("--strength", "0")


def make_plate(path: Path) -> np.ndarray:
    """Write premultiplied light with values below 0, above 1 and of no number, half (H, W, 4)."""
    light = np.random.default_rng(0).uniform(-0.5, 4, (HEIGHT, WIDTH, 3))
    alpha = np.linspace(0, 1, WIDTH)[None, :, None].repeat(HEIGHT, axis=0)
    pixels = np.dstack([light * alpha, alpha]).astype(np.float16)
    pixels[5, 5, 1], pixels[6, 7, 0] = np.nan, np.inf
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {"RGBA": pixels}).write(str(path))
    return pixels


def read_exr(path: Path, channels: str = "RGBA") -> np.ndarray:
    return OpenEXR.File(str(path)).channels()[channels].pixels


def read_samples(path: Path, pixel_format: str) -> bytes:
    line = [ffmpeg_path(), "-v", "error", "-i", str(path), "-map", "0:v"]
    line += ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", pixel_format, "-"]
    return subprocess.run(line, capture_output=True, check=True).stdout


def sweep(cli: Cli, source: Path, out: Path, *settings: str) -> CommandResult:
    run = cli("sweep", source, out, *FAST, *LAYERS, *settings)
    assert run.code == 0, run.err
    assert "warning" not in run.err
    return run


def test_an_unseen_sweep_of_openexr_is_its_source(tmp_path: Path, cli: Cli) -> None:
    source = make_plate(tmp_path / "plate.exr")
    sweep(cli, tmp_path / "plate.exr", tmp_path / "s_%02d.exr", *LENGTHS, *UNSEEN)
    found = sorted(tmp_path.glob("s_*.exr"))
    assert len(found) == 3
    for path in found:
        assert np.array_equal(read_exr(path).view(np.uint16), source.view(np.uint16))


def test_a_sweep_s_beauty_is_source_plus_dream_within_its_alpha(tmp_path: Path, cli: Cli) -> None:
    source = make_plate(tmp_path / "plate.exr")
    kept = ("--layers-out", "dream", "--caption")
    sweep(cli, tmp_path / "plate.exr", tmp_path / "s_%02d.exr", *LENGTHS, *kept)
    last = tmp_path / "s_02.exr"
    beauty, dream = read_exr(last), read_exr(last, "dream").astype(np.float32)
    finite = np.isfinite(source).all(axis=2)
    assert np.array_equal(beauty[..., 3], source[..., 3])
    assert np.array_equal(beauty[~finite], source[~finite], equal_nan=True)
    light = beauty[..., :3][finite].astype(np.float32)
    sources = source[..., :3][finite].astype(np.float32)
    largest = np.abs([light, sources, dream[finite]]).max(axis=0).astype(np.float16)
    error = np.abs(sources + dream[finite] - light)
    assert (error <= np.spacing(largest)).all()
    assert np.abs(dream[finite]).max() > 0.1
    assert not dream[:, 0].any(), "nothing where it is transparent"


@pytest.mark.parametrize(
    ("name", "codec"), [("s_%02d.png", ()), ("s.mkv", ("--codec", "ffv1"))], ids=["png", "ffv1"]
)
def test_an_unseen_sweep_of_16_bits_is_its_source(
    tmp_path: Path, cli: Cli, name: str, codec: tuple[str, ...]
) -> None:
    codes = np.random.default_rng(1).integers(0, 2**16, (HEIGHT, WIDTH, 4)).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "scan.png"), codes)
    sweep(cli, tmp_path / "scan.png", tmp_path / name, *LENGTHS, *UNSEEN, *codec)
    if name == "s.mkv":
        assert read_samples(tmp_path / name, "bgra64le") == 3 * codes.tobytes()
        return
    for number in range(3):
        found = cv2.imread(str(tmp_path / f"s_{number:02d}.png"), cv2.IMREAD_UNCHANGED)
        assert found is not None
        assert np.array_equal(found, codes)


def test_an_unseen_sweep_of_a_film_has_its_samples_and_alpha(tmp_path: Path, cli: Cli) -> None:
    codes = np.random.default_rng(2).integers(0, 2**12, (4, 4, HEIGHT, WIDTH)).astype(np.uint16)
    (tmp_path / "raw").write_bytes(codes.tobytes())
    film, layout = tmp_path / "title.mkv", ("-pix_fmt", "yuva444p12le", "-s", f"{WIDTH}x{HEIGHT}")
    raw = ("-f", "rawvideo", *layout, "-framerate", "10", "-i", tmp_path / "raw")
    run_ffmpeg(*raw, "-c:v", "ffv1", film)
    sweep(cli, film, tmp_path / "s.mkv", *UNSEEN, "--codec", "ffv1")
    assert read_samples(tmp_path / "s.mkv", "yuva444p12le") == codes.tobytes()


def test_a_caption_is_written_into_the_source_s_numbers() -> None:
    captions = LayerCaptions(LayerSchedule(("conv2/3x3",)))
    moment = Timeline(Fraction(24), Fraction(1)).moment_at(Fraction(0))
    light = np.full((90, 160, 3), 0.18, np.float32)
    proxy = np.full(light.shape, 118, np.uint8)
    alpha = np.ones((90, 160), np.float32)
    alpha[:, 80:] = 0
    original = PictureOriginal(light * alpha[..., None], Coding("linear"), alpha, True)
    drawn = captions.draw(Frame(0, Fraction(0), proxy, original=original), moment).original
    assert isinstance(drawn, PictureOriginal)
    assert 0.9 < drawn.pixels.max() <= 1.01, "white, and no brighter"
    assert np.array_equal(drawn.pixels[:60], original.pixels[:60])
    assert not drawn.pixels[:, 80:].any()
    assert drawn.before is original
