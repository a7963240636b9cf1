"""Colours that stylizers take from one picture and give to another."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import toy_photo

from vidstyle.models.pixels import as_tensor
from vidstyle.stylizers.color import keep_chroma, luma, match_colors


def pale(seed: int) -> np.ndarray:
    """A photo whose colours stay clear of the limits, with correlated channels."""
    rng = np.random.default_rng(seed)
    mixing = np.eye(3) + rng.uniform(-0.4, 0.4, (3, 3))
    colors = (toy_photo(seed=seed).astype(float) - 128) @ mixing.T
    return (128 + 0.2 * colors).clip(0, 255).astype(np.uint8)


def test_matched_colours_have_the_mean_and_covariance_of_the_others() -> None:
    image, target = pale(1), pale(2)
    matched = match_colors(image, target)
    assert matched.shape == image.shape
    assert matched.dtype == np.float32
    assert matched.min() > 0 and matched.max() < 255  # nothing was clipped
    found, wanted = (picture.reshape(-1, 3).astype(float).T for picture in (matched, target))
    np.testing.assert_allclose(found.mean(axis=1), wanted.mean(axis=1), atol=0.01)
    # Half a level of grain is assumed in both, so that flat pictures can be matched too.
    np.testing.assert_allclose(np.cov(found), np.cov(wanted), atol=0.01 * np.cov(wanted).max())
    assert np.abs(np.cov(image.reshape(-1, 3).T) - np.cov(wanted)).max() > 20


def test_a_picture_matched_to_itself_stays() -> None:
    np.testing.assert_allclose(match_colors(pale(1), pale(1)), pale(1), atol=0.01)


def test_the_picture_is_not_rearranged() -> None:
    """A linear map close to none for like colours: each pixel keeps its rank in luma."""
    image = pale(3)
    brighter = match_colors(image, (image * 1.1 + 5).astype(np.uint8))
    ranks = [np.argsort(np.argsort(p.sum(axis=2).ravel())) for p in (image, brighter)]
    assert np.corrcoef(*ranks)[0, 1] > 0.995


def test_luma_alone_has_its_mean_and_deviation() -> None:
    image, target = (pale(seed)[:, :, :1].astype(float) for seed in (1, 2))
    matched = match_colors(image, target)
    assert matched.mean() == pytest.approx(target.mean(), abs=0.01)
    assert matched.std() == pytest.approx(target.std(), rel=0.01)


def test_flat_pictures_have_the_mean() -> None:
    flat = np.full((8, 8, 3), 40, np.uint8)
    found, wanted = (p.mean((0, 1)) for p in (match_colors(flat, pale(1)), pale(1)))
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
    np.testing.assert_allclose(match_colors(pale(1), flat), 40, atol=2)


def test_chroma_is_kept_and_luma_replaced() -> None:
    photo, result = as_tensor(toy_photo()), as_tensor(toy_photo(seed=1))
    kept = keep_chroma(photo, result)
    torch.testing.assert_close(luma(kept), luma(result))
    differences = kept - photo
    torch.testing.assert_close(differences[:, 0], differences[:, 1])
    torch.testing.assert_close(differences[:, 0], differences[:, 2])
