"""The README's table of options is what `dreamflow options` prints, and that is all there is.

After a change of an option: python tests/test_reference.py
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
import typer.main

from dreamflow.cli import app
from dreamflow.cli.commands.options_table import build_option_sections, sections_to_markdown
from dreamflow.cli.option_groups import ALL_OPTION_GROUPS
from dreamflow.core.errors import SettingsError
from dreamflow.core.options.declaration import Options, flag_of

README = Path(__file__).parent.parent / "README.md"
MARKED = re.compile(r"(?<=<!-- options -->\n).*?(?=<!-- /options -->)", re.DOTALL)


def test_the_readme_holds_the_table() -> None:
    found = MARKED.findall(README.read_text(encoding="utf-8"))
    assert found == [f"{sections_to_markdown(build_option_sections())}\n"], (
        "run: python tests/test_reference.py"
    )


def derived(group: type[Options]) -> list[type[Options]]:
    here = [one for one in group.__subclasses__() if one.__module__.startswith("dreamflow.")]
    return here + [deeper for one in here for deeper in derived(one)]


def test_every_group_and_every_setting_is_in_the_table() -> None:
    assert set(ALL_OPTION_GROUPS) == set(derived(Options))
    listed = {
        row.flag.partition(",")[0] for section in build_option_sections() for row in section.rows
    }
    declared = {flag_of(setting.name) for group in ALL_OPTION_GROUPS for setting in fields(group)}  # type: ignore[arg-type]
    assert listed == declared


@pytest.mark.parametrize("name", ["video", "sweep", "zoom", "frame", "guide", "measure"])
def test_a_command_has_the_options_that_the_table_says(name: str) -> None:
    listed = {
        flag
        for section in build_option_sections(name)
        for row in section.rows
        for flag in row.flag.split(", ")
    }
    root = typer.main.get_command(app)
    command = root.commands[name]  # type: ignore[attr-defined]
    taken = {flag for one in command.params for flag in (*one.opts, *one.secondary_opts)}
    declared = {flag_of(setting.name) for group in ALL_OPTION_GROUPS for setting in fields(group)}  # type: ignore[arg-type]
    assert listed <= taken
    # Some commands declare a flag of the same name by themselves: --size of `frame`.
    assert taken & declared - listed <= {"--size", "--at", "--layer", "--network", "--fps"}


def test_a_setting_is_told_in_full() -> None:
    rows = {row.flag: row for section in build_option_sections("video") for row in section.rows}
    assert rows["--step"].values == "above 0, to 64" and rows["--step"].default == "1.5"
    assert rows["--step"].schedulable and not rows["--seed"].schedulable
    assert rows["--gradient"].values == "plain, smooth, laplacian"
    assert rows["--carry, --no-carry"].default == "on"
    assert rows["--loop, --no-loop"].absent_from == ("sweep",)
    with pytest.raises(SettingsError, match="no such command"):
        build_option_sections("vidoe")


def test_the_command_prints_it(cli: Callable[..., object]) -> None:
    shown = cli("options", "--command", "zoom")
    assert "--steadiness" in shown.out and "--decay" not in shown.out  # type: ignore[attr-defined]
    assert cli("options", "--markdown").out.rstrip() == sections_to_markdown(
        build_option_sections()
    )  # type: ignore[attr-defined]


if __name__ == "__main__":
    text = README.read_text(encoding="utf-8")
    README.write_text(
        MARKED.sub(lambda _: f"{sections_to_markdown(build_option_sections())}\n", text),
        encoding="utf-8",
    )
