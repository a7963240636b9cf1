"""Memory and time of large pictures, whole and in tiles.

    python benchmarks/large.py [--sizes 1920x1080,3840x2160,7680x4320] [--precision auto]
        [--tiles 0,256] [--frames 3] [--threads 2] [--batch 1]

Each row is a process of its own: the most memory that it had in all (RSS, with Python and torch,
which take 0.4 GB) and the median of seconds a picture. The pictures are enlarged from the sample's
kind of clouds and grain; what is in them does not matter to either figure.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time

import cv2
import numpy as np
import torch

SIZES = "1920x1080,3840x2160,7680x4320"


def picture(width: int, height: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    clouds = rng.integers(0, 256, (30, 40, 3), np.uint8)
    return cv2.resize(clouds, (width, height), interpolation=cv2.INTER_CUBIC)


def peak_memory() -> float:
    """Bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(size: str, tile: int, options: argparse.Namespace) -> dict[str, object]:
    """In this process."""
    from vidstyle import FastOptions, FastStylizer
    from vidstyle.device import precision_name

    torch.set_num_threads(options.threads)
    fast = FastOptions(
        device="cpu", precision=options.precision, batch_size=options.batch, tile=tile
    )
    stylizer = FastStylizer("scream", fast)
    photo = picture(*map(int, size.split("x")))
    photos = np.stack([photo] * options.batch)
    seconds = []
    for _ in range(options.frames):
        began = time.perf_counter()
        stylizer(photos)
        seconds.append((time.perf_counter() - began) / options.batch)
    return {
        "precision": precision_name(stylizer.precision),
        "peak": peak_memory(),
        "seconds": statistics.median(seconds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default=SIZES)
    parser.add_argument("--tiles", default="0,256")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        size, tile = options.measure
        print(json.dumps(measure(size, int(tile), options)))
        return
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, ", end="")
    print(f"{options.threads} threads, {options.batch} at once\n")
    print("| size | tile | precision | peak GB | s a picture |\n|---|---|---|---|---|")
    for size in options.sizes.split(","):
        for tile in options.tiles.split(","):
            command = [sys.executable, __file__, "--measure", size, tile]
            command += ["--precision", options.precision, "--frames", str(options.frames)]
            command += ["--batch", str(options.batch), "--threads", str(options.threads)]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            row = json.loads(output)
            print(
                f"| {size} | {tile if int(tile) else 'whole'} | {row['precision']} "
                f"| {row['peak'] / 1e9:.2f} | {row['seconds']:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
