"""The command line as a person meets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import SAMPLE_CLIP, SAMPLE_STILL, CommandResult, make_film, make_texture
from PIL import Image

from dreamflow.media.read.clip import open_clip
from dreamflow.media.stills import read_picture

FAST = ("--size", "64", "--layer", "conv1/7x7_s2", "--octaves", "1", "--iterations", "2")
Cli = Callable[..., CommandResult]


def test_video_dreams_a_clip(tmp_path: Path, cli: Cli) -> None:
    out = tmp_path / "dream.mp4"
    run = cli("video", SAMPLE_CLIP, out, *FAST, "--end", "6")
    assert run.code == 0 and run.err == ""
    assert run.out.startswith(f"{out}: 6 frames, 0.25 s of 64x36")
    source, dream = list(open_clip(SAMPLE_CLIP, size="64", end="6")), list(open_clip(out))
    assert len(dream) == 6
    change = np.abs(dream[5].picture.astype(int) - source[5].picture).mean()
    assert change > 2


@pytest.mark.parametrize("name", ["d.gif", "d.webm", "d.mkv", "frames"])
def test_video_writes_what_the_suffix_says(tmp_path: Path, cli: Cli, name: str) -> None:
    assert cli("video", SAMPLE_CLIP, tmp_path / name, *FAST, "--end", "4").code == 0
    assert len(list(open_clip(tmp_path / name))) == 4


def test_video_takes_a_folder_of_pictures(tmp_path: Path, cli: Cli) -> None:
    cli("video", SAMPLE_CLIP, tmp_path / "frames", *FAST, "--end", "4")
    run = cli("video", tmp_path / "frames", tmp_path / "d.mp4", *FAST, "--fps", "12")
    assert run.code == 0 and "4 frames, 0.33 s" in run.out


def test_frame_previews_what_the_video_shows(tmp_path: Path, cli: Cli) -> None:
    cli("video", SAMPLE_CLIP, tmp_path / "v", *FAST, "--end", "6")
    run = cli("frame", SAMPLE_CLIP, tmp_path / "f.png", *FAST, "--at", "5", "--run-in", "5")
    assert run.code == 0
    video = read_picture(tmp_path / "v" / "frame_000005.png")
    assert np.array_equal(read_picture(tmp_path / "f.png"), video)


def test_frame_dreams_a_picture(tmp_path: Path, cli: Cli) -> None:
    run = cli("frame", SAMPLE_STILL, tmp_path / "f.jpg", *FAST)
    assert run.code == 0 and "64x42" in run.out
    assert json.loads((tmp_path / "f.jpg.json").read_text())["command"] == "frame"


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--stabilty", "--stabilty; did you mean --stability? See `"),
        ("--iteration", "--iteration; did you mean --iterations"),
        ("--zzz", "--zzz; see `"),
    ],
)
def test_of_a_mistyped_option_the_likest_is_named_first(flag: str, said: str, cli: Cli) -> None:
    run = cli("video", SAMPLE_CLIP, "out.mp4", flag, "1")
    assert run.code == 2 and f"error: No such option: {said}" in run.err


def test_one_is_no_plural(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    monkeypatch.setattr("torch.get_num_threads", lambda: 1)
    doctor = cli("doctor").out
    assert "1 thread" in doctor and "1 threads" not in doctor
    run = cli("video", SAMPLE_CLIP, tmp_path / "one.mp4", *FAST, "--end", "1")
    assert ": 1 frame, 0.04 s of" in run.out
    run = cli("video", tmp_path / "one.mp4", tmp_path / "no.mp4", "--start", "9")
    assert "has 1 frame, 0.04 s" in run.err


def test_several_layers_draw_a_sheet_and_weights_a_blend(tmp_path: Path, cli: Cli) -> None:
    two = ("--layer", "conv2/3x3")
    sheet = cli("frame", SAMPLE_CLIP, tmp_path / "s.png", *FAST, *two, "--at", "1s")
    blend = cli(
        *("frame", SAMPLE_CLIP, tmp_path / "b.png", "--size", "64", "--iterations", "1"),
        *("--layer", "conv1/7x7_s2=1", "--layer", "conv2/3x3=0.5"),
    )
    assert sheet.code == blend.code == 0
    assert read_picture(tmp_path / "s.png").shape[0] > 72
    assert read_picture(tmp_path / "b.png").shape[:2] == (36, 64)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_a_dreamed_picture_keeps_its_transparency(tmp_path: Path, cli: Cli, suffix: str) -> None:
    alpha = np.linspace(0, 255, 40 * 60).astype(np.uint8).reshape(40, 60)
    cut_out = tmp_path / "cut_out.png"
    Image.fromarray(np.dstack([make_texture(40, 60), alpha])).save(cut_out)
    out = tmp_path / f"out{suffix}"
    done = cli("frame", cut_out, out, "--iterations", "0")
    assert done.code == 0 and "transparency" not in done.err
    with Image.open(out) as kept:
        assert np.array_equal(
            np.asarray(kept.convert("RGBA")), np.dstack([make_texture(40, 60), alpha])
        )
    done = cli("frame", cut_out, tmp_path / "out.jpg", "--iterations", "0")
    assert done.code == 0 and "has transparency, which is not kept" in done.err


def test_layers_as_table_and_json(cli: Cli) -> None:
    table = cli("layers").out
    assert "pocket: 65 layers" in table and "inception_4c/output" in table
    assert "googlenet: 81 layers" in cli("layers", "--network", "googlenet").out
    layers = json.loads(cli("layers", "--network", "googlenet", "--json").out)
    assert len(layers) == 81
    assert layers[0] == {
        "name": "conv1/7x7_s2",
        "channels": 64,
        "stride": 2,
        "receptive_field": 7,
        "depth": 1,
        "smallest": 1,
        "category": "contour and texture",
    }
    refused = cli("layers", "--category", "dogs")
    assert refused.code == 1 and "there are contour and texture, cellular" in refused.err
    cells = json.loads(cli("layers", "--json", "--category", "cell").out)
    assert {layer["category"] for layer in cells} == {"cellular structures"}


def test_presets_list_and_show(cli: Cli) -> None:
    from dreamflow.pipelines.settings.presets import list_preset_files

    listed = cli("presets", "list").out
    assert all(name in listed for name in list_preset_files())
    assert "layer" in cli("presets", "show", next(iter(list_preset_files()))).out


def test_doctor_tells_what_works(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    run = cli("doctor")
    assert run.code == 0, run.err
    for part in ("PyTorch", "OpenCV", "PyAV", "ffmpeg", "weights of googlenet", "torchvision"):
        assert part in run.out
    monkeypatch.setenv("DREAMFLOW_HOME", "/nowhere")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: "/nowhere/else")
    # The fixture sets the folder anew for each run: look at the finding itself.
    from dreamflow.reports.doctor import run_checks

    missing = [finding for finding in run_checks() if not finding.passed]
    assert [finding.name for finding in missing] == ["weights of googlenet"]
    assert not missing[0].required, "DreamFlow brings a network of its own"


def test_what_does_nothing_is_said(tmp_path: Path, cli: Cli) -> None:
    out = tmp_path / "f.png"
    line = ("frame", SAMPLE_STILL, out, *FAST, "--iterations", "0", "--overwrite")
    for given, said in (
        (("--smoothing", "3"), "--smoothing does nothing without --gradient smooth"),
        (
            ("--laplacian-levels", "2"),
            "--laplacian-levels does nothing without --gradient laplacian",
        ),
        (("--guidance", "0: 0, 1s: 1"), "--guidance does nothing without --guided-by"),
        (("--matte-feather", "2"), "--matte-feather does nothing without --matte"),
        (("--matte-invert",), "--matte-invert does nothing without --matte"),
        (("--matte-crop",), "--matte-crop does nothing without --matte"),
        (("--at", "2s"), "meadow.jpg is a picture: --at does nothing for it"),
        (("--run-in", "3"), "meadow.jpg is a picture: --run-in does nothing for it"),
        (("--smoothing", "3", "--gradient", "smooth"), ""),
        (("--smoothing", "1"), "--smoothing does nothing without --gradient smooth"),
        (("--no-carry", "--stability", "0.5"), "--stability does nothing without --carry"),
        (("--no-carry", "--flow", "farneback"), "--flow does nothing without --carry"),
        (("--no-carry", "--preset", "fur"), ""),
        (("--octaves", "1", "--octave-iterations", "1"), ""),
        (
            ("--octaves", "1", "--octave-iterations", "1", "--iterations", "2"),
            "--iterations does nothing beside --octave-iterations",
        ),
    ):
        run = cli(*line, *given)
        told = [text for text in run.err.splitlines() if "no time: the beginning" not in text]
        assert run.code == 0 and told == ([f"warning: {said}"] if said else []), given


def test_how_pictures_are_encoded_is_nothing_to_them(tmp_path: Path, cli: Cli) -> None:
    line = (*FAST, "--end", "2", "--overwrite")
    for name, given, said in (
        ("d", ("--crf", "20", "--codec", "h265"), ["codec does nothing for a folder", "crf does"]),
        ("d", ("--quality", "master"), ["quality does nothing for a folder of PNGs"]),
        ("d.gif", ("--crf", "20"), ["crf does nothing for a .gif"]),
        ("d.mp4", ("--crf", "20"), []),
        ("d", ("--lossless",), []),
    ):
        run = cli("video", SAMPLE_CLIP, tmp_path / name, *line, *given)
        told = [text for text in run.err.splitlines() if "no sound" not in text]
        assert run.code == 0 and len(told) == len(said), told
        assert all(f"warning: --{text}" in one for text, one in zip(said, told, strict=True)), told


def test_more_channels_than_there_are_is_said(tmp_path: Path, cli: Cli) -> None:
    line = ("--layer", "inception_3a/5x5_reduce", "--tile", "32", *FAST[4:])
    run = cli("channels", SAMPLE_STILL, tmp_path / "c.png", *line, "--count", "99")
    said = "warning: --count 99: inception_3a/5x5_reduce has 16, all of which are shown"
    assert run.code == 0 and run.err.strip() == said


def test_american_spelling_is_understood(tmp_path: Path, cli: Cli) -> None:
    run = cli("frame", SAMPLE_STILL, tmp_path / "f.png", *FAST, "--color", "luminance")
    assert run.code == 0, run.err
    kept = json.loads((tmp_path / "f.png.json").read_text())["settings"]
    assert kept["colour"] == "luminance"


def test_doctor_tells_each_thing_when_it_is_found(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(
        "dreamflow.reports.doctor._check_opencv", lambda: seen.append(capsys.readouterr().out) or []
    )
    cli("doctor")
    assert "Python" in seen[0] and "PyTorch" in seen[0] and "ffmpeg" not in seen[0]


# --- what a user does wrong: one line on stderr, an exit code, nothing written


def bad_input(folder: Path) -> dict[str, tuple[list[object], str]]:
    film = make_film(folder / "film.mp4", frames=3)
    (folder / "text.mp4").write_text("not a film")
    (folder / "empty").mkdir()
    (folder / "there.mp4").write_bytes(b"mine")
    (folder / "bad.safetensors").write_bytes(b"no weights")
    (folder / "tiny.mp4").write_bytes(b"")
    out, deep = folder / "out.mp4", ("--network", "googlenet", "--layer", "inception_5b/output")
    return {
        "missing file": (["video", folder / "no.mp4", out], "no.mp4 does not exist"),
        "folder without pictures": (["video", folder / "empty", out], "without pictures"),
        "not a film": (["video", folder / "text.mp4", out], "cannot be read as a film"),
        "empty file": (["video", folder / "tiny.mp4", out], "cannot be read as a film"),
        "a picture": (["video", SAMPLE_STILL, out], "dreamflow frame"),
        "unknown layer": (
            ["video", film, out, "--layer", "inception_4c"],
            "did you mean inception_4c/output, ",
        ),
        "part of a layer": (
            ["video", film, out, "--layer", "4d"],
            "did you mean inception_4d/output, ",
        ),
        "unknown preset": (["video", film, out, "--preset", "furr"], "there is no preset"),
        "unknown network": (["video", film, out, "--network", "vgg"], "there is no network"),
        "unknown suffix": (["video", film, folder / "out.xyz"], ".xyz is not a format"),
        "no such folder": (["video", film, folder / "no" / "out.mp4"], "does not exist"),
        "output exists": (["video", film, folder / "there.mp4"], "--overwrite"),
        "output is the source": (["video", film, film, "--overwrite"], "the source itself"),
        "too small": (["video", film, out, "--size", "20", *deep], "too small for inception_5b"),
        "frame past the end": (["frame", film, folder / "f.png", "--at", "3"], "past the end"),
        "no time to end": (["video", film, out, "--end", "2sec"], "--end '2sec' is not a time"),
        "no time to start": (["measure", film, film, "--start", "x"], "--start 'x' is not a time"),
        "no frame at": (["frame", film, folder / "f.png", "--at", "1m"], "--at '1m' is not a time"),
        "no guide at": (["guide", film, folder / "g", "--at", "1m"], "--at '1m' is not a time"),
        "start past the end": (["video", film, out, "--start", "9s"], "past the end"),
        "NaN": (["video", film, out, "--step", "nan"], "--step nan is out of range"),
        "out of range": (["video", film, out, "--decay", "1.5"], "at most 1"),
        "not a number": (["video", film, out, "--octaves", "many"], "--octaves"),
        "zero weight": (["video", film, out, "--layer", "conv2/3x3=0"], "not zero"),
        "unknown option": (["video", film, out, "--lair", "x"], "No such option"),
        "missing argument": (["video", film], "Missing argument"),
        "weights missing": (["video", film, out, "--weights", folder / "w"], "no such file"),
        "weights no weights": (
            ["video", film, out, "--weights", folder / "bad.safetensors"],
            "not a safetensors file",
        ),
        "unknown device": (["video", film, out, "--device", "gpu"], "--device 'gpu'"),
        "like nothing": (["video", film, out, "--like", film], "no DreamFlow settings"),
        "frame to a film": (["frame", film, out], "a frame is written as"),
        "unknown command": (["vidoe"], "No such command"),
    }


def test_bad_input_ends_in_one_clear_line(tmp_path: Path, cli: Cli) -> None:
    cases = bad_input(tmp_path)
    before = {path.name for path in tmp_path.iterdir()}
    for case, (arguments, message) in cases.items():
        run = cli(*arguments)
        lines = run.err.strip().splitlines()
        assert run.code != 0 and run.out == "", case
        assert len(lines) == 1 and lines[0].startswith("error: "), (case, run.err)
        assert message in lines[0], (case, run.err)
        assert {path.name for path in tmp_path.iterdir()} == before, case
    assert (tmp_path / "there.mp4").read_bytes() == b"mine"


def test_no_weights_says_where_it_looked_and_what_to_do(
    tmp_path: Path, cli: Cli, noise_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / "cache"))
    found = noise_home / "weights" / "bvlc_googlenet.safetensors"
    hidden = found.rename(found.with_suffix(".hidden"))
    try:
        run = cli("video", SAMPLE_CLIP, tmp_path / "o.mp4", "--network", "googlenet")
    finally:
        hidden.rename(found)
    assert run.code == 1 and len(run.err.strip().splitlines()) == 1
    assert found.name in run.err and str(found.parent) in run.err
    assert str(tmp_path / "cache") in run.err and "dreamflow models pull googlenet" in run.err
    assert "--weights FILE" in run.err


def test_debug_shows_the_traceback(tmp_path: Path, noise_home: Path) -> None:
    line = [sys.executable, "-m", "dreamflow", "video", "no.mp4", "out.mp4", "--debug"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "Traceback" in done.stderr


def test_what_is_most_used_is_so_where_presets_are(cli: Cli) -> None:
    assert "Most used" not in cli("measure", "--help").out
    guide = cli("guide", "--help").out
    assert guide.index("Most used") < guide.index("--overwrite") < guide.index(" Dream ")
    shown = cli("video", "--help").out
    assert "--carry/--no-carry" in shown and "--no-loop" not in shown, "but it is taken"
    assert "No such option" not in cli("video", "no.mp4", "out.mp4", "--no-loop").err


@pytest.mark.parametrize(
    "command",
    [
        *("video", "sweep", "batch", "jobs", "frame", "guide", "shots", "layers", "presets"),
        *("doctor", "distill"),
    ],
)
def test_help_fits_its_reader(cli: Cli, command: str) -> None:
    run = cli(command, "--help")
    assert run.code == 0
    assert max(map(len, run.out.splitlines())) <= 80
    if command in ("video", "sweep", "frame"):
        assert "Example: dreamflow" in run.out and "[10]" in run.out, "its defaults"
        first = run.out.index("─ Most used ─")
        assert all(
            first < run.out.index(f"─ {panel} ─") for panel in ("Dream", "Motion", "Machine")
        )
        assert run.out[:first].count("\n") < 24 and "<bool>" not in run.out
        for panel in ("Dream", "Motion", "Machine"):
            assert f"─ {panel} ─" in run.out


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (["--help"], {"torch", "cv2", "av", "numpy", "imageio", "torchvision"}),
        (["presets", "list"], {"torch", "cv2", "av", "numpy"}),
        (["jobs", "list"], {"torch"}),
    ],
)
def test_it_does_not_wait_for_what_it_does_not_need(
    tmp_path: Path, arguments: list[str], heavy: set[str]
) -> None:
    """`--help` must answer at once: what takes long to load is loaded when it is needed."""
    script = (
        f"import sys; sys.argv = ['dreamflow', *{arguments}]\n"
        "from dreamflow.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code\n"
        f"heavy = {heavy} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    line = [sys.executable, "-c", script]
    subprocess.run(line, check=True, cwd=tmp_path, stdout=subprocess.DEVNULL)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("name", ["d.mp4", "frames"])
def test_ctrl_c_says_what_is_kept(tmp_path: Path, cli: Cli, noise_home: Path, name: str) -> None:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "dreamflow", "video", str(SAMPLE_CLIP), name, *FAST),
            *("--threads", "1", "--fps", "240"),
        ],
        cwd=tmp_path,
        env={**os.environ, "DREAMFLOW_HOME": str(noise_home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )

    job = tmp_path / f"{name}.job"

    def some_frames_are_written() -> bool:
        pending = [*job.glob("pending_*"), *job.glob("frames/*")]
        return len(pending) > 3 or any(path.stat().st_size > 50_000 for path in pending)

    while not some_frames_are_written():
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and out == ""
    lines = err.strip().splitlines()
    assert lines[0] == "stopping after this frame; Ctrl-C again stops at once", err
    assert len(lines) == 2 and lines[1].startswith("stopped; "), err
    assert lines[1].endswith(": the same command goes on")
    frames = int(lines[1].split()[1])
    assert frames >= 3 and [p.name for p in tmp_path.iterdir()] == [job.name]
    run = cli("jobs", "finish", job)
    assert run.code == 0 and f": {frames} of 960 frames" in run.out, run
    assert len(list(open_clip(tmp_path / name))) == frames
    assert {p.name for p in tmp_path.iterdir()} <= {name, f"{name}.json"}


def test_bare_groups_show_their_help(cli: Cli) -> None:
    for arguments in ((), ("presets",)):
        run = cli(*arguments)
        assert "Usage: " in run.out + run.err and "error:" not in run.err


def test_version(cli: Cli) -> None:
    import dreamflow

    assert cli("--version").out.strip() == f"dreamflow {dreamflow.__version__}"


PEAK = """
import sys, threading, time, psutil
from dreamflow.cli import main
sys.argv = ["dreamflow", *sys.argv[1:]]
peak, done, me = 0, threading.Event(), psutil.Process()
def watch():
    global peak
    while not done.wait(0.01):
        peak = max(peak, me.memory_info().rss)
