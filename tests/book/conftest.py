"""The built site, and a browser that looks at it."""

from __future__ import annotations

import functools
import http.server
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from entropylab.book import places
from entropylab.book.site import STAMP

ROOT = places.checkout() or Path.cwd()
SITE = ROOT / "_build" / "html"
SOURCES = ("_config.yml", "_toc.yml", "chapters", "entropylab/book", "results")
CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)

# Text on its own background, for every element that holds text itself: the smallest contrast, by WCAG 2.
CONTRAST = """() => {
  const parse = (c) => (c.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const over = (top, under) => {
    const a = top.length > 3 ? top[3] : 1;
    return [0, 1, 2].map((i) => a * top[i] + (1 - a) * under[i]);
  };
  const ground = (e) => {
    const layers = [];
    for (let n = e; n; n = n.parentElement) layers.push(parse(getComputedStyle(n).backgroundColor));
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
  };
  const found = [];
  for (const e of document.querySelectorAll("article :is(p, li, td, th, dd, h1, h2, a)")) {
    if (!e.innerText?.trim() || e.offsetParent === null || e.closest("mjx-container")) continue;
    const back = ground(e), text = over(parse(getComputedStyle(e).color), back);
    const [hi, lo] = [light(text), light(back)].sort((a, b) => b - a);
    found.push([(hi + 0.05) / (lo + 0.05), e.tagName + ": " + e.innerText.slice(0, 40)]);
  }
  return found.sort((a, b) => a[0] - b[0])[0] || [21, ""];
}"""


def newest(path: Path) -> float:
    files = (
        [path]
        if path.is_file()
        else [f for f in path.rglob("*") if f.is_file() and "__pycache__" not in f.parts]
    )
    return max((file.stat().st_mtime for file in files), default=0.0)


@pytest.fixture(scope="session")
def site() -> Path:
    """The site at ``_build/html``; built now if it is missing or older than its sources."""
    stamp = SITE / STAMP
    if not stamp.is_file() or stamp.stat().st_mtime < max(newest(ROOT / source) for source in SOURCES):
        command = [sys.executable, "-m", "jupyter_book", "build", ".", "-W", "-n", "--keep-going"]
        build = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if build.returncode:
            pytest.fail(f"the book does not build:\n{build.stdout[-3000:]}\n{build.stderr[-3000:]}")
    return SITE


@dataclass
class Log:
    """What a page did that a reader should not see."""

    foreign: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)


@dataclass
class Look:
    """One page, seen in light and dark mode on a desktop, and on a phone."""

    log: Log
    contrast: dict[str, tuple[float, str]]
    theme: dict[str, str]
    sideways: tuple[int, int]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """Where a local server shows the site."""
    handler = functools.partial(_Quiet, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def chromium():
    """A headless browser: Debian's Chromium, or another of that name."""
    from playwright.sync_api import sync_playwright

    found = CHROMIUM if CHROMIUM.exists() else shutil.which("chromium")
    if not found:
        pytest.fail("no chromium found, and ENTROPYLAB_REQUIRE_BROWSER=1 asks for one")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(found), args=list(CHROMIUM_FLAGS))
        yield browser
        browser.close()


def open_logged(browser, address: str, name: str, width: int = 1280):
    """Open a page of the site in a context of its own; gives the context, the page and its log."""
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme="light")
    page, log = context.new_page(), Log()

    def note_request(request) -> None:
        if not request.url.startswith((address, "data:", "blob:")):
            log.foreign.append(request.url)

    def note_response(response) -> None:
        if response.status >= 400:
            log.failed.append(f"{response.status} {response.url}")

    page.on("request", note_request)
    page.on("response", note_response)
    page.on("requestfailed", lambda request: log.failed.append(request.url))
    page.on("console", lambda message: log.console.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: log.console.append(str(error)))
    page.goto(address + name, wait_until="load")
    return context, page, log


@pytest.fixture
def open_page(chromium, address: str):
    """``open_page(name, width=)`` opens a page of the site and gives it with its log."""
    contexts = []

    def visit(name: str, width: int = 1280):
        context, page, log = open_logged(chromium, address, name, width)
        contexts.append(context)
        return page, log

    yield visit
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def look(chromium, address: str):
    """``look(name)`` visits a page once: as it opens, in dark mode, and on a phone; gives what was seen."""
    seen: dict[str, Look] = {}

    def visit(name: str) -> Look:
        if name not in seen:
            context, page, log = open_logged(chromium, address, name)
            contrast = {"light": tuple(page.evaluate(CONTRAST))}
            theme = {"light": page.evaluate("document.documentElement.dataset.theme")}
            page.emulate_media(color_scheme="dark")
            # The theme fades from one scheme to the other.
            page.wait_for_timeout(400)
            contrast["dark"] = tuple(page.evaluate(CONTRAST))
            theme["dark"] = page.evaluate("document.documentElement.dataset.theme")
            page.set_viewport_size({"width": 390, "height": 844})
            page.mouse.wheel(0, 20_000)
            page.wait_for_timeout(200)
            page.evaluate("window.scrollTo(500, 0)")
            sideways = page.evaluate("[document.documentElement.scrollWidth, window.scrollX]")
            seen[name] = Look(log, contrast, theme, tuple(sideways))
            context.close()
        return seen[name]

    return visit
