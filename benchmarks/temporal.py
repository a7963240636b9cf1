"""What temporal consistency gains and costs, on real clips.

    VIDSTYLE_DATA=../shared python benchmarks/temporal.py [quality] [drift] [throughput]

quality     E_warp of the original (the floor), of frame-by-frame stylization and of ours; how much
            of the excess over the floor ours cuts; detail kept (gradient energy against frame by
            frame); style distance of both; milliseconds a frame, on one thread.
drift       how far the mean colour of what stands still moves over a long clip, against frame by
            frame.
throughput  frames a second from file to file at 1280×720, with and without, alternately.

Definitions: docs/temporal.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import torch

from vidstyle import image as images
from vidstyle.errors import VidstyleError
from vidstyle.evaluate.metrics import gradient_energy, static_mask, valid_mask, warping_error
from vidstyle.models.losses import STYLE_LAYERS, gram_matrices, style_distance
from vidstyle.models.pixels import as_tensor
from vidstyle.models.vgg import VGG19, load_vgg19
from vidstyle.pipeline.video import stylize_video
from vidstyle.styles import load_style
from vidstyle.stylizers import FastStylizer
from vidstyle.temporal.consistency import TemporalMemory
from vidstyle.temporal.flow import dense_flow
from vidstyle.temporal.motion import (
    Motion,
    TemporalOptions,
    estimate_motion,
    thumbnail,
)
from vidstyle.video import ReadOptions, VideoReader, VideoWriter, WriteOptions, plan_output

CLIPS = [
    "bear_davis.mp4",
    "paragliding_launch_davis.mp4",
    "rollercoaster_davis.mp4",
    "bottles_static_camera.mp4",
    "man_talking_vertical.mp4",
    "basketball.mp4",
    "flower_timelapse.mp4",
]
STATIC_CLIP = "bottles_static_camera.mp4"
STYLES = ["scream", "wave", "udnie", "la_muse", "rain_princess", "wreck"]
JUDGED = 3
"""Frames of each clip whose style distance is measured."""
JUDGED_SIDE = 512
VGG_FILE = "vgg19/vgg19-imagenet-oxford-features.safetensors"


@dataclass(frozen=True)
class Scene:
    """A clip's frames, and between each two the flow and mask that E_warp is measured with."""

    name: str
    frames: list[np.ndarray]
    flows: list[np.ndarray]
    masks: list[np.ndarray]

    @classmethod
    def read(cls, path: Path, count: int, side: int) -> Scene:
        with VideoReader(path, ReadOptions(max_side=side)) as reader:
            frames = [frame.image for frame in islice(reader, count)]
        flows, masks = [], []
        for before, now in pairwise(frames):
            backward = dense_flow(now, before)
            flows.append(backward)
            masks.append(valid_mask(backward, dense_flow(before, now)))
        return cls(path.stem, frames, flows, masks)

    def warping_error(self, pictures: list[np.ndarray]) -> float:
        pairs = zip(pictures[1:], pictures, self.flows, self.masks, strict=False)
        return float(np.nanmean([warping_error(*pair) for pair in pairs]))


@dataclass(frozen=True)
class Row:
    """Figures of one clip in one style."""

    floor: float
    per_frame: float
    ours: float
    detail: float
    style_per_frame: float
    style_ours: float
    milliseconds: float

    @property
    def cut(self) -> float:
        return 1 - (self.ours - self.floor) / (self.per_frame - self.floor)


def steady(
    frames: list[np.ndarray], drawn: list[np.ndarray], options: TemporalOptions
) -> tuple[list[np.ndarray], float]:
    """The drawn frames with temporal consistency, and seconds a frame."""
    memory = TemporalMemory(options)
    results, seconds = [], []
    before = thumbnail(frames[0])
    for number, (frame, picture) in enumerate(zip(frames, drawn, strict=True)):
        began = time.perf_counter()
        now = thumbnail(frame)
        motion = estimate_motion(before, now, options.flow, True) if number else Motion(now)
        results.append(memory(picture, motion))
        seconds.append(time.perf_counter() - began)
        before = now
    return results, float(np.median(seconds))


