"""The guide to the layers: its folder, which is complete at any time, and its offline page."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from conftest import PATIENCE_S, SAMPLE_CLIP, SAMPLE_STILL, CommandResult, make_texture, psnr
from torch import Tensor

import dreamflow
from dreamflow.core.errors import DreamFlowWarning, SettingsError
from dreamflow.media.stills.read import read_picture
from dreamflow.media.stills.write import write_picture
from dreamflow.networks.caffe import googlenet
from dreamflow.networks.network import Layer, Network
from dreamflow.reports.guide.build import make_guide
from dreamflow.reports.guide.folder import GuideFolder
from dreamflow.reports.guide.page import (
    CATEGORY_DESCRIPTIONS,
    LAYER_DESCRIPTIONS,
    LayerEntry,
    group_by_category,
)
from dreamflow.reports.options import GuideDreamOptions

Cli = Callable[..., CommandResult]
FAST = GuideDreamOptions(iterations=1, octaves=1)
QUICK = ("--octaves", "1", "--iterations", "1", "--size", "64")
NOISE = ("--network", "googlenet")

LAYERS_2015: dict[str, tuple[str, ...]] = {
    "contour and texture": (
        *("conv1/7x7_s2", "pool1/3x3_s2", "pool1/norm1", "conv2/3x3_reduce", "conv2/3x3"),
        *("conv2/norm2", "inception_3a/1x1", "inception_3a/5x5", "inception_3a/pool_proj"),
        *("inception_3b/5x5", "inception_3b/5x5_reduce"),
    ),
    "swirls and fur": (
        *("inception_4c/1x1", "inception_3b/3x3", "inception_3a/output"),
        "inception_3b/pool_proj",
    ),
    "cellular structures": ("inception_3a/3x3_reduce",),
    "deeper dreams": (
        *("inception_4b/pool", "inception_4c/output", "inception_4d/output"),
        *("inception_4e/output", "inception_5a/output", "inception_5b/output"),
    ),
}
"""Layers of the 2015 guide, each under its category there."""


class Page(HTMLParser):
    """The links, tags and commands of a page, and the cards under each heading."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.cards: dict[str, dict[str, str | None]] = {}
        self.commands: list[str] = []
        self._in_command = False
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name in ("src", "href") and value]
        assert not {"srcset", "data", "poster", "action", "style"} & set(found), found
        if tag == "li":
            assert found["data-name"]
            self.cards[found["data-name"]] = found
        if tag == "code":
            self._in_command = True
            self.commands.append("")

    def handle_endtag(self, tag: str) -> None:
        self._in_command = self._in_command and tag != "code"

    def handle_data(self, data: str) -> None:
        if self._in_command:
            self.commands[-1] += data


def make_entries(layers: Iterable[Layer]) -> list[LayerEntry]:
    return [LayerEntry(layer, "", "", "") for layer in layers]


def small_picture(folder: Path, name: str = "portrait.png", side: int = 64) -> Path:
    write_picture(folder / name, make_texture(side, side + 16))
    return folder / name


def test_layers_of_the_2015_guide_are_under_its_categories() -> None:
    layers = googlenet.describe_googlenet_layers()
    sections = {
        section.title: {entry.layer.name for entry in section.entries}
        for section in group_by_category(make_entries(layers.values()))
    }
    assert list(sections) == list(LAYERS_2015) == list(CATEGORY_DESCRIPTIONS)
    for category, names in LAYERS_2015.items():
        assert set(names) <= sections[category]
    assert sum(map(len, sections.values())) == 81
    assert set(LAYER_DESCRIPTIONS) <= set(layers)


def test_layers_without_categories_are_grouped_by_depth() -> None:
    plain = [
        replace(layer, category="") for layer in googlenet.describe_googlenet_layers().values()
    ]
    sections = group_by_category(make_entries(plain))
    titles = [section.title for section in sections]
    assert titles == ["shallow layers", "middle layers", "deep layers"]
    depths = [{entry.layer.depth for entry in section.entries} for section in sections]
    assert max(depths[0]) < min(depths[1])
    assert max(depths[1]) < min(depths[2])
    assert sum(len(section.entries) for section in sections) == 81
    (single,) = group_by_category(make_entries(plain[:1]))
    assert len(single.entries) == 1


