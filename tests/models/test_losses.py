"""Perceptual losses against their formulas in double precision."""

from __future__ import annotations

import pytest
import torch

from vidstyle.models.losses import (
    STYLE_LAYERS,
    content_distance,
    gram_matrices,
    gram_matrix,
    lattice_energy,
    style_distance,
)


def features(batch: int = 3, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((batch, 5, 6, 7), generator=generator)


def random_grams(batch: int, seed: int) -> dict[str, torch.Tensor]:
    layers = {layer: features(batch, seed + n) for n, layer in enumerate(STYLE_LAYERS)}
    return gram_matrices(layers, STYLE_LAYERS)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gram_matrix(layout: torch.memory_format) -> None:
    f = features()
    expected = torch.einsum("nchw,ndhw->ncd", f.double(), f.double()) / (5 * 6 * 7)
    found = gram_matrix(f.to(memory_format=layout))
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=0)


def test_gram_matrices_come_back_in_fp32() -> None:
    found = gram_matrix(features().bfloat16())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, gram_matrix(features()), rtol=0.02, atol=0)


def test_only_the_asked_layers_are_made() -> None:
    layers = {layer: features() for layer in STYLE_LAYERS}
    assert gram_matrices(layers, STYLE_LAYERS[:2]).keys() == set(STYLE_LAYERS[:2])


def test_style_distance_is_relative_to_the_target_in_every_layer() -> None:
    grams, targets = random_grams(2, 0), random_grams(2, 50)
    expected = torch.zeros(2, dtype=torch.float64)
    for layer in STYLE_LAYERS:
        for n in range(2):
            g, t = grams[layer][n].double(), targets[layer][n].double()
            expected[n] += torch.linalg.norm(g - t) ** 2 / torch.linalg.norm(t) ** 2
    torch.testing.assert_close(style_distance(grams, targets).double(), expected, rtol=1e-5, atol=0)


def test_content_distance_is_relative_to_the_photo() -> None:
    f, p = features(seed=1), features(seed=2)
    expected = [float(((a - b) ** 2).sum() / (b**2).sum()) for a, b in zip(f, p, strict=True)]
    assert content_distance(f, p).tolist() == pytest.approx(expected, rel=1e-5)


def test_equal_pictures_have_no_distance() -> None:
    assert content_distance(features(), features()).tolist() == [0, 0, 0]
    assert style_distance(random_grams(2, 0), random_grams(2, 0)).tolist() == [0, 0]


def test_a_blank_picture_is_one_off_in_each_layer() -> None:
    targets = random_grams(2, 0)
    blank = {layer: torch.zeros_like(gram) for layer, gram in targets.items()}
    assert style_distance(blank, targets).tolist() == pytest.approx([len(STYLE_LAYERS)] * 2)
    assert content_distance(torch.zeros(3, 5, 6, 7), features()).tolist() == pytest.approx([1] * 3)


def test_every_picture_has_its_own_distance() -> None:
    photos, changed = features(), features()
    changed[1] += 0.5
    distances = content_distance(changed, photos).tolist()
    assert distances[0] == distances[2] == 0 < distances[1]
    grams, targets = gram_matrix(changed), gram_matrix(photos)
    distances = style_distance({"relu1_1": grams}, {"relu1_1": targets}).tolist()
    assert distances[0] == distances[2] == 0 < distances[1]


def test_distances_lead_downhill() -> None:
    f = features().requires_grad_()
    (
        content_distance(f, features(seed=9)).sum()
        + style_distance({"a": gram_matrix(f)}, {"a": gram_matrix(features(seed=9))}).sum()
    ).backward()
    assert f.grad is not None
    assert f.grad.abs().max() > 0


@pytest.mark.parametrize("amplitude", [0.01, 0.2])
def test_a_checkerboard_is_a_lattice(amplitude: float) -> None:
    board = (torch.arange(64)[:, None] + torch.arange(96)) % 2 * 2 - 1
    flat = torch.full((2, 3, 64, 96), 0.5)
    image = flat + amplitude * board * torch.tensor([0.0, 1.0])[:, None, None, None]
    assert lattice_energy(image).tolist() == pytest.approx([0, amplitude**2], rel=1e-3)


def test_pictures_without_a_lattice_have_next_to_no_energy() -> None:
    slope = torch.linspace(0, 1, 96).expand(1, 3, 64, 96)
    noise = 0.5 + 0.1 * torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    assert lattice_energy(torch.cat([slope, noise])).max() < 0.02**2