class Judge:
    """Style distance to one painting."""

    def __init__(self, vgg: VGG19, painting: np.ndarray) -> None:
        self.vgg = vgg
        self.target = self._grams(painting)

    @torch.inference_mode()
    def _grams(self, picture: np.ndarray) -> dict[str, torch.Tensor]:
        resized = images.resize_short_side(picture, JUDGED_SIDE)
        return gram_matrices(self.vgg(as_tensor(resized), STYLE_LAYERS), STYLE_LAYERS)

    def __call__(self, pictures: list[np.ndarray]) -> float:
        """Mean over some frames, the last among them: memory has had its time by then."""
        chosen = np.linspace(len(pictures) - 1, 0, JUDGED, endpoint=False).round().astype(int)
        return float(
            np.mean([style_distance(self._grams(pictures[n]), self.target) for n in chosen])
        )


def measure(scene: Scene, stylizer: FastStylizer, judge: Judge, options: TemporalOptions) -> Row:
    drawn = [stylizer(frame) for frame in scene.frames]
    results, seconds = steady(scene.frames, drawn, options)
    detail = np.mean([gradient_energy(p) for p in results]) / np.mean(
        [gradient_energy(p) for p in drawn]
    )
    return Row(
        floor=scene.warping_error(scene.frames),
        per_frame=scene.warping_error(drawn),
        ours=scene.warping_error(results),
        detail=float(detail),
        style_per_frame=judge(drawn),
        style_ours=judge(results),
        milliseconds=1000 * seconds,
    )


HEAD = f"{'':36}floor  frames    ours     cut  detail     style  ours     ms"


def line(name: str, rows: list[Row]) -> str:
    """One line of the table; the mean of several rows, the cut and detail being means of ratios."""

    def mean(attribute: str) -> float:
        return float(np.mean([getattr(row, attribute) for row in rows]))

    return (
        f"{name:34}{mean('floor'):8.5f}{mean('per_frame'):8.5f}{mean('ours'):8.5f}"
        f"{mean('cut'):8.1%}{mean('detail'):8.1%}  "
        f"{mean('style_per_frame'):8.3f}{mean('style_ours'):6.3f}{mean('milliseconds'):7.1f}"
    )


def quality(data: Path, a: argparse.Namespace) -> None:
    vgg = load_vgg19(data / VGG_FILE, last=STYLE_LAYERS[-1])
    stylizers = {name: FastStylizer(load_style(_named(name, a.weights))) for name in a.styles}
    judges = {
        name: Judge(vgg, images.read_image(data / "paintings" / f"{name}.jpg")) for name in a.styles
    }
    options = TemporalOptions(a.temporal, a.flow)
    print(f"{a.frames} frames, longer side {a.side}, temporal {a.temporal:g}, flow {a.flow}\n")
    print(HEAD)
    rows: dict[tuple[str, str], Row] = {}
    for clip in a.clips:
        scene = Scene.read(data / "clips" / clip, a.frames, a.side)
        for style in a.styles:
            rows[clip, style] = measure(scene, stylizers[style], judges[style], options)
            print(line(f"{scene.name[:20]:20} {style}", [rows[clip, style]]), flush=True)
    print()
    for clip in a.clips:
        print(line(clip, [row for (c, _), row in rows.items() if c == clip]))
    for style in a.styles:
        print(line(style, [row for (_, s), row in rows.items() if s == style]))
    print(line("all", list(rows.values())))


def drift(data: Path, a: argparse.Namespace) -> None:
    """Mean colour of the static part, ours against frame by frame, at the end against the start."""
    print(f"\ndrift over {STATIC_CLIP}, longer side {a.side}, in 1/255 (red, green, blue)\n")
    for style in a.styles:
        stylizer = FastStylizer(load_style(_named(style, a.weights)))
        shifts = np.array(list(_shifts(data / "clips" / STATIC_CLIP, stylizer, a)))
        second = 30
        moved = shifts[-second:].mean(0) - shifts[:second].mean(0)
        worst = np.abs(_running_mean(shifts, second)).max(0)
        print(
            f"{style:16}{len(shifts):6} frames   end against start {_triple(moved)}"
            f"   largest of any second {_triple(worst)}",
            flush=True,
        )


