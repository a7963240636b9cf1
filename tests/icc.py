"""Colour profiles that say nothing of use, but which libraries accept as valid."""

from __future__ import annotations

import random
import struct


def icc_profile(space: bytes = b"RGB ") -> bytes:
    """A display profile of version 2.4 with one text, too random to be compressed."""
    text = random.Random(0).randbytes(400).hex().encode()
    tag = b"text" + bytes(4) + text + b"\0" * (4 - len(text) % 4)
    head = bytearray(128)
    struct.pack_into(
        ">I4sI4s4s4s", head, 0, 144 + len(tag), b"lcms", 0x2400000, b"mntr", space, b"XYZ "
    )
    head[36:40] = b"acsp"
    struct.pack_into(">III", head, 68, 0xF6D6, 0x10000, 0xD32D)
    return bytes(head) + struct.pack(">I4sII", 1, b"cprt", 144, len(tag)) + tag
