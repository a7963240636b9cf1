"""Windows of clips, and their even times, whatever a container says of times."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
from clips import number_of, write_clip
from video.test_decode import numbers, read

from vidstyle.video import VideoReader

REORDERED = {"bf": "2", "g": "12"}
HEVC = {"x265-params": "bframes=2:keyint=12:log-level=none"}
EVERYWHERE = [
    *((suffix, "libx264", REORDERED) for suffix in (".ts", ".avi", ".mxf", ".nut", ".flv")),
    *((suffix, "libx264", REORDERED) for suffix in (".h264", ".mpg")),
    *((suffix, "libx265", HEVC) for suffix in (".ts", ".hevc")),
    *((suffix, "mpeg2video", REORDERED) for suffix in (".ts", ".m2ts", ".mpg", ".vob")),
    *((suffix, "mpeg2video", REORDERED) for suffix in (".mxf", ".avi", ".m2v")),
    *((suffix, "mpeg4", REORDERED) for suffix in (".ts", ".avi", ".m4v")),
    (".wmv", "wmv2", {"g": "12"}),
    (".ogg", "libvpx", {"g": "12"}),
    (".mjpeg", "mjpeg", {}),
]


@pytest.mark.parametrize(("suffix", "codec", "options"), EVERYWHERE)
def test_windows_in_every_container(
    tmp_path: Path, suffix: str, codec: str, options: dict[str, str]
) -> None:
    """Frames are evenly spaced, and a window holds what a reading of the whole has there."""
    clip = write_clip(
        tmp_path / f"a{suffix}",
        ticks=range(60),
        rate=25,
        time_base=Fraction(1, 25),
        codec=codec,
        pix_fmt="yuvj420p" if codec == "mjpeg" else "yuv420p",
        options=options,
    )
    with VideoReader(clip) as reader:
        frames = list(reader)
        assert (reader.warnings, reader.notices) == ([], [])
    assert numbers(frames) == list(range(60))
    times = [frame.pts * frame.time_base for frame in frames]
    assert all(abs(b - a - Fraction(1, 25)) <= Fraction(1, 1000) for a, b in pairwise(times))
    for start in (0.1, 0.5, 1.3):
        later = read(clip, start=start)
        assert numbers(later) == list(range(math.ceil(start * 25), 60))
        assert [frame.pts for frame in later] == [frame.pts for frame in frames[-len(later) :]]


@pytest.mark.parametrize("suffix", [".mov", ".flv"])
def test_a_file_that_says_when_to_decode_only(tmp_path: Path, suffix: str) -> None:
    good = write_clip(tmp_path / "a.mp4", ticks=range(48), options=REORDERED)
    path = tmp_path / f"b{suffix}"
    with av.open(str(good)) as source, av.open(str(path), "w") as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        for index, packet in enumerate(packets):
            packet.pts = packet.dts = round(index / (24 * packet.time_base))
            packet.stream = stream
            output.mux(packet)
    frames = read(path)
    assert numbers(frames) == list(range(48))
    gaps = {b.pts - a.pts for a, b in pairwise(frames)}
    assert max(gaps) - min(gaps) <= 1
    assert numbers(read(path, start=0.75)) == list(range(18, 48))


def test_lost_frames_do_not_move_those_after_them(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.avi", ticks=range(60), options={"bf": "2", "g": "12"})
    with av.open(str(clip)) as source:
        packets = [packet for packet in source.demux(video=0) if packet.size]
    content = bytearray(clip.read_bytes())
    for packet in packets[14:17]:
        place = content.index(bytes(packet))
        content[place : place + packet.size] = b"\xff" * packet.size
    clip.write_bytes(content)
    with VideoReader(clip) as reader:
        frames = list(reader)
        assert reader.warnings
    assert all(frame.pts == number_of(frame.image) for frame in frames[-24:])
