"""Ctrl-C, a service manager and a closed terminal end a run in order; a second time, at once."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from vidstyle.errors import ExitCode

ENDING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
"""Signals that end a run, those of them that the platform has."""

_INSISTING = 0.5
"""Seconds after which another signal is not the same one, sent twice."""
PATIENCE = 10.0
"""Seconds that the main thread may stand in one place before it counts as stuck."""
_MESSAGE = (
    b"\nvidstyle: interrupted at once; what was finished stays, and --resume goes on from there\n"
)


def heeded(numbers: Iterable[int] = ENDING) -> list[int]:
    """Those of some signals that are not ignored, as ``nohup`` wants it for SIGHUP."""
    return [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]


def end_at_once_on_signals() -> None:
    """Outside of ``ended_by_signals``, signals end the process with one line: nothing is lost."""
    for number in heeded():
        signal.signal(number, lambda *details: _end(b"vidstyle: interrupted\n"))


def _end(message: bytes) -> NoReturn:
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, message)
    os._exit(ExitCode.interrupted)


@contextmanager
def ended_by_signals(patience: float = PATIENCE) -> Iterator[None]:
    """Raise KeyboardInterrupt in the block on each signal of ``ENDING`` that is not ignored.

    What is finished is then kept, which takes its time. Python hears signals in the main thread
    alone, where the block must run, and only between two of its own instructions. A thread of its
    own therefore ends the process on a second signal, or when the main thread is stuck in a
    library or waits in vain for another thread.
    """
    before = {n: signal.signal(n, signal.default_int_handler) for n in heeded()}
    heard, told = socket.socketpair()
    told.setblocking(False)
    woken = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    thread = threading.Thread(target=_watch, args=(heard, patience), name="interrupts", daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(woken)
        told.close()
        thread.join()
        heard.close()
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Raise the KeyboardInterrupt of a signal only at the end of the block.

    Libraries that are being loaded would take it for an error of their own.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[int] = []
    before = {
        number: signal.signal(number, lambda told, frame: heard.append(told)) for number in heeded()
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if heard:
        raise KeyboardInterrupt


def _watch(heard: socket.socket, patience: float) -> None:
    """Wait for a first signal, and see to it that the process ends; until the other end closes."""
    while number := heard.recv(1):
        # Whoever has put another handler in place ends in their own way.
        if signal.getsignal(number[0]) is signal.default_int_handler:
            _see_to_the_end(heard, patience)
            return


def _see_to_the_end(heard: socket.socket, patience: float) -> None:
    began = moved = time.monotonic()
    place = _place()
    while True:
        readable, _, _ = select.select([heard], [], [], 0.1)
        if readable and not heard.recv(1):
            return
        now = time.monotonic()
        if _place() != place:
            place, moved = _place(), now
        if (readable and now - began > _INSISTING) or now - moved > patience:
            _end(_MESSAGE)


def _place() -> tuple[int, int] | None:
    """Where the main thread is."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    return None if frame is None else (id(frame), frame.f_lasti)
