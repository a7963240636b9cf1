"""What video by optimization gains from the past, and what it costs.

    VIDSTYLE_DATA=../shared python benchmarks/optimized.py [quality] [starts] [drift] [--side 256]

quality  independent frames, warm starts alone, with the temporal loss, and two passes of that:
         E_warp next to the floor, how much of the excess over it is cut, detail kept (gradient
         energy against independent frames), the loss without its temporal term, iterations a frame,
         and how many independent frames need for the same loss (in brackets: how many frames never
         get there within theirs).
starts   first frames from the source and from the fast engine's picture: iterations until the loss
         that the former ends with.
drift    mean colours of what stands still in a static shot, with the guard and without.

Definitions: docs/optimization.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from temporal import VGG_FILE, Scene

from vidstyle import image as images
from vidstyle.errors import VidstyleError
from vidstyle.evaluate.metrics import gradient_energy
from vidstyle.models.vgg import VGG19, load_vgg19
from vidstyle.pipeline.optimized import FRAMES, VideoOptions, optimize_video
from vidstyle.stylizers import FastStylizer, OptimizeOptions, OptimizeStylizer, Step
from vidstyle.temporal.motion import TemporalOptions
from vidstyle.video import ReadOptions, VideoReader, WriteOptions

CLIPS = ["bear_davis.mp4", "paragliding_launch_davis.mp4", "rollercoaster_davis.mp4"]
STATIC_CLIP = "bottles_static_camera.mp4"
ALONE = TemporalOptions(temporal=0.0)


@dataclass
class Courses:
    """The losses of every frame, iteration by iteration, without and with the temporal term."""

    free: list[list[float]]
    whole: list[list[float]]

    def hear(self, step: Step) -> None:
        if step.iteration == 1:
            self.free.append([])
            self.whole.append([])
        self.free[-1].append(step.losses.total - step.losses.temporal)
        self.whole[-1].append(step.losses.total)

    def last(self, frames: int) -> Courses:
        """Of the last pass."""
        return Courses(self.free[-frames:], self.whole[-frames:])

    def final(self) -> list[float]:
        """Of each frame, the loss of the picture that was kept, without the temporal term."""
        return [
            free[int(np.argmin(whole))] for free, whole in zip(self.free, self.whole, strict=True)
        ]


@dataclass(frozen=True)
class Result:
    """A painted clip."""

    pictures: list[np.ndarray]
    courses: Courses
    iterations: float
    """A frame, over all passes, first frames left out."""


def paint(
    path: Path,
    painting: np.ndarray,
    vgg: VGG19,
    a: argparse.Namespace,
    optimize: OptimizeOptions = FRAMES,
    video: VideoOptions = VideoOptions(),
    temporal: TemporalOptions = TemporalOptions(),
) -> Result:
    with VideoReader(path) as reader:
        rate = float(reader.info.average_rate or 25)
    courses = Courses([], [])
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out.mkv"
        summary = optimize_video(
            path,
            output,
            [(painting, 1.0)],
            optimize=optimize,
            video=video,
            temporal=temporal,
            read=ReadOptions(max_side=a.side, end=(a.frames - 0.5) / rate),
            write=WriteOptions(codec="ffv1", pix_fmt="bgr0", audio="none"),
            vgg=vgg,
            steps=courses.hear,
        )
        with VideoReader(output) as reader:
            pictures = [frame.image for frame in reader]
    counts = [len(course) for course in courses.free]
    iterations = sum(counts[1:]) / (summary.frames - 1)
    return Result(pictures, courses.last(summary.frames), iterations)


def variants() -> Iterator[tuple[str, VideoOptions, TemporalOptions]]:
    usual, temporal = VideoOptions(), TemporalOptions()
    yield "independent", usual, ALONE
    yield "warm start", replace(usual, temporal_weight=0.0), temporal
    yield "and temporal loss", usual, temporal
    yield "two passes", replace(usual, passes=2), temporal


HEAD = f"{'':20}{'E_warp':>9}{'cut':>8}{'detail':>8}{'loss':>8}{'iterations':>12}{'alone':>8}"


def quality(data: Path, vgg: VGG19, a: argparse.Namespace) -> None:
    painting = images.read_image(data / "paintings" / f"{a.style}.jpg")
    print(f"{a.style}, {a.frames} frames, longer side {a.side}")
    for clip in a.clips:
        scene = Scene.read(data / "clips" / clip, a.frames, a.side)
        floor = scene.warping_error(scene.frames)
        print(f"\n{HEAD}\n{clip[:18]:20}{floor:9.5f}")
        rows, alone = [], None
        for name, video, temporal in variants():
            result = paint(data / "clips" / clip, painting, vgg, a, FRAMES, video, temporal)
            alone = alone or result
            error, base = (scene.warping_error(r.pictures) for r in (result, alone))
            detail = np.divide(*(energy(r.pictures) for r in (result, alone)))
            loss = np.mean(result.courses.final()[1:])
            needed, never = iterations_alone(alone.courses, result.courses)
            print(
                f"{name:20}{error:9.5f}{1 - (error - floor) / (base - floor):8.1%}{detail:8.1%}"
                f"{loss:8.3f}{result.iterations:12.1f}{needed:8.1f} ({never})",
                flush=True,
            )
            rows += [images.label(result.pictures[n], f"{name} {n}") for n in shown(a.frames)]
        if a.sheets:
            sheet = images.contact_sheet(rows, len(shown(a.frames)))
            images.write_image(a.sheets / f"{Path(clip).stem}.{a.style}.png", sheet)


def iterations_alone(alone: Courses, other: Courses) -> tuple[float, int]:
    """How many independent frames need for the others' final loss, and how many never get there;
    these count with all that they have had."""
    needed, never = [], 0
    for course, loss in zip(alone.free[1:], other.final()[1:], strict=True):
        reached = np.minimum.accumulate(course) <= loss
        never += not reached.any()
        needed.append(int(reached.argmax()) + 1 if reached.any() else len(course))
    return float(np.mean(needed)), never


def energy(pictures: list[np.ndarray]) -> float:
    return float(np.mean([gradient_energy(picture) for picture in pictures]))


def shown(frames: int) -> list[int]:
    return [0, 1, frames // 2, frames - 1]


def starts(data: Path, vgg: VGG19, a: argparse.Namespace) -> None:
    print(
        f"\nfirst frames, longer side {a.side}: iterations until the loss from the source after 80"
    )
    painting = images.read_image(data / "paintings" / f"{a.style}.jpg")
    fast = FastStylizer(a.style)
    for clip in a.clips:
        with VideoReader(data / "clips" / clip, ReadOptions(max_side=a.side)) as reader:
            photo = next(iter(reader)).image
        painter = OptimizeStylizer([(painting, 1.0)], replace(FRAMES, tolerance=0.0, scales=1), vgg)
        courses = Courses([], [])
        painter(photo, listener=courses.hear)
        painter(photo, start=fast(photo), listener=courses.hear)
        source, drawn = (np.minimum.accumulate(course) for course in courses.free)
        cells = []
        for after in (20, 40, 80):
            reached = drawn <= source[after - 1]
            count = int(reached.argmax()) + 1 if reached.any() else None
            cells.append(f"{after} → {count or 'never'}")
        print(f"{clip[:24]:26}{source[0]:8.3f}{drawn[0]:8.3f}   {',  '.join(cells)}", flush=True)


def drift(data: Path, vgg: VGG19, a: argparse.Namespace) -> None:
    print(
        f"\n{STATIC_CLIP}, {a.frames} frames, longer side {a.side}: mean colour against the first"
    )
    painting = images.read_image(data / "paintings" / f"{a.style}.jpg")
    path = data / "clips" / STATIC_CLIP
    scene = Scene.read(path, a.frames, a.side)
    spread = np.ptp(np.stack(scene.frames).astype(int), axis=0).max(axis=2)
    still = spread < 12
    for name, bound in (("free", np.inf), ("guarded", VideoOptions().drift)):
        result = paint(path, painting, vgg, a, FRAMES, replace(VideoOptions(), drift=bound))
        means = np.array([picture[still].mean(0) for picture in result.pictures])
        spreads = np.array([picture[still].std(0) for picture in result.pictures])
        print(f"{name:10} still {still.mean():.0%}")
        for n in np.linspace(0, len(means) - 1, 7).astype(int)[1:]:
            mean, std = means[n] - means[0], spreads[n] - spreads[0]
            print(f"  frame {n:4}   mean {_triple(mean)}   deviation {_triple(std)}", flush=True)


def _triple(values: np.ndarray) -> str:
    return " ".join(f"{value:+6.2f}" for value in values)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", default=["quality"], metavar="part")
    parser.add_argument("--clips", nargs="+", default=CLIPS)
    parser.add_argument("--style", default="wave", help="a painting, and for starts a style")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--sheets", type=Path, help="write contact sheets into this folder")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    a = parser.parse_args()
    if "VIDSTYLE_DATA" not in os.environ:
        sys.exit("set VIDSTYLE_DATA to the folder with clips/, paintings/ and vgg19/")
    parts = {"quality": quality, "starts": starts, "drift": drift}
    if unknown := set(a.parts) - set(parts):
        sys.exit(f"no part '{unknown.pop()}'; there are {', '.join(parts)}")
    torch.set_num_threads(a.threads)
    data = Path(os.environ["VIDSTYLE_DATA"])
    try:
        vgg = load_vgg19(data / VGG_FILE, last="relu4_2")
        for part in a.parts:
            parts[part](data, vgg, a)
    except VidstyleError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
