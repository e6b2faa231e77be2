"""Layers of OpenEXR outputs and float plates: beauty is source plus dream, motion leads back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from conftest import make_texture, refused
from job_rendering import CARRY, DREAM, Rendering

from dreamflow.core.errors import DreamFlowWarning
from dreamflow.media.options import ClipOptions, EncodeOptions, PictureFileOptions
from dreamflow.media.write.containers import check_encode_options
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.settings.options import ShowOptions

SHIFT_PX = 3
"""How far the scene moves to the left from frame to frame."""
NUMBERS = range(7, 11)


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    """A sequence of half floats that moves to the left, with light above white and below black."""
    folder = tmp_path / "shot"
    folder.mkdir()
    wide = ((make_texture(64, 128) / 255) ** 2.2).astype(np.float16)
    wide[20:24, 60:70] *= np.float16(30)
    wide[40:44, 60:70] -= np.float16(0.5)
    for number in NUMBERS:
        left = SHIFT_PX * (number - 7)
        light = np.ascontiguousarray(wide[:, left : left + 96])
        header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
        OpenEXR.File(header, {"RGB": light}).write(str(folder / f"s_{number:04d}.exr"))
    return folder


def read_channels(path: Path) -> dict[str, np.ndarray]:
    with OpenEXR.File(str(path), separate_channels=True) as file:
        return {name: channel.pixels.copy() for name, channel in file.channels().items()}


def test_beauty_is_source_plus_dream(tmp_path: Path, shot: Path, render: Rendering) -> None:
    encode = EncodeOptions(layers_out="all")
    settings = VideoSettings(DREAM, CARRY, ClipOptions(), encode, ShowOptions(strength=0.5))
    render("o_%04d.exr", settings, source=shot, plate_path=tmp_path / "p_%04d.exr")
    for number in NUMBERS:
        source = read_channels(shot / f"s_{number:04d}.exr")
        made = read_channels(tmp_path / f"o_{number:04d}.exr")
        plate = read_channels(tmp_path / f"p_{number:04d}.exr")
        for name in "RGB":
            before, beauty = source[name].astype(np.float64), made[name].astype(np.float64)
            largest = np.maximum(abs(before), abs(beauty)).astype(np.float16)
            half_step = np.spacing(np.maximum(largest, np.float16(1e-4))).astype(np.float64) / 2
            for added in (made[f"dream.{name}"], plate[name]):
                assert (np.abs(before + added - beauty) <= half_step).all()
            assert (made[f"dream.{name}"] != 0).any()
        assert np.allclose(made["matte.Y"], 0.5)


def test_motion_leads_into_the_frame_before(tmp_path: Path, shot: Path, render: Rendering) -> None:
    encode = EncodeOptions(layers_out="backward, confidence, stmap")
    render("o_%04d.exr", VideoSettings(DREAM, CARRY, ClipOptions(), encode), source=shot)
    first, later = (read_channels(tmp_path / f"o_{n:04d}.exr") for n in (7, 9))
    assert set(later) == {
        *("R", "G", "B", "backward.u", "backward.v", "confidence.Y", "stmap.u", "stmap.v")
    }
    assert not first["confidence.Y"].any()
    assert not first["backward.u"].any()
    assert np.median(later["backward.u"]) == pytest.approx(SHIFT_PX, abs=0.3)
    assert np.median(later["backward.v"]) == pytest.approx(0, abs=0.3)
    assert later["confidence.Y"][16:48, 16:80].mean() > 0.8
    # A place is that of the pixel's centre, moved, counted from the lower left corner.
    column = (np.arange(96) + 0.5 + later["backward.u"]) / 96
    assert np.allclose(later["stmap.u"], column, atol=1e-5)
    assert later["stmap.v"][0].mean() > later["stmap.v"][-1].mean()


def test_unknown_layers_are_refused_and_idle_ones_said(tmp_path: Path) -> None:
    with refused("layers_out"):
        PictureFileOptions(layers_out="dream, depth")
    with pytest.warns(DreamFlowWarning):
        check_encode_options(tmp_path / "out.mp4", EncodeOptions(layers_out="dream"))
