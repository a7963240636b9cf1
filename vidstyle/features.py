"""Draws the responses of VGG19's channels to an image, as grids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from vidstyle import image as images
from vidstyle.errors import OptionError
from vidstyle.models.layers import deepest, smallest_side
from vidstyle.models.pixels import as_tensor
from vidstyle.models.vgg import VGG19

COLUMNS = 8
BRIGHT = 0.995


@dataclass(frozen=True)
class LayerMaps:
    """The most active channels of one layer.

    Attributes:
        layer: its name.
        channels: total number of channels of the layer.
        chosen: indices of the most active ones, the most active first.
        maps: their rectified responses, K×h×w float32, from 0 to 1. Each is divided by its own
            99.5th percentile, as VGG's padding makes a few very large ones at the border. A channel
            that does not respond at all is 0 everywhere.
        activity: the mean of each response before that, K.
    """

    layer: str
    channels: int
    chosen: tuple[int, ...]
    maps: np.ndarray
    activity: np.ndarray


@torch.inference_mode()
def feature_maps(
    image: np.ndarray, layers: Sequence[str], vgg: VGG19, count: int = 16
) -> list[LayerMaps]:
    """The ``count`` channels with the largest mean response in each layer, in the given order.

    Args:
        image: RGB uint8 H×W×3.
        layers: ``relu…`` names.
        vgg: must include the deepest of them; computes on the device of its weights.
        count: channels per layer.

    Raises:
        OptionError: ``count`` is not positive, or the image is too small for a layer.
    """
    if count < 1:
        raise OptionError(f"maps must be at least 1 per layer, not {count}")
    height, width = image.shape[:2]
    needed = smallest_side(last := deepest(layers))
    if min(height, width) < needed:
        raise OptionError(f"{last} needs {needed} pixels on each side, not {width}×{height}")
    features = vgg(as_tensor(image).to(vgg.mean.device), layers)
    return [
        _most_active(layer, features[layer][0].float().cpu().numpy(), count) for layer in layers
    ]


def _most_active(layer: str, responses: np.ndarray, count: int) -> LayerMaps:
    activity = responses.mean(axis=(1, 2))
    chosen = np.argsort(-activity, kind="stable")[:count]
    shown = responses[chosen]
    bright = np.quantile(shown, BRIGHT, axis=(1, 2), keepdims=True).astype(np.float32)
    bright = np.where(bright > 0, bright, shown.max(axis=(1, 2), keepdims=True))
    maps = (shown / np.where(bright > 0, bright, 1)).clip(0, 1)
    return LayerMaps(layer, len(responses), tuple(map(int, chosen)), maps, activity[chosen])


def draw_grid(
    photo: np.ndarray, layers: Sequence[LayerMaps], side: int = 128, grey: bool = False
) -> np.ndarray:
    """The photo, then a captioned block of maps for each layer: RGB uint8.

    Args:
        photo: RGB uint8 H×W×3.
        layers: to draw, in this order.
        side: longer side of each map in pixels; small maps show their pixels as squares.
        grey: from black to white, instead of colours from dark blue to yellow.

    Raises:
        OptionError: ``side`` is not positive.
    """
    if side < 1:
        raise OptionError(f"side must be at least 1 pixel, not {side}")
    factor = side / max(photo.shape[:2])
    height, width = (max(round(length * factor), 1) for length in photo.shape[:2])
    columns = min(COLUMNS, max(len(layer.chosen) for layer in layers))
    blocks = [images.contact_sheet([images.resize(photo, width, height)], columns)]
    for layer in layers:
        tiles = [
            images.label(_draw(response, width, height, grey), str(channel))
            for channel, response in zip(layer.chosen, layer.maps, strict=True)
        ]
        block = images.contact_sheet(tiles, columns)
        rows, cols = layer.maps.shape[1:]
        about = f"{layer.layer}: {len(tiles)} of {layer.channels} channels, {cols}×{rows}"
        blocks.append(images.label(block, about))
    return np.concatenate(blocks)


def _draw(response: np.ndarray, width: int, height: int, grey: bool) -> np.ndarray:
    shrinks = width * height < response.size
    coded = np.rint(response * 255).astype(np.uint8)
    tile = cv2.resize(
        coded, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST
    )
    if grey:
        return np.repeat(tile[:, :, None], 3, axis=2)
    return cv2.applyColorMap(tile, cv2.COLORMAP_VIRIDIS)[:, :, ::-1]
