"""Colours under transparent pixels."""

from __future__ import annotations

import numpy as np
import pytest
from toys import toy_photo

from vidstyle.frame import coverage
from vidstyle.sequences.alpha import extend_colors


def box(height: int = 48, width: int = 64) -> np.ndarray:
    """Opaque in the middle, with edges that are half so."""
    alpha = np.zeros((height, width), np.float32)
    alpha[9:31, 11:41] = 0.5
    alpha[10:30, 12:40] = 1
    return alpha


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_what_is_opaque_keeps_its_bits(dtype: type) -> None:
    image = toy_photo().astype(dtype)
    extended = extend_colors(image, box())
    assert extended.dtype == dtype and extended.shape == image.shape
    assert np.array_equal(extended[box() == 1], image[box() == 1])


def test_what_is_hidden_has_no_say() -> None:
    image, alpha = toy_photo(), box()
    other = np.where((alpha > 0)[:, :, None], image, 255 - image)
    assert np.array_equal(extend_colors(image, alpha), extend_colors(other, alpha))


@pytest.mark.parametrize("size", [(48, 64), (31, 57), (1, 9), (9, 1), (2, 3)])
def test_one_colour_goes_on_everywhere(size: tuple[int, int]) -> None:
    alpha = np.zeros(size, np.float32)
    alpha[size[0] // 2, size[1] // 2] = 1
    image = np.where(alpha[:, :, None] > 0, np.float32([200, 100, 50]), np.float32(0))
    extended = extend_colors(image, alpha)
    assert np.abs(extended - np.float32([200, 100, 50])).max() < 0.01


def test_colours_go_on_from_the_nearest() -> None:
    alpha = np.zeros((64, 64), np.float32)
    alpha[:, :8] = alpha[:, -8:] = 1
    image = np.zeros((64, 64, 3), np.float32)
    image[:, :8], image[:, -8:] = (255, 0, 0), (0, 0, 255)
    extended = extend_colors(image, alpha)
    assert extended[:, 10].mean(axis=0) == pytest.approx((255, 0, 0), abs=20)
    assert extended[:, -11].mean(axis=0) == pytest.approx((0, 0, 255), abs=20)
    red = extended[:, :, 0].mean(axis=0)
    assert (np.diff(red) <= 1).all()


def test_nothing_is_opaque() -> None:
    image = toy_photo()
    assert extend_colors(image, np.zeros((48, 64), np.uint16)) is image


def test_alpha_of_any_type() -> None:
    assert coverage(np.array([[0, 51, 255]], np.uint8))[0].tolist() == pytest.approx([0, 0.2, 1])
    assert coverage(np.array([[0, 13107, 65535]], np.uint16))[0, 1] == pytest.approx(0.2)
    odd = np.array([[np.nan, np.inf, -np.inf, 2, -1, 0.5]], np.float16)
    assert coverage(odd).tolist() == [[0, 1, 0, 1, 0, 0.5]]
