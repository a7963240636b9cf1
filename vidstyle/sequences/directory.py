"""TIFF directories of tags, which Exif data are too: parsing and building them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_BIG_SIZES = {16: 8, 17: 8, 18: 8}
_CODES = {1: "B", 3: "H", 4: "I", 16: "Q"}
_CHILDREN = (34665, 34853, 40965)
"""Exif, GPS and interoperability: tags whose value is the place of another directory."""
_DEEPEST = 3

Order = Literal["<", ">"]
"""Byte order as ``struct`` writes it."""
_LONG = 4


@dataclass(frozen=True)
class Tag:
    """One value of a directory: its TIFF type, how many, and the bytes in the file's order."""

    kind: int
    count: int
    data: bytes


@dataclass(frozen=True)
class Directory:
    """The tags of a TIFF directory.

    Attributes:
        order: byte order of the values.
        tags: by their numbers.
        children: directories that a tag points to, by the tag's number.
        follows: place of the next directory in the file, 0 if this is the last.
    """

    order: Order
    tags: Mapping[int, Tag] = field(default_factory=dict)
    children: Mapping[int, Directory] = field(default_factory=dict)
    follows: int = 0

    def numbers(self, tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """The whole numbers of a tag; ``default`` if it is not there or of another type."""
        found = self.tags.get(tag)
        if found is None or found.kind not in _CODES:
            return default
        return struct.unpack(f"{self.order}{found.count}{_CODES[found.kind]}", found.data)

    def number(self, tag: int, default: int = 0) -> int:
        """The first whole number of a tag."""
        return next(iter(self.numbers(tag)), default)

    def value(self, tag: int) -> bytes | None:
        """The bytes of a tag; None if it is not there."""
        found = self.tags.get(tag)
        return None if found is None else found.data

    def keep(self, wanted: Callable[[int], bool]) -> Directory:
        """A copy with only the tags and children that are wanted."""
        return Directory(
            self.order,
            {tag: value for tag, value in self.tags.items() if wanted(tag)},
            {tag: child for tag, child in self.children.items() if wanted(tag)},
        )


def numbers_tag(order: Order, kind: int, *values: int) -> Tag:
    """A tag of whole numbers: kind 3 has 16 bits, 4 has 32."""
    return Tag(kind, len(values), struct.pack(f"{order}{len(values)}{_CODES[kind]}", *values))


def parse(data: bytes) -> Directory:
    """The first directory of TIFF or Exif data, with its children.

    Raises ValueError when it is no TIFF, cut short or damaged.
    """
    orders: dict[bytes, Order] = {b"II": "<", b"MM": ">"}
    order = orders.get(data[:2])
    if order is None:
        raise ValueError("has no TIFF header")
    try:
        (version,) = struct.unpack_from(order + "H", data, 2)
        if version == 42:
            (place,) = struct.unpack_from(order + "I", data, 4)
        elif version == 43:
            (place,) = struct.unpack_from(order + "Q", data, 8)
        else:
            raise ValueError("has no TIFF header")
        return _parse(data, order, place, version == 43, 1)
    except (struct.error, OverflowError) as error:
        raise ValueError("is cut short") from error


def build(directory: Directory, place: int) -> bytes:
    """The directory as it stands at ``place`` of a file, its values and children behind it."""
    order = directory.order
    children = {
        tag: child for tag, child in directory.children.items() if child.tags or child.children
    }
    tags = {
        tag: value
        for tag, value in directory.tags.items()
        if tag not in children and value.kind in _SIZES
    }
    count = len(tags) + len(children)
    behind = bytearray()
    start = place + 2 + 12 * count + 4
    entries = []
    for tag in sorted([*tags, *children]):
        if tag in children:
            kind, amount = _LONG, 1
            where = start + len(behind)
            behind += _even(build(children[tag], where))
            content = struct.pack(order + "I", where)
        else:
            kind, amount, content = tags[tag].kind, tags[tag].count, tags[tag].data
            if len(content) > 4:
                where = start + len(behind)
                behind += _even(content)
                content = struct.pack(order + "I", where)
        entries.append(struct.pack(order + "HHI", tag, kind, amount) + content.ljust(4, b"\0"))
    return struct.pack(order + "H", count) + b"".join(entries) + bytes(4) + bytes(behind)


def header(order: Order, place: int) -> bytes:
    """The eight bytes that a TIFF file begins with; its directory is at ``place``."""
    return (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, place)


def _even(data: bytes) -> bytes:
    return data + bytes(len(data) % 2)


def _parse(data: bytes, order: Order, place: int, big: bool, depth: int) -> Directory:
    sizes = _SIZES | _BIG_SIZES if big else _SIZES
    count_code, entry_code, inline = ("Q", "HHQ", 8) if big else ("H", "HHI", 4)
    (count,) = struct.unpack_from(order + count_code, data, place)
    place += struct.calcsize("=" + count_code)
    step = struct.calcsize("=" + entry_code) + inline
    if place + count * step > len(data):
        raise ValueError("is cut short")
    tags, children = {}, {}
    taken = 0
    for entry in range(place, place + count * step, step):
        tag, kind, amount = struct.unpack_from(order + entry_code, data, entry)
        length = sizes.get(kind, 0) * amount
        where = entry + step - inline
        if length > inline:
            (where,) = struct.unpack_from(order + ("Q" if big else "I"), data, where)
        if where + length > len(data):
            raise ValueError("is cut short")
        taken += length
        if taken > 2 * len(data):
            raise ValueError("is damaged (its tags overlap)")
        if length:
            tags[tag] = Tag(kind, amount, data[where : where + length])
    (follows,) = struct.unpack_from(order + ("Q" if big else "I"), data, place + count * step)
    made = Directory(order, tags, {}, follows)
    for tag in _CHILDREN:
        if made.number(tag) and depth < _DEEPEST:
            children[tag] = _parse(data, order, made.number(tag), big, depth + 1)
    plain = {tag: value for tag, value in tags.items() if tag not in _CHILDREN}
    return Directory(order, plain, children, follows)