def test_page_shows_all_layers_and_loads_nothing_from_outside(
    tmp_path: Path, noise_network: Network
) -> None:
    source = small_picture(tmp_path)
    guide = make_guide(source, tmp_path / "guide", noise_network, options=FAST, size=None)
    assert guide.done_layers == list(noise_network.layers)
    assert not guide.failure_by_layer
    page = Page(guide.page_path)
    sections = group_by_category(make_entries(noise_network.layers.values()))
    assert list(page.cards) == [
        entry.layer.name for section in sections for entry in section.entries
    ]
    for name, card in page.cards.items():
        assert card["data-kind"] == googlenet.find_layer_category(name)
    local = {link for link in page.links if link != "data:,"}
    assert len(local) == 2 * 82
    for link in local:
        assert (guide.folder / link).resolve().is_relative_to(guide.folder.resolve()), link
        assert (guide.folder / link).is_file(), link
    assert not {"iframe", "object", "embed", "video", "base"} & page.tags
    for way_out in ("http:", "https:", "//fonts", "url(", "@import", "fetch("):
        assert way_out not in page.text, way_out
    files = {path.name for path in guide.folder.iterdir()}
    assert files == {"index.html", "settings.json", "pictures", "thumbnails"}


def test_done_layers_are_skipped_and_other_layers_added(
    tmp_path: Path, noise_network: Network
) -> None:
    source, out = small_picture(tmp_path), tmp_path / "guide"
    steps: list[int] = []
    make_guide(source, out, noise_network, ["conv2/3x3"], FAST)
    first = {path: path.stat().st_mtime_ns for path in out.glob("pictures/0[1-9]_*")}
    guide = make_guide(source, out, noise_network, ["conv2/3x3"], FAST, progress=steps.append)
    assert guide.new_layers == []
    assert guide.done_layers == ["conv2/3x3"]
    assert steps == [1]
    guide = make_guide(source, out, noise_network, ["pool1/norm1"], FAST)
    assert guide.new_layers == ["pool1/norm1"]
    assert guide.layers == ("pool1/norm1", "conv2/3x3")
    assert list(Page(guide.page_path).cards) == ["pool1/norm1", "conv2/3x3"]
    (lost,) = out.glob("pictures/*conv2-3x3.jpg")
    assert {lost: lost.stat().st_mtime_ns} == first
    lost.unlink()
    assert make_guide(source, out, noise_network, ["conv2/3x3"], FAST).new_layers == ["conv2/3x3"]


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"options": replace(FAST, iterations=2)}, r"iterations 2 \(it was 1\)"),
        ({"options": replace(FAST, seed=3)}, r"seed 3 \(it was 0\)"),
        ({"size": "32"}, r"size 32 \(it was 48\)"),
    ],
)
def test_changed_settings_are_named_and_refused(
    tmp_path: Path, noise_network: Network, changes: dict, difference: str
) -> None:
    source, out = small_picture(tmp_path), tmp_path / "guide"
    plain = {"options": FAST, "size": "48", "layers": ["conv2/3x3", "conv1/7x7_s2"]}
    guide = make_guide(source, out, noise_network, **plain)
    before = guide.page_path.read_bytes()
    with pytest.raises(SettingsError, match=difference) as error:
        make_guide(source, out, noise_network, **{**plain, **changes})
    assert error.value.setting == "overwrite"
    assert guide.page_path.read_bytes() == before
    fewer = {**plain, **changes, "layers": ["conv2/3x3"], "overwrite": True}
    assert make_guide(source, out, noise_network, **fewer).done_layers == ["conv2/3x3"]
    assert len(list(out.glob("pictures/*"))) == len(list(out.glob("thumbnails/*"))) == 2


def test_changed_picture_is_refused(tmp_path: Path, noise_network: Network) -> None:
    source, out = small_picture(tmp_path), tmp_path / "guide"
    make_guide(source, out, noise_network, ["conv2/3x3"], FAST)
    write_picture(source, make_texture(64, 80, seed=1))
    with pytest.raises(SettingsError, match=r"portrait\.png has changed"):
        make_guide(source, out, noise_network, ["conv2/3x3"], FAST)
    other = small_picture(tmp_path, "other.png", 48)
    with pytest.raises(SettingsError, match=r"the picture is other\.png \(it was portrait\.png\)"):
        make_guide(other, out, noise_network, ["conv2/3x3"], FAST)


