"""What is printed cannot control the terminal, and names that are not UTF-8 are only names."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import REPO_ROOT, SAMPLE_STILL, CommandResult, make_film
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dreamflow.cli.output.escaping import EscapingStream, escape_line, escape_text
from dreamflow.media.records.embedded_settings import read_record

Cli = Callable[..., CommandResult]
EVIL = "a\x1b[31m\x1b]0;title\x07\nerror: b\r\u202e\u2066\x9b1m\u2028\x7f"
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
SGR = re.compile(r"\x1b\[[0-9;]*m|\x1b\[\?25[lh]|\x1b\[\d*[AK]|\x1b\[2K|\r")
"""Rich's own sequences: colours, the cursor, and cleared lines."""


def find_controls(text: str, allowed: str = "\n") -> set[str]:
    return {
        character
        for character in text
        if character not in allowed
        and (unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in BIDI)
    }


@given(st.text() | st.text(st.characters(categories=["Cc", "Cs", "Cf", "Zl", "Zp"])))
def test_no_text_controls_the_terminal(text: str) -> None:
    assert not find_controls(escape_line(text), allowed="")
    assert not find_controls(escape_text(text), allowed="\n\t")
    escape_line(text).encode()


@given(st.text(st.characters(categories=["L", "M", "N", "P", "S", "Zs"])))
def test_words_of_all_languages_stay(text: str) -> None:
    assert escape_line(text) == text


def test_a_byte_that_is_not_utf8_is_shown_as_such() -> None:
    assert escape_line(os.fsdecode(b"caf\xe9.mp4")) == r"caf\xe9.mp4"


def test_a_stream_escapes_what_is_written(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w", encoding="utf-8", newline="") as file:
        print(EVIL, file=EscapingStream(file))
        EscapingStream(file).writelines([EVIL])
    written = (tmp_path / "out").read_text(encoding="utf-8")
    assert not find_controls(written)


@pytest.mark.parametrize(
    "arguments",
    [
        ("jobs", "remove", EVIL),
        ("video", EVIL, "out.mp4"),
        ("video", "in.mp4", "out.mp4", "--" + EVIL),
        ("video", "in.mp4", "out.mp4", "--preset", EVIL),
        ("video", "in.mp4", "out.mp4", "--layer", EVIL),
        ("video", "in.mp4", "out.mp4", "--like", EVIL),
        ("video", "in.mp4", "out.mp4", "--cuts", EVIL),
        ("layers", "--network", EVIL),
        ("models", "pull", "places365", "--mirror", EVIL),
    ],
)
def test_errors_are_one_line_without_controls(cli: Cli, arguments: tuple[str, ...]) -> None:
    run = cli(*arguments)
    assert run.code
    assert len(run.err.splitlines()) == 1
    assert not find_controls(run.err + run.out)


def test_keys_and_values_of_presets_are_escaped(cli: Cli, tmp_path: Path) -> None:
    preset = tmp_path / "a.toml"
    preset.write_text('description = "\\u001b[2J\\u202e"\n"\\u001b[31mkey" = 1\n')
    assert not find_controls(cli("video", "a.mp4", "b.mp4", "--preset", preset).err)
    preset.write_text('description = "\\u001b[2J\\u202e"\nlayer = "\\u001b[31m"\n')
    run = cli("video", "a.mp4", "b.mp4", "--preset", preset)
    assert not find_controls(run.err + run.out)
    preset.write_text("description = '''\x7f\u202e'''\n", encoding="utf-8")
    run = cli("presets", "show", preset)
    assert not find_controls(run.err + run.out)


def run_dreamflow(*arguments: str, cwd: Path, **environment: str) -> tuple[int, str, str]:
    """Run the command line as a process, its arguments as bytes of the system's encoding."""
    run = subprocess.run(
        [sys.executable, "-m", "dreamflow", *map(os.fsencode, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(REPO_ROOT), **environment},
        capture_output=True,
    )
    return run.returncode, run.stdout.decode(), run.stderr.decode()


@pytest.mark.skipif(os.name == "nt", reason="names are not bytes")
def test_a_film_whose_name_is_no_text_is_dreamed(tmp_path: Path) -> None:
    name, out = os.fsdecode(b"caf\xe9\x1b[31m.mp4"), os.fsdecode(b"out\xe9\x1b[31m.mp4")
    make_film(tmp_path / "film.mp4", frames=2, size="32x32").rename(tmp_path / name)
    options = ("--network", "pocket", "--iterations", "0", "--size", "32", "--threads", "1")
    bar = ("--progress", "bar")
    runs = [
        run_dreamflow("video", name, out, *options, cwd=tmp_path, PYTHONIOENCODING="ascii"),
        run_dreamflow("video", name, "b.mp4", "--like", out, *bar, cwd=tmp_path, FORCE_COLOR="1"),
    ]
    for code, printed, errors in runs:
        assert code == 0, errors
        assert not find_controls(SGR.sub("", printed + errors))
    assert read_record(tmp_path / out)["settings"]["size"] == "32"
    assert "\x1b[2K" in runs[1][2], "the progress bar clears its line"
    assert "\\x1b[2K" not in runs[1][2]


@pytest.mark.skipif(os.name == "nt", reason="names are not bytes")
def test_pictures_and_cuts_whose_names_are_no_text(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    picture, film = os.fsdecode(b"m\xe9.jpg"), os.fsdecode(b"f\n\xe9.mp4")
    (tmp_path / picture).write_bytes(SAMPLE_STILL.read_bytes())
    make_film(tmp_path / "film.mp4", frames=2, size="32x32").rename(tmp_path / film)
    options = ("--network", "pocket", "--iterations", "0", "--size", "32", "--threads", "1")
    out = os.fsdecode(b"o\xe9.png")
    assert cli("frame", picture, out, *options).code == 0
    assert read_record(tmp_path / out)["settings"]["size"] == "32"
    run = cli("shots", film, os.fsdecode(b"c\xe9.txt"))
    assert run.code == 0, run.err


def test_a_traceback_is_escaped(tmp_path: Path) -> None:
    code, printed, errors = run_dreamflow("video", EVIL, "out.mp4", "--debug", cwd=tmp_path)
    assert code == 1
    assert "Traceback" in errors
    assert not find_controls(printed + errors)


@pytest.mark.skipif(os.name == "nt", reason="names are not bytes")
def test_settings_that_name_files_whose_names_are_no_text_are_kept(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_film(tmp_path / "film.mp4", frames=2, size="32x32")
    matte, gains = os.fsdecode(b"m\xe9.png"), os.fsdecode(b"g\xe9.toml")
    Image.new("L", (32, 32), 255).save(tmp_path / matte)
    (tmp_path / gains).write_text("", encoding="utf-8")
    options = ("--network", "pocket", "--iterations", "0", "--size", "32", "--threads", "1")
    files = ("--matte", matte, "--gains", gains)
    run = cli("video", "film.mp4", "o.mp4", *options, *files)
    assert run.code == 0, run.err
    assert read_record(tmp_path / "o.mp4")["settings"]["size"] == "32"
