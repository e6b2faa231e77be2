"""Colour spaces by name: those that are built in, and those of an OpenColorIO config."""

from __future__ import annotations

import subprocess
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest
from conftest import refused
from job_rendering import CARRY, DREAM, Rendering

from dreamflow.core.errors import ConvertedOutputWarning
from dreamflow.media.colour.hdr_tone_mapping import pq_to_nits
from dreamflow.media.options import ClipOptions, EncodeOptions
from dreamflow.media.write.ffmpeg import ffmpeg_path
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.settings.options import ShowOptions

ocio = pytest.importorskip("PyOpenColorIO", reason="the extra vfx is not installed")
LOGC, ACESCG, LINEAR = "ARRI LogC3 (EI800)", "ACEScg", "lin_rec709_srgb"


def settings(
    strength: float = 0.0, spaces: dict[str, str] | None = None, **encode: str
) -> VideoSettings:
    show = ShowOptions(strength=strength)
    return VideoSettings(DREAM, CARRY, ClipOptions(**spaces or {}), EncodeOptions(**encode), show)


def convert(colours: np.ndarray, source: str, target: str) -> np.ndarray:
    config = ocio.Config.CreateFromFile("ocio://studio-config-latest")
    result = np.array(colours, np.float32, order="C")
    config.getProcessor(source, target).getDefaultCPUProcessor().applyRGB(result)
    return result


@pytest.fixture
def light() -> np.ndarray:
    """Scene-linear light with colours, from black to six times white."""
    generator = np.random.default_rng(0)
    return (generator.random((48, 64, 3)) * 6).astype(np.float32)


def write_exr(path: Path, pixels: np.ndarray) -> Path:
    channels = {name: np.ascontiguousarray(pixels[..., n]) for n, name in enumerate("RGB")}
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, channels).write(str(path))
    return path


def read_exr(path: Path) -> np.ndarray:
    return OpenEXR.File(str(path)).channels()["RGB"].pixels


@pytest.fixture
def plates(tmp_path: Path, light: np.ndarray) -> Path:
    """Two pictures of ACEScg."""
    for n in range(2):
        write_exr(tmp_path / f"plate_{n}.exr", convert(light, LINEAR, ACESCG))
    return tmp_path / "plate_%d.exr"


def test_a_source_in_a_space_stays_bit_for_bit(
    tmp_path: Path, render: Rendering, plates: Path
) -> None:
    render("out_%d.exr", settings(spaces={"input_space": ACESCG}), source=plates)
    assert np.array_equal(read_exr(tmp_path / "out_0.exr"), read_exr(tmp_path / "plate_0.exr"))
    render("dream_%d.exr", settings(1.0, {"input_space": ACESCG}), source=plates)
    assert not np.array_equal(
        read_exr(tmp_path / "dream_0.exr"), read_exr(tmp_path / "plate_0.exr")
    )


def test_an_output_in_another_space_is_what_the_config_makes(
    tmp_path: Path, render: Rendering, plates: Path
) -> None:
    spaces = settings(spaces={"input_space": ACESCG}, output_space=LOGC, exr_type="float")
    render("log_%d.exr", spaces, source=plates)
    expected = convert(read_exr(tmp_path / "plate_0.exr"), ACESCG, LOGC)
    assert np.abs(read_exr(tmp_path / "log_0.exr") - expected).max() < 1e-4


def test_the_network_sees_a_log_film_as_a_display_shows_it(
    tmp_path: Path, render: Rendering, light: np.ndarray
) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    shown = light / 6
    codes = np.rint(convert(shown, LINEAR, LOGC) * 65535).astype(np.uint16)
    for n in range(2):
        cv2.imwrite(str(folder / f"log_{n}.png"), codes[..., ::-1])
    render("out_%d.png", settings(spaces={"input_space": LOGC}), source=folder)
    kept = cv2.imread(str(tmp_path / "out_0.png"), cv2.IMREAD_UNCHANGED)
    assert kept is not None
    assert np.array_equal(kept[..., ::-1], codes)
    render("out.mkv", settings(spaces={"input_space": LOGC}, codec="h264"), source=folder)
    film = cv2.VideoCapture(str(tmp_path / "out.mkv")).read()[1][..., ::-1]
    expected = 255 * convert(shown, LINEAR, "srgb_tx")
    assert abs(film.mean() - expected.mean()) < 4


