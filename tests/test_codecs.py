"""Every codec in every container that holds it, looked at through the ffmpeg binary and Pillow."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from conftest import decode_with_ffmpeg, make_texture, psnr
from PIL import Image

from dreamflow.core.errors import DependencyError, SettingsError
from dreamflow.jobs.output_writer import write_video
from dreamflow.media.options import EncodeOptions
from dreamflow.media.read.clip import Clip, open_clip
from dreamflow.media.stills import write_picture
from dreamflow.media.write import codecs
from dreamflow.media.write.containers import CONTAINER_FORMAT_BY_SUFFIX
from dreamflow.media.write.metadata import RECORD_VERSION_KEY, read_record

RECORD = {RECORD_VERSION_KEY: "1.2.3", "settings": {"note": "ünïcode"}}
FRAMES = 52
"""More than a chunk has: chunks are joined without a seam."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """A smooth picture, since halved chroma loses detail, that moves and comes with some grain."""
    folder = tmp_path_factory.mktemp("clip")
    large = cv2.GaussianBlur(make_texture(48, 160), (0, 0), 3)
    grain = np.random.default_rng(0)
    for number in range(FRAMES):
        grey = grain.normal(0, 3, (48, 64, 1))
        moved = large[:, number : number + 64] + grey
        write_picture(folder / f"{number}.png", np.clip(moved, 0, 255).astype(np.uint8))
    return open_clip(folder, fps=25)


@pytest.fixture(scope="module")
def pictures(clip: Clip) -> np.ndarray:
    return np.stack([frame.picture for frame in clip])


HELD = [
    (suffix, codec) for suffix, kind in CONTAINER_FORMAT_BY_SUFFIX.items() for codec in kind.codecs
]
DECODERS = {"h265": "hevc", "av1": "libdav1d"}
TAGS = {"h265": "hvc1", "h264": "avc1", "av1": "av01", "vp9": "vp09", "prores": "apch"}


@pytest.mark.parametrize(("suffix", "codec"), HELD)
def test_a_codec_in_a_container(
    tmp_path: Path, clip: Clip, pictures: np.ndarray, suffix: str, codec: str
) -> None:
    out = tmp_path / f"out{suffix}"
    write_video(out, clip, clip, codec=codec, record=RECORD)
    shown = decode_with_ffmpeg(out)
    assert shown.shape == pictures.shape
    assert min(psnr(a, b) for a, b in zip(shown, pictures, strict=True)) > 28
    assert np.abs((shown.astype(float) - pictures).mean(axis=(0, 1, 2))).max() < 1
    assert read_record(out) == RECORD
    with av.open(str(out)) as container:
        context = container.streams.video[0].codec_context
        assert context.name == DECODERS.get(codec, codec)
        if codec != "ffv1":
            said = (context.colorspace, context.color_primaries, context.color_trc)
            assert (*said, context.color_range) == (1, 1, 1, 1), "BT.709, limited, and tagged so"
        if suffix in (".mp4", ".m4v", ".mov"):
            assert context.codec_tag == TAGS[codec], "what players look for"
        times = [float(f.pts * f.time_base) for f in container.decode(video=0)]
    assert np.abs(np.array(times) - np.arange(FRAMES) / 25).max() < 1e-3


EXACT = [(".mp4", "h264"), (".mkv", "h265"), (".webm", "vp9"), (".mkv", "ffv1"), (".webp", "auto")]


@pytest.mark.parametrize(("suffix", "codec"), EXACT)
def test_lossless_is_exact(
    tmp_path: Path, clip: Clip, pictures: np.ndarray, suffix: str, codec: str
) -> None:
    out = tmp_path / f"out{suffix}"
    write_video(out, clip, clip, codec=codec, lossless=True)
    shown = frames_of_webp(out) if suffix == ".webp" else decode_with_ffmpeg(out, "scale=iw:ih")
    assert np.array_equal(shown, pictures)


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [(".mp4", "h264"), (".mov", "h265"), (".mkv", "av1"), (".webm", "vp9"), (".mov", "prores")],
)
def test_a_better_quality_is_better(
    tmp_path: Path, clip: Clip, pictures: np.ndarray, suffix: str, codec: str
) -> None:
    quality: list[float] = []
    size: list[int] = []
    pixels: list[str] = []
    for name in ("draft", "good", "master"):
        out = tmp_path / f"{name}{suffix}"
        write_video(out, clip, clip, codec=codec, quality=name)
        quality.append(psnr(decode_with_ffmpeg(out), pictures))
        size.append(out.stat().st_size)
        with av.open(str(out)) as container:
            pixels.append(str(container.streams.video[0].codec_context.pix_fmt))
    assert all(a < b for a, b in itertools.pairwise(quality))
    assert all(a < b for a, b in itertools.pairwise(size))
    deep = {"h265": "yuv420p10le", "av1": "yuv420p10le", "prores": "yuv444p12le"}
    assert pixels[2] == deep.get(codec, "yuv420p")


def test_a_number_beats_the_quality(tmp_path: Path, clip: Clip, pictures: np.ndarray) -> None:
    write_video(tmp_path / "a.mp4", clip, clip, quality="draft", crf=4)
    assert psnr(decode_with_ffmpeg(tmp_path / "a.mp4"), pictures) > 38


@pytest.mark.parametrize(
    ("suffix", "options", "message"),
    [
        (".mp4", {"codec": "prores"}, r"\.mp4 cannot hold prores, which goes into \.mov, \.mkv"),
        (".webm", {"codec": "h264"}, r"cannot hold h264.*; \.webm holds vp9, av1"),
        (".gif", {"codec": "vp9"}, r"\.gif cannot hold vp9, which goes into"),
        (".gif", {"lossless": True}, "256 colours"),
        (".mov", {"codec": "prores", "crf": 12}, "prores has no --crf; choose --quality"),
        (".mov", {"codec": "prores", "lossless": True}, "prores has no --lossless"),
        (".mp4", {"codec": "av1", "lossless": True}, "av1 is not written without loss"),
        (".mp4", {"lossless": True, "crf": 3}, "not both"),
        (".mp4", {"codec": "divx"}, "'divx' is unknown; choose auto, h264"),
    ],
)
def test_what_does_not_go_together_is_refused(
    tmp_path: Path, clip: Clip, suffix: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        write_video(tmp_path / f"out{suffix}", clip, clip, **options)
    assert not list(tmp_path.iterdir())


def test_a_codec_that_ffmpeg_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codecs, "list_ffmpeg_encoders", lambda: frozenset({"libx264"}))
    with pytest.raises(DependencyError, match="has no libsvtav1, which --codec av1 needs"):
        CONTAINER_FORMAT_BY_SUFFIX[".mp4"].video_encoding(EncodeOptions(codec="av1"))
    CONTAINER_FORMAT_BY_SUFFIX[".mp4"].video_encoding(EncodeOptions())


# --- animated WebP


def frames_of_webp(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        shown = []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            shown.append(np.asarray(image.convert("RGB")))
    return np.stack(shown)


def test_an_animated_webp(tmp_path: Path, clip: Clip, pictures: np.ndarray) -> None:
    out = tmp_path / "out.webp"
    write_video(out, clip, clip, record=RECORD)
    shown = frames_of_webp(out)
    assert min(psnr(a, b) for a, b in zip(shown, pictures, strict=True)) > 26
    assert read_record(out) == RECORD
    with Image.open(out) as image:
        assert image.info["loop"] == 0
        lasts = 0
        for number in range(FRAMES):
            image.seek(number)
            image.load()
            lasts += image.info["duration"]
    assert abs(lasts - FRAMES * 40) <= 40


def test_a_webp_of_a_still_scene_may_have_fewer_frames(tmp_path: Path) -> None:
    """Its encoder makes one of frames that are alike; it lasts as long."""
    write_picture(tmp_path / "1.png", make_texture(48, 64))
    shutil.copy(tmp_path / "1.png", tmp_path / "2.png")
    still = open_clip(tmp_path / "*.png", fps=5)
    write_video(tmp_path / "out.webp", still, still, lossless=True)
    assert np.array_equal(frames_of_webp(tmp_path / "out.webp")[0], make_texture(48, 64))
