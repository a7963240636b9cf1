"""How long users wait before anything happens, and for what.

    python benchmarks/startup.py [--size 1280x720] [--rounds 7] [--json FILE]

Each row is a process of its own, all in turns after one round to warm up; medians of seconds from
the start of the process, seen from outside, and of its processors'. ``first frame``: until the
first batch is drawn. The parts of that are measured inside of another process: what importing the
pipeline takes (torch, OpenCV, PyAV), what opening the clip, loading the style and choosing the
precision, and drawing the first batch.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from machine import (
    PROGRAM,
    Child,
    heading,
    make_clip,
    median,
    parser,
    run_child,
    run_script,
    save,
    table,
)

FRAMES = 8
TARGETS = {"vidstyle --help": 0.3, "vidstyle styles": 0.5}


def parts(clip: str) -> dict[str, float]:
    """Seconds of each, in this process."""
    clock = [time.perf_counter()]
    import vidstyle.cli.main

    clock.append(time.perf_counter())
    import torch

    clock.append(time.perf_counter())
    import vidstyle.pipeline.video  # noqa: F401

    clock.append(time.perf_counter())
    from vidstyle.stylizers import FastStylizer

    stylizer = FastStylizer("scream")
    clock.append(time.perf_counter())
    import numpy as np

    from vidstyle.video import VideoReader

    with VideoReader(clip) as reader:
        frames = iter(reader)
        batch = np.stack([next(frames).image for _ in range(stylizer.batch_size)])
        clock.append(time.perf_counter())
        stylizer(batch)
    clock.append(time.perf_counter())
    names = (
        "import command line",
        "import torch",
        "import pipeline (OpenCV, PyAV)",
        f"style and precision ({torch.get_num_threads()} threads)",
        "open and decode a batch",
        "draw a batch",
    )
    seconds = (after - before for before, after in pairwise(clock))
    return dict(zip(names, seconds, strict=True))


def drawn(line: str) -> bool:
    return json.loads(line)["event"] == "progress"


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--size", default="1280x720")
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--json", type=Path, help="for the raw numbers")
    arguments.add_argument("--parts", metavar="CLIP", help="measure the parts in this process")
    options = arguments.parse_args()
    if options.parts:
        print(json.dumps(parts(options.parts)))
        return
    children: dict[str, list[Child]] = {}
    inside: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        clip = make_clip(Path(folder) / "clip.mp4", options.size, FRAMES)
        run: list[object] = [*PROGRAM, "run", clip, "-o", Path(folder) / "out.mp4", "--overwrite"]
        commands: dict[str, list[Any]] = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "vidstyle --help": [*PROGRAM, "--help"],
            "vidstyle styles": [*PROGRAM, "styles"],
            f"vidstyle run, {FRAMES} frames": [*run, "--progress", "json"],
        }
        for number in range(options.rounds + 1):
            for name, command in commands.items():
                until = drawn if "run" in name else lambda line: False
                child = run_child(command, until)
                children.setdefault(name, []).extend([child] if number else [])
            measured = run_script(__file__, "--parts", clip)
            inside.extend([measured] if number else [])
    print(heading(size=options.size, rounds=options.rounds))

    def row(name: str) -> list[str]:
        seconds = median(child.seconds for child in children[name])
        processor = median(child.processor for child in children[name])
        firsts = [child.first for child in children[name] if child.first is not None]
        first, target = f"{median(firsts):.2f}" if firsts else "", TARGETS.get(name)
        verdict = f"< {target} s: {'met' if seconds < target else 'missed'}" if target else ""
        return [f"`{name}`", f"{seconds:.2f}", f"{processor:.2f}", first, verdict]

    head = ["command", "s", "s of processors", "first frame, s", "target"]
    print(table(head, map(row, children)))
    rows = [[name, f"{median(parts[name] for parts in inside):.3f}"] for name in inside[0]]
    print(table(["part of the first frame", "s"], rows))
    raw = {name: [vars(child) | {"stdout": None} for child in c] for name, c in children.items()}
    save(options.json, {"commands": raw, "parts": inside})


if __name__ == "__main__":
    main()
