"""Makes the pictures of ``docs/web.md`` with a browser.

    python docs/screenshots.py http://127.0.0.1:7860

The page has to be served by ``vidstyle web`` already. It needs Playwright and Debian's chromium.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

from vidstyle.image import write_image

HERE = Path(__file__).parent
CHROMIUM = "/usr/bin/chromium"
DESK = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


def opened(browser: Browser, url: str, scheme: str, size: dict[str, int]) -> Page:
    """The page, once its styles are shown."""
    page = browser.new_page(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(url)
    page.wait_for_selector("#video-styles button img")
    page.wait_for_timeout(1000)
    return page


def shoot(page: Page, name: str) -> None:
    """What is seen of a page, as a file beside this one."""
    data = np.frombuffer(page.screenshot(), np.uint8)
    write_image(HERE / f"{name}.jpg", cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), quality=78)


def main(url: str) -> None:
    """All pictures."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = opened(browser, url, "light", DESK)
        page.locator("#video-styles button").nth(1).click()
        page.wait_for_timeout(2000)
        shoot(page, "web-video")
        page = opened(browser, url, "dark", DESK)
        page.locator("#video-styles button").nth(4).click()
        page.get_by_label("Draft").check()
        page.wait_for_timeout(1000)
        page.click("#video-start")
        page.wait_for_function(
            "document.querySelector('.vs-work [role=progressbar]')?.ariaValueNow >= 40"
        )
        shoot(page, "web-working")
        page.click("#video-cancel")
        shoot(opened(browser, url, "dark", PHONE), "web-phone")


if __name__ == "__main__":
    main(sys.argv[1])
