"""Regions: soft and moving mattes, several styles, and what is wrong with a matte."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from sequences.shots import contents, pan, write_shot
from toys import toy_style

from vidstyle.errors import InputError, OptionError
from vidstyle.image import read_image, write_image
from vidstyle.pipeline.frames import FrameOptions, stylize_frames
from vidstyle.pipeline.mattes import Matte, composite, read_matte, region_weights
from vidstyle.sequences.pattern import SequenceFile
from vidstyle.stylizers import FastOptions

FAST = FastOptions(device="cpu", precision="fp32")
COUNT = 6


def stylize(source: Path, output: Path, styles, **more):  # type: ignore[no-untyped-def]
    return stylize_frames(source, output, styles, fast=FAST, frames=FrameOptions(**more))


def pictures(folder: Path) -> list[np.ndarray]:
    return [read_image(path) for path in sorted(folder.glob("*.png"))]


def moving(index: int) -> np.ndarray:
    """A soft-edged box that moves: 64×96 float32, 0 to 1."""
    matte = np.zeros((64, 96), np.float32)
    matte[16:48, 10 + 5 * index : 50 + 5 * index] = 1
    return cv2.GaussianBlur(matte, (9, 9), 2)


def write_mattes(folder: Path, numbers: range, dtype: type = np.uint8) -> Path:
    folder.mkdir()
    for index, number in enumerate(numbers):
        values = np.rint(moving(index) * np.iinfo(dtype).max).astype(dtype)
        assert cv2.imwrite(str(folder / f"matte_{number:04d}.png"), values)
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_shot(tmp_path / "in", range(11, 11 + COUNT))


def test_weights_of_regions() -> None:
    soft = np.linspace(0, 1, 11, dtype=np.float32)[None]
    for mattes in ([soft, 1 - soft], [soft, soft], [soft, np.ones_like(soft)], [soft, soft, soft]):
        weights = region_weights(mattes)
        assert np.array_equal(weights[-1], mattes[-1])  # the last lies on top
        total = sum(weights)
        assert (total <= 1).all() and all((weight >= 0).all() for weight in weights)
    below, above = region_weights([soft, 1 - soft])
    assert np.allclose(below + above, 1, atol=1e-6) and np.allclose(below, soft, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_composite_is_exact_where_a_matte_is_plain(dtype: type) -> None:
    image, first, second = (
        (pan(n) * (1 if dtype == np.uint8 else 0.7)).astype(dtype) for n in (0, 5, 9)
    )
    left, right = np.zeros((64, 96), np.float32), np.zeros((64, 96), np.float32)
    left[:, :30], right[:, 25:60], left[:, 70:] = 1, 1, 0.25
    result = composite(image, [first, second], [left, right])
    assert result.dtype == dtype
    assert np.array_equal(result[:, :25], first[:, :25])
    assert np.array_equal(result[:, 25:60], second[:, 25:60])
    assert np.array_equal(result[:, 60:70], image[:, 60:70])
    expected = image[:, 70:] + 0.25 * (first[:, 70:].astype(float) - image[:, 70:])
    assert np.abs(result[:, 70:] - expected).max() <= (0.5 if dtype == np.uint8 else 1e-4)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_moving_matte(source: Path, tmp_path: Path, dtype: type) -> None:
    mattes = write_mattes(tmp_path / "mattes", range(11, 11 + COUNT), dtype)
    stylize(source, tmp_path / "whole", toy_style())
    stylize(source, tmp_path / "out", toy_style(), mattes=(mattes,))
    stylize(source, tmp_path / "rest", toy_style(), mattes=(mattes,), invert_matte=True)
    triples = zip(*(pictures(tmp_path / n) for n in ("whole", "out", "rest")), strict=True)
    for index, (whole, out, rest) in enumerate(triples):
        photo, matte = pan(index), moving(index)[:, :, None]
        wanted = photo + matte * (whole.astype(float) - photo)
        assert np.abs(out - wanted).max() < 1.5
        wanted = photo + (1 - matte) * (whole.astype(float) - photo)
        assert np.abs(rest - wanted).max() < 1.5
        outside, inside = matte[:, :, 0] == 0, matte[:, :, 0] == 1
        assert np.array_equal(out[outside], photo[outside]) and outside.any()
        assert np.array_equal(out[inside], whole[inside]) and inside.any()
        assert np.array_equal(rest[inside], photo[inside])


def test_a_style_for_each_region(source: Path, tmp_path: Path) -> None:
    styles = [toy_style(1), toy_style(2)]
    left = np.zeros((64, 96), np.uint8)
    left[:, :48] = 255
    write_image(tmp_path / "left.png", cv2.cvtColor(left, cv2.COLOR_GRAY2RGB))
    write_image(tmp_path / "right.png", cv2.cvtColor(255 - left, cv2.COLOR_GRAY2RGB))
    stylize(
        source, tmp_path / "out", styles, mattes=(tmp_path / "left.png", tmp_path / "right.png")
    )
    for number, style in enumerate(styles):
        stylize(source, tmp_path / str(number), style)
    for out, first, second in zip(
        *(pictures(tmp_path / name) for name in ("out", "0", "1")), strict=True
    ):
        # Each region has a memory of its own, which knows nothing of the other.
        assert np.array_equal(out[:, :48], first[:, :48])
        assert np.array_equal(out[:, 48:], second[:, 48:])
        assert not np.array_equal(first, second)


def test_regions_are_resumed_as_well(source: Path, tmp_path: Path) -> None:
    mattes = write_mattes(tmp_path / "mattes", range(11, 11 + COUNT))
    write_image(tmp_path / "all.png", np.full((64, 96, 3), 255, np.uint8))
    options = {"mattes": (tmp_path / "all.png", mattes)}
    styles = [toy_style(1), toy_style(2)]
    stylize(source, tmp_path / "whole", styles, **options)
    stylize(source, tmp_path / "out", styles, frames="11-13", **options)
    stylize(source, tmp_path / "out", styles, **options)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    # Another matte for one frame is another result for it.
    write_image(mattes / "matte_0016.png", np.zeros((64, 96, 3), np.uint8))
    summary = stylize(source, tmp_path / "out", styles, **options)
    assert summary.frames == 1


def test_as_many_styles_as_mattes(source: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "m.png", np.zeros((64, 96, 3), np.uint8))
    matte = tmp_path / "m.png"
    for styles, mattes in (
        ([toy_style(), toy_style()], ()),
        ([toy_style(), toy_style()], (matte,)),
        (toy_style(), (matte, matte)),
    ):
        with pytest.raises(OptionError, match=r"\d styles? for \d mattes?; give one style"):
            stylize(source, tmp_path / "out", styles, mattes=mattes)


def test_mattes_that_do_not_fit(source: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "small.png", np.zeros((10, 96, 3), np.uint8))
    with pytest.raises(InputError, match=r"small\.png: is 96×10, but shot_0011\.png is 96×64"):
        stylize(source, tmp_path / "out", toy_style(), mattes=(tmp_path / "small.png",))
    with pytest.raises(InputError, match=r"nowhere"):
        stylize(source, tmp_path / "out", toy_style(), mattes=(tmp_path / "nowhere",))
    few = write_mattes(tmp_path / "few", range(11, 14))
    with pytest.raises(InputError, match=r"few: has no matte for shot_0014\.png, number 14"):
        stylize(source, tmp_path / "out", toy_style(), mattes=(few,), on_error="skip")


def test_values_of_mattes(tmp_path: Path) -> None:
    values = np.array([[0, 1, 32768, 65535]], np.uint16)
    assert cv2.imwrite(str(tmp_path / "m.png"), values)
    assert np.allclose(read_matte(tmp_path / "m.png"), values / 65535, atol=1e-6)
    assert read_matte(tmp_path / "m.png")[0, 3] == 1
    matte = Matte(tmp_path / "m.png", invert=True)
    inverted = matte(SequenceFile(tmp_path / "frame.png", 5), (1, 4))
    assert np.allclose(inverted, 1 - values / 65535, atol=1e-6)


def test_float_mattes_are_as_they_stand(tmp_path: Path) -> None:
    """No view transform: 0.5 in the file is half."""
    exr = pytest.importorskip("OpenEXR")
    values = np.array([[0, 0.25, 0.5, 1, 3, -1, np.nan]], np.float32)
    exr.File({}, {"Y": values}).write(str(tmp_path / "m.exr"))
    assert np.allclose(read_matte(tmp_path / "m.exr"), [[0, 0.25, 0.5, 1, 1, 0, 0]], atol=1e-6)
