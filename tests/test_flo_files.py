"""Flow from a folder of .flo files: read as written, resized, derived for the other direction."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import CommandResult, make_film, make_texture
from flow_scenes import constant_flow, make_frame_pair, write_flo
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from temporal_scenes import GAINS

from dreamflow.core.errors import MediaError, SettingsError
from dreamflow.core.frames import Frame
from dreamflow.temporal.flow.flo_files import FlowFolder, invert_flow, read_flo
from dreamflow.temporal.flow.flow_pair import FlowPair
from dreamflow.temporal.motion.confidence import forward_backward_confidence

INNER = np.s_[8:-8, 8:-8]


def confidence_of(flow: FlowPair) -> np.ndarray:
    """Return how far a flow is believed, (H, W)."""
    return forward_backward_confidence(flow, GAINS)


# --- Files


@given(flow=arrays(np.float32, (5, 7, 2), elements=st.floats(-1e4, 1e4, width=32)))
def test_a_file_is_read_as_written(
    flow: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("flo") / "a.flo"
    write_flo(path, flow)
    assert np.array_equal(read_flo(path), flow)


def write_damaged(path: Path, change: Callable[[bytes], bytes] | None) -> None:
    """Write a .flo file, its content changed; None leaves no file."""
    write_flo(path, np.zeros((5, 7, 2)))
    content = path.read_bytes()
    path.unlink()
    if change is not None:
        path.write_bytes(change(content))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: data[:9], id="broken header"),
        pytest.param(lambda data: b"XXXX" + data[4:], id="no tag"),
        pytest.param(lambda data: data[:-3], id="too short"),
        pytest.param(lambda data: data + b"0", id="too long"),
        pytest.param(
            lambda data: data[:4] + np.array([2**30, 2**30], "<i4").tobytes(), id="absurd size"
        ),
        pytest.param(
            lambda data: data[:4] + np.array([-7, -5], "<i4").tobytes() + data[12:], id="negative"
        ),
        pytest.param(None, id="no file"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, change: Callable[[bytes], bytes] | None) -> None:
    write_damaged(tmp_path / "a.flo", change)
    with pytest.raises(MediaError) as error:
        read_flo(tmp_path / "a.flo")
    assert error.value.where == str(tmp_path / "a.flo")


# --- Folders


def test_flow_is_taken_from_its_files(tmp_path: Path) -> None:
    write_flo(tmp_path / "backward_12_11.flo", constant_flow(-3, 2))
    write_flo(tmp_path / "forward_00011_00012.flo", constant_flow(9, 9))
    flow = FlowFolder(tmp_path)(*make_frame_pair())
    assert np.array_equal(flow.backward, constant_flow(-3, 2))
    assert np.array_equal(flow.forward, constant_flow(9, 9))
    assert confidence_of(flow).max() == 0, "it does not lead back"


def test_the_flow_of_one_direction_is_enough(tmp_path: Path) -> None:
    before, here = make_frame_pair()
    write_flo(tmp_path / "backward_12_11.flo", constant_flow(-3, 2))
    flow = FlowFolder(tmp_path)(before, here)
    confidence = confidence_of(flow)
    assert confidence[INNER].min() > 0.95
    assert confidence[:, 126:].max() > 0.9
    assert confidence[:, :3].max() == 0
    np.testing.assert_allclose(flow.forward[INNER], constant_flow(3, -2)[INNER])
    back = FlowFolder(tmp_path)(here, before)
    assert np.array_equal(back.backward, flow.forward), "a clip played backwards has it, too"


def test_backward_flow_is_derived_from_forward_flow(tmp_path: Path) -> None:
    write_flo(tmp_path / "forward_11_12.flo", constant_flow(3, -2))
    flow = FlowFolder(tmp_path)(*make_frame_pair())
    np.testing.assert_allclose(flow.backward[INNER], constant_flow(-3, 2)[INNER])


def test_a_file_of_another_size_is_resized_where_its_aspect_agrees(tmp_path: Path) -> None:
    path = tmp_path / "backward_12_11.flo"
    write_flo(path, constant_flow(-1.5, 1, 48, 64))
    flow = FlowFolder(tmp_path)(*make_frame_pair())
    np.testing.assert_allclose(flow.backward, constant_flow(-3, 2), atol=1e-5)
    write_flo(path, constant_flow(-1.5, 1, 64, 64))
    with pytest.raises(MediaError, match=r"64x64.*128x96") as error:
        FlowFolder(tmp_path)(*make_frame_pair())
    assert error.value.where == str(path)


def test_unknown_flow_is_not_believed(tmp_path: Path) -> None:
    stored = constant_flow(-3, 2)
    stored[40:60, 50:80] = 1.6e9
    stored[70, 70] = np.nan
    write_flo(tmp_path / "backward_12_11.flo", stored)
    assert np.isnan(read_flo(tmp_path / "backward_12_11.flo")[40:60, 50:80]).all()
    flow = FlowFolder(tmp_path)(*make_frame_pair())
    assert np.isfinite(flow.backward).all()
    confidence = confidence_of(flow)
    assert confidence[40:60, 50:80].max() == confidence[70, 70] == 0
    assert confidence[10:30, 10:-10].min() > 0.95


def test_a_folder_that_is_not_there_or_holds_no_flow_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path / "none", tmp_path):
        with pytest.raises(SettingsError) as error:
            FlowFolder(folder)
        assert error.value.setting == "flow_dir"
        assert error.value.value == str(folder)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    write_flo(tmp_path / "backward_12_11.flo", constant_flow(-3, 2))
    with pytest.raises(MediaError) as error:
        FlowFolder(tmp_path)(*make_frame_pair(12))
    assert error.value.where == str(tmp_path / "backward_13_12.flo")


@pytest.mark.parametrize("index", [-1, 40], ids=["over a flash", "from a loop's end"])
def test_frames_that_do_not_follow_each_other_are_estimated(tmp_path: Path, index: int) -> None:
    write_flo(tmp_path / "backward_12_11.flo", constant_flow(50, 50))
    before, here = make_frame_pair()
    flow = FlowFolder(tmp_path)(Frame(index, Fraction(0), before.picture), here)
    np.testing.assert_allclose(np.median(flow.backward, axis=(0, 1)), (-3, 2), atol=0.2)


def test_what_was_hidden_is_found_from_backward_flow_alone() -> None:
    """A square moves 8 to the right over still ground, which is said to be still, too."""
    ground, square = make_texture(96, 128, 1), make_texture(32, 32, 2)
    before, here = ground.copy(), ground.copy()
    before[30:62, 40:72] = here[30:62, 48:80] = square
    backward = constant_flow(0, 0)
    backward[30:62, 48:80, 0] = -8
    hidden = np.zeros((96, 128), bool)
    hidden[30:62, 40:48] = True
    confidence = confidence_of(FlowPair(backward, invert_flow(backward, before, here)))
    seen = ~cv2.dilate(hidden.astype(np.uint8), np.ones((9, 9))).astype(bool)
    assert confidence[hidden].mean() < 0.2
    assert confidence[seen].mean() > 0.97


def test_the_command_takes_flow_from_a_folder(
    tmp_path: Path, cli: Callable[..., CommandResult]
) -> None:
    film = make_film(tmp_path / "film.mp4", frames=4)
    small = ("--octaves", "1", "--iterations", "1", "--layer", "conv2/3x3", "--start", "1")
    (tmp_path / "flow").mkdir()
    write_flo(tmp_path / "flow" / "backward_2_1.flo", constant_flow(0, 0, 48, 64))
    line = ("video", film, tmp_path / "d.mp4", *small, "--flow-dir", tmp_path / "flow")
    run = cli(*line)
    assert run.code == 1
    assert "backward_3_2.flo" in run.err
    assert not (tmp_path / "d.mp4").exists()
    write_flo(tmp_path / "flow" / "backward_3_2.flo", constant_flow(0, 0, 48, 64))
    assert cli(*line).code == 0
    other = cli("video", film, tmp_path / "f.mp4", *small, "--flow", "farneback")
    assert other.code == 0, other.err
    assert cli("video", film, tmp_path / "g.mp4", *small, "--flow", "magic").code == 1
