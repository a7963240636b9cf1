"""The transfer network: its cost, its sizes, and that neither place nor company matters."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from toys import TINY, toy_network, toy_photo, toy_vector

from vidstyle.models.transformer import (
    Architecture,
    ConditionalNorm,
    TransformerNet,
    mirror_indices,
)
from vidstyle.styles import load_style

BUNDLED = (
    "scream",
    "wave",
    "udnie",
    "la_muse",
    "rain_princess",
    "wreck",
    "starry_night",
    "composition_vii",
)


def photo_tensor(width: int = 64, height: int = 48, seed: int = 0) -> Tensor:
    """N×3×H×W in float64, in which results can be compared closely."""
    image = torch.from_numpy(toy_photo(width, height, seed))
    return image.permute(2, 0, 1)[None].double() / 255


# -- cost -----------------------------------------------------------------------------------


@pytest.mark.slow
@torch.inference_mode()
def test_a_pixel_costs_at_most_20000_multiply_adds() -> None:
    network = TransformerNet()
    pixels = 1280 * 720
    counted: list[int] = []

    def count(conv: nn.Conv2d, _inputs: object, output: Tensor) -> None:
        counted.append(output[0, 0].numel() * conv.weight.numel())

    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    picture = torch.zeros(1, 3, 720, 1280)
    with FlopCounterMode(display=False) as operations:  # whatever calls them, padding included
        network(picture, network.new_style()[None])
    cost = operations.get_total_flops() / 2 / pixels
    assert 5_000 < cost <= 20_000
    assert sum(counted) / pixels == pytest.approx(cost)


# -- sizes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "height"),
    [(64, 48), (1, 1), (2, 1), (7, 1000), (1000, 7), (15, 17), (33, 8), (61, 43), (16, 16)],
)
def test_any_size_comes_back_finite_and_as_it_was(width: int, height: int) -> None:
    network = toy_network()
    result = network(photo_tensor(width, height).float(), toy_vector(network)[None])
    assert result.shape == (1, 3, height, width)
    assert result.isfinite().all()


@pytest.mark.parametrize(("size", "before", "after"), [(5, 2, 3), (2, 7, 4), (9, 8, 8), (3, 20, 9)])
def test_mirroring_is_that_of_numpy(size: int, before: int, after: int) -> None:
    expected = np.pad(np.arange(size), (before, after), mode="reflect")
    np.testing.assert_array_equal(mirror_indices(size, before, after).numpy(), expected)


def test_a_single_pixel_mirrors_itself() -> None:
    assert mirror_indices(1, 3, 4).tolist() == [0] * 8


@pytest.mark.parametrize("architecture", [Architecture(), TINY, Architecture(skip=False)])
def test_a_style_vector_holds_all_parts(architecture: Architecture) -> None:
    network = TransformerNet(architecture)
    splits = architecture.style_splits()
    norms = [m for m in network.modules() if isinstance(m, ConditionalNorm)]
    assert len(splits) == 2 * len(norms) + architecture.skip + 2
    assert sum(splits) == network.style_size == network.new_style().numel()
    assert network.identity_style().numel() == network.style_size
    with pytest.raises((RuntimeError, ValueError)):
        network(photo_tensor().float(), torch.zeros(1, network.style_size + 1))


@pytest.mark.parametrize("part", [*range(0, len(TINY.style_splits()), 2), -2, -1])
def test_every_scale_shows_and_so_do_gain_and_shift_of_the_picture(part: int) -> None:
    network = toy_network().double()
    vector = toy_vector(network).double()
    changed = vector.clone()
    changed.split(TINY.style_splits())[part].add_(0.5)
    photo = photo_tensor()
    difference = network(photo, changed[None]) - network(photo, vector[None])
    assert difference.abs().max() > 1e-3


# -- what a style does ----------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), [(64, 48), (9, 31)])
def test_the_identity_returns_the_picture(width: int, height: int) -> None:
    network = toy_network()
    photo = photo_tensor(width, height).float()
    result = network(photo, network.identity_style()[None])
    torch.testing.assert_close(result, photo, rtol=0, atol=1e-6)


def test_the_bundled_identity_returns_the_picture() -> None:
    style = load_style("photo")
    photo = photo_tensor().float()
    torch.testing.assert_close(style.network(photo, style.vector[None]), photo, rtol=0, atol=1e-3)


def test_one_vector_serves_a_whole_batch() -> None:
    network = toy_network().double()
    photos = torch.cat([photo_tensor(seed=n) for n in range(3)])
    vector = toy_vector(network).double()[None]
    torch.testing.assert_close(network(photos, vector), network(photos, vector.repeat(3, 1)))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_company_and_layout_do_not_matter(dtype: torch.dtype, layout: torch.memory_format) -> None:
    network = toy_network().to(dtype)
    photos = torch.cat([photo_tensor(seed=n) for n in range(3)]).to(dtype)
    styles = torch.stack([toy_vector(network, seed=n) for n in range(3)]).to(dtype)
    alone = [network(photos[n : n + 1], styles[n : n + 1]) for n in range(3)]
    together = network.to(memory_format=layout)(photos.to(memory_format=layout), styles)
    tolerance = 1e-9 if dtype == torch.float64 else 1e-3
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=tolerance)


def test_training_and_inference_agree() -> None:
    network = toy_network().double()
    photo, vector = photo_tensor(), toy_vector(network).double()[None]
    with torch.inference_mode():
        shown = network.eval()(photo, vector)
    network.requires_grad_(True).train()
    learned = network(photo, vector)
    torch.testing.assert_close(learned.detach(), shown.clone(), rtol=0, atol=1e-9)


def test_every_weight_learns() -> None:
    network = toy_network().requires_grad_(True)
    vector = toy_vector(network)[None].requires_grad_()
    network(photo_tensor().float(), vector).square().sum().backward()
    parameters = {**dict(network.named_parameters()), "vector": vector}
    idle = [n for n, p in parameters.items() if p.grad is None or not p.grad.abs().max() > 0]
    assert idle == []


@pytest.mark.parametrize("batch", [1, 3])
def test_the_norm_is_that_of_the_papers(batch: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, (batch, 4, 6, 5))
    scale, shift = rng.normal(size=(2, batch, 4, 1, 1))
    mean, variance = x.mean((2, 3), keepdims=True), x.var((2, 3), keepdims=True)
    expected = scale * (x - mean) / np.sqrt(variance + 1e-5) + shift
    found = ConditionalNorm()(
        *(torch.from_numpy(a).float() for a in (x, scale[:, :, 0, 0], shift[:, :, 0, 0]))
    )
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-5)


# -- no border, no lattice ------------------------------------------------------------------


@torch.inference_mode()
def drawn(name: str, photos: Tensor) -> Tensor:
    style = load_style(name)
    return style.network(photos.float(), style.vector[None]).clamp(0, 1)


@pytest.mark.parametrize("name", BUNDLED)
def test_a_flat_picture_is_drawn_flat(name: str) -> None:
    result = drawn(name, torch.tensor([0.0, 0.5])[:, None, None, None].expand(2, 3, 90, 130))
    blurred = F.avg_pool2d(result, 2)  # a pixel-shuffle may leave traces of two pixels' period
    assert (blurred - blurred.mean(dim=(2, 3), keepdim=True)).abs().max() < 2 / 255


@pytest.mark.slow
@pytest.mark.parametrize("name", BUNDLED)
def test_borders_are_drawn_as_if_the_picture_went_on(name: str) -> None:
    photos = torch.cat([photo_tensor(192, 128, seed) for seed in range(6)])
    far = 64
    wider = drawn(name, F.pad(photos, (far,) * 4, mode="reflect"))
    offset = drawn(name, photos) - wider[:, :, far:-far, far:-far]
    for band in (offset[:, :, :4], offset[:, :, -4:], offset[..., :4], offset[..., -4:]):
        assert band.mean(dim=(0, 2, 3)).abs().max() < 0.1


@pytest.mark.parametrize("name", BUNDLED)
def test_no_lattice(name: str) -> None:
    """Averaged over many cells of a lattice, all places within a cell look alike."""
    photos = torch.cat([photo_tensor(192, 128, seed) for seed in range(6)])
    change = drawn(name, photos) - photos
    cells = {
        p: change.unflatten(3, (-1, p)).unflatten(2, (-1, p)).mean((0, 2, 4)) for p in (2, 4, 8)
    }
    assert cells[2].std(dim=(1, 2), correction=0).max() < 8 / 255
    for period in (4, 8):
        finer = cells[period // 2].repeat(1, 2, 2)
        assert (cells[period] - finer).square().mean(dim=(1, 2)).sqrt().max() < 3 / 255
