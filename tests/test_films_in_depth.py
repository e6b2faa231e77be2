"""Films of more than 8 bits, of HDR and with transparency, written in their own depth."""

from __future__ import annotations

import subprocess
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import refused, run_ffmpeg
from job_rendering import CARRY, DREAM, Rendering

from dreamflow.core.errors import DreamFlowWarning
from dreamflow.media.colour.carried_tags import ColourTags
from dreamflow.media.colour.hdr_tone_mapping import pq_to_nits
from dreamflow.media.depth.film_samples import FilmSamples
from dreamflow.media.options import ClipOptions, EncodeOptions
from dreamflow.media.sample_format import SampleFormat
from dreamflow.media.write.ffmpeg import ffmpeg_path
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.settings.options import ShowOptions

WIDTH, HEIGHT = 64, 48
BITS_BY_FORMAT = {"yuva420p": 8, "bgra": 8}
"""Bits of a sample of the formats whose name does not end in them."""
PQ_TAGS = "colorspace=9:color_primaries=9:color_trc=16:range=tv"
MASTERING = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(40000000,50)"
"""A mastering display of P3 primaries and 4000 nits, in H.265's units."""


def settings(strength: float = 0.0, size: str | None = None, **encode: Any) -> VideoSettings:
    show = ShowOptions(strength=strength)
    return VideoSettings(DREAM, CARRY, ClipOptions(size=size), EncodeOptions(**encode), show)


