"""The setting `alpha`: sources whose colours are multiplied by alpha, or not, as the user says."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import av
import cv2
import numpy as np
import OpenEXR
import pytest
import tifffile
from conftest import CommandResult, make_texture, run_ffmpeg

from dreamflow.core.errors import ConvertedSourceWarning
from dreamflow.media.depth.read import read_deep_picture
from dreamflow.media.depth.write import DeepOutput
from dreamflow.media.options import ClipOptions, EncodeOptions
from dreamflow.media.read.clip import Clip
from dreamflow.media.stills.read import read_picture

Cli = Callable[..., CommandResult]
HEIGHT, WIDTH = 48, 64
FAST = ("--octaves", "1", "--iterations", "3", "--step", "4", "--threads", "1")
UNSEEN = ("--strength", "0")
PREMULTIPLIED = ("--alpha", "premultiplied")
FFV1 = ("--codec", "ffv1")
FILM_CODECS = {
    ".mov": ("-c:v", "prores_ks", "-pix_fmt", "yuva444p10le"),
    ".mkv": ("-c:v", "ffv1", "-pix_fmt", "gbrap12le"),
}


def make_title(is_multiplied: bool) -> np.ndarray:
    """Return blue, green and red, and the alpha of a soft disc, 0 to 1, (H, W, 4).

    Alpha is in fifths and straight colours are 8-bit codes by fives, so both forms are whole.
    """
    codes = np.minimum(make_texture(HEIGHT, WIDTH) // 5 * 5, 215) + 40
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    distance = np.hypot(rows - HEIGHT / 2, columns - WIDTH / 2)
    alpha = np.rint(5 * np.clip((18 - distance) / 10 + 0.5, 0, 1))[..., None] / 5
    colours = np.where(alpha > 0, codes, 0) / 255
    return np.dstack([colours * alpha if is_multiplied else colours, alpha])


def write_title(
    path: Path, is_multiplied: bool, kind: type[np.unsignedinteger] = np.uint16
) -> Path:
    """Write the title as a picture, or as a film of one frame, whose format has it straight."""
    samples = np.rint(np.iinfo(kind).max * make_title(is_multiplied)).astype(kind)
    picture = path if path.suffix in (".png", ".tif") else path.with_suffix(".png")
    cv2.imwrite(str(picture), samples)
    if path != picture:
        run_ffmpeg("-i", picture, *FILM_CODECS[path.suffix], path)
        picture.unlink()
    return path


def write_light(path: Path, is_multiplied: bool) -> np.ndarray:
    """Write the title as linear light in OpenEXR; return its samples."""
    title = make_title(is_multiplied=False)
    light, alpha = 2 * title[..., 2::-1] ** 2.2, title[..., 3:]
    pixels = np.dstack([light * alpha if is_multiplied else light, alpha]).astype(np.float32)
    header: dict[str, Any] = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {"RGBA": pixels}).write(str(path))
    return pixels


def read_light(path: Path) -> np.ndarray:
    return cast("Any", OpenEXR).File(str(path)).channels()["RGBA"].pixels


def read_shares(path: Path) -> np.ndarray:
    """Return the samples of a PNG or TIFF, 0 to 1, (H, W, 4)."""
    samples = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert samples is not None
    return samples / (255 if samples.dtype == np.uint8 else 65535)


def read_planes(path: Path) -> np.ndarray:
    """Return the samples of a film's first frame, as they are coded."""
    with av.open(str(path)) as film:
        planes = next(film.decode(video=0)).planes
        return np.concatenate([np.frombuffer(bytes(plane), np.uint16) for plane in planes])


def read_film(path: Path) -> np.ndarray:
    """Return a film's first frame as blue, green, red and alpha, 0 to 1, (H, W, 4)."""
    with av.open(str(path)) as film:
        samples = next(film.decode(video=0)).reformat(format="rgba64le").to_ndarray()
    return samples[..., [2, 1, 0, 3]] / 65535


