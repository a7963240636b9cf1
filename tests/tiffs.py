"""TIFF and Exif data built by hand, tag by tag: valid ones, and such as no library would write."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Order = Literal["<", ">"]
"""Byte order as ``struct`` writes it."""
_CODES = {1: "B", 3: "H", 4: "I", 16: "Q"}
_LONG = 4


@dataclass(frozen=True)
class Tag:
    """One value of a directory: its TIFF type, how many, and the bytes in the file's order."""

    kind: int
    count: int
    data: bytes


@dataclass(frozen=True)
class Directory:
    """The tags of a TIFF directory, and directories that a tag points to, by the tag's number."""

    order: Order
    tags: Mapping[int, Tag] = field(default_factory=dict)
    children: Mapping[int, Directory] = field(default_factory=dict)


def numbers_tag(order: Order, kind: int, *values: int) -> Tag:
    """A tag of whole numbers: kind 3 has 16 bits, 4 has 32."""
    return Tag(kind, len(values), struct.pack(f"{order}{len(values)}{_CODES[kind]}", *values))


def header(order: Order, place: int) -> bytes:
    """The eight bytes that a TIFF file begins with; its directory is at ``place``."""
    return (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, place)


def build(directory: Directory, place: int) -> bytes:
    """The directory as it stands at ``place`` of a file, its values and children behind it."""
    order = directory.order
    tags = dict(directory.tags) | {tag: Tag(_LONG, 1, b"") for tag in directory.children}
    behind = bytearray()
    start = place + 2 + 12 * len(tags) + 4
    entries = []
    for tag in sorted(tags):
        content = tags[tag].data
        if tag in directory.children or len(content) > 4:
            where = start + len(behind)
            child = directory.children.get(tag)
            content = content if child is None else build(child, where)
            behind += content + bytes(len(content) % 2)
            content = struct.pack(order + "I", where)
        head = struct.pack(order + "HHI", tag, tags[tag].kind, tags[tag].count)
        entries.append(head + content.ljust(4, b"\0"))
    return struct.pack(order + "H", len(tags)) + b"".join(entries) + bytes(4) + bytes(behind)
