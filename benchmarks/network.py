"""How fast the network is, beside the plain Johnson network, in one run.

    python benchmarks/network.py [--size 1280x720] [--rounds 3] [--threads 2]

Each network runs in processes of its own, in turns: the plain one without our allocator
settings, as people run it. Times are medians of single frames after warm-up, from a float image
in memory to a float image in memory.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from machine import heading, run_script
from torch import Tensor, nn

FRAMES = {"plain": 3, "ours": 15}


@dataclass
class Subject:
    """What is measured: the network in full precision, to count, and a run, to time."""

    network: nn.Module
    count: Callable[[], Tensor]
    run: Callable[[], Tensor]
    precision: str


def plain(width: int, height: int) -> Subject:
    from plain import PlainJohnson

    network = PlainJohnson().eval()
    image = torch.rand(1, 3, height, width)
    return Subject(network, lambda: network(image), lambda: network(image), "fp32")


def ours(width: int, height: int) -> Subject:
    from vidstyle import FastStylizer
    from vidstyle.device import precision_name

    stylizer = FastStylizer("scream")
    photo = torch.rand(1, 3, height, width)
    image = photo.to(stylizer.device, stylizer.dtype).contiguous(memory_format=torch.channels_last)
    style = stylizer.style
    return Subject(
        style.network,
        lambda: style.network(photo, style.vector[None]),
        lambda: stylizer.network(image, stylizer.vector),
        precision_name(stylizer.precision),
    )


def count_multiply_adds(network: nn.Module, run: Callable[[], Tensor]) -> int:
    """Of all convolutions in one run."""
    total = 0

    def add(module: nn.Module, inputs: object, output: Tensor) -> None:
        nonlocal total
        assert isinstance(module, nn.Conv2d)
        total += output.numel() * module.weight[0].numel()

    hooks = [m.register_forward_hook(add) for m in network.modules() if isinstance(m, nn.Conv2d)]
    run()
    for hook in hooks:
        hook.remove()
    return total


def measure(name: str, width: int, height: int, threads: int) -> dict[str, object]:
    """In this process: parameters, multiply-adds and seconds of single frames."""
    torch.set_num_threads(threads)
    with torch.inference_mode():
        subject = {"plain": plain, "ours": ours}[name](width, height)
        multiply_adds = count_multiply_adds(subject.network, subject.count)
        subject.run()
        seconds = []
        for _ in range(FRAMES[name]):
            begin = time.perf_counter()
            subject.run()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - begin)
    return {
        "parameters": sum(p.numel() for p in subject.network.parameters()),
        "multiply_adds": multiply_adds,
        "precision": subject.precision,
        "seconds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--measure", choices=FRAMES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    if options.measure:
        print(json.dumps(measure(options.measure, width, height, options.threads)))
        return
    results: dict[str, list[dict]] = {name: [] for name in FRAMES}
    for _ in range(options.rounds):
        for name in FRAMES:
            measured = ["--size", options.size, "--threads", options.threads]
            results[name].append(run_script(__file__, "--measure", name, *measured))
    print(heading(threads=options.threads, size=options.size, rounds=options.rounds))
    print(f"{'network':10}{'precision':>10}{'parameters':>12}{'mult-adds/px':>14}", end="")
    print(f"{'ms median':>11}{'ms best':>9}{'times':>8}")
    base = statistics.median(t for r in results["plain"] for t in r["seconds"])
    for name, rounds in results.items():
        seconds = [t for r in rounds for t in r["seconds"]]
        median, one = statistics.median(seconds), rounds[0]
        per_pixel = one["multiply_adds"] / (width * height)
        print(
            f"{name:10}{one['precision']:>10}{one['parameters']:>12,}{per_pixel:>14,.0f}"
            f"{median * 1e3:>11.1f}{min(seconds) * 1e3:>9.1f}{base / median:>7.1f}×"
        )


if __name__ == "__main__":
    main()
