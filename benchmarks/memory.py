"""How much memory `vidstyle run` takes, and that it does not grow with the clip.

    python benchmarks/memory.py [--cases 1920x1080:50,1920x1080:200,3840x2160:30,3840x2160:90]
        [--temporal 0.6,0] [--json FILE] [-- OPTIONS of vidstyle run]

A case is a size and a number of frames: the sample clip enlarged, to and fro where it is too short.
Each run is a process of its own; its peak (RSS, with Python and torch, which take 0.4 GB) is what
the system counted when it ended. ``growth`` is from the shortest clip of a size to the longest, a
frame; one frame of the picture is put beside it, as keeping one a frame would be a leak.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from machine import PROGRAM, heading, make_clip, parse_size, parser, run_child, save, table

CASES = "1920x1080:50,1920x1080:200,3840x2160:30,3840x2160:90"


def measure(size: str, frames: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    with tempfile.TemporaryDirectory() as name:
        clip = make_clip(Path(name) / "clip.mp4", size, frames)
        for temporal in options.temporal.split(","):
            output = ["-o", Path(name) / "out.mp4", "--overwrite", "--progress", "none", "--json"]
            command = [*PROGRAM, "run", clip, *output, "--temporal", temporal, *options.more]
            child = run_child(command)
            assert json.loads(child.stdout.splitlines()[-1])["frames"] == frames
            row = {"size": size, "frames": frames, "temporal": temporal, "peak": child.peak}
            rows.append(row)
    return rows


def growth(rows: list[dict[str, Any]], row: dict[str, Any]) -> float:
    """Bytes a frame between the shortest clip like a row's and the longest; nan with one alone."""
    alike = [r for r in rows if all(r[key] == row[key] for key in ("size", "temporal"))]
    short, long = (pick(alike, key=lambda r: r["frames"]) for pick in (min, max))
    frames = long["frames"] - short["frames"]
    return (long["peak"] - short["peak"]) / frames if frames else float("nan")


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--cases", default=CASES)
    arguments.add_argument("--temporal", default="0.6,0")
    arguments.add_argument("--json", type=Path, help="for the raw numbers")
    arguments.add_argument("more", nargs="*", help="options of vidstyle run, after --")
    options = arguments.parse_args()
    rows: list[dict[str, Any]] = []
    for case in options.cases.split(","):
        size, _, frames = case.partition(":")
        rows += measure(size, int(frames), options)
    print(heading(options=" ".join(options.more) or "none"))
    head = ["size", "temporal", "frames", "peak, GB", "growth, MB a frame", "a frame, MB"]

    def line(row: dict[str, Any]) -> list[object]:
        width, height = parse_size(row["size"])
        grown, picture = growth(rows, row) / 1e6, 3 * width * height / 1e6
        peak = f"{row['peak'] / 1e9:.2f}"
        return [*(row[k] for k in ("size", "temporal", "frames")), peak, f"{grown:.2f}",
                f"{picture:.1f}"]  # fmt: skip

    order = sorted(rows, key=lambda r: (parse_size(r["size"]), -float(r["temporal"]), r["frames"]))
    print(table(head, map(line, order)))
    save(options.json, {"rows": rows})


if __name__ == "__main__":
    main()
