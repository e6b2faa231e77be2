"""What a build adds to the metadata: README as PyPI shows it, and the project's addresses.

PyPI shows README without the files beside it. Where GitHub builds a release, the links of README
lead to the repository at the release's tag; elsewhere they stay as they are.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

RELATIVE_LINK = re.compile(r"(!?)\[([^\[\]]*)\]\((?![a-z]+:|#)([^)\s]+)\)")


class ReadmeHook(MetadataHookInterface):
    """Sets `readme`, and `urls` where the repository's address is known."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the fields to the metadata of the project."""
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        name, tag = os.environ.get("GITHUB_REPOSITORY"), os.environ.get("GITHUB_REF_NAME")
        if name and tag:
            server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
            address = f"{server}/{name}"
            metadata["urls"] = {
                "Repository": address,
                "Documentation": f"{address}/blob/{tag}/docs/index.md",
                "Changelog": f"{address}/blob/{tag}/CHANGELOG.md",
            }
            text = make_links_absolute(text, address, tag)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


def make_links_absolute(text: str, address: str, tag: str) -> str:
    """Return a Markdown text whose relative links and pictures are those of a tag."""

    def replace(link: re.Match[str]) -> str:
        mark, words, path = link.groups()
        kind = "raw" if mark else "blob"
        return f"{mark}[{words}]({address}/{kind}/{tag}/{path})"

    return RELATIVE_LINK.sub(replace, text)
