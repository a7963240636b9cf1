"""Layers in tiles: the same drawing, in less memory."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from toys import TINY, toy_network, toy_photo, toy_vector

from vidstyle.device import has_int8
from vidstyle.models.quantized import Int8Conv2d, quantize_blocks
from vidstyle.models.tiles import draw_in_tiles
from vidstyle.models.transformer import Architecture, TransformerNet
from vidstyle.styles import load_style

needs_int8 = pytest.mark.skipif(not has_int8(), reason="no 8-bit convolutions here")


def photo_tensor(width: int, height: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """1×3×H×W in [0, 1]; in float64, results can be compared closely."""
    image = torch.from_numpy(toy_photo(width, height))
    return image.permute(2, 0, 1)[None].to(dtype) / 255


@torch.inference_mode()
def tiled(network: TransformerNet, photo: Tensor, vector: Tensor, tile: int) -> Tensor:
    strips = list(draw_in_tiles(network, photo, vector, tile, lambda pixels: pixels))
    assert [rows.start for rows, *_ in strips] == list(range(0, photo.shape[2], tile))
    for rows, image, drawn in strips:
        assert torch.equal(image, photo[:, :, rows])
        assert drawn.shape == image.shape
    return torch.cat([drawn for *_, drawn in strips], dim=2)


@pytest.mark.parametrize("tile", [8, 24, 64, 1024])
@pytest.mark.parametrize(
    ("width", "height"), [(64, 48), (2, 1), (33, 7), (61, 143), (200, 97), (7, 300)]
)
def test_it_is_the_whole_drawing(width: int, height: int, tile: int) -> None:
    network = toy_network().double()
    vector = toy_vector(network).double()[None]
    photo = photo_tensor(width, height)
    expected = network(photo, vector)
    assert (expected - photo).abs().max() > 0.05
    assert (tiled(network, photo, vector, tile) - expected).abs().max() < 1e-12


@pytest.mark.parametrize(("deep", "fine"), [(0, 0), (1, 0), (0, 1), (3, 2)])
def test_any_number_of_blocks(deep: int, fine: int) -> None:
    network = toy_network(architecture=replace(TINY, deep_blocks=deep, fine_blocks=fine)).double()
    vector = toy_vector(network).double()[None]
    photo = photo_tensor(61, 90)
    difference = tiled(network, photo, vector, 16) - network(photo, vector)
    assert difference.abs().max() < 1e-12


def test_how_flat_it_is_counts_for_the_whole_picture() -> None:
    network = toy_network().double()
    vector = toy_vector(network).double()[None]
    photo = photo_tensor(64, 96)
    photo[:, :, :64] = 0.5
    strip, *_ = draw_in_tiles(network, photo[:, :, :64], vector, 64, lambda pixels: pixels)
    by_itself = strip[2]
    whole = network(photo, vector)
    assert (tiled(network, photo, vector, 32) - whole).abs().max() < 1e-12
    assert (by_itself - whole[:, :, :64]).abs().max() > 0.01


def test_of_bytes_only_strips_become_colours() -> None:
    network = toy_network()
    vector = toy_vector(network)[None]
    pixels = torch.from_numpy(toy_photo(64, 200)).permute(2, 0, 1)[None]
    largest = 0

    def photo(part: Tensor) -> Tensor:
        nonlocal largest
        largest = max(largest, part.shape[2])
        return part / 255

    drawn = torch.cat([strip for *_, strip in draw_in_tiles(network, pixels, vector, 24, photo)], 2)
    torch.testing.assert_close(drawn, network(pixels / 255, vector), rtol=0, atol=1e-4)
    # A strip with the rows around it that conv_in sees; the sample for the gate is of every fourth.
    assert largest == max(24 + 8, 200 // 4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("precision", "decibels"),
    [("fp32", 90), ("bf16", 45), ("fp16", 60), pytest.param("int8", 50, marks=needs_int8)],
)
@pytest.mark.parametrize("name", ["scream", "starry_night"])
def test_every_precision_rounds_as_it_does(name: str, precision: str, decibels: float) -> None:
    style = load_style(name)
    network = deepcopy(style.network)
    if precision == "int8":
        network = quantize_blocks(network)
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision, torch.float32)
    network = network.to(dtype, memory_format=torch.channels_last)
    photo, vector = photo_tensor(320, 180, dtype), style.vector[None].to(dtype)
    with torch.inference_mode():
        error = tiled(network, photo, vector, 40).float() - network(photo, vector).float()
    assert -10 * error.square().mean().log10() > decibels


@needs_int8
def test_a_part_is_coded_like_the_whole() -> None:
    torch.manual_seed(0)
    conv = Int8Conv2d(torch.nn.Conv2d(32, 48, 3, bias=False).requires_grad_(False))
    x = torch.randn(1, 32, 20, 31).contiguous(memory_format=torch.channels_last)
    x[:, :, 15] *= 3
    part = x[:, :, :10]
    limits = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    assert torch.equal(conv(part, limits), conv(x)[:, :, :8])
    assert not torch.equal(conv(part), conv(x)[:, :, :8])


class Largest(TorchDispatchMode):
    """Bytes of the largest tensor that was made."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        results = func(*args, **(kwargs or {}))
        for result in results if isinstance(results, tuple | list) else (results,):
            if isinstance(result, Tensor):
                self.bytes = max(self.bytes, result.untyped_storage().nbytes())
        return results


@pytest.mark.slow
@torch.inference_mode()
def test_nothing_is_larger_than_a_plane_of_a_quarters_size() -> None:
    network = TransformerNet(Architecture()).to(memory_format=torch.channels_last)
    photo = photo_tensor(512, 512, torch.float32)
    vector = network.new_style()[None]
    with Largest() as in_tiles:
        for _ in draw_in_tiles(network, photo, vector, 32, lambda pixels: pixels):
            pass
    with Largest() as as_a_whole:
        network(photo, vector)
    side = (512 + 64) // 4 + 2  # surrounded by 32 pixels, and within the last block by more
    assert in_tiles.bytes == 48 * side * side * 4
    assert as_a_whole.bytes > in_tiles.bytes


def test_rows_are_the_same_wherever_tiles_end() -> None:
    """No seam: the error against the whole is no larger where two strips meet."""
    style = load_style("wave")
    network = deepcopy(style.network).to(memory_format=torch.channels_last)
    photo, vector = photo_tensor(192, 256, torch.float32), style.vector[None]
    with torch.inference_mode():
        error = np.abs((tiled(network, photo, vector, 32) - network(photo, vector)).numpy())
    by_row = error.mean(axis=(0, 1, 3))
    near = np.arange(256) % 32
    meet = by_row[(near <= 2) | (near >= 29)].mean()
    assert by_row.max() < 1e-4
    assert meet < 1.5 * by_row.mean() + 1e-7