def over_checkerboard(shares: np.ndarray, is_multiplied: bool) -> np.ndarray:
    """Return what a compositor's over gives: (H, W, 3)."""
    rows, columns = np.mgrid[: shares.shape[0], : shares.shape[1]]
    board = np.where((rows // 8 + columns // 8) % 2, 0.8, 0.2)[..., None]
    colours, alpha = shares[..., :3], shares[..., 3:]
    return (colours if is_multiplied else colours * alpha) + board * (1 - alpha)


def dream(cli: Cli, source: Path, out: Path, *settings: str) -> Path:
    run = cli("video" if source.suffix in (".mov", ".mkv") else "frame", source, out, *settings)
    assert run.code == 0, run.err
    return out


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_picture_dreams_the_same_straight_and_multiplied(
    tmp_path: Path, cli: Cli, kind: type[np.unsignedinteger]
) -> None:
    sources = [write_title(tmp_path / f"{n}.png", bool(n), kind) for n in (0, 1)]
    straight = read_shares(dream(cli, sources[0], tmp_path / "s.png", *FAST))
    multiplied = read_shares(dream(cli, sources[1], tmp_path / "m.png", *FAST, *PREMULTIPLIED))
    mistaken = read_shares(dream(cli, sources[1], tmp_path / "x.png", *FAST))
    wanted = over_checkerboard(straight, is_multiplied=False)
    before = over_checkerboard(make_title(is_multiplied=False), is_multiplied=False)
    rounding = 2 / np.iinfo(kind).max
    assert np.abs(wanted - before).max() > 0.05, "it dreams"
    assert np.abs(over_checkerboard(multiplied, is_multiplied=True) - wanted).max() < rounding
    assert np.abs(over_checkerboard(mistaken, is_multiplied=True) - wanted).max() > 0.05


def test_a_film_dreams_the_same_straight_and_multiplied(tmp_path: Path, cli: Cli) -> None:
    sources = [write_title(tmp_path / f"{n}.mkv", bool(n)) for n in (0, 1)]
    straight = read_film(dream(cli, sources[0], tmp_path / "s.mkv", *FAST, *FFV1))
    out = dream(cli, sources[1], tmp_path / "m.mkv", *FAST, *FFV1, *PREMULTIPLIED)
    wanted = over_checkerboard(straight, is_multiplied=False)
    before = over_checkerboard(make_title(is_multiplied=False), is_multiplied=False)
    assert np.abs(wanted - before).max() > 0.05, "it dreams"
    error = np.abs(over_checkerboard(read_film(out), is_multiplied=True) - wanted)
    assert error.max() < 2 / 4095, "rounding of 12 bits"


def test_light_dreams_the_same_straight_and_multiplied(tmp_path: Path, cli: Cli) -> None:
    sources = [tmp_path / "0.exr", tmp_path / "1.exr"]
    written = [write_light(path, bool(n)) for n, path in enumerate(sources)]
    straight = read_light(dream(cli, sources[0], tmp_path / "s.exr", *FAST, "--alpha", "straight"))
    multiplied = read_light(dream(cli, sources[1], tmp_path / "m.exr", *FAST))
    assert np.abs(straight - written[0]).max() > 0.05, "it dreams"
    wanted = over_checkerboard(straight, is_multiplied=False)
    assert np.allclose(over_checkerboard(multiplied, is_multiplied=True), wanted, atol=1e-5)


@pytest.mark.parametrize("name", ["title.png", "title.tif", "title.mkv", "title.mov", "title.exr"])
def test_a_source_stays_as_it_is_bit_for_bit(tmp_path: Path, cli: Cli, name: str) -> None:
    source, alpha = tmp_path / name, "premultiplied"
    out = tmp_path / f"out{source.suffix}"
    if source.suffix == ".exr":
        alpha, codec = "straight", ()
        write_light(source, is_multiplied=False)
    else:
        codec = FFV1 if source.suffix == ".mkv" else ()
        write_title(source, is_multiplied=True)
    if source.suffix == ".mov":
        out, codec = tmp_path / "out.mkv", FFV1
    for unseen in (("--strength", "0"), ("--iterations", "0")):
        dream(cli, source, out, *FAST, *codec, *unseen, "--alpha", alpha, "--overwrite")
        if source.suffix == ".exr":
            assert np.array_equal(read_light(out), read_light(source))
        elif codec:
            assert np.array_equal(read_planes(out), read_planes(source))
        else:
            assert np.array_equal(read_shares(out), read_shares(source))


def test_sequences_and_sweeps_stay_as_they_are(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "shot").mkdir()
    source = write_title(tmp_path / "shot" / "a_1001.png", is_multiplied=True)
    write_title(source.with_name("a_1002.png"), is_multiplied=True)
    unseen = (*FAST, *UNSEEN, *PREMULTIPLIED)
    sweep = ("--layers", "conv1/7x7_s2,conv2/3x3", "--hold", "1", "--fade", "1", "--fps", "1")
    run = cli("video", source.parent, tmp_path / "v_%d.png", *unseen)
    assert run.code == 0, run.err
    run = cli("sweep", source, tmp_path / "s_%d.png", *unseen, *sweep)
    assert run.code == 0, run.err
    outputs = [*tmp_path.glob("v_*.png"), *tmp_path.glob("s_*.png")]
    assert len(outputs) == 5
    for out in outputs:
        assert np.array_equal(read_shares(out), read_shares(source)), out.name


def test_eight_bits_over_black_are_not_darkened_twice(tmp_path: Path) -> None:
    for name in ("title.png", "title.mkv", "folder"):
        shown: list[np.ndarray] = []
        for n, alpha in enumerate(("straight", "premultiplied")):
            folder = tmp_path / f"{n}"
            folder.mkdir(exist_ok=True)
            path = write_title(folder / name.replace("folder", "0.png"), bool(n))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvertedSourceWarning)
                if name == "title.png":
                    shown.append(read_picture(path, alpha=alpha))
                else:
                    source = f"{folder}/[0]*.png" if name == "folder" else path
                    shown += [one.picture for one in Clip(source, ClipOptions(alpha=alpha))]
        assert np.abs(shown[0].astype(int) - shown[1]).max() <= 2, name


def test_who_says_what_colours_are_is_not_warned(tmp_path: Path) -> None:
    film = write_title(tmp_path / "title.mkv", is_multiplied=True)
    picture = write_title(tmp_path / "title.png", is_multiplied=True)
    output = DeepOutput.of(tmp_path / "out.mkv", EncodeOptions(codec="ffv1"))
    assert read_deep_picture(picture).notes
    for alpha in ("straight", "premultiplied"):
        assert not read_deep_picture(picture, alpha=alpha).notes
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvertedSourceWarning)
            Clip(film, ClipOptions(alpha=alpha), output)


