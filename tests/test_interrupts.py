"""Ctrl-C, SIGTERM and a closed terminal end every command soon, with what is finished kept."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from clips import images
from scenes import SCENES, Scene, wait_for

from vidstyle.cli.main import COMMANDS
from vidstyle.interrupts import ended_by_signals, signals_held_back

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
SOON = 2.0
"""Seconds that a command may take to end; this machine may be busy with other tests."""


def seconds_to_end(process: BaseProcess, sent: signal.Signals) -> float:
    assert process.pid is not None
    began = time.monotonic()
    with suppress(ProcessLookupError):  # some work is over soon; the exit code tells
        os.kill(process.pid, sent)
    process.join(30)
    took = time.monotonic() - began
    if process.is_alive():
        process.kill()
        pytest.fail(f"{sent.name} is not heard")
    return took


KEPT = {
    "run": "out.partial.mp4",
    "run, on pictures": "out.partial.mp4",
    "run, on many": "out/b.alpha.partial.mp4",
    "run, by optimization": ".out.mp4.work",
    "frames": "out",
    "stream": "out.mkv",
    "image": "out.partial.png",
    "texture": "out.partial.png",
    "reconstruct": "out.partial.png",
    "train": "out.safetensors",
    "distil": "out.safetensors",
}
INTERRUPTED = [("run", sent) for sent in SIGNALS] + [
    pytest.param(name, sent, marks=pytest.mark.slow)
    for name in SCENES
    if name != "run"
    for sent in (SIGNALS if name in ("frames", "stream") else [signal.SIGTERM])
]


def test_every_command_is_interrupted() -> None:
    assert {name.partition(",")[0] for name in SCENES} == set(COMMANDS)


@pytest.mark.parametrize(("name", "sent"), INTERRUPTED)
def test_a_signal_ends_the_command(tmp_path: Path, name: str, sent: signal.Signals) -> None:
    scene = Scene(tmp_path)
    process = scene.start(scene.arguments(name))
    scene.wait_for_work(name, process)
    if name in ("run", "run, on pictures", "run, on many"):
        # A segment is finished after a second of the clip.
        wait_for(lambda: bool(list(tmp_path.glob("**/.*.work/segments.jsonl"))), process)
    assert seconds_to_end(process, sent) < SOON
    ends = {"stream": [0], "web": [0]}.get(name, [130] if SCENES[name][0] else [0, 130])
    assert process.exitcode in ends
    if process.exitcode:
        last = scene.told.read_text().splitlines()[-1]
        assert last.startswith("vidstyle: interrupted")
    if name in KEPT:
        kept = tmp_path / KEPT[name]
        assert kept.exists()
        if kept.suffix in (".mp4", ".mkv"):
            assert images(kept)
    assert not list(tmp_path.glob("**/.*lock"))


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


def test_a_signal_that_is_held_back_comes_at_the_end_of_the_block() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), ended_by_signals():
        with signals_held_back():
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("loaded")
        done.append("more")
    assert done == ["loaded"]
