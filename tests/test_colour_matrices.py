"""Colour matrices that swscale does not know, against zscale's; and colours that are refused."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from conftest import SHARED_DIR, make_film, make_texture, psnr, run_ffmpeg

from dreamflow.core.errors import DreamFlowWarning, MediaError
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.stills.write import write_picture

PRIMARIES = {"709": "bt709", "2020": "bt2020"}


def encode_with_zscale(
    folder: Path, matrix: tuple[str, str], transfer: tuple[str, str], primaries: str, limits: str
) -> tuple[Path, np.ndarray]:
    """Return a lossless film of a texture, and the texture, uint8 (H, W, 3).

    Matrix and transfer are named as zscale does, and as ffmpeg's options do.
    """
    picture = make_texture(48, 64)
    write_picture(folder / "texture.png", picture)
    film = folder / f"{matrix[1]}_{limits}.mkv"
    run_ffmpeg(
        *("-loop", "1", "-i", folder / "texture.png", "-frames:v", "2", "-vf"),
        f"format=gbrp,zscale=min=gbr:rin=full:tin={transfer[0]}:pin={primaries}:m={matrix[0]}"
        f":r={limits}:t={transfer[0]}:p={primaries},format=yuv444p10",
        *("-c:v", "ffv1", "-colorspace", matrix[1], "-color_trc", transfer[1]),
        *("-color_primaries", PRIMARIES[primaries]),
        *("-color_range", {"limited": "tv", "full": "pc"}[limits], film),
    )
    return film, picture


def read_first_picture(film: Path) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DreamFlowWarning)  # of more than 8 bits, and of HDR
        return open_clip(film).first_picture()


@pytest.mark.parametrize("limits", ["limited", "full"])
@pytest.mark.parametrize(
    "matrix",
    [
        ("709", "bt709"),
        ("fcc", "fcc"),
        ("470bg", "bt470bg"),
        ("170m", "smpte170m"),
        ("ycgco", "ycgco"),
        ("chroma-derived-nc", "chroma-derived-nc"),
    ],
)
def test_matrices_without_constant_luminance(
    tmp_path: Path, matrix: tuple[str, str], limits: str
) -> None:
    film, picture = encode_with_zscale(tmp_path, matrix, ("709", "bt709"), "709", limits)
    error = np.abs(read_first_picture(film).astype(int) - picture)
    assert error.mean() < 0.6
    assert error.max() <= 2


@pytest.mark.parametrize("limits", ["limited", "full"])
def test_constant_luminance_by_the_primaries(tmp_path: Path, limits: str) -> None:
    """zscale linearises its RGB by BT.1886, and codes by BT.709's OETF, as the matrix has it."""
    matrix = ("chroma-derived-c", "chroma-derived-c")
    film, picture = encode_with_zscale(tmp_path, matrix, ("709", "bt709"), "709", limits)
    light = (picture / 255.0) ** 2.4
    coded = np.where(light < 0.0181, 4.5 * light, 1.0993 * light**0.45 - 0.0993)
    error = np.abs(read_first_picture(film) - 255 * coded)
    assert error.mean() < 0.8
    assert error.max() < 3


@pytest.mark.parametrize("transfer", [("smpte2084", "smpte2084"), ("arib-std-b67", "arib-std-b67")])
def test_ictcp_is_the_same_picture_as_ycbcr(tmp_path: Path, transfer: tuple[str, str]) -> None:
    films = [
        encode_with_zscale(tmp_path, matrix, transfer, "2020", "limited")[0]
        for matrix in (("ictcp", "ictcp"), ("2020_ncl", "bt2020nc"))
    ]
    assert psnr(*map(read_first_picture, films)) > 33


@pytest.mark.parametrize("codec_tag", ["dvh1", "dvhe"])
def test_dolby_vision_without_a_base_picture_is_refused(tmp_path: Path, codec_tag: str) -> None:
    options = ("-c:v", "libx265", "-x265-params", "log-level=0", "-tag:v", "hvc1")
    film = make_film(tmp_path / "f.mp4", frames=2, options=options)
    film.write_bytes(film.read_bytes().replace(b"hvc1", codec_tag.encode()))
    with pytest.raises(MediaError) as refusal:
        open_clip(film)
    assert refusal.value.where == str(film)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("code", [11, 15, 16, 17])
def test_colours_that_are_not_converted_are_refused(tmp_path: Path, code: int) -> None:
    options = ("-bsf:v", f"h264_metadata=matrix_coefficients={code}")
    film = make_film(tmp_path / "f.mp4", frames=2, options=options)
    with pytest.raises(MediaError) as refusal:
        open_clip(film)
    assert refusal.value.where == str(film)


@pytest.mark.clips
@pytest.mark.parametrize("name", ["m_ycgco.mp4", "m_ictcp.mp4"])
def test_given_films_are_converted(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DreamFlowWarning)
        pictures = [frame.picture for frame in open_clip(SHARED_DIR / "faults" / name)]
    assert len(pictures) == 9
    assert all(picture.std() > 5 for picture in pictures)