def make_noise(
    path: Path,
    pixel_format: str,
    *encoder: str,
    tags: str = "",
    frames: int = 2,
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> Path:
    """Make a film of noise, of every code that there is, in FFV1 unless told otherwise."""
    raw = path.with_suffix(".raw")
    bits = BITS_BY_FORMAT.get(pixel_format) or int(pixel_format.removesuffix("le")[-2:])
    codes = np.random.default_rng(0).integers(0, 2**bits, frames * 4 * size[0] * size[1])
    raw.write_bytes(codes.astype(np.uint16 if bits > 8 else np.uint8).tobytes())
    source = ("-f", "rawvideo", "-pix_fmt", pixel_format, "-s", f"{size[0]}x{size[1]}")
    filters = ("-vf", f"setparams={tags}") if tags else ()
    run_ffmpeg(
        *(*source, "-i", raw, "-frames:v", str(frames), *filters),
        *(*(encoder or ("-c:v", "ffv1")), path),
    )
    return path


def read_samples(path: Path, pixel_format: str) -> bytes:
    """Return all samples of a film, as FFmpeg's own program decodes it."""
    line = [ffmpeg_path(), "-v", "error", "-i", str(path), "-map", "0:v"]
    line += ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", pixel_format, "-"]
    return subprocess.run(line, capture_output=True, check=True).stdout


def describe(path: Path) -> str:
    """Return what FFmpeg's own program says of a film: format, tags, metadata."""
    line = [ffmpeg_path(), "-hide_banner", "-i", str(path)]
    said = subprocess.run(line, capture_output=True, text=True, check=False).stderr
    wanted = ("Video:", "Mastering display", "Content light level")
    return "\n".join(row.strip() for row in said.splitlines() if any(w in row for w in wanted))


FORMATS = ["yuv420p10le", "yuv422p12le", "yuv444p16le", "yuva444p12le", "gbrp14le", "gbrap16le"]


@pytest.mark.parametrize("pixel_format", [*FORMATS, "gray14le", *BITS_BY_FORMAT])
def test_an_undreamed_film_has_its_source_s_samples(
    tmp_path: Path, render: Rendering, pixel_format: str
) -> None:
    film = make_noise(tmp_path / "noise.mkv", pixel_format)
    render("out.mkv", settings(codec="ffv1"), source=film)
    assert read_samples(tmp_path / "out.mkv", pixel_format) == read_samples(film, pixel_format)
    assert f"ffv1, {pixel_format}(" in describe(tmp_path / "out.mkv")


def test_lossless_h265_has_its_source_s_samples(tmp_path: Path, render: Rendering) -> None:
    full_range = ("-color_range", "pc", "-c:v", "ffv1")
    film = make_noise(
        tmp_path / "noise.mkv", "yuv422p10le", *full_range, tags="colorspace=5:range=pc"
    )
    render("out.mp4", settings(codec="h265", lossless=True), source=film)
    assert read_samples(tmp_path / "out.mp4", "yuv422p10le") == read_samples(film, "yuv422p10le")
    assert "yuv422p10le(pc, bt470bg/" in describe(tmp_path / "out.mp4")
    render("out.mkv", settings(codec="ffv1"), source=film)
    assert read_samples(tmp_path / "out.mkv", "yuv422p10le") == read_samples(film, "yuv422p10le")
    assert "yuv422p10le(pc, bt470bg/" in describe(tmp_path / "out.mkv")
    deeper = make_noise(tmp_path / "deeper.mkv", "yuv422p16le")
    with refused("lossless"):
        render("refused.mp4", settings(codec="h265", lossless=True), source=deeper)


ENCODERS = {
    "h265": ("libx265", "-crf", "17", "-preset", "medium", "-x265-params", "log-level=0"),
    "av1": ("libsvtav1", "-crf", "32", "-preset", "10"),
    "prores": ("prores_ks", "-profile:v", "hq", "-vendor", "apl0"),
    "4444": ("prores_ks", "-profile:v", "4444", "-vendor", "apl0"),
}
"""How FFmpeg is asked for what DreamFlow writes."""


@pytest.mark.parametrize(
    ("encoder", "pixel_format", "quality"),
    [
        ("h265", "yuv420p10le", "good"),
        ("av1", "yuv420p10le", "draft"),
        ("prores", "yuv422p10le", "good"),
        ("4444", "yuva444p10le", "good"),
    ],
)
def test_an_encoder_gets_the_source_s_samples(
    tmp_path: Path, render: Rendering, encoder: str, pixel_format: str, quality: str
) -> None:
    film = make_noise(tmp_path / "noise.mkv", pixel_format, tags=PQ_TAGS)
    codec = "prores" if encoder == "4444" else encoder
    name = f"out.{'mkv' if codec == 'av1' else 'mov'}"
    render(name, settings(codec=codec, quality=quality, hdr="keep"), source=film)
    direct = tmp_path / f"direct{name}"
    run_ffmpeg("-i", film, "-c:v", *ENCODERS[encoder], direct)
    assert read_samples(tmp_path / name, pixel_format) == read_samples(direct, pixel_format)


@pytest.mark.parametrize(
    ("name", "encode"),
    [
        ("out.mp4", {"codec": "auto"}),
        ("out.mp4", {"codec": "av1", "quality": "draft"}),
        ("out.mov", {"codec": "prores"}),
        ("out.mkv", {"codec": "ffv1"}),
    ],
)
def test_hdr_is_kept_with_all_that_is_said_of_it(
    tmp_path: Path, render: Rendering, name: str, encode: dict[str, str]
) -> None:
    metadata = ("-mastering_display", MASTERING, "-content_light", "3000,400")
    film = make_hdr(tmp_path / "hdr.mov", *metadata)
    render(name, settings(hdr="keep", **encode), source=film)
    said = describe(tmp_path / name)
    assert "p10le(tv, bt2020nc/bt2020/smpte2084" in said
    assert "max_luminance=4000.0" in said
    assert "r(0.6800,0.3200)" in said
    assert "MaxCLL=3000, MaxFALL=400" in said


def make_hdr(path: Path, *metadata: str) -> Path:
    """Make a film of PQ in ProRes, from black to 10,000 nits."""
    picture = ("-f", "lavfi", "-i", f"gradients=size={WIDTH}x{HEIGHT}:c0=black:c1=white:seed=1")
    filters = f"scale=out_color_matrix=bt2020:out_range=tv,format=yuv422p10le,setparams={PQ_TAGS}"
    run_ffmpeg(*metadata, *picture, "-frames:v", "2", "-vf", filters, "-c:v", "prores_ks", path)
    return path


def test_hdr_is_tone_mapped_unless_it_is_kept(tmp_path: Path, render: Rendering) -> None:
    film = make_hdr(tmp_path / "hdr.mov")
    with pytest.warns(DreamFlowWarning, match="tone-mapped"):
        render("out.mp4", settings(codec="h265"), source=film)
    assert "yuv420p(tv, bt709" in describe(tmp_path / "out.mp4")
    render("out.mkv", settings(1.0, codec="ffv1", hdr="keep"), source=film)
    before, after = (read_luma(tmp_path / name) for name in ("hdr.mov", "out.mkv"))
    assert not np.array_equal(before, after)
    bright = pq_to_nits(before) > 1000
    assert bright.any()
    assert 0.7 < pq_to_nits(after)[bright].mean() / pq_to_nits(before)[bright].mean() < 1.3


def read_luma(path: Path) -> np.ndarray:
    """Return the signal of both frames of a film by their luma, 0 to 1."""
    codes = np.frombuffer(read_samples(path, "yuv422p10le"), np.uint16).reshape(2, -1)
    return np.clip((codes[:, : WIDTH * HEIGHT].reshape(-1) - 64.0) / 876, 0, 1)


@pytest.mark.parametrize(("name", "codec"), [("out.mp4", "h264"), ("out.webp", "auto")])
def test_what_holds_no_hdr_is_refused(
    tmp_path: Path, render: Rendering, name: str, codec: str
) -> None:
    film = make_hdr(tmp_path / "hdr.mov")
    with refused("hdr"):
        render(name, settings(codec=codec, hdr="keep"), source=film)


def test_hdr_in_pngs_says_so(tmp_path: Path, render: Rendering) -> None:
    film = make_hdr(tmp_path / "hdr.mov")
    render("out_%d.png", settings(hdr="keep"), source=film)
    assert bytes([9, 16, 0, 1]) in (tmp_path / "out_0.png").read_bytes().split(b"cICP")[1][:4]
    shown = cv2.imread(str(tmp_path / "out_0.png"), cv2.IMREAD_UNCHANGED)
    assert shown.dtype == np.uint16
    signal = read_luma(film)[: WIDTH * HEIGHT].reshape(HEIGHT, WIDTH)
    assert np.abs(shown[..., 1] / 65535 - signal).max() < 0.01


def test_transparency_goes_into_prores_4444(tmp_path: Path, render: Rendering) -> None:
    film = make_noise(tmp_path / "noise.mkv", "yuva444p10le")
    render("out.mov", settings(codec="prores"), source=film)
    planes = np.frombuffer(read_samples(tmp_path / "out.mov", "yuva444p12le"), np.uint16)
    source = np.frombuffer(read_samples(film, "yuva444p10le"), np.uint16)
    alpha, before = (codes.reshape(2, 4, HEIGHT, WIDTH)[:, 3] for codes in (planes, source))
    assert np.abs(alpha / 4095 - before / 1023).max() < 0.001
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        render("out.mp4", settings(codec="h265"), source=film)
    assert any("transparency" in str(warning.message) for warning in said)


def test_what_is_encoded_in_fewer_bits_is_said(tmp_path: Path, render: Rendering) -> None:
    film = make_noise(tmp_path / "noise.mkv", "yuv444p12le")
    with pytest.warns(DreamFlowWarning, match="12"):
        render("out.mov", settings(codec="prores"), source=film)


@pytest.mark.parametrize("has_alpha", [False, True])
def test_pictures_of_16_bits_become_a_film_of_them(
    tmp_path: Path, render: Rendering, has_alpha: bool
) -> None:
    shape = (2, HEIGHT, WIDTH, 4 if has_alpha else 3)
    codes = np.random.default_rng(0).integers(0, 2**16, shape).astype(np.uint16)
    folder = tmp_path / "plates"
    folder.mkdir()
    for n, picture in enumerate(codes):
        cv2.imwrite(str(folder / f"plate_{n}.png"), picture)
    render("out.mkv", settings(codec="ffv1"), source=folder)
    pixel_format = "bgra64le" if has_alpha else "bgr48le"
    assert read_samples(tmp_path / "out.mkv", pixel_format) == codes.tobytes()


def test_an_interrupted_film_is_that_of_a_render_in_one_go(
    tmp_path: Path, render: Rendering
) -> None:
    film = make_noise(tmp_path / "noise.mkv", "yuv420p10le", frames=8)
    dreamed = settings(1.0, codec="ffv1")
    render("whole.mkv", dreamed, source=film)
    render.interrupt("parts.mkv", dreamed, 7, source=film)
    render("parts.mkv", dreamed, source=film)
    whole, parts = (read_samples(tmp_path / n, "yuv420p10le") for n in ("whole.mkv", "parts.mkv"))
    assert parts == whole
    assert whole != read_samples(film, "yuv420p10le")


def test_odd_sides_are_padded(tmp_path: Path, render: Rendering) -> None:
    film = make_noise(tmp_path / "noise.mkv", "yuv420p10le", size=(65, 49))
    with pytest.warns(DreamFlowWarning, match="66x50"):
        render("out.mp4", settings(codec="h265", lossless=True), source=film)
    padded = np.frombuffer(read_samples(tmp_path / "out.mp4", "yuv420p10le"), np.uint16)
    source = np.frombuffer(read_samples(film, "yuv420p10le"), np.uint16)
    luma, before = padded[: 50 * 66].reshape(50, 66), source[: 49 * 65].reshape(49, 65)
    assert np.array_equal(luma[:49, :65], before)
    assert np.array_equal(luma[:, 65], luma[:, 64])
    assert np.array_equal(luma[49], luma[48])
    chroma = slice(50 * 66, 50 * 66 + 25 * 33), slice(49 * 65, 49 * 65 + 25 * 33)
    assert np.array_equal(padded[chroma[0]], source[chroma[1]])


def test_uneven_times_stay(tmp_path: Path, render: Rendering) -> None:
    uneven = ("-vf", "setpts=N*N*0.04/TB", "-fps_mode", "passthrough", "-c:v", "ffv1")
    film = make_noise(tmp_path / "noise.mkv", "yuv422p10le", *uneven, frames=4)
    render("out.mkv", settings(codec="ffv1"), source=film)
    assert read_samples(tmp_path / "out.mkv", "yuv422p10le") == read_samples(film, "yuv422p10le")


def test_a_film_on_its_side_is_upright(tmp_path: Path, render: Rendering) -> None:
    make_noise(tmp_path / "noise.mkv", "yuv420p10le")
    film = tmp_path / "turned.mov"
    lossless = ("-c:v", "libx265", "-x265-params", "log-level=0:lossless=1")
    run_ffmpeg("-i", tmp_path / "noise.mkv", *lossless, tmp_path / "flat.mov")
    run_ffmpeg("-display_rotation", "90", "-i", tmp_path / "flat.mov", "-c", "copy", film)
    render("out.mkv", settings(codec="ffv1"), source=film)
    assert f"{HEIGHT}x{WIDTH}" in describe(tmp_path / "out.mkv")
    assert read_samples(tmp_path / "out.mkv", "yuv420p10le") == read_samples(film, "yuv420p10le")


@pytest.mark.parametrize("pixel_format", ["yuv444p10le", "yuv420p10le", "gbrp12le"])
@pytest.mark.parametrize("is_full_range", [False, True])
def test_a_change_of_rgb_is_the_same_change_of_samples(
    pixel_format: str, is_full_range: bool
) -> None:
    matrix = 0 if pixel_format.startswith("gbr") else 9
    samples = SampleFormat(pixel_format, ColourTags(matrix, is_full_range=is_full_range))
    middle = 1 << (samples.bits - 1)
    sizes = samples.plane_sizes(WIDTH, HEIGHT)
    planes = tuple(np.full((high, wide), middle, np.uint16) for wide, high in sizes)
    change = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    change[8:24, 8:24] = (0.1, -0.05, 0.2)
    dreamed = FilmSamples(planes, samples).with_change(change)
    before, after = (to_rgb(film) for film in (FilmSamples(planes, samples), dreamed))
    inside = np.s_[10:22, 10:22]
    step = 2.5 / 2**samples.bits
    assert np.abs((after - before)[inside] - change[inside]).max() < step
    assert np.array_equal(after[:, 40:], before[:, 40:])


def to_rgb(film: FilmSamples) -> np.ndarray:
    """Return RGB signal of a film's samples by the formulas of BT.2020, chroma repeated."""
    unit, is_full = 1 << (film.format.bits - 8), film.format.tags.is_full_range
    largest = 2**film.format.bits - 1
    planes = [plane.astype(np.float64) for plane in film.planes]
    if film.format.is_rgb:
        green, blue, red = ((p if is_full else p - 16 * unit) for p in planes)
        return np.stack([red, green, blue], axis=-1) / (largest if is_full else 219 * unit)
    y = (planes[0] - (0 if is_full else 16 * unit)) / (largest if is_full else 219 * unit)
    repeat = y.shape[0] // planes[1].shape[0]
    cb, cr = (
        np.kron((p - 128 * unit) / (largest if is_full else 224 * unit), np.ones((repeat, repeat)))
        for p in planes[1:]
    )
    red, blue = y + 1.4746 * cr, y + 1.8814 * cb
    return np.stack([red, (y - 0.2627 * red - 0.0593 * blue) / 0.6780, blue], axis=-1)
