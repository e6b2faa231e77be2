"""Written videos play: every format, exact times, colours and pixel shape, and the record."""

from __future__ import annotations

import json
import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from conftest import make_film, make_texture, psnr, run_ffmpeg

from dreamflow.core.errors import DreamFlowWarning, OutputError, SettingsError
from dreamflow.core.frames import Frame
from dreamflow.jobs.output_writer import open_writer, write_video
from dreamflow.media.options import EncodeOptions
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.read.video.probe import probe_video
from dreamflow.media.records.embedded_settings import RECORD_VERSION_KEY, read_record, sidecar_path

RECORD = {
    RECORD_VERSION_KEY: "1.2.3",
    "settings": {"layer": ["conv2/3x3"], "note": 'ünïcode, "quotes"=;#'},
}


def copy_clip(clip: Clip, out: Path, crf: int = 12) -> list[np.ndarray]:
    """Write a clip unchanged, and return the pictures that are read back."""
    with open_writer(out, clip.output_spec, encode=EncodeOptions(crf=crf), record=RECORD) as writer:
        for frame in clip:
            writer.write(frame)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DreamFlowWarning)
        return [frame.picture for frame in open_clip(out)]


MIN_PSNR_BY_SUFFIX = {".mp4": 30, ".m4v": 30, ".mov": 30, ".mkv": 30, ".webm": 30, ".gif": 24}


@pytest.mark.parametrize("suffix", [*MIN_PSNR_BY_SUFFIX, ""])
def test_every_format_is_read_back_with_its_record(tmp_path: Path, suffix: str) -> None:
    clip = open_clip(make_film(tmp_path / "in.mp4", frames=10, size="96x64"))
    out = tmp_path / f"out{suffix}"
    copies = copy_clip(clip, out)
    assert len(copies) == 10
    min_psnr = MIN_PSNR_BY_SUFFIX.get(suffix, 1000)
    assert min(psnr(a, frame.picture) for a, frame in zip(copies, clip, strict=True)) > min_psnr
    assert read_record(out) == RECORD
    assert json.loads(sidecar_path(out).read_text(encoding="utf-8")) == RECORD
    sidecar_path(out).unlink()
    if suffix:
        assert read_record(out) == RECORD, "embedded in the file too"
    assert {p.name for p in tmp_path.iterdir()} == {"in.mp4", out.name}


# --- times


@pytest.mark.parametrize("rate", ["24", "30000/1001", "24000/1001", "12", "60"])
def test_rate_and_length_are_exact(tmp_path: Path, rate: str) -> None:
    clip = open_clip(make_film(tmp_path / "in.mp4", frames=20, rate=rate))
    copy_clip(clip, tmp_path / "out.mp4")
    info = probe_video(tmp_path / "out.mp4")
    assert info.rate == clip.rate == Fraction(rate)
    assert len(info.timestamps) == 20
    assert info.start_offset == 0


def frames_without_a_clip(count: int) -> list[Frame]:
    return [Frame(n, Fraction(n, 12), make_texture(32, 48, n)) for n in range(count)]


@pytest.mark.parametrize(("fps", "rate"), [(12, Fraction(12)), (29.97, Fraction(30000, 1001))])
def test_frames_without_a_clip_have_a_rate(tmp_path: Path, fps: float, rate: Fraction) -> None:
    frames = frames_without_a_clip(5)
    assert write_video(tmp_path / "out.mkv", iter(frames), fps=fps, codec="ffv1") == 5
    clip = open_clip(tmp_path / "out.mkv")
    assert (clip.rate, len(clip)) == (rate, 5)
    read = [frame.picture for frame in clip]
    assert all(np.array_equal(one, frame.picture) for one, frame in zip(read, frames, strict=True))


