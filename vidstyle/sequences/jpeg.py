"""JPEG: pixels by OpenCV, unturned; the segments of metadata are carried over as they are."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vidstyle.errors import InputError
from vidstyle.headers import check_scans
from vidstyle.limits import check_size
from vidstyle.sequences.formats import Metadata, Raster, decode

_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_APP0, _APP1, _APP2, _APP13, _COMMENT = 0xE0, 0xE1, 0xE2, 0xED, 0xFE
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE = {0x01, *range(0xD0, 0xD8)}
_EXIF = b"Exif\0\0"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_ICC = b"ICC_PROFILE\0"
_PIECE = 65519
_MARKER_IN_SCAN = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]", re.DOTALL)


@dataclass(frozen=True)
class Segment:
    """One marker segment of a JPEG file, without marker and length."""

    marker: int
    data: bytes


@dataclass(frozen=True)
class JpegMetadata:
    """A whole JPEG file, its segments to carry over, and whether it is grey."""

    file: bytes
    segments: tuple[Segment, ...]
    grey: bool


def read(path: Path, data: bytes) -> Raster:
    """Grey or RGB of 8 bits, as stored: an Exif orientation is not applied.

    Raises InputError when the file is cut short, damaged, CMYK or no JPEG.
    """
    segments = _segments(path, data)
    components = _components(path, data, segments)
    flags = cv2.IMREAD_GRAYSCALE if components == 1 else cv2.IMREAD_COLOR_RGB
    pixels = decode(data, flags | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:
        raise InputError(f"{path}: its pixels are damaged, or not of 8 bits")
    color = pixels[..., None] if components == 1 else pixels
    return Raster(color, metadata=_metadata(data, segments, components == 1))


def write(raster: Raster, quality: int) -> bytes:
    """A JPEG file with colour at full resolution."""
    color = raster.color
    parameters = [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    done, encoded = cv2.imencode(".jpg", np.ascontiguousarray(color[..., ::-1]), parameters)
    assert done
    data = encoded.tobytes()
    carried = _carried(raster.metadata, grey=color.shape[2] == 1)
    # The encoder's own first segment is a JFIF header, which a carried one replaces.
    own = data[2 : 4 + struct.unpack_from(">H", data, 4)[0]]
    rest = data[2 + len(own) :]
    if any(segment.marker == _APP0 for segment in carried):
        own = b""
    return data[:2] + own + _joined(carried) + rest


def _segments(path: Path, data: bytes) -> list[Segment]:
    if data[:2] != bytes([0xFF, _START]):
        raise InputError(f"{path}: is no JPEG file, whatever its name says")
    try:
        return list(_walk(data))
    except (ValueError, struct.error) as error:
        raise InputError(f"{path}: is cut short or damaged") from error


def _walk(data: bytes) -> Iterator[Segment]:
    """The segments up to the end marker; ValueError or struct.error when there is none."""
    place = 2
    while True:
        if data[place : place + 1] != b"\xff":
            raise ValueError
        while data[place : place + 1] == b"\xff":
            place += 1
        marker = data[place] if place < len(data) else _fail()
        place += 1
        if marker == _END:
            return
        if marker in _BARE:
            continue
        (length,) = struct.unpack_from(">H", data, place)
        if length < 2 or place + length > len(data):
            raise ValueError
        yield Segment(marker, data[place + 2 : place + length])
        place += length
        if marker == _SCAN:
            found = _MARKER_IN_SCAN.search(data, place)
            place = found.start() if found else _fail()


def _fail() -> int:
    raise ValueError


def _components(path: Path, data: bytes, segments: list[Segment]) -> int:
    frames = [segment.data for segment in segments if segment.marker in _FRAMES]
    if not frames or len(frames[0]) < 6:
        raise InputError(f"{path}: is damaged (it has no frame header)")
    _, height, width, components = struct.unpack(">BHHB", frames[0][:6])
    check_size(path, width, height)
    check_scans(path, data, width, height)
    if components not in (1, 3):
        raise InputError(f"{path}: is CMYK; convert it to RGB")
    return int(components)


def _is_metadata(segment: Segment) -> bool:
    prefixes = {_APP0: b"JFIF\0", _APP1: b"", _APP2: _ICC, _APP13: b"", _COMMENT: b""}
    return segment.marker in prefixes and segment.data.startswith(prefixes[segment.marker])


def _metadata(data: bytes, segments: list[Segment], grey: bool) -> Metadata:
    carried = tuple(segment for segment in segments if _is_metadata(segment))

    def after(marker: int, prefix: bytes) -> list[bytes]:
        return [
            segment.data[len(prefix) :]
            for segment in carried
            if segment.marker == marker and segment.data.startswith(prefix)
        ]

    pieces = sorted(after(_APP2, _ICC), key=lambda piece: piece[:1])
    exif, xmp = after(_APP1, _EXIF), after(_APP1, _XMP)
    return Metadata(
        b"".join(piece[2:] for piece in pieces) or None,
        exif[0] if exif else None,
        xmp[0] if xmp else None,
        JpegMetadata(data, carried, grey),
    )


def _carried(metadata: Metadata, grey: bool) -> list[Segment]:
    native = metadata.native
    if not isinstance(native, JpegMetadata):
        return _from_others(metadata)
    if native.grey and not grey:
        return [segment for segment in native.segments if segment.marker != _APP2]
    return list(native.segments)


def _from_others(metadata: Metadata) -> list[Segment]:
    """What has room in a segment; Exif and XMP that are larger are left out."""
    segments = []
    if metadata.exif and len(metadata.exif) < _PIECE:
        segments.append(Segment(_APP1, _EXIF + metadata.exif))
    if metadata.xmp and len(metadata.xmp) < 65000:
        segments.append(Segment(_APP1, _XMP + metadata.xmp))
    icc = metadata.icc or b""
    pieces = [icc[place : place + _PIECE] for place in range(0, len(icc), _PIECE)]
    if len(pieces) < 256:
        segments += [
            Segment(_APP2, _ICC + bytes([number, len(pieces)]) + piece)
            for number, piece in enumerate(pieces, 1)
        ]
    return segments


def _joined(segments: list[Segment]) -> bytes:
    return b"".join(
        bytes([0xFF, segment.marker]) + struct.pack(">H", len(segment.data) + 2) + segment.data
        for segment in segments
    )
