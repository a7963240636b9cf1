"""How low the optimization engine gets, and how fast.

    VIDSTYLE_DATA=../shared python benchmarks/optimize.py [losses] [precision] [--side 512]

losses      for each recipe and both optimizers: the loss after so many iterations, as a share of
            the loss at the start, and its style and content distance at the end; seconds an
            iteration. One scale, so that iterations mean the same in all rows.
precision   fp32 and bf16 in turns: seconds an iteration, and the loss of both results, judged in
            fp32.

Distances are those of the quality notes: relative to the painting's and the photo's own energy, so
that recipes compare. The recipes' losses do not.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
import torch
from machine import heading

from vidstyle import image as images
from vidstyle.errors import VidstyleError
from vidstyle.models.losses import (
    CONTENT_LAYER,
    STYLE_LAYERS,
    content_distance,
    gram_matrices,
    style_distance,
)
from vidstyle.models.pixels import as_tensor
from vidstyle.models.vgg import VGG19, load_vgg19
from vidstyle.stylizers import RECIPES, OptimizeOptions, OptimizeStylizer, Step

PAIRS = [("bsds_187083", "scream"), ("sun_038", "starry_night")]
VGG_FILE = "vgg19/vgg19-imagenet-oxford-features.safetensors"
OPTIMIZERS = {"lbfgs": None, "adam": 0.02}
"""With the learning rate that a recipe of the other optimizer is given."""


@dataclass(frozen=True)
class Pair:
    """A photo to be painted like a painting."""

    photo: np.ndarray
    painting: np.ndarray

    @classmethod
    def read(cls, data: Path, photo: str, painting: str, side: int) -> Pair:
        picture = images.read_image(data / "photos" / f"{photo}.jpg")
        return cls(
            images.resize_short_side(picture, side),
            images.read_image(data / "paintings" / f"{painting}.jpg"),
        )


@dataclass(frozen=True)
class Course:
    """One run: the lowest loss so far after each iteration, and when each was done."""

    picture: np.ndarray
    losses: np.ndarray
    seconds: np.ndarray

    @classmethod
    def run(cls, pair: Pair, options: OptimizeOptions, vgg: VGG19) -> Course:
        steps: list[tuple[float, float]] = []

        def listen(step: Step) -> None:
            steps.append((step.losses.total, step.seconds))

        picture = OptimizeStylizer([(pair.painting, 1.0)], options, vgg)(
            pair.photo, listener=listen
        )
        losses, seconds = np.array(steps).T
        return cls(picture, np.minimum.accumulate(losses), seconds)

    @property
    def pace(self) -> float:
        """Median seconds an iteration."""
        return median(np.diff(self.seconds).tolist())


@torch.inference_mode()
def distances(picture: np.ndarray, pair: Pair, vgg: VGG19) -> tuple[float, float]:
    """Style and content distance at the picture's own size."""
    painting = images.resize_short_side(pair.painting, min(picture.shape[:2]))
    layers = [*STYLE_LAYERS, CONTENT_LAYER]
    found, style, content = (
        vgg(as_tensor(image), layers) for image in (picture, painting, pair.photo)
    )
    grams = (gram_matrices(features, STYLE_LAYERS) for features in (found, style))
    return (
        style_distance(*grams).item(),
        content_distance(found[CONTENT_LAYER], content[CONTENT_LAYER]).item(),
    )


def variants(a: argparse.Namespace) -> Iterator[tuple[str, OptimizeOptions]]:
    """Each recipe with each optimizer; its own learning rate only with its own optimizer."""
    for name in a.recipes:
        own = RECIPES[name].options
        for optimizer, rate in OPTIMIZERS.items():
            rate = own.learning_rate if optimizer == own.optimizer else rate
            yield (
                f"{name:10}{optimizer:7}{'*' if optimizer == own.optimizer else ' '}",
                replace(
                    own,
                    optimizer=optimizer,  # type: ignore[arg-type]
                    learning_rate=rate,
                    iterations=a.iterations[-1],
                    scales=1,
                    device=a.device,
                    precision=a.precision,
                ),
            )


