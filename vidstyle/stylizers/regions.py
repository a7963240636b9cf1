"""Regions of two photos that belong together: given as pictures, or found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vidstyle import image as images
from vidstyle.errors import InputError, OptionError
from vidstyle.models.layers import smallest_side
from vidstyle.models.matting import guided_filter
from vidstyle.models.pixels import as_tensor
from vidstyle.models.vgg import VGG19
from vidstyle.stylizers.color import luma

MOST_LABELS = 16
"""More colours than this are a photo, or what JPEG has made of labels."""
SMALLEST = 0.01
"""Share of a photo below which a region that was found is joined with others."""
LAYER = "relu4_1"
PLACE, LIGHT = 0.4, 0.3
"""Weights of a place's height and luma beside its features, in their standard deviations."""
PALETTE = np.array(
    [
        [0, 114, 178],
        [230, 159, 0],
        [0, 158, 115],
        [204, 121, 167],
        [240, 228, 66],
        [86, 180, 233],
        [213, 94, 0],
        [120, 120, 120],
    ],
    np.uint8,
)
"""Colours that also the colour-blind can tell apart (Okabe, Ito 2008)."""


@dataclass(frozen=True, eq=False)
class Regions:
    """Parts of a photo.

    Attributes:
        names: colours as #rrggbb, or names of mattes.
        masks: R×H×W float32 from 0 to 1, how much of each pixel belongs to each region.
    """

    names: tuple[str, ...]
    masks: np.ndarray

    def at(self, size: tuple[int, int]) -> Tensor:
        """The masks at a width and height: 1×R×H×W."""
        return torch.from_numpy(
            np.stack([images.resize(mask, *size).clip(0, 1) for mask in self.masks])[None]
        )

    def fitted(self, max_side: int | None) -> Regions:
        """The regions of a photo that is shrunk by ``images.fit``."""
        return Regions(self.names, np.stack([images.fit(mask, max_side) for mask in self.masks]))

    def picture(self) -> np.ndarray:
        """The regions as a label picture, for at most as many as ``PALETTE`` has colours."""
        return PALETTE[self.masks.argmax(axis=0)]


# ---- regions that are given ---------------------------------------------------------------


def read_pair(
    paths: tuple[Path, Path], sizes: tuple[tuple[int, int], tuple[int, int]]
) -> tuple[Regions, Regions]:
    """The regions of a photo and of a style, in the same order.

    Args:
        paths: for each, a label picture, where every colour is a region, or a folder of mattes,
            white inside, whose names must agree.
        sizes: width and height of each photo.

    Raises:
        InputError: a file cannot be read, has another size than its photo, or a region is on one
            side only.
    """
    first, second = (_read(path) for path in paths)
    for path, masks, size in zip(paths, (first, second), sizes, strict=True):
        _check_masks(path, masks, size)
    for path, masks, others, other in (
        (paths[0], first, second, paths[1]),
        (paths[1], second, first, paths[0]),
    ):
        if missing := sorted(set(masks) - set(others)):
            raise InputError(
                f"{path}: {other} has no region {', '.join(missing)}; each region needs a part of "
                "both photos"
            )
    names = tuple(sorted(first))
    return _regions(names, first), _regions(names, second)


def _regions(names: tuple[str, ...], masks: Mapping[str, np.ndarray]) -> Regions:
    stack = np.stack([masks[name] for name in names]).astype(np.float32)
    # Mattes that overlap share the pixel.
    return Regions(names, stack / np.maximum(stack.sum(axis=0), 1))


def _read(path: Path) -> dict[str, np.ndarray]:
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if images.is_picture_name(p))
        if not files:
            raise InputError(f"{path}: there is no matte in this folder")
        return {p.stem: images.read_image(p).mean(axis=2) / 255 for p in files}
    picture = images.read_image(path).astype(np.uint32)
    codes = picture[:, :, 0] << 16 | picture[:, :, 1] << 8 | picture[:, :, 2]
    labels = np.unique(codes)
    if len(labels) > MOST_LABELS:
        raise InputError(
            f"{path}: has {len(labels)} colours, but a label picture has at most {MOST_LABELS}, "
            "one for each region; save it as PNG without smooth edges, or give a folder of mattes"
        )
    return {f"#{label:06x}": codes == label for label in labels}


