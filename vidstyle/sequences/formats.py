"""The picture formats of sequences, by the suffix of a file."""

from __future__ import annotations

from pathlib import Path

from vidstyle.errors import InputError

KINDS = {
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".exr": "openexr",
    ".dpx": "dpx",
}
"""Formats by suffix, as OpenImageIO names them."""
SUFFIXES = tuple(KINDS)
KNOWN = ", ".join(SUFFIXES)


def kind_of(path: Path) -> str:
    """``png``, ``jpeg``, ``tiff``, ``openexr`` or ``dpx``, by the suffix.

    Raises:
        InputError: the suffix is another one.
    """
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise InputError(f"{path}: '{path.suffix}' is not a supported picture format; use {KNOWN}")
    return kind
