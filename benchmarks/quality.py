"""How close styles come to their paintings and how much of the photo they keep.

    VIDSTYLE_DATA=../shared python benchmarks/quality.py [--styles FILE] [--only NAME ...]
        [--precision bf16] [--strength 0.4 0.7 1] [--sheet FOLDER] [--json FILE]

Means over the 24 photos of photos_test, on which no network was trained, at 512 pixels on the short
side. All features are those of VGG19.

* style: Σ_l ‖G_l(out) − G_l(painting)‖² / ‖G_l(painting)‖², relu1_1 … relu4_1; lower is closer.
* edges: correlation of the lengths of luma's gradients at 1/2, 1/4 and 1/8 of the size; higher
  keeps more of the photo.
* tone: correlation of luma at 1/16; higher keeps more.
* ncontent: squared difference of features normalized per channel, relu3_1 and relu4_1; lower keeps
  more.
* self: difference of the features' similarity to themselves, relu3_1 and relu4_1; lower keeps more.

The peer is the well-known set of six per-style networks of 2016, with 154,000 multiply-adds a
pixel; its figures on the same photos were given to us with these definitions.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vidstyle import image as images
from vidstyle.errors import VidstyleError
from vidstyle.models import losses
from vidstyle.models.losses import STRUCTURE_LAYERS, STYLE_LAYERS
from vidstyle.models.pixels import as_tensor
from vidstyle.models.vgg import VGG19, load_vgg19
from vidstyle.styles import load_style, read_style_file
from vidstyle.styles.header import IDENTITY
from vidstyle.styles.registry import BUNDLED
from vidstyle.stylizers import FastOptions, FastStylizer

MEASURES = ("style", "edges", "tone", "ncontent", "self")
PEER = {
    "scream": (0.193, 0.793, 0.888, 0.675, 0.298),
    "wave": (1.101, 0.642, 0.784, 0.883, 0.298),
    "udnie": (0.070, 0.620, 0.851, 0.824, 0.275),
    "la_muse": (0.633, 0.468, 0.636, 1.197, 0.326),
    "rain_princess": (0.416, 0.591, 0.737, 1.026, 0.294),
    "wreck": (0.142, 0.734, 0.823, 0.676, 0.228),
}
SHORT_SIDE = 512
EDGE_SIZES = (2, 4, 8)
TONE_SIZE = 16
VGG_FILE = "vgg19/vgg19-imagenet-oxford-features.safetensors"


class Reference:
    """A photo and what is compared with it."""

    def __init__(self, path: Path, vgg: VGG19) -> None:
        self.name = path.stem
        self.image = images.resize_short_side(images.read_image(path), SHORT_SIDE)
        self.tensor = as_tensor(self.image)
        self.features = vgg(self.tensor, STRUCTURE_LAYERS)
        self.similarities = {k: losses.self_similarity(f) for k, f in self.features.items()}

    def measure(
        self, painting: np.ndarray, vgg: VGG19, target: Mapping[str, Tensor]
    ) -> tuple[float, ...]:
        """The MEASURES of a painting of the photo."""
        drawn = as_tensor(painting)
        features = vgg(drawn, STYLE_LAYERS)
        style = losses.style_distance(losses.gram_matrices(features, STYLE_LAYERS), target)
        edges = [losses.edge_correlation(drawn, self.tensor, size) for size in EDGE_SIZES]
        content = [
            losses.normalized_content(features[layer], self.features[layer])
            for layer in STRUCTURE_LAYERS
        ]
        own = [
            losses.self_similarity_distance(
                losses.self_similarity(features[layer]), self.similarities[layer]
            )
            for layer in STRUCTURE_LAYERS
        ]
        tone = losses.tone_correlation(drawn, self.tensor, TONE_SIZE)
        return tuple(float(torch.stack(v).mean()) for v in ([style], edges, [tone], content, own))


@torch.inference_mode()
def evaluate(
    stylizer: FastStylizer, painting: np.ndarray, photos: list[Reference], vgg: VGG19
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Mean MEASURES over photos, and the paintings made of them."""
    target = losses.gram_matrices(vgg(as_tensor(painting), STYLE_LAYERS), STYLE_LAYERS)
    drawn = [stylizer(photo.image) for photo in photos]
    rows = [photo.measure(d, vgg, target) for photo, d in zip(photos, drawn, strict=True)]
    return np.mean(rows, axis=0), drawn