def _check_masks(path: Path, masks: Mapping[str, np.ndarray], size: tuple[int, int]) -> None:
    for name, mask in masks.items():
        if mask.shape[::-1] != size:
            raise InputError(
                f"{path}: is {mask.shape[1]}×{mask.shape[0]}, but its photo is "
                f"{size[0]}×{size[1]}; regions have the size of their photo"
            )
        if not mask.any():
            raise InputError(f"{path}: the matte {name} is black; leave it out on both sides")


# ---- regions that are found ---------------------------------------------------------------


@torch.no_grad()
def find_pair(
    photo: np.ndarray, style: np.ndarray, count: int, vgg: VGG19
) -> tuple[Regions, Regions]:
    """Divide two photos, H×W×3 uint8, into up to ``count`` regions that belong together.

    The places of both are clustered at once (k-means), by their features, which are normalized for
    each photo, so that night and day do not keep a region from being found in both, and by their
    height and luma. Places of a cluster that one of the photos hardly has join the nearest other.

    Args:
        vgg: with ``LAYER``.

    Raises:
        OptionError: a photo is too small to look for regions.
    """
    for picture in (photo, style):
        if min(picture.shape[:2]) < (least := 2 * smallest_side(LAYER)):
            raise OptionError(
                f"a photo has {picture.shape[1]}×{picture.shape[0]} pixels, but to find regions it "
                f"needs at least {least} on each side; use a larger one, or leave out "
                "--auto-regions"
            )
    places = [_places(picture, vgg) for picture in (photo, style)]
    samples = np.concatenate([each.reshape(-1, each.shape[2]) for each in places])
    first = places[0].shape[0] * places[0].shape[1]
    centers = _shared_centers(samples, first, count)
    distances = ((samples[:, None] - centers) ** 2).sum(axis=2)
    labels = distances.argmin(axis=1)
    pair = []
    for picture, each, part in zip(
        (photo, style), places, (labels[:first], labels[first:]), strict=True
    ):
        pair.append(_refined(picture, part.reshape(each.shape[:2]), len(centers)))
    return pair[0], pair[1]


def _places(picture: np.ndarray, vgg: VGG19) -> np.ndarray:
    """What is clustered of each place: h×w×C float32."""
    device = vgg.mean.device
    colors = as_tensor(images.fit(picture, 384)).to(device)
    features = F.instance_norm(vgg(colors, [LAYER])[LAYER].float())
    # Features of single places tell textures apart; objects are larger.
    features = F.avg_pool2d(features, 3, 1, 1, count_include_pad=False)
    height, width = features.shape[2:]
    light = F.instance_norm(F.adaptive_avg_pool2d(luma(colors), (height, width)))
    rows = torch.linspace(-1.7, 1.7, height, device=device)[None, None, :, None]
    scale = features.shape[1] ** 0.5
    parts = [features, PLACE * scale * rows.expand(1, 1, height, width), LIGHT * scale * light]
    return torch.cat(parts, dim=1)[0].permute(1, 2, 0).contiguous().cpu().numpy()


def _shared_centers(samples: np.ndarray, first: int, count: int) -> np.ndarray:
    """Centres of the clusters that both photos have a part of; all of them if there are none."""
    cv2.setRNGSeed(0)
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 50, 1e-3)
    _, labels, centers = cv2.kmeans(samples, count, None, stop, 5, cv2.KMEANS_PP_CENTERS)  # type: ignore[call-overload]
    shares = np.array(
        [
            np.bincount(part.ravel(), minlength=count) / len(part)
            for part in (labels[:first], labels[first:])
        ]
    )
    shared = (shares >= SMALLEST).all(axis=0)
    return centers[shared] if shared.any() else centers.mean(axis=0, keepdims=True)


def _refined(picture: np.ndarray, labels: np.ndarray, count: int) -> Regions:
    """Labels of places as regions whose edges follow those of the picture."""
    height, width = picture.shape[:2]
    guide = as_tensor(picture)
    coarse = torch.from_numpy(labels == np.arange(count)[:, None, None])[None].float()
    smooth = F.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)
    soft = guided_filter(guide, smooth, max(min(height, width) // 24, 2), 1e-3).clamp(0, 1)
    masks = (soft / soft.sum(dim=1, keepdim=True).clamp(min=1e-3))[0].numpy()
    return Regions(tuple(f"#{r:02x}{g:02x}{b:02x}" for r, g, b in PALETTE[:count]), masks)
