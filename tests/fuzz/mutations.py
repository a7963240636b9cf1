"""Damage and malice: files made of others, decided by a random number generator alone."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable

Mutation = Callable[[bytearray, random.Random], bytearray]

_NUMBERS = (0, 1, 2, 127, 128, 255, 4096, 65535, 65536, 100_000, 10**9, 2**31 - 1, 2**31, 2**32 - 1)
_LARGE = (2**63 - 1, 2**63, 2**64 - 1, 10**15)
_HEAD, _TAIL = 600, 3000
"""Bytes at either end of a file, where headers and indices are."""


def mutate(data: bytes, rng: random.Random, other: bytes = b"") -> bytes:
    """A damaged version of a file; ``other`` is one that parts may be taken from."""
    changed = bytearray(data)
    if other and rng.random() < 0.05:
        changed = _spliced(changed, bytearray(other), rng)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5, 10))):
        if not changed:
            break
        changed = rng.choice(_MUTATIONS)(changed, rng)
    if changed.startswith(b"\x89PNG") and rng.random() < 0.8:
        changed = _with_checksums(changed)
    return bytes(changed)


def _place(data: bytearray, rng: random.Random) -> int:
    """Anywhere, but most often in the first or last bytes."""
    where = rng.random()
    if where < 0.5:
        return rng.randrange(min(len(data), _HEAD))
    if where < 0.75:
        return rng.randrange(max(len(data) - _TAIL, 0), len(data))
    return rng.randrange(len(data))


def _flip(data: bytearray, rng: random.Random) -> bytearray:
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        data[_place(data, rng)] ^= 1 << rng.randrange(8)
    return data


def _scramble(data: bytearray, rng: random.Random) -> bytearray:
    place, length = _place(data, rng), rng.choice((1, 2, 4, 16, 100))
    data[place : place + length] = rng.randbytes(length)
    return data


def _number(data: bytearray, rng: random.Random) -> bytearray:
    """A telling number of some width in either byte order."""
    place, code = _place(data, rng), rng.choice("BHIQ")
    number = rng.choice(_NUMBERS if code != "Q" else _NUMBERS + _LARGE)
    number &= 2 ** (8 * struct.calcsize("=" + code)) - 1
    packed = struct.pack(rng.choice("<>") + code, number)
    data[place : place + len(packed)] = packed
    return data


def _truncate(data: bytearray, rng: random.Random) -> bytearray:
    return data[: _place(data, rng)]


def _remove(data: bytearray, rng: random.Random) -> bytearray:
    place = _place(data, rng)
    del data[place : place + rng.choice((1, 2, 4, 8, 64, 1000))]
    return data


def _insert(data: bytearray, rng: random.Random) -> bytearray:
    place, length = _place(data, rng), rng.choice((1, 4, 8, 64, 1000))
    data[place:place] = rng.choice((bytes(length), b"\xff" * length, rng.randbytes(length)))
    return data


def _repeat(data: bytearray, rng: random.Random) -> bytearray:
    place, length = _place(data, rng), rng.choice((4, 16, 64, 1000))
    part = data[place : place + length]
    data[place:place] = part * rng.choice((1, 2, 10))
    return data


def _move(data: bytearray, rng: random.Random) -> bytearray:
    place, length, to = _place(data, rng), rng.choice((4, 16, 64, 1000)), _place(data, rng)
    part = data[place : place + length]
    data[to : to + len(part)] = part
    return data


def _letters(data: bytearray, rng: random.Random) -> bytearray:
    """A character of a text becomes another one, control characters among them."""
    data[_place(data, rng)] = rng.choice(b'\0\n\r\t\x1b"{}[]:,-+.eE0123456789\x80\xff')
    return data


_MUTATIONS: tuple[Mutation, ...] = (
    _flip,
    _flip,
    _scramble,
    _number,
    _number,
    _number,
    _truncate,
    _remove,
    _insert,
    _repeat,
    _move,
    _letters,
)


def _spliced(data: bytearray, other: bytearray, rng: random.Random) -> bytearray:
    return data[: _place(data, rng)] + other[_place(other, rng) :]


def _with_checksums(data: bytearray) -> bytearray:
    """A PNG file whose chunks claim to be whole, so that more than the checksum is tried."""
    place = 8
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        end = place + 12 + length
        if end > len(data):
            break
        struct.pack_into(">I", data, end - 4, zlib.crc32(data[place + 4 : end - 4]))
        place = end
    return data
