"""Where the program's log goes: a file, or stderr, or nowhere.

The library logs through loggers of the names of its modules and gives them no handlers.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from vidstyle.cli.output import print_stderr
from vidstyle.errors import OutputError

_FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s"
_DATE = "%Y-%m-%dT%H:%M:%S"
_LINE = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [A-Z]+ vidstyle")


class LogLevel(StrEnum):
    error = "error"
    warning = "warning"
    info = "info"
    debug = "debug"


@contextmanager
def logging_to(file: Path | None, level: LogLevel | None) -> Iterator[None]:
    """Let everything under the name ``vidstyle`` be logged within the block.

    Args:
        file: what is there already stays; None is stderr, if there is a level.
        level: info unless given.

    Raises:
        OutputError: the file cannot be written, or exists and is not a log of vidstyle.
    """
    if file is None and level is None:
        yield
        return
    handler = _StderrHandler() if file is None else _open_file(file)
    formatter = logging.Formatter(_FORMAT, _DATE)
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logger = logging.getLogger("vidstyle")
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel((level or LogLevel.info).upper())
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.level, logger.propagate = before
        handler.close()


def _open_file(path: Path) -> logging.Handler:
    try:
        _check_file(path)
        return _FileHandler(path, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error


def _check_file(path: Path) -> None:
    """Raises OutputError when lines would be added to a file that is something else."""
    if not path.exists() or not path.is_file() or not path.stat().st_size:
        return
    with path.open("rb") as there:
        if not _LINE.match(there.read(64)):
            raise OutputError(f"{path}: already exists and is not a log; choose another --log-file")


class _FileHandler(logging.FileHandler):
    """Never stands in the way of the work: a log that cannot go on ends, which is told once."""

    def __init__(self, path: Path, encoding: str) -> None:
        super().__init__(path, encoding=encoding)
        self._broken = False

    def emit(self, record: logging.LogRecord) -> None:
        if not self._broken:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        self._broken = True
        error = sys.exception()
        reason = getattr(error, "strerror", None) or error
        print(f"vidstyle: note: the log {self.baseFilename} ends here ({reason})", file=sys.stderr)

    def close(self) -> None:
        try:
            super().close()
        except OSError:  # what could not be written, again
            self.stream = None  # type: ignore[assignment]


class _StderrHandler(logging.Handler):
    """Lines among the program's own. Errors are printed anyway, and tracebacks are for files."""

    def emit(self, record: logging.LogRecord) -> None:
        if not record.exc_info:
            print_stderr(self.format(record))
