"""What visitors may bring."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from browsing import huge_png
from clips import Sound, write_clip
from toys import toy_photo

from vidstyle.errors import InputError, OptionError
from vidstyle.image import write_image
from vidstyle.options import ReadOptions, WebOptions
from vidstyle.video.stills import frame_at
from vidstyle.web.uploads import check_length, open_clip, open_picture

LIMITS = WebOptions(max_minutes=0.5, max_megapixels=0.01)


def test_clips_with_too_many_pixels_are_refused(tmp_path: Path) -> None:
    small = write_clip(tmp_path / "small.mp4", ticks=(0, 1), size=(96, 96))
    large = write_clip(tmp_path / "large.mp4", ticks=(0, 1), size=(128, 96))
    assert open_clip(small, "small.mp4", LIMITS).info.width == 96
    with pytest.raises(InputError, match=r"128×96 pixels are too many; .* 0\.01 megapixels"):
        open_clip(large, "large.mp4", LIMITS)


def test_what_is_painted_of_a_clip_is_short_enough(tmp_path: Path) -> None:
    clip = open_clip(write_clip(tmp_path / "c.mp4", ticks=tuple(range(24 * 40))), "c.mp4", LIMITS)
    assert clip.seconds == pytest.approx(40, abs=0.1)
    for read in (ReadOptions(start=15), ReadOptions(end=29), ReadOptions(start=30, end=99)):
        check_length(clip, read, LIMITS)
    for read in (ReadOptions(), ReadOptions(start=5), ReadOptions(end=35)):
        with pytest.raises(OptionError, match=r"minutes are too long; .* choose start and end"):
            check_length(clip, read, LIMITS)


def test_every_frame_that_the_slider_reaches_can_be_drawn(tmp_path: Path) -> None:
    for rate, frames in ((24, 1), (24, 2), (5, 7)):
        path = tmp_path / f"{rate}_{frames}.mp4"
        write_clip(path, ticks=tuple(range(0, 24 // rate * frames, 24 // rate)), rate=rate)
        clip = open_clip(path, path.name, LIMITS)
        assert frame_at(path, clip.last_frame).shape == (48, 64, 3)


def test_after_the_last_frame_the_last_is_shown(tmp_path: Path) -> None:
    source = tmp_path / "long_sound.mkv"
    write_clip(source, ticks=tuple(range(12)), image=grey, sounds=[Sound(seconds=3)])
    for seconds, index in ((0.0, 0), (0.25, 6), (0.5, 11), (2.9, 11), (1000.0, 11)):
        assert frame_at(source, seconds).mean() == pytest.approx(20 * index, abs=3)


def grey(index: int, width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), 20 * index, np.uint8)


def test_a_picture_is_judged_by_its_header(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="20000×10000"):
        open_picture(huge_png(tmp_path / "huge.png"), LIMITS)
    write_image(tmp_path / "large.png", toy_photo(128, 96))
    with pytest.raises(InputError, match="128×96"):
        open_picture(tmp_path / "large.png", LIMITS)
    write_image(tmp_path / "small.png", photo := toy_photo(96, 96))
    assert (open_picture(tmp_path / "small.png", LIMITS) == photo).all()
    (tmp_path / "letter.png").write_text("hello")
    with pytest.raises(InputError, match="not a picture"):
        open_picture(tmp_path / "letter.png", LIMITS)
