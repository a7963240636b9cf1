"""The files of a batch: where each goes, and what became of it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from vidstyle.errors import OptionError, OutputError, VidstyleError, printable
from vidstyle.pipeline.summary import Listener, Progress, Summary
from vidstyle.pipeline.video import default_output

logger = logging.getLogger(__name__)

Restyle = Callable[[Path, Path, Listener], Summary]
"""Restyles a video file into another; raises VidstyleError or Interrupted."""


@dataclass(frozen=True)
class Task:
    """One file of a batch."""

    source: Path
    output: Path


@dataclass(frozen=True)
class FileProgress:
    """An event: a file after some more of its frames."""

    task: Task
    progress: Progress


@dataclass(frozen=True)
class Outcome:
    """An event: what became of a file.

    Attributes:
        summary: of one that is done.
        reason: why one failed; names the file.
        partial: what is kept of one that was interrupted, for another run with ``resume``.
    """

    task: Task
    state: Literal["done", "failed", "interrupted"]
    summary: Summary | None = None
    reason: str = ""
    partial: Path | None = None


Event = FileProgress | Outcome


class Work(Protocol):
    """What is done with each file. Processes of a batch get a copy each, so it can be pickled."""

    @property
    def label(self) -> str:
        """The style's label, which names outputs."""
        ...

    @property
    def device(self) -> str: ...

    @property
    def resume(self) -> bool:
        """Whether to continue what an earlier batch has left."""
        ...

    def settings(self, source: Path) -> Mapping[str, Any]:
        """All that a file's result depends on, as JSON values."""
        ...

    def load(self, device: str) -> Restyle:
        """Load the model, once for all files.

        Raises:
            VidstyleError: a subclass says what is wrong with the style, options or device.
        """
        ...


def plan_tasks(
    sources: Iterable[str | Path], folder: str | Path | None, label: str
) -> tuple[Task, ...]:
    """Where each file goes: ``SOURCE.<label>.mp4`` in a folder, made if need be, or beside it.

    Raises:
        OptionError: two would go to the same place, or one to where another comes from.
        OutputError: the folder cannot be made.
    """
    tasks: dict[str, Task] = {}
    for source in map(Path, sources):
        output = default_output(source, label)
        output = output if folder is None else Path(folder) / output.name
        task = Task(source, output)
        other = tasks.setdefault(_place(output), task)
        if other is not task:
            raise OptionError(
                f"{other.source} and {source} would both become {output}; "
                "rename one, or give each its own -o"
            )
    for source in [task.source for task in tasks.values()]:
        if clash := tasks.get(_place(source)):
            raise OptionError(
                f"{clash.source} would become {clash.output}, which is an input itself; "
                "leave one out, or choose another folder with -o"
            )
    if folder is not None:
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder}: {error.strerror or error}") from error
    return tuple(tasks.values())


def _place(path: Path) -> str:
    """The same for two paths of the same file, whether that is there or not."""
    place = str(path.resolve())
    return place.casefold() if sys.platform in ("darwin", "win32") else place


def attempt(restyle: Restyle, task: Task, listener: Callable[[FileProgress], None]) -> Outcome:
    """Restyle a file, and say how it went; no other file suffers."""
    try:
        summary = restyle(
            task.source, task.output, lambda progress: listener(FileProgress(task, progress))
        )
    except KeyboardInterrupt as interrupt:
        return Outcome(task, "interrupted", partial=getattr(interrupt, "partial", None))
    except Exception as error:
        logger.error("%s", error, exc_info=True)
        return Outcome(task, "failed", reason=why(task, error))
    return Outcome(task, "done", summary)


def why(task: Task, error: Exception) -> str:
    """One line that names the file. What is no mistake of the user's is named by its type."""
    if isinstance(error, VidstyleError):
        text = str(error)
    elif isinstance(error, OSError):
        text = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    else:
        text = f"{type(error).__name__}: {error}"
    text = " ".join(printable(text).split())
    named = any(str(path) in text for path in (task.source, task.output))
    return text if named else f"{task.source}: {text}"


def in_order(tasks: Sequence[Task], outcomes: Iterable[Outcome]) -> tuple[Outcome, ...]:
    """Outcomes in the order of their tasks."""
    return tuple(sorted(outcomes, key=lambda outcome: tasks.index(outcome.task)))
