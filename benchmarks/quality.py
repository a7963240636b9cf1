"""How close the bundled styles come to their paintings, on photos never trained on.

    VIDSTYLE_DATA=../shared python benchmarks/quality.py [--photos 16] [--styles FILE] [--json]

Style distance Σ_l ‖G_l(out) − G_l(painting)‖² / ‖G_l(painting)‖² over relu1_1 … relu4_1 and
content distance ‖F(out) − F(photo)‖² / ‖F(photo)‖² at relu4_2, of photos with 512 pixels on the
short side, means over the photos. The peer is the well-known set of six per-style networks.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np
import torch

from vidstyle import image as images
from vidstyle.errors import VidstyleError
from vidstyle.models.losses import (
    CONTENT_LAYER,
    STYLE_LAYERS,
    content_distance,
    gram_matrices,
    style_distance,
)
from vidstyle.models.vgg import VGG19, load_vgg19
from vidstyle.photos import as_tensor, find_photos
from vidstyle.styles import load_style, read_style_file
from vidstyle.styles.header import IDENTITY
from vidstyle.styles.registry import BUNDLED
from vidstyle.stylizers import FastOptions, FastStylizer

PEER = {
    "scream": (0.195, 0.83),
    "wave": (1.101, 1.39),
    "udnie": (0.070, 1.34),
    "la_muse": (0.642, 2.93),
    "rain_princess": (0.422, 2.95),
    "wreck": (0.144, 0.76),
}
"""Style and content distance of the peer, as given to us with these definitions."""

SHORT_SIDE = 512
VGG_FILE = "vgg19/vgg19-imagenet-oxford-features.safetensors"


@torch.inference_mode()
def evaluate(
    stylizer: FastStylizer, painting: np.ndarray, photos: list[np.ndarray], vgg: VGG19
) -> tuple[float, float]:
    """Mean style and content distance over photos."""
    target = gram_matrices(vgg(as_tensor(painting), STYLE_LAYERS), STYLE_LAYERS)
    style, content = [], []
    for photo in photos:
        features = vgg(as_tensor(stylizer(photo)), [*STYLE_LAYERS, CONTENT_LAYER])
        reference = vgg(as_tensor(photo), [CONTENT_LAYER])[CONTENT_LAYER]
        style.append(style_distance(gram_matrices(features, STYLE_LAYERS), target).item())
        content.append(content_distance(features[CONTENT_LAYER], reference).item())
    return float(np.mean(style)), float(np.mean(content))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=16)
    parser.add_argument("--styles", type=Path, default=BUNDLED)
    parser.add_argument("--only", nargs="*", help="names of styles")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    data = Path(os.environ.get("VIDSTYLE_DATA", "../shared"))
    vgg = load_vgg19(data / VGG_FILE, last=CONTENT_LAYER)
    held_out = find_photos(data / "photos")[1][: options.photos]
    photos = [images.resize_short_side(images.read_image(p), SHORT_SIDE) for p in held_out]
    names = [n for n in read_style_file(options.styles).vectors if n != IDENTITY]
    results = {}
    print(f"{len(photos)} held-out photos, {options.styles}\n")
    print(f"{'':16}{'style':>8}{'peer':>8}{'content':>9}{'peer':>8}")
    for name in options.only or names:
        painting = images.read_image(data / "paintings" / f"{name}.jpg")
        style = load_style(f"{options.styles}#{name}")
        stylizer = FastStylizer(style, FastOptions(precision="fp32", device="cpu"))
        painting = images.resize_short_side(painting, SHORT_SIDE)
        results[name] = evaluate(stylizer, painting, photos, vgg)
        peer = PEER.get(name, (float("nan"), float("nan")))
        row = [results[name][0], peer[0], results[name][1], peer[1]]
        worse = " worse on both" if row[0] > row[1] and row[2] > row[3] else ""
        print(f"{name:16}{row[0]:8.3f}{row[1]:8.3f}{row[2]:9.2f}{row[3]:8.2f}{worse}", flush=True)
    six = [name for name in PEER if name in results]
    if six:
        ours = np.mean([results[name] for name in six], axis=0)
        peer = np.mean([PEER[name] for name in six], axis=0)
        print(f"{'mean of ' + str(len(six)):16}{ours[0]:8.3f}{peer[0]:8.3f}", end="")
        print(f"{ours[1]:9.2f}{peer[1]:8.2f}")
    if options.json:
        print(json.dumps(results))


if __name__ == "__main__":
    try:
        main()
    except VidstyleError as error:
        sys.exit(str(error))
