"""PNG: pixels by OpenCV; the chunks of metadata are carried over as they are."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vidstyle.errors import InputError
from vidstyle.limits import check_size
from vidstyle.sequences.formats import Metadata, Raster, decode

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _PALETTE = 0, 3
_TEXT_LIMIT = 2**26
_RATIO = 1100
"""Deflated data are not more than so many times smaller than what they hold."""
# Chunks that describe the pixels' coding, or a time or preview that the new pixels do not have.
_NOT_CARRIED = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"hIST", b"tIME", b"sPLT"}
_ANIMATION = {b"acTL", b"fcTL", b"fdAT"}
# These fit only the colour type that they were written for.
_OF_COLOR_TYPE = {b"sBIT", b"bKGD"}
_XMP = b"XML:com.adobe.xmp\0"


@dataclass(frozen=True)
class Chunk:
    """One chunk of a PNG file."""

    kind: bytes
    data: bytes


@dataclass(frozen=True)
class PngMetadata:
    """The chunks to carry over, and the colour type of the file that they come from."""

    chunks: tuple[Chunk, ...]
    color_type: int


def read(path: Path, data: bytes) -> Raster:
    """Grey, RGB or palette of 1 to 16 bits, with or without alpha.

    Raises InputError when the file is cut short, damaged, animated or no PNG.
    """
    chunks = list(_chunks(path, data))
    color_type = _color_type(path, chunks)
    if any(chunk.kind in _ANIMATION for chunk in chunks):
        raise InputError(f"{path}: is an animated PNG; give its frames as files")
    key = _grey_key(chunks) if color_type == _GREY else None
    if key is not None:
        data = _joined(chunk for chunk in chunks if chunk.kind != b"tRNS")
    pixels = decode(data, cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise InputError(f"{path}: its pixels are damaged")
    color, alpha = _split(pixels, grey=color_type in (_GREY, _GREY | 4))
    if key is not None:
        alpha = _keyed(color[..., 0], key, chunks[0].data[8])
    return Raster(color, alpha, metadata=_metadata(chunks, color_type))


def write(raster: Raster) -> bytes:
    """A PNG file of 8 or 16 bits; grey with alpha becomes RGB with alpha."""
    color = raster.color
    if raster.alpha is not None:
        color = np.broadcast_to(color, (*color.shape[:2], 3))
        color = np.dstack([color[..., ::-1], raster.alpha])
    elif color.shape[2] == 3:
        color = color[..., ::-1]
    done, data = cv2.imencode(".png", np.ascontiguousarray(color))
    assert done
    head, *rest = _walk(data.tobytes())
    return _joined([head, *_carried(raster.metadata, head.data[9]), *rest])


def _walk(data: bytes) -> Iterator[Chunk]:
    """The chunks; ValueError when one is cut short or its checksum is wrong."""
    place = len(SIGNATURE)
    while place < len(data):
        if place + 12 > len(data):
            raise ValueError("is cut short")
        (length,) = struct.unpack_from(">I", data, place)
        end = place + 12 + length
        if end > len(data):
            raise ValueError("is cut short")
        kind, content = data[place + 4 : place + 8], data[place + 8 : end - 4]
        if zlib.crc32(data[place + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
            raise ValueError(f"is damaged (the checksum of its {kind!r} is wrong)")
        yield Chunk(kind, content)
        if kind == b"IEND":
            return
        place = end
    raise ValueError("is cut short")


def _chunks(path: Path, data: bytes) -> Iterator[Chunk]:
    if not data.startswith(SIGNATURE):
        raise InputError(f"{path}: is no PNG file, whatever its name says")
    try:
        yield from _walk(data)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def _color_type(path: Path, chunks: list[Chunk]) -> int:
    head = chunks[0]
    if head.kind != b"IHDR" or len(head.data) != 13:
        raise InputError(f"{path}: is damaged (it does not begin with its header)")
    width, height, bits, color_type = struct.unpack(">IIBB", head.data[:10])
    check_size(path, width, height)
    packed = sum(len(chunk.data) for chunk in chunks if chunk.kind == b"IDAT")
    if width * height * bits // 8 > _RATIO * packed:
        raise InputError(f"{path}: is damaged (it has too few data for {width}×{height})")
    return int(color_type)


def _grey_key(chunks: list[Chunk]) -> int | None:
    keys = [chunk.data for chunk in chunks if chunk.kind == b"tRNS" and len(chunk.data) == 2]
    return int.from_bytes(keys[0], "big") if keys else None


def _keyed(grey: np.ndarray, key: int, bits: int) -> np.ndarray:
    """Transparent where the grey is the key, which is given at the file's bit depth."""
    opaque = np.iinfo(grey.dtype).max
    scale = opaque // (2**bits - 1)
    return np.where(grey == key * scale, 0, opaque).astype(grey.dtype)


def _split(pixels: np.ndarray, grey: bool) -> tuple[np.ndarray, np.ndarray | None]:
    if pixels.ndim == 2:
        return pixels[..., None], None
    color = pixels[..., :1] if grey else pixels[..., 2::-1]
    alpha = pixels[..., 3] if pixels.shape[2] == 4 else None
    return np.ascontiguousarray(color), None if alpha is None else np.ascontiguousarray(alpha)


def _metadata(chunks: list[Chunk], color_type: int) -> Metadata:
    carried = tuple(chunk for chunk in chunks if chunk.kind not in _NOT_CARRIED)
    icc = exif = xmp = None
    for chunk in carried:
        if chunk.kind == b"iCCP":
            icc = _profile(chunk.data)
        elif chunk.kind == b"eXIf":
            exif = chunk.data
        elif chunk.kind == b"iTXt" and chunk.data.startswith(_XMP + b"\0\0"):
            xmp = chunk.data[len(_XMP) + 2 :].split(b"\0", 2)[-1]
    return Metadata(icc, exif, xmp, PngMetadata(carried, color_type))


def _profile(data: bytes) -> bytes | None:
    inflater = zlib.decompressobj()
    try:
        profile = inflater.decompress(data[data.index(b"\0") + 2 :], _TEXT_LIMIT)
    except (zlib.error, ValueError):
        return None
    return profile if inflater.eof else None


def _carried(metadata: Metadata, color_type: int) -> list[Chunk]:
    native = metadata.native
    if not isinstance(native, PngMetadata):
        return _from_others(metadata)
    chunks = native.chunks
    if color_type != native.color_type:
        chunks = tuple(chunk for chunk in chunks if chunk.kind not in _OF_COLOR_TYPE)
    if color_type & 2 and not native.color_type & 2:
        chunks = tuple(chunk for chunk in chunks if chunk.kind != b"iCCP")
    return list(chunks)


def _from_others(metadata: Metadata) -> list[Chunk]:
    chunks = []
    if metadata.icc:
        chunks.append(Chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc)))
    if metadata.exif:
        chunks.append(Chunk(b"eXIf", metadata.exif))
    if metadata.xmp:
        chunks.append(Chunk(b"iTXt", _XMP + b"\0\0\0\0" + metadata.xmp))
    return chunks


def _joined(chunks: Iterator[Chunk] | list[Chunk]) -> bytes:
    parts = [SIGNATURE]
    for chunk in chunks:
        content = chunk.kind + chunk.data
        parts += [
            struct.pack(">I", len(chunk.data)),
            content,
            struct.pack(">I", zlib.crc32(content)),
        ]
    return b"".join(parts)
