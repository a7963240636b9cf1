"""What a video is encoded with: chosen, or refused, before anything is written."""

from __future__ import annotations

import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vidstyle.errors import OutputError
from vidstyle.frame import Frame, VideoInfo
from vidstyle.video import VideoWriter, WriteOptions, plan_output
from vidstyle.video.encoders import Encoding
from vidstyle.video.probe import encoder_opens

INFO = VideoInfo(64, 48, Fraction(1, 24), Fraction(24), 24, 1.0, "h264", "yuv420p")


def encoding(path: Path, info: Any = INFO, **options: Any) -> Encoding:
    return plan_output(path, info, options=WriteOptions(**options)).encoding


def test_planning_writes_nothing(tmp_path: Path) -> None:
    plan = plan_output(tmp_path / "out.mp4", INFO, size=(33, 17))
    assert list(tmp_path.iterdir()) == []
    assert (plan.encoding.size, plan.encoding.padded_size) == ((33, 17), (34, 18))
    assert plan.encoding.notices == (
        "size 33×17 padded to 34×18, because yuv420p needs even sizes",
    )


@pytest.mark.parametrize(
    ("suffix", "bits", "codec", "pix_fmt"),
    [
        (".mp4", 8, "libx264", "yuv420p"),
        (".mp4", 10, "libx265", "yuv420p10le"),
        (".webm", 8, "libvpx-vp9", "yuv420p"),
        (".webm", 10, "libsvtav1", "yuv420p10le"),
        (".avi", 10, "libx264", "yuv420p10le"),
    ],
)
def test_what_suits_the_container(
    tmp_path: Path, suffix: str, bits: int, codec: str, pix_fmt: str
) -> None:
    info = replace(INFO, bit_depth=bits, pix_fmt="yuv420p10le" if bits == 10 else "yuv420p")
    chosen = encoding(tmp_path / f"out{suffix}", info)
    assert (chosen.codec, chosen.pix_fmt, chosen.deep) == (codec, pix_fmt, bits == 10)


def test_effort_sets_the_preset_and_a_given_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    assert encoding(path, effort="fine").options["preset"] == "slow"
    assert encoding(path, effort="fine", preset="medium").options["preset"] == "medium"
    assert encoding(path, crf=30).options["crf"] == "30"


def test_pixels_are_squared_where_the_file_could_not_tell_their_aspect(tmp_path: Path) -> None:
    info = replace(INFO, sample_aspect_ratio=Fraction(3, 2))
    assert encoding(tmp_path / "out.mp4", info).aspect == Fraction(3, 2)
    squared = encoding(tmp_path / "out.webm", info)
    assert (squared.aspect, squared.coded_size) == (1, (96, 48))


def test_an_encoder_that_cannot_be_opened_is_known_without_a_file(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"out\.mp4: the encoder libx264 .*preset nonsense"):
        encoding(tmp_path / "out.mp4", preset="nonsense")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="scheduling is not told here")
@pytest.mark.parametrize("codec", ["libsvtav1", "libx264"])
def test_no_encoder_changes_the_priority_of_its_thread(tmp_path: Path, codec: str) -> None:
    before = os.sched_getscheduler(0)
    assert encoder_opens(codec)
    assert os.sched_getscheduler(0) == before
    with VideoWriter(
        plan_output(tmp_path / "out.mkv", INFO, options=WriteOptions(codec))
    ) as writer:
        writer.write(Frame(np.zeros((48, 64, 3), np.uint8), 0, INFO.time_base, 1))
    assert os.sched_getscheduler(0) == before
