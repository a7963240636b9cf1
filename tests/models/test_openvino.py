"""The graph for OpenVINO draws what the network in torch draws."""

from __future__ import annotations

import gc
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from toys import TINY, toy_network, toy_photo, toy_vector

from vidstyle.models.openvino import OpenVinoNetwork
from vidstyle.models.transformer import Architecture, TransformerNet
from vidstyle.stylizers.color import LUMA, keep_chroma

HALVED = replace(TINY, stride=2, margin=12)


def drawn(network: TransformerNet, style: Tensor, photo: np.ndarray, keep: bool = False) -> Tensor:
    """By torch, H×W×3 of 0 to 255, not rounded."""
    image = torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 255
    result = network(image, style[None])
    if keep:
        result = keep_chroma(image, result)
    return result[0].permute(1, 2, 0).clamp(0, 1) * 255


@pytest.mark.parametrize(
    ("width", "height"), [(64, 48), (1, 1), (2, 1), (7, 90), (90, 7), (15, 17), (61, 43)]
)
@pytest.mark.parametrize("architecture", [TINY, HALVED, replace(TINY, fine_blocks=2)])
def test_it_draws_the_same(architecture: Architecture, width: int, height: int) -> None:
    network = toy_network(architecture=architecture)
    style, photo = toy_vector(network), toy_photo(width, height)
    result = OpenVinoNetwork(network, torch.float32)(photo, style)
    assert result.shape == photo.shape
    assert result.dtype == np.uint8
    gap = np.abs(result - drawn(network, style, photo).numpy())
    assert gap.max() <= 0.51


def test_chroma_can_be_kept() -> None:
    network = toy_network()
    style, photo = toy_vector(network), toy_photo(64, 48)
    result = OpenVinoNetwork(network, torch.float32)(photo, style, LUMA)
    gap = np.abs(result - drawn(network, style, photo, keep=True).numpy())
    assert gap.max() <= 0.51


def test_another_style_needs_no_other_graph() -> None:
    network, photo = toy_network(), toy_photo()
    compiled = OpenVinoNetwork(network, torch.float32)
    for seed in range(3):
        style = toy_vector(network, seed)
        gap = np.abs(compiled(photo, style) - drawn(network, style, photo).numpy())
        assert gap.max() <= 0.51


def test_a_flat_picture_stays_flat() -> None:
    network = toy_network()
    flat = np.full((40, 56, 3), 90, np.uint8)
    result = OpenVinoNetwork(network, torch.float32)(flat, toy_vector(network))
    assert np.ptp(result.reshape(-1, 3), axis=0).max() <= 1


@pytest.mark.slow
def test_signals_survive_it() -> None:
    for seed in range(3):
        network = toy_network(seed)
        OpenVinoNetwork(network, torch.float32)(toy_photo(), toy_vector(network))
        gc.collect()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
def test_threads_may_share_it() -> None:
    network = toy_network()
    style = toy_vector(network)
    shared = OpenVinoNetwork(network, torch.float32, at_once=2)
    photos = [toy_photo(64 + 8 * (n % 3), 48, seed=n) for n in range(12)]
    alone = [shared(photo, style) for photo in photos]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda photo: shared(photo, style), photos))
    for first, second in zip(alone, together, strict=True):
        np.testing.assert_array_equal(first, second)
