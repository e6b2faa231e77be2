"""Documents from strangers: job.json, records, presets and queues are refused in one line."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import CommandResult
from document_mutations import ODD_VALUES, mutations
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from job_rendering import SETTINGS, Rendering, edit_job_file

from dreamflow.core.errors import DreamFlowError, OutputError, SettingsError
from dreamflow.core.files.documents import DocumentError, parse_json
from dreamflow.core.text.path_text import path_from_text, path_to_text
from dreamflow.jobs.listing import finish_job, inspect_job, list_jobs_in
from dreamflow.jobs.queue import read_queue
from dreamflow.jobs.storage.job_file import write_job_file
from dreamflow.media.records.embedded_settings import format_record_comment, read_record
from dreamflow.media.stills.write import write_picture
from dreamflow.pipelines.settings.presets import load_preset, validate_settings
from dreamflow.temporal.control.gains_file import load_gains

Cli = Callable[..., CommandResult]
EXAMPLES = int(os.environ.get("DREAMFLOW_FUZZ_EXAMPLES", "12"))
MAX_SECONDS = float(os.environ.get("DREAMFLOW_FUZZ_SECONDS", "inf"))
"""Given by a campaign on a quiet machine: no example takes longer."""


@contextlib.contextmanager
def refused_in_time() -> Iterator[None]:
    """Let DreamFlow's own errors pass, and nothing else; fail where it takes too long."""
    started_s = time.monotonic()
    with contextlib.suppress(DreamFlowError):
        yield
    assert time.monotonic() - started_s < MAX_SECONDS


FUZZ = settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, noise_network: Any) -> Path:
    """A job of 9 frames of more, without sound."""
    folder = tmp_path_factory.mktemp("job")
    return Rendering(folder, noise_network).interrupt("d.mp4", SETTINGS)


@FUZZ
@given(data=st.data(), sealed=st.booleans())
def test_a_mutated_job_file_is_refused_or_harmless(
    data: st.DataObject, sealed: bool, job: Path
) -> None:
    """Whoever mutates it may know how it is sealed."""
    original = (job / "job.json").read_bytes()
    document = data.draw(mutations(json.loads(original)))

    def exchange(metadata: dict[str, Any]) -> None:
        metadata.clear()
        metadata.update(document)

    try:
        if sealed:
            edit_job_file(job, exchange)
        else:
            (job / "job.json").write_text(json.dumps(document))
        with refused_in_time():
            inspect_job(job).status  # noqa: B018
        with refused_in_time():
            finish_job(job, job.with_name("look.mp4"), overwrite=True)
    finally:
        (job / "job.json").write_bytes(original)


@FUZZ
@given(content=st.binary(max_size=200), place=st.floats(0, 1), how=st.sampled_from("cri"))
def test_a_job_file_of_any_bytes_is_refused(
    content: bytes, place: float, how: str, job: Path
) -> None:
    original = (job / "job.json").read_bytes()
    cut = int(place * len(original))
    mutated = {
        "c": original[:cut],
        "r": original[:cut] + content + original[cut + len(content) :],
        "i": original[:cut] + content + original[cut:],
    }[how]
    try:
        (job / "job.json").write_bytes(mutated)
        with refused_in_time():
            assert inspect_job(job).frames == 9
            # Blanks between values mean nothing.
            assert json.loads(mutated) == json.loads(original)
    finally:
        (job / "job.json").write_bytes(original)


WITHOUT: dict[str, Callable[[dict[str, Any]], object]] = {
    "the machine": lambda job: job.pop("machine"),
    "the command line": lambda job: job.pop("command"),
    "the record's command": lambda job: job["record"].pop("command"),
    "the settings": lambda job: job["record"].pop("settings"),
    "the network": lambda job: job["record"].pop("network"),
    "the network's name": lambda job: job["record"]["network"].pop("name"),
    "the input files": lambda job: job.pop("input_files"),
    "the inputs": lambda job: job.pop("inputs"),
}


@pytest.mark.parametrize("what", WITHOUT)
def test_a_job_without_a_part_of_its_file_resumes_or_is_refused(
    what: str, render: Rendering
) -> None:
    job = render.interrupt("d.mp4", at=3)
    metadata = json.loads((job / "job.json").read_text(encoding="utf-8"))
    WITHOUT[what](metadata)
    write_job_file(job, metadata)
    with contextlib.suppress(DreamFlowError):
        render("d.mp4")


NESTED = {
    "lists": b"[" * 100_000 + b"]" * 100_000,
    "objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "digits": b'{"job": ' + b"9" * 1_000_000 + b"}",
    "NaN": b'{"job": NaN}',
    "infinity": b'{"job": 1e999}',
    "no UTF-8": b'{"job": "\xff"}',
    "a BOM": b"\xef\xbb\xbf{}",
    "nothing": b"",
    "a long key": b'{"' + b"k" * 20_000 + b'": 1}',
}


@pytest.mark.parametrize("kind", NESTED)
def test_one_bad_job_does_not_hide_the_others(kind: str, render: Rendering, cli: Cli) -> None:
    render.interrupt("d.mp4", at=3)
    bad = render.folder / "a.mp4.job"
    bad.mkdir()
    (bad / "job.json").write_bytes(NESTED[kind])
    with pytest.raises(OutputError):
        inspect_job(bad)
    with pytest.warns(match=r"a\.mp4\.job"):
        assert [job.folder.name for job in list_jobs_in(render.folder)] == ["d.mp4.job"]
    run = cli("jobs", "show", bad)
    assert run.code == 1
    assert "fault" not in run.err
    assert len(run.err.strip().splitlines()) == 1
    assert cli("jobs", "remove", bad).code == 0
    assert not bad.exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names")
