"""Gather what training needs in a folder that can travel to another machine.

    python training/pack.py ../shared .train [--megabytes 44]

Photos become WebP of at most 512 pixels on the short side, as many as fit; of VGG19 only the layers
that the losses use are taken. Paintings get the names of their styles.
"""

from __future__ import annotations

import argparse
import shutil
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
from safetensors.torch import load_file, save_file

from vidstyle import image as images
from vidstyle.models.losses import STYLE_LAYERS
from vidstyle.models.vgg import convolution_names
from vidstyle.train.photos import find_photos

VGG_FILE = "vgg19/vgg19-imagenet-oxford-features.safetensors"
PAINTINGS = Path(__file__).with_name("paintings.toml")
SHORT_SIDE = 512
QUALITY = 75


def pack_vgg(source: Path, target: Path) -> None:
    names = convolution_names()
    last = names["conv" + STYLE_LAYERS[-1][-3:]]
    wanted = {
        f"features.{i}.{kind}" for i in names.values() if i <= last for kind in ("weight", "bias")
    }
    save_file({k: v for k, v in load_file(source).items() if k in wanted}, target)


def pack_paintings(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for name, file in tomllib.loads(PAINTINGS.read_text(encoding="utf-8")).items():
        shutil.copy(source / "paintings" / file, target / f"{name}.jpg")


def pack_photos(source: Path, target: Path, most: int) -> None:
    """As many photos as fit into ``most`` bytes, large ones first: small ones are blurred when they
    are enlarged to the crops. Names stay, for by their names photos are held out."""
    target.mkdir(exist_ok=True)
    paths = [path for group in find_photos(source) for path in group]
    paths.sort(key=lambda path: path.stat().st_size, reverse=True)
    count = total = 0
    with ThreadPoolExecutor() as pool:
        for path, data in zip(paths, pool.map(coded, paths), strict=True):
            if total + len(data) < most:
                (target / path.name).write_bytes(data)
                count, total = count + 1, total + len(data)
    print(f"{count} of {len(paths)} photos, {total / 1e6:.1f} MB")


def coded(path: Path) -> bytes:
    """A photo as WebP."""
    photo = images.read_image(path)
    if min(photo.shape[:2]) > SHORT_SIDE:
        photo = images.resize_short_side(photo, SHORT_SIDE)
    return cv2.imencode(".webp", photo[:, :, ::-1], [cv2.IMWRITE_WEBP_QUALITY, QUALITY])[
        1
    ].tobytes()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--megabytes", type=float, default=44)
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    pack_vgg(options.data / VGG_FILE, options.folder / "vgg.safetensors")
    pack_paintings(options.data, options.folder / "paintings")
    pack_photos(options.data / "photos", options.folder / "photos", int(options.megabytes * 1e6))


if __name__ == "__main__":
    main()
