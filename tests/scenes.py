"""Work for each command that goes on for a while, in processes of their own."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

from clips import Recipe, Sound, write_clip
from programs import start
from toys import toy_photo, write_photos, write_toy, write_vgg

from vidstyle.image import write_image

Arguments = list[str | Path]
DRAWN = ["--device", "cpu", "--precision", "fp32", "--batch-size", "2"]
SHOWN = ["--progress", "json"]
SLOW = ["--iterations", "100000", "--scales", "1", *SHOWN]
TRAINED = ["--device", "cpu", "--steps", "100000"]
PROGRESS = r'"(frames|iteration)": [1-9]'
TABLE = r"(?m)^ +[1-9]\d* +\d"


class Scene:
    """A folder with something for each command to work on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told, self.printed = folder / "told.txt", folder / "printed.txt"

    # ---- inputs ---------------------------------------------------------------------------

    def style(self) -> Path:
        return write_toy(self.folder / "toy.safetensors")

    def vgg(self) -> Path:
        return write_vgg(self.folder / "vgg.safetensors")

    def photo(self, name: str = "photo.png") -> Path:
        return write_image(self.folder / name, toy_photo(200, 150))

    def photos(self) -> Path:
        return write_photos(self.folder / "photos", 3, 300, 280)

    def video(self, name: str = "in.mp4") -> Path:
        options = {"g": "24", "preset": "ultrafast"}
        recipe = Recipe(ticks=range(1200), sounds=[Sound(seconds=50)], options=options)
        return write_clip(self.folder / name, recipe)

    def pictures(self) -> Path:
        folder = self.folder / "in"
        folder.mkdir()
        data = write_image(self.folder / "a.png", toy_photo()).read_bytes()
        for number in range(2400):
            (folder / f"a_{number:04d}.png").write_bytes(data)
        return folder

    # ---- commands -------------------------------------------------------------------------

    def fast(self, source: Path, output: str = "out.mp4") -> Arguments:
        options = ["--style", self.style(), "--preset", "ultrafast", *SHOWN, *DRAWN]
        return [source, "-o", f"{self.folder}/{output}", *options]

    def optimized(self) -> Arguments:
        vgg, painting = self.vgg(), self.photo()
        asked = ("--engine", "optimize", "-s", painting, "--vgg", vgg)
        return [self.video(), *asked, "-o", self.folder / "out.mp4", *SHOWN]

    def arguments(self, name: str) -> Arguments:
        """Those of a command; after a comma, ``name`` says what it works on."""
        return [name.partition(",")[0].split()[0], *SCENES[name][1](self)]

    def start(self, arguments: Arguments, second: str = "") -> BaseProcess:
        return start(
            arguments, self.folder / f"{second}told.txt", self.folder / f"{second}printed.txt"
        )

    def wait_for_work(self, name: str, process: BaseProcess) -> None:
        """Until there is something that would be lost."""
        pattern = SCENES[name][0]
        wait_for(lambda: self.told.exists() and bool(re.search(pattern, self.output())), process)
        if not pattern:
            time.sleep(0.2)

    def output(self) -> str:
        """All that the first process has printed."""
        return "".join(p.read_text() for p in (self.told, self.printed) if p.exists())


SCENES: dict[str, tuple[str, Callable[[Scene], Arguments]]] = {
    "run": (PROGRESS, lambda s: s.fast(s.video())),
    "run, on pictures": (PROGRESS, lambda s: [*s.fast(s.pictures()), "--fps", "24"]),
    "run, on many": (PROGRESS, lambda s: [s.video("b.mp4"), *s.fast(s.video(), "out/")]),
    "run, by optimization": (PROGRESS, lambda s: s.optimized()),
    "frames": (
        PROGRESS,
        lambda s: [s.pictures(), s.folder / "out", "--style", s.style(), *SHOWN, *DRAWN],
    ),
    "stream": (
        r'"shown": [1-9]',
        lambda s: [
            *("test", "--to", s.folder / "out.mkv", "--style", s.style(), *SHOWN),
            *("--device", "cpu"),
        ],
    ),
    "image": (
        PROGRESS,
        lambda s: [s.photo(), "-s", s.photo(), "--vgg", s.vgg(), "-o", s.folder / "out.png", *SLOW],
    ),
    "texture": (
        PROGRESS,
        lambda s: [s.photo(), "--vgg", s.vgg(), "-o", s.folder / "out.png", *SLOW],
    ),
    "reconstruct": (
        PROGRESS,
        lambda s: [s.photo(), "--vgg", s.vgg(), "-o", s.folder / "out.png", *SLOW],
    ),
    "train": (
        TABLE,
        lambda s: [
            *(s.photo("painting.png"), "--photos", s.photos(), "--vgg", s.vgg()),
            *("-o", s.folder / "out.safetensors", *TRAINED),
            *("--batch-size", "1", "--crop", "32", "--early-crop", "32"),
        ],
    ),
    "distil": (
        TABLE,
        lambda s: [
            *("--photos", s.photos(), "--from", s.style(), "-o", s.folder / "out.safetensors"),
            *TRAINED,
        ],
    ),
    "evaluate": (r"\d+ frames/s|[1-9]/\d", lambda s: [s.video(), s.video()]),
    "styles": ("", lambda s: ["preview", s.photo(), "-o", s.folder / "out.png"]),
    "export": ("", lambda s: [s.style(), "-o", s.folder / "out.onnx"]),
    "features": ("", lambda s: [s.photo(), "--vgg", s.vgg(), "-o", s.folder / "out.png"]),
    "doctor": ("torch", lambda s: []),
    "web": ("vidstyle is at", lambda s: ["--port", "7999"]),
}
"""By name: a pattern of what is printed once the work goes on, and the arguments. An empty pattern
stands for work that is over soon."""


def wait_for(condition: Callable[[], bool], process: BaseProcess, *, alive: bool = True) -> None:
    """Wait until a condition holds, for a minute; ``alive``: while a process goes on."""
    deadline = time.monotonic() + 60
    while not condition():
        assert (process.is_alive() or not alive) and time.monotonic() < deadline
        time.sleep(0.02)
