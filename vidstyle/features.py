"""What VGG19 sees in a picture: the responses of single channels, drawn as grids."""

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
        channels: number of channels that the layer has in all.
        chosen: numbers, from 0, of the most active ones, the most active first.
        maps: their rectified responses, each divided by what one in 200 of its own exceeds, as
            VGG's padding makes a few very large ones at the border: K×h×w float32, 0 to 1.
            A channel that does not respond at all is 0 everywhere.
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
        vgg: must reach to the deepest of them; works where its weights are.

    Raises:
        OptionError: ``count`` is not positive, or the picture is too small for a layer.
    """
    if count < 1:
        raise OptionError(f"maps: at least 1 a layer is shown, not {count}")
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
        side: longer side of each map in pixels; small maps show their pixels as squares.
        grey: black to white, instead of colours from dark blue to yellow.

    Raises:
        OptionError: ``side`` is not positive.
    """
    if side < 1:
        raise OptionError(f"side: a map is at least 1 pixel, not {side}")
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