def write_sheets(
    folder: Path, photos: list[Reference], drawn: Mapping[str, list[np.ndarray]], side: int = 320
) -> None:
    """A PNG for each photo: the photo, then all styles."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, photo in enumerate(photos):
        row = [photo.image, *(pictures[number] for pictures in drawn.values())]
        row = [images.resize_short_side(picture, side) for picture in row]
        images.write_image(
            folder / f"{photo.name}.png", images.contact_sheet(row, columns=min(len(row), 6))
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--styles", type=Path, default=BUNDLED)
    parser.add_argument("--only", nargs="*", help="names of styles")
    parser.add_argument("--photos", type=int, default=24, help="only the first so many")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--strength", type=float, nargs="*", default=[1.0])
    parser.add_argument("--paintings", type=Path, nargs="*", help="where paintings are, by name")
    parser.add_argument("--sheet", type=Path, help="a folder for a sheet of each photo")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    options = parser.parse_args()
    data = Path(os.environ.get("VIDSTYLE_DATA", "../shared"))
    folders = options.paintings or [data / "paintings", data / "paintings" / "more"]
    vgg = load_vgg19(data / VGG_FILE, last="relu4_1")
    with torch.inference_mode():
        paths = sorted((data / "photos_test").iterdir())[: options.photos]
        photos = [Reference(path, vgg) for path in paths]
    file = read_style_file(options.styles)
    names = options.only or [name for name in file.vectors if name != IDENTITY]
    results: dict[str, dict[str, list[float]]] = {}
    print(f"{len(photos)} photos, {options.styles}, {options.precision}\n")
    print(f"{'':16}{'strength':>9}" + "".join(f"{m:>10}" for m in MEASURES))
    whole: dict[str, list[np.ndarray]] = {}
    for name in names:
        painting = images.resize_short_side(
            images.read_image(_painting(file.infos[name].training, name, folders)), SHORT_SIDE
        )
        style = load_style(f"{options.styles}#{name}")
        for strength in options.strength:
            chosen = FastOptions(
                precision=options.precision, device="cpu", strength=strength, backend="torch"
            )
            row, drawn = evaluate(FastStylizer(style, chosen), painting, photos, vgg)
            results.setdefault(name, {})[f"{strength:g}"] = row.tolist()
            _print(name, strength, row)
            if strength == max(options.strength):
                whole[name] = drawn
    six = [name for name in PEER if name in results]
    for strength in options.strength if len(six) == len(PEER) else []:
        _print("the six", strength, [results[name][f"{strength:g}"] for name in six])
    for name in six:
        _print(f"peer: {name}", 1, PEER[name])
    _print("peer: the six", 1, list(PEER.values()))
    if options.sheet:
        write_sheets(options.sheet, photos, whole)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


def _painting(recipe: Mapping[str, object], name: str, folders: list[Path]) -> Path:
    """The picture that a style was learned from: of the name that its recipe tells, or its own."""
    names = [str(recipe["painting"])] if "painting" in recipe else []
    for folder in folders:
        for file in (*names, f"{name}.jpg"):
            if (folder / file).is_file():
                return folder / file
    raise SystemExit(f"{name}: its painting is in none of {', '.join(map(str, folders))}")


def _print(name: str, strength: float, row: object) -> None:
    """A line of figures; of several rows, their means."""
    means = np.atleast_2d(np.asarray(row)).mean(axis=0)
    print(f"{name:16}{strength:9.2f}" + "".join(f"{v:10.3f}" for v in means), flush=True)


if __name__ == "__main__":
    try:
        main()
    except VidstyleError as error:
        sys.exit(str(error))