watcher = threading.Thread(target=watch); watcher.start()
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
finally:
    done.set(); watcher.join()
print("PEAK", peak // 2**20)
"""


def test_memory_does_not_grow_with_the_clip(tmp_path: Path, noise_home: Path) -> None:
    """A 10-frame and a 300-frame clip peak within 100 MB of each other."""
    film = make_film(tmp_path / "long.mp4", frames=300, size="320x240")
    peaks = {}
    for frames in (10, 300):
        done = subprocess.run(
            [
                *(sys.executable, "-c", PEAK, "video", str(film), str(tmp_path / f"{frames}.mp4")),
                *("--end", str(frames), "--layer", "conv1/7x7_s2", "--octaves", "1"),
                *("--iterations", "2", "--carry-iterations", "0", "--uncover-iterations", "0"),
            ],
            env={**os.environ, "DREAMFLOW_HOME": str(noise_home)},
            capture_output=True,
            text=True,
            check=True,
        )
        peaks[frames] = int(done.stdout.split("PEAK")[1])
    assert abs(peaks[300] - peaks[10]) < 100, peaks


def test_a_preset_of_another_journey_is_said(tmp_path: Path, cli: Cli) -> None:
    run = cli("frame", SAMPLE_STILL, tmp_path / "a.png", "--preset", "descent", *FAST)
    assert run.code == 0 and "made for another command: layers" in run.err
    assert "made for another" not in cli("frame", SAMPLE_STILL, "x.avi", "--preset", "fur").err


def test_what_like_takes_besides_the_look_is_said(tmp_path: Path, cli: Cli) -> None:
    part = tmp_path / "part.mp4"
    assert cli("video", SAMPLE_CLIP, part, *FAST, "--end", "3").code == 0
    run = cli("video", SAMPLE_CLIP, tmp_path / "same.mp4", "--like", part)
    assert run.code == 0
    assert run.err == "from part.mp4 also: --size 64, --end 3\n"
    run = cli("video", SAMPLE_CLIP, tmp_path / "longer.mp4", "--end", "4", "--like", part)
    assert run.err == "from part.mp4 also: --size 64\n", "what a flag says is not taken"


def test_what_like_brings_that_an_output_cannot_use_is_left_out(tmp_path: Path, cli: Cli) -> None:
    made = {
        "m.mp4": ("--quality", "master", "--crf", "20"),
        "f.mkv": ("--codec", "ffv1"),
        "l.mkv": ("--lossless",),
    }
    for name, given in made.items():
        assert cli("video", SAMPLE_CLIP, tmp_path / name, *FAST, "--end", "2", *given).code == 0
    idle = "it does nothing for a"
    for like, out, given, said in (
        ("m.mp4", "d", (), [f"quality master: {idle} folder", f"crf 20: {idle} folder"]),
        ("m.mp4", "d.webp", (), [f"quality master: {idle} .webp", f"crf 20: {idle} .webp"]),
        ("f.mkv", "d", (), [f"codec ffv1: {idle} folder"]),
        ("f.mkv", "d.mp4", (), ["codec ffv1: .mp4 cannot hold ffv1"]),
        ("f.mkv", "e.mkv", (), []),
        ("l.mkv", "d.gif", (), ["lossless: a .gif has 256 colours"]),
        ("l.mkv", "c.mp4", ("--crf", "20"), ["lossless: give --crf or --lossless"]),
        ("m.mp4", "p.mov", ("--codec", "prores"), ["crf 20: --codec prores has no --crf"]),
    ):
        run = cli(
            "video", SAMPLE_CLIP, tmp_path / out, "--like", tmp_path / like, *given, "--overwrite"
        )
        told = [line for line in run.err.splitlines() if " also: " not in line]
        told = [line for line in told if "no sound" not in line]
        assert run.code == 0 and len(told) == len(said), told
        begin = f"from {like} without --"
        assert all(one.startswith(begin + text) for text, one in zip(said, told, strict=True)), told
    many = ("batch", SAMPLE_CLIP, "--out", tmp_path / "many", "--like", tmp_path / "l.mkv")
    run = cli(*many, "--suffix", ".gif")
    assert run.code == 0 and "from l.mkv without --lossless" in run.err
    run = cli("zoom", tmp_path / "z.gif", "--seconds", "0.1", "--like", tmp_path / "l.mkv")
    assert run.code == 0 and "from l.mkv without --lossless" in run.err
    run = cli("zoom", SAMPLE_STILL, "--like", tmp_path / "l.mkv")
    assert run.code == 1 and "name the film, too" in run.err
    run = cli("video", SAMPLE_CLIP, tmp_path / "g.gif", "--like", tmp_path / "f.mkv", "--lossless")
    assert run.code == 1 and "a .gif has 256 colours" in run.err, "what is given is not left out"


def test_a_log_is_told_of_progress(capsys: pytest.CaptureFixture[str]) -> None:
    from dreamflow.cli import terminal

    times = iter([0.0, 10.0, 30.0, 80.0, 90.0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(terminal.time, "monotonic", lambda: next(times))
        tell = terminal.make_progress_logger("dream.mp4", 100, "frame")
        for done in (1, 2, 8, 9):
            tell(done)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["dream.mp4: 8/100 frames, 10.00 s each, 0:15:20 left"]
