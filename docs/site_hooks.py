"""What the site adds to the pages: those that lie outside docs/, and options that do not break."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

OUTSIDE_PAGES = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
    "dreamflow/networks/shipped/pocket.md": "pocket.md",
}
"""Pages by their path in the repository, and where they are in the site."""
TEXT_PATTERN = re.compile(r">([^<>]+)<")
"""What lies between the tags of a page."""
OPTION_PATTERN = re.compile(r"(?<![\w-])--[a-z][\w-]*")
LINK_PATTERN = re.compile(r"(?<=\]\()(?!\w+:)([^)#\s]+)(?=[)#])")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside docs/."""
    root = Path(config.config_file_path).parent
    for source, target in OUTSIDE_PAGES.items():
        text = (root / source).read_text(encoding="utf-8")
        files.append(File.generated(config, target, content=turn_links(text, source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn a page's links to files outside docs/ to the site's pages of them."""
    if page.file.src_uri in OUTSIDE_PAGES.values():
        return markdown
    return turn_links(markdown, f"docs/{page.file.src_uri}")


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Mark options, which browsers would break behind a hyphen, for the style sheet."""
    return TEXT_PATTERN.sub(lambda found: f">{mark_options(found[1])}<", html)


def mark_options(text: str) -> str:
    """Return a text of HTML with each `--option` in an element of its own."""
    return OPTION_PATTERN.sub(r'<span class="option">\g<0></span>', text)


def turn_links(text: str, source: str) -> str:
    """Return a page's text with its links as they are in the site.

    Args:
        text: The page, in Markdown.
        source: Its path in the repository.
    """

    def turn(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[1]))
        if target in OUTSIDE_PAGES:
            return OUTSIDE_PAGES[target]
        return target.removeprefix("docs/") if target.startswith("docs/") else match[1]

    return LINK_PATTERN.sub(turn, text)
