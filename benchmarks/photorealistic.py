"""What photographs as styles keep of a photo and take from another, and how steady videos are.

    VIDSTYLE_DATA=../shared python benchmarks/photorealistic.py [stills] [video] [speed] [--side N]

stills  five pairs of photos: distortion against the photo, and style distance, of the result
        without regions and with those that were found, next to plain Gatys (the same losses alone)
        and to Reinhard's transfer of the mean and deviation of colours. --sheets DIR keeps the
        pictures, and the regions.
video   E_warp of a clip and of the result, as it is and in proportion to the variance of colours,
        and distortion.
speed   processor time of a frame of 1280×720 in a look's second pass and in the fast engine,
        decoding and encoding left out.

edges      correlation of edge strength with the photo's, pixel by pixel (1 is best).
structure  mean of SSIM's structure term of luma, in Gaussian windows of σ 1.5 (1 is best).
affine     how far windows are from affine maps of the photo's colours: the photorealism loss.
style      relative distance of Gram matrices, over the layers that the bundled styles learn from.

Definitions: docs/photorealistic.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from temporal import VGG_FILE, Scene

from vidstyle import image as images
from vidstyle.errors import VidstyleError
from vidstyle.models.losses import (
    STYLE_LAYERS,
    edge_correlation,
    gram_matrices,
    luma,
    style_distance,
)
from vidstyle.models.matting import matting_laplacian, photorealism_loss
from vidstyle.models.pixels import as_tensor
from vidstyle.models.vgg import VGG19, load_vgg19
from vidstyle.options import PHOTOGRAPHS, PhotorealismOptions, ReadOptions, WriteOptions
from vidstyle.pipeline.photorealistic import photorealistic_video
from vidstyle.stylizers import FastStylizer, OptimizeStylizer, Photorealism, Regions, find_pair
from vidstyle.stylizers.bilateral_grid import fit_grid
from vidstyle.video import VideoReader

PAIRS = {
    "skyline": ("sun_038", "sun_059", 3),
    "mountain": ("sun_425", "sun_090", 2),
    "beach": ("osie_1164", "osie_1058", 2),
    "meadow": ("sun_197", "bsds_41006", 3),
    "castle": ("bsds_201080", "in_n02980441", 2),
}
"""Of photos/, with the number of regions to look for: day and dusk, day and night, blue sky and
sunset, summer and autumn, fair weather and storm."""
WEIGHT = PhotorealismOptions.photorealism_weight


@dataclass(frozen=True, eq=False)
class Judge:
    """Measures results of one photo and one style."""

    photo: np.ndarray
    style: np.ndarray
    vgg: VGG19

    def figures(self, result: np.ndarray) -> dict[str, float]:
        photo, drawn = as_tensor(self.photo), as_tensor(result)
        bent = photorealism_loss(drawn, matting_laplacian(photo))
        return {
            "edges": float(edge_correlation(drawn, photo, 1)),
            "structure": structure(result, self.photo),
            "affine": 1000 * float(bent),
            "style": float(style_distance(self._grams(result), self._grams(self.style))),
        }

    @torch.no_grad()
    def _grams(self, picture: np.ndarray) -> dict[str, torch.Tensor]:
        picture = images.resize_short_side(picture, min(self.photo.shape[:2]))
        return gram_matrices(self.vgg(as_tensor(picture), STYLE_LAYERS), STYLE_LAYERS)


def structure(first: np.ndarray, second: np.ndarray) -> float:
    """The structure term of SSIM (Wang et al. 2004, eq. 10) of two pictures H×W×3 uint8."""
    x, y = (luma(as_tensor(picture))[0, 0].double().numpy() for picture in (first, second))
    smooth = partial(cv2.GaussianBlur, ksize=(11, 11), sigmaX=1.5)
    deviations = [np.sqrt((smooth(v * v) - smooth(v) ** 2).clip(0)) for v in (x, y)]
    together, floor = smooth(x * y) - smooth(x) * smooth(y), 0.03**2 / 2
    return float(((together + floor) / (deviations[0] * deviations[1] + floor)).mean())


def reinhard(photo: np.ndarray, style: np.ndarray) -> np.ndarray:
    """Mean and deviation of the style, in CIE L*a*b* (Reinhard et al. 2001)."""
    lab, target = (
        cv2.cvtColor(p.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) for p in (photo, style)
    )
    (mean, deviation), (wanted, spread) = ((p.mean((0, 1)), p.std((0, 1))) for p in (lab, target))
    moved = (lab - mean) * (spread / deviation.clip(1e-3)) + wanted
    result = cv2.cvtColor(moved.astype(np.float32), cv2.COLOR_LAB2RGB)
    return np.rint(255 * result.clip(0, 1)).astype(np.uint8)


def drawn_by_all(
    photo: np.ndarray, style: np.ndarray, vgg: VGG19, pair: tuple[Regions, Regions]
) -> Iterator[tuple[str, np.ndarray]]:
    """The results of every method."""

    def optimized(look: Photorealism | None) -> np.ndarray:
        return OptimizeStylizer([(style, 1.0)], PHOTOGRAPHS, vgg, look)(photo)

    yield "Reinhard", reinhard(photo, style)
    yield "Gatys", optimized(None)
    yield "ours", optimized(Photorealism(WEIGHT))
    yield "ours, by regions", optimized(Photorealism(WEIGHT, pair))


def stills(data: Path, vgg: VGG19, a: argparse.Namespace) -> None:
    print(f"{'':28}{'edges':>9}{'structure':>11}{'affine':>9}{'style':>9}{'seconds':>9}")
    totals: dict[str, list[list[float]]] = {}
    for name in a.pairs:
        *stems, count = PAIRS[name]
        paths = [data / "photos" / f"{stem}.jpg" for stem in stems]
        photo, style = (images.fit(images.read_image(path), a.side) for path in paths)
        pair, judge = find_pair(photo, style, count, vgg), Judge(photo, style, vgg)
        cells = {"the photo": photo, "the style": style}
        began = time.perf_counter()
        for method, result in drawn_by_all(photo, style, vgg, pair):
            spent = time.perf_counter() - began
            row = [*judge.figures(result).values(), spent]
            totals.setdefault(method, []).append(row)
            print(line(f"{name}, {method}", row), flush=True)
            cells[method], began = result, time.perf_counter()
        cells |= {"its regions": pair[0].picture(), "the style's regions": pair[1].picture()}
        if a.sheets:
            images.write_image(a.sheets / f"{name}.jpg", sheet(cells))
    for method, rows in totals.items():
        print(line(f"mean, {method}", np.mean(rows, axis=0).tolist()))


def line(title: str, row: list[float]) -> str:
    edges, structural, affine, style, seconds = row
    return f"{title:28}{edges:9.3f}{structural:11.3f}{affine:9.3f}{style:9.3f}{seconds:9.1f}"


def sheet(cells: dict[str, np.ndarray]) -> np.ndarray:
    size = next(iter(cells.values())).shape[1::-1]
    labelled = [images.label(images.letterbox(c, *size), name) for name, c in cells.items()]
    return images.contact_sheet(labelled, 4)


def video(data: Path, vgg: VGG19, a: argparse.Namespace) -> None:
    style = images.read_image(data / "photos" / f"{a.style}.jpg")
    for clip in a.clips:
        path = data / "clips" / clip
        scene = Scene.read(path, a.frames, a.side)
        pictures, seconds = restyled(path, style, vgg, a)
        errors = [scene.warping_error(frames) for frames in (scene.frames, pictures)]
        contrasts = [np.mean([f.var() for f in frames]) for frames in (scene.frames, pictures)]
        shares = np.divide(errors, contrasts)
        figures = [
            list(Judge(frame, style, vgg).figures(picture).values())
            for frame, picture in zip(scene.frames[::8], pictures[::8], strict=True)
        ]
        edges, structural, _, style_gap = np.mean(figures, axis=0)
        print(
            f"{clip}, {len(pictures)} frames of {a.side} pixels: E_warp {errors[0]:.6f}, of the "
            f"result {errors[1]:.6f} ({errors[1] / errors[0] - 1:+.1%}; by contrast "
            f"{shares[1] / shares[0] - 1:+.1%}), edges {edges:.3f}, structure {structural:.3f}, "
            f"style {style_gap:.3f}, {seconds:.1f} s",
            flush=True,
        )
        if a.sheets:
            chosen = np.linspace(0, len(pictures) - 1, 4).astype(int)
            rows = [frames[n] for frames in (scene.frames, pictures) for n in chosen]
            images.write_image(a.sheets / f"{path.stem}.jpg", images.contact_sheet(rows, 4))


def restyled(
    path: Path, style: np.ndarray, vgg: VGG19, a: argparse.Namespace
) -> tuple[list[np.ndarray], float]:
    """The frames of a clip's result, and how long it took."""
    with VideoReader(path) as reader:
        rate = float(reader.info.average_rate or 25)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out.mkv"
        summary = photorealistic_video(
            path,
            output,
            [(style, 1.0)],
            photorealism=PhotorealismOptions(photorealistic=True, auto_regions=a.regions),
            read=ReadOptions(max_side=a.side, end=(a.frames - 0.5) / rate),
            write=WriteOptions(codec="ffv1", pix_fmt="bgr0", audio="none"),
            vgg=vgg,
        )
        with VideoReader(output) as reader:
            return [frame.image for frame in reader], summary.seconds


