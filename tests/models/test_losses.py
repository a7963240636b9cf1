"""Perceptual losses against their formulas in double precision."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor
from toys import toy_photo

from vidstyle.models.losses import (
    STYLE_LAYERS,
    Normalization,
    content_distance,
    content_loss,
    edge_correlation,
    gram_matrices,
    gram_matrix,
    halo,
    lattice_energy,
    normalized_content,
    self_similarity,
    self_similarity_distance,
    style_distance,
    style_loss,
    tone_correlation,
    total_variation,
)
from vidstyle.models.pixels import as_tensor


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


def test_gram_matrix_by_loops() -> None:
    f = features(1)[0].double()
    expected = [
        [sum(float(f[i, y, x] * f[j, y, x]) for y in range(6) for x in range(7)) for j in range(5)]
        for i in range(5)
    ]
    found = gram_matrix(features(1))[0] * (5 * 6 * 7)
    torch.testing.assert_close(found.double(), torch.tensor(expected).double(), rtol=1e-5, atol=0)


def test_gram_matrix_leads_downhill() -> None:
    f = features(2).double().requires_grad_()
    weights = torch.rand(2, 5, 5, generator=torch.Generator().manual_seed(1))
    (found,) = torch.autograd.grad((gram_matrix(f) * weights).sum(), f)
    expected = torch.einsum("ncd,ndhw->nchw", weights.double() + weights.mT, f.detach())
    torch.testing.assert_close(found, expected / (5 * 6 * 7), rtol=1e-5, atol=0)


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


# -- the three normalizations ---------------------------------------------------------------


# -- what is kept of the photo ---------------------------------------------------------------


def test_normalized_content_sees_no_gain_or_shift_of_a_channel() -> None:
    f, other = features(seed=1), features(seed=2)
    scale, shift = torch.rand(2, 3, 5, 1, 1) + 0.5
    assert normalized_content(f * scale + shift, f).abs().max() < 1e-3
    first, second = (x.double().numpy() for x in (f, other))
    normal = [
        (x - x.mean((2, 3), keepdims=True)) / x.std((2, 3), keepdims=True) for x in (first, second)
    ]
    expected = ((normal[0] - normal[1]) ** 2).mean((1, 2, 3))
    np.testing.assert_allclose(normalized_content(f, other), expected, rtol=1e-3)
    assert 1.5 < normalized_content(f, other).mean() < 2.5  # unrelated


def test_self_similarity_by_loops() -> None:
    f = torch.rand(1, 5, 8, 8, generator=torch.Generator().manual_seed(3))
    # Areas of 2×2 averaged, row by row.
    places = [f[0, :, y : y + 2, x : x + 2].double().mean((1, 2)) for y in (0, 2, 4, 6) for x in
              (0, 2, 4, 6)]  # fmt: skip
    mean = torch.stack(places).mean(0)
    distance = np.zeros((16, 16))
    for i, first in enumerate(places):
        for j, second in enumerate(places):
            a, b = first - mean, second - mean
            distance[i, j] = 1 - float(a @ b) / float(a.norm() * b.norm())
    found = self_similarity(f, cells=4)[0]
    np.testing.assert_allclose(found, distance / distance.sum(0), atol=1e-5)
    other = self_similarity(f.flip(3), cells=4)
    expected = np.abs(found.numpy() - other[0].numpy()).sum(0).mean()
    np.testing.assert_allclose(self_similarity_distance(found[None], other), expected, rtol=1e-5)


def test_self_similarity_sees_no_rotation_of_the_features() -> None:
    """Other colours for the same things leave it as it is."""
    f = features()
    turn, _ = torch.linalg.qr(torch.randn(5, 5, generator=torch.Generator().manual_seed(0)))
    turned = torch.einsum("ncyx,cd->ndyx", f, turn)
    torch.testing.assert_close(self_similarity(turned, 4), self_similarity(f, 4))


def grey(photo: np.ndarray, size: int) -> np.ndarray:
    """Luma, smaller by a factor, in double precision by other means than torch."""
    height, width = (side // size for side in photo.shape[:2])
    luma = photo[: height * size, : width * size] / 255 @ np.array([0.299, 0.587, 0.114])
    return cv2.resize(luma, (width, height), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("size", [2, 4, 8])
def test_edge_and_tone_correlation_by_numpy(size: int) -> None:
    photo, other = toy_photo(130, 99, seed=1), toy_photo(130, 99, seed=2)
    mixed = photo // 2 + other // 2
    small = [grey(picture, size) for picture in (photo, mixed)]
    edges = [np.hypot(np.diff(x, axis=1)[:-1], np.diff(x, axis=0)[:, :-1]).ravel() for x in small]
    tensors = as_tensor(photo), as_tensor(mixed)
    expected = np.corrcoef(*edges)[0, 1]
    assert edge_correlation(*tensors, size).item() == pytest.approx(expected, abs=0.01)
    expected = np.corrcoef(*(np.sqrt(edge) for edge in edges))[0, 1]
    assert edge_correlation(*tensors, size, 0.5).item() == pytest.approx(expected, abs=0.03)
    expected = np.corrcoef(*(x.ravel() for x in small))[0, 1]
    assert tone_correlation(*tensors, size).item() == pytest.approx(expected, abs=1e-4)


def test_edges_and_tone_see_no_other_contrast_but_an_inversion() -> None:
    photo = as_tensor(toy_photo(64, 48))
    paler = 0.3 + 0.5 * photo
    assert edge_correlation(paler, photo, 2).item() == pytest.approx(1, abs=0.01)
    assert tone_correlation(paler, photo, 2).item() == pytest.approx(1, abs=1e-4)
    assert edge_correlation(1 - photo, photo, 2).item() == pytest.approx(1, abs=1e-4)
    assert tone_correlation(1 - photo, photo, 2).item() == pytest.approx(-1, abs=1e-4)


@pytest.mark.parametrize("measure", [edge_correlation, tone_correlation])
def test_a_flat_picture_keeps_nothing_and_has_a_gradient(measure: Callable[..., Tensor]) -> None:
    flat = torch.full((1, 3, 32, 32), 0.4, requires_grad=True)
    found = measure(flat, as_tensor(toy_photo(32, 32)), 2)
    assert found.item() == pytest.approx(0, abs=1e-3)
    (gradient,) = torch.autograd.grad(found.sum(), flat)
    assert gradient.isfinite().all()


def scene_with_a_dark_thing(rim: float) -> tuple[Tensor, Tensor]:
    """A photo, and a painting of it: a dark square on plain ground, which is lighter around it."""
    photo = torch.full((1, 3, 128, 160), 0.6)
    painting = 0.4 + 0.2 * photo
    painting[:, :, 36:92, 52:108] += rim
    for picture, dark in ((photo, 0.1), (painting, 0.2)):
        picture[:, :, 44:84, 60:100] = dark
    return photo, painting


def test_a_light_rim_around_dark_things_is_a_halo() -> None:
    photo, painting = scene_with_a_dark_thing(rim=0.1)
    without = scene_with_a_dark_thing(rim=0.0)[1]
    # The rim is 8 of the 12 pixels that count.
    assert 0.3 < halo(painting, photo).item() * painting.std().item() / 0.1 < 1.2
    assert halo(without, photo).item() == pytest.approx(0, abs=1e-4)
    assert halo(photo, photo).item() == pytest.approx(0, abs=1e-4)
    assert halo(scene_with_a_dark_thing(rim=-0.1)[1], photo).item() < -0.1


def test_the_halo_of_negatives_is_the_dark_rim_along_light_things() -> None:
    photo, painting = torch.full((2, 1, 3, 128, 160), 0.4)
    painting[:, :, 36:92, 52:108] -= 0.1
    for picture in (photo, painting):
        picture[:, :, 44:84, 60:100] = 0.9
    assert halo(1 - painting, 1 - photo).item() > 0.2
    assert halo(painting, photo).item() == pytest.approx(0, abs=1e-4)  # nothing here is dark


def test_strokes_are_no_halo() -> None:
    photo, painting = scene_with_a_dark_thing(rim=0.0)
    strokes = 0.1 * torch.sin(torch.arange(160) * 0.4).expand(1, 3, 128, 160)
    assert halo(painting + strokes, photo).abs().item() < 0.08


def test_a_halo_leads_downhill_and_a_picture_without_outlines_has_none() -> None:
    photo, painting = scene_with_a_dark_thing(rim=0.1)
    painting.requires_grad_()
    (gradient,) = torch.autograd.grad(halo(painting, photo).square().sum(), painting)
    assert gradient.isfinite().all()
    assert gradient[0, 0, 37, 80] > 0  # in the rim
    plain = torch.full((2, 3, 64, 64), 0.5)
    assert halo(plain, plain).tolist() == [0, 0]


# -- other normalizations ----------------------------------------------------------------------


@pytest.mark.parametrize("normalization", ["relative", "gatys", "mean"])
def test_content_loss_by_loops(normalization: Normalization) -> None:
    f, p = features(2, seed=1), features(2, seed=2)
    expected = []
    for n in range(2):
        pairs = list(zip(f[n].flatten().tolist(), p[n].flatten().tolist(), strict=True))
        squares = sum((a - b) ** 2 for a, b in pairs)
        divided = {
            "relative": squares / sum(b**2 for _, b in pairs),
            "gatys": squares / 2,
            "mean": squares / len(pairs),
        }
        expected.append(divided[normalization])
    assert content_loss(f, p, normalization).tolist() == pytest.approx(expected, rel=1e-5)


def sums(f: torch.Tensor) -> list[list[float]]:
    """The Gram matrix as it is in the papers, a sum over all positions."""
    rows = f.double().flatten(1).tolist()
    return [[sum(a * b for a, b in zip(r, s, strict=True)) for s in rows] for r in rows]


@pytest.mark.parametrize("normalization", ["relative", "gatys", "mean"])
def test_style_loss_by_loops(normalization: Normalization) -> None:
    f, p = features(2, seed=1), features(2, seed=2)
    channels, positions = 5, 6 * 7
    expected = []
    for n in range(2):
        pairs = [
            pair
            for rows in zip(sums(f[n]), sums(p[n]), strict=True)
            for pair in zip(*rows, strict=True)
        ]
        squares = sum((g - a) ** 2 for g, a in pairs)
        divided = {
            "relative": squares / sum(a**2 for _, a in pairs),
            "gatys": squares / (4 * channels**2 * positions**2),  # eq. 4
            "mean": squares / len(pairs) / (channels * positions),
        }
        expected.append(divided[normalization])
    found = style_loss(gram_matrix(f), gram_matrix(p), normalization, positions)
    assert found.tolist() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("exponent", [2.0, 2.5])
def test_total_variation_by_loops(exponent: float) -> None:
    image = features(2)
    expected = []
    for picture in image.double():
        lengths = [
            ((c[y][x + 1] - c[y][x]) ** 2 + (c[y + 1][x] - c[y][x]) ** 2) ** (exponent / 2)
            for c in picture.tolist()
            for y in range(5)
            for x in range(6)
        ]
        expected.append(sum(lengths) / len(lengths))
    assert total_variation(image, exponent).tolist() == pytest.approx(expected, rel=1e-5)


def test_flat_pictures_have_no_variation_and_a_gradient() -> None:
    flat = torch.full((1, 3, 5, 5), 0.3, requires_grad=True)
    for exponent in (2.0, 2.5):
        total_variation(flat, exponent).sum().backward()
        assert flat.grad is not None
        assert not flat.grad.any()
