"""The table of docs/options.md is the one that `dreamflow options` prints, and is complete.

After a change of an option, write it anew: python tests/test_reference.py
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import pytest
import typer.main
from conftest import CommandResult

from dreamflow.cli import app
from dreamflow.cli.commands.options import build_option_sections, sections_to_markdown
from dreamflow.cli.registry import load_commands
from dreamflow.core.errors import SettingsError
from dreamflow.core.options.declaration import Options, flag_of

REPO_ROOT = Path(__file__).parent.parent
PAGE = REPO_ROOT / "docs" / "options.md"
TABLE_PATTERN = re.compile(r"(?<=<!-- options -->\n).*?(?=<!-- /options -->)", re.DOTALL)
OWN_FLAGS = {"--size", "--at", "--layer", "--network", "--fps"}
"""Flags of settings that some commands declare as an option of their own: --size of `frame`."""


def reference_table() -> str:
    return f"{sections_to_markdown(build_option_sections())}\n"


def option_classes(base: type[Options] = Options) -> Iterator[type[Options]]:
    """Yield all classes of settings in the package."""
    for group in base.__subclasses__():
        if group.__module__.startswith("dreamflow."):
            yield group
            yield from option_classes(group)


def declared_flags() -> set[str]:
    return {flag_of(setting.name) for group in option_classes() for setting in fields(group)}  # type: ignore[arg-type]


def test_the_page_holds_the_table() -> None:
    tables = TABLE_PATTERN.findall(PAGE.read_text(encoding="utf-8"))
    assert tables == [reference_table()], "run: python tests/test_reference.py"


def test_every_declared_setting_is_in_the_table() -> None:
    rows = [row for section in build_option_sections() for row in section.rows]
    assert {row.flag.partition(",")[0] for row in rows} == declared_flags()


@pytest.mark.parametrize("name", ["video", "sweep", "zoom", "frame", "guide", "measure"])
def test_a_command_has_the_options_that_the_table_lists(name: str) -> None:
    listed = {
        flag
        for section in build_option_sections(name)
        for row in section.rows
        for flag in row.flag.split(", ")
    }
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    shown = [one for one in command.params if not getattr(one, "hidden", False)]
    taken = {flag for one in shown for flag in (*one.opts, *one.secondary_opts)}
    assert listed <= taken
    assert taken & declared_flags() - listed <= OWN_FLAGS


def test_a_row_says_all_about_a_setting() -> None:
    rows = {row.flag: row for section in build_option_sections("video") for row in section.rows}
    assert rows["--step"].values == "above 0, to 64"
    assert rows["--step"].default == "1.5"
    assert rows["--step"].schedulable
    assert not rows["--seed"].schedulable
    assert rows["--gradient"].values == "auto, plain, smooth, laplacian"
    assert rows["--carry, --no-carry"].default == "on"
    assert rows["--loop, --no-loop"].absent_from == ("sweep", "tune")


def test_an_unknown_command_has_no_table() -> None:
    with pytest.raises(SettingsError) as refusal:
        build_option_sections("vidoe")
    assert refusal.value.setting == "command"
    assert refusal.value.allowed is not None
    assert "video" in refusal.value.allowed


def test_the_command_prints_the_table(cli: Callable[..., CommandResult]) -> None:
    zoom = cli("options", "--command", "zoom").out
    assert "--steadiness" in zoom
    assert "--decay" not in zoom
    assert cli("options", "--markdown").out.strip() == reference_table().strip()


def test_every_file_of_commands_declares_one_command() -> None:
    declared = load_commands()
    folder = REPO_ROOT / "dreamflow" / "cli" / "commands"
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert {command.name for command in declared} == files
    assert set(typer.main.get_command(app).commands) == files  # type: ignore[attr-defined]
    places = [(command.section, command.position) for command in declared]
    assert len(set(places)) == len(places), "two commands share a place in the help"


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(TABLE_PATTERN.sub(lambda _: reference_table(), text), encoding="utf-8")