def losses(pairs: list[Pair], vgg: VGG19, a: argparse.Namespace) -> None:
    marks = "".join(f"{f'after {n}':>11}" for n in a.iterations)
    print(f"{'recipe':10}{'':8}{marks}{'style':>9}{'content':>9}{'s/iteration':>13}")
    for name, options in variants(a):
        courses = [Course.run(pair, options, vgg) for pair in pairs]
        shares = [np.mean([c.losses[n - 1] / c.losses[0] for c in courses]) for n in a.iterations]
        reached = [distances(c.picture, p, vgg) for c, p in zip(courses, pairs, strict=True)]
        style, content = np.mean(reached, axis=0)
        pace = np.mean([course.pace for course in courses])
        cells = "".join(f"{share:>11.2e}" for share in shares)
        print(f"{name}{cells}{style:9.3f}{content:9.3f}{pace:13.3f}", flush=True)
    print("\n* the recipe's own optimizer; losses as shares of the start's, means over the pairs")


def precision(pairs: list[Pair], vgg: VGG19, a: argparse.Namespace) -> None:
    base = replace(
        RECIPES["default"].options, device=a.device, iterations=a.iterations[0], scales=1
    )
    pace: dict[str, list[float]] = {"fp32": [], "bf16": []}
    final: dict[str, list[float]] = {"fp32": [], "bf16": []}
    for pair in pairs:
        for name in pace:
            course = Course.run(pair, replace(base, precision=name), vgg)
            pace[name].append(course.pace)
            final[name].append(judge(course.picture, pair, base, vgg))
    ratios = [slow / quick for slow, quick in zip(pace["fp32"], pace["bf16"], strict=True)]
    more = [rough / exact - 1 for exact, rough in zip(final["fp32"], final["bf16"], strict=True)]
    print(f"\n{'precision':12}{'s/iteration':>12}{'final loss':>12}")
    for name in pace:
        print(f"{name:12}{np.mean(pace[name]):12.3f}{np.mean(final[name]):12.4f}")
    print(f"bf16 is {np.mean(ratios):.2f} times as fast; its final loss is {np.mean(more):+.2%}")


def judge(picture: np.ndarray, pair: Pair, options: OptimizeOptions, vgg: VGG19) -> float:
    """The loss of a finished picture, in fp32."""
    steps: list[Step] = []
    stylizer = OptimizeStylizer([(pair.painting, 1.0)], replace(options, precision="fp32"), vgg)
    stylizer(pair.photo, start=picture, iterations=1, listener=steps.append)
    return steps[0].losses.total


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", default=["losses", "precision"], metavar="part")
    parser.add_argument("--side", type=int, default=512, help="short side of the photos")
    parser.add_argument("--iterations", type=int, nargs="+", default=[50, 100, 300])
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=RECIPES)
    parser.add_argument("--pairs", type=int, default=len(PAIRS))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto", help="of the losses part")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    a = parser.parse_args()
    if "VIDSTYLE_DATA" not in os.environ:
        sys.exit("set VIDSTYLE_DATA to the folder with photos/, paintings/ and vgg19/")
    parts = {"losses": losses, "precision": precision}
    if unknown := set(a.parts) - set(parts):
        sys.exit(f"no part '{unknown.pop()}'; there are {', '.join(parts)}")
    torch.set_num_threads(a.threads)
    data = Path(os.environ["VIDSTYLE_DATA"])
    try:
        vgg = load_vgg19(data / VGG_FILE)
        pairs = [Pair.read(data, *names, a.side) for names in PAIRS[: a.pairs]]
        print(heading(threads=a.threads, pairs=len(pairs), short_side=a.side))
        for part in a.parts:
            parts[part](pairs, vgg, a)
    except VidstyleError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
