"""Ctrl-C, SIGTERM and a closed terminal end every command soon, with what is finished kept."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from clips import Recipe, Sound, images, write_clip
from programs import start
from toys import toy_photo, write_toy, write_vgg

from vidstyle.image import write_image
from vidstyle.interrupts import ended_by_signals

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
SOON = 2.0
"""Seconds that a command may take to end; this machine may be busy with other tests."""
DRAWN = ["--device", "cpu", "--precision", "fp32", "--batch-size", "2"]


class Scene:
    """A folder with something for each command to work on for long."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told, self.printed = folder / "told.txt", folder / "printed.txt"
        self.style = write_toy(folder / "toy.safetensors")

    @property
    def video(self) -> Path:
        options = {"g": "24", "preset": "ultrafast"}
        recipe = Recipe(ticks=range(1200), sounds=[Sound(seconds=50)], options=options)
        return write_clip(self.folder / "in.mp4", recipe)

    @property
    def pictures(self) -> Path:
        folder = self.folder / "in"
        folder.mkdir()
        data = write_image(self.folder / "a.png", toy_photo(64, 48)).read_bytes()
        for number in range(2400):
            (folder / f"a_{number:04d}.png").write_bytes(data)
        return folder

    def run(self, source: Path) -> list[str | Path]:
        options = ["--style", self.style, "--preset", "ultrafast", "--progress", "json", *DRAWN]
        return ["run", source, "-o", self.folder / "out.mp4", *options]

    def command(self, name: str) -> list[str | Path]:
        """The arguments of a command that goes on for a while."""
        if name == "run":
            return self.run(self.video)
        if name == "run on pictures":
            return [*self.run(self.pictures), "--fps", "24"]
        if name == "frames":
            options = ["--style", self.style, "--progress", "json", *DRAWN]
            return ["frames", self.pictures, self.folder / "out", *options]
        if name == "stream":
            options = ["--style", self.style, "--progress", "json", "--device", "cpu"]
            return ["stream", "test", "--to", self.folder / "out.mkv", *options]
        if name == "evaluate":
            return ["evaluate", self.video, self.video]
        photo = write_image(self.folder / "photo.png", toy_photo(200, 150))
        vgg = write_vgg(self.folder / "vgg.safetensors")
        steps = ["--iterations", "100000", "--scales", "1", "--progress", "json"]
        return ["image", photo, "-s", photo, "--vgg", vgg, "-o", self.folder / "out.png", *steps]

    def starts(self, name: str) -> BaseProcess:
        """A command, once its work goes on."""
        process = start(self.command(name), self.told, self.printed)
        pattern = r"\d+ frames/s|[1-9]/\d" if name == "evaluate" else r'"(frames|iteration)": [1-9]'
        file = self.told if name == "evaluate" else self.printed
        if name == "stream":
            pattern = r'"shown": [1-9]'
        wait_for(lambda: file.exists() and bool(re.search(pattern, file.read_text())), process)
        return process


def wait_for(condition: Callable[[], bool], process: BaseProcess) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.is_alive() and time.monotonic() < deadline
        time.sleep(0.02)


def seconds_to_end(process: BaseProcess, sent: signal.Signals) -> float:
    assert process.pid is not None
    began = time.monotonic()
    os.kill(process.pid, sent)
    process.join(30)
    took = time.monotonic() - began
    if process.is_alive():
        process.kill()
        pytest.fail(f"{sent.name} is not heard")
    return took


COMMANDS = ("run on pictures", "frames", "stream", "evaluate", "image")
KEPT = {
    "run": "out.partial.mp4",
    "run on pictures": "out.partial.mp4",
    "frames": "out",
    "stream": "out.mkv",
    "image": "out.partial.png",
}


@pytest.mark.parametrize("sent", SIGNALS, ids=lambda sent: sent.name)
@pytest.mark.parametrize(
    "name",
    ["run", *(pytest.param(name, marks=pytest.mark.slow) for name in COMMANDS)],
)
def test_a_signal_ends_the_command(tmp_path: Path, name: str, sent: signal.Signals) -> None:
    scene = Scene(tmp_path)
    process = scene.starts(name)
    if name.startswith("run"):  # a segment is finished after a second of the clip
        records = tmp_path / ".out.mp4.work" / "segments.jsonl"
        wait_for(records.exists, process)
    assert seconds_to_end(process, sent) < SOON
    assert process.exitcode == (0 if name == "stream" else 130)
    if name != "stream":
        last = scene.told.read_text().splitlines()[-1]
        assert last.startswith("vidstyle: interrupted")
    if name in KEPT:
        assert (tmp_path / KEPT[name]).exists()
        if name not in ("frames", "image"):
            assert images(tmp_path / KEPT[name])
    assert not list(tmp_path.glob(".*lock"))


def stuck(told: Path, ready: Path, patience: float) -> None:
    """A main thread that waits for another one, which never ends."""
    with told.open("w") as file:
        os.dup2(file.fileno(), 2)
    over = threading.Event()
    with ended_by_signals(patience):
        ready.touch()
        while True:
            with suppress(KeyboardInterrupt):
                over.wait()


def start_stuck(folder: Path, patience: float) -> tuple[BaseProcess, Path]:
    told, ready = folder / "told.txt", folder / "ready"
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=stuck, args=(told, ready, patience))
    process.start()
    wait_for(ready.exists, process)
    return process, told


@pytest.mark.parametrize("sent", SIGNALS, ids=lambda sent: sent.name)
def test_a_second_signal_ends_at_once(tmp_path: Path, sent: signal.Signals) -> None:
    process, told = start_stuck(tmp_path, 60)
    assert process.pid is not None
    os.kill(process.pid, sent)
    process.join(1)
    assert process.is_alive()
    assert seconds_to_end(process, sent) < 1
    assert process.exitcode == 130
    assert told.read_text().strip().startswith("vidstyle: interrupted")


def test_a_thread_that_never_ends_is_not_waited_for(tmp_path: Path) -> None:
    process, told = start_stuck(tmp_path, 0.5)
    assert 0.4 < seconds_to_end(process, signal.SIGTERM) < SOON
    assert process.exitcode == 130
    assert told.read_text().strip().startswith("vidstyle: interrupted")


def test_a_hangup_that_is_ignored_ends_nothing(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ended_by_signals():
            signal.raise_signal(signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