def test_failed_layers_do_not_stop_the_others(tmp_path: Path, cli: Cli) -> None:
    source = small_picture(tmp_path, side=24)
    run = cli("guide", source, tmp_path / "guide", *NOISE, *QUICK, "--size", "40x24")
    page = Page(tmp_path / "guide" / "index.html")
    pictures = [link for link in page.links if link.startswith("pictures/")]
    deep = [name for name, x in googlenet.describe_googlenet_layers().items() if x.smallest > 24]
    assert run.code == 1
    assert f"64 of 81 layers, {len(deep)} failed" in run.out
    (warning,) = run.err.strip().splitlines()
    assert warning.startswith("warning: 17 layers failed: pool4/3x3_s2, inception_5a/1x1, ")
    assert "and 14 more" in warning
    assert "40x24" in warning
    assert len(deep) == 17
    assert len(page.cards) == 81
    assert len(set(pictures)) == 64 + 1
    assert page.text.count("This layer failed") == 17


def test_reason_of_a_failed_layer_is_shown_and_it_is_tried_again(
    tmp_path: Path, noise_network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = noise_network.compute

    def run_out_of_memory(image: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
        if "conv2/3x3" in names:
            raise RuntimeError("out of <memory>")
        return compute(image, names)

    source, out = small_picture(tmp_path), tmp_path / "guide"
    two = ["conv2/3x3", "conv2/norm2"]
    with monkeypatch.context() as patch:
        patch.setattr(noise_network, "compute", run_out_of_memory)
        with pytest.warns(DreamFlowWarning, match="conv2/3x3: out of <memory>"):
            guide = make_guide(source, out, noise_network, two, FAST)
    assert guide.failure_by_layer == {"conv2/3x3": "out of <memory>"}
    assert guide.done_layers == ["conv2/norm2"]
    assert "out of &lt;memory&gt;" in Page(guide.page_path).text
    guide = make_guide(source, out, noise_network, two, FAST)
    assert guide.new_layers == ["conv2/3x3"]
    assert not guide.failure_by_layer


def test_file_names_are_escaped(tmp_path: Path, noise_network: Network) -> None:
    name = "<img src=x onerror=alert(1)>\"&'.png"
    source = small_picture(tmp_path, name)
    guide = make_guide(source, tmp_path / "guide", noise_network, ["conv2/3x3"], FAST)
    page = Page(guide.page_path)
    assert name not in page.text
    assert "x" not in page.links
    words = shlex.split(page.commands[0])
    assert words[:3] == ["dreamflow", "frame", source.name]


@pytest.mark.parametrize("source", [SAMPLE_STILL, SAMPLE_CLIP])
def test_command_on_the_page_reproduces_the_picture(
    tmp_path: Path, cli: Cli, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures: dict[str, np.ndarray] = {}
    add_layer = GuideFolder.add_layer

    def record_picture(self, guide, layer, picture, failure):  # type: ignore[no-untyped-def]
        pictures[layer] = picture
        add_layer(self, guide, layer, picture, failure)

    monkeypatch.setattr(GuideFolder, "add_layer", record_picture)
    monkeypatch.chdir(tmp_path)
    at = ("--at", "1s") if source == SAMPLE_CLIP else ()
    source = Path(shutil.copy(source, tmp_path))
    layers = ("--layers", "conv2/3x3,inception_3a/output", "--octaves", "2", "--step", "2.25")
    assert cli("guide", source, "guide", *layers, *NOISE, "--size", "96", *at).code == 0
    page = Page(tmp_path / "guide" / "index.html")
    commands = [shlex.split(text) for text in page.commands if text]
    assert len(commands) == 2
    for words in commands:
        assert words[0] == "dreamflow"
        assert "--iterations" in words
        assert ("--at" in words) == bool(at)
        run = cli(*words[1:])
        assert run.code == 0, run
        layer = words[words.index("--layer") + 1]
        assert np.array_equal(read_picture(tmp_path / words[3]), pictures[layer])
    (jpeg,) = (tmp_path / "guide").glob("pictures/*inception_3a-output.jpg")
    assert psnr(read_picture(jpeg), pictures["inception_3a/output"]) > 30
    # The picture itself holds its settings, too.
    assert cli("frame", source, "like.png", "--like-all", jpeg, *at).code == 0
    assert np.array_equal(read_picture(tmp_path / "like.png"), pictures["inception_3a/output"])


def test_layers_are_chosen_by_name_list_and_category(tmp_path: Path, cli: Cli) -> None:
    def chosen(name: str, *options: str) -> list[str]:
        run = cli("guide", SAMPLE_STILL, tmp_path / name, *NOISE, *QUICK, *options)
        assert (run.code, run.err) == (0, "")
        return list(Page(tmp_path / name / "index.html").cards)

    assert chosen("a", "--category", "cell") == [
        *("inception_3a/3x3_reduce", "inception_3a/3x3", "inception_3b/pool")
    ]
    both = ("--layers", "conv2/3x3, conv2/norm2", "--layer", "conv1/7x7_s2")
    assert chosen("b", *both) == ["conv1/7x7_s2", "conv2/3x3", "conv2/norm2"]
    # A preset sets how strongly is dreamed, not on which layer.
    assert len(chosen("c", "--preset", "fur", "--category", "cell")) == 3


def test_sheet_shows_all_layers_and_is_redrawn(tmp_path: Path, cli: Cli) -> None:
    guide, sheet = tmp_path / "guide", tmp_path / "s.png"
    line = ("guide", SAMPLE_STILL, guide, *NOISE, *QUICK, "--sheet", sheet)
    assert cli(*line, "--layers", "conv2/3x3").code == 0
    one = read_picture(tmp_path / "s.png").size
    assert cli(*line, "--layers", "conv2/norm2,pool1/norm1").code == 0
    assert read_picture(tmp_path / "s.png").size > one
    write_picture(tmp_path / "s.png", make_texture(64, 64))
    run = cli(*line)
    assert run.code == 1
    assert "s.png exists already" in run.err


def test_bad_input_is_refused_in_one_line_and_changes_nothing(tmp_path: Path, cli: Cli) -> None:
    source = small_picture(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    (tmp_path / "film").mkdir()
    (tmp_path / "film" / "settings.json").write_text('{"dreamflow": "1", "command": "video"}')
    out = tmp_path / "guide"
    cases: dict[str, tuple[list[object], str]] = {
        "other files": (
            [source, tmp_path / "mine", "--overwrite"],
            "letter.txt",
        ),
        "frames": ([source, tmp_path / "film", "--overwrite"], "film"),
        "a file": ([source, source], "portrait.png"),
        "a page": ([source, tmp_path / "guide.html"], "guide.html"),
        "no folder": ([source, tmp_path / "no" / "guide"], "/no "),
        "no source": ([tmp_path / "no.png", out], "no.png"),
        "unknown layer": ([source, out, "--layers", "conv2/3x3,conv2/3x4"], "conv2/3x4"),
        "a weight": ([source, out, "--layer", "conv2/3x3=2"], "conv2/3x3=2"),
        "no category": ([source, out, "--category", "cats"], "cats"),
        "no iterations": ([source, out, "--iterations", "0"], "--iterations"),
        "no sheet": ([source, out, "--sheet", tmp_path / "s.pdf"], "s.pdf"),
    }
    before = sorted(path.name for path in tmp_path.rglob("*"))
    for case, (arguments, culprit) in cases.items():
        run = cli("guide", *arguments)
        (line,) = run.err.strip().splitlines()
        assert (run.code, run.out) == (1, ""), (case, run)
        assert line.startswith("error: "), case
        assert culprit in line, (case, line)
        assert sorted(path.name for path in tmp_path.rglob("*")) == before, case


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_interrupted_guide_is_continued_by_the_same_command(
    tmp_path: Path, noise_home: Path, cli: Cli
) -> None:
    line = ("guide", str(SAMPLE_STILL), str(tmp_path / "guide"), "--size", "160", "--threads", "1")
    process = subprocess.Popen(
        [sys.executable, "-m", "dreamflow", *line],
        env={**os.environ, "DREAMFLOW_HOME": str(noise_home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    pictures = tmp_path / "guide" / "pictures"
    while not pictures.is_dir() or len(list(pictures.glob("0[1-9]_*.jpg"))) < 3:
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert out == ""
    (message,) = err.strip().splitlines()
    page = Page(tmp_path / "guide" / "index.html")
    done = len(list(pictures.glob("*.jpg"))) - 1
    assert done >= 3
    assert message.startswith(f"stopped; {done} of 65 layers are in ")
    assert page.text.count("not dreamed yet") == 65 - done
    run = cli(*line, "--category", "contour")
    assert run.code == 0
    assert "of 65 layers" not in run.out
    assert not list((tmp_path / "guide").rglob("*.part*"))


def test_guide_is_made_from_python(tmp_path: Path, noise_network: Network) -> None:
    guide = dreamflow.make_guide(
        SAMPLE_CLIP, tmp_path / "guide", noise_network, ["conv1/7x7_s2"], FAST, at="2", size="64"
    )
    assert guide.page_path.is_file()
    assert guide.done_layers == ["conv1/7x7_s2"]
    assert "frame 2<" in guide.page_path.read_text(encoding="utf-8")
