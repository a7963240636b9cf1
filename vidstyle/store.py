"""What a run has finished, on disk, so that another run can go on from there: the settings that it
depends on, a line for each thing that is done, the latest state of the temporal memory."""

from __future__ import annotations

import json
import os
import shutil
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from vidstyle.disk import name_beside, sync
from vidstyle.errors import InputError, OptionError, OutputError
from vidstyle.image import read_image, write_image

EVERY = 16
"""Frames between two checkpoints of a picture sequence."""
KEPT = 2
"""Checkpoints; the older ones are removed."""
SETTINGS = "settings.json"
_PREFIX, _SUFFIX = "state-", ".npz"
# What zipfile and NumPy raise on damaged files.
_DAMAGE = (
    *(OSError, EOFError, ValueError, LookupError, RuntimeError, MemoryError, TypeError),
    *(zipfile.BadZipFile, zlib.error, struct.error, SyntaxError),
)


# ---- the state of the memory ----------------------------------------------------------------


@dataclass(frozen=True)
class Checkpoint:
    """All that the frame after it depends on.

    Attributes:
        thumbnail: of the source frame, h×w×3 uint8.
        states: of the memories, ``TemporalMemory.state()``, one a region.
    """

    thumbnail: np.ndarray
    states: tuple[Mapping[str, np.ndarray], ...]


