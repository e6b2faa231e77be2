"""Job bundles: what a farm is told to run makes the film of one command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import CommandResult
from cut_film import SHOTS, make_cut_film
from job_rendering import FAST

openjd = pytest.importorskip("openjd.model")
Cli = Callable[..., CommandResult]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cut_film(tmp_path_factory.mktemp("farm"))


def read_template(bundle: Path) -> dict[str, Any]:
    return json.loads((bundle / "template.json").read_text())


def run_bundle(bundle: Path, cli: Cli) -> None:
    """Run the steps of a bundle as `openjd run` does, a task for each two shards."""
    template = read_template(bundle)
    values = {p["name"]: str(p["default"]) for p in template["parameterDefinitions"]}
    values["Settings"] = str(bundle / values["Settings"])
    for step in template["steps"]:
        action = step["script"]["actions"]["onRun"]
        assert action["command"] == "dreamflow"
        chunks = ["1-2", "3-4"] if "parameterSpace" in step else [""]
        for chunk in chunks:
            words = [word.replace("{{Task.Param.Shard}}", chunk) for word in action["args"]]
            for name, value in values.items():
                words = [word.replace(f"{{{{Param.{name}}}}}", value) for word in words]
            run = cli(*words)
            assert run.code == 0, run.err


@pytest.mark.parametrize("is_prepared", [True, False])
def test_a_bundle_makes_the_film_of_one_command(
    film: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, is_prepared: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    fast = (*FAST, "--threads", "1", "--strength", "0: 1, 100%: 0.5")
    assert cli("video", film, "one.mp4", *fast).code == 0
    assert cli("video", film, "farm.mp4", *fast, "--openjd", "bundle").code == 0
    if not is_prepared:
        assert cli("jobs", "remove", "farm.mp4.job").code == 0
    monkeypatch.chdir(film.parent)  # a farm runs it in a folder of its own
    run_bundle(tmp_path / "bundle", cli)
    assert (tmp_path / "farm.mp4").read_bytes() == (tmp_path / "one.mp4").read_bytes()


def test_a_bundle_makes_a_sweep(
    film: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    line = ("--layers", "conv1/7x7_s2,conv2/3x3", "--octaves", "1", "--iterations", "1")
    line += ("--size", "64", "--threads", "1")
    assert cli("sweep", film, "one.mp4", *line).code == 0
    assert cli("sweep", film, "farm.mp4", *line, "--openjd", "bundle").code == 0
    assert cli("jobs", "remove", "farm.mp4.job").code == 0
    run_bundle(tmp_path / "bundle", cli)
    assert (tmp_path / "farm.mp4").read_bytes() == (tmp_path / "one.mp4").read_bytes()


def test_a_bundle_is_a_template_of_the_specification(film: Path, tmp_path: Path, cli: Cli) -> None:
    run = cli("video", film, tmp_path / "farm.mp4", *FAST, "--openjd", tmp_path / "bundle")
    assert run.code == 0, run.err
    template = read_template(tmp_path / "bundle")
    openjd.decode_job_template(template=template, supported_extensions=["TASK_CHUNKING"])
    values = {p["name"]: p["default"] for p in template["parameterDefinitions"]}
    assert values["Shards"] == f"1-{SHOTS}"
    assert not (tmp_path / "farm.mp4").exists()
    assets = json.loads((tmp_path / "bundle" / "asset_references.json").read_text())
    assert assets["assetReferences"]["inputs"]["filenames"] == [str(film)]


def test_a_folder_of_other_files_does_not_become_a_bundle(
    film: Path, tmp_path: Path, cli: Cli
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "me.jpg").write_bytes(b"mine")
    run = cli("video", film, tmp_path / "farm.mp4", *FAST, "--openjd", tmp_path / "photos")
    assert run.code == 1
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["me.jpg"]
