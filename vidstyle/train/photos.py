"""Photos to train on: found, held out, cut into crops, and shaken as a camera would."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vidstyle import image as images
from vidstyle.errors import TrainingError
from vidstyle.models.pixels import as_tensor

HELD_OUT = 100
BORDER = 24
BORDER_WEIGHT = 4.0


def find_photos(folder: str | Path) -> tuple[list[Path], list[Path]]:
    """Photos to train on, and photos held out: those with the lowest hashes of their names.

    A hundred are held out, or one in ten when there are fewer than a thousand.

    Raises:
        TrainingError: no folder, or no photos in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise TrainingError(f"{folder}: no such folder of photos")
    paths = [p for p in folder.iterdir() if p.suffix.lower() in images.SUFFIXES]
    if not paths:
        raise TrainingError(f"{folder}: no photos ({', '.join(images.SUFFIXES)})")
    paths.sort(key=lambda path: hashlib.sha256(path.name.encode()).hexdigest())
    held = min(HELD_OUT, len(paths) // 10)
    return sorted(paths[held:]), paths[:held]


class PhotoCrops:
    """Random crops of photos, batch by batch, read by several threads.

    Args:
        seed: with a batch's number, decides what is in the batch.
        threads: that read; one unless given.
    """

    def __init__(self, paths: Sequence[Path], seed: int, threads: int = 1) -> None:
        self.paths = list(paths)
        self.seed = seed
        self._readers = ThreadPoolExecutor(threads)

    def __call__(self, number: int, count: int, size: int) -> Tensor:
        """``count``×3×``size``×``size`` in [0, 1]."""
        rngs = [np.random.default_rng((self.seed, number, index)) for index in range(count)]
        crops = self._readers.map(lambda rng: as_tensor(self._crop(rng, size)), rngs)
        return torch.cat(list(crops)).contiguous(memory_format=torch.channels_last)

    def _crop(self, rng: np.random.Generator, size: int) -> np.ndarray:
        photo = self._read(rng)
        if min(photo.shape[:2]) < size:
            # An enlarged photo is blurred; another may be large enough.
            photo = max(photo, self._read(rng), key=lambda image: min(image.shape[:2]))
        # Photos at many scales, so that strokes suit small and large frames alike.
        short = int(rng.integers(max(size, 256), max(size, 512) + 1))
        photo = images.resize_short_side(photo, short)
        top = rng.integers(photo.shape[0] - size + 1)
        left = rng.integers(photo.shape[1] - size + 1)
        part = photo[top : top + size, left : left + size]
        return part[:, ::-1] if rng.random() < 0.5 else part

    def _read(self, rng: np.random.Generator) -> np.ndarray:
        return images.read_image(self.paths[rng.integers(len(self.paths))])


def shaken_pair(
    photo: Tensor, rng: np.random.Generator, generator: torch.Generator
) -> tuple[Tensor, Callable[[Tensor], Tensor], Tensor]:
    """The same scene as a camera would see it a moment later: shifted or zoomed, with noise.

    A shifted view is smaller, so that what lies at its border lies inside the photo: the network
    learns from it to draw borders as if the picture went on.

    Returns:
        The other view; the warp that takes any picture of the photo's size to that view; and how
        much each pixel of the view counts, 1×1×h×w.
    """
    warp = _shift(photo, rng) if rng.random() < 0.6 else _zoom(rng)
    view = warp(photo)
    height, width = view.shape[-2:]
    shifted = view.shape != photo.shape
    # A zoom brings pixels in from outside; a shift is exact, and all about the border.
    band = min(BORDER, height // 4)
    inner, outer = (band, BORDER_WEIGHT) if shifted else (band // 2, 0.0)
    weight = torch.full((1, 1, height, width), outer, device=photo.device)
    weight[:, :, inner:-inner, inner:-inner] = 1.0
    sigma = float(rng.uniform(0.0, 0.03))
    noise = torch.randn(view.shape, generator=generator).to(photo.device) * sigma
    return (view + noise).clamp(0, 1), warp, weight


def _shift(photo: Tensor, rng: np.random.Generator) -> Callable[[Tensor], Tensor]:
    height, width = photo.shape[-2:]
    border = min(BORDER, height // 8)
    top, left = (int(border + v) for v in rng.integers(-border // 4, border // 4 + 1, size=2))
    bottom, right = top + height - 2 * border, left + width - 2 * border
    return lambda image: image[:, :, top:bottom, left:right]


def _zoom(rng: np.random.Generator) -> Callable[[Tensor], Tensor]:
    """By up to 3 %, about a point near the centre."""
    zoom = float(rng.uniform(0.97, 1.03))
    dx, dy = rng.uniform(-0.02, 0.02, size=2)
    theta = torch.tensor([[[zoom, 0, dx], [0, zoom, dy]]], dtype=torch.float32)

    def warp(image: Tensor) -> Tensor:
        grid = F.affine_grid(
            theta.expand(image.shape[0], -1, -1), list(image.shape), align_corners=False
        ).to(image.device)
        return F.grid_sample(image, grid, mode="bicubic", align_corners=False)

    return warp