def test_a_pipe_in_place_of_a_job_file_is_not_waited_for(render: Rendering) -> None:
    bad = render.folder / "a.mp4.job"
    bad.mkdir()
    os.mkfifo(bad / "job.json")
    with pytest.raises(OutputError):
        inspect_job(bad)


@pytest.mark.parametrize(
    "words",
    [
        ["rm", "-rf", "/"],
        ["dreamflow", "jobs", "remove", "/home"],
        ["dreamflow"],
        ["dreamflow", "video", "a\x1b]0;x\x07", "b.mp4"],
        ["dreamflow", "video; rm -rf /", "a", "b"],
    ],
)
def test_jobs_show_prints_only_dreamflows_commands(
    words: list[str], render: Rendering, cli: Cli
) -> None:
    job = render.interrupt("d.mp4", at=3)
    edit_job_file(job, lambda m: m["command"].update(words=words))
    run = cli("jobs", "show", job)
    assert run.code == 0
    assert "to go on" not in run.out
    assert "rm " not in run.out
    assert "\x1b" not in run.out


RECORD = {
    "dreamflow": "0.1.0",
    "command": "video",
    "settings": {"layer": ["conv2/3x3"], "step": 1.5, "size": "64", "loop": False, "matte": None},
    "network": {"name": "googlenet", "weights_sha256": "00"},
    "source": "a.mp4",
    "threads": 2,
    "inputs": {"clip": "ab"},
    "asked": {"layer": ["conv2/3x3"]},
}


@FUZZ
@given(document=mutations(RECORD))
def test_a_mutated_record_is_refused_or_has_its_types(
    document: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("record")
    write_picture(folder / "a.png", np.zeros((4, 4, 3), np.uint8), format_record_comment(document))
    (folder / "b.json").write_text(json.dumps(document))
    for output in (folder / "a.png", folder / "b.json"):
        with refused_in_time():
            record = read_record(output)
            assert isinstance(record.get("settings", {}), dict)
            assert isinstance(record.get("network", {}), dict)
            validate_settings(record.get("settings", {}), "it")


TOML_TEXTS = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "a = " + "[" * 9_000,
            "a." * 9_000 + "b = 1",
            "step = 1e400",
            "step = nan",
            "seed = " + "9" * 5000,
            "seed = " + "9" * 300,
            "step = 1979-05-27",
            "size = '" + "9" * 5000 + "'",
            "start = '" + "9" * 5000 + "'",
            "end = '1:" + "9" * 5000 + "'",
            "layer = [1, 2]",
            "iterations = '" + "1+" * 5000 + "1'",
            "description = 3",
            "x" * 20_000 + " = 1",
            "render = 3",
            "[[render]]\nsource = 1\nout = []",
            "[[render]]\nsource = 'a'\nout = 'b'\ncommand = {}",
            "[[render]]\nsource = 'a'\nout = 'b'\npreset = 7",
            "defaults = []",
            "age_time = 1e400",
            "age_time = " + "9" * 400,
        ]
    ),
    st.builds(
        lambda name, value: f"{name} = {json.dumps(value)}",
        st.sampled_from(("step", "seed", "layer", "size", "start", "quality", "cuts", "loop")),
        ODD_VALUES,
    ),
)


@FUZZ
@given(text=TOML_TEXTS)
def test_presets_gains_and_queues_of_any_text_are_refused_in_time(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("toml") / "a.toml"
    path.write_text(text, errors="replace")
    with refused_in_time():
        load_preset(str(path))
    with refused_in_time():
        load_gains(path)
    with refused_in_time():
        read_queue(path)


def test_a_setting_of_too_many_digits_is_refused() -> None:
    for value in (10**400, "9" * 400, "9" * 5000):
        with pytest.raises(SettingsError) as refused:
            validate_settings({"seed": value}, "it")
        assert len(str(refused.value)) < 1000


@pytest.mark.parametrize("read", [load_gains, read_queue, lambda path: load_preset(str(path))])
def test_a_message_does_not_grow_with_a_key(read: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("x" * 20_000 + " = 1")
    with pytest.raises(SettingsError) as refused:
        read(path)
    assert len(str(refused.value)) < 5_000


def test_documents_are_bounded() -> None:
    assert parse_json(b'{"a": [1, 2.5, "x", null, true]}') == {"a": [1, 2.5, "x", None, True]}
    for content in NESTED.values():
        with pytest.raises(DocumentError):
            parse_json(content)


@given(name=st.binary(min_size=1, max_size=30))
def test_a_path_of_any_name_survives_a_document(name: bytes) -> None:
    path = Path("/a") / os.fsdecode(name.replace(b"/", b"").replace(b"\0", b"") or b"x")
    text = path_to_text(path)
    assert path_from_text(json.loads(json.dumps(text).encode())) == path
    text.encode()


def test_an_output_whose_name_is_not_utf8_is_a_job_like_any(render: Rendering) -> None:
    name = os.fsdecode(b"d\xff.mp4")
    try:
        (render.folder / name).touch()
    except OSError:
        pytest.skip("this file system has no such names")
    (render.folder / name).unlink()
    job = render.interrupt(name, at=9)
    assert inspect_job(job).output_path == render.folder / name
    out, frames = finish_job(job)
    assert (out, frames) == (render.folder / name, 9)
    assert out.exists()
    assert not job.exists()
