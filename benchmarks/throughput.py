"""How fast `vidstyle run` is from file to file, beside the plain job and beside its own ceilings.

    python benchmarks/throughput.py [--sizes 640x360,1280x720,1920x1080] [--frames 100]
        [--rounds 3] [--style S] [--temporal T] [--precision P] [--preset P]
        [--variant "NAME: OPTIONS"]... [--plain-frames 3] [--json FILE] [-- OPTIONS]

The sample clip is scaled to each size, with its sound. Everything runs in processes of its own, in
turns, after one short run of each to warm up; figures are medians of the rounds. A variant is a
row, with options of `vidstyle run` of its own after those for all:

    --variant "standard:" --variant "draft: --quality draft --preset veryfast"

    frames/s      of the run, from the first frame to the finished file, as its summary tells
    with start    the same with all that a user waits for, seen from outside
    plain         the plain network (plain.py): fp32, one frame after another, decoded, drawn and
                  encoded in sequence, with x264's quality as ours (a variant's own preset apart).
                  Few frames: medians of decoding and drawing, and the mean of encoding
    slowest       the slowest stage alone on the whole machine (stages.py), and the run's share
    cores         a second ceiling, as on a CPU all stages share the cores: their number by the
                  seconds of processors that all the stages take for a frame, each measured alone
    cores busy    share of their time that the run used, start-up included
    busy, starved, blocked   of a stage in the run, in ms a frame: at work, waiting for frames,
                  waiting for room behind (flow on several threads, so that its sum counts twice)
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from machine import (
    PROGRAM,
    cores,
    heading,
    make_clip,
    median,
    parser,
    run_child,
    run_script,
    save,
    table,
)

SIZES = "640x360,1280x720,1920x1080"
STAGES = {
    "decode": ("decode", "convert"),
    "flow": ("flow",),
    "inference": ("inference",),
    "blend": ("blend",),
    "encode": ("encode",),
}
"""What is measured alone, and which stages of a summary that is."""
WARM_UP = "0.3"
"""Seconds of the clip."""
NETWORK, WHOLE, PIPELINE, MOONSHOT = 40, 20, 0.85, 30
"""Times the plain network, times the plain job, share of the slowest stage, frames/s at 720p."""


@dataclass
class Case:
    """One variant at one size, and what was measured in each round."""

    size: str
    variant: str
    options: list[str]
    runs: list[dict[str, Any]] = field(default_factory=list)
    alone: list[dict[str, Any]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return median(run["frames"] / run["seconds"] for run in self.runs)

    @property
    def rate_with_start(self) -> float:
        return median(run["frames"] / run["wall"] for run in self.runs)

    @property
    def busy(self) -> float:
        """Share of the cores' time that the run used, start-up included."""
        return median(run["processor"] / (run["wall"] * cores()) for run in self.runs)

    def rate_alone(self, stage: str) -> float:
        return median(times[stage]["frames"] / times[stage]["seconds"] for times in self.alone)

    def processor(self, stage: str) -> float:
        """Seconds a frame, of all cores together."""
        return median(times[stage]["processor"] / times[stage]["frames"] for times in self.alone)

    @property
    def slowest(self) -> str:
        return min(STAGES, key=self.rate_alone)

    @property
    def ceiling(self) -> float:
        """Frames a second of the slowest stage alone."""
        return self.rate_alone(self.slowest)

    @property
    def ceiling_of_cores(self) -> float:
        return cores() / sum(self.processor(stage) for stage in STAGES)

    def in_run(self, stage: str, what: str) -> float:
        """Seconds a frame, ``what`` being seconds, starved or blocked."""
        return median(
            sum(run["stages"].get(part, {}).get(what, 0) for part in STAGES[stage]) / run["frames"]
            for run in self.runs
        )


Plain = Mapping[str, list[dict[str, float]]]


def run(clip: Path, options: Sequence[str], folder: Path) -> dict[str, Any]:
    output = ["-o", folder / "out.mp4", "--overwrite", "--progress", "none", "--json"]
    child = run_child([*PROGRAM, "run", clip, *output, *options])
    summary = json.loads(child.stdout.splitlines()[-1])
    return {
        "wall": child.seconds,
        "processor": child.processor,
        "peak": child.peak,
        **{name: summary[name] for name in ("frames", "seconds", "stages")},
    }


