"""How large a picture may claim to be: asked of headers, before anything is allocated for them."""

from __future__ import annotations

from pathlib import Path

from vidstyle.errors import InputError

MOST_PIXELS = 2**28
"""The most pixels of a still picture: 16,384×16,384."""
MOST_VIDEO_PIXELS = 2**27
"""The most pixels of a video, of which decoders hold several pictures: more than 16K
(15,360×8640)."""
MOST_CANVAS_PIXELS = 2**26
"""The most pixels of an EXR picture that its data window does not fill."""
LONGEST_SIDE = 2**16


def check_size(path: Path | str, width: int, height: int, most: int = MOST_PIXELS) -> None:
    """Raises InputError when a header claims no pixels, or too many to hold."""
    if width < 1 or height < 1:
        raise InputError(f"{path}: claims to be {width}×{height}, which is no size; is it damaged?")
    if width > LONGEST_SIDE or height > LONGEST_SIDE or width * height > most:
        raise InputError(
            f"{path}: claims to be {width}×{height}; no more than {most // 10**6} million pixels "
            f"and {LONGEST_SIDE} to a side are read. Is it damaged? Else shrink it first"
        )
