"""What a painting is refined on: pictures of what will be drawn."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from vidstyle.image import fit
from vidstyle.options import ClipOptions, FrameOptions, ReadOptions
from vidstyle.sequences.clip import is_sequence
from vidstyle.sequences.pattern import find_sequence
from vidstyle.sequences.picture import read_picture
from vidstyle.video.stills import stills

COUNT = 12
"""Enough to meet what a clip shows; a vector is too small to learn photos by heart."""
SIDE = 640


def clip_photos(
    source: str | Path,
    read: ReadOptions = ReadOptions(),
    clip: ClipOptions | FrameOptions = ClipOptions(),
) -> list[np.ndarray]:
    """Pictures from all over a clip or an image sequence, RGB uint8 H×W×3.

    Raises:
        InputError: it cannot be read.
    """
    if not is_sequence(source):
        return stills(Path(source), COUNT, SIDE, read)
    paths = [file.path for file in find_sequence(source, clip.frames).files]
    chosen = np.linspace(0, len(paths) - 1, min(COUNT, len(paths))).round().astype(int)
    pictures = [read_picture(paths[n], clip).image for n in chosen]
    return [fit(np.clip(np.rint(image), 0, 255).astype(np.uint8), SIDE) for image in pictures]


def sample_photos() -> list[np.ndarray]:
    """Pictures of the clip that the package contains, for streams, which have not begun."""
    with as_file(files("vidstyle.web") / "sample.mp4") as path:
        return clip_photos(path)