@pytest.mark.parametrize(
    ("frames", "timing"),
    [
        (1, {}),
        (1, {"clip": OutputSpec(48, 32, Fraction(12), 1, Fraction(1, 12)), "fps": 12}),
        (1, {"fps": 0}),
        (1, {"fps": float("nan")}),
        (0, {"fps": 12}),
    ],
    ids=["neither", "both", "no rate", "not a number", "no frames"],
)
def test_frames_without_timing_are_refused(
    tmp_path: Path, frames: int, timing: dict[str, Any]
) -> None:
    with pytest.raises(SettingsError) as refusal:
        write_video(tmp_path / "out.mp4", frames_without_a_clip(frames), **timing)
    assert refusal.value.setting in ("fps", "frames")
    assert not list(tmp_path.iterdir())


def test_uneven_times_are_kept(tmp_path: Path) -> None:
    even, uneven = make_film(tmp_path / "even.mp4", frames=24), tmp_path / "uneven.mp4"
    run_ffmpeg(
        *("-i", even, "-vf", "select='not(eq(mod(n,5),1))'", "-fps_mode", "passthrough"),
        *("-enc_time_base", "1/24", uneven),
    )
    clip = open_clip(uneven)
    copy_clip(clip, tmp_path / "out.mp4")
    times, copied_times = (
        np.array([float(frame.time) for frame in frames])
        for frames in (clip, open_clip(tmp_path / "out.mp4"))
    )
    assert len(times) == len(copied_times)
    assert np.abs(times - copied_times).max() < 1e-3


# --- colours

COLOUR_TAGS = {
    # Matrix, range, size, and whether it is tagged; untagged, the size decides.
    "bt709": ("bt709", "tv", "640x360", True),
    "bt601": ("smpte170m", "tv", "640x360", True),
    "bt709 full": ("bt709", "pc", "640x360", True),
    "bt601 full": ("smpte170m", "pc", "640x360", True),
    "untagged HD is bt709": ("bt709", "tv", "1280x720", False),
    "untagged SD is bt601": ("smpte170m", "tv", "640x360", False),
}


