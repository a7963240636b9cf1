"""Strokes of another size: drawn smaller or larger, with the picture's own detail."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from toys import toy_photo, toy_style

from vidstyle.errors import OptionError
from vidstyle.stylizers import FastOptions, FastStylizer
from vidstyle.stylizers.fast import WHOLE_PIXELS
from vidstyle.stylizers.strokes import drawing_size, resized, upscale_guided

LUMA = np.array([0.2126, 0.7152, 0.0722])


def engine(style: str | None = None, **options: object) -> FastStylizer:
    chosen = {"device": "cpu", "precision": "fp32", **options}
    return FastStylizer(style or toy_style(), FastOptions(**chosen))  # type: ignore[arg-type]


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(a.astype(float) - b).mean()))


def seen_sizes(stylizer: FastStylizer) -> list[tuple[int, int]]:
    """Width and height, filled as pictures are drawn, of what the network gets."""
    sizes: list[tuple[int, int]] = []
    stylizer.network.register_forward_pre_hook(
        lambda _module, inputs: sizes.append((inputs[0].shape[3], inputs[0].shape[2]))
    )
    return sizes


# -- sizes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "height", "size", "expected"),
    [
        (960, 540, "auto", (960, 540)),
        (1920, 1080, "auto", (1920, 1080)),
        (1080, 1920, "auto", (1080, 1920)),
        (2048, 1080, "auto", (2048, 1080)),
        (3840, 2160, "auto", (2048, 1152)),
        (4320, 7680, "auto", (1152, 2048)),
        (3840, 2160, 1, (3840, 2160)),
        (3840, 2160, 2, (1920, 1080)),
        (960, 540, 0.5, (1920, 1080)),
        (3, 1, 32, (1, 1)),
    ],
)
def test_sizes(width: int, height: int, size: object, expected: tuple[int, int]) -> None:
    assert drawing_size(width, height, size) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [0, -1, 0.2, 33, float("nan"), float("inf"), "large"])
def test_senseless_sizes(size: object) -> None:
    with pytest.raises(OptionError, match="stroke size"):
        FastOptions(stroke_size=size)  # type: ignore[arg-type]


def test_ordinary_pictures_are_drawn_as_ever() -> None:
    photo = toy_photo(1920, 64)
    np.testing.assert_array_equal(engine()(photo), engine(stroke_size=1)(photo))


def test_large_pictures_are_drawn_smaller_by_themselves() -> None:
    photo = toy_photo(3000, 200)
    stylizer = engine()
    sizes = seen_sizes(stylizer)
    assert stylizer(photo).shape == photo.shape
    assert sizes == [(2048, 137)]


@pytest.mark.slow
def test_what_is_drawn_small_needs_no_tiles() -> None:
    photo = toy_photo(WHOLE_PIXELS // 100 + 100, 100)
    stylizer = engine()
    sizes = seen_sizes(stylizer)
    stylizer(photo)
    assert len(sizes) == 1


# -- what comes of it -----------------------------------------------------------------------


@pytest.mark.parametrize("color", ["style", "keep"])
@pytest.mark.parametrize("size", [0.5, 1.3, 2, 7])
def test_without_strength_it_is_the_photo(size: float, color: str) -> None:
    photo = toy_photo(121, 300)
    stylizer = engine(stroke_size=size, strength=0.0, color=color)
    np.testing.assert_array_equal(stylizer(photo), photo)
    deep = photo.astype(np.float32) * 0.99 + 0.3
    np.testing.assert_allclose(stylizer(deep), deep, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["wave", "scream"])
def test_twice_the_strokes_are_those_of_half_the_picture(name: str) -> None:
    photo = cv2.resize(toy_photo(320, 240), (640, 480), interpolation=cv2.INTER_CUBIC)
    half = cv2.resize(photo, (320, 240), interpolation=cv2.INTER_AREA)
    large = engine(name, stroke_size=2)(photo)
    expected = engine(name)(half).astype(float)
    got = cv2.resize(large, (320, 240), interpolation=cv2.INTER_AREA).astype(float)
    smooth = cv2.GaussianBlur(expected, (3, 3), 0.7)  # the lattice of two pixels is taken out
    assert psnr(got, smooth) > 32
    own = cv2.resize(engine(name)(photo), (320, 240), interpolation=cv2.INTER_AREA).astype(float)
    assert psnr(got, smooth) > psnr(own, smooth) + 6


def test_the_past_of_a_batch_does_not_matter() -> None:
    photos = np.stack([toy_photo(97, 61, seed) for seed in range(3)])
    stylizer = engine(stroke_size=2, batch_size=2)
    alone = np.stack([stylizer(photo) for photo in photos]).astype(int)
    # Threads add up otherwise, which may turn a rounding.
    np.testing.assert_allclose(stylizer(photos).astype(int), alone, rtol=0, atol=1)


def test_chroma_stays_sharp_where_it_is_kept() -> None:
    photo = 64 + toy_photo(192, 160) // 2
    result = engine("scream", stroke_size=3, color="keep")(photo).astype(float)
    red, _, blue = np.moveaxis(result - photo, -1, 0)
    luma = (result - photo) @ LUMA
    inside = ((result > 0) & (result < 255)).all(axis=-1)
    assert inside.mean() > 0.5
    assert np.abs((blue - luma) / 1.8556)[inside].max() <= 1
    assert np.abs((red - luma) / 1.5748)[inside].max() <= 1
    assert np.abs(luma).mean() > 5


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_a_drawing_is_as_sharp_as_what_it_follows(kind: type) -> None:
    """One that is three quarters of the picture's light comes back with its finest detail."""
    photo = toy_photo(240, 300).astype(np.float32)
    photo[:, 120:] = 255 - photo[:, 120:]
    photo = photo.astype(kind)
    small = resized(photo, 120, 150)
    none = np.zeros(3)
    painted = np.repeat((small @ LUMA * 0.75)[:, :, None], 3, axis=2).astype(np.float32)
    exact = np.repeat((photo.astype(float) @ LUMA * 0.75)[:, :, None], 3, axis=2)
    result = upscale_guided(photo, small, painted, none)
    assert result.dtype == kind
    plain = cv2.resize(painted, (240, 300), interpolation=cv2.INTER_CUBIC)
    edge = slice(116, 124)
    assert psnr(result[:, edge], exact[:, edge]) > psnr(plain[:, edge], exact[:, edge]) + 4


@pytest.mark.parametrize("size", [(300, 900), (100, 301), (40, 77)])
def test_enlarging_is_bicubic_and_has_no_seams(size: tuple[int, int]) -> None:
    """What does not follow the picture's light is enlarged as cv2.resize does, in many strips."""
    rng = np.random.default_rng(0)
    painted = rng.uniform(50, 200, (size[1] // 3, size[0] // 3, 3)).astype(np.float32)
    grey = np.full((size[1], size[0], 3), 128, np.float32)
    small = resized(grey, *painted.shape[1::-1])
    result = upscale_guided(grey, small, painted, np.zeros(3))
    smooth = cv2.GaussianBlur(painted, (3, 3), 0.7)
    expected = cv2.resize(smooth, size, interpolation=cv2.INTER_CUBIC)
    np.testing.assert_allclose(result, expected, rtol=0, atol=0.01)
