"""A damaged job never becomes a wrong film: it is found, named, and can be repaired."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import CommandResult
from job_rendering import DREAM, FRAMES, SETTINGS, Rendering, decode_output, job_id

from dreamflow.core.errors import DreamFlowWarning, OutputError
from dreamflow.jobs.listing import finish_job, inspect_job
from dreamflow.jobs.storage.folder import job_folder_path
from dreamflow.jobs.storage.state_file import read_state, write_state
from dreamflow.media.options import ClipOptions
from dreamflow.media.write.segments.piece_ledger import DamagedPiecesError

Cli = Callable[..., CommandResult]


def flip_bit(path: Path, place: float = 0.5) -> None:
    content = bytearray(path.read_bytes())
    content[int(place * (len(content) - 1))] ^= 0x10
    path.write_bytes(content)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def swap(first: Path, second: Path) -> None:
    aside = first.with_name("aside")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)


def spoil_state(path: Path, spoil: Callable[[np.ndarray], None]) -> None:
    """Change an array of a state, and write it as DreamFlow does."""
    state = read_state(path, job_id(path.parent))
    (dream,) = state["journey"]["dreamer"]["dream"]["dreams"].values()
    dream["residual"] = dream["residual"].copy()
    spoil(dream["residual"])
    write_state(path, state, job_id(path.parent))


def set_nan(array: np.ndarray) -> None:
    array[0, 0, 0] = np.nan


Damage = Callable[[Path, Path], Any]
"""Damages a job's folder; the second one is that of another job of the same settings."""
PIECES: dict[str, Damage] = {
    "a bit of a segment": lambda job, _: flip_bit(job / "chunk_000000.mp4"),
    "a bit of its first bytes": lambda job, _: flip_bit(job / "chunk_000000.mp4", 0.01),
    "a segment cut short": lambda job, _: truncate(job / "chunk_000000.mp4"),
    "a lost segment": lambda job, _: (job / "chunk_000000.mp4").unlink(),
    "a folder for a segment": lambda job, _: (
        (job / "chunk_000000.mp4").unlink(),
        (job / "chunk_000000.mp4").mkdir(),
    ),
    "another job's segment": lambda job, other: shutil.copy(other / "chunk_000000.mp4", job),
    "another job's segment and ledger": lambda job, other: (
        shutil.copy(other / "chunk_000000.mp4", job),
        shutil.copy(other / "pieces.jsonl", job),
    ),
    "a bit of a raw frame": lambda job, _: flip_bit(job / "pending_000002.rgb", 0.1),
    "raw frames cut short": lambda job, _: truncate(job / "pending_000002.rgb"),
    "another job's raw frames": lambda job, other: shutil.copy(other / "pending_000002.rgb", job),
    "a bit of the ledger": lambda job, _: flip_bit(job / "pieces.jsonl", 0.3),
    "no ledger": lambda job, _: (job / "pieces.jsonl").unlink(),
}
STATES: dict[str, Damage] = {
    "a bit of the state": lambda job, _: flip_bit(job / "state.npz"),
    "a state cut short": lambda job, _: truncate(job / "state.npz"),
    "a lost state": lambda job, _: (job / "state.npz").unlink(),
    "another job's state": lambda job, other: shutil.copy(other / "state.npz", job),
    "a state with NaN": lambda job, _: spoil_state(job / "state.npz", set_nan),
}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory, noise_network: Any) -> Path:
    """A folder with `whole.mp4`, and two jobs of 15 of its frames: `d.mp4.job`, `e.mp4.job`."""
    folder = tmp_path_factory.mktemp("films")
    render = Rendering(folder, noise_network)
    render("whole.mp4")
    render.interrupt("d.mp4", at=15)
    other = replace(SETTINGS, dream=replace(DREAM, seed=3))
    render.interrupt("e.mp4", other, at=15)
    return folder


@pytest.fixture
def damaged_render(films: Path, render: Rendering) -> Rendering:
    for path in films.iterdir():
        (shutil.copytree if path.is_dir() else shutil.copy)(path, render.folder / path.name)
    return render


