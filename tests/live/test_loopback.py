"""``vidstyle stream`` as a program of its own, between a real sender and a real receiver.

The pictures carry numbers, so that what arrives tells order, losses and delay.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from clips import frame_times, images
from streams import NUMBERS, Receiver, Sender, decoded, free_port

if sys.platform != "win32":
    import fcntl
    import pty
    import termios

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal"),
]

SENDER = Path(__file__).parents[1] / "streams.py"
START = "from vidstyle.cli.main import main; main()"
QUICK = ("--device", "cpu", "--precision", "fp32", "--progress", "json")


class Program:
    """A running ``vidstyle stream``, its JSON lines as they come, and its terminal's keys.

    Attributes:
        events: what it has printed.
        notes: what came on stderr, at the end.
    """

    def __init__(self, *arguments: list[str]) -> None:
        self.events: list[dict[str, Any]] = []
        self.notes = ""
        self._keyboard, terminal = pty.openpty()
        self.before = termios.tcgetattr(terminal)
        self.terminal = terminal

        def take_terminal() -> None:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [sys.executable, "-c", START, "stream", *chain(*arguments), *QUICK],
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=take_terminal,
        )
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.events.extend(map(json.loads, self.process.stdout))

    def type(self, keys: str) -> None:
        os.write(self._keyboard, keys.encode())

    def wait_for(self, holds: Callable[[dict[str, Any]], bool], seconds: float = 60) -> None:
        """Until an event comes, or came, of which something holds."""
        deadline = time.monotonic() + seconds
        while not any(holds(event) for event in list(self.events)):
            assert time.monotonic() < deadline, self.events[-3:]
            assert self.process.poll() is None, self.end()
            time.sleep(0.02)

    def memory(self) -> int:
        """Bytes in use; 0 when it has ended."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        sizes = (int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))
        return next(sizes, 0)

    def end(self) -> str:
        """Wait for its end; stderr."""
        self._reader.join(60)
        assert self.process.stderr is not None
        if not self.notes:
            self.notes = self.process.stderr.read()
        self.process.wait(60)
        return self.notes

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        os.close(self._keyboard)
        os.close(self.terminal)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == kind]


@dataclass
class Story:
    """A stream whose sender was killed and started again, and that was ended with Ctrl-C."""

    program: Program
    receiver: Receiver
    sent: dict[int, float]
    recording: Path
    terminal_after: list[Any]

    def numbers(self, first: int, last: int) -> list[int]:
        return [n for n in self.receiver.numbers if n is not None and first <= n < last]


AGAIN = 1000
"""The first number of the second sender."""


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    recording = tmp_path_factory.mktemp("recording") / "take.mkv"
    there, here = (f"udp://127.0.0.1:{free_port()}" for _ in range(2))
    sender = subprocess.Popen([sys.executable, str(SENDER), there, "0"])
    program = Program(
        [there, "--to", here, "--to", str(recording), "--reconnect", "60"],
        ["--style", "wave", "--strength", "0.2", "--styles", "wave,photo", "--morph", "0"],
    )
    try:
        with Receiver(here, patience=60, silence=60) as receiver:
            receiver.wait_for(30, 60)
            program.type("n")
            program.wait_for(lambda event: event.get("style") == "photo")
            sender.kill()
            sender.wait()
            program.wait_for(lambda event: "trying again" in event.get("message", ""))
            with Sender(there, first=AGAIN) as again:
                program.wait_for(lambda event: "is back" in event.get("message", ""))
                deadline = time.monotonic() + 60
                while not receiver.numbers[-1] or receiver.numbers[-1] < AGAIN + 60:
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
                program.process.send_signal(signal.SIGINT)
                program.end()
        terminal = termios.tcgetattr(program.terminal)
        yield Story(program, receiver, again.sent, recording, terminal)
    finally:
        sender.kill()
        program.close()


def test_it_ends_well_with_ctrl_c(story: Story) -> None:
    assert story.program.process.returncode == 0, story.program.notes
    assert story.program.notes == ""
    assert story.program.events[-1]["event"] == "done"
    assert story.program.events[-1]["reason"] == "stopped"


def test_pictures_arrive_readable_and_in_order(story: Story) -> None:
    numbers = story.receiver.numbers
    assert sum(n is None for n in numbers) <= 0.02 * len(numbers)
    for first, last in ((0, AGAIN), (AGAIN, NUMBERS)):
        seen = story.numbers(first, last)
        assert len(seen) >= 20
        assert seen == sorted(set(seen))