@pytest.mark.parametrize("kind", COLOUR_TAGS)
def test_a_copy_keeps_the_colours(tmp_path: Path, kind: str) -> None:
    """At CRF 12: 38 dB, and each channel's mean within 1 level."""
    matrix, colour_range, size, is_tagged = COLOUR_TAGS[kind]
    width, height = map(int, size.split("x"))
    # Smooth, since 4:2:0 loses chroma detail, which would hide errors of colour.
    picture = cv2.GaussianBlur(make_texture(height, width), (0, 0), 6)
    cv2.imwrite(str(tmp_path / "p.png"), picture[..., ::-1])
    tags = f",setparams=colorspace={matrix}:range={colour_range}" if is_tagged else ""
    run_ffmpeg(
        *("-loop", "1", "-i", tmp_path / "p.png", "-frames:v", "3", "-crf", "4", "-vf"),
        f"scale=out_color_matrix={matrix}:out_range={colour_range},format=yuv420p{tags}",
        tmp_path / "in.mp4",
    )
    if not is_tagged:
        untag = "h264_metadata=matrix_coefficients=2:colour_primaries=2:transfer_characteristics=2"
        run_ffmpeg("-i", tmp_path / "in.mp4", "-c", "copy", "-bsf:v", untag, tmp_path / "bare.mp4")
        (tmp_path / "bare.mp4").replace(tmp_path / "in.mp4")
    clip = open_clip(tmp_path / "in.mp4")
    source = next(iter(clip)).picture
    assert np.abs(source.astype(int) - picture).mean() < 1.5, "the source is decoded right"
    copy = copy_clip(clip, tmp_path / "out.mp4")[0]
    assert psnr(copy, source) >= 38
    assert np.abs((copy.astype(float) - source).mean(axis=(0, 1))).max() < 1
    with av.open(str(tmp_path / "out.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)
        assert context.color_range == 1


# --- sizes and pixel shapes


def test_odd_sides_are_padded_with_a_warning(tmp_path: Path) -> None:
    video = tmp_path / "odd.mkv"
    make_film(tmp_path / "even.mp4", frames=3)
    run_ffmpeg("-i", tmp_path / "even.mp4", "-vf", "format=gbrp,crop=61:47", "-c:v", "ffv1", video)
    with pytest.warns(DreamFlowWarning, match="61x47 becomes 62x48"):
        copies = copy_clip(open_clip(video), tmp_path / "out.mp4")
    assert copies[0].shape == (48, 62, 3)
    assert psnr(copies[0][:47, :61], next(iter(open_clip(video))).picture) > 24
    assert copy_clip(open_clip(video), tmp_path / "out.webm")[0].shape == (47, 61, 3)


def test_the_pixel_aspect_is_kept_and_a_gif_has_square_pixels(tmp_path: Path) -> None:
    video = tmp_path / "wide.mp4"
    run_ffmpeg("-i", make_film(tmp_path / "f.mp4", frames=3), "-vf", "setsar=2", video)
    copy_clip(open_clip(video), tmp_path / "out.mp4")
    assert probe_video(tmp_path / "out.mp4").pixel_aspect == 2
    assert copy_clip(open_clip(video), tmp_path / "out.gif")[0].shape == (48, 128, 3)
    run_ffmpeg("-i", tmp_path / "f.mp4", "-vf", "setsar=64/45", video)
    copy_clip(open_clip(video), tmp_path / "out.mkv")
    assert probe_video(tmp_path / "out.mkv").pixel_aspect == Fraction(64, 45)


def test_frames_of_another_size_are_refused(tmp_path: Path) -> None:
    clip = open_clip(make_film(tmp_path / "in.mp4", frames=2))
    with pytest.raises(OutputError, match=r"\(96, 128, 3\)"):
        write_video(tmp_path / "out.mp4", [Frame(0, Fraction(0), make_texture(96, 128))], clip)


# --- outputs and records


def test_outputs_that_exist_or_cannot_be_written_are_refused(tmp_path: Path) -> None:
    clip = open_clip(make_film(tmp_path / "in.mp4", frames=3))
    (tmp_path / "exists.mp4").write_bytes(b"mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "diary.txt").write_text("mine")
    cases = {
        "exists.mp4": "overwrite",
        "in.mp4": "the source itself",
        "no/out.mp4": "does not exist",
        "out.xyz": "not a format",
        "folder": "overwrite",
    }
    for name, message in cases.items():
        with pytest.raises(OutputError, match=message):
            open_writer(tmp_path / name, clip.output_spec)
    with pytest.raises(OutputError, match="other files"):
        open_writer(tmp_path / "folder", clip.output_spec, overwrite=True)
    assert (tmp_path / "exists.mp4").read_bytes() == b"mine"
    (tmp_path / "folder" / "diary.txt").unlink()
    assert write_video(tmp_path / "folder", clip, clip) == 3
    assert write_video(tmp_path / "exists.mp4", clip, clip, overwrite=True) == 3


@pytest.mark.parametrize("name", ["out_####.png", "out.%04d.png", "%05d.png", "####.tif"])
def test_numbered_pictures_are_an_output(tmp_path: Path, name: str) -> None:
    clip = open_clip(make_film(tmp_path / "in.mp4", frames=2))
    assert write_video(tmp_path / name, clip, clip) == 2
    pictures = [path for path in tmp_path.iterdir() if path.suffix == Path(name).suffix]
    assert len(open_clip(tmp_path)) == len(pictures) == 2


@pytest.mark.parametrize("name", ["out.png", "shot_12.tif", "a_%d_%d.exr"])
def test_one_picture_is_no_output_of_a_film(tmp_path: Path, name: str) -> None:
    clip = open_clip(make_film(tmp_path / "in.mp4", frames=2))
    with pytest.raises(OutputError) as error:
        open_writer(tmp_path / name, clip.output_spec)
    assert error.value.where == str(tmp_path / name)
    assert error.value.value == Path(name).suffix


def test_files_without_a_record_are_refused(tmp_path: Path) -> None:
    video = make_film(tmp_path / "plain.mp4", frames=2)
    for path in (tmp_path / "none.mp4", video):
        with pytest.raises(SettingsError) as raised:
            read_record(path)
        assert (raised.value.setting, raised.value.where) == ("like", str(path))
    sidecar_path(video).write_text("{not json")
    with pytest.raises(SettingsError, match="no DreamFlow settings"):
        read_record(video)
