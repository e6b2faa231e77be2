"""Every codec in every container that holds it, checked with the ffmpeg binary and Pillow."""

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
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.records.embedded_settings import RECORD_VERSION_KEY, read_record
from dreamflow.media.stills.write import write_picture
from dreamflow.media.write import codecs
from dreamflow.media.write.containers import CONTAINER_FORMAT_BY_SUFFIX
from dreamflow.media.write.segments import film_segments as segments

RECORD = {RECORD_VERSION_KEY: "1.2.3", "settings": {"note": "ünïcode"}}
FRAMES, SEGMENT_FRAMES = 52, 40


@pytest.fixture(scope="module", autouse=True)
def short_segments() -> Any:
    """Two segments an output, so that every test joins them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "MAX_SEGMENT_FRAMES", SEGMENT_FRAMES)
        yield


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """A smooth picture, since subsampled chroma loses detail, that moves, with some grain."""
    folder = tmp_path_factory.mktemp("clip")
    large = cv2.GaussianBlur(make_texture(48, 160), (0, 0), 3)
    rng = np.random.default_rng(0)
    for number in range(FRAMES):
        grain = rng.normal(0, 3, (48, 64, 1))
        moved = large[:, number : number + 64] + grain
        write_picture(folder / f"{number}.png", np.clip(moved, 0, 255).astype(np.uint8))
    return open_clip(folder, fps=25)


@pytest.fixture(scope="module")
def pictures(clip: Clip) -> np.ndarray:
    return np.stack([frame.picture for frame in clip])


HELD_CODECS = [
    (suffix, codec)
    for suffix, container_format in CONTAINER_FORMAT_BY_SUFFIX.items()
    for codec in container_format.codecs
]
DECODER_BY_CODEC = {"h265": "hevc", "av1": "libdav1d"}
TAG_BY_CODEC = {"h265": "hvc1", "h264": "avc1", "av1": "av01", "vp9": "vp09", "prores": "apch"}


@pytest.mark.parametrize(("suffix", "codec"), HELD_CODECS)
def test_a_codec_in_a_container(
    tmp_path: Path, clip: Clip, pictures: np.ndarray, suffix: str, codec: str
) -> None:
    out = tmp_path / f"out{suffix}"
    write_video(out, clip, clip, codec=codec, record=RECORD)
    decoded = decode_with_ffmpeg(out)
    assert decoded.shape == pictures.shape
    assert min(psnr(a, b) for a, b in zip(decoded, pictures, strict=True)) > 28
    assert np.abs((decoded.astype(float) - pictures).mean(axis=(0, 1, 2))).max() < 1
    assert read_record(out) == RECORD
    with av.open(str(out)) as container:
        context = container.streams.video[0].codec_context
        assert context.name == DECODER_BY_CODEC.get(codec, codec)
        if codec != "ffv1":
            tags = (context.colorspace, context.color_primaries, context.color_trc)
            assert (*tags, context.color_range) == (1, 1, 1, 1), "BT.709, limited range"
        if suffix in (".mp4", ".m4v", ".mov"):
            assert context.codec_tag == TAG_BY_CODEC[codec], "what players look for"
        times = [float(f.pts * f.time_base) for f in container.decode(video=0)]
    assert np.abs(np.array(times) - np.arange(FRAMES) / 25).max() < 1e-3


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [(".mp4", "h264"), (".mkv", "h265"), (".webm", "vp9"), (".mkv", "ffv1"), (".webp", "auto")],
)
def test_lossless_is_exact(
    tmp_path: Path, clip: Clip, pictures: np.ndarray, suffix: str, codec: str
) -> None:
    out = tmp_path / f"out{suffix}"
    write_video(out, clip, clip, codec=codec, lossless=True)
    decoded = decode_webp(out) if suffix == ".webp" else decode_with_ffmpeg(out, "scale=iw:ih")
    assert np.array_equal(decoded, pictures)


@pytest.mark.parametrize(
    ("suffix", "codec", "master_pixel_format"),
    [
        (".mp4", "h264", "yuv420p"),
        (".mov", "h265", "yuv420p10le"),
        (".mkv", "av1", "yuv420p10le"),
        (".webm", "vp9", "yuv420p"),
        (".mov", "prores", "yuv444p12le"),
    ],
)
def test_a_better_quality_is_closer_and_larger(
    tmp_path: Path,
    clip: Clip,
    pictures: np.ndarray,
    suffix: str,
    codec: str,
    master_pixel_format: str,
) -> None:
    psnrs: list[float] = []
    sizes: list[int] = []
    pixel_format = ""
    for quality in ("draft", "good", "master"):
        out = tmp_path / f"{quality}{suffix}"
        write_video(out, clip, clip, codec=codec, quality=quality)
        psnrs.append(psnr(decode_with_ffmpeg(out), pictures))
        sizes.append(out.stat().st_size)
        with av.open(str(out)) as container:
            pixel_format = str(container.streams.video[0].codec_context.pix_fmt)
    assert all(a < b for a, b in itertools.pairwise(psnrs))
    assert all(a < b for a, b in itertools.pairwise(sizes))
    assert pixel_format == master_pixel_format


def test_crf_overrides_the_quality(tmp_path: Path, clip: Clip, pictures: np.ndarray) -> None:
    write_video(tmp_path / "a.mp4", clip, clip, quality="draft", crf=4)
    assert psnr(decode_with_ffmpeg(tmp_path / "a.mp4"), pictures) > 38


@pytest.mark.parametrize(
    ("suffix", "options", "setting", "allowed"),
    [
        (".mp4", {"codec": "prores"}, "codec", "h264, h265, av1, vp9"),
        (".webm", {"codec": "h264"}, "codec", "vp9, av1"),
        (".gif", {"codec": "vp9"}, "codec", "auto"),
        (".gif", {"lossless": True}, "lossless", "a suffix other than .gif"),
        (".mov", {"codec": "prores", "crf": 12}, "crf", "quality draft, good or master"),
        (".mov", {"codec": "prores", "lossless": True}, "lossless", "quality draft, good or"),
        (".mp4", {"codec": "av1", "lossless": True}, "lossless", "codec h264, h265, vp9 or ffv1"),
        (".mp4", {"lossless": True, "crf": 3}, "crf", "none with lossless"),
    ],
)
def test_settings_that_exclude_each_other_are_refused(
    tmp_path: Path, clip: Clip, suffix: str, options: dict[str, Any], setting: str, allowed: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        write_video(tmp_path / f"out{suffix}", clip, clip, **options)
    assert raised.value.setting == setting
    assert allowed in str(raised.value.allowed)
    assert not list(tmp_path.iterdir())


def test_unknown_codecs_and_codecs_that_ffmpeg_lacks_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(SettingsError, match="divx"):
        EncodeOptions(codec="divx")
    mp4 = CONTAINER_FORMAT_BY_SUFFIX[".mp4"]
    monkeypatch.setattr(codecs, "list_ffmpeg_encoders", lambda: frozenset({"libx264"}))
    with pytest.raises(DependencyError, match="libsvtav1") as raised:
        mp4.video_encoding(EncodeOptions(codec="av1"))
    assert (raised.value.setting, raised.value.value) == ("codec", "av1")
    mp4.video_encoding(EncodeOptions())


# --- animated WebP


def decode_webp(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        frames: list[np.ndarray] = []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            frames.append(np.asarray(image.convert("RGB")))
    return np.stack(frames)


def test_an_animated_webp(tmp_path: Path, clip: Clip, pictures: np.ndarray) -> None:
    out = tmp_path / "out.webp"
    write_video(out, clip, clip, record=RECORD)
    decoded = decode_webp(out)
    assert min(psnr(a, b) for a, b in zip(decoded, pictures, strict=True)) > 26
    assert read_record(out) == RECORD
    with Image.open(out) as image:
        assert image.info["loop"] == 0, "for ever"
        duration_ms = 0
        for number in range(FRAMES):
            image.seek(number)
            image.load()
            duration_ms += image.info["duration"]
    assert abs(duration_ms - FRAMES * 40) <= 40


def test_a_webp_of_a_still_scene_may_have_fewer_frames(tmp_path: Path) -> None:
    """Its encoder merges equal frames; the duration stays."""
    write_picture(tmp_path / "1.png", make_texture(48, 64))
    shutil.copy(tmp_path / "1.png", tmp_path / "2.png")
    still = open_clip(tmp_path / "*.png", fps=5)
    write_video(tmp_path / "out.webp", still, still, lossless=True)
    assert np.array_equal(decode_webp(tmp_path / "out.webp")[0], make_texture(48, 64))
