"""Single keys from the terminal, while something runs."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Event, Thread

if sys.platform == "win32":
    import msvcrt
else:
    import select
    import termios
    import tty

_ARROWS = {"A": "up", "B": "down", "C": "right", "D": "left"}
_WINDOWS_ARROWS = {"H": "up", "P": "down", "M": "right", "K": "left"}
_SEQUENCE = re.compile(r"\x1b[\[O]([0-9;]*)([A-Za-z~])|(.)", re.DOTALL)
_POLL = 0.05


class TerminalKeys(AbstractContextManager["TerminalKeys"]):
    """Calls ``press`` with each key that is typed, on a thread of its own, until it is left.

    Keys are read one by one and not shown; Ctrl-C stays what it is. The terminal is set back in any
    case. Without a terminal, or in the background, nothing is read.

    Args:
        press: gets what the key types, or ``left``, ``right``, ``up``, ``down``, ``escape``.
    """

    def __init__(self, press: Callable[[str], object]) -> None:
        self._press = press
        self._thread: Thread | None = None

    @property
    def active(self) -> bool:
        """Whether keys are being read."""
        return self._thread is not None

    def _start(self, read: Callable[[], None]) -> None:
        self._thread = Thread(target=read, name="keys", daemon=True)
        self._thread.start()

    if sys.platform == "win32":

        def __enter__(self) -> TerminalKeys:
            self._left = Event()
            if sys.stdin is not None and sys.stdin.isatty():
                self._start(self._read)
            return self

        def __exit__(self, *exception: object) -> None:
            self._left.set()
            if self._thread is not None:
                self._thread.join()

        def _read(self) -> None:
            while not self._left.wait(_POLL):
                while msvcrt.kbhit():
                    key = msvcrt.getwch()
                    if key in ("\x00", "\xe0"):
                        key = _WINDOWS_ARROWS.get(msvcrt.getwch(), "")
                    if key:
                        self._press("escape" if key == "\x1b" else key)

    else:

        def __enter__(self) -> TerminalKeys:
            if not _in_foreground():
                return self
            self._terminal = sys.stdin.fileno()
            self._before = termios.tcgetattr(self._terminal)
            self._ended, self._end = os.pipe()
            tty.setcbreak(self._terminal)
            self._start(self._read)
            return self

        def __exit__(self, *exception: object) -> None:
            if self._thread is None:
                return
            os.close(self._end)
            self._thread.join()
            os.close(self._ended)
            termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._before)

        def _read(self) -> None:
            while True:
                ready, _, _ = select.select([self._terminal, self._ended], [], [])
                if self._ended in ready:
                    return
                typed = os.read(self._terminal, 256)
                if not typed:
                    return
                for key in keys_of(typed.decode(errors="ignore")):
                    self._press(key)


def keys_of(typed: str) -> list[str]:
    """The keys behind what a terminal sends; of those without a name, none."""
    keys = []
    for modifiers, end, plain in _SEQUENCE.findall(typed):
        key = plain or ("" if modifiers else _ARROWS.get(end, ""))
        if key:
            keys.append("escape" if key == "\x1b" else key)
    return keys


if sys.platform != "win32":

    def _in_foreground() -> bool:
        """Whether stdin is a terminal that is ours to read; otherwise we would be stopped."""
        try:
            return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
        except (OSError, ValueError, AttributeError):
            return False
