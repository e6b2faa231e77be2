"""The site of docs/ builds without a warning, every link has a target, and nothing is loaded."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from conftest import REPO_ROOT
from mkdocs.commands.build import build
from mkdocs.config import load_config

LOADED = {("script", "src"), ("link", "href"), ("img", "src"), ("source", "src"), ("video", "src")}
"""What a browser fetches by itself."""
KINDS_OF_LINK = {"canonical", "next", "prev", "alternate", "edit"}
"""Links of a page's head that are no files to load."""


class Page(HTMLParser):
    """The addresses and anchors of a page of HTML."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.classes: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        self.classes |= set(values.get("class", "").split())
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif values.get("rel") not in KINDS_OF_LINK:
            self.loaded += [values[name] for kind, name in LOADED if kind == tag and name in values]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    # A warning ends a strict build.
    config = load_config(str(REPO_ROOT / "mkdocs.yml"), site_dir=str(folder), strict=True)
    config.plugins.on_startup(command="build", dirty=False)
    build(config)
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html")}


def test_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    assert len(pages) > 20
    for path, page in pages.items():
        for address in page.loaded:
            assert not urlsplit(address).netloc, (path.name, address)
        # The theme's script fetches mermaid where a page has such a diagram.
        assert "mermaid" not in page.classes, path.name
    for style in site.rglob("*.css"):
        assert "url(http" not in style.read_text(encoding="utf-8"), style.name


def test_every_link_has_a_target(site: Path, pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        if path.name == "404.html":  # its addresses are those of a server
            continue
        for address in [*page.links, *page.loaded]:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            assert target.is_relative_to(site), (path.name, address)
            assert target.is_file(), (path.name, address)
            anchor = unquote(parts.fragment)
            anchored = pages[target].anchors if target in pages else set[str]()
            assert not anchor or anchor.startswith("__") or anchor in anchored, address


def test_every_page_is_in_the_navigation() -> None:
    class Loader(yaml.SafeLoader):
        """Reads mkdocs.yml, whose tags name Python functions."""

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
    text = (REPO_ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = str(yaml.load(text, Loader)["nav"])
    for page in (REPO_ROOT / "docs").glob("*.md"):
        assert page.name in listed, f"{page.name} is missing in mkdocs.yml"
