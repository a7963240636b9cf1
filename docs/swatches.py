"""Makes the swatches of the bundled styles, and a sheet of them, from pictures of the paintings.

    VIDSTYLE_DATA=../shared python docs/swatches.py [NAME …]

A swatch is what ``vidstyle texture PAINTING --iterations 100 --scales 2 --precision fp32`` makes:
strokes and colours of the painting without its motif (starry_night with ``--scales 3``). Without
names, all are made; the sheet shows all that there are.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from vidstyle import OptimizeOptions, Step, image, synthesize_texture
from vidstyle.cli.texture import TEXTURE
from vidstyle.models.vgg import load_vgg19
from vidstyle.styles import read_style_file
from vidstyle.styles.header import IDENTITY, StyleInfo
from vidstyle.styles.registry import BUNDLED, SWATCHES

HERE = Path(__file__).parent
DATA = Path(os.environ.get("VIDSTYLE_DATA", HERE.parents[1] / "shared"))
VGG_FILE = "vgg19/vgg19-imagenet-oxford-features.safetensors"
FOLDER = BUNDLED.with_name(SWATCHES)
SIDE = 512
MAX_BYTES = 60_000
OPTIONS = OptimizeOptions(
    content_weight=0.0,
    style_weight=1.0,
    tv_weight=TEXTURE.tv_weight,
    iterations=100,
    scales=2,
    precision="fp32",
)
SCALES = {"starry_night": 3}
"""From a coarser start, its swirls come out whole and less is grey; others show their motif."""


def write_small(path: Path, picture: np.ndarray) -> None:
    """As a JPEG of the best quality that keeps it small."""
    for quality in range(92, 40, -2):
        image.write_image(path, picture, quality)
        if path.stat().st_size <= MAX_BYTES:
            return


def sheet() -> np.ndarray:
    """All swatches that there are, at half their size."""
    found = {path.stem: image.read_image(path) for path in sorted(FOLDER.glob("*.jpg"))}
    cells = [image.label(image.resize(swatch, 256, 256), name) for name, swatch in found.items()]
    return image.contact_sheet(cells, 4)


def find_painting(info: StyleInfo) -> Path:
    """The picture that a style was learned from."""
    name = str(info.training["painting"])
    folders = (DATA / "paintings", DATA / "paintings/more")
    return next(folder / name for folder in folders if (folder / name).is_file())


def main() -> None:
    infos = read_style_file(BUNDLED).infos
    bundled = [name for name in infos if name != IDENTITY]
    FOLDER.mkdir(exist_ok=True)
    vgg = load_vgg19(DATA / VGG_FILE, "relu4_1")
    for name in sys.argv[1:] or bundled:
        painting = image.read_image(find_painting(infos[name]))
        options = replace(OPTIONS, scales=SCALES.get(name, OPTIONS.scales))
        with tqdm(desc=name) as bar:

            def show(step: Step, bar: tqdm = bar) -> None:
                bar.total = step.total
                bar.set_postfix_str(f"loss {step.losses.total:.3g}", refresh=False)
                bar.update()

            swatch = synthesize_texture(
                [(painting, 1.0)], SIDE, SIDE, options, vgg=vgg, listener=show
            )
        write_small(FOLDER / f"{name}.jpg", swatch)
    image.write_image(HERE / "swatches.jpg", sheet(), 85)


if __name__ == "__main__":
    main()