def measure(cases: Sequence[Case], options: argparse.Namespace) -> Plain:
    """Fills the cases, all in turns; seconds a frame of the plain job by size."""
    here = Path(__file__).parent
    plain: dict[str, list[dict[str, float]]] = {case.size: [] for case in cases}
    quality = ["18", options.preset or "medium"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = {size: make_clip(folder / f"{size}.mp4", size, options.frames) for size in plain}
        for case in cases:
            run(clips[case.size], [*case.options, "--end", WARM_UP], folder)
        for number in range(options.rounds):
            for case in cases:
                print(f"round {number + 1}: {case.size} {case.variant}", file=sys.stderr)
                case.runs.append(run(clips[case.size], case.options, folder))
                case.alone.append(run_script(here / "stages.py", clips[case.size], *case.options))
            for size in plain if options.plain_frames else ():
                print(f"round {number + 1}: {size} plain", file=sys.stderr)
                job = here / "plain.py"
                plain[size].append(run_script(job, clips[size], options.plain_frames, *quality))
    return plain


def plain_seconds(plain: Plain, size: str, *parts: str) -> float:
    """Of a frame; nan where nothing was measured."""
    if not plain[size]:
        return float("nan")
    return median(sum(times[part] for part in parts) for times in plain[size])


def whole_table(cases: Sequence[Case], plain: Plain) -> str:
    head = ["size", "variant", "frames/s", "with start", "plain", "times plain"]
    head += ["slowest alone", "frames/s", "run", "cores, frames/s", "run", "cores busy"]

    def row(case: Case) -> list[str]:
        base = plain_seconds(plain, case.size, "decode", "inference", "encode")
        return [
            *(case.size, case.variant, f"{case.rate:.2f}", f"{case.rate_with_start:.2f}"),
            *(f"{1 / base:.3f}", f"{case.rate * base:.1f}×"),
            *(case.slowest, f"{case.ceiling:.2f}", f"{case.rate / case.ceiling:.0%}"),
            *(f"{case.ceiling_of_cores:.2f}", f"{case.rate / case.ceiling_of_cores:.0%}"),
            f"{case.busy:.0%}",
        ]

    return table(head, map(row, cases))


def stage_table(cases: Sequence[Case]) -> str:
    head = ["size", "variant", "stage", "alone, frames/s", "processors, ms"]
    head += ["busy, ms", "starved, ms", "blocked, ms"]

    def row(case: Case, stage: str) -> list[str]:
        in_run = [1000 * case.in_run(stage, what) for what in ("seconds", "starved", "blocked")]
        return [
            *(case.size, case.variant, " + ".join(STAGES[stage])),
            *(f"{case.rate_alone(stage):.1f}", f"{1000 * case.processor(stage):.1f}"),
            *(f"{milliseconds:.1f}" for milliseconds in in_run),
        ]

    return table(head, (row(case, stage) for case in cases for stage in STAGES))


def target_table(cases: Sequence[Case], plain: Plain) -> str:
    head = ["size", "variant", "target", "measured", ""]

    def rows(case: Case) -> list[list[str]]:
        network = plain_seconds(plain, case.size, "inference") * case.rate_alone("inference")
        job = plain_seconds(plain, case.size, "decode", "inference", "encode")
        whole, share = job * case.rate, case.rate / case.ceiling
        lines = [
            (f"network at least {NETWORK}× the plain one", f"{network:.1f}×", network >= NETWORK),
            (f"end to end at least {WHOLE}× the plain job", f"{whole:.1f}×", whole >= WHOLE),
            (f"{PIPELINE:.0%} of the slowest stage", f"{share:.0%}", share >= PIPELINE),
        ]
        if case.size == "1280x720":
            rate = f"{case.rate:.1f}"
            lines.append((f"moonshot: {MOONSHOT} frames/s", rate, case.rate >= MOONSHOT))
        return [[case.size, case.variant, a, b, "met" if met else "missed"] for a, b, met in lines]

    return table(head, (row for case in cases for row in rows(case)))


def variants(options: argparse.Namespace) -> dict[str, list[str]]:
    """The options of `vidstyle run` for each name."""
    common = list(options.more)
    for name in ("style", "temporal", "precision", "preset"):
        if getattr(options, name) is not None:
            common += [f"--{name}", getattr(options, name)]
    parts = [variant.partition(":") for variant in options.variant or ["default:"]]
    return {name.strip(): [*common, *shlex.split(own)] for name, _, own in parts}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--sizes", default=SIZES)
    arguments.add_argument("--frames", type=int, default=100)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--variant", action="append", help="NAME: OPTIONS; may be repeated")
    for name in ("style", "temporal", "precision", "preset"):
        arguments.add_argument(f"--{name}", help="of vidstyle run")
    arguments.add_argument("--plain-frames", type=int, default=3, help="0: no plain job")
    arguments.add_argument("--json", type=Path, help="for the raw numbers")
    arguments.add_argument("more", nargs="*", help="options of vidstyle run, after --")
    options = arguments.parse_args()
    cases = [
        Case(size, name, own)
        for size in options.sizes.split(",")
        for name, own in variants(options).items()
    ]
    plain = measure(cases, options)
    print(heading(frames=options.frames, rounds=options.rounds))
    for name, own in variants(options).items():
        print(f"{name}: `{shlex.join(['vidstyle', 'run', *own])}`")
    print(f"\n{whole_table(cases, plain)}\n{stage_table(cases)}\n{target_table(cases, plain)}")
    save(options.json, {"cases": [vars(case) for case in cases], "plain": plain})


if __name__ == "__main__":
    main()
