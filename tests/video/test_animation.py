"""Animated GIF and PNG, and raw streams: what they show and at what pace, read with PyAV alone."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import Sound, frame_times, images, number_of, write_clip

from vidstyle.errors import OutputError
from vidstyle.video import ResumableWriter, VideoReader, VideoWriter, WriteOptions, plan_output


def gradient(index: int, width: int, height: int) -> np.ndarray:
    """Colours that change slowly from side to side, and a little with time."""
    x, y = np.meshgrid(np.linspace(60, 190, width), np.linspace(60, 190, height))
    return np.stack([x, y, np.full_like(x, 100 + index)], axis=2).astype(np.uint8)


def source_of(path: Path, rate: int | Fraction = 25, count: int = 12, **more: object) -> Path:
    time_base = 1 / Fraction(rate)
    changes = {"time_base": time_base, "rate": rate, "sounds": [Sound(seconds=0.4)], **more}
    return write_clip(path, ticks=range(count), **changes)


def convert(
    source: Path, target: Path, resumable: bool = False, codec: str | None = None
) -> list[str]:
    with VideoReader(source) as reader:
        options = WriteOptions(effort="draft", codec=codec)
        plan = plan_output(target, reader.info, source=source, options=options)
        with ResumableWriter(plan, {}) if resumable else VideoWriter(plan) as writer:
            for frame in reader:
                writer.write(frame)
    return list(writer.notices)


@pytest.mark.parametrize("resumable", [False, True])
@pytest.mark.parametrize("suffix", [".gif", ".apng"])
def test_an_animation_shows_the_clip_and_names_its_sound(
    tmp_path: Path, suffix: str, resumable: bool
) -> None:
    source = source_of(tmp_path / "in.mkv")
    target = tmp_path / f"out{suffix}"
    notices = convert(source, target, resumable)
    assert [number_of(image) for image in images(target)] == list(range(12))
    assert frame_times(target) == [Fraction(index, 25) for index in range(12)]
    assert notices == [f"not carried into {suffix[1:]}: audio stream 1 (aac)"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mkv", target.name]


def test_a_gif_has_the_colours_of_its_clip(tmp_path: Path) -> None:
    source = source_of(tmp_path / "in.mkv", image=gradient, options={"crf": "5"})
    convert(source, tmp_path / "out.gif")
    for got, want in zip(images(tmp_path / "out.gif"), images(source), strict=True):
        differences = got.astype(float) - want
        assert np.abs(differences.mean(axis=(0, 1))).max() < 6  # dithering is right on average
        assert np.sqrt((differences**2).mean()) < 10


def test_a_gif_repeats_for_ever(tmp_path: Path) -> None:
    convert(source_of(tmp_path / "in.mkv"), tmp_path / "out.gif")
    content = (tmp_path / "out.gif").read_bytes()
    place = content.index(b"NETSCAPE2.0")
    assert content[place + 11 : place + 16] == b"\x03\x01\x00\x00\x00"


def test_a_gif_has_no_more_frames_than_players_show(tmp_path: Path) -> None:
    notices = convert(source_of(tmp_path / "in.mkv", 100, 20), tmp_path / "out.gif")
    assert frame_times(tmp_path / "out.gif") == [Fraction(index, 50) for index in range(10)]
    assert any("50 a second" in notice for notice in notices)


def test_an_animation_has_one_codec(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"\.gif cannot hold libx264; leave out --codec"):
        convert(source_of(tmp_path / "in.mkv"), tmp_path / "out.gif", codec="libx264")


@pytest.mark.parametrize("rate", [30, Fraction(30_000, 1001)])
@pytest.mark.parametrize("suffix", [".y4m", ".h264", ".hevc", ".ivf", ".mjpeg", ".m2v"])
def test_raw_streams_run_at_the_clips_own_rate(
    tmp_path: Path, suffix: str, rate: int | Fraction
) -> None:
    target = tmp_path / f"out{suffix}"
    convert(source_of(tmp_path / "in.mkv", rate), target)
    assert [number_of(image) for image in images(target)] == list(range(12))
    with av.open(str(target)) as result:
        told = result.streams.video[0].guessed_rate
    if suffix != ".mjpeg":  # which tells none
        assert told == pytest.approx(rate, rel=1e-3)


@pytest.mark.parametrize("codec", ["mpeg4", "mpeg2video", "mpeg1video", "mjpeg"])
@pytest.mark.parametrize("rate", [25, 15, Fraction(24_000, 1001)])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_encoders_with_clocks_of_their_own(
    tmp_path: Path, suffix: str, rate: int | Fraction, codec: str
) -> None:
    source = source_of(tmp_path / "in.ts", rate, codec="mpeg2video" if rate != 15 else "libx264")
    target = tmp_path / f"out{suffix}"
    convert(source, target, codec=codec)
    assert [number_of(image) for image in images(target)] == list(range(12))
    got, want = frame_times(target), frame_times(source)
    for time, before in zip(got, want, strict=True):
        assert abs((time - got[0]) - (before - want[0])) <= Fraction(1, 500)
