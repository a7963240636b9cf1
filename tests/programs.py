"""The program in processes of its own, forked from one that has imported everything."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

_LOADED = [
    "vidstyle.cli.main",
    "vidstyle.sequences.clip",
    "vidstyle.pipeline.video",
    "vidstyle.stylizers",
]


def start(arguments: Sequence[str | Path], told: Path, printed: Path | None = None) -> BaseProcess:
    """Start ``vidstyle`` with arguments.

    Args:
        told: the file that its messages go to.
        printed: what else it prints goes there.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LOADED)
    process = context.Process(target=_vidstyle, args=([*map(str, arguments)], told, printed))
    process.start()
    return process


def _vidstyle(arguments: list[str], told: Path, printed: Path | None) -> None:
    from vidstyle.__main__ import main
    from vidstyle.interrupts import heeded

    for number, path in ((1, printed), (2, told)):
        if path is not None:
            with path.open("w") as file:
                os.dup2(file.fileno(), number)
    sys.argv = ["vidstyle", *arguments]
    try:
        main()
    finally:  # what multiprocessing does afterwards is not the program's to be interrupted in
        for number in heeded():
            signal.signal(number, signal.SIG_IGN)
