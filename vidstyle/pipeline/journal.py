"""What a run over a sequence has finished, on disk, so that another can go on after any end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vidstyle.errors import OptionError, OutputError
from vidstyle.store import RecordLog, describe_change

NAME = "journal.jsonl"


@dataclass(frozen=True)
class Entry:
    """A finished frame, or one of its passes.

    Attributes:
        name: of its file.
        link: what it depends on (``link``).
        bytes: size of the file.
        size: of the picture, width and height.
        depth: type of the picture's pixels.
        cut: a shot begins with it, so that it depends on no frame before.
        broken: its input could not be read; 'skip' or 'copy' is what was done instead.
        next: of a pass, what the next frame depends on; None where nothing followed.
    """

    name: str
    link: str
    bytes: int
    size: tuple[int, int] | None = None
    depth: str | None = None
    cut: bool = False
    broken: str | None = None
    next: str | None = None


class Journal:
    """Settings, and a line for each frame that was begun or finished; only ever appended to.

    A frame's file has its final name before its line is written. So a run that is killed at any
    moment leaves lines that are true, perhaps half a line, and perhaps a whole file whose line says
    only that it was begun: it is ours, and is made again.

    Args:
        folder: of its own, made with the first line.

    Raises:
        OutputError: what is there cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / NAME
        self._log = RecordLog(self.path, durable=False)
        self.settings: dict[str, Any] | None = None
        """Settings of the run that began the journal; None when there was none."""
        self.entries: dict[str, Entry] = {}
        self.begun: set[str] = set()
        """Names of files that are ours, finished or not."""
        self._read()

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Go on under these settings, JSON values by names that a user knows.

        Raises:
            OptionError: they have changed since the first frame; names the first that did.
        """
        now: dict[str, Any] = json.loads(json.dumps(dict(settings)))
        change = None if self.settings is None else describe_change(self.settings, now)
        if self.settings is None or (change and not self.entries):
            self.settings = now
            self._append({"settings": now})
        elif change:
            raise OptionError(
                f"{self.folder.parent}: was begun with {change}; continue with the same settings, "
                "or start over with --overwrite"
            )

    def forget(self) -> None:
        """Begin anew: what is finished will be made again.

        Raises OutputError when the folder cannot be changed.
        """
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{self.path}: {error.strerror or error}") from error
        self.settings, self.entries, self.begun = None, {}, set()

    def start(self, name: str) -> None:
        """A file of that name will be written; what was finished under it no longer counts."""
        self.begun.add(name)
        self.entries.pop(name, None)
        self._append({"begun": name})

    def finish(self, entry: Entry) -> None:
        """The file has its final name."""
        self.begun.add(entry.name)
        self.entries[entry.name] = entry
        self._append({k: v for k, v in asdict(entry).items() if v is not None and v is not False})

    def _append(self, line: Mapping[str, Any]) -> None:
        """Raises OutputError when the disk is full or so."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.folder}: {error.strerror or error}") from error
        self._log.append(line)

    def _read(self) -> None:
        try:
            for line in self._log:
                self._take(line)
        except (ValueError, TypeError, KeyError) as error:
            raise self._log.damaged() from error

    def _take(self, line: dict[str, Any]) -> None:
        if not isinstance(line.get("settings", {}), dict):
            raise TypeError("settings are an object")
        if "settings" in line:
            self.settings = line["settings"]
        elif "begun" in line:
            self.begun.add(line["begun"])
            self.entries.pop(line["begun"], None)
        else:
            if "size" in line:
                line["size"] = tuple(line["size"])
            entry = Entry(**line)
            self.begun.add(entry.name)
            self.entries[entry.name] = entry


def link(before: str | None, *parts: object) -> str:
    """What a frame depends on, as a short hash: its own files, and the link of the frame before.

    Args:
        before: None where a shot begins.
        parts: that identify its own files.
    """
    text = json.dumps([before, *map(str, parts)])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def identity(path: Path) -> str:
    """Name, bytes and time of a file. Raises OSError."""
    status = path.stat()
    return f"{path.name} {status.st_size} {status.st_mtime_ns}"
