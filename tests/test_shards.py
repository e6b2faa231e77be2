"""Renders in shards: the same film as in one go, whoever renders which shot, and in which order."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from conftest import PATIENCE_S, WEIGHTS_NAME, CommandResult, make_texture, refused, run_ffmpeg
from cut_film import SHOT_FRAMES, SHOTS, make_cut_film
from job_rendering import FAST, Interruption, decode_output, edit_job_file
from shard_rendering import DREAM, SETTINGS, Shards, work

from dreamflow.cli.shard_worker import parse_shards
from dreamflow.core.errors import (
    DamagedSourceWarning,
    DreamFlowWarning,
    MediaError,
    OutputError,
    SettingsError,
)
from dreamflow.core.frames import Frame
from dreamflow.jobs.controls import RenderControls
from dreamflow.jobs.shards.join import fade_frame, format_numbers
from dreamflow.jobs.shards.join_job import join_job
from dreamflow.jobs.shards.plan import read_plan, shard_folder
from dreamflow.jobs.shards.pool import WorkerPool
from dreamflow.jobs.shards.shard import is_shard_done
from dreamflow.jobs.shards.sharded import Sharding
from dreamflow.jobs.shards.worker import open_sharded_job
from dreamflow.jobs.storage.folder import JobFolder, JobLockedError, job_folder_path
from dreamflow.media.files.atomic_file import DISK_FULL_MESSAGE, make_write_error
from dreamflow.media.options import ClipOptions, EncodeOptions
from dreamflow.media.write.segments.raw_frames import RawFrameFile
from dreamflow.networks.loading import load_network
from dreamflow.networks.network import Network
from dreamflow.pipelines.settings.groups import VideoSettings, saved_settings_dict
from dreamflow.pipelines.settings.options import ShowOptions
from dreamflow.pipelines.settings.presets import list_preset_files, load_preset
from dreamflow.pipelines.settings.restored import restore_video_settings
from dreamflow.pipelines.video.shards import GivenMarks, Shard, cut_into_spans, find_shots
from dreamflow.temporal.options import CarryOptions
from dreamflow.temporal.shots import Mark, ShotFinder


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cut_film(tmp_path_factory.mktemp("shards"))


@pytest.fixture(scope="module")
def network(noise_home: Path) -> Network:
    """The network that workers find, too."""
    return load_network("googlenet", noise_home / "weights" / WEIGHTS_NAME, "cpu", "float32")


@pytest.fixture
def shards(tmp_path: Path, network: Network, film: Path) -> Shards:
    return Shards(tmp_path, network, film)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        pytest.param("d.mp4", {}, id="plain"),
        pytest.param("d.mp4", {"carry": replace(SETTINGS.carry, passes=2)}, id="two passes"),
        pytest.param("d.mp4", {"carry": CarryOptions(carry=False)}, id="nothing carried"),
        pytest.param("d.mp4", {"clip": ClipOptions(fps=10, start="3", end="20")}, id="resampled"),
        pytest.param("d.mp4", {"clip": ClipOptions(every=2, start="1")}, id="every other"),
        pytest.param("d.mp4", {"dream": replace(DREAM, noise=0.3, octaves=2)}, id="on noise"),
        pytest.param("d.mp4", {"dream": replace(DREAM, iterations=0)}, id="not dreamed"),
        pytest.param(
            "d.mp4",
            {
                "dream": replace(DREAM, layer=("0: conv2/3x3, 100%: conv1/7x7_s2",)),
                "show": ShowOptions(strength="0: 1, 50%: 0.4, 100%: 0.2 + audio.loud"),
            },
            id="schedules and sound",
        ),
        pytest.param("d", {"encode": EncodeOptions(start_number="7")}, id="pictures"),
    ],
)
def test_shots_as_shards_are_the_film_of_one_process(
    shards: Shards, name: str, change: dict[str, Any]
) -> None:
    settings = replace(SETTINGS, **change)
    one = shards.render(f"one{name}", None, settings)
    cut = shards.render(f"cut{name}", Sharding(), settings)
    if one.is_dir():
        assert decode_output(cut) == decode_output(one)
    else:
        assert cut.read_bytes() == one.read_bytes()
    assert not job_folder_path(cut).exists()


def test_uneven_times_and_a_plate_are_those_of_one_process(shards: Shards, film: Path) -> None:
    uneven = shards.folder / "uneven.mkv"
    run_ffmpeg("-i", film, "-vf", "setpts=PTS*(1+N/40)", "-fps_mode", "vfr", uneven)
    results = [
        shards.render(
            f"{kind}.mkv", sharding, source=uneven, plate_path=shards.folder / f"{kind}_plate.mkv"
        )
        for kind, sharding in (("one", None), ("cut", Sharding()))
    ]
    one, cut = results
    assert decode_output(cut) == decode_output(one)
    plates = [path.with_name(f"{path.stem}_plate.mkv") for path in results]
    assert decode_output(plates[0]) == decode_output(plates[1])


def test_a_render_that_is_stopped_after_any_frame_goes_on(shards: Shards) -> None:
    one = shards.render("one.mp4", None)
    for stop_at in itertools.chain(range(2, 60, 7), [None]):
        try:
            cut = shards.render("cut.mp4", stop_at=stop_at)
        except Interruption:
            continue
        assert cut.read_bytes() == one.read_bytes()
        return
    pytest.fail("it was never done")


def test_the_shards_are_the_shots_and_are_found_once(shards: Shards) -> None:
    folder = shards.prepare()
    plan = read_plan(folder)
    assert plan is not None
    borders = [n * SHOT_FRAMES for n in range(SHOTS)]
    assert [shard.first for shard in plan.shards] == borders
    found = [line for line in shards.messages if "finding" in line]
    shards.render("d.mp4")
    assert [line for line in shards.messages if "finding" in line] == found


def test_shards_of_any_order_and_workers_are_joined(
    shards: Shards, monkeypatch: pytest.MonkeyPatch, noise_home: Path
) -> None:
    one = shards.render("one.mp4", None)
    folder = shards.prepare()
    work(folder, [3, 1], monkeypatch, noise_home)
    with pytest.raises(OutputError, match=r"shards 1,3 of 4"):
        join_job(folder, RenderControls())
    assert folder.is_dir(), "nothing is lost by it"
    work(folder, [0, 1, 2], monkeypatch, noise_home)
    out, _, result = join_job(folder, RenderControls())
    assert out.read_bytes() == one.read_bytes()
    assert result.frames == SHOTS * SHOT_FRAMES
    assert not folder.exists()


def test_a_shard_that_is_damaged_after_it_was_done_is_named_and_dreamed_again(
    shards: Shards, monkeypatch: pytest.MonkeyPatch, noise_home: Path
) -> None:
    one = shards.render("one.mp4", None)
    folder = shards.prepare()
    work(folder, [0, 1, 2, 3], monkeypatch, noise_home)
    (piece,) = shard_folder(folder, 2).glob("chunk_*")
    content = bytearray(piece.read_bytes())
    content[len(content) // 2] ^= 1
    piece.write_bytes(content)
    job = open_sharded_job(folder)
    assert [is_shard_done(job, n) for n in range(SHOTS)] == [True, True, False, True]
    with pytest.raises(OutputError, match=r"shard 3 of 4"):
        join_job(folder, RenderControls())
    others = {n: shard_folder(folder, n).stat().st_mtime_ns for n in (0, 1, 3)}
    work(folder, [0, 1, 2, 3], monkeypatch, noise_home)
    assert others == {n: shard_folder(folder, n).stat().st_mtime_ns for n in others}
    assert join_job(folder, RenderControls())[0].read_bytes() == one.read_bytes()


def test_the_disk_of_joined_shards_is_freed_and_they_are_not_dreamed_again(
    shards: Shards, monkeypatch: pytest.MonkeyPatch, noise_home: Path
) -> None:
    one = shards.render("one.mp4", None)
    folder = shards.prepare()
    work(folder, [0, 1, 3], monkeypatch, noise_home)
    with pytest.raises(OutputError, match=r"shard 3 of 4"):
        join_job(folder, RenderControls(checkpoint_interval_s=0.0))
    assert [bool(list(shard_folder(folder, n).glob("chunk_*"))) for n in (0, 3)] == [False, True]
    work(folder, [0, 1, 2, 3], monkeypatch, noise_home)
    assert not list(shard_folder(folder, 0).glob("chunk_*"))
    # A segment of the film is lost, too: then the shards that it was made of are dreamed again.
    for lost in folder.glob("chunk_*"):
        lost.unlink()
    out = shards.render("d.mp4", repair=True)
    assert out.read_bytes() == one.read_bytes()


def test_the_frames_of_another_shard_are_not_believed(
    shards: Shards, monkeypatch: pytest.MonkeyPatch, noise_home: Path
) -> None:
    folder = shards.prepare()
    work(folder, [0], monkeypatch, noise_home)
    shutil.copytree(shard_folder(folder, 0), shard_folder(folder, 1))
    assert not is_shard_done(open_sharded_job(folder), 1)
    assert shards.render("d.mp4").read_bytes() == shards.render("one.mp4", None).read_bytes()


def test_two_workers_never_have_one_shard(
    shards: Shards, monkeypatch: pytest.MonkeyPatch, noise_home: Path
) -> None:
    folder = shards.prepare()
    with JobFolder(shard_folder(folder, 0)), pytest.raises(JobLockedError):
        work(folder, [0], monkeypatch, noise_home)
    work(folder, [0], monkeypatch, noise_home)
    assert is_shard_done(open_sharded_job(folder), 0)


def test_a_worker_with_another_clip_renders_nothing(
    shards: Shards, monkeypatch: pytest.MonkeyPatch, noise_home: Path
) -> None:
    shards.film = Path(shutil.copy(shards.film, shards.folder / "film.mp4"))
    folder = shards.prepare()
    content = bytearray(shards.film.read_bytes())
    content[len(content) // 2] ^= 1
    shards.film.write_bytes(content)
    with pytest.raises(MediaError):
        work(folder, [0], monkeypatch, noise_home)
    assert not shard_folder(folder, 0).exists()


def test_a_byte_that_no_fingerprint_has_seen_is_noticed_in_its_frame(
    shards: Shards, monkeypatch: pytest.MonkeyPatch, noise_home: Path
) -> None:
    raw = np.stack([make_texture(48, 64, seed // 4) for seed in range(12)])
    shards.film = shards.folder / "film.avi"
    (shards.folder / "raw").write_bytes(raw.tobytes())
    line = ["-f", "rawvideo", "-pix_fmt", "bgr24", "-s", "64x48", "-r", "8"]
    run_ffmpeg(*line, "-i", shards.folder / "raw", "-c:v", "rawvideo", shards.film)
    for limit in ("MAX_FULL_HASH_BYTES", "HASHED_PARTS", "HASHED_PART_BYTES"):
        monkeypatch.setattr(f"dreamflow.jobs.resume.fingerprints.{limit}", 2)
    folder = shards.prepare()
    content = bytearray(shards.film.read_bytes())
    content[len(content) // 2] ^= 64
    shards.film.write_bytes(content)
    job = open_sharded_job(folder)
    work(folder, [0, 2], monkeypatch, noise_home)
    with pytest.raises(MediaError, match="is another picture here"):
        work(folder, [1], monkeypatch, noise_home)
    assert [is_shard_done(job, n) for n in range(3)] == [True, False, True]


def test_pictures_of_a_damaged_clip_are_not_compared(shards: Shards) -> None:
    content = bytearray(shards.film.read_bytes())
    middle = content.index(b"mdat") + 9000
    content[middle : middle + 4000] = bytes(4000)
    shards.film = shards.folder / "damaged.mp4"
    shards.film.write_bytes(content)
    with pytest.warns(DamagedSourceWarning):
        folder = shards.prepare()
    assert not open_sharded_job(folder).plan.seals


@pytest.mark.parametrize(
    ("key", "value"), [("dreamflow", "0.0.1"), ("torch", "1.0"), ("precision", "bfloat16")]
)
def test_a_worker_that_is_not_like_the_others_is_refused(
    shards: Shards, monkeypatch: pytest.MonkeyPatch, noise_home: Path, key: str, value: str
) -> None:
    folder = shards.prepare()
    edit_job_file(folder, lambda metadata: metadata["record"].update({key: value}))
    with refused("mixed"):
        work(folder, [0], monkeypatch, noise_home)
    assert not shard_folder(folder, 0).exists()


def test_a_full_disk_loses_no_shard_that_is_done(
    shards: Shards, monkeypatch: pytest.MonkeyPatch, noise_home: Path
) -> None:
    one = shards.render("one.mp4", None)
    folder = shards.prepare()
    work(folder, [0], monkeypatch, noise_home)
    write = RawFrameFile.write

    def fill_up(self: RawFrameFile, number: int, timestamp: int, picture: np.ndarray) -> None:
        if number == 2:
            raise make_write_error(self.path, OSError(errno.ENOSPC, "No space left on device"))
        write(self, number, timestamp, picture)

    with monkeypatch.context() as full:
        full.setattr(RawFrameFile, "write", fill_up)
        with pytest.raises(OutputError, match=DISK_FULL_MESSAGE):
            work(folder, [1], monkeypatch, noise_home)
    job = open_sharded_job(folder)
    assert [is_shard_done(job, n) for n in (0, 1)] == [True, False]
    assert shards.render("d.mp4").read_bytes() == one.read_bytes()


def test_a_job_goes_on_as_it_was_begun(shards: Shards) -> None:
    with pytest.raises(Interruption):
        shards.render("cut.mp4", stop_at=4)
    with refused("shards"):
        shards.render("cut.mp4", None)
    with pytest.raises(Interruption):
        shards.render("one.mp4", None, stop_at=4)
    with refused("shards"):
        shards.render("one.mp4")
    assert shards.render("one.mp4", fresh=True).exists()


def test_spans_have_seams_and_nothing_else(shards: Shards) -> None:
    spans = Sharding("spans", span_s=2.5)
    frames = [make_texture(64, 160, 5)[8:56, step : 64 + step] for step in range(60)]
    raw, pan = shards.folder / "raw", shards.folder / "pan.mkv"
    raw.write_bytes(np.stack(frames).tobytes())
    line = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "64x48", "-r", "8", "-i", raw]
    run_ffmpeg(*line, "-c:v", "ffv1", pan)
    one = shards.render("one.mkv", None, source=pan)
    with pytest.warns(DreamFlowWarning), pytest.raises(Interruption):
        shards.render("cut.mkv", spans, source=pan, stop_at=40)
    plan = read_plan(job_folder_path(shards.folder / "cut.mkv"))
    assert plan is not None
    assert [shard.first for shard in plan.shards] == [0, 20, 40]
    for stop_at in (20, 60, None):  # within a span, and within a seam
        with contextlib.suppress(Interruption):
            cut = shards.render("cut.mkv", spans, source=pan, stop_at=stop_at)
    with pytest.warns(DreamFlowWarning):
        whole = shards.render("whole.mkv", spans, source=pan)
    assert decode_output(cut) == decode_output(whole)
    same = [a == b for a, b in zip(decode_output(cut), decode_output(one), strict=True)]
    assert all(same[:20])
    assert not any(same[20:])


def test_a_fade_begins_and_ends_with_one_dream_and_is_as_strong_between() -> None:
    source = np.full((32, 32, 3), 128, np.uint8)
    made = np.random.default_rng(1)
    one, other = (
        (128 + made.normal(0, 12, (32, 32, 3))).clip(0, 255).astype(np.uint8) for _ in range(2)
    )

    def fade(before: np.ndarray, after: np.ndarray, share: float) -> np.ndarray:
        shown = fade_frame(
            before, Frame(3, Fraction(1), after), Frame(3, Fraction(1), source), share
        )
        assert (shown.index, shown.time) == (3, 1)
        return shown.picture

    np.testing.assert_array_equal(fade(one, other, 0), one)
    np.testing.assert_array_equal(fade(one, other, 1), other)
    middle = fade(one, other, 0.5).astype(float) - 128
    assert np.std(middle) == pytest.approx(12, rel=0.05)
    np.testing.assert_array_equal(fade(one, one, 0.5), one)
    np.testing.assert_array_equal(fade(source, source, 0.5), source)


@pytest.mark.parametrize(("frames", "span"), [(100, 30), (31, 30), (30, 30), (7, 30), (61, 20)])
def test_spans_cover_a_shot_and_share_what_fades(frames: int, span: int) -> None:
    shot = Shard(50, 50 + frames, (55, 50 + frames - 1))
    spans = cut_into_spans([shot], span, 12, 5)
    assert (spans[0].first, spans[-1].stop) == (shot.first, shot.stop)
    assert spans[0].run_in == 0
    for before, after in itertools.pairwise(spans):
        assert before.stop - after.first == 5
        assert after.run_in == min(12, after.first - shot.first)
    assert all(one.frames <= span + 5 for one in spans)
    assert set(shot.flashes) == {n for one in spans for n in one.flashes}


@pytest.mark.parametrize("setting", ["loop", "trace"])
def test_what_cannot_be_cut_is_refused(shards: Shards, setting: str) -> None:
    settings, controls = SETTINGS, {}
    if setting == "loop":
        settings = replace(SETTINGS, carry=CarryOptions(loop=True))
    else:
        controls = {"trace_path": shards.folder / "t.jsonl"}
    with refused(setting):
        shards.render("d.mp4", settings=settings, **controls)


@pytest.mark.parametrize(
    "change",
    [lambda text: text.replace('"first": 6', '"first": 7'), lambda text: text[:-20], lambda _: "{"],
)
def test_a_plan_that_was_altered_is_refused(shards: Shards, change: Callable[[str], str]) -> None:
    folder = shards.prepare()
    path = folder / "shards" / "plan.json"
    path.write_text(change(path.read_text()))
    with pytest.raises(OutputError):
        open_sharded_job(folder)


def test_marks_that_are_given_are_those_that_were_found() -> None:
    scenes = [make_texture(48, 64, seed) for seed in range(4)]
    order = [0, 0, 0, 3, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 3, 2, 2]
    frames = [Frame(7 + n, Fraction(n, 24), scenes[scene]) for n, scene in enumerate(order)]
    found = [mark for _, mark in ShotFinder()(frames)]
    assert Mark.FLASH in found
    shots = find_shots(frames, ShotFinder())
    assert len(shots) == 3
    given: list[Mark] = []
    for shot in shots:
        part = frames[shot.first : shot.stop]
        marks = GivenMarks(shot)
        given += [mark for _, mark in marks(part[:2])]
        again = GivenMarks(shot)
        again.restore(marks.state())
        given += [mark for _, mark in again(part[2:])]
    assert given == found


def test_no_frames_are_no_shots() -> None:
    assert find_shots([], ShotFinder()) == []


@pytest.mark.parametrize("numbers", [[0], [0, 1, 2], [1, 3, 4, 9], []])
def test_numbers_of_shards_are_read_as_they_are_written(numbers: list[int]) -> None:
    text = format_numbers(numbers)
    if numbers:
        assert parse_shards(text, 10) == numbers
    else:
        assert not text


@pytest.mark.parametrize("text", ["", "0", "11", "3-1", "1-", "a", "1,,2", "-1"])
def test_other_numbers_of_shards_are_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        parse_shards(text, 10)


@pytest.mark.parametrize("preset", [None, *list_preset_files()])
def test_settings_are_made_again_of_their_record(preset: str | None, tmp_path: Path) -> None:
    settings = VideoSettings()
    if preset is not None:
        values = load_preset(preset)[1]
        groups = {
            name: replace(group, **{k: v for k, v in values.items() if k in vars(group)})
            for name, group in vars(settings).items()
        }
        settings = VideoSettings(**groups)
    recorded = saved_settings_dict(*vars(settings).values())
    assert restore_video_settings(recorded, tmp_path) == settings
    moved = {**recorded, "matte": "m.png", "audio": "/sound.flac", "data": ["a=b.csv"]}
    again = restore_video_settings(moved, tmp_path)
    assert again.show.matte == str(tmp_path / "m.png")
    assert again.sound.audio == "/sound.flac"
    assert again.sound.data == (f"a={tmp_path / 'b.csv'}",)


def test_the_commands_of_a_farm_make_the_film_of_one_command(
    film: Path, tmp_path: Path, cli: Callable[..., CommandResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fast = (*FAST, "--threads", "1")
    assert cli("video", film, "one.mp4", *fast).code == 0
    begun = cli("video", film, "farm.mp4", *fast, "--workers", "0")
    assert begun.code == 0, begun.err
    assert "farm.mp4.job" in begun.out
    early = cli("jobs", "join", "farm.mp4.job")
    assert early.code == 1
    for numbers in ("2-3", "1,4"):
        assert cli("jobs", "shard", numbers, "farm.mp4.job").code == 0
    assert cli("jobs", "shard", "5", "farm.mp4.job").code == 1
    assert cli("jobs", "shard", "1", tmp_path).code == 1
    assert cli("jobs", "join", "farm.mp4.job").code == 0
    assert Path("farm.mp4").read_bytes() == Path("one.mp4").read_bytes()


@pytest.mark.parametrize("option", ["--shards=spans", "--workers=2"])
def test_a_zoom_says_that_it_cannot_be_cut(
    tmp_path: Path, cli: Callable[..., CommandResult], option: str
) -> None:
    run = cli("zoom", tmp_path / "z.mp4", option)
    assert run.code == 1
    assert "a zoom cannot be cut" in run.err
    assert not list(tmp_path.iterdir())


SWEEP = ("--layers", "conv1/7x7_s2,conv2/3x3", "--octaves", "1", "--iterations", "1", "--caption")


def test_the_shots_of_a_swept_clip_are_shards(
    film: Path, tmp_path: Path, cli: Callable[..., CommandResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    line = (*SWEEP, "--threads", "1", "--strength", "0: 1, 100%: 0.4 + audio.loud")
    assert cli("sweep", film, "one.mp4", *line).code == 0
    assert cli("sweep", film, "cut.mp4", *line, "--shards", "shots").code == 0
    assert cli("sweep", film, "farm.mp4", *line, "--workers", "0").code == 0
    assert cli("jobs", "shard", "all", "farm.mp4.job").code == 0
    assert cli("jobs", "join", "farm.mp4.job").code == 0
    one = Path("one.mp4").read_bytes()
    assert Path("cut.mp4").read_bytes() == one
    assert Path("farm.mp4").read_bytes() == one


def test_a_swept_picture_is_cut_into_spans(
    tmp_path: Path, cli: Callable[..., CommandResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    Image.fromarray(make_texture(40, 48)).save("picture.png")
    # An encoder that looks ahead would make frames differ before the first one that does.
    line = (*SWEEP, "--threads", "1", "--fps", "8", "--hold", "2", "--fade", "2", "--lossless")
    assert cli("sweep", "picture.png", "one.mkv", *line).code == 0
    assert cli("sweep", "picture.png", "shots.mkv", *line, "--shards", "shots").code == 0
    spans = (*line, "--shards", "spans", "--span", "2.5")
    cut = cli("sweep", "picture.png", "spans.mkv", *spans)
    assert cut.code == 0
    assert "seam" in cut.err
    assert cli("sweep", "picture.png", "farm.mkv", *spans, "--workers", "0").code == 0
    for number in ("3", "1-2"):
        assert cli("jobs", "shard", number, "farm.mkv.job").code == 0
    assert cli("jobs", "join", "farm.mkv.job").code == 0
    one, shots, parts, farm = (
        decode_output(Path(f"{name}.mkv")) for name in ("one", "shots", "spans", "farm")
    )
    assert shots == one
    assert farm == parts
    same = [a == b for a, b in zip(parts, one, strict=True)]
    assert len(same) == 48
    assert all(same[:16]), "a picture has no cut, and its first span is that of one process"
    assert not any(same[20:])


@pytest.mark.parametrize("workers", ["two", "-1", "1.5", "999"])
def test_other_numbers_of_workers_are_refused(
    film: Path, tmp_path: Path, cli: Callable[..., CommandResult], workers: str
) -> None:
    run = cli("video", film, tmp_path / "d.mp4", *FAST, f"--workers={workers}")
    assert run.code == 1
    assert "--workers" in run.err


def worker_processes(driver: int) -> Iterator[psutil.Process]:
    """Yield the workers of a command that runs in a process."""
    for process in psutil.Process(driver).children():
        with contextlib.suppress(psutil.NoSuchProcess):  # a helper that has just ended
            if "shard" in process.cmdline():
                yield process


def start_two_workers(film: Path, out: Path) -> subprocess.Popen[bytes]:
    """Start a render by two workers, and wait until there are any."""
    words = ["video", str(film), str(out), *FAST, "--threads", "1", "--workers", "2"]
    driver = subprocess.Popen([sys.executable, "-m", "dreamflow", *words], env=dict(os.environ))
    while not list(worker_processes(driver.pid)):
        assert driver.poll() is None
        time.sleep(0.05)
    return driver


def test_the_work_of_a_killed_worker_is_taken_over(
    film: Path, tmp_path: Path, cli: Callable[..., CommandResult]
) -> None:
    assert cli("video", film, tmp_path / "one.mp4", *FAST, "--threads", "1").code == 0
    killed: list[int] = []

    def kill_two() -> None:
        while len(killed) < 2:
            for worker in worker_processes(os.getpid()):
                if worker.pid not in killed:
                    killed.append(worker.pid)
                    worker.kill()
            time.sleep(0.05)

    killer = threading.Thread(target=kill_two)
    killer.start()
    more = ("--threads", "1", "--workers", "2")
    assert cli("video", film, tmp_path / "two.mp4", *FAST, *more).code == 0
    killer.join()
    assert (tmp_path / "two.mp4").read_bytes() == (tmp_path / "one.mp4").read_bytes()


def test_ctrl_c_stops_the_workers_and_leaves_a_job_that_goes_on(
    film: Path, tmp_path: Path, cli: Callable[..., CommandResult]
) -> None:
    line = (*FAST, "--threads", "1")
    assert cli("video", film, tmp_path / "one.mp4", *line).code == 0
    driver = start_two_workers(film, tmp_path / "two.mp4")
    workers = list(worker_processes(driver.pid))
    try:
        driver.send_signal(signal.SIGINT)
        assert driver.wait(PATIENCE_S) == 130
    finally:
        driver.kill()
    assert not any(worker.is_running() for worker in workers)
    assert read_plan(tmp_path / "two.mp4.job") is not None
    assert cli("video", film, tmp_path / "two.mp4", *line).code == 0
    assert (tmp_path / "two.mp4").read_bytes() == (tmp_path / "one.mp4").read_bytes()


def test_a_damaged_shard_is_given_to_one_worker_and_costs_no_other_its_place(
    shards: Shards, monkeypatch: pytest.MonkeyPatch, noise_home: Path
) -> None:
    """Workers here write down what they were started for, and how it ended."""
    folder = shards.prepare()
    work(folder, range(SHOTS), monkeypatch, noise_home)
    for number in (0, 2):
        (piece,) = shard_folder(folder, number).glob("chunk_*")
        piece.write_bytes(piece.read_bytes()[:-1])
    for number in (1, 3):
        shutil.rmtree(shard_folder(folder, number))
    begun: list[str] = []

    def command(job: Path, numbers: str) -> list[str]:
        begun.append(numbers)
        return [sys.executable, "-c", "import sys; sys.stdin.read()"]

    with WorkerPool([command, command, command], shards.messages.append) as pool:
        steps = pool.render(open_sharded_job(folder), 0)
        for _ in range(3):
            next(steps)
        steps.close()
    assert sorted(begun) == ["1", "all"]
