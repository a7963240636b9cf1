"""The page, served by the program itself, and a browser that looks at it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from browsing import answer, free_port
from safetensors.torch import save_file
from toys import toy_vgg

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = Path("/usr/bin/chromium")
FAKE_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
PATIENCE = 120_000
"""Milliseconds that a test waits for what a busy machine may take long for."""


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a page with low limits, and with a folder of styles of its own."""
    pytest.importorskip("gradio")
    folder, port = tmp_path_factory.mktemp("served"), free_port()
    limits = ["--max-megabytes", "4", "--max-minutes", "0.5", "--max-megapixels", "2"]
    command = [sys.executable, "-m", "vidstyle", "web", "--port", str(port), *limits]
    scratch = folder / "scratch"
    scratch.mkdir()
    save_file(toy_vgg(64), folder / "vgg.safetensors")
    environment = {
        **os.environ,
        "VIDSTYLE_STYLES": str(folder / "styles"),
        "VIDSTYLE_VGG19": str(folder / "vgg.safetensors"),
        "TMPDIR": str(scratch),
    }
    server = subprocess.Popen(command, env=environment, cwd=folder)
    try:
        answer(url := f"http://127.0.0.1:{port}/")
        yield url
    finally:
        server.terminate()
        server.wait(30)
    assert server.returncode == 0
    assert not list(scratch.glob("vidstyle-web-*")), "temporary files are left"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's chromium, with a camera that shows a test picture."""
    api = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip(f"there is no browser at {CHROMIUM}")
    with api.sync_playwright() as playwright:
        yield playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", *FAKE_CAMERA]
        )


@pytest.fixture
def visit(browser: Browser, served: str) -> Iterator[Callable[..., Page]]:
    """Open the page as another visitor. At the end, nothing went wrong in any browser, and none
    asked another machine for anything."""
    problems: list[str] = []
    visitors: list[Any] = []

    def note(text: str) -> None:
        # A reload ends the connection, which Gradio's script complains about.
        if not any(word in text for word in ("BodyStreamBuffer", "Connection errored out")):
            problems.append(text)

    def watch(page: Page) -> None:
        page.on("console", lambda m: note(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda r: None if is_local(r.url) else problems.append(r.url))

    def open_page(**options: Any) -> Page:
        visitor = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        visitors.append(visitor)
        page = visitor.new_page()
        page.set_default_timeout(PATIENCE)
        watch(page)
        page.goto(served)
        page.wait_for_selector("#video-styles button img")
        return page

    yield open_page
    for visitor in visitors:
        visitor.close()
    assert problems == []


def is_local(url: str) -> bool:
    return urlsplit(url).hostname == "127.0.0.1" or url.startswith(("data:", "blob:"))
