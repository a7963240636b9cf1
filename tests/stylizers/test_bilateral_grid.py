"""Bilateral grids: slicing against a slow one, and fitting of known looks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import toy_photo

from vidstyle.stylizers import bilateral_grid
from vidstyle.stylizers.bilateral_grid import BilateralGrid, conjugate_gradients, fit_grid


def grid(rows: int = 3, columns: int = 4, levels: int = 5, seed: int = 0) -> BilateralGrid:
    generator = torch.Generator().manual_seed(seed)
    return BilateralGrid(0.3 * torch.rand((rows, columns, levels, 12), generator=generator))


def sliced_slowly(transforms: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Trilinear interpolation, pixel by pixel, in double precision."""
    height, width = image.shape[:2]
    result = np.zeros((height, width, 3))
    shape = transforms.shape[:3]
    for y in range(height):
        for x in range(width):
            color = image[y, x] / 255
            place = (
                (y + 0.5) / height * (shape[0] - 1),
                (x + 0.5) / width * (shape[1] - 1),
                color @ [0.2126, 0.7152, 0.0722] * (shape[2] - 1),
            )
            matrix = np.zeros(12)
            for index in np.ndindex(*shape):
                near = [max(1 - abs(p - i), 0) for p, i in zip(place, index, strict=True)]
                matrix += np.prod(near) * transforms[index]
            result[y, x] = np.append(color, 1) @ matrix.reshape(4, 3)
    return 255 * result.clip(0, 1)


@pytest.mark.parametrize("strip", [1, 1 << 18])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_slicing_interpolates(strip: int, dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bilateral_grid, "STRIP", strip)
    image = toy_photo(11, 7).astype(dtype)
    image[0, 0], image[0, 1] = 0, 255
    drawn = grid()(image)
    assert drawn.dtype == dtype
    wanted = sliced_slowly(grid().transforms.double().numpy(), image.astype(np.float64))
    np.testing.assert_allclose(drawn, wanted, atol=0.51 if dtype == np.uint8 else 1e-2)


def test_fitting_finds_a_look_that_is_affine_everywhere() -> None:
    photo = toy_photo(48, 32)
    matrix = np.array([[0.6, 0.1, 0.0], [0.0, 0.5, 0.2], [0.1, 0.0, 0.7]])
    wanted = np.rint(photo @ matrix.T + 20).astype(np.uint8)
    learned = fit_grid(photo, wanted)
    assert np.abs(learned(photo).astype(int) - wanted).max() <= 2
    larger = np.repeat(np.repeat(photo, 3, 0), 3, 1)
    enlarged = np.repeat(np.repeat(wanted, 3, 0), 3, 1)
    assert np.abs(learned(larger).astype(int) - enlarged).max() <= 2


def test_fitting_tells_places_and_levels_apart() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    luma = photo @ [0.2126, 0.7152, 0.0722]
    wanted = photo.copy()
    wanted[:, 40:] //= 2
    wanted[luma > 128] //= 2
    learned = fit_grid(photo, wanted)
    error = np.abs(learned(photo).astype(int) - wanted)
    overall = np.linalg.lstsq(photo.reshape(-1, 3) / 255, wanted.reshape(-1, 3) / 255, rcond=None)
    alone = np.abs(photo @ overall[0] - wanted)
    assert error.mean() < 0.6 * alone.mean()


def test_flat_pictures_have_a_grid() -> None:
    flat = np.full((20, 30, 3), 90, np.uint8)
    drawn = fit_grid(flat, flat // 2)(flat)
    assert np.abs(drawn.astype(int) - 45).max() <= 1


def test_mixing_goes_from_one_to_the_other() -> None:
    first, second, photo = grid(seed=0), grid(seed=1), toy_photo(20, 12).astype(np.float32)
    np.testing.assert_array_equal(first.mixed(second, 0)(photo), first(photo))
    half = (first(photo) + second(photo)) / 2
    np.testing.assert_allclose(first.mixed(second, 0.5)(photo), half, atol=0.5)


def test_conjugate_gradients_solve() -> None:
    generator = torch.Generator().manual_seed(0)
    root = torch.rand((20, 20), generator=generator)
    matrix = root @ root.T + torch.eye(20)
    right = torch.rand((20, 3), generator=generator)
    found = conjugate_gradients(lambda x: matrix @ x, right, 60)
    torch.testing.assert_close(matrix @ found, right, atol=1e-3, rtol=1e-3)
    assert not conjugate_gradients(lambda x: matrix @ x, torch.zeros(20, 3), 60).any()
