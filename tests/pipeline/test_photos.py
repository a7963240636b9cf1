"""What a painting is refined on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from clips import Recipe, write_clip
from toys import toy_photo, write_photos

from vidstyle.image import write_image
from vidstyle.options import ClipOptions
from vidstyle.pipeline.photos import COUNT, SIDE, clip_photos, sample_photos


def test_of_a_video(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", Recipe(ticks=tuple(range(30))))
    photos = clip_photos(path)
    assert len(photos) == COUNT
    assert all(photo.dtype == np.uint8 and photo.ndim == 3 for photo in photos)


def test_of_a_sequence_as_far_as_there_are_pictures(tmp_path: Path) -> None:
    folder = write_photos(tmp_path / "shot", 5)
    assert len(clip_photos(folder)) == 5
    assert len(clip_photos(folder, clip=ClipOptions(frames="1-3"))) == 3


def test_large_pictures_are_made_smaller(tmp_path: Path) -> None:
    (tmp_path / "shot").mkdir()
    write_image(tmp_path / "shot" / "0001.png", toy_photo(900, 500))
    assert clip_photos(tmp_path / "shot")[0].shape[1] == SIDE


def test_of_a_stream_that_has_not_begun() -> None:
    assert len(sample_photos()) == COUNT
