"""Entry point of the process: a signal that comes before there is any work ends it at once."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress

from vidstyle.errors import ExitCode
from vidstyle.interrupts import end_at_once_on_signals


def main() -> None:
    """Run the program; see ``vidstyle.cli.main``."""
    end_at_once_on_signals()
    from vidstyle.cli.main import main as program

    try:
        program()
    except SystemExit as end:
        if end.code == ExitCode.interrupted:
            _leave()
        raise


def _leave() -> None:
    """End without the interpreter's own end, which waits for threads and unloads libraries.

    An interrupt that such a library has seen while it was loaded would also change the exit code.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(ExitCode.interrupted)


if __name__ == "__main__":
    main()