def speed(data: Path, vgg: VGG19, a: argparse.Namespace) -> None:
    with VideoReader(data / "clips" / a.clips[0]) as reader:
        frame = images.resize(next(iter(reader)).image, 1280, 720)
    style, small = images.read_image(data / "photos" / f"{a.style}.jpg"), images.fit(frame, 192)
    grid, fast = fit_grid(small, reinhard(small, style)), FastStylizer("wave")
    drawers: dict[str, Callable[[np.ndarray], np.ndarray]] = {"a look": grid, "fast engine": fast}
    for name, draw in drawers.items():
        draw(frame)
        seconds = []
        for _ in range(8):
            began = time.process_time()
            draw(frame)
            seconds.append(time.process_time() - began)
        print(f"{name:12}{1000 * np.median(seconds):8.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", default=["stills", "video"], metavar="part")
    parser.add_argument("--pairs", nargs="+", default=list(PAIRS), choices=PAIRS)
    parser.add_argument("--clips", nargs="+", default=["lofoten.mp4"])
    parser.add_argument("--style", default="osie_1058", help="a photo, for videos")
    parser.add_argument("--regions", type=int, help="of videos; all is one unless given")
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--side", type=int, default=320)
    parser.add_argument("--sheets", type=Path, help="folder for pictures to look at")
    a = parser.parse_args()
    data = Path(os.environ.get("VIDSTYLE_DATA", "../shared"))
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
    try:
        vgg = load_vgg19(data / VGG_FILE, "relu4_2")
        for part in a.parts:
            {"stills": stills, "video": video, "speed": speed}[part](data, vgg, a)
    except VidstyleError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
