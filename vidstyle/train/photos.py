"""Training photos: finding them, holding some out, cropping, and simulating camera motion."""

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
    """Photos to train on, and photos to hold out: those whose names have the lowest hashes.

    A hundred photos are held out, or one in ten if there are fewer than a thousand.

    Raises:
        TrainingError: the folder does not exist or contains no photos.
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
    """Random crops of photos in batches.

    Args:
        seed: together with a batch's number, it determines the batch.
        threads: number of threads that read photos.
    """

    def __init__(self, paths: Sequence[Path], seed: int, threads: int = 1) -> None:
        self.paths = list(paths)
        self.seed = seed
        self._readers = ThreadPoolExecutor(threads)

    def __call__(self, number: int, count: int, size: int) -> Tensor:
        """Batch ``number``: ``count``×3×``size``×``size`` in [0, 1]."""
        rngs = [np.random.default_rng((self.seed, number, index)) for index in range(count)]
        crops = self._readers.map(lambda rng: as_tensor(self._crop(rng, size)), rngs)
        return torch.cat(list(crops)).contiguous(memory_format=torch.channels_last)

    def _crop(self, rng: np.random.Generator, size: int) -> np.ndarray:
        photo = self._read(rng)
        if min(photo.shape[:2]) < size:
            # Enlarging would blur the photo; another may be large enough.
            photo = max(photo, self._read(rng), key=lambda image: min(image.shape[:2]))
        # Photos at many scales, so that strokes suit both small and large frames.
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
    """The same scene a moment later, as a camera would see it: shifted or zoomed, with noise.

    A shifted view is smaller, so that its border lies inside the photo. From it the network learns
    to draw borders as if the picture continued.

    Returns:
        The other view; the warp that takes any picture of the photo's size to that view; and the
        weight of each pixel of the view, 1×1×h×w.
    """
    warp = _shift(photo, rng) if rng.random() < 0.6 else _zoom(rng)
    view = warp(photo)
    height, width = view.shape[-2:]
    shifted = view.shape != photo.shape
    # A zoom brings in pixels from outside; a shift is exact, and is there for the border.
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
    """Zoom by up to 3 % about a point near the centre."""
    zoom = float(rng.uniform(0.97, 1.03))
    dx, dy = rng.uniform(-0.02, 0.02, size=2)
    theta = torch.tensor([[[zoom, 0, dx], [0, zoom, dy]]], dtype=torch.float32)

    def warp(image: Tensor) -> Tensor:
        grid = F.affine_grid(
            theta.expand(image.shape[0], -1, -1), list(image.shape), align_corners=False
        ).to(image.device)
        return F.grid_sample(image, grid, mode="bicubic", align_corners=False)

    return warp
