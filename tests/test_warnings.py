"""Every warning is of a kind with a code of its own, for programs that drive DreamFlow."""

from __future__ import annotations

import ast
import json
import re
import wave
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import REPO_ROOT, SAMPLE_CLIP, CommandResult, make_texture
from PIL import Image

from dreamflow.core import errors
from dreamflow.core.errors import DreamFlowWarning
from dreamflow.media.stills.write import write_picture

KINDS = {kind.__name__: kind.code for kind in DreamFlowWarning.__subclasses__()}
QUICK = ("--size", "48", "--iterations", "0", "--threads", "1")


def raised_kinds() -> list[tuple[str, str]]:
    """Return (place, category) of every warning in the package; one that is handed on has none."""
    found: list[tuple[str, str]] = []
    for path in (REPO_ROOT / "dreamflow").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if "warnings.warn(" in text else ():
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "warnings.warn":
                is_handed_on = [ast.unparse(argument) for argument in node.args] == ["warning"]
                if not is_handed_on:
                    found.append((f"{path.name}:{node.lineno}", ast.unparse(node.args[1])))
    return found


def test_every_warning_is_of_a_kind_and_every_kind_is_used() -> None:
    raised = raised_kinds()
    assert {kind for _, kind in raised} == set(KINDS), [w for w in raised if w[1] not in KINDS]


def test_every_code_is_documented_and_belongs_to_one_kind() -> None:
    page = (REPO_ROOT / "docs" / "programs.md").read_text(encoding="utf-8")
    table = page.partition("code of a warning")[2].partition("\n## ")[0]
    documented = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert sorted(documented) == sorted(KINDS.values())
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = [kind.code for kind in kinds if issubclass(kind, errors.DreamFlowError)]
    assert len(set(codes)) == len(codes)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder, with sources of which something is lost or changed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DREAMFLOW_REPORT", "json")
    Image.new("RGBA", (64, 48), (200, 100, 50, 128)).save("clear.png")
    for folder, numbers in (("swing", range(4)), ("gap", (1, 2, 4)), ("short", range(2))):
        (tmp_path / folder).mkdir()
        for number in numbers:
            write_picture(Path(folder, f"f_{number:04}.png"), make_texture(48, 64, number))
    Path("odd").mkdir()
    write_picture(Path("odd", "f_1.png"), make_texture(25, 33))
    with wave.open("silent.wav", "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16000))
    Path("broken.toml").write_text("octaves = [")
    Path("queue.toml").write_text('[[render]]\nsource = "none.mp4"\nout = "none_dream.mp4"\n')
    Path("old.mp4.job").mkdir()
    Path("old.mp4.job", "job.json").write_text("{")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "codes"),
    [
        (("frame", "clear.png", "d.jpg", *QUICK), {"converted_source"}),
        (("video", "gap", "d.mp4", *QUICK), {"damaged_source"}),
        (("video", "odd", "d.mp4", *QUICK[2:]), {"converted_output"}),
        (("video", SAMPLE_CLIP, "d.gif", "--end", "2", *QUICK), {"left_out"}),
        (("video", "swing", "d.mp4", "--matte", "short", *QUICK), {"short_source"}),
        (("video", "swing", "d.mp4", "--bpm", "90", *QUICK), {"ineffective_setting"}),
        (("listen", "silent.wav"), {"silent_source"}),
        (("video", "swing", "d.mp4", "--loop", *QUICK), {"loop_seam"}),
        (("batch", "queue.toml"), {"skipped_item"}),
        (("jobs", "list", "."), {"damaged_job"}),
        (("measure", "swing", "short", *QUICK[:2]), {"measurement"}),
        (
            ("video", SAMPLE_CLIP, "d.mp4", "--strength", "0.5 + 0.5 * sin(2*pi*6*t)", *QUICK),
            {"flashing"},
        ),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, set) else "",
)
def test_a_host_is_told_the_kind_of_a_warning(
    words: tuple[str, ...], codes: set[str], desk: Path, cli: Callable[..., CommandResult]
) -> None:
    events = [json.loads(line) for line in cli(*words).err.splitlines()]
    warned = [event for event in events if event["event"] == "warning"]
    assert codes <= {event["code"] for event in warned}, events
    assert all(event["message"] for event in warned)