def test_a_multiplied_picture_is_multiplied_light_in_openexr(tmp_path: Path, cli: Cli) -> None:
    sources = [write_title(tmp_path / f"{n}.png", bool(n)) for n in (0, 1)]
    straight = read_light(dream(cli, sources[0], tmp_path / "s.exr", *FAST, *UNSEEN))
    multiplied = dream(cli, sources[1], tmp_path / "m.exr", *FAST, *UNSEEN, *PREMULTIPLIED)
    assert np.allclose(straight, read_light(multiplied), atol=1e-3)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_tiff_that_says_what_it_is_needs_no_setting(
    tmp_path: Path, cli: Cli, kind: type[np.unsignedinteger]
) -> None:
    """`premultiplied` says again what the file does: nothing is divided twice."""
    samples = np.rint(np.iinfo(kind).max * make_title(is_multiplied=True)).astype(kind)
    source, straight = tmp_path / "t.tif", tmp_path / "straight.png"
    tifffile.imwrite(source, samples[..., [2, 1, 0, 3]], photometric="rgb", extrasamples=[1])
    write_title(straight, is_multiplied=False, kind=kind)
    proxies = [read_deep_picture(source, alpha=alpha).proxy for alpha in ("auto", "premultiplied")]
    assert np.array_equal(proxies[0], proxies[1])
    wanted = read_deep_picture(straight).proxy.astype(int)
    assert np.abs(proxies[0] - wanted).max() <= 1
    out = dream(cli, source, tmp_path / "out.tif", *FAST, *UNSEEN)
    with tifffile.TiffFile(out) as file:
        assert file.pages.first.tags["ExtraSamples"].value == (1,), "associated"
        assert np.array_equal(file.asarray(), samples[..., [2, 1, 0, 3]])
