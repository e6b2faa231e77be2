"""Films whose colour tags contradict each other, and metadata of HDR that no dream keeps."""

from __future__ import annotations

import re
import subprocess
import warnings
from pathlib import Path

import av
from conftest import run_ffmpeg
from job_rendering import CARRY, DREAM, Rendering

from dreamflow.core.errors import ConvertedSourceWarning, DreamFlowWarning, LeftOutWarning
from dreamflow.media.depth.write import DeepOutput
from dreamflow.media.options import ClipOptions, EncodeOptions
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.video.video_info import VideoInfo
from dreamflow.media.write.ffmpeg import ffmpeg_path
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.settings.options import ShowOptions

RAMP = ("-f", "lavfi", "-i", "gradients=size=64x48:n=2:c0=black:c1=white:duration=0.1:seed=1")
PQ, BT709 = (
    f"setparams=colorspace={code}:color_primaries={code}:color_trc={transfer}:range=tv"
    for code, transfer in ((9, 16), (1, 1))
)
H265 = ("-c:v", "libx265", "-x265-params", "log-level=0:bframes=0")
NCLX_OF_BT709 = bytes([0, 1, 0, 1, 0, 1])
KEPT = EncodeOptions(codec="ffv1", hdr="keep")
PLUS_PROVIDER = b"\xb5\x00\x3c\x00\x01\x04\x01"
"""What HDR10+ begins with: country, Samsung, its code, application 4, version 1 (CTA-861)."""


def make_ramp(path: Path, tags: str, *encoder: str, pixel_format: str = "yuv420p10le") -> Path:
    run_ffmpeg(*RAMP, "-vf", f"format={pixel_format},{tags}", *(encoder or H265), path)
    return path


def probe(path: Path) -> VideoInfo:
    info = Clip(path, None, DeepOutput.of(Path("out.mkv"), KEPT)).info
    assert isinstance(info, VideoInfo)
    return info


def raised(path: Path, options: ClipOptions | None = None, hdr: str = "keep") -> list[Warning]:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        Clip(path, options, DeepOutput.of(Path("out.mp4"), EncodeOptions(codec="h265", hdr=hdr)))
    return [one.message for one in said if isinstance(one.message, DreamFlowWarning)]


def read_samples(path: Path, pixel_format: str) -> bytes:
    line = [ffmpeg_path(), "-v", "error", "-i", str(path), "-map", "0:v"]
    line += ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", pixel_format, "-"]
    return subprocess.run(line, capture_output=True, check=True).stdout


def test_what_the_stream_says_counts_and_the_container_fills_in(tmp_path: Path) -> None:
    film = make_ramp(tmp_path / "pq.mp4", PQ, *H265, "-movflags", "write_colr")
    content = bytearray(film.read_bytes())
    place = content.index(b"colrnclx") + 8
    content[place : place + 6] = NCLX_OF_BT709
    film.write_bytes(content)
    assert (probe(film).tags.transfer, probe(film).tags.primaries) == (16, 9)
    silent = make_ramp(tmp_path / "silent.mp4", "null")
    tagged = tmp_path / "tagged.mp4"
    tags = ("-color_primaries", "9", "-color_trc", "16", "-colorspace", "9")
    run_ffmpeg("-i", silent, "-c", "copy", *tags, "-movflags", "write_colr", tagged)
    assert (probe(tagged).tags.transfer, probe(tagged).tags.matrix) == (16, 9)
    assert probe(silent).colour.hdr_transfer is None


def test_pq_of_8_bits_is_kept(tmp_path: Path, render: Rendering) -> None:
    film = make_ramp(tmp_path / "pq8.mp4", PQ, "-c:v", "libx264", pixel_format="yuv420p")
    for name, codec in (("out.mp4", "auto"), ("out.mkv", "ffv1")):
        encode = EncodeOptions(codec=codec, hdr="keep")
        unseen = VideoSettings(DREAM, CARRY, ClipOptions(), encode, ShowOptions(strength=0.0))
        render(name, unseen, source=film)
        with av.open(str(tmp_path / name)) as container:
            frame = next(container.decode(video=0))
        assert (frame.color_trc, int(frame.colorspace)) == (16, 9)
    assert read_samples(tmp_path / "out.mkv", "yuv420p") == read_samples(film, "yuv420p")


