"""DPX: code values as FFmpeg reads and writes them, before and after."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from vidstyle.errors import InputError
from vidstyle.sequences import find_sequence, read_picture, write_picture


def save(path: Path, pixels: np.ndarray, form: str) -> Path:
    """A DPX file of RGB pixels of 16 bits, cut to those of the format."""
    height, width = pixels.shape[:2]
    with av.open(str(path), "w", format="image2", options={"update": "1"}) as container:
        stream = container.add_stream("dpx", rate=24)
        stream.width, stream.height, stream.pix_fmt = width, height, form
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb48le").reformat(format=form)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def codes(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        planar = frame.format.name.startswith("gbrp")
        return frame.to_ndarray(format="gbrp10le" if planar else "rgb48le")


@pytest.mark.parametrize(("form", "bits"), [("gbrp10be", 10), ("rgb48be", 16)])
def test_code_values_that_stay_are_exact(tmp_path: Path, form: str, bits: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 2**16, (20, 30, 3), np.uint16)
    path = save(tmp_path / "a.0001.dpx", pixels, form)
    assert find_sequence(tmp_path).files[0].number == 1
    picture = read_picture(path)
    assert picture.depth == "uint16"
    assert not picture.linear
    assert np.abs(picture.image - pixels / 257).max() <= 255 / 2**bits
    image = picture.image.copy()
    image[:10] = 255 - image[:10]
    out = write_picture(tmp_path / "out.dpx", picture, image)
    assert codes(out).shape == codes(path).shape
    np.testing.assert_array_equal(codes(out)[10:], codes(path)[10:])
    shown = read_picture(out).image
    assert np.abs(shown - image).max() <= 255 / 2**bits


def test_dpx_from_and_to_other_formats(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 9, 3), np.uint8)
    png = read_picture(write_picture(tmp_path / "a.png", None, image))
    dpx = read_picture(write_picture(tmp_path / "a.dpx", png, png.image))
    assert dpx.depth == "uint8"
    np.testing.assert_array_equal(dpx.image, image)
    tiff = read_picture(write_picture(tmp_path / "a.tif", dpx, dpx.image))
    np.testing.assert_array_equal(tiff.image, image)


def test_cut_short_files_are_refused(tmp_path: Path) -> None:
    pixels = np.zeros((20, 30, 3), np.uint16)
    data = save(tmp_path / "a.dpx", pixels, "rgb48be").read_bytes()
    path = tmp_path / "half.dpx"
    for length in (0, 3, 100, 1000, 2000, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(InputError, match=r"half\.dpx: is"):
            read_picture(path)
