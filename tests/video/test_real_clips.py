"""Every real clip goes through reader and writer; the results are read back with PyAV alone."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import frame_times, images, packet_times, packets

from vidstyle.video import (
    BackgroundSink,
    Prefetch,
    ReadOptions,
    VideoReader,
    VideoWriter,
    plan_output,
)
from vidstyle.video import WriteOptions as Write

pytestmark = pytest.mark.data

CLIPS = [
    "basketball.mp4",
    "bear_davis.mp4",
    "bear_odd_161x121.webm",
    "bottles_static_camera.mp4",
    "cockatoo_yuv444.mp4",
    "flower_timelapse.mp4",
    "friday_bw_speech.mp4",
    "hdr10_av1_vertical.mp4",
    "lofoten.mp4",
    "london_30i_tff.mp4",
    "london_60fps_5s.mp4",
    "man_subtitles.mkv",
    "man_talking_vertical.mp4",
    "pancake_kinetics.mkv",
    "paragliding_launch_davis.mp4",
    "phone_sideways_rot90.mov",
    "roadtrip_vp9_10bit.webm",
    "rollercoaster_davis.mp4",
    "webcam_vfr.mov",
]
UPRIGHT = {"phone_sideways_rot90.mov": (480, 640), "hdr10_av1_vertical.mp4": (720, 1280)}
WITH_SOUND = {
    "cockatoo_yuv444.mp4", "flower_timelapse.mp4", "friday_bw_speech.mp4",
    "hdr10_av1_vertical.mp4", "lofoten.mp4", "london_30i_tff.mp4", "london_60fps_5s.mp4",
    "man_subtitles.mkv", "pancake_kinetics.mkv", "phone_sideways_rot90.mov", "webcam_vfr.mov",
}  # fmt: skip


def through(
    source: Path,
    target: Path,
    start: float | None = None,
    end: float | None = None,
    **options: Any,
) -> None:
    """Read small and write, overlapped as the pipeline does it."""
    window = ReadOptions(start=start, end=end, max_side=160, strict=True)
    with (
        VideoReader(source, window) as reader,
        VideoWriter(plan_output(
            target, reader.info, source=source, start=start, end=end,
            options=Write(preset="ultrafast", **options))) as writer,
        BackgroundSink(writer.write) as sink,
        Prefetch(reader) as frames,
    ):  # fmt: skip
        for frame in frames:
            sink.put(frame)
    assert reader.warnings == []


def frame_gap(path: Path) -> Fraction:
    times = frame_times(path)
    return max(b - a for a, b in pairwise(times))


def total(path: Path) -> Fraction:
    """When everything is over, in seconds; Matroska counts its duration from zero."""
    with av.open(str(path)) as source:
        assert source.duration is not None
        begin = 0 if "matroska" in source.format.name else source.start_time
        return Fraction(begin + source.duration, av.time_base)


@pytest.mark.parametrize("name", CLIPS)
def test_whole_clip(data: Path, tmp_path: Path, name: str) -> None:
    source, target = data / "clips" / name, tmp_path / "out.mp4"
    through(source, target)
    assert frame_times(target) == frame_times(source)
    assert abs(total(target) - total(source)) <= frame_gap(source)
    with av.open(str(source)) as before, av.open(str(target)) as after:
        assert len(after.streams.audio) == len(before.streams.audio) == (name in WITH_SOUND)
        sources = zip(after.streams.audio, before.streams.audio, strict=True)
        rates = [Fraction(1, new.codec_context.sample_rate) for new, _ in sources]
    for index, sample in enumerate(rates):
        assert packets(target, index=index) == packets(source, index=index)
        for got, want in zip(
            packet_times(target, index=index), packet_times(source, index=index), strict=True
        ):
            assert abs(got - want) <= sample


@pytest.mark.parametrize("name", CLIPS)
def test_window_of_clip(data: Path, tmp_path: Path, name: str) -> None:
    source, target = data / "clips" / name, tmp_path / "out.mp4"
    through(source, target, 0.3, 0.8)
    times = frame_times(source)
    inside = [time for time in times if Fraction(3, 10) <= time - times[0] < Fraction(4, 5)]
    assert frame_times(target) == [time - inside[0] for time in inside]
    if name in WITH_SOUND:
        sound = packet_times(target)
        assert -0.001 <= sound[0] < 0.15
        end = inside[-1] - inside[0] + frame_gap(source)
        assert end - Fraction(1, 4) < sound[-1] < end


@pytest.mark.parametrize("name", CLIPS)
def test_info_of_clip(data: Path, name: str) -> None:
    with VideoReader(data / "clips" / name) as reader:
        info, frame = reader.info, next(iter(reader))
    assert (info.height, info.width) == frame.image.shape[:2]
    if name in UPRIGHT:
        assert (info.width, info.height) == UPRIGHT[name]
    times = frame_times(data / "clips" / name)
    assert info.frames is not None
    assert abs(info.frames - len(times)) <= 2
    assert info.duration is not None
    assert abs(info.duration - float(times[-1] - times[0])) < 0.2


def test_the_phone_clip_is_turned_the_right_way(data: Path) -> None:
    path = data / "clips" / "phone_sideways_rot90.mov"
    with VideoReader(path) as reader:
        frame = next(iter(reader))
        assert reader.info.rotation == -90
    coded = images(path)[0].astype(int)
    assert np.abs(frame.image - np.rot90(coded, -1)).mean() < 3


def test_full_range_stays_grey_where_it_is(data: Path) -> None:
    with VideoReader(data / "clips" / "london_60fps_5s.mp4") as reader:
        assert reader.info.color.color_range == 2


def test_hdr_tags_survive(data: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    through(data / "clips" / "hdr10_av1_vertical.mp4", target, 0, 0.5, hdr="keep")
    with av.open(str(target)) as result:
        context = result.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc) == (9, 9, 16)


def test_ass_subtitles_survive_in_matroska(data: Path, tmp_path: Path) -> None:
    source, target = data / "clips" / "man_subtitles.mkv", tmp_path / "out.mkv"
    through(source, target)
    assert packets(target, "subtitles") == packets(source, "subtitles") != []
    assert frame_times(target) == frame_times(source)
