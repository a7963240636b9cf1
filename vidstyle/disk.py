"""Files that appear under their name when they are complete, or not at all; and stay."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from vidstyle.errors import OutputError

_SCRATCH = ".trial"
_LONGEST_NAME = 255
"""Bytes that file systems allow."""


@contextmanager
def complete_file(path: Path) -> Iterator[Path]:
    """A hidden name beside ``path`` to write under; the file gets its own at the end of the block.

    After any exception nothing is left of it.

    Raises:
        OutputError: for an ``OSError`` in the block: a full disk, no permission.
    """
    temporary = temporary_name(followed(path))
    try:
        yield temporary
        temporary.replace(followed(path))
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # permission was lost: what is told is why nothing was written
            temporary.unlink(missing_ok=True)


def temporary_name(path: Path) -> Path:
    """A hidden name beside ``path`` that nobody else uses."""
    return name_beside(path, f".{path.name}", f".{os.getpid()}-{secrets.token_hex(4)}")


def name_beside(path: Path, stem: str, ending: str) -> Path:
    """A path in the folder of ``path``; the stem of its name is cut where it would be too long."""
    room, whole = _LONGEST_NAME - len(os.fsencode(ending)), os.fsencode(stem)
    if len(whole) > room:
        mark = f"-{hashlib.sha256(whole).hexdigest()[:8]}"
        stem = whole[: room - len(mark)].decode(errors="ignore") + mark
    return path.with_name(stem + ending)


def followed(path: Path) -> Path:
    """Where a symbolic link leads, also where nothing is there yet; other paths as they are."""
    return path.resolve() if path.is_symlink() else path


class OutputLock:
    """Keeps other runs from writing the same file, or into the same folder, as a context manager.

    The lock is a hidden file beside the output, so that nothing that clears the output's own
    folder removes it. The system gives it up when the process ends, however that happens.

    Args:
        output: the file or folder.
        part: what of a folder is locked; runs that write other parts of it go on beside this one.
        overwrite: whether a file may be there already; another run may just have made it.

    Raises:
        OutputError: another run is writing there, or nothing can be written beside it, or the
            file is there already.
    """

    def __init__(self, output: Path, part: str = "", *, overwrite: bool = True) -> None:
        if not output.parent.is_dir():
            raise OutputError(f"{output}: there is no directory {output.parent}")
        self._lock = FileLock(_lock_file(output, part), thread_local=False)
        try:
            Path(self._lock.lock_file).touch()  # else filelock reports that it is taken
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise OutputError(f"{output}: another run is writing it") from error
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise OutputError(f"{output}: cannot be written ({reason})") from error
        try:
            if not overwrite:
                check_new_file(output, overwrite)
        except BaseException:
            self.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()

    def release(self) -> None:
        """Let others write; nothing is left of the lock."""
        if self._lock.is_locked:
            with suppress(OSError):  # it is in nobody's way
                Path(self._lock.lock_file).unlink(missing_ok=True)
            self._lock.release()


def _lock_file(output: Path, part: str) -> Path:
    """Where the lock of an output is: inside of a folder beside which nothing may be written."""
    place = followed(output).absolute()
    if place.is_dir() and not os.access(place.parent, os.W_OK):
        return name_beside(place / "in", f".vidstyle.{part}", ".lock")
    return name_beside(place, f".{place.name}{part and '.'}{part}", ".lock")


def check_new_file(path: Path, overwrite: bool) -> None:
    """Raises OutputError when a file cannot be created, or replaced, at ``path``."""
    if not path.parent.is_dir():
        raise OutputError(f"{path}: there is no directory {path.parent}")
    if not path.exists():
        return
    if not path.is_file():
        raise OutputError(f"{path}: is not a regular file")
    if not overwrite:
        raise OutputError(f"{path}: exists already; remove it, or overwrite it with --overwrite")


def sync(path: Path) -> None:
    """Wait until a file, or a folder's list of names, would survive a power cut.

    Raises:
        OSError: the disk is full or so.
    """
    if path.is_dir() and os.name == "nt":
        return  # there, a folder cannot be opened, and names need no such care
    number = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """A hidden folder beside an output, for a while; those that killed runs have left go, too.

    Raises:
        OSError: it cannot be made there.
    """
    mark = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:8]
    for left in path.parent.glob(f".{mark}-*{_SCRATCH}"):
        lock = FileLock(left / _SCRATCH)
        with suppress(OSError):  # a Timeout, too: another run is at work in it
            lock.acquire(timeout=0)
            lock.release()
            shutil.rmtree(left)
    folder = path.with_name(f".{mark}-{secrets.token_hex(4)}{_SCRATCH}")
    folder.mkdir()
    try:
        with FileLock(folder / _SCRATCH):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