def test_every_loss_is_counted(story: Story) -> None:
    done = story.program.events[-1]
    assert 0 <= done["captured"] - done["shown"] - done["dropped"] <= 1
    seen = story.numbers(AGAIN, NUMBERS)
    missing = seen[-1] - seen[0] + 1 - len(seen)
    unreadable = sum(n is None for n in story.receiver.numbers)
    assert missing <= done["dropped"] + sum(done["sink_drops"].values()) + unreadable


def test_latency_is_small(story: Story) -> None:
    arrivals = zip(story.receiver.numbers, story.receiver.times, strict=False)
    took = [time - story.sent[n] for n, time in arrivals if n is not None and n >= AGAIN]
    assert 0 < np.median(took) < 3
    # What the program says is a part of it.
    assert 0 < story.program.events[-1]["latency_median"] < np.median(took)


def test_time_goes_on_while_the_sender_is_gone(story: Story) -> None:
    steps = np.diff(story.receiver.stamps)
    assert (steps > 0).all()
    assert steps.max() > 3
    assert steps.max() == pytest.approx(np.diff(story.receiver.times).max(), abs=3)


def test_keys_of_the_terminal(story: Story) -> None:
    styles = [event["style"] for event in story.program.of("status")]
    assert styles[0] == "wave" and styles[-1] == "photo"
    assert story.terminal_after == story.program.before


def test_the_recording_is_complete(story: Story) -> None:
    assert [path.name for path in story.recording.parent.iterdir()] == ["take.mkv"]
    numbers = [decoded(image) for image in images(story.recording)]
    known = [n for n in numbers if n is not None]
    assert len(known) > 0.98 * len(numbers)
    assert known == sorted(known) and known[-1] >= AGAIN + 50
    times = [float(t) for t in frame_times(story.recording)]
    assert len(times) >= story.program.events[-1]["shown"] - 5
    assert times == sorted(times)


def test_a_slow_machine_drops_and_does_not_fall_behind() -> None:
    there, here = (f"udp://127.0.0.1:{free_port()}" for _ in range(2))
    with Sender(there, size=(640, 480), rate=30) as sender, Receiver(here, patience=60) as receiver:
        program = Program(
            [there, "--to", here, "--style", "scream", "--strength", "0.2"],
            ["--working-side", "640", "--duration", "8"],
        )
        try:
            program.end()
        finally:
            program.close()
    done = program.events[-1]
    assert program.process.returncode == 0, program.notes
    assert done["dropped"] > 10
    seen = [n for n in receiver.numbers if n is not None]
    assert seen == sorted(set(seen))
    took = [t - sender.sent[n] for n, t in zip(receiver.numbers, receiver.times, strict=False) if n]
    # A queue would grow by seconds in the meantime.
    assert np.median(took[-10:]) < 3
    assert np.median(took[-10:]) < np.median(took[:10]) + 1


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_a_minute_in_bounded_memory(tmp_path: Path) -> None:
    there, here = (f"udp://127.0.0.1:{free_port()}" for _ in range(2))
    with Sender(there, size=(192, 144)) as sender, Receiver(here, patience=60) as receiver:
        program = Program(
            [there, "--to", here, "--to", str(tmp_path / "take.mkv"), "--duration", "60"],
            ["--style", "scream", "--strength", "0.2", "--working-side", "160"],
        )
        memory: list[int] = []
        try:
            receiver.wait_for(30, 60)
            while program.process.poll() is None:
                memory.append(program.memory())
                time.sleep(0.5)
            program.end()
        finally:
            program.close()
    assert program.process.returncode == 0, program.notes
    early, late = max(memory[10:40]), max(memory[-10:-2])
    assert late < early + 40_000_000, [m // 1_000_000 for m in memory[::10]]
    arrivals = list(zip(receiver.numbers, receiver.times, strict=False))
    seen = [n for n, _ in arrivals if n is not None]
    assert len(seen) > 0.95 * len(arrivals) > 500
    assert all(0 < (b - a) % NUMBERS < NUMBERS / 2 for a, b in pairwise(seen))
    took = [t - sender.sent[n] for n, t in arrivals[:-1] if n is not None]
    assert np.median(took[-100:]) < np.median(took[:100]) + 1
    assert np.median(took[-100:]) < 3
