"""Still pictures: what is written comes back, and sheets show what they should."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from clips import corners
from toys import toy_photo

from vidstyle.errors import InputError, OutputError
from vidstyle.image import (
    contact_sheet,
    label,
    letterbox,
    read_image,
    resize,
    resize_short_side,
    write_image,
)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff", ".PNG"])
def test_lossless_formats_come_back_exactly(tmp_path: Path, suffix: str) -> None:
    photo = toy_photo(31, 17)
    path = write_image(tmp_path / f"ein Föto{suffix}", photo)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    np.testing.assert_array_equal(read_image(path), photo)


def test_jpeg_keeps_colours_in_their_order(tmp_path: Path) -> None:
    photo = corners()
    back = read_image(write_image(tmp_path / "a.jpg", photo)).astype(int)
    assert np.abs(back - photo)[4:20, 4:28].max() < 12


def test_quality_is_obeyed(tmp_path: Path) -> None:
    low = write_image(tmp_path / "low.jpg", toy_photo(), quality=20)
    high = write_image(tmp_path / "high.jpg", toy_photo(), quality=98)
    assert low.stat().st_size * 2 < high.stat().st_size


def test_photos_are_upright_as_their_camera_says(tmp_path: Path) -> None:
    jpeg = write_image(tmp_path / "a.jpg", corners()).read_bytes()
    # Exif with one entry, orientation 6: the camera was turned, show it a quarter clockwise.
    tiff = b"MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, 6, 0, 0)
    segment = b"Exif\0\0" + tiff
    turned = tmp_path / "turned.jpg"
    turned.write_bytes(
        jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:]
    )
    expected = np.rot90(read_image(tmp_path / "a.jpg"), -1)
    np.testing.assert_array_equal(read_image(turned), expected)


@pytest.mark.parametrize("kind", ["missing", "directory", "empty", "text", "truncated"])
def test_what_is_no_picture_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "bad.png"
    if kind == "directory":
        path.mkdir()
    elif kind != "missing":
        png = write_image(tmp_path / "good.png", toy_photo()).read_bytes()
        path.write_bytes({"empty": b"", "text": b"hello", "truncated": png[:30]}[kind])
    with pytest.raises(InputError, match=r"bad\.png: "):
        read_image(path)


@pytest.mark.parametrize("name", ["a", "a.mp4", "missing/a.png", "folder.png"])
def test_what_cannot_be_written_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OutputError) as caught:
        write_image(tmp_path / name, toy_photo())
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert [p.name for p in tmp_path.iterdir()] == ["folder.png"]


def test_an_existing_picture_stays_when_the_new_one_fails(tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.png", toy_photo(seed=1))
    with pytest.raises(OutputError):
        write_image(path.with_suffix(".nothing"), toy_photo(seed=2))
    np.testing.assert_array_equal(read_image(path), toy_photo(seed=1))


def test_shrinking_averages() -> None:
    checkerboard = np.indices((64, 64)).sum(axis=0) % 2 * np.uint8(200)
    image = np.repeat(checkerboard[..., None], 3, axis=2).astype(np.uint8)
    assert (resize(image, 16, 16) == 100).all()


@pytest.mark.parametrize(("width", "height"), [(128, 96), (7, 5), (1, 1)])
def test_resize(width: int, height: int) -> None:
    assert resize(toy_photo(64, 48), width, height).shape == (height, width, 3)


@pytest.mark.parametrize(
    ("width", "height", "size", "expected"),
    [(64, 48, 24, (24, 32)), (48, 64, 96, (128, 96)), (999, 10, 5, (5, 500)), (8, 8, 8, (8, 8))],
)
def test_resize_short_side(width: int, height: int, size: int, expected: tuple[int, int]) -> None:
    assert resize_short_side(toy_photo(width, height), size).shape[:2] == expected


def test_a_label_stands_above_the_picture() -> None:
    photo = toy_photo(320, 240)
    labelled = label(photo, "scream")
    strip = labelled[:-240]
    np.testing.assert_array_equal(labelled[-240:], photo)
    assert 16 <= len(strip) <= 48
    assert strip.max() > 200
    assert (label(photo, "")[:-240] == strip[0, -1]).all()
    longer = label(photo, "scream scream")[:-240]
    assert (longer > 200).sum() > 1.5 * (strip > 200).sum()


def test_a_contact_sheet_shows_all_in_reading_order() -> None:
    pictures = [np.full((10, 20, 3), 50 + 10 * n, np.uint8) for n in range(5)]
    sheet = contact_sheet(pictures, columns=3, gap=4)
    assert sheet.shape == (4 + 2 * 14, 4 + 3 * 24, 3)
    centres = [(4 + 14 * row + 5, 4 + 24 * column + 10) for row in (0, 1) for column in (0, 1, 2)]
    shown = [int(sheet[centre][0]) for centre in centres]
    assert shown[:5] == [50, 60, 70, 80, 90]
    assert shown[5] < 50
    assert sum((sheet[..., 0] == value).sum() for value in shown[:5]) == 5 * 200


def test_fitting_keeps_the_aspect() -> None:
    image = np.full((50, 100, 3), 200, np.uint8)
    wide = letterbox(image, 200, 200)
    assert wide.shape == (200, 200, 3)
    assert (wide[:50] == 0).all() and (wide[150:] == 0).all() and (wide[50:150] == 200).all()
    tall = letterbox(image.transpose(1, 0, 2), 100, 50)
    assert (tall[:, 38:62] == 200).all() and (tall[:, :37] == 0).all()
    assert letterbox(image, 100, 50) is image