def test_linear_light_becomes_a_film_of_pq(
    tmp_path: Path, render: Rendering, light: np.ndarray
) -> None:
    grey = np.repeat(light[..., :1], 3, axis=2)
    for n in range(2):
        write_exr(tmp_path / f"grey_{n}.exr", grey)
    render("out_%d.png", settings(spaces={}, output_space="PQ"), source=tmp_path / "grey_%d.exr")
    codes = cv2.imread(str(tmp_path / "out_0.png"), cv2.IMREAD_UNCHANGED)
    assert codes is not None
    assert b"cICP" in (tmp_path / "out_0.png").read_bytes()
    nits = pq_to_nits(codes[..., 1] / 65535)
    assert np.abs(nits / (203 * grey[..., 1] + 1e-3) - 1)[grey[..., 1] > 0.1].max() < 0.01
    spaces = settings(output_space="PQ", codec="ffv1")
    render("out.mkv", spaces, source=tmp_path / "grey_%d.exr")


PQ_BY_LIGHT = {0.0: 0.0, 0.49261: 0.50808, 1.0: 0.58069, 4.92611: 0.75183, 49.26108: 1.0}
"""PQ signals of 0, 100, 203, 1,000 and 10,000 nits; light 1 is 203 nits (BT.2100, BT.2408)."""
RED_IN_BT2020 = (0.6274, 0.0691, 0.0164)
"""BT.709's red in BT.2020's primaries (BT.2087, table 4)."""


def test_light_above_white_has_the_codes_of_pq_in_a_film(tmp_path: Path, render: Rendering) -> None:
    patches = np.repeat(np.array(list(PQ_BY_LIGHT), np.float32)[None, :, None], 3, axis=2)
    patches = np.concatenate([patches, [[[1, 0, 0]]]], axis=1).astype(np.float32)
    for n in range(2):
        write_exr(tmp_path / f"patch_{n}.exr", patches.repeat(48, axis=0).repeat(16, axis=1))
    source = tmp_path / "patch_%d.exr"
    render("out.mkv", settings(output_space="PQ", codec="ffv1"), source=source)
    signal = read_first(tmp_path / "out.mkv", "gbrp16le").reshape(3, 48, -1)[:, 24, 8::16] / 65535
    for number, expected in enumerate(PQ_BY_LIGHT.values()):
        assert np.abs(signal[:, number] - expected).max() < 2e-4
    green, blue, red = pq_to_nits(signal[:, -1]) / 203
    assert np.abs(np.array([red, green, blue]) - RED_IN_BT2020).max() < 1e-3
    with pytest.warns(ConvertedOutputWarning):  # 16 bits in 10
        render("out.mp4", settings(output_space="PQ", codec="h265"), source=source)
    luma = read_first(tmp_path / "out.mp4", "yuv420p10le")[: 48 * 96].reshape(48, 96)[24, 8::16]
    codes = 64 + 876 * np.array(list(PQ_BY_LIGHT.values()))
    assert np.abs(luma[: len(codes)] - codes).max() <= 4


def read_first(path: Path, pixel_format: str) -> np.ndarray:
    """Return the samples of a film's first frame, as FFmpeg's own program decodes it."""
    line = [ffmpeg_path(), "-v", "error", "-i", str(path), "-frames:v", "1"]
    line += ["-f", "rawvideo", "-pix_fmt", pixel_format, "-"]
    return np.frombuffer(subprocess.run(line, capture_output=True, check=True).stdout, np.uint16)


def test_an_unknown_space_is_refused_with_those_near_it(
    tmp_path: Path, render: Rendering, plates: Path
) -> None:
    for setting, space in (("input_space", "ACEScgg"), ("working_space", "nonsense")):
        spaces = {"input_space": ACESCG, setting: space}
        with refused(setting):
            render("out_%d.exr", settings(spaces=spaces), source=plates)
    with refused("output_space"):
        render("out_%d.exr", settings(output_space="LogC"), source=plates)


def test_a_config_that_cannot_be_read_is_refused(
    tmp_path: Path, render: Rendering, plates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.ocio").write_text("no config")
    monkeypatch.setenv("OCIO", str(tmp_path / "broken.ocio"))
    with refused("input_space", str(tmp_path / "broken.ocio")):
        render("out_%d.exr", settings(spaces={"input_space": ACESCG}), source=plates)
