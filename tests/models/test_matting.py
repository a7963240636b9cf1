"""The matting Laplacian and the guided filter, against the definitions."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from toys import toy_photo

from vidstyle.models.matting import (
    RIDGE,
    guided_filter,
    matting_laplacian,
    photorealism_loss,
)
from vidstyle.models.pixels import as_tensor


def photo(height: int = 6, width: int = 7, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((1, 3, height, width), generator=generator, dtype=torch.float64)


def by_windows(image: torch.Tensor) -> np.ndarray:
    """Levin's eq. 12, window by window."""
    colors = image[0].permute(1, 2, 0).numpy()
    height, width = colors.shape[:2]
    total = np.zeros((height * width,) * 2)
    for y, x in product(range(1, height - 1), range(1, width - 1)):
        window = [(y + dy, x + dx) for dy, dx in product((-1, 0, 1), repeat=2)]
        inside = np.array([colors[place] for place in window])
        covariance = np.cov(inside, rowvar=False, bias=True) + RIDGE / 9 * np.eye(3)
        away = inside - inside.mean(axis=0)
        affinity = (1 + away @ np.linalg.inv(covariance) @ away.T) / 9
        indices = [row * width + column for row, column in window]
        total[np.ix_(indices, indices)] += np.eye(9) - affinity
    return total


@pytest.mark.parametrize("size", [(3, 3), (3, 8), (6, 7)])
def test_laplacian_is_the_sum_over_windows(size: tuple[int, int]) -> None:
    image = photo(*size)
    np.testing.assert_allclose(matting_laplacian(image).to_dense(), by_windows(image), atol=1e-12)


def test_affine_changes_of_colour_cost_almost_nothing_and_new_detail_does() -> None:
    image = as_tensor(toy_photo()).double()
    laplacian = matting_laplacian(image, 1e-9)
    matrix = torch.tensor([[0.5, 0.2, 0.0], [-0.1, 0.7, 0.1], [0.3, 0.0, 0.4]]).double()
    changed = torch.einsum("dc,nchw->ndhw", matrix, image) + 0.2
    speckled = changed + 0.05 * photo(*image.shape[2:])
    assert photorealism_loss(changed, laplacian) < 1e-4 * photorealism_loss(speckled, laplacian)


def test_gradient_agrees_with_finite_differences() -> None:
    laplacian = matting_laplacian(photo())
    x = photo(seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda y: photorealism_loss(y, laplacian), x)
    (gradient,) = torch.autograd.grad(photorealism_loss(x, laplacian), x)
    step = 1e-6 * photo(seed=2)
    with torch.no_grad():
        ahead, behind = (photorealism_loss(x + sign * step, laplacian) for sign in (1, -1))
    torch.testing.assert_close((gradient * step).sum(), (ahead - behind) / 2)


def test_flat_pictures_have_a_finite_laplacian() -> None:
    laplacian = matting_laplacian(torch.full((1, 3, 8, 8), 0.5))
    assert laplacian.dtype == torch.float32
    assert laplacian.to_dense().isfinite().all()


def test_guided_filter_keeps_affine_maps_and_drops_noise() -> None:
    guide = as_tensor(toy_photo())
    affine = guide[:, [2, 0, 1]] * 0.5 + 0.1
    noise = 0.1 * (photo(*guide.shape[2:]).float() - 0.5)
    torch.testing.assert_close(guided_filter(guide, affine, 4, 1e-9), affine, atol=1e-3, rtol=0)
    left = guided_filter(guide, affine + noise, 8, 1e-3) - guided_filter(guide, affine, 8, 1e-3)
    assert left.std() < noise.std() / 3
