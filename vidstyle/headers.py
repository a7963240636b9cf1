"""What the header of a still picture claims, before a library allocates anything for it."""

from __future__ import annotations

import struct
from pathlib import Path

from vidstyle.errors import InputError
from vidstyle.limits import MOST_PIXELS, check_size

_MOST_DRAWN = 20 * MOST_PIXELS
"""Pixels times scans of a JPEG file: each scan, of a few bytes, goes through the whole picture."""
_START_OF_SCAN = b"\xff\xda"
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE = {0x01, *range(0xD0, 0xD9)}
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257


def check_header(path: Path, data: bytes, most: int = MOST_PIXELS) -> None:
    """See whether a file is a JPEG, PNG, WebP, TIFF or BMP picture of a size that can be held.

    Args:
        most: the most pixels that it may have.

    Raises:
        InputError: it is none of these, or claims to be too large.
    """
    try:
        size = _size(data)
    except (struct.error, IndexError) as error:
        raise InputError(f"{path}: is cut short or damaged") from error
    if size is None:
        raise InputError(f"{path}: not a picture that can be read (JPEG, PNG, WebP, TIFF, BMP)")
    check_size(path, *size, most)
    if data.startswith(b"\xff\xd8"):
        check_scans(path, data, *size)


def check_scans(path: Path, data: bytes, width: int, height: int) -> None:
    """Raises InputError when a JPEG file would be drawn over and over for hours."""
    scans = data.count(_START_OF_SCAN)
    if scans * width * height > _MOST_DRAWN:
        raise InputError(f"{path}: draws {width}×{height} pixels {scans} times; is it damaged?")


def _size(data: bytes) -> tuple[int, int] | None:
    """Width and height; None for another kind of file."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        width, height = struct.unpack_from(">II", data, 16)
        return width, height
    if data.startswith(b"\xff\xd8"):
        return _jpeg_size(data)
    if data.startswith(b"BM"):
        return _bmp_size(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp_size(data)
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _tiff_size(data)
    return None


def _jpeg_size(data: bytes) -> tuple[int, int]:
    place = 2
    while True:
        while data[place] != 0xFF or data[place + 1] == 0xFF:  # libjpeg, too, skips what is between
            place += 1
        marker = data[place + 1]
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, place + 5)
            return width, height
        place += 2
        if marker not in _BARE and marker:
            place += struct.unpack_from(">H", data, place)[0]


def _bmp_size(data: bytes) -> tuple[int, int]:
    (header,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if header == 12 else "<ii", data, 18)
    return abs(width), abs(height)


def _webp_size(data: bytes) -> tuple[int, int]:
    """Size of the canvas; each side is at most 16,384."""
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[n : n + 3], "little") + 1 for n in (24, 27))
    elif kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (n & 0x3FFF for n in struct.unpack_from("<HH", data, 26))
    return width, height


def _tiff_size(data: bytes) -> tuple[int, int]:
    order = "<" if data[:2] == b"II" else ">"
    big = data[2 if order == "<" else 3] == 43
    (place,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
    count_code, step, inline = ("Q", 20, 12) if big else ("H", 12, 8)
    (count,) = struct.unpack_from(order + count_code, data, place)
    place += struct.calcsize("=" + count_code)
    sizes = {_TIFF_WIDTH: 0, _TIFF_HEIGHT: 0}
    for entry in range(place, place + min(count, 2**16) * step, step):
        tag, kind = struct.unpack_from(order + "HH", data, entry)
        if tag in sizes:
            code = {3: "H", 4: "I"}.get(kind, "B")
            (sizes[tag],) = struct.unpack_from(order + code, data, entry + inline)
    return sizes[_TIFF_WIDTH], sizes[_TIFF_HEIGHT]
