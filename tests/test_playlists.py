"""HLS playlists: opened where the user allows it, and only with files in their own folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import CommandResult, run_ffmpeg
from job_rendering import FAST, Rendering, decode_output

from dreamflow.core.errors import DreamFlowWarning, MediaError, SettingsError
from dreamflow.dream.options import DreamOptions
from dreamflow.jobs.listing import finish_job
from dreamflow.jobs.output_writer import write_video
from dreamflow.media.options import ClipOptions
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.read.single_frame import open_frames_up_to
from dreamflow.media.write.ffmpeg import ffmpeg_path
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.settings.presets import load_preset

Cli = Callable[..., CommandResult]
RATE = 24
PIECES = 3
"""Of one second each."""
SAMPLE_RATE_HZ = 48_000
STEP_S = 0.005
ALLOWED = ClipOptions(allow_playlist=True)
NAMES = ("ts.m3u8", "jumps.m3u8", "fmp4.m3u8", "ranges.m3u8")


def write_playlist(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(["#EXTM3U", *lines, "#EXT-X-ENDLIST", ""]))
    return path


def segment(folder: Path, name: str, *options: str) -> None:
    run_ffmpeg(
        *("-i", folder / "whole.mp4", "-c", "copy", "-f", "hls", "-hls_time", "1"),
        *("-hls_list_size", "0", *options, folder / name),
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of 3 s, with noise that rises and falls as sound, and playlists of it."""
    folder = tmp_path_factory.mktemp("playlists")
    picture = f"mandelbrot=size=64x48:rate={RATE}:start_scale=1.5:end_scale=0.3:end_pts=40"
    sound = f"anoisesrc=sample_rate={SAMPLE_RATE_HZ}:seed=1,tremolo=f=1.3:d=0.9"
    run_ffmpeg(
        *("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, "-t", str(PIECES)),
        *("-c:v", "libx264", "-qp", "0", "-pix_fmt", "yuv420p", "-g", str(RATE)),
        *("-sc_threshold", "0", "-c:a", "aac", "-b:a", "256k", folder / "whole.mp4"),
    )
    segment(folder, "ts.m3u8", "-hls_segment_filename", str(folder / "ts%d.ts"))
    segment(folder, "fmp4.m3u8", "-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "i.mp4")
    segment(folder, "ranges.m3u8", "-hls_flags", "single_file")
    names = [f"part{number}.ts" for number in range(PIECES)]
    for number, name in enumerate(names):
        run_ffmpeg(
            *("-ss", str(number), "-t", "1", "-i", folder / "whole.mp4", "-c:v", "libx264"),
            *("-qp", "0", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "256k", folder / name),
        )
    lines = "\n#EXT-X-DISCONTINUITY\n".join(f"#EXTINF:1.0,\n{name}" for name in names)
    write_playlist(folder / "jumps.m3u8", *lines.split("\n"))
    shutil.copy(folder / "jumps.m3u8", folder / "jumps.txt")
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    shutil.copytree(made, tmp_path / "films")
    return tmp_path / "films"


def read_pictures(clip: Clip) -> np.ndarray:
    return np.stack([frame.picture for frame in clip])


def read_sound(path: Path) -> np.ndarray:
    """Return a film's sound as it is played, (N,) float64 mono."""
    command = [ffmpeg_path(), "-v", "error", "-i", str(path), "-af", "aresample=async=1"]
    command += ["-ac", "1", "-ar", str(SAMPLE_RATE_HZ), "-f", "f32le", "-"]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    return np.frombuffer(raw, np.float32).astype(float)


def match_sound(sound: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Return by how many seconds one sound is late, and their correlation once that is undone.

    Their loudness is compared, in steps of 5 ms: noise itself matches only to the sample.
    """
    sound, reference = (_measure_loudness(samples) for samples in (sound, reference))
    size = len(sound) + len(reference)
    product = np.fft.rfft(sound, size) * np.conj(np.fft.rfft(reference, size))
    curve = np.fft.irfft(product, size)
    peak = int(np.argmax(curve))
    norm = np.sqrt(np.sum(sound**2) * np.sum(reference**2))
    return (peak if peak < len(sound) else peak - size) * STEP_S, curve[peak] / norm


def _measure_loudness(sound: np.ndarray) -> np.ndarray:
    step = round(STEP_S * SAMPLE_RATE_HZ)
    levels = np.abs(sound[: len(sound) // step * step]).reshape(-1, step).mean(1)
    return levels - levels.mean()


# --- what is opened


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("start", [None, 40])
def test_a_playlist_is_dreamed_like_one_film(made: Path, name: str, start: int | None) -> None:
    whole = open_clip(made / "whole.mp4", start=start)
    clip = open_clip(made / name, start=start, allow_playlist=True)
    assert (len(clip), clip.rate, clip.length) == (len(whole), whole.rate, whole.length)
    np.testing.assert_array_equal(read_pictures(clip), read_pictures(whole))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
@pytest.mark.parametrize(("start", "end"), [(None, None), (1.25, 2.5)])
@pytest.mark.filterwarnings("ignore:.webm cannot hold")
def test_its_sound_goes_with_the_picture(
    made: Path, tmp_path: Path, name: str, suffix: str, start: float | None, end: float | None
) -> None:
    sounds = {}
    for source in ("whole.mp4", name):
        clip = open_clip(made / source, start=start, end=end, size="32", allow_playlist=True)
        sounds[source] = tmp_path / f"{Path(source).stem}{suffix}"
        write_video(sounds[source], clip, clip)
    late_s, correlation = match_sound(read_sound(sounds[name]), read_sound(sounds["whole.mp4"]))
    # An AAC frame of padding stands at the end of each piece that was encoded by itself.
    assert abs(late_s) <= 0.05
    assert correlation > 0.9


def test_joined_recordings_keep_their_sound_from_any_start(made: Path, tmp_path: Path) -> None:
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join((made / f"part{n}.ts").read_bytes() for n in range(PIECES)))
    sounds = []
    for source in (made / "whole.mp4", joined):
        clip = open_clip(source, start=1.5, size="32")
        out = tmp_path / f"{source.stem}.mkv"
        write_video(out, clip, clip)
        sounds.append(read_sound(out))
    late_s, correlation = match_sound(sounds[1], sounds[0])
    assert abs(late_s) <= 0.05
    assert correlation > 0.9


@pytest.mark.parametrize("source", ["matte", "reference", "clip"])
def test_only_a_source_that_is_allowed_is_opened(made: Path, source: str, cli: Cli) -> None:
    playlist, film = made / "ts.m3u8", made / "whole.mp4"
    line = {
        "clip": (playlist,),
        "matte": (film, "--matte", playlist, "--allow-playlist"),
        "reference": (film, "--guided-by", playlist, "--allow-playlist"),
    }[source]
    run = cli("video", line[0], made / "d.mp4", *FAST, "--iterations", "0", *line[1:])
    assert run.code == 1
    assert len(run.err.strip().splitlines()[-1:]) == 1
    assert "fault" not in run.err
    assert not (made / "d.mp4").exists()


def test_without_leave_the_error_names_the_setting(made: Path) -> None:
    with pytest.raises(MediaError) as error:
        open_clip(made / "ts.m3u8")
    assert error.value.setting == "allow_playlist"
    with pytest.raises(MediaError) as error:
        open_frames_up_to(made / "ts.m3u8", "1s", 0, None)
    assert error.value.setting == "allow_playlist"


@pytest.mark.parametrize("name", ["film.mp4", "film.ts", "film.txt"])
def test_a_playlist_by_another_name_is_never_opened(folder: Path, name: str) -> None:
    shutil.copy(folder / "ts.m3u8", folder / name)
    with pytest.raises(MediaError):
        open_clip(folder / name, allow_playlist=True)


def test_neither_a_preset_nor_an_earlier_dream_allows_it(folder: Path, cli: Cli) -> None:
    preset = folder / "look.toml"
    preset.write_text("allow_playlist = true\n")
    with pytest.raises(SettingsError):
        load_preset(str(preset))
    out = folder / "d.mkv"
    line = ("video", folder / "ts.m3u8", out, *FAST, "--iterations", "0", "--end", "2")
    assert cli(*line, "--allow-playlist").code == 0
    assert "allow_playlist" not in json.dumps(json.loads(Path(f"{out}.json").read_text()))
    again = ("video", folder / "ts.m3u8", folder / "e.mkv", "--threads", "1")
    assert cli(*again, "--like-all", out).code == 1
    assert cli(*again, "--like-all", out, "--allow-playlist").code == 0


LAYER = ("--layer", "conv1/7x7_s2")
LINES: dict[str, tuple[str, ...]] = {
    "frame": ("ts.m3u8", "o.png", *FAST, "--iterations", "0"),
    "shots": ("ts.m3u8",),
    "zoom": ("ts.m3u8", "z.mp4", *LAYER, "--size", "64", "--seconds", "0.1"),
    "channels": ("ts.m3u8", "c.png", *LAYER, "--count", "1", "--iterations", "1"),
    "guide": ("ts.m3u8", "g", *LAYER, "--size", "48", "--iterations", "1"),
    "sweep": ("ts.m3u8", "s.mp4", "--layers", LAYER[1], "--size", "64", "--iterations", "0"),
    "measure": ("ts.m3u8", "whole.mp4", "--size", "64", "--end", "3"),
    "batch": ("ts.m3u8", "--out", "b", *FAST, "--iterations", "0", "--end", "2"),
    "bench": ("ts.m3u8", *LAYER, "--size", "64", "--frames", "2", "--rounds", "1"),
}


@pytest.mark.usefixtures("batches_here")
@pytest.mark.parametrize("command", LINES)
def test_every_command_opens_it_with_leave_only(
    command: str, folder: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    refused = cli(command, *LINES[command])
    assert refused.code == 1
    assert "--allow-playlist" in refused.err
    run = cli(command, *LINES[command], "--allow-playlist")
    assert run.code == 0, run.err


def test_the_leave_counts_for_a_queue_too(
    folder: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "q.toml").write_text(
        "[defaults]\nsize = '64'\nlayer = 'conv1/7x7_s2'\noctaves = 1\niterations = 0\n"
        "[[render]]\nsource = 'ts.m3u8'\nout = 'a.mp4'\nend = '2'\n"
        "[[render]]\nsource = 'ts.m3u8'\nout = 'b.png'\ncommand = 'frame'\n"
    )
    assert cli("batch", "q.toml").code == 1
    run = cli("batch", "q.toml", "--allow-playlist")
    assert run.code == 0, run.err
    assert (folder / "a.mp4").exists()
    assert (folder / "b.png").exists()


# --- what is refused


def edit(folder: Path, *lines: str) -> Path:
    return write_playlist(folder / "bad.m3u8", *lines)


def cut_off(folder: Path) -> Path:
    path = folder / "bad.m3u8"
    path.write_text("#EXTM3U\n#EXTINF:1,\nts0.ts\n")
    return path


def link_outside(folder: Path) -> Path:
    (folder.parent / "secret.ts").write_bytes((folder / "ts0.ts").read_bytes())
    (folder / "link.ts").symlink_to(folder.parent / "secret.ts")
    return edit(folder, "#EXTINF:1,", "link.ts")


def link_endless(folder: Path) -> Path:
    (folder / "bad.m3u8").symlink_to("/dev/zero")
    return folder / "bad.m3u8"


def name_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.ts")
    return edit(folder, "#EXTINF:1,", "pipe.ts")


def hide_in_long_line(folder: Path) -> Path:
    """FFmpeg breaks a line after 4,095 bytes: what stands behind would be a name."""
    return edit(folder, "#EXTINF:1,", "#" + "x" * 4094 + "/etc/passwd", "ts0.ts")


def put_into_odd_folder(folder: Path) -> Path:
    odd = folder / "a#b"
    odd.mkdir()
    shutil.copy(folder / "ts0.ts", odd)
    return write_playlist(odd / "bad.m3u8", "#EXTINF:1,", "ts0.ts")


BAD: dict[str, Callable[[Path], Path]] = {
    "http": lambda f: edit(f, "#EXTINF:1,", "http://127.0.0.1:9/a.ts"),
    "an address without a scheme": lambda f: edit(f, "#EXTINF:1,", "//127.0.0.1:9/a.ts"),
    "file": lambda f: edit(f, "#EXTINF:1,", f"file://{f}/ts0.ts"),
    "concat": lambda f: edit(f, "#EXTINF:1,", "concat:ts0.ts|/etc/passwd"),
    "an absolute path": lambda f: edit(f, "#EXTINF:1,", "/etc/passwd"),
    "a path inside, absolute": lambda f: edit(f, "#EXTINF:1,", str(f / "ts0.ts")),
    "the folder above": lambda f: edit(f, "#EXTINF:1,", "../films/ts0.ts"),
    "a way out and in": lambda f: edit(f, "#EXTINF:1,", "a/../../films/ts0.ts"),
    "a link that leads out": link_outside,
    "a pipe": name_pipe,
    "a folder": lambda f: edit(f, "#EXTINF:1,", "."),
    "nothing there": lambda f: edit(f, "#EXTINF:1,", "gone.ts"),
    "a query": lambda f: edit(f, "#EXTINF:1,", "ts0.ts?x=1"),
    "a backslash": lambda f: edit(f, "#EXTINF:1,", "..\\ts0.ts"),
    "itself": lambda f: edit(f, "#EXTINF:1,", "bad.m3u8"),
    "another playlist": lambda f: edit(f, "#EXTINF:1,", "ts.m3u8"),
    "another playlist by another name": lambda f: edit(f, "#EXTINF:1,", "jumps.txt"),
    "a key": lambda f: edit(f, '#EXT-X-KEY:METHOD=AES-128,URI="ts1.ts"', "#EXTINF:1,", "ts0.ts"),
    "a map elsewhere": lambda f: edit(f, '#EXT-X-MAP:URI="/etc/passwd"', "#EXTINF:1,", "ts0.ts"),
    "a map of two names": lambda f: edit(
        f, '#EXT-X-MAP:URI="ts0.ts",URI="/etc/passwd"', "#EXTINF:1,", "ts0.ts"
    ),
    "a line end of old": lambda f: edit(f, "#EXTINF:1,", "#x\r/etc/passwd"),
    "a zero byte": lambda f: edit(f, "#EXTINF:1,", "#x\0/etc/passwd", "ts0.ts"),
    "a long line": hide_in_long_line,
    "no end": cut_off,
    "nothing named": lambda f: edit(f),
    "no start": lambda f: (f / "bad.m3u8").write_text("ts0.ts\n") and f / "bad.m3u8",
    "not UTF-8": lambda f: (f / "bad.m3u8").write_bytes(b"#EXTM3U\n\xff.ts\n") and f / "bad.m3u8",
    "an endless file": link_endless,
    "an odd folder": put_into_odd_folder,
    "another format": lambda f: (f / "a.ts").write_text("hello") and edit(f, "#EXTINF:1,", "a.ts"),
    "versions": lambda f: edit(f, "#EXT-X-STREAM-INF:BANDWIDTH=1", "ts.m3u8"),
    "sound apart": lambda f: edit(
        f, '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="ts.m3u8"', "#EXTINF:1,", "ts0.ts"
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_one_that_reaches_further_is_refused_in_one_line(kind: str, folder: Path) -> None:
    path = BAD[kind](folder)
    with pytest.raises(MediaError) as error:
        open_clip(path, allow_playlist=True)
    assert "\n" not in str(error.value)
    assert error.value.where == str(path)


def test_a_master_playlist_names_its_versions(folder: Path, cli: Cli) -> None:
    path = edit(
        folder,
        "#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=64x48",
        "ts.m3u8",
        "#EXT-X-STREAM-INF:BANDWIDTH=2,RESOLUTION=128x96",
        "fmp4.m3u8",
    )
    run = cli("shots", path, "--allow-playlist")
    assert run.code == 1
    assert "ts.m3u8" in run.err
    assert "fmp4.m3u8" in run.err


# --- renders


SETTINGS = VideoSettings(
    DreamOptions(layer=("conv1/7x7_s2",), octaves=1, iterations=1),
    clip=ClipOptions(size="32", allow_playlist=True),
)


def flip_in_the_middle(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


CHANGES: dict[str, Callable[[Path], object]] = {
    "a file gone": lambda f: (f / "ts2.ts").unlink(),
    "a bit of a file": lambda f: flip_in_the_middle(f / "ts2.ts"),
    "another order": lambda f: (f / "ts.m3u8").write_text(
        (f / "ts.m3u8")
        .read_text()
        .replace("ts1.ts", "ts9.ts")
        .replace("ts2.ts", "ts1.ts")
        .replace("ts9.ts", "ts2.ts")
    ),
}


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("when", ["going on", "joining", "finishing"])
def test_a_change_of_any_file_is_found(
    what: str, when: str, folder: Path, render: Rendering
) -> None:
    source = folder / "ts.m3u8"
    if when == "joining":
        changed = []

        def change_at_end(done: int, total: int) -> None:
            if done == total and not changed:
                changed.append(CHANGES[what](folder))

        from dreamflow.jobs.controls import RenderControls
        from dreamflow.jobs.renders.render_video import render_video

        controls = RenderControls(progress=change_at_end)
        with pytest.raises(MediaError):
            render_video(
                Clip(source, SETTINGS.clip), folder / "d.mp4", render.network, SETTINGS, controls
            )
    else:
        render.folder = folder
        job = render.interrupt("d.mp4", SETTINGS, 3, source=source)
        CHANGES[what](folder)
        with pytest.raises((MediaError, SettingsError)):
            finish_job(job) if when == "finishing" else render("d.mp4", SETTINGS, source=source)
    assert not (folder / "d.mp4").exists()
    assert (folder / "d.mp4.job").is_dir()


def test_a_render_that_was_interrupted_goes_on(folder: Path, render: Rendering) -> None:
    source = folder / "ts.m3u8"
    whole = decode_output(render("w.mp4", SETTINGS, source=source))
    render.interrupt("d.mp4", SETTINGS, 7, source=source)
    assert decode_output(render("d.mp4", SETTINGS, source=source)) == whole


def test_no_output_replaces_a_file_that_is_named(folder: Path, cli: Cli) -> None:
    content = (folder / "i.mp4").read_bytes()
    line = ("video", folder / "fmp4.m3u8", folder / "i.mp4", *FAST, "--iterations", "0")
    assert cli(*line, "--allow-playlist", "--overwrite").code == 1
    assert (folder / "i.mp4").read_bytes() == content


def test_no_playlist_has_a_warning_of_damage(made: Path, recwarn: pytest.WarningsRecorder) -> None:
    for name in NAMES:
        list(open_clip(made / name, allow_playlist=True, size="32"))
    assert not [w for w in recwarn if issubclass(w.category, DreamFlowWarning)]
