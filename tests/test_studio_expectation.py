"""What a film is expected to take: measured on a few frames, told before it is rendered."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from conftest import CommandResult, make_film
from hypothesis import given
from hypothesis import strategies as st
from studio_pages import make_studio, only, opened, run

from dreamflow.core.errors import DreamFlowError
from dreamflow.core.machine.options import MachineOptions
from dreamflow.studio.films.expectation import expect_film, format_bytes, format_seconds
from dreamflow.studio.worker.messages import FilmMeasured, MeasureFilm, PreviewFailed
from dreamflow.studio.worker.previews import PreviewMaker


def measured(**more: Any) -> FilmMeasured:
    facts = {"first_s": 5.0, "later_s": 1.0, "key_bytes": 900.0, "later_bytes": 100.0}
    facts |= {"number": 1, "frames_a_key": 240, "sound_bytes_a_s": 50.0, "width": 4, "height": 2}
    return FilmMeasured(**(facts | more))


def test_each_shot_begins_from_nothing() -> None:
    film = expect_film(measured(), 100, Fraction(4))
    assert (film.seconds, film.size) == (5 + 99, 900 + 99 * 100 + 4 * 50)
    cut = expect_film(measured(), 100, Fraction(4), cuts=2)
    assert (cut.seconds, cut.size) == (3 * 5 + 97, 3 * 900 + 97 * 100 + 4 * 50)


def test_a_format_that_is_not_measured_has_no_size() -> None:
    film = expect_film(measured(key_bytes=0.0), 100, Fraction(4))
    assert film.size == 0
    assert "B" not in film.text


@given(st.integers(1, 10_000), st.integers(0, 50), st.integers(1, 300))
def test_an_expectation_lies_between_its_frames(frames: int, cuts: int, key: int) -> None:
    film = expect_film(measured(frames_a_key=key, sound_bytes_a_s=0.0), frames, Fraction(1), cuts)
    assert frames * 1 <= film.seconds <= frames * 5
    assert frames * 100 <= film.size <= frames * 900


def test_times_and_sizes_have_two_digits() -> None:
    times = [format_seconds(s) for s in (0.0, 7.26, 44.4, 94.0, 3599.0, 9000.0)]
    assert times == ["1 s", "7.3 s", "44 s", "1.6 min", "60 min", "2.5 h"]
    assert [format_bytes(b) for b in (3.0, 345_678, 24_400_000, 1.26e9)] == [
        *("1 kB", "350 kB", "24 MB", "1.3 GB")
    ]


def test_a_few_frames_tell_the_size_of_all(tmp_path: Path) -> None:
    # ffv1 has key frames alone, of nearly one size where the picture hardly changes.
    film = make_film(tmp_path / "f.mkv", frames=9, options=("-c:v", "ffv1", "-pix_fmt", "yuv420p"))
    maker = PreviewMaker(MachineOptions(threads=1))

    def measure(**more: Any) -> FilmMeasured:
        asked: dict[str, Any] = {"suffix": ".mkv", "codec": "ffv1", "settings": {"iterations": 0}}
        asked |= {"number": 1, "lane": "film", "generation": 1, "size": "", "source": str(film)}
        return maker.measure(MeasureFilm(**(asked | more)), lambda: None)

    found = measure()
    assert (found.width, found.height) == (64, 48)
    assert found.later_s > 0
    expected = expect_film(found, 9, Fraction(9, 24)).size
    assert 0.4 < expected / film.stat().st_size < 2.5
    assert measure(size="32").width == 32
    assert measure(suffix="", codec="auto").key_bytes == 0  # pictures in a folder
    with pytest.raises(DreamFlowError):
        measure(suffix=".xyz")


@pytest.mark.parametrize(
    ("suffix", "low", "high"), [(".gif", 0.5, 2.0), (".webp", 0.5, 2.0), (".mp4", 0.8, 1.2)]
)
def test_a_few_frames_tell_the_size_of_all_as_encoded(
    tmp_path: Path, cli: Callable[..., CommandResult], suffix: str, low: float, high: float
) -> None:
    film = make_film(tmp_path / "f.mp4", frames=60, size="128x96")
    out = tmp_path / f"d{suffix}"
    run = cli("video", film, out, "--iterations", "0", "--threads", "1")
    assert run.code == 0, run.err
    asked = MeasureFilm(
        number=1,
        lane="film",
        generation=1,
        size="",
        source=str(film),
        suffix=suffix,
        settings={"iterations": 0},
    )
    found = PreviewMaker(MachineOptions(threads=1)).measure(asked, lambda: None)
    expected = expect_film(found, 60, Fraction(60, 24)).size
    assert low < expected / out.stat().st_size < high


def test_the_expectation_follows_what_is_chosen(tmp_path: Path) -> None:
    pytest.importorskip("nicegui", reason="the studio's library, NiceGUI, is not installed")
    make_film(tmp_path / "film.mp4", frames=6)
    studio, worker = make_studio(tmp_path, tmp_path / "home")

    async def scenario() -> None:
        async with opened(studio) as user:
            studio.open("film.mp4")
            assert not worker.measured
            user.find(marker="tab-render").click()
            (asked,) = worker.measured
            assert (asked.codec, asked.suffix) == ("auto", ".mp4")
            studio.take_answer(measured(number=asked.number, later_s=3.0))
            label = only(user, "expected-film")
            before = label.text
            with user:
                only(user, "film-name").set_value("d.mov")
            assert worker.measured[-1].suffix == ".mov"
            # What comes late of the one before is not taken for this one.
            studio.take_answer(measured(number=asked.number, later_s=3.0))
            assert label.text != before
            asked = worker.measured[-1]
            studio.take_answer(measured(number=asked.number, later_s=3.0))
            assert label.text == before
            studio.set("step", 3)
            assert worker.measured[-1].settings == {"step": 3.0}
            studio.take_answer(PreviewFailed(worker.measured[-1].number, "no such layer"))
            await user.should_see("no such layer")

    run(scenario())