def test_metadata_of_hdr_in_a_film_of_sdr_are_said(tmp_path: Path) -> None:
    light = ("-content_light", "3000,400")
    film = tmp_path / "sdr.mov"
    look = ("-vf", f"format=yuv422p10le,{BT709}", "-c:v", "prores_ks")
    run_ffmpeg(*light, *RAMP, *look, film)
    said = raised(film)
    assert [type(one) for one in said] == [ConvertedSourceWarning]
    assert isinstance(said[0], DreamFlowWarning)
    assert said[0].settings == ["input_space"]
    assert not raised(film, ClipOptions(input_space="PQ"))


def test_the_tag_of_the_range_is_believed(tmp_path: Path) -> None:
    grey = "gray,format=yuv420p"
    limited = make_ramp(
        tmp_path / "tv.mp4", BT709, "-c:v", "libx264", "-qp", "0", pixel_format=grey
    )
    full = tmp_path / "pc.mp4"
    lie = ("-bsf:v", "h264_metadata=video_full_range_flag=1")
    run_ffmpeg("-i", limited, "-c", "copy", *lie, full)
    shown, as_full = (next(iter(Clip(path))).picture.astype(int) for path in (limited, full))
    assert (shown.min(), shown.max()) == (0, 255)
    assert abs(as_full.min() - 16) <= 2
    assert abs(as_full.max() - 235) <= 2


def test_the_tag_of_transparency_counts_where_there_is_any(tmp_path: Path) -> None:
    vp9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8")
    clear = "format=yuva420p,geq=lum='lum(X,Y)':cb=128:cr=128:a='X*3'"
    run_ffmpeg(*RAMP, "-vf", clear, *vp9, "-pix_fmt", "yuva420p", tmp_path / "clear.webm")
    hide = ("-c", "copy", "-metadata:s:v", "alpha_mode=0")
    run_ffmpeg("-i", tmp_path / "clear.webm", *hide, tmp_path / "hidden.webm")
    claim = (*vp9, "-pix_fmt", "yuv420p", "-metadata:s:v", "alpha_mode=1")
    run_ffmpeg(*RAMP, *claim, tmp_path / "claims.webm")
    found = [probe(tmp_path / f"{name}.webm") for name in ("clear", "hidden", "claims")]
    assert [info.colour.has_alpha for info in found] == [True, False, False]


def add_hdr10_plus(path: Path, target: Path) -> None:
    """Write a raw H.265 stream with HDR10+ before each picture: one window, no curve."""
    # num_windows 1; the other fields, of 113 bits in all, are 0 or small (SMPTE ST 2094-40).
    payload = PLUS_PROVIDER + b"\x40" + bytes(14)
    message = b"\x4e\x01\x04" + bytes([len(payload)]) + payload + b"\x80"
    escaped = re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", message)
    units = re.split(rb"\x00\x00\x00?\x01", path.read_bytes())[1:]
    start = b"\0\0\0\1"
    pictures = (start + escaped if unit[0] >> 1 < 32 else b"" for unit in units)
    target.write_bytes(b"".join(b + start + u for b, u in zip(pictures, units, strict=True)))


def test_metadata_of_single_pictures_are_said_to_be_left_out(tmp_path: Path) -> None:
    plain = make_ramp(tmp_path / "plain.hevc", PQ)
    add_hdr10_plus(plain, tmp_path / "plus.hevc")
    for name in ("plain", "plus"):
        run_ffmpeg(
            *("-i", tmp_path / f"{name}.hevc", "-c", "copy"),
            *("-bsf:v", "setts=ts=N/24/TB", tmp_path / f"{name}.mkv"),
        )
    assert not raised(tmp_path / "plain.mkv")
    said = raised(tmp_path / "plus.mkv")
    assert [type(one) for one in said] == [LeftOutWarning]
    assert "HDR10+" in str(said[0])
    shown = raised(tmp_path / "plus.mkv", hdr="sdr")
    assert [type(one) for one in shown] == [ConvertedSourceWarning], "tone-mapped: no more to say"
