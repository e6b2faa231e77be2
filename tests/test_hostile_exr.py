"""Damaged OpenEXR pictures: no crash, and an error with the file's name, or a picture."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from conftest import make_texture

from dreamflow.core.errors import MediaError
from dreamflow.media.depth.read import read_deep_picture

READ_ALL = """
import sys, warnings
from pathlib import Path
from dreamflow.core.errors import DreamFlowError
from dreamflow.media.depth.read import read_deep_picture
warnings.simplefilter("ignore")
for path in sorted(Path(sys.argv[1]).glob("*.exr")):
    try:
        picture = read_deep_picture(path)
        assert picture.original.size == picture.proxy.shape[1::-1]
    except DreamFlowError as error:
        assert "\\n" not in str(error) and path.name in str(error), error
    print("read", path.name, flush=True)
"""
KINDS = ("half", "float", "layers", "window", "tiles", "piz", "preview")
COPIES = 20


def make_exr(path: Path, kind: str) -> None:
    pixels = (make_texture(40, 56) / 255).astype(np.float32 if kind == "float" else np.float16)
    header: dict[str, Any] = {
        "compression": OpenEXR.PIZ_COMPRESSION if kind == "piz" else OpenEXR.ZIP_COMPRESSION,
        "type": OpenEXR.scanlineimage,
    }
    channels = {"RGB": pixels}
    if kind == "layers":
        channels |= {f"diffuse.{name}": pixels[..., 0].copy() for name in "RGB"}
    if kind == "window":
        header["displayWindow"] = np.array((4, 4), np.int32), np.array((99, 79), np.int32)
        header["dataWindow"] = np.array((0, 0), np.int32), np.array((55, 39), np.int32)
    if kind == "preview":
        header["preview"] = OpenEXR.PreviewImage(np.zeros((8, 8, 4), np.uint8))
    if kind == "tiles":
        tiles = OpenEXR.TileDescription()
        tiles.xSize = tiles.ySize = 16
        header |= {"type": OpenEXR.tiledimage, "tiles": tiles}
    OpenEXR.File(header, channels).write(str(path))


def damage(content: bytes, how: int, made: np.random.Generator) -> bytes:
    """Return a file cut short, with flipped bits, absurd numbers, noise, or a part taken out."""
    spoilt = bytearray(content)
    early, anywhere = (int(made.integers(0, end)) for end in (400, len(content)))
    if how == 0:
        return content[:anywhere]
    if how == 1:
        spoilt[early] ^= 1 << int(made.integers(0, 8))
    elif how == 2:
        spoilt[early : early + 4] = b"\xff\xff\xff\x7f"
    elif how == 3:
        spoilt[anywhere : anywhere + 16] = made.bytes(16)
    elif how == 4:
        del spoilt[anywhere : anywhere + 37]
    else:
        spoilt[early : early + 8] = made.bytes(8)
    return bytes(spoilt)


def test_damaged_pictures_do_not_crash(tmp_path: Path) -> None:
    made = np.random.default_rng(11)
    for kind in KINDS:
        make_exr(tmp_path / "whole", kind)
        content = (tmp_path / "whole").read_bytes()
        for number in range(COPIES):
            copy = tmp_path / f"{kind}_{number:02d}.exr"
            copy.write_bytes(damage(content, number % 6, made))
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, str(tmp_path)], capture_output=True, check=False
    )
    read = sum(line.startswith(b"read ") for line in done.stdout.splitlines())
    assert (done.returncode, read) == (0, len(KINDS) * COPIES), (done.stdout[-200:], done.stderr)


def test_a_picture_with_a_preview_is_read(tmp_path: Path) -> None:
    make_exr(tmp_path / "p.exr", "preview")
    expected = (make_texture(40, 56) / 255).astype(np.float16)
    assert np.array_equal(read_deep_picture(tmp_path / "p.exr").original.pixels, expected)


def test_whole_numbers_are_read_as_float(tmp_path: Path) -> None:
    numbers = {name: np.full((4, 6), n, np.uint32) for n, name in enumerate("RGB")}
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, numbers).write(str(tmp_path / "u.exr"))
    pixels = read_deep_picture(tmp_path / "u.exr").original.pixels
    assert pixels.dtype == np.float32
    assert np.array_equal(pixels[0, 0], (0, 1, 2))


def test_tiles_are_read_and_cut_short_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.exr"
    make_exr(path, "tiles")
    expected = (make_texture(40, 56) / 255).astype(np.float16)
    assert np.array_equal(read_deep_picture(path).original.pixels, expected)
    path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises(MediaError) as error:
        read_deep_picture(path)
    assert error.value.where == str(path)
