"""Which files of a batch are done, so that another with ``resume`` need not make them again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from vidstyle.batch.tasks import Outcome, Task, Work
from vidstyle.pipeline.summary import Summary
from vidstyle.store import RecordLog

NAME = ".vidstyle.done"


class Ledger:
    """Lines in a hidden file of each output's folder: an output as it is, and its settings.

    It is removed when the whole batch is done. An output that has changed since, or whose settings
    were others, is not among those that are done.
    """

    def __init__(self, work: Work) -> None:
        self._work = work

    def find(self, task: Task) -> Summary | None:
        """The summary of a file that is done already."""
        settings = _plain(self._work.settings(task.source)) if task.source.exists() else None
        for entry in self._entries(task):
            if entry["settings"] == settings and entry["file"] == _state(task.output):
                lost, frames = tuple(entry["lost"]), entry["frames"]
                return Summary(task.output, frames, 0.0, lost, lost, skipped=frames)
        return None

    def note(self, outcome: Outcome) -> None:
        """Keep that a file is done.

        Raises:
            OutputError: the disk is full or so.
        """
        task, summary = outcome.task, outcome.summary
        assert summary is not None
        entry = {
            "output": task.output.name,
            "file": _state(task.output),
            "frames": summary.frames,
            "lost": summary.lost,
            "settings": self._work.settings(task.source),
        }
        RecordLog(_path(task)).append(_plain(entry))

    def remove(self, tasks: Iterable[Task]) -> None:
        """Remove the records of a batch that is done."""
        for path in {_path(task) for task in tasks}:
            path.unlink(missing_ok=True)

    def _entries(self, task: Task) -> Iterator[dict[str, Any]]:
        """What is known of an output; lines that are damaged say nothing."""
        path = _path(task)
        if not path.is_file():
            return
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(line)
                if entry["output"] == task.output.name and isinstance(entry["frames"], int):
                    yield {name: entry[name] for name in ("settings", "file", "lost", "frames")}
            except (ValueError, TypeError, KeyError, RecursionError):
                continue


def _path(task: Task) -> Path:
    return task.output.parent / NAME


def _state(path: Path) -> list[int] | None:
    """Size and time of a file, if it is there."""
    try:
        state = path.stat()
    except OSError:
        return None
    return [state.st_size, state.st_mtime_ns]


def _plain(value: Any) -> Any:
    """As it comes back from JSON."""
    return json.loads(json.dumps(value, default=str))
