"""What the program prints: lines, notes and JSON events."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from vidstyle.errors import OutputError
from vidstyle.options.commands import ProgressKind


def print_line(line: str) -> None:
    """Print to stdout, at once.

    Raises:
        OutputError: stdout is a file on a full disk, for example.
        BrokenPipeError: nobody reads it any more, which ends programs in silence.
    """
    try:
        print(line, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise unwritable_stdout(error) from error


def unwritable_stdout(error: OSError) -> OutputError:
    return OutputError(f"stdout: cannot be written ({error.strerror or error})")


def print_json(**values: Any) -> None:
    """Print one object as a line."""
    print_line(json.dumps(values, ensure_ascii=False))


def print_stderr(line: str) -> None:
    """Print to stderr, past any bar that is shown there."""
    from tqdm import tqdm

    tqdm.write(line, file=sys.stderr)


def print_error(message: str) -> None:
    """Print one line about something that went wrong, or that is worth knowing."""
    print_stderr(f"vidstyle: {message}")


def print_warning(kind: ProgressKind, message: str, source: Path | None = None) -> None:
    """An event, or a note on stderr.

    Args:
        source: the file that it is about, where there are others.
    """
    if kind == "json":
        named = {} if source is None else {"input": str(source)}
        print_json(event="warning", **named, message=message)
    else:
        print_error(f"note: {message}" if source is None else f"note: {source}: {message}")
