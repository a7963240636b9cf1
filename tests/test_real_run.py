"""The whole way, decode to encode with the network between, over every real clip."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from clips import frame_times, images, packets

from vidstyle import ReadOptions, WriteOptions, stylize_video

SAMPLE = Path(__file__).parents[1] / "samples" / "harbour.mp4"

pytestmark = pytest.mark.slow


@pytest.mark.data
def test_every_clip_goes_through(data: Path, tmp_path: Path) -> None:
    clips = sorted(p for p in (data / "clips").iterdir() if p.suffix in (".mp4", ".mov", ".mkv"))
    clips += sorted((data / "clips").glob("*.webm"))
    assert len(clips) == 19
    for clip in clips:
        target = tmp_path / f"{clip.stem}.mp4"
        summary = stylize_video(
            clip,
            target,
            "wave",
            read=ReadOptions(end=0.6, max_side=192, strict=True),
            write=WriteOptions(preset="ultrafast"),
        )
        times = frame_times(clip)
        inside = [t - times[0] for t in times if t - times[0] < Fraction(6, 10)]
        written = frame_times(target)
        assert [t - written[0] for t in written] == inside, clip.name
        assert summary.frames == len(inside)
        assert 160 <= max(images(target)[0].shape) <= 192  # one clip is smaller than that


@pytest.mark.data
def test_a_whole_clip_of_variable_rate_keeps_its_sound(data: Path, tmp_path: Path) -> None:
    clip, target = data / "clips" / "webcam_vfr.mov", tmp_path / "out.mp4"
    stylize_video(clip, target, "scream", read=ReadOptions(max_side=160))
    times = frame_times(clip)
    assert frame_times(target) == times
    assert len({b - a for a, b in pairwise(times)}) > 2
    assert packets(target) == packets(clip)


def test_the_sample_becomes_a_painting(tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    stylize_video(SAMPLE, target, "scream", read=ReadOptions(end=0.5, max_side=480))
    before, after = images(SAMPLE)[6], images(target)[6]
    assert after.shape == (270, 480, 3)
    # The Scream's sky is orange where the harbour's is violet.
    assert after[:60].mean(axis=(0, 1))[2] < before[:120].mean(axis=(0, 1))[2] - 20
    borders = np.concatenate([after[:8].reshape(-1, 3), after[-8:].reshape(-1, 3)])
    assert 5 < borders.mean() < 250


@pytest.mark.skipif(not shutil.which("ffprobe"), reason="needs ffprobe")
def test_ffprobe_agrees(tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    stylize_video(SAMPLE, target, "udnie", read=ReadOptions(end=0.4, max_side=240))
    query = ["ffprobe", "-v", "error", "-count_frames", "-select_streams", "v:0"]
    query += ["-show_entries", "stream=codec_name,pix_fmt,color_space,nb_read_frames"]
    output = subprocess.run(
        [*query, "-of", "csv=p=0", str(target)], check=True, capture_output=True, text=True
    ).stdout
    assert output.strip() == "h264,yuv420p,bt709,10"
