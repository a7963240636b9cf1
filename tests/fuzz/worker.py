"""A process that tries cases: gets their numbers on standard input, a line each, and answers.

An answer is a JSON object: ``number``, ``outcome``, ``seconds`` of processor time and ``peak``,
bytes of memory that the case needed at its height.
"""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

ROOM = 6 << 30
"""Bytes of address space beyond what the libraries take. Nothing may need as much."""


def main() -> None:
    run, corpus = int(sys.argv[1]), Path(sys.argv[2])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # OpenEXR writes to it
    faulthandler.enable()
    from tests.fuzz.cases import make_case, try_case
    from tests.fuzz.seeds import find_seeds

    seeds = find_seeds(corpus)
    _limit_memory()
    print("ready", file=answers, flush=True)
    with TemporaryDirectory() as folder:
        for line in sys.stdin:
            case = make_case(run, int(line), seeds)
            print(f"case {int(line)}: {case.reader} {case.source.name}", file=sys.stderr)
            _forget_peak()
            before, began = _memory("VmRSS"), time.process_time()
            outcome = try_case(case, Path(folder))
            answer = {
                "number": int(line),
                "reader": case.reader,
                "source": case.source.name,
                "outcome": outcome,
                "seconds": time.process_time() - began,
                "peak": _memory("VmHWM") - before,
            }
            print(json.dumps(answer), file=answers, flush=True)


def _limit_memory() -> None:
    room = _memory("VmSize") + ROOM
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _memory(name: str) -> int:
    """Bytes, as the kernel counts."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(name)


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


if __name__ == "__main__":
    main()
