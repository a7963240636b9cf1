"""Frames that change on the way come as pictures of one size."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import corners, write_clip

from vidstyle.video import VideoReader


def joined(tmp_path: Path, suffix: str, parts: Sequence[dict[str, Any]]) -> Path:
    """Clips of a second that show corners, one after the other in one stream."""
    path = tmp_path / f"joined{suffix}"
    path.write_bytes(
        b"".join(
            write_clip(
                tmp_path / f"part{suffix}",
                **{"image": lambda index, *size: corners(*size), **part},
            ).read_bytes()
            for part in parts
        )
    )
    return path


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        *((suffix, "libx264") for suffix in (".h264", ".ts")),
        *((suffix, "mpeg2video") for suffix in (".ts", ".mpg")),
        (".ts", "mpeg4"),
    ],
)
@pytest.mark.parametrize(
    ("size", "inner"),
    [((96, 48), (64, 32)), ((48, 96), (24, 48)), ((128, 96), (64, 48)), ((32, 24), (64, 48))],
)
def test_frames_of_another_size_are_fitted_into_the_first(
    tmp_path: Path, suffix: str, codec: str, size: tuple[int, int], inner: tuple[int, int]
) -> None:
    parts = [{"codec": codec, "options": {"bf": "2"}, "size": size} for size in ((64, 48), size)]
    path = joined(tmp_path, suffix, parts)
    with VideoReader(path) as reader:
        frames = list(reader)
    assert len(frames) == 48
    for frame in frames[:24]:
        assert np.abs(frame.image.astype(int) - corners()).mean() < 12
    left, top = (64 - inner[0]) // 2, (48 - inner[1]) // 2
    for frame in frames[24:]:
        shown = frame.image[top : top + inner[1], left : left + inner[0]]
        assert np.abs(shown.astype(int) - corners(*inner)).mean() < 20
        bars = frame.image.astype(int).copy()
        bars[top : top + inner[1], left : left + inner[0]] = 0
        assert bars.max() == 0
    pts = [frame.pts for frame in frames]
    assert pts == sorted(pts)
    assert sum(f"{size[0]}×{size[1]}: fitted into 64×48" in note for note in reader.notices) == 1


def test_pixels_of_another_shape_are_fitted_into_the_first(tmp_path: Path) -> None:
    parts = [{"aspect": Fraction(1)}, {"aspect": Fraction(2)}, {"aspect": Fraction(1)}]
    path = joined(tmp_path, ".h264", parts)
    with VideoReader(path) as reader:
        frames = [frame.image for frame in reader]
    with_bars = [bool(frame[:10].max() < 8) for frame in frames]
    assert with_bars == [False] * 24 + [True] * 24 + [False] * 24
    assert np.abs(frames[30][12:36].astype(int) - corners(64, 24)).mean() < 12
    assert len(reader.notices) == 1


def test_another_pixel_format_is_named(tmp_path: Path) -> None:
    path = joined(tmp_path, ".h264", [{}, {"pix_fmt": "yuv444p"}, {"pix_fmt": "yuv420p10le"}])
    with VideoReader(path) as reader:
        frames = [frame.image for frame in reader]
    assert {(frame.shape, frame.dtype.name) for frame in frames} == {((48, 64, 3), "uint8")}
    for frame in frames:
        assert np.abs(frame.astype(int) - corners()).mean() < 12
    assert len(reader.notices) == 2 and "yuv444p" in reader.notices[0]
