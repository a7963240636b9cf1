"""What can be changed while a stream runs, and which keys do it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from queue import Empty, SimpleQueue

from vidstyle.styles.registry import Style


class Action(Enum):
    """What a command is about; its value is said beside it."""

    STYLE = "style"
    """To a style: its number in the list, or itself."""
    STEP = "step"
    """Forward in the list of styles; to the next where it is a whole number, else to a blend."""
    STRENGTH = "strength"
    """Stronger by so much."""
    TEMPORAL = "temporal"
    """Steadying off, or on again; no value."""
    QUIT = "quit"
    """End; no value."""


@dataclass(frozen=True)
class Command:
    action: Action
    value: float | int | str | Path | Style | None = None


@dataclass(frozen=True)
class Key:
    """A command with the keys for it, by what they type, or ``left``, ``right``, ``up``, ``down``,
    ``escape``, ``quit`` (a window that is closed)."""

    names: tuple[str, ...]
    command: Command
    help: str


KEYS = (
    Key(("n", "right"), Command(Action.STEP, 1), "next style"),
    Key(("p", "left"), Command(Action.STEP, -1), "previous style"),
    *(Key((str(n),), Command(Action.STYLE, n), f"style {n}") for n in range(1, 10)),
    Key(("]",), Command(Action.STEP, 0.1), "a tenth of the way to the next style"),
    Key(("[",), Command(Action.STEP, -0.1), "a tenth of the way to the previous style"),
    Key(("+", "=", "up"), Command(Action.STRENGTH, 0.1), "stronger"),
    Key(("-", "down"), Command(Action.STRENGTH, -0.1), "weaker"),
    Key(("t",), Command(Action.TEMPORAL), "steadying off and on"),
    Key(("q", "escape", "quit", "\x1b", "\x03"), Command(Action.QUIT), "end"),
)
_BY_NAME = {name: key.command for key in KEYS for name in key.names}


class LiveControls:
    """Commands to a stream that runs, from any thread."""

    def __init__(self) -> None:
        self._commands: SimpleQueue[Command] = SimpleQueue()

    def send(self, action: Action, value: float | int | str | Path | Style | None = None) -> None:
        """Have it done before the next picture."""
        self._commands.put(Command(action, value))

    def set_style(self, style: str | Path | Style) -> None:
        """Go over to a style, or blend."""
        self.send(Action.STYLE, style)

    def quit(self) -> None:
        """End the stream."""
        self.send(Action.QUIT)

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
