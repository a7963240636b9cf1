"""Whether an EXR file is complete, and how large it claims to be, before the library reads it.

The OpenEXR package reports damaged files on standard output, which is not ours to write to.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

SIGNATURE = b"\x76\x2f\x31\x01"
_TILED, _MULTIPLE = 1 << 9, 1 << 12
_LONGEST_NAME = 255
_CHANNEL_BYTES = 16
"""Of a channel's description, after its name."""

Header = Mapping[str, bytes]


def read_headers(data: bytes) -> list[Header]:
    """The attributes of each part, as bytes, once all of the parts' pixels are found to be there.

    Raises ValueError when the file is no EXR, cut short, or still being written.
    """
    if not data.startswith(SIGNATURE):
        raise ValueError("is no EXR file, whatever its name says")
    try:
        (flags,) = struct.unpack_from("<I", data, 4)
        headers, place = _headers(data, bool(flags & _MULTIPLE))
        _check_chunks(data, headers, place, flags)
    except (struct.error, KeyError, IndexError, OverflowError) as error:
        raise ValueError("is cut short or damaged") from error
    return headers


def window_sizes(header: Header) -> tuple[tuple[int, int], tuple[int, int]]:
    """Width and height of the data window, and of what holds data and display window.

    Raises ValueError when a window is missing or empty.
    """
    try:
        data, display = (
            struct.unpack("<4i", header[name]) for name in ("dataWindow", "displayWindow")
        )
    except (KeyError, struct.error) as error:
        raise ValueError("is damaged (it has no windows)") from error
    if any(right < left or bottom < top for left, top, right, bottom in (data, display)):
        raise ValueError("is damaged (it has an empty window)")
    left, top = min(data[0], display[0]), min(data[1], display[1])
    right, bottom = max(data[2], display[2]), max(data[3], display[3])
    return _size(*data), _size(left, top, right, bottom)


def channel_count(header: Header) -> int:
    """How many channels a part has.

    Raises ValueError when their list is damaged.
    """
    data, place, count = header.get("channels", b"\0"), 0, 0
    while place < len(data) and data[place]:
        _, place = _name(data, place)
        place += _CHANNEL_BYTES
        count += 1
    return count


def _size(left: int, top: int, right: int, bottom: int) -> tuple[int, int]:
    return right - left + 1, bottom - top + 1


def _headers(data: bytes, several: bool) -> tuple[list[Header], int]:
    """The headers and the place of what follows them."""
    headers: list[Header] = []
    place = 8
    while True:
        header, place = _header(data, place)
        if not header:
            return headers, place
        headers.append(header)
        if not several:
            return headers, place


def _header(data: bytes, place: int) -> tuple[Header, int]:
    header = {}
    while data[place] != 0:
        name, place = _name(data, place)
        _, place = _name(data, place)
        (size,) = struct.unpack_from("<I", data, place)
        place += 4
        if place + size > len(data):
            raise ValueError("is cut short")
        header[name] = data[place : place + size]
        place += size
    return header, place + 1


def _name(data: bytes, place: int) -> tuple[str, int]:
    end = data.find(b"\0", place, place + _LONGEST_NAME + 1)
    if end < 0:
        raise ValueError("is cut short or damaged")
    return data[place:end].decode("latin-1"), end + 1


def _check_chunks(data: bytes, headers: list[Header], place: int, flags: int) -> None:
    several = bool(flags & _MULTIPLE)
    if several:
        counts = [struct.unpack("<i", header["chunkCount"])[0] for header in headers]
        offsets = list(_offsets(data, place, sum(counts)))
    else:
        offsets = _offsets_up_to_first(data, place)
    if not offsets or min(offsets) <= place:
        raise ValueError("is not finished: the places of its pixels are not yet written")
    last = max(offsets)
    number = struct.unpack_from("<i", data, last)[0] if several else 0
    kind = headers[number].get("type", b"")
    if kind.startswith(b"deep"):
        return
    tiled = kind.startswith(b"tiled") if kind else bool(flags & _TILED)
    size_place = last + 4 * several + (16 if tiled else 4)
    (size,) = struct.unpack_from("<i", data, size_place)
    if size < 0 or size_place + 4 + size > len(data):
        raise ValueError("is cut short")


def _offsets(data: bytes, place: int, count: int) -> tuple[int, ...]:
    if count < 1 or place + 8 * count > len(data):
        raise ValueError("is cut short or damaged")
    return struct.unpack_from(f"<{count}Q", data, place)


def _offsets_up_to_first(data: bytes, place: int) -> list[int]:
    """The table of a single part, which ends where the first chunk begins."""
    offsets: list[int] = []
    end = len(data)
    while place < end:
        (offset,) = struct.unpack_from("<Q", data, place)
        offsets.append(offset)
        end = min(end, offset)
        place += 8
    return offsets
