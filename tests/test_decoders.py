"""Decoders of videos: OpenCV and PyAV under one contract, seeking, rotation, and the choice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import make_film, run_ffmpeg

from dreamflow.core.errors import SettingsError
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.read.video.opencv_decoder import read_with_opencv
from dreamflow.media.read.video.orientation import Orientation, apply_orientation
from dreamflow.media.read.video.probe import probe_video
from dreamflow.media.read.video.pyav_decoder import read_with_pyav
from dreamflow.media.read.video.video_info import IndexedPictures, VideoInfo

Decoder = Callable[[VideoInfo, int], IndexedPictures]
DECODERS: list[Decoder] = [read_with_opencv, read_with_pyav]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("video")
    return make_film(folder / "video.mp4", frames=30, rate="30000/1001", options=("-g", "8"))


OPTIONS_BY_CONTAINER = {
    ".mp4": (),
    ".ts": (),
    ".flv": (),
    ".mkv": (),
    ".mpg": ("-c:v", "mpeg2video", "-r", "25"),
    ".webm": ("-c:v", "libvpx-vp9"),
    ".avi": ("-c:v", "mpeg4"),
}


@pytest.mark.parametrize("suffix", OPTIONS_BY_CONTAINER)
def test_decoding_from_a_frame_on_gives_the_same_pictures(tmp_path: Path, suffix: str) -> None:
    """Wherever a container's seek leads, and whether or not it can seek."""
    options = ("-g", "8", *OPTIONS_BY_CONTAINER[suffix])
    video = make_film(tmp_path / f"f{suffix}", frames=30, rate="25", options=options)
    pictures = [frame.picture for frame in open_clip(video, decoder="pyav")]
    assert len(pictures) == 30
    info = probe_video(video)
    for first in (1, 9, 20, 28):
        decoded = list(read_with_pyav(info, first))
        assert [index for index, _ in decoded] == list(range(first, 30))
        assert all(np.array_equal(picture, pictures[index]) for index, picture in decoded)


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize("first", [0, 1, 13, 29])
def test_a_decoder_yields_every_frame_from_the_first_on(
    video: Path, decode: Decoder, first: int
) -> None:
    decoded = list(decode(probe_video(video), first))
    assert [index for index, _ in decoded] == list(range(first, 30))
    assert all(p.shape == (48, 64, 3) and p.dtype == np.uint8 for _, p in decoded)


@pytest.mark.parametrize("first", [0, 5, 17])
def test_decoders_agree(video: Path, first: int) -> None:
    info = probe_video(video)
    ours, theirs = (
        [cv2.cvtColor(p, cv2.COLOR_RGB2GRAY).astype(int) for _, p in decode(info, first)]
        for decode in DECODERS
    )
    for n in range(len(ours) - 1):
        error = np.abs(ours[n] - theirs[n]).mean()
        assert error < 4
        assert error < 0.5 * np.abs(ours[n] - theirs[n + 1]).mean()


@pytest.mark.clips
@pytest.mark.parametrize("name", ["mallard.mp4", "handheld_plant_aac.mp4", "wolf_square.mp4"])
def test_decoders_agree_on_real_clips(clips: Path, name: str) -> None:
    info = probe_video(clips / name)
    ours, theirs = (dict(zip(range(3), decode(info, 20), strict=False)) for decode in DECODERS)
    for n in range(3):
        (i, a), (j, b) = ours[n], theirs[n]
        assert i == j == 20 + n
        assert np.abs(a.astype(int) - b).mean() < 2


@pytest.mark.parametrize("decode", DECODERS)
def test_a_rotated_video_is_upright(tmp_path: Path, decode: Decoder) -> None:
    flat_video = make_film(tmp_path / "flat.mp4", frames=2)
    rotated_video = tmp_path / "rotated.mp4"
    run_ffmpeg("-display_rotation", "90", "-i", flat_video, "-c", "copy", rotated_video)
    flat = next(decode(probe_video(flat_video), 0))[1]
    info = probe_video(rotated_video)
    upright = next(decode(info, 0))[1]
    assert (info.width, info.height) == (48, 64)
    assert np.abs(np.rot90(flat).astype(int) - upright).max() <= 3


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        ((1, 0, 0, 1), [[1, 2], [3, 4]]),
        ((-1, 0, 0, 1), [[2, 1], [4, 3]]),
        ((1, 0, 0, -1), [[3, 4], [1, 2]]),
        ((-1, 0, 0, -1), [[4, 3], [2, 1]]),
        ((0, -1, 1, 0), [[2, 4], [1, 3]]),
        ((0, 1, -1, 0), [[3, 1], [4, 2]]),
        ((0, 1, 1, 0), [[1, 3], [2, 4]]),
    ],
)
def test_display_matrices(orientation: Orientation, expected: list[list[int]]) -> None:
    picture = np.array([[1, 2], [3, 4]])[..., None]
    assert apply_orientation(picture, orientation)[..., 0].tolist() == expected


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p"])
@pytest.mark.parametrize("decoder", ["auto", "opencv", "pyav"])
def test_every_decoder_reads_every_frame(tmp_path: Path, pixel_format: str, decoder: str) -> None:
    video = make_film(tmp_path / "f.mp4", frames=2, options=("-pix_fmt", pixel_format))
    assert len(list(open_clip(video, decoder=decoder))) == 2


def test_an_unknown_decoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refusal:
        open_clip(make_film(tmp_path / "f.mp4", frames=2), decoder="ffmpeg")
    assert refusal.value.setting == "decoder"
