"""Memory and time of large pictures: drawn whole, in tiles, with strokes of the picture's size.

    python benchmarks/large.py [--sizes 1920x1080,3840x2160,7680x4320] [--precision auto]
        [--ways whole,tiles,auto,steady] [--tile 256] [--frames 3] [--threads 2] [--batch 1]

``whole`` and ``tiles`` draw at the picture's own size, ``auto`` as is usual, smaller where the
picture is large, and ``steady`` only moves what was drawn along a flow and mixes it, as
``TemporalMemory`` does after each frame. Each row is a process of its own: the most memory that it
had in all (RSS, with Python and torch, which take 0.4 GB), and medians of seconds a picture, by the
clock and of the processor, which other programs disturb less.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np
import torch
from machine import heading, run_script, table

SIZES = "1920x1080,3840x2160,7680x4320"
WAYS = "whole,tiles,auto,steady"


def picture(width: int, height: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    clouds = rng.integers(0, 256, (30, 40, 3), np.uint8)
    return cv2.resize(clouds, (width, height), interpolation=cv2.INTER_CUBIC)


def peak_memory() -> float:
    """Bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def drawing(way: str, options: argparse.Namespace) -> tuple[Callable[[np.ndarray], object], str]:
    """What draws pictures, N×H×W×3, and its precision."""
    from vidstyle import FastOptions, FastStylizer
    from vidstyle.device import precision_name

    stylizer = FastStylizer(
        "scream",
        FastOptions(
            device="cpu",
            precision=options.precision,
            batch_size=options.batch,
            tile={"whole": 0, "tiles": options.tile, "auto": None}[way],
            stroke_size="auto" if way == "auto" else 1.0,
        ),
    )
    return stylizer, precision_name(stylizer.precision)


def steadying(photo: np.ndarray) -> tuple[Callable[[np.ndarray], object], str]:
    from vidstyle.temporal.consistency import TemporalMemory
    from vidstyle.temporal.motion import TemporalOptions, estimate_motion, thumbnail

    memory = TemporalMemory(TemporalOptions())
    small = thumbnail(photo)
    motion = estimate_motion(small, small, "medium", False)
    return lambda photos: [memory(image, motion) for image in photos], "-"


def measure(size: str, way: str, options: argparse.Namespace) -> dict[str, object]:
    """In this process."""
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(options.threads)
    photo = picture(*map(int, size.split("x")))
    run, precision = steadying(photo) if way == "steady" else drawing(way, options)
    photos = np.stack([photo] * options.batch)
    clock, processor = [], []
    for _ in range(options.frames):
        began, busy = time.perf_counter(), time.process_time()
        run(photos)
        clock.append((time.perf_counter() - began) / options.batch)
        processor.append((time.process_time() - busy) / options.batch)
    return {
        "precision": precision,
        "peak": peak_memory(),
        "clock": statistics.median(clock),
        "processor": statistics.median(processor),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default=SIZES)
    parser.add_argument("--ways", default=WAYS)
    parser.add_argument("--tile", type=int, default=256)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        size, way = options.measure
        print(json.dumps(measure(size, way, options)))
        return
    print(heading(threads=options.threads, at_once=options.batch, tile=options.tile))
    print(table(["size", "way", "precision", "peak GB", "s", "s of processor"], []), end="")
    for size in options.sizes.split(","):
        for way in options.ways.split(","):
            same = ("tile", "precision", "frames", "batch", "threads")
            more = [part for name in same for part in (f"--{name}", getattr(options, name))]
            row = run_script(__file__, "--measure", size, way, *more)
            print(
                f"| {size} | {way} | {row['precision']} | {row['peak'] / 1e9:.2f} "
                f"| {row['clock']:.2f} | {row['processor']:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