def _shifts(path: Path, stylizer: FastStylizer, a: argparse.Namespace) -> Iterator[np.ndarray]:
    """For each frame, ours less frame by frame: the mean colour where nothing moves."""
    options = TemporalOptions(a.temporal, a.flow)
    memory, before = TemporalMemory(options), None
    with VideoReader(path, ReadOptions(max_side=a.side)) as reader:
        for frame in reader:
            drawn, now = stylizer(frame.image), thumbnail(frame.image)
            if before is None:
                memory(drawn, Motion(now))
            else:
                motion = estimate_motion(before, now, options.flow, True)
                ours = memory(drawn, motion)
                flow = dense_flow(now, before, "fast")
                still = static_mask(now, before, flow, np.ones(flow.shape[:2], bool))
                if still.shape == drawn.shape[:2] and still.mean() > 0.2:
                    yield ours[still].mean(0) - drawn[still].mean(0)
            before = now


def _running_mean(values: np.ndarray, window: int) -> np.ndarray:
    sums = np.cumsum(np.concatenate([np.zeros((1, values.shape[1])), values]), axis=0)
    return (sums[window:] - sums[:-window]) / window


def _triple(values: np.ndarray) -> str:
    return " ".join(f"{value:+.2f}" for value in values)


def throughput(data: Path, a: argparse.Namespace) -> None:
    """Whole runs, in turns, so that a change of the machine's pace meets both alike."""
    print("\nthroughput at 1280×720, frames/s from file to file (medians)\n")
    with tempfile.TemporaryDirectory() as folder:
        source = _wide_clip(data, Path(folder))
        rates: dict[str, list[float]] = {}
        for _ in range(a.repeats):
            for preset in ("off", "ultrafast", "fast", "medium"):
                options = TemporalOptions(0) if preset == "off" else TemporalOptions(flow=preset)
                summary = stylize_video(
                    source,
                    Path(folder) / "out.mp4",
                    a.styles[0],
                    temporal=options,
                    write=WriteOptions(overwrite=True),
                )
                rates.setdefault(preset, []).append(summary.rate)
    base = float(np.median(rates["off"]))
    for preset, values in rates.items():
        rate = float(np.median(values))
        print(f"{preset:12}{rate:7.2f}   {rate / base - 1:+.1%}   {_list(values)}")


def _list(values: list[float]) -> str:
    return " ".join(f"{value:.2f}" for value in values)


def _wide_clip(data: Path, folder: Path) -> Path:
    """A real clip of 1280×720: enlarged, then coded nearly without loss."""
    target = folder / "wide.mp4"
    source = data / "clips" / CLIPS[0]
    with VideoReader(source, ReadOptions(scale=1.5, end=1.7)) as reader:
        size = (1280, 720)
        with VideoWriter(
            plan_output(
                target,
                reader.info,
                source=source,
                size=size,
                options=WriteOptions(crf=12, audio="none"),
            )
        ) as writer:
            for frame in reader:
                image = images.resize(frame.image, *size)
                writer.write(replace(frame, image=image))
    return target


def _named(style: str, weights: Path | None) -> str:
    return f"{weights}#{style}" if weights else style


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", default=["quality"], metavar="part")
    parser.add_argument("--clips", nargs="+", default=CLIPS)
    parser.add_argument("--styles", nargs="+", default=STYLES)
    parser.add_argument("--weights", type=Path, help="a style file other than the bundled one")
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--side", type=int, default=640)
    parser.add_argument("--temporal", type=float, default=TemporalOptions().temporal)
    parser.add_argument("--flow", default=TemporalOptions().flow)
    parser.add_argument("--repeats", type=int, default=3)
    a = parser.parse_args()
    if "VIDSTYLE_DATA" not in os.environ:
        sys.exit("set VIDSTYLE_DATA to the folder with clips/, paintings/ and vgg19/")
    data = Path(os.environ["VIDSTYLE_DATA"])
    parts = {"quality": quality, "drift": drift, "throughput": throughput}
    if unknown := set(a.parts) - set(parts):
        sys.exit(f"no part '{unknown.pop()}'; there are {', '.join(parts)}")
    try:
        for part in a.parts:
            parts[part](data, a)
    except VidstyleError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
