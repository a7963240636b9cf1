"""Trying many cases in worker processes, each under a watchdog."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from threading import Lock, Thread

from tests.fuzz.seeds import write_seeds

ROOT = Path(__file__).resolve().parents[2]
MOST_MEMORY = 3 << 30
"""Bytes that one case may take."""
MOST_SECONDS = 15.0
"""Of processor time, that one case may take."""
_PATIENCE = 180.0
"""Seconds without an answer, and without processor time, that mean a hang."""


@dataclass(frozen=True)
class Failure:
    """A case that did not end as it should."""

    number: int
    what: str


@dataclass
class Tally:
    """What came of a campaign.

    Attributes:
        outcomes: how many cases of each reader were ``read`` or ``refused``.
        failures: all the others.
        slowest, largest: processor seconds, bytes of memory, and number of the costliest cases.
    """

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    slowest: tuple[float, int] = (0.0, -1)
    largest: tuple[int, int] = (0, -1)

    @property
    def cases(self) -> int:
        return sum(self.outcomes.values()) + len(self.failures)

    def take(self, answer: dict[str, object]) -> None:
        number, outcome = int(str(answer["number"])), str(answer["outcome"])
        seconds, peak = float(str(answer["seconds"])), int(str(answer["peak"]))
        self.slowest = max(self.slowest, (seconds, number))
        self.largest = max(self.largest, (peak, number))
        about = f"{answer['reader']} {answer['source']}"
        if outcome not in ("read", "refused"):
            self.failures.append(Failure(number, f"{about}: {outcome}"))
        elif peak > MOST_MEMORY:
            self.failures.append(Failure(number, f"{about}: took {peak >> 20} MiB"))
        elif seconds > MOST_SECONDS:
            self.failures.append(Failure(number, f"{about}: took {seconds:.0f} s"))
        else:
            self.outcomes[str(answer["reader"]), outcome] += 1


def run_campaign(
    run: int,
    numbers: Iterable[int],
    workers: int = 1,
    listener: Callable[[Tally], object] = lambda tally: None,
    videos: Sequence[Path] = (),
) -> Tally:
    """Try the cases of these numbers in the run of a seed.

    Args:
        videos: to damage instead of the corpus's own.
    """
    tally, lock, waiting = Tally(), Lock(), SimpleQueue[int]()
    for number in numbers:
        waiting.put(number)
    with TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus"
        write_seeds(corpus, videos)
        threads = [
            Thread(target=_work, args=(run, corpus, waiting, tally, lock, listener))
            for _ in range(workers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return tally


def _work(
    run: int,
    corpus: Path,
    waiting: SimpleQueue[int],
    tally: Tally,
    lock: Lock,
    listener: Callable[[Tally], object],
) -> None:
    worker = Worker(run, corpus)
    try:
        while True:
            try:
                number = waiting.get_nowait()
            except Empty:
                return
            answer = worker.ask(number)
            with lock:
                if isinstance(answer, Failure):
                    tally.failures.append(answer)
                else:
                    tally.take(answer)
                listener(tally)
            if isinstance(answer, Failure):
                worker.close()
                worker = Worker(run, corpus)
    finally:
        worker.close()


class Worker:
    """One process that tries cases, and is killed when one of them never ends."""

    def __init__(self, run: int, corpus: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self._log = (corpus.parent / f"worker-{time.monotonic_ns()}.log").open("wb+")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.worker", str(run), str(corpus)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=ROOT,
            env=environment,
            text=True,
        )
        if self._answer() != "ready":
            raise RuntimeError(f"the worker did not start: {self._last_words()}")

    def ask(self, number: int) -> dict[str, object] | Failure:
        """Try one case; a failure when the process hung or died."""
        assert self._process.stdin is not None
        self._log.truncate(0)
        with suppress(BrokenPipeError):
            self._process.stdin.write(f"{number}\n")
            self._process.stdin.flush()
        line = self._answer()
        if line:
            return dict(json.loads(line))
        if self._process.poll() is None and line is None:
            return Failure(number, f"hangs: {self._last_words()}")
        return Failure(number, f"died ({self._process.wait()}): {self._last_words()}")

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._log.close()

    def _answer(self) -> str | None:
        """A line; an empty one when the process is gone, None when it hangs."""
        assert self._process.stdout is not None
        waited, spent = 0.0, self._spent()
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while not selector.select(1.0):
                waited += not self._stopped()
                if self._spent() - spent > 2 * MOST_SECONDS:
                    return None
                if waited > _PATIENCE and self._spent() - spent < 5:
                    return None
        return self._process.stdout.readline().strip()

    def _spent(self) -> float:
        """Seconds of processor time that the process has used."""
        fields = self._status()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _stopped(self) -> bool:
        """Whether somebody has paused the process, which is no fault of its own."""
        return self._status()[0] in "Tt"

    def _status(self) -> list[str]:
        """The kernel's account of the process, from its state on."""
        try:
            stat = Path(f"/proc/{self._process.pid}/stat").read_text()
        except OSError:  # gone
            stat = ") X" + " 0" * 20
        return stat.rpartition(")")[2].split()

    def _last_words(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-2000:].strip("\0 \n")
