"""How well a painting is learned at once: fifteen that no predictor was trained on.

    VIDSTYLE_DATA=../shared python benchmarks/painting.py [--refine 0 30] [--minutes 10]
        [--paintings 15] [--photos 8] [--sheet FILE.png] [--json FILE]

Means of ``quality.py``'s measures over photos of photos_test: of the prediction, of what
``--refine`` seconds make of it, and of a vector that is trained for ``--minutes`` from the mean of
the bundled ones, as before there was a predictor. Refined and trained on twelve photos of photos/.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from quality import MEASURES, SHORT_SIDE, VGG_FILE, Reference, evaluate

from vidstyle import image as images
from vidstyle.errors import VidstyleError
from vidstyle.models.vgg import VGG19, load_vgg19
from vidstyle.styles import StyleFile, StyleInfo, load_style, read_style_file, write_style_file
from vidstyle.styles.header import IDENTITY
from vidstyle.styles.registry import BUNDLED
from vidstyle.stylizers import FastOptions, FastStylizer
from vidstyle.train import find_photos
from vidstyle.train.painting import painting_trainer, predicted

PRACTICE = 12
"""As many photos as ``vidstyle run`` takes frames of a clip."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--refine", type=float, nargs="*", default=[0.0, 30.0], help="seconds")
    parser.add_argument("--minutes", type=float, help="also train from the mean so long")
    parser.add_argument("--paintings", type=int, default=15, help="only the first so many")
    parser.add_argument("--photos", type=int, default=8, help="only the first so many")
    parser.add_argument("--sheet", type=Path, help="a PNG: a painting per row")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    data = Path(os.environ.get("VIDSTYLE_DATA", "../shared"))
    vgg = load_vgg19(data / VGG_FILE, last="relu4_1")
    with torch.inference_mode():
        paths = sorted((data / "photos_test").iterdir())[: options.photos]
        photos = [Reference(path, vgg) for path in paths]
    judged = judged_paintings(data)[: options.paintings]
    results: dict[str, dict[str, list[float]]] = {}
    cells: list[np.ndarray] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        practice = practice_photos(data, folder / "photos")
        for path in judged:
            painting = images.resize_short_side(images.read_image(path), SHORT_SIDE)
            cells.append(painting)
            for label, file in ways(path, practice, folder, vgg, options):
                style = load_style(write_style_file(file, folder / "style.safetensors"))
                stylizer = FastStylizer(style, FastOptions(precision="fp32", backend="torch"))
                row, drawn = evaluate(stylizer, painting, photos, vgg)
                results.setdefault(label, {})[path.name] = row.tolist()
                cells += drawn[1:3]
                _print(f"{path.stem[:28]} {label}", row)
    for label, rows in results.items():
        _print(f"mean of {len(rows)}: {label}", np.mean(list(rows.values()), axis=0))
    if options.sheet:
        small = [images.label(square(cell), " ") for cell in cells]
        images.write_image(options.sheet, images.contact_sheet(small, len(cells) // len(judged)))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


def judged_paintings(data: Path) -> list[Path]:
    """The paintings that ``training/train.py --predictor`` leaves out."""
    sys.path.append(str(Path(__file__).parents[1] / "training"))
    from train import pictures

    trained = set(pictures(data))
    found = sorted((data / "paintings").rglob("*.jpg"))
    return [path for path in found if path not in trained]


def practice_photos(data: Path, folder: Path) -> Path:
    """A folder of some photos of all kinds."""
    folder.mkdir()
    paths = find_photos(data / "photos")[0]
    for number in np.linspace(0, len(paths) - 1, PRACTICE).astype(int):
        images.write_image(folder / f"{number:05d}.png", images.read_image(paths[number]))
    return folder


def ways(
    path: Path, practice: Path, folder: Path, vgg: VGG19, options: argparse.Namespace
) -> Iterator[tuple[str, StyleFile]]:
    """Each way to learn a painting, with its result."""
    guess = predicted(images.read_image(path), StyleInfo("painting"), vgg)
    common = path, practice, folder / "trained.safetensors", vgg
    for seconds in options.refine:
        yield f"{seconds:g} s", trained(guess, seconds / 60, *common) if seconds else guess
    if options.minutes:
        base = read_style_file(BUNDLED)
        known = [vector for name, vector in base.vectors.items() if name != IDENTITY]
        mean = replace(guess, vectors={"painting": torch.stack(known).float().mean(0)})
        yield f"mean, {options.minutes:g} min", trained(mean, options.minutes, *common)


def trained(
    file: StyleFile, minutes: float, path: Path, practice: Path, output: Path, vgg: VGG19
) -> StyleFile:
    """A style trained further."""
    trainer = painting_trainer(file, path, practice, output, minutes, vgg)
    trainer.train()
    return trainer.style_file()


def square(image: np.ndarray, side: int = 240) -> np.ndarray:
    small = images.resize_short_side(image, side)
    top, left = (small.shape[0] - side) // 2, (small.shape[1] - side) // 2
    return small[top : top + side, left : left + side]


def _print(name: str, row: np.ndarray) -> None:
    cells = "".join(f"{m:>9} {v:.3f}" for m, v in zip(MEASURES, row, strict=True))
    print(f"{name:42}{cells}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except VidstyleError as error:
        sys.exit(str(error))
