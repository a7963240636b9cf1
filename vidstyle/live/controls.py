"""What can be changed while a stream runs, and which keys do it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vidstyle.styles.registry import Style


@dataclass(frozen=True)
class ChooseStyle:
    """Change to a style: by its number in the list, from 1, or to any other."""

    style: int | str | Path | Style


@dataclass(frozen=True)
class StepStyle:
    """Move through the list of styles: by whole styles, or part of the way, to a blend."""

    by: float


@dataclass(frozen=True)
class ChangeStrength:
    """Add to the strength."""

    by: float


@dataclass(frozen=True)
class ToggleTemporal:
    """Switch temporal consistency off, or on again."""


@dataclass(frozen=True)
class Quit:
    """End the stream."""


Command = ChooseStyle | StepStyle | ChangeStrength | ToggleTemporal | Quit

KEYS: dict[str, Command] = {
    **dict.fromkeys(("n", "right"), StepStyle(1)),
    **dict.fromkeys(("p", "left"), StepStyle(-1)),
    **{str(number): ChooseStyle(number) for number in range(1, 10)},
    "]": StepStyle(0.1),
    "[": StepStyle(-0.1),
    **dict.fromkeys(("+", "=", "up"), ChangeStrength(0.1)),
    **dict.fromkeys(("-", "down"), ChangeStrength(-0.1)),
    "t": ToggleTemporal(),
    **dict.fromkeys(("q", "escape", "quit", "\x1b", "\x03"), Quit()),
}
"""Commands by key: what it types, or ``left``, ``right``, ``up``, ``down``, ``escape``, or ``quit``
for a window that is closed."""


class LiveControls:
    """Sends commands to a running stream, from any thread."""

    def __init__(self) -> None:
        self._commands: SimpleQueue[Command] = SimpleQueue()

    def send(self, command: Command) -> None:
        """Execute a command before the next frame."""
        self._commands.put(command)

    def set_style(self, style: int | str | Path | Style) -> None:
        """Change to a style or blend."""
        self.send(ChooseStyle(style))

    def quit(self) -> None:
        """End the stream."""
        self.send(Quit())

    def press(self, key: str) -> bool:
        """Send the command of a key in ``KEYS``; False if it has none."""
        command = KEYS.get(key.lower())
        if command is not None:
            self.send(command)
        return command is not None

    def pending(self) -> list[Command]:
        """The commands since the last call."""
        commands = []
        try:
            while True:
                commands.append(self._commands.get_nowait())
        except Empty:
            return commands
