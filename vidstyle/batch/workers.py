"""Processes that restyle several files of a batch at once, each on a device of its own."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext
from typing import Any

import torch

from vidstyle.batch.tasks import Event, FileProgress, Outcome, Task, Work, attempt
from vidstyle.errors import VidstyleError
from vidstyle.interrupts import ENDING

_PATIENCE = 10.0
"""Seconds that a process gets to come to its end."""


def assign_devices(asked: str, jobs: int, gpus: int) -> list[str]:
    """A device for each of several jobs: in turns the GPUs, unless one is asked for.

    Args:
        asked: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        gpus: CUDA devices that there are.
    """
    if asked in ("auto", "cuda") and gpus:
        return [f"cuda:{job % gpus}" for job in range(jobs)]
    return [asked] * jobs


def run_parallel(
    tasks: Sequence[Task], work: Work, jobs: int, listener: Callable[[Event], None]
) -> None:
    """Restyle files, so many at once, and let the listener know.

    A process that dies costs its file alone.

    Raises:
        VidstyleError: a model cannot be loaded.
        KeyboardInterrupt: Ctrl-C, after what was finished of each file has been kept.
    """
    waiting = deque(tasks)
    crew = [
        _Worker(work, device, jobs)
        for device in assign_devices(work.device, jobs, torch.cuda.device_count())
    ]
    try:
        for worker in crew:
            worker.begin(waiting)
        try:
            while busy := [worker for worker in crew if worker.task]:
                for worker in _ready(busy):
                    if worker.hear(listener):
                        worker.begin(waiting)
        except KeyboardInterrupt:
            for worker in crew:
                worker.stop()
            while busy := [worker for worker in crew if worker.task]:
                for worker in _ready(busy):
                    worker.hear(listener)
            raise
    finally:
        for worker in crew:
            worker.end()


class _Worker:
    """A process on a device, seen from outside.

    Attributes:
        task: what it works on; None when on nothing.
    """

    def __init__(self, work: Work, device: str, jobs: int) -> None:
        self._arguments = work, device, jobs
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.task: Task | None = None
        self.pipe, theirs = context.Pipe()
        self._process = _started(context, theirs, *self._arguments)
        theirs.close()  # so that its end is heard

    def begin(self, waiting: deque[Task]) -> None:
        """Give it the next file, if there is one."""
        if waiting:
            if not self._process.is_alive():
                self.end()
                self._start()
            self.task = waiting.popleft()
            with suppress(OSError), _whole():  # if it has died since, that is heard
                self.pipe.send(self.task)

    def hear(self, listener: Callable[[Event], None]) -> bool:
        """Take one message; whether it is done with its file.

        Raises:
            VidstyleError: the model cannot be loaded.
        """
        assert self.task is not None
        try:
            with _whole():
                message = self.pipe.recv()
        except (EOFError, OSError):
            self._process.join(_PATIENCE)
            reason = f"{self.task.source}: its process ended ({_end_of(self._process.exitcode)})"
            message = Outcome(self.task, "failed", reason=reason)
        if isinstance(message, VidstyleError):
            raise message
        if isinstance(message, logging.LogRecord):
            logging.getLogger(message.name).handle(message)
            return False
        if ended := isinstance(message, Outcome):
            self.task = None
        listener(message)
        return ended

    def stop(self) -> None:
        """Tell it to keep what is finished, and come to an end."""
        with suppress(OSError):
            self.pipe.send(None)

    def end(self) -> None:
        """Wait for its end; one that works on something is not waited for."""
        self.pipe.close()
        self._process.join(0 if self.task else _PATIENCE)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()


def _ready(workers: Sequence[_Worker]) -> Iterator[_Worker]:
    """Those that have something to say."""
    pipes = {worker.pipe: worker for worker in workers}
    for pipe in wait(list(pipes)):
        yield pipes[pipe]  # type: ignore[index]


def _end_of(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {-code}; out of memory?"
    return f"code {code}"


def _started(context: SpawnContext, pipe: Connection, *arguments: Any) -> Any:
    """A process that serves, and is deaf to Ctrl-C from its first moment: we tell it to stop."""
    level = logging.getLogger("vidstyle").getEffectiveLevel()
    process = context.Process(target=_serve, args=(pipe, level, *arguments), daemon=True)
    with _deaf():
        process.start()
    return process


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes that are started in the block inherit that they ignore Ctrl-C and the terminal."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = _ignored()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignored() -> dict[int, Any]:
    """Ignore what a terminal sends to all of its processes; the handlers before."""
    numbers = [number for number in ENDING if number != signal.SIGTERM]
    return {number: signal.signal(number, signal.SIG_IGN) for number in numbers}


@contextmanager
def _whole() -> Iterator[None]:
    """Ctrl-C counts at the end of the block, so that no message is cut in two."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[int] = []
    raising = [n for n in ENDING if callable(signal.getsignal(n))]
    before = {n: signal.signal(n, lambda number, frame: heard.append(number)) for n in raising}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if heard:
        raise KeyboardInterrupt


# ---- in the process -----------------------------------------------------------------------


def _serve(pipe: Connection, level: int, work: Work, device: str, jobs: int) -> None:
    """Take files and restyle them until nobody sends any more."""
    _ignored()  # where that is not inherited
    warnings.simplefilter("ignore")  # of styles, say; they were told when the batch began
    sender = _Sender(pipe)
    logger = logging.getLogger("vidstyle")
    logger.addHandler(sender)
    logger.setLevel(level)
    torch.set_num_threads(max(torch.get_num_threads() // jobs, 1))
    try:
        restyle = work.load(device)
    except VidstyleError as error:
        sender.send(error)
        return

    def listen(progress: FileProgress) -> None:
        if pipe.poll():  # to stop; or its other end is gone, and with it whoever waits for us
            raise KeyboardInterrupt
        sender.send(progress)

    with suppress(EOFError, OSError):
        while task := pipe.recv():
            sender.send(attempt(restyle, task, listen))


class _Sender(logging.Handler):
    """Sends what is to be known elsewhere, log records too, from any thread."""

    def __init__(self, pipe: Connection) -> None:
        super().__init__()
        self._pipe = pipe
        self._alone = threading.Lock()

    def send(self, message: Any) -> None:
        with self._alone:
            self._pipe.send(message)

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:  # tracebacks cannot be pickled
            record.exc_text = logging.Formatter().formatException(record.exc_info)
            record.exc_info = None
        record.msg, record.args = record.getMessage(), None
        with suppress(OSError):
            self.send(record)
