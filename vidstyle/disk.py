"""Files that appear under their name when they are complete, or not at all; and stay."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vidstyle.errors import OutputError


@contextmanager
def complete_file(path: Path) -> Iterator[Path]:
    """A hidden name beside ``path`` to write under; the file gets its own at the end of the block.

    After any exception nothing is left of it.

    Raises:
        OutputError: for an ``OSError`` in the block: a full disk, no permission.
    """
    temporary = temporary_name(path)
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # permission was lost: what is told is why nothing was written
            temporary.unlink(missing_ok=True)


def temporary_name(path: Path) -> Path:
    """A hidden name beside ``path`` that nobody else uses."""
    return path.with_name(f".{path.name[:80]}.{os.getpid()}-{secrets.token_hex(4)}")


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
