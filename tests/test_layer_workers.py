"""Guides and sheets by several workers: the same as by one process, whoever dies."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import faulty_workers
import numpy as np
import pytest
from conftest import SAMPLE_STILL, CommandResult, make_texture

from dreamflow.core.errors import OutputError
from dreamflow.core.frames import Frame
from dreamflow.core.machine.options import MachineOptions
from dreamflow.dream.options import DreamOptions
from dreamflow.networks.network import Network
from dreamflow.reports.channel_sheet import make_channel_sheet
from dreamflow.reports.guide.layers import LayerDream, dream_layers
from dreamflow.reports.guide.workers import LayerWorkers, WorkerProgram
from dreamflow.reports.options import ChannelsOptions

FRAME = Frame(0, Fraction(0), make_texture(8, 8))
Cli = Callable[..., CommandResult]


def dream(program: WorkerProgram, folder: Path, workers: int = 2) -> list[LayerDream]:
    """Return what workers of a program answer for four layers, in the order of their answers."""
    machines = [MachineOptions()] * workers
    with LayerWorkers(str(folder), machines, program) as crew:
        return list(crew.dream_layers(FRAME, "abcd", DreamOptions()))


def test_the_layers_of_workers_that_die_are_given_to_others(tmp_path: Path) -> None:
    dreams = dream(faulty_workers.die_at_half_of_the_layers, tmp_path)
    assert sorted(one.layer for one in dreams) == list("abcd")
    for one in dreams:
        np.testing.assert_array_equal(one.picture, FRAME.picture)


def test_a_slow_layer_holds_no_other_up(tmp_path: Path) -> None:
    dreams = dream(faulty_workers.answer_the_first_layer_last, tmp_path)
    assert sorted(one.layer for one in dreams[:3]) == list("bcd")
    assert dreams[3].layer == "a"


def test_workers_that_always_die_end_it(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        dream(faulty_workers.die_at_once, tmp_path)


def test_a_worker_that_cannot_begin_says_why(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="there are no weights"):
        dream(faulty_workers.say_why_not, tmp_path)


def test_a_guide_by_workers_is_that_of_one_process(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    line = ("--layers", "conv1/7x7_s2,pool1/norm1", "--size", "48", "--network", "googlenet")
    line += ("--octaves", "1", "--iterations", "1", "--threads", "1")
    for name, more in (("one", ()), ("two", ("--workers", "2"))):
        assert cli("guide", SAMPLE_STILL, name, *line, *more).code == 0
    pictures = sorted(Path("one/pictures").iterdir())
    assert len(pictures) == 3
    for picture in pictures:
        assert (Path("two/pictures") / picture.name).read_bytes() == picture.read_bytes()
    assert Path("two/index.html").read_text() == Path("one/index.html").read_text()


def test_the_channels_of_a_sheet_may_come_in_any_order(noise_network: Network) -> None:
    class Reversing(LayerWorkers):
        def dream_layers(self, frame: Frame, targets: Iterable[str], *more: Any, **_: Any) -> Any:
            return dream_layers(frame, noise_network, reversed(list(targets)), *more)

    options = DreamOptions(layer=("conv2/3x3",), octaves=1, iterations=1)
    asked = (make_texture(48, 48), noise_network, options, ChannelsOptions(tile=32, count=3))
    sheet = make_channel_sheet(*asked, workers=Reversing("", []))
    np.testing.assert_array_equal(sheet, make_channel_sheet(*asked))


@pytest.mark.parametrize("workers", ["0", "two", "-1"])
def test_other_numbers_of_workers_are_refused(tmp_path: Path, cli: Cli, workers: str) -> None:
    run = cli("guide", SAMPLE_STILL, tmp_path / "g", f"--workers={workers}")
    assert run.code == 1
    assert "--workers" in run.err
    assert not list(tmp_path.iterdir())
