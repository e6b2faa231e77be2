"""What is released: a version from the tags, a complete sdist, a wheel that PyPI takes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from conftest import REPO_ROOT

GIT = shutil.which("git")
BUILT = (
    "dreamflow",
    "presets",
    "samples",
    "docs",
    "integrations",
    "notebooks",
    "containers",
    "tests",
    ".ci",
)
BUILT_FILES = ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md")
MORE_FILES = ("SECURITY.md", "mkdocs.yml", "hatch_build.py", ".dockerignore")


def run(*words: str | Path, folder: Path) -> str:
    line = [str(word) for word in words]
    return subprocess.run(line, cwd=folder, check=True, capture_output=True, text=True).stdout


def git(*words: str, folder: Path) -> None:
    who = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    run(str(GIT), *who, *words, folder=folder)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder with what the version is made of."""
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(REPO_ROOT / name, tmp_path / name)
    return tmp_path


def version_of(folder: Path) -> str:
    line = (sys.executable, "-m", "hatchling", "metadata", "version")
    return run(*line, folder=folder).strip()


@pytest.mark.skipif(GIT is None, reason="no git: versions come from its tags")
def test_the_version_is_that_of_the_tag(checkout: Path) -> None:
    git("init", "-q", folder=checkout)
    git("add", ".", folder=checkout)
    git("commit", "-q", "-m", "One", folder=checkout)
    assert ".dev1+g" in version_of(checkout), "a clone without tags"
    git("tag", "v3.4.0", folder=checkout)
    assert version_of(checkout) == "3.4.0"
    git("commit", "-q", "--allow-empty", "-m", "Two", folder=checkout)
    assert version_of(checkout).startswith("3.4.1.dev1+g")


def test_a_source_without_history_has_a_version(checkout: Path) -> None:
    assert version_of(checkout)


def metadata_of(folder: Path) -> Any:
    return json.loads(run(sys.executable, "-m", "hatchling", "metadata", folder=folder))


def test_the_links_of_a_release_lead_to_its_tag(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme = (REPO_ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("GITHUB_REPOSITORY", "GITHUB_REF_NAME", "GITHUB_SERVER_URL"):
        monkeypatch.delenv(name, raising=False)
    assert metadata_of(checkout)["readme"]["text"] == readme
    monkeypatch.setenv("GITHUB_REPOSITORY", "someone/dreamflow")
    monkeypatch.setenv("GITHUB_REF_NAME", "v3.4.0")
    released = metadata_of(checkout)
    address = "https://github.com/someone/dreamflow"
    links = re.findall(r"(!?)\[[^\]]*\]\(([^)]+)\)", released["readme"]["text"])
    assert len(links) == len(re.findall(r"\]\(", readme))
    for mark, link in links:
        place = f"{address}/{'raw' if mark else 'blob'}/v3.4.0/"
        assert link.startswith(place)
        assert (REPO_ROOT / link.removeprefix(place)).is_file(), link
    assert released["urls"]["Repository"] == address


def test_sdist_and_wheel_are_complete(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", "*.job")
    for name in BUILT:
        shutil.copytree(REPO_ROOT / name, source / name, ignore=ignored)
    for name in (*BUILT_FILES, *MORE_FILES):
        shutil.copy(REPO_ROOT / name, source / name)
    # The wheel is built from the sdist, as an installer of the sdist builds it.
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", tmp_path, folder=source)
    (wheel,), (sdist,) = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")
    version = sdist.name.removeprefix("dreamflow-").removesuffix(".tar.gz")
    assert wheel.name == f"dreamflow-{version}-py3-none-any.whl"
    run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist, folder=tmp_path)
    run(sys.executable, "-m", "check_wheel_contents", wheel, folder=tmp_path)
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = set(archive.namelist())
    needed = ("samples/valley.mp4", "docs/pictures/moving.webp", ".ci/constraints.txt")
    for name in (*BUILT_FILES, *MORE_FILES, *needed):
        assert name in inside, name
    package = {
        path.relative_to(REPO_ROOT).as_posix()
        for path in (REPO_ROOT / "dreamflow").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    presets = {
        f"dreamflow/shipped_presets/{path.name}" for path in REPO_ROOT.glob("presets/*.toml")
    }
    assert package | presets <= in_wheel
    assert {name.partition("/")[0] for name in in_wheel - package - presets} == {
        f"dreamflow-{version}.dist-info"
    }


@pytest.mark.parametrize("name", ["Dockerfile.cpu", "Dockerfile.cuda"])
def test_a_container_has_no_rights_and_keeps_weights_outside(name: str) -> None:
    text = (REPO_ROOT / "containers" / name).read_text(encoding="utf-8")
    last = [line.split()[1] for line in text.splitlines() if line.startswith("USER ")][-1]
    assert last not in ("root", "0")
    assert 'VOLUME ["/weights"]' in text
    assert "HEALTHCHECK" in text
    if hadolint := shutil.which("hadolint"):
        run(hadolint, REPO_ROOT / "containers" / name, folder=REPO_ROOT)