@pytest.mark.parametrize("kind", [*PIECES, *STATES])
def test_damage_is_found_and_repaired(kind: str, damaged_render: Rendering) -> None:
    render = damaged_render
    job, other = (job_folder_path(render.folder / name) for name in ("d.mp4", "e.mp4"))
    whole = decode_output(render.folder / "whole.mp4")
    (PIECES | STATES)[kind](job, other)
    with pytest.raises(OutputError) as found:
        render("d.mp4")
    assert found.value.setting == "repair"
    assert not (render.folder / "d.mp4").exists()
    if kind in PIECES:
        assert isinstance(found.value, DamagedPiecesError)
        assert min(damage.first for damage in found.value.damages) in (0, 12, 13)
    assert decode_output(render("d.mp4", repair=True)) == whole
    assert not job.exists()


@pytest.mark.parametrize("kind", PIECES)
def test_a_damaged_job_is_finished_up_to_the_damage(kind: str, damaged_render: Rendering) -> None:
    job, other = (job_folder_path(damaged_render.folder / n) for n in ("d.mp4", "e.mp4"))
    whole = decode_output(damaged_render.folder / "whole.mp4")
    PIECES[kind](job, other)
    out = damaged_render.folder / "d.mp4"
    if not kind.endswith(("raw frame", "raw frames", "cut short")) or "segment" in kind:
        with pytest.raises(OutputError):
            finish_job(job)
        assert not out.exists()
        assert job.exists()
        return
    with pytest.warns(DreamFlowWarning, match="damaged from frame 1[0-9] on"):
        _, frames = finish_job(job)
    assert 12 <= frames < 15
    # Frames that were not encoded in one segment with those behind them are not the same bits.
    assert decode_output(out)[:12] == whole[:12]
    assert job.exists(), "what is damaged can still be dreamed again"
    out.unlink()
    assert decode_output(damaged_render("d.mp4", repair=True)) == whole


def test_an_output_of_what_is_whole_leaves_the_segments_as_they_are(
    damaged_render: Rendering,
) -> None:
    whole = decode_output(damaged_render.folder / "whole.mp4")
    out = damaged_render.folder / "d.mp4"
    job = job_folder_path(out)
    # Of a segment that is encoded, the raw frames are damaged: an output has those before.
    truncate(job / "pending_000001.rgb")
    finish_job(job, damaged_render.folder / "look.mp4")
    assert decode_output(damaged_render("d.mp4")) == whole


def test_a_segment_whose_raw_frames_are_there_is_encoded_again(damaged_render: Rendering) -> None:
    """Then nothing is lost, and there is nothing to ask."""
    whole = decode_output(damaged_render.folder / "whole.mp4")
    job = job_folder_path(damaged_render.folder / "d.mp4")
    assert (job / "pending_000001.rgb").exists()
    (job / "chunk_000001.mp4").write_bytes(b"half of it")
    assert decode_output(damaged_render("d.mp4")) == whole


