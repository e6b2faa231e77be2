"""The page of the guide in a browser, where there is one: keys, search and the bar."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import PATIENCE_S, make_texture

from dreamflow.media.stills.write import write_picture
from dreamflow.networks.network import Network
from dreamflow.reports.guide.build import make_guide
from dreamflow.reports.options import GuideDreamOptions

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

DRIVER = """
<script>
addEventListener("load", () => {
  const seen = [];
  const bar = document.querySelector(".bar"), find = document.querySelector("#find");
  const key = (key) => (document.activeElement || document.body).dispatchEvent(
    new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  const search = (text) => {
    find.value = text;
    find.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const note = () => {
    const cards = [...document.querySelectorAll(".card")].filter((card) => !card.hidden);
    const first = cards[0]?.getBoundingClientRect(), edge = bar.getBoundingClientRect();
    const active = document.activeElement;
    seen.push({
      focus: active.closest(".card")?.dataset.name ?? active.tagName,
      shown: cards.map((card) => card.dataset.name),
      isFirstInView: !!first && first.top >= edge.bottom - 1 && first.top < innerHeight,
      bar: [edge.top, edge.height],
      parts: [...bar.querySelectorAll(".find, .kinds, .depth, .count")].map((part) => {
        const { left, top } = part.getBoundingClientRect();
        return [left, top - edge.top];
      }),
    });
  };
  STEPS
  const result = document.createElement("pre");
  result.id = "seen";
  result.textContent = JSON.stringify(seen);
  document.body.append(result);
});
</script>
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, noise_network: Network) -> Path:
    folder = tmp_path_factory.mktemp("guide")
    write_picture(folder / "p.png", make_texture(32, 48))
    fast = GuideDreamOptions(iterations=1, octaves=1)
    layers = [name for name in noise_network.layers if name.startswith(("conv", "pool", "inc"))]
    return make_guide(
        folder / "p.png", folder / "guide", noise_network, layers[:50], fast, size=None
    ).page_path


def see(page: Path, steps: str, size: str = "1100,700") -> list[dict[str, Any]]:
    """Return what the browser shows after each `note()` of some steps in JavaScript."""
    driven = page.with_name("driven.html")
    driver = DRIVER.replace("STEPS", steps)
    driven.write_text(page.read_text(encoding="utf-8").replace("</body>", f"{driver}</body>"))
    assert CHROMIUM
    done = subprocess.run(
        [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
            *(f"--window-size={size}", "--virtual-time-budget=3000", driven.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    found = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stdout[-2000:]
    return json.loads(html.unescape(found[1]))


def test_arrow_keys_work_before_anything_is_focused(page: Path) -> None:
    steps = """
      note();
      key("ArrowRight"); note();
      key("ArrowRight"); note();
      key("ArrowLeft"); note();
      document.activeElement.blur(); scrollTo(0, 900); key("ArrowDown"); note();
    """
    start, first, second, back, lower = see(page, steps)
    assert start["focus"] == "BODY"
    assert first["focus"] == first["shown"][0]
    assert second["focus"] == first["shown"][1]
    assert back["focus"] == first["focus"]
    assert lower["focus"] in first["shown"][2:], "the first picture in view"


SEARCHES: dict[str, set[str]] = {
    "eyes": {"inception_3a/output", "inception_3b/pool_proj"},
    "mummy": {"inception_3a/5x5"},
    "Leopard spots": {"inception_3b/3x3"},
    "conv2 tiles": {"conv2/norm2"},
    "conv2/3x3_reduce": {"conv2/3x3_reduce"},
    "zebra": set(),
}
"""Words, and the layers whose cards have them."""


def test_search_finds_the_words_on_the_cards(page: Path) -> None:
    steps = f"for (const text of {json.dumps(list(SEARCHES))}) {{ search(text); note(); }}"
    seen = see(page, f'{steps} search("coats"); note();')
    for (words, layers), found in zip(SEARCHES.items(), seen[:-1], strict=True):
        assert set(found["shown"]) == layers, words
    # What is said of a whole category, where no card says it.
    assert "inception_3b/3x3" in seen[-1]["shown"]
    assert "conv1/7x7_s2" not in seen[-1]["shown"]


@pytest.mark.parametrize("size", ["1100,700", "420,800"])
def test_results_come_into_view_and_the_bar_stays(page: Path, size: str) -> None:
    steps = """
      scrollTo(0, 100000); find.focus({ preventScroll: true });
      for (const text of ["e", "eye", "eyes", "eye", "", "mummy", "zebra", "pool"]) {
        search(text);
        note();
      }
    """
    seen = see(page, steps, size)
    for found in seen:
        assert found["isFirstInView"] or not found["shown"], found["shown"][:3]
    assert len({tuple(found["bar"]) for found in seen}) == 1
    assert len({json.dumps(found["parts"]) for found in seen}) == 1


def test_results_below_the_top_of_the_page_come_into_view(page: Path) -> None:
    (found,) = see(page, 'search("inception_4"); note();', "500,500")
    assert found["isFirstInView"]