class Checkpoints:
    """Those of a run, each complete or not there at all, by the link of the frame they follow.

    Only the latest are kept: a state holds 12 bytes a pixel and region.

    Args:
        folder: where they lie; made when the first comes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._saved: list[Path] = sorted(self._files(), key=lambda path: path.stat().st_mtime_ns)

    def has(self, link: str) -> bool:
        """Whether there is one for a frame; ``load`` may still find it damaged."""
        return self._path(link).is_file()

    def load(self, link: str) -> Checkpoint | None:
        """None when there is none, or it cannot be read."""
        try:
            with np.load(self._path(link)) as arrays:
                states: list[dict[str, np.ndarray]] = []
                for key in arrays.files:
                    if key == "thumbnail":
                        continue
                    region, name = key.split(".")
                    while len(states) <= int(region):
                        states.append({})
                    states[int(region)][name] = arrays[key]
                return Checkpoint(arrays["thumbnail"], tuple(states))
        except _DAMAGE:
            return None

    def save(self, link: str, checkpoint: Checkpoint) -> None:
        """Raises OutputError when the disk is full or so."""
        arrays = {
            f"{region}.{name}": array
            for region, state in enumerate(checkpoint.states)
            for name, array in state.items()
        }
        path = self._path(link)
        with _replaced(path) as temporary, temporary.open("wb") as file:
            np.savez(file, thumbnail=checkpoint.thumbnail, **arrays)  # type: ignore[arg-type]
        self._saved = [*(old for old in self._saved if old != path), path]
        while len(self._saved) > KEPT:
            self._saved.pop(0).unlink(missing_ok=True)

    def remove(self) -> None:
        """All of them, and what a killed run has left."""
        for path in [*self._files(), *self.folder.glob(f"{_PREFIX}*.part")]:
            path.unlink(missing_ok=True)
        self._saved = []

    def _path(self, link: str) -> Path:
        return self.folder / f"{_PREFIX}{link}{_SUFFIX}"

    def _files(self) -> list[Path]:
        return list(self.folder.glob(f"{_PREFIX}*{_SUFFIX}"))


# ---- what is done -----------------------------------------------------------------------------


class RecordLog:
    """A line of JSON for each thing that is done, only ever appended to.

    A line that was cut off when the run was killed does not count, and goes before the next.

    Args:
        path: of the file, made when the first line comes.
        durable: whether each line must survive a power cut, for which the disk is waited for.

    Raises:
        OutputError: from all methods: the file cannot be read or written.
    """

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self.path, self._durable = path, durable
        self._whole = False

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for line in self._lines():
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise self.damaged() from error
            if not isinstance(record, dict):
                raise self.damaged()
            yield record

    def append(self, record: Mapping[str, Any]) -> None:
        """Add a line."""
        if not self._whole:
            self.truncate()
            self._whole = True
        with _translated(self.path):
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
            if self._durable:
                sync(self.path)
                sync(self.path.parent)

    def truncate(self, count: int | None = None) -> None:
        """Keep the first so many lines, or all that are complete."""
        size = sum(map(len, islice(self._lines(), count)))
        if self.path.exists():
            with _translated(self.path):
                os.truncate(self.path, size)

    def damaged(self) -> OutputError:
        """The error of a log that makes no sense."""
        return OutputError(f"{self.path}: cannot be read; start over with --overwrite")

    def _lines(self) -> Iterator[bytes]:
        if not self.path.exists():
            return
        with _translated(self.path), self.path.open("rb") as file:
            while (line := file.readline()).endswith(b"\n"):
                yield line


# ---- the folder -------------------------------------------------------------------------------


class RunFolder:
    """A hidden folder beside an output, for what a run has finished.

    It is made with the settings that all of it depends on, when the first thing is kept.

    Args:
        output: of the run, whose folder and name it shares.
        settings: JSON values by names that a user knows.
        resume: continue what an earlier run has left, if it did.
        overwrite: remove that instead.

    Raises:
        OptionError: to resume, settings have changed since; names them.
        OutputError: an earlier run has left something, and neither was asked for; or what is
            there was not made by vidstyle.
    """

    def __init__(
        self, output: Path, settings: Mapping[str, Any], *, resume: bool, overwrite: bool
    ) -> None:
        self.output = output
        self.path = name_beside(output, f".{output.name}", ".work")
        self._settings = json.dumps(settings, indent=1)
        if not self.path.exists():
            return
        if resume:
            self._compare(json.loads(self._settings))
        elif overwrite or not self.begun:  # or ended before anything was kept
            self.remove()
        else:
            raise OutputError(
                f"{output}: an earlier run left finished frames in {self.path}; "
                "continue with --resume, or start over with --overwrite"
            )

    @property
    def begun(self) -> bool:
        """Whether there is something of an earlier run, or of this one."""
        return self._note.exists()

    def begin(self) -> None:
        """Note the settings, before anything is kept that depends on them.

        Raises OutputError when the disk is full or so.
        """
        if not self.begun:
            with _replaced(self._note) as temporary:
                temporary.write_text(self._settings)

    def remove(self) -> None:
        """Remove the folder, if vidstyle has made it.

        Raises:
            OutputError: it has not, or the folder cannot be removed.
        """
        if not self.path.exists():
            return
        self._check()
        # Records first, as they count what is there; the settings last, as they say whose it is.
        order = sorted(
            self.path.iterdir(), key=lambda path: (path.suffix != ".jsonl", path == self._note)
        )
        try:
            for path in order:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            self.path.rmdir()
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be removed ({error.strerror})") from error

    @property
    def _note(self) -> Path:
        return self.path / SETTINGS

    def _check(self) -> None:
        """Raises OutputError when somebody else made what is there."""
        if not self.path.is_dir() or (any(self.path.iterdir()) and not self._known()):
            raise OutputError(f"{self.path}: is not a work folder of vidstyle; remove it yourself")

    def _known(self) -> bool:
        names = {path.name for path in self.path.iterdir()}
        return SETTINGS in names or all(name.isdigit() or ".part" in name for name in names)

    def _compare(self, settings: Mapping[str, Any]) -> None:
        self._check()
        if not self.begun:
            return
        try:
            before = dict(json.loads(self._note.read_text()))
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise OutputError(
                f"{self._note}: cannot be read; start over with --overwrite"
            ) from error
        if change := describe_change(before, settings):
            raise OptionError(
                f"{self.output}: was begun with {change}; continue with the same settings, "
                "or start over with --overwrite"
            )


class FrameCache(RunFolder):
    """A long job's finished frames: pictures by pass and frame, lossless, each complete or not
    there at all."""

    def load(self, number: int, index: int) -> np.ndarray | None:
        """The picture of a pass and a frame, H×W×3 uint8; None when it is not there."""
        try:
            return read_image(self._place(number, index))
        except InputError:
            return None

    def get(self, number: int, index: int) -> np.ndarray:
        """The same, of what must be there; OutputError when it is not."""
        picture = self.load(number, index)
        if picture is None:
            raise OutputError(f"{self.path}: frame {index} is missing; run again with --resume")
        return picture

    def save(self, number: int, index: int, picture: np.ndarray) -> None:
        """Raises OutputError when the disk is full or so."""
        self.begin()
        place = self._place(number, index)
        with _translated(self.path):
            place.parent.mkdir(exist_ok=True)
        write_image(place, picture)

    def _place(self, number: int, index: int) -> Path:
        return self.path / str(number) / f"{index:08d}.png"


def describe_change(before: Mapping[str, Any], settings: Mapping[str, Any]) -> str | None:
    """``strength 0.5, not 1.0; color style, not keep``: what has changed; None when nothing has."""
    changed = [
        f"{name} {_words(before.get(name))}, not {_words(settings.get(name))}"
        for name in {**before, **settings}
        if before.get(name) != settings.get(name)
    ]
    return "; ".join(changed) or None


def _words(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn the system's errors into ``OutputError``."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}") from error


@contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    """Another name to write under; the file gets its own once it would survive a power cut."""
    temporary = path.with_suffix(".part")
    try:
        with _translated(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            sync(temporary)
            temporary.replace(path)
            sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
