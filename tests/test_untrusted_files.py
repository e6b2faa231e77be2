"""Files from elsewhere: devices, pipes, endless files and those that name other files."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import REPO_ROOT, CommandResult, make_film, run_ffmpeg
from PIL import Image

from dreamflow.core.errors import DreamFlowError, MediaError, SettingsError
from dreamflow.core.files.regular_file import read_file_bytes
from dreamflow.media.files.container_policy import (
    OPENCV_CAPTURE_VARIABLE,
    ffmpeg_input_arguments,
    opencv_capture_options,
)
from dreamflow.media.files.pillow import PILLOW_READ_ERRORS, open_image
from dreamflow.media.options import ClipOptions
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.cut_list import read_cut_list
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.read.probe import probe_source
from dreamflow.media.records.embedded_settings import read_record
from dreamflow.media.stills.read import read_picture
from dreamflow.media.write.ffmpeg import ffmpeg_path
from dreamflow.pipelines.settings.presets import load_preset
from dreamflow.reports.coherence.trace_panels import read_trace_file
from dreamflow.temporal.control.gains_file import load_gains
from dreamflow.temporal.flow.flo_files import read_flo


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_film(tmp_path_factory.mktemp("film") / "film.mp4", frames=4, size="32x32")


READERS: dict[str, tuple[str, Callable[[Path, Path], object]]] = {
    "film": ("a.mp4", lambda path, film: probe_source(path)),
    "picture": ("a.png", lambda path, film: read_picture(path)),
    "animated webp": ("a.webp", lambda path, film: probe_source(path)),
    "cuts": ("a.txt", lambda path, film: read_cut_list(Clip(film, ClipOptions()), str(path))),
    "preset": ("a.toml", lambda path, film: load_preset(str(path))),
    "gains": ("a.toml", lambda path, film: load_gains(path)),
    "record": ("a.json", lambda path, film: read_record(path)),
    "flow": ("a.flo", lambda path, film: read_flo(path)),
    "trace": ("a.jsonl", lambda path, film: read_trace_file(path)),
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("device", ["pipe", "/dev/zero", "folder"])
def test_devices_pipes_and_folders_are_refused_at_once(
    tmp_path: Path, film: Path, kind: str, device: str
) -> None:
    name, read = READERS[kind]
    path = tmp_path / name
    if device == "pipe":
        os.mkfifo(path)
    elif device == "folder":
        path.mkdir()
    else:
        path.symlink_to(device)
    with pytest.raises(DreamFlowError):
        read(path, film)


@pytest.mark.parametrize("kind", ["cuts", "preset", "gains", "record", "flow", "trace"])
def test_a_file_without_an_end_is_not_read_into_memory(
    tmp_path: Path, film: Path, kind: str
) -> None:
    name, read = READERS[kind]
    path = tmp_path / name
    with path.open("wb") as file:
        file.truncate(1 << 40)  # a sparse file: it takes no room on the disk
    with pytest.raises(DreamFlowError):
        read(path, film)


def test_a_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    assert read_file_bytes(path, 10) == b"x" * 10
    with pytest.raises(OSError, match="larger"):
        read_file_bytes(path, 9)


def test_a_deeply_nested_preset_and_record_are_refused(tmp_path: Path) -> None:
    preset, record = tmp_path / "a.toml", tmp_path / "a.json"
    preset.write_text("layer = " + "[" * 50_000)
    record.write_text('{"dreamflow": ' + "[" * 50_000)
    with pytest.raises(SettingsError):
        load_preset(str(preset))
    with pytest.raises(SettingsError):
        read_record(record)


def write_playlists(folder: Path, film: Path) -> dict[str, Path]:
    """Write files that make FFmpeg open the film, under names of films and their own."""
    segment = folder / "segment.ts"
    run_ffmpeg("-i", film, "-c", "copy", segment)
    hls = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\n{segment}\n#EXT-X-ENDLIST\n"
    sdp = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 32\n"
    dash = '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"></MPD>'
    run_ffmpeg("-i", film, "-frames:v", "2", folder / "shot%d.jpg")
    texts = {
        "concat.mp4": f"ffconcat version 1.0\nfile {film}\n",
        "concat.mkv": f"ffconcat version 1.0\nfile '{film}'\n",
        "list.ffconcat": f"ffconcat version 1.0\nfile {film}\n",
        "list.m3u8": hls,
        "hls.mp4": hls,
        "hls.ts": "\n" + hls,
        "session.sdp": sdp,
        "session.mp4": sdp,
        "dash.mpd": dash,
        "dash.mp4": dash,
        "redirect.mp4": f"[Reference]\nRef1=file://{film}\n",
        "script.avs": f'FFVideoSource("{film}")',
        "script.vpy": "import vapoursynth",
        "colours.mp4": f"[playlist]\nFile1={film}\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    (folder / "shot%d.dpx").write_bytes((folder / "shot1.jpg").read_bytes())
    return {name: folder / name for name in (*texts, "shot%d.dpx")}


def test_files_that_name_other_files_are_not_films(tmp_path: Path, film: Path) -> None:
    for name, path in write_playlists(tmp_path, film).items():
        with pytest.raises(MediaError) as raised:
            probe_source(path)
        assert raised.value.where == str(path), name
        assert "\n" not in str(raised.value)


def test_the_ffmpeg_program_refuses_them_too(tmp_path: Path, film: Path) -> None:
    for name, path in write_playlists(tmp_path, film).items():
        line = [ffmpeg_path(), "-v", "error", *ffmpeg_input_arguments(), "-i", str(path)]
        assert subprocess.run([*line, "-f", "null", "-"], capture_output=True).returncode, name
    line = [ffmpeg_path(), "-v", "error", *ffmpeg_input_arguments(), "-i", str(film)]
    subprocess.run([*line, "-f", "null", "-"], check=True)


def test_the_command_lines_opencv_refuses_them_too(tmp_path: Path, film: Path) -> None:
    paths = [str(path) for path in write_playlists(tmp_path, film).values()]
    script = (
        "import sys; from dreamflow.core.opencv import cv2\n"
        "print(*[cv2.VideoCapture(p, cv2.CAP_FFMPEG).isOpened() for p in sys.argv[1:]])"
    )
    opened = subprocess.run(
        [sys.executable, "-c", script, *paths, str(film)],
        env={
            **os.environ,
            "PYTHONPATH": str(REPO_ROOT),
            OPENCV_CAPTURE_VARIABLE: opencv_capture_options(),
        },
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert opened == ["False"] * len(paths) + ["True"]


def test_the_command_line_restricts_opencv(
    cli: Callable[..., CommandResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(OPENCV_CAPTURE_VARIABLE, "")
    monkeypatch.delenv(OPENCV_CAPTURE_VARIABLE)
    cli("--version")
    assert os.environ[OPENCV_CAPTURE_VARIABLE] == opencv_capture_options()


def test_a_picture_that_would_run_another_program_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n")
    with pytest.raises(MediaError) as raised:
        read_picture(path)
    assert raised.value.where == str(path)
    with pytest.raises(PILLOW_READ_ERRORS), open_image(path):
        pass


def widen_webp(path: Path, width: int, height: int) -> None:
    """Write another size of the canvas into an animated WebP (RFC 9649, 2.7.1)."""
    content = bytearray(path.read_bytes())
    size = content.index(b"VP8X") + 12
    content[size : size + 6] = b"".join((n - 1).to_bytes(3, "little") for n in (width, height))
    path.write_bytes(content)


def widen_png(path: Path, width: int, height: int) -> None:
    """Write another size into an animated PNG, its checksum with it (PNG, 11.2.1)."""
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">II", width, height)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path.write_bytes(content)


@pytest.mark.parametrize("size", [(8193, 8192), (2**23, 144)])
@pytest.mark.parametrize(("suffix", "widen"), [(".webp", widen_webp), (".png", widen_png)])
def test_the_canvas_of_an_animation_is_bounded(
    suffix: str, widen: Callable[[Path, int, int], None], size: tuple[int, int], tmp_path: Path
) -> None:
    """All of it is laid out for each frame, however small the file is."""
    path = tmp_path / f"a{suffix}"
    frames = [Image.new("RGB", (16, 12), colour) for colour in ("red", "green", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=40)
    assert len(open_clip(path)) == 3
    widen(path, *size)
    for read in (open_clip, read_picture):
        with pytest.raises(MediaError) as refused:
            read(path)
        assert refused.value.where == str(path)
        assert len(str(refused.value).splitlines()) == 1


def test_files_that_a_preset_names_are_shown_before_they_are_opened(
    cli: Callable[..., CommandResult], tmp_path: Path, film: Path
) -> None:
    preset, out = tmp_path / "a.toml", tmp_path / "out.mp4"
    preset.write_text('matte = "/dev/zero"\ncuts = "/some/cuts.txt"\n')
    run = cli("video", film, out, "--preset", preset)
    assert run.code == 1
    shown, error = run.err.splitlines()
    assert "/dev/zero" in shown
    assert "/some/cuts.txt" in shown
    assert error.startswith("error: ")
    assert not out.exists()
    preset.write_text('cuts = "none"\n')
    assert "cuts" not in cli("video", film, out, "--preset", preset, "--iterations", "0").err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
@pytest.mark.parametrize("setting", ["matte", "cuts", "guided-by", "flow-dir"])
@pytest.mark.parametrize("device", ["pipe", "/dev/zero"])
def test_a_device_that_a_preset_names_is_refused(
    setting: str, device: str, cli: Callable[..., CommandResult], tmp_path: Path, film: Path
) -> None:
    path = tmp_path / "file.png"
    if device == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(device)
    preset = tmp_path / "a.toml"
    preset.write_text(f"{setting} = '{path}'\n")
    run = cli("video", film, tmp_path / "out.mp4", "--preset", preset, "--size", "32")
    assert run.code == 1
    assert "fault" not in run.err
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize(
    ("opening", "home"),
    [
        (r"av\.open\((?!.*\"w\")", "media/files/film_file.py"),
        (r"Image\.open\(", "media/files/pillow.py"),
    ],
)
def test_files_are_opened_in_one_place_each(opening: str, home: str) -> None:
    package = REPO_ROOT / "dreamflow"
    places = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(opening, path.read_text(encoding="utf-8"))
    }
    assert places == {home}
