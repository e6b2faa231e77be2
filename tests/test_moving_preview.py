"""A moving preview: the frames of the film, nothing left behind, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import SAMPLE_STILL, CommandResult, make_film
from PIL import Image

from dreamflow.media.options import ClipOptions
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.records.embedded_settings import read_record
from dreamflow.networks.network import Network
from dreamflow.pipelines.settings.looks import Look
from dreamflow.pipelines.video.dream_video import dream_video
from dreamflow.reports.moving_preview import dream_preview_piece, open_preview_piece

Cli = Callable[..., CommandResult]
AT_48_PX = ClipOptions(size="48")
QUICK = {"octaves": 1, "iterations": 1, "carry_iterations": 1, "uncover_iterations": 0}
SMALL = ("--size", "48", "--octaves", "1", "--iterations", "1", "--threads", "1")


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return make_film(tmp_path / "film.mp4", frames=10, sound=True)


def test_with_all_frames_before_it_it_is_a_piece_of_the_film(
    film: Path, noise_network: Network
) -> None:
    look = Look().over("", QUICK | {"step": "0: 1, 100%: 4"})
    whole = list(
        dream_video(open_clip(film, size="48"), noise_network, None, look.dream, look.carry)
    )
    piece = open_preview_piece(film, "4", 3 / 24, 4, AT_48_PX)
    frames = list(dream_preview_piece(piece, noise_network, look))
    assert [frame.index for frame in frames] == [4, 5, 6]
    for frame, expected in zip(frames, whole[4:7], strict=True):
        assert np.array_equal(frame.picture, expected.picture)
    assert [float(frame.time * 24) for frame in frames] == pytest.approx([0, 1, 2])


def test_a_piece_at_the_end_begins_earlier(film: Path) -> None:
    piece = open_preview_piece(film, "9", 0.25, 2, AT_48_PX)
    assert (piece.shown.first_frame, piece.shown.stop_frame) == (4, 10)
    assert piece.run_in == 2
    assert open_preview_piece(film, "0", 0.25, 5, AT_48_PX).run_in == 0
    assert len(open_preview_piece(film, "3", 0.001, 0, ClipOptions()).shown) == 1


def test_it_hears_what_the_film_hears(tmp_path: Path, cli: Cli, film: Path) -> None:
    faint = ("--strength", "0.1 * (beat >= 0)", "--iterations", "2 + 0*audio.loud")
    run = cli("preview", film, tmp_path / "look.webp", *SMALL, *faint, "--bpm", "120")
    assert run.code == 0, run.err
    assert read_record(tmp_path / "look.webp")["settings"]["bpm"] == 120


@pytest.mark.parametrize("suffix", [".webp", ".gif"])
def test_it_loops_and_keeps_its_settings(tmp_path: Path, cli: Cli, film: Path, suffix: str) -> None:
    out = tmp_path / f"look{suffix}"
    run = cli("preview", film, out, "--at", "2", "--seconds", "0.2", *SMALL, "--preset", "cells")
    assert run.code == 0, run.err
    with Image.open(out) as picture:
        assert picture.n_frames == 5
        assert picture.info["loop"] == 0
        assert max(picture.size) == 48
    record = read_record(out)
    assert record["at"] == "2"
    assert record["settings"]["layer"] == ["inception_3a/3x3_reduce"]
    assert {path.name for path in tmp_path.iterdir()} == {film.name, out.name, f"{out.name}.json"}


def test_a_film_of_it_has_no_sound(tmp_path: Path, cli: Cli, film: Path) -> None:
    run = cli("preview", film, tmp_path / "look.mp4", "--seconds", "0.1", *SMALL)
    assert run.code == 0, run.err
    assert not open_clip(tmp_path / "look.mp4").info.sound_codecs


@pytest.mark.parametrize(
    "arguments",
    [
        (SAMPLE_STILL, "a.webp"),
        ("film.mp4", "a.png"),
        ("film.mp4", "film.mp4", "--overwrite"),
        ("film.mp4", "a.webp", "--at", "400"),
        ("film.mp4", "a.webp", "--layer", "nosuch"),
        ("nosuch.mp4", "a.webp"),
    ],
)
def test_what_cannot_be_is_one_line(
    tmp_path: Path,
    cli: Cli,
    film: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    run = cli("preview", *arguments, *SMALL)
    assert run.code == 1
    assert len(run.err.strip().splitlines()) == 1, run.err
    assert [path.name for path in tmp_path.iterdir()] == [film.name]
