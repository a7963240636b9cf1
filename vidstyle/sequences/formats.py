"""The picture formats of sequences, and the pixels of a file as they are stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vidstyle.disk import complete_file
from vidstyle.errors import InputError

KINDS = {
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".exr": "exr",
}
SUFFIXES = tuple(KINDS)
KNOWN = ", ".join(SUFFIXES)


@dataclass(frozen=True)
class Metadata:
    """What a file says besides its pixels.

    Attributes:
        icc: the colour profile.
        exif: a TIFF directory as Exif has it, without any prefix.
        xmp: an XMP packet.
        native: all of it as the file's own format has it, for writing the same format again.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    native: Any = None


@dataclass(frozen=True)
class Raster:
    """The pixels of a file as they are stored.

    Attributes:
        color: H×W×3 RGB or H×W×1 grey; uint8, uint16, float16 or float32.
        alpha: H×W, or None.
        associated: the colour has been multiplied by alpha.
        metadata: what else the file holds.
    """

    color: np.ndarray
    alpha: np.ndarray | None = None
    associated: bool = False
    metadata: Metadata = field(default_factory=Metadata)


def kind_of(path: Path) -> str:
    """``png``, ``jpeg``, ``tiff`` or ``exr``, by the suffix; InputError for any other."""
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise InputError(f"{path}: no picture format '{path.suffix}'; use {KNOWN}")
    return kind


def decode(data: bytes, flags: int) -> np.ndarray | None:
    """The pixels of a PNG or JPEG file as OpenCV reads them; None when they are damaged."""
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None


def read_bytes(path: Path) -> bytes:
    """The whole file; InputError when it is missing, empty or unreadable."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    if not data:
        raise InputError(f"{path}: is empty (0 bytes)")
    return data


def write_bytes(path: Path, data: bytes) -> Path:
    """Write under the final name only when complete; OutputError when it cannot be written."""
    with complete_file(path) as temporary:
        temporary.write_bytes(data)
    return path
