"""The studio in a real browser: nothing from elsewhere, no errors, other sites' pages refused."""

from __future__ import annotations

import http.server
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from conftest import PATIENCE_S, make_film

pytest.importorskip("nicegui", reason="the studio's library, NiceGUI, is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
MARKUP = "<img src=x onerror=document.title='hacked'>.mp4"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a studio that runs, its token included."""
    desk = tmp_path_factory.mktemp("studio")
    film = make_film(desk / "film.mp4", frames=6)
    make_film(desk / MARKUP, frames=2)
    words = ["studio", str(film), "--no-browser", "--threads", "1"]
    environment = os.environ | {"DREAMFLOW_HOME": str(desk / "home")}
    (desk / "home" / "studio").mkdir(parents=True)
    halted = '{"renders": [], "is_paused": true}'  # no test waits for a film
    (desk / "home" / "studio" / "queue.json").write_text(halted)
    process = subprocess.Popen(
        [sys.executable, "-m", "dreamflow", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        text=True,
    )
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.send_signal(signal.SIGINT)
    process.wait()
    process.stdout.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def context(browser: Any) -> Iterator[Any]:
    made = browser.new_context(viewport={"width": 1440, "height": 900})
    made.set_default_timeout(1000 * PATIENCE_S)
    yield made
    made.close()


def test_from_the_wall_to_a_look(context: Any, address: str) -> None:
    page = context.new_page()
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    page.wait_for_selector(".tile-picture img[src]")
    assert "token" not in page.url
    page.click(".tile:has(.tile-name:text-is('fur'))")
    page.wait_for_selector(".viewer .after[src]")
    page.keyboard.press("1")
    page.wait_for_selector(f".file:has-text('{MARKUP[:20]}')")
    assert page.title() != "hacked"
    page.keyboard.press("3")
    page.wait_for_selector(".panel", state="visible")
    for width in (390, 1440, 3840):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    outlines: list[str] = []
    for _ in range(12):
        page.keyboard.press("Tab")
        outlines += page.evaluate(
            "[...document.querySelectorAll('button:focus')].map((e) => getComputedStyle(e).outline)"
        )
    assert outlines
    assert not [one for one in outlines if "2px" not in one], "a focus that is not seen"
    host = urlsplit(address).netloc
    schemes = {"http", "ws"}
    outside = [u for u in requests if urlsplit(u).scheme in schemes and urlsplit(u).netloc != host]
    assert not outside
    assert not complaints


def test_a_matte_is_painted(context: Any, address: str) -> None:
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector(".tile", state="attached")
    page.click(".tab:has-text('Tune')")
    page.wait_for_selector(".viewer .after[src]", state="visible")
    page.keyboard.press("a")  # what was clicked does not keep the keys
    page.wait_for_selector(".painter canvas", state="visible")
    box = page.locator(".painter canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.5, steps=5)
    page.mouse.up()
    page.keyboard.press("c")
    page.wait_for_selector(".outside .command:has-text('--matte')")
    shades = page.evaluate(
        """() => {
          const canvas = document.querySelector(".painter canvas");
          return [0.1, 0.45, 0.9].map((share) => canvas.getContext("2d").getImageData(
            canvas.width * share, canvas.height / 2, 1, 1).data[0]);
        }"""
    )
    assert shades == [0, 255, 0]


def test_a_film_is_dragged_before_another(context: Any, address: str) -> None:
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector(".tile", state="attached")
    page.click(".tab:has-text('Render')")
    names = page.locator(".render-name")
    for number in range(3):
        page.fill("input[aria-label='Film']", f"f{number}.mp4")
        page.click(".main-action:has-text('Render'):visible")
        page.wait_for_selector(f".render-name:text-is('f{number}.mp4')")
    page.set_viewport_size({"width": 1440, "height": 1600})
    last, first = (page.locator(".grip").nth(n).bounding_box() for n in (2, 0))
    page.mouse.move(last["x"] + 5, last["y"] + 30)
    page.mouse.down()
    page.mouse.move(first["x"] + 5, first["y"] + 20, steps=6)
    page.mouse.up()
    page.wait_for_function("document.querySelector('.render-name').textContent == 'f2.mp4'")
    page.keyboard.press("ArrowDown")  # the grip has the focus, wherever its card is
    page.wait_for_function("document.querySelector('.render-name').textContent == 'f0.mp4'")
    page.keyboard.press("ArrowDown")
    page.wait_for_function("document.querySelectorAll('.render-name')[2].textContent == 'f2.mp4'")
    assert names.all_text_contents() == ["f0.mp4", "f1.mp4", "f2.mp4"]


def test_a_page_of_another_port_is_refused(context: Any, address: str, tmp_path: Path) -> None:
    mine = context.new_page()
    mine.goto(address)
    host = urlsplit(address).netloc
    (tmp_path / "index.html").write_text("<title>another program's page</title>")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(tmp_path))

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        page = context.new_page()  # with the studio's cookie
        seen: list[int] = []
        page.on(
            "response",
            lambda answer: seen.append(answer.status) if host in answer.url else None,
        )
        page.goto(f"http://127.0.0.1:{other.server_port}/")
        outcome = page.evaluate(
            """async (host) => {
              const tried = [];
              for (const options of [{}, { method: "POST" }])
                await fetch(`http://${host}/`, { mode: "no-cors", credentials: "include",
                  ...options }).then(() => tried.push("sent"), () => tried.push("failed"));
              tried.push(await new Promise((done) => {
                const socket = new WebSocket(
                  `ws://${host}/_nicegui_ws/socket.io/?EIO=4&transport=websocket`);
                socket.onopen = () => done("open");
                socket.onerror = () => done("refused");
              }));
              return tried;
            }""",
            host,
        )
        other.shutdown()
    assert outcome[-1] == "refused"
    assert seen == [403, 403]


def test_without_the_token_nothing_is_shown(browser: Any, address: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    bare = re.sub(r"\?.*", "", address)
    for path in ("", "pictures/x", "_nicegui/x", "?token=wrong"):
        answer = page.goto(f"{bare}{path}")
        assert answer is not None
        assert answer.status == 403
    context.close()
