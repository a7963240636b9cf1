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
    temporary = path.with_name(f".{path.name[:80]}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # permission was lost: what is told is why nothing was written
            temporary.unlink(missing_ok=True)


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
