"""What a visitor of the web page brings, presses and gets, by Playwright."""

from __future__ import annotations

import shlex
import socket
import struct
import time
import urllib.request
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from clips import Sound, write_clip

if TYPE_CHECKING:
    from playwright.sync_api import Page

Visit = Callable[..., "Page"]


def moving(index: int, width: int, height: int) -> np.ndarray:
    """A disc that crosses a gradient."""
    y, x = np.mgrid[:height, :width]
    image = np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], axis=2)
    image[(x - 3 * index % width) ** 2 + (y - height // 2) ** 2 < (height // 4) ** 2] = 230
    return image.astype(np.uint8)


def clip(path: Path, frames: int = 24, size: tuple[int, int] = (160, 96)) -> Path:
    sound = Sound(seconds=frames / 24)
    return write_clip(path, ticks=tuple(range(frames)), size=size, image=moving, sounds=[sound])


def bring(page: Page, path: Path) -> None:
    """Upload a clip, and wait until it is shown."""
    page.set_input_files("#video-upload input[type=file]", path)
    page.wait_for_selector("#video-upload video")
    shown = page.locator("#video-command textarea")
    page.wait_for_function(
        "([box, name]) => box.value.includes(name)", arg=[shown.element_handle(), path.name]
    )


def command(page: Page, box: str = "#video-command") -> list[str]:
    """The command line that the page shows."""
    return shlex.split(page.locator(f"{box} textarea").input_value())


def download(page: Page, button: str, folder: Path) -> Path:
    """Press a button that gives a file, and say where it was put."""
    with page.expect_download() as saved:
        page.click(button)
    path = folder / saved.value.suggested_filename
    saved.value.save_as(path)
    return path


def wait_for_share(page: Page, percent: int) -> None:
    """Wait until so much of a job is done."""
    page.wait_for_function(
        "least => document.querySelector('.vs-work [role=progressbar]')?.ariaValueNow >= least",
        arg=percent,
    )


def count_frames(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answer(url: str, seconds: float = 90) -> None:
    """Wait until a page answers."""
    until = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            assert time.monotonic() < until, f"{url} does not answer"
            time.sleep(0.2)


def huge_png(path: Path, width: int = 20_000, height: int = 10_000) -> Path:
    """A file of a few bytes that claims to be a picture of 200 megapixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", len(header) - 4) + header + struct.pack(">I", zlib.crc32(header))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)
    return path
