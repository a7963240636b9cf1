"""What can be changed while a stream runs, and which keys do it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vidstyle.styles.registry import Style


@dataclass(frozen=True)
class ToStyle:
    """Go over to a style: by its number in the list, from 1, or to any."""

    style: int | str | Path | Style


@dataclass(frozen=True)
class Step:
    """Go on in the list of styles: by whole styles, or a part of the way, to a blend."""

    by: float


@dataclass(frozen=True)
class Strengthen:
    """Change the strength."""

    by: float


@dataclass(frozen=True)
class ToggleTemporal:
    """Leave the past out, or take it in again."""


@dataclass(frozen=True)
class Quit:
    """End the stream."""


Command = ToStyle | Step | Strengthen | ToggleTemporal | Quit


@dataclass(frozen=True)
class Key:
    """A command with the keys for it, by what they type, or ``left``, ``right``, ``up``, ``down``,
    ``escape``, ``quit`` (a window that is closed)."""

    names: tuple[str, ...]
    command: Command
    help: str


KEYS = (
    Key(("n", "right"), Step(1), "next style"),
    Key(("p", "left"), Step(-1), "previous style"),
    *(Key((str(n),), ToStyle(n), f"style {n}") for n in range(1, 10)),
    Key(("]",), Step(0.1), "a tenth of the way to the next style"),
    Key(("[",), Step(-0.1), "a tenth of the way to the previous style"),
    Key(("+", "=", "up"), Strengthen(0.1), "stronger"),
    Key(("-", "down"), Strengthen(-0.1), "weaker"),
    Key(("t",), ToggleTemporal(), "steadying off and on"),
    Key(("q", "escape", "quit", "\x1b", "\x03"), Quit(), "end"),
)
_BY_NAME = {name: key.command for key in KEYS for name in key.names}


class LiveControls:
    """Commands to a stream that runs, from any thread."""

    def __init__(self) -> None:
        self._commands: SimpleQueue[Command] = SimpleQueue()

    def send(self, command: Command) -> None:
        """Have it done before the next picture."""
        self._commands.put(command)

    def set_style(self, style: int | str | Path | Style) -> None:
        """Go over to a style, or blend."""
        self.send(ToStyle(style))

    def quit(self) -> None:
        """End the stream."""
        self.send(Quit())

    def press(self, key: str) -> bool:
        """Do what a key stands for in ``KEYS``; whether it stands for anything."""
        command = _BY_NAME.get(key.lower())
        if command is not None:
            self._commands.put(command)
        return command is not None

    def pending(self) -> list[Command]:
        """What was sent since the last call."""
        commands = []
        try:
            while True:
                commands.append(self._commands.get_nowait())
        except Empty:
            return commands
