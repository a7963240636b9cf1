"""How fast the network is, beside the plain Johnson network, in one run.

    python benchmarks/network.py [--size 1280x720] [--rounds 3] [--threads 2]

Each network runs in processes of its own, in turns: the plain one without our allocator
settings, as people run it, from a float picture in memory to another. Ours go from pictures in 8
bits to drawings in 8 bits, in batches as in a run (a draft's drawing has half of the size). Times
are medians for a picture after warm-up.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from machine import heading, run_script
from torch import Tensor, nn

OURS = {
    "torch": {"backend": "torch"},
    "openvino": {"backend": "openvino"},
    "draft, torch": {"backend": "torch", "quality": "draft"},
    "draft": {"backend": "openvino", "quality": "draft"},
}
"""Options of ``FastOptions``; those of OpenVINO only where it is installed."""


@dataclass
class Subject:
    """What is measured: the network in full precision, to count, and a run, to time."""

    network: nn.Module
    count: Callable[[], Tensor]
    run: Callable[[], object]
    precision: str
    pictures: int = 1
    """In a run."""


def plain(width: int, height: int) -> Subject:
    from plain import PlainJohnson

    network = PlainJohnson().eval()
    image = torch.rand(1, 3, height, width)
    return Subject(network, lambda: network(image), lambda: network(image), "fp32")


def ours(width: int, height: int, options: dict[str, Any]) -> Subject:
    from vidstyle import FastOptions, FastStylizer
    from vidstyle.device import precision_name
    from vidstyle.models.transformer import TransformerNet

    stylizer = FastStylizer("scream", FastOptions(**options))
    count = stylizer.batch_size
    images = np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)
    drawn = stylizer.draw(images)[0]
    network = TransformerNet(stylizer.network.architecture)
    picture = torch.rand(1, 3, *drawn.shape[:2])
    return Subject(
        network,
        lambda: network(picture, network.new_style()[None]),
        lambda: stylizer.draw(images),
        precision_name(stylizer.precision),
        count,
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
        own = name != "plain"
        subject = ours(width, height, OURS[name]) if own else plain(width, height)
        multiply_adds = count_multiply_adds(subject.network, subject.count)
        subject.run()
        seconds = []
        for _ in range(12 if own else 3):
            begin = time.perf_counter()
            subject.run()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            seconds.append((time.perf_counter() - begin) / subject.pictures)
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
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    if options.measure:
        print(json.dumps(measure(options.measure, width, height, options.threads)))
        return
    has_openvino = find_spec("openvino") is not None
    names = ["plain", *(n for n, o in OURS.items() if has_openvino or o["backend"] == "torch")]
    results: dict[str, list[dict]] = {name: [] for name in names}
    for _ in range(options.rounds):
        for name in names:
            measured = ["--size", options.size, "--threads", options.threads]
            results[name].append(run_script(__file__, "--measure", name, *measured))
    print(heading(threads=options.threads, size=options.size, rounds=options.rounds))
    print(f"{'network':14}{'precision':>10}{'parameters':>12}{'mult-adds/px':>14}", end="")
    print(f"{'ms median':>11}{'ms best':>9}{'times':>8}")
    base = statistics.median(t for r in results["plain"] for t in r["seconds"])
    for name, rounds in results.items():
        seconds = [t for r in rounds for t in r["seconds"]]
        median, one = statistics.median(seconds), rounds[0]
        per_pixel = one["multiply_adds"] / (width * height)
        print(
            f"{name:14}{one['precision']:>10}{one['parameters']:>12,}{per_pixel:>14,.0f}"
            f"{median * 1e3:>11.1f}{min(seconds) * 1e3:>9.1f}{base / median:>7.1f}×"
        )


if __name__ == "__main__":
    main()