def test_only_what_a_damaged_piece_follows_from_is_dreamed_again(
    damaged_render: Rendering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A state is kept at segment borders: 6 frames are dreamed again, not all 12."""
    from dreamflow.pipelines.video.carry_over_frames import VideoDreamer

    job = job_folder_path(damaged_render.folder / "d.mp4")
    whole = decode_output(damaged_render.folder / "whole.mp4")
    flip_bit(job / "pending_000002.rgb", 0.1)
    dreamed: list[int] = []
    dream = VideoDreamer.__call__

    def counted(dreamer: VideoDreamer, frame: Any, *mark: Any) -> Any:
        dreamed.append(frame.index)
        return dream(dreamer, frame, *mark)

    monkeypatch.setattr(VideoDreamer, "__call__", counted)
    assert decode_output(damaged_render("d.mp4", repair=True)) == whole
    assert dreamed == list(range(12, FRAMES))


PLANS = {
    "pictures": ("d", {}, SETTINGS),
    "a plate": ("d.mkv", {"plate_path": "p.mkv"}, SETTINGS),
    "a loop": (
        "d.mp4",
        {},
        replace(
            SETTINGS,
            carry=replace(SETTINGS.carry, loop=True),
            clip=ClipOptions(size="64", end="14"),
        ),
    ),
    "two passes": ("d.mp4", {}, replace(SETTINGS, carry=replace(SETTINGS.carry, passes=2))),
}


@pytest.mark.parametrize("plan", PLANS)
def test_damage_to_any_output_is_found_and_repaired(plan: str, render: Rendering) -> None:
    name, more, settings = PLANS[plan]
    more = {key: render.folder / value for key, value in more.items()}
    frames = 27 if plan == "a loop" else 13 + (FRAMES - 1) * (plan == "two passes")
    whole = decode_output(
        render(
            f"whole{Path(name).suffix}", settings, **{k: v.with_stem("w") for k, v in more.items()}
        )
    )
    job = render.interrupt(name, settings, frames, **more)
    victims = [path for path in job.rglob("*") if path.match("chunk_000000.*")]
    victims += [path for path in job.rglob("frame_000003.png")]
    for victim in victims:
        flip_bit(victim)
    with pytest.raises(DamagedPiecesError) as found:
        render(name, settings, **more)
    assert sorted({d.piece for d in found.value.damages}) == sorted(victims)
    assert decode_output(render(name, settings, repair=True, **more)) == whole
    for plate in more.values():
        assert decode_output(plate) == decode_output(plate.with_stem("w"))


def test_swapped_pictures_are_found(render: Rendering) -> None:
    job = render.interrupt("d", at=9)
    frames = job / "frames"
    swap(frames / "frame_000002.png", frames / "frame_000007.png")
    with pytest.raises(DamagedPiecesError) as found:
        render("d")
    assert [damage.first for damage in found.value.damages] == [2, 7]
    with pytest.warns(DreamFlowWarning, match="damaged from frame 2 on"):
        assert finish_job(job, render.folder / "look")[1] == 2
    assert len(list((render.folder / "look").glob("*.png"))) == 2
    assert inspect_job(job).frames == 9, "the others are still there"


def test_a_finished_output_that_was_damaged_is_not_published(
    render: Rendering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between joining and publishing, the film lies in the job: it is made again."""
    import dreamflow.jobs.output

    whole = decode_output(render("whole.mp4"))

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(dreamflow.jobs.output, "publish_output", killed)
        with pytest.raises(KeyboardInterrupt):
            render("d.mp4")
    flip_bit(job_folder_path(render.folder / "d.mp4") / "whole.mp4", 0.8)
    assert decode_output(render("d.mp4")) == whole


def test_damage_while_it_renders_is_found_before_the_film_is_joined(
    render: Rendering, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dreamflow.jobs.output

    finish = dreamflow.jobs.output.finish_output

    def damaged_first(folder: Any, *rest: Any, **more: Any) -> None:
        flip_bit(folder.path / "chunk_000001.mp4")
        finish(folder, *rest, **more)

    with monkeypatch.context() as patched:
        patched.setattr("dreamflow.jobs.job.finish_output", damaged_first)
        with pytest.raises(DamagedPiecesError) as found:
            render("d.mp4")
    assert [(d.first, d.stop) for d in found.value.damages] == [(6, 12)]
    assert not (render.folder / "d.mp4").exists()
    assert decode_output(render("d.mp4", repair=True)) == decode_output(render("whole.mp4"))


def test_the_command_line_repairs_a_job(cli: Cli, render: Rendering) -> None:
    from job_rendering import FAST

    out = render.folder / "d"
    from conftest import SAMPLE_CLIP

    line = ("video", SAMPLE_CLIP, out, *FAST, "--end", "4", "--threads", "1")
    assert cli(*line).code == 0
    whole = decode_output(out)
    shutil.rmtree(out)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            "dreamflow.jobs.job.finish_output", lambda *_: (_ for _ in ()).throw(OutputError("no"))
        )
        assert cli(*line).code == 1
    flip_bit(job_folder_path(out) / "frames" / "frame_000002.png")
    run = cli(*line)
    assert run.code == 1
    assert "frame_000002.png is not what was written (frame 2)" in run.err
    assert "frames 0 to 1 and frame 3 are whole" in run.err
    assert "--repair" in run.err
    assert len(run.err.strip().splitlines()) == 1
    assert cli(*line, "--repair").code == 0
    assert decode_output(out) == whole
