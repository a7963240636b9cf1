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
    ".exr": "exr",
    ".dpx": "dpx",
}
"""Formats by suffix; OpenImageIO knows these names, too."""
SUFFIXES = tuple(KINDS)
KNOWN = ", ".join(SUFFIXES)


def kind_of(path: Path) -> str:
    """``png``, ``jpeg``, ``tiff``, ``exr`` or ``dpx``, by the suffix.

    Raises:
        InputError: the suffix is another one.
    """
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise InputError(f"{path}: '{path.suffix}' is not a supported picture format; use {KNOWN}")
    return kind
