"""VideoReader: upright pictures, true colours, exact times, and bad input told apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from clips import (
    Recipe,
    Sound,
    corners,
    frame_times,
    number_of,
    write_audio,
    write_clip,
)

from vidstyle.errors import InputError, OptionError
from vidstyle.frame import Frame
from vidstyle.video import ReadOptions, VideoReader
from vidstyle.video.decoder import SourceDecoder

VFR_TICKS = (0, 40, 120, 130, 300, 310, 500, 505)
FASTSTART = {"movflags": "+faststart"}


def read(path: Path, **options: object) -> list[Frame]:
    with VideoReader(path, ReadOptions(**options)) as reader:  # type: ignore[arg-type]
        return list(reader)


def numbers(frames: list[Frame]) -> list[int]:
    return [number_of(frame.image) for frame in frames]


# -- frames and their times -----------------------------------------------------------------


def test_frames_come_in_order_with_their_times(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4")
    frames = read(clip)
    assert numbers(frames) == list(range(24))
    assert [frame.pts * frame.time_base for frame in frames] == [Fraction(i, 24) for i in range(24)]
    assert {frame.duration * frame.time_base for frame in frames} == {Fraction(1, 24)}
    assert all(frame.image.flags.c_contiguous for frame in frames)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_variable_rate(tmp_path: Path, suffix: str) -> None:
    clip = write_clip(
        tmp_path / f"vfr{suffix}",
        ticks=VFR_TICKS,
        time_base=Fraction(1, 600 if suffix != ".mkv" else 1000),
        last_duration=100,
    )
    frames = read(clip)
    unit = Fraction(1, 600 if suffix != ".mkv" else 1000)
    assert [frame.pts * frame.time_base for frame in frames] == [t * unit for t in VFR_TICKS]
    gaps = [b - a for a, b in pairwise(VFR_TICKS)]
    assert [frame.duration * frame.time_base for frame in frames[:-1]] == [g * unit for g in gaps]


def test_info_tells_what_comes(tmp_path: Path) -> None:
    clip = write_clip(
        tmp_path / "a.mp4", metadata={"title": "Harbour"}, aspect=Fraction(4, 3), size=(64, 48)
    )
    with VideoReader(clip) as reader:
        info = reader.info
    assert (info.width, info.height) == (64, 48)
    assert info.average_rate == 24
    assert info.frames == 24
    assert info.duration == pytest.approx(1.0)
    assert info.sample_aspect_ratio == Fraction(4, 3)
    assert info.metadata["title"] == "Harbour"
    assert "major_brand" not in info.metadata
    assert (info.codec, info.pix_fmt, info.rotation) == ("h264", "yuv420p", 0)


def test_a_reader_iterates_once(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4")
    with VideoReader(clip) as reader:
        list(reader)
        with pytest.raises(RuntimeError, match="once"):
            iter(reader)


def test_cover_pictures_are_not_video(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", cover=True)
    assert numbers(read(clip)) == list(range(24))


# -- windows --------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [(0.5, None, 12, 23), (None, 0.5, 0, 11), (0.25, 0.75, 6, 17), (0.0, 99.0, 0, 23)],
)
def test_windows(
    tmp_path: Path, suffix: str, start: float | None, end: float | None, first: int, last: int
) -> None:
    clip = write_clip(tmp_path / f"a{suffix}", options={"g": "5", "bf": "2"})
    frames = read(clip, start=start, end=end)
    assert numbers(frames) == list(range(first, last + 1))
    # They keep the times they have in the file.
    assert float(frames[0].pts * frames[0].time_base) == pytest.approx(first / 24, abs=5e-4)


def test_windows_count_from_the_first_frame(tmp_path: Path) -> None:
    ticks = tuple(range(48, 72))
    clip = write_clip(tmp_path / "late.mkv", ticks=ticks)
    assert numbers(read(clip, start=0.5, end=0.75)) == list(range(12, 18))


def test_window_estimates(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4")
    with VideoReader(clip, ReadOptions(start=0.25, end=0.75)) as reader:
        assert reader.info.frames == 12
        assert reader.info.duration == pytest.approx(0.5)
        assert len(list(reader)) == 12


def test_start_beyond_the_end(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4")
    with pytest.raises(OptionError, match="beyond the end"):
        VideoReader(clip, ReadOptions(start=2.0))


@pytest.mark.parametrize(
    "options",
    [
        {"start": -1},
        {"start": 2, "end": 1},
        {"start": 1, "end": 1},
        {"end": 0},
        {"end": float("nan")},
        {"max_side": 100, "scale": 0.5},
        {"max_side": 0},
        {"scale": 0},
        {"scale": -1},
    ],
)
def test_senseless_options(options: dict[str, float]) -> None:
    with pytest.raises(OptionError):
        ReadOptions(**options)  # type: ignore[arg-type]


# -- size and orientation -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({}, (161, 121)),
        ({"max_side": 80}, (80, 60)),
        ({"max_side": 500}, (161, 121)),
        ({"scale": 0.5}, (80, 60)),
        ({"scale": 2.0}, (322, 242)),
    ],
)
def test_working_size(tmp_path: Path, options: dict[str, float], size: tuple[int, int]) -> None:
    clip = write_clip(tmp_path / "a.mp4", size=(161, 121), pix_fmt="yuv444p")
    with VideoReader(clip, ReadOptions(**options)) as reader:  # type: ignore[arg-type]
        assert (reader.info.width, reader.info.height) == size
        frames = list(reader)
    assert {frame.image.shape for frame in frames} == {(size[1], size[0], 3)}
    assert numbers(frames) == list(range(24))


@pytest.mark.parametrize("hflip", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
def test_upright(tmp_path: Path, rotation: int, hflip: bool) -> None:
    clip = write_clip(
        tmp_path / "a.mp4",
        ticks=(0, 1),
        image=lambda index, width, height: corners(width, height),
        pix_fmt="yuv444p",
        rotation=rotation,
        hflip=hflip,
        aspect=Fraction(3, 2),
    )
    expected = np.rot90(corners(), rotation // 90)
    if hflip:
        expected = expected[:, ::-1]
    with VideoReader(clip) as reader:
        info, frame = reader.info, next(iter(reader))
    assert (info.height, info.width) == expected.shape[:2] == frame.image.shape[:2]
    assert np.abs(frame.image.astype(int) - expected).mean() < 4
    turned = rotation % 180 != 0
    assert info.sample_aspect_ratio == (Fraction(2, 3) if turned else Fraction(3, 2))
    if not hflip:
        assert info.rotation == rotation


# -- colour ---------------------------------------------------------------------------------

COLORS = [
    (16, 16, 16),
    (128, 128, 128),
    (235, 235, 235),
    (220, 40, 40),
    (40, 200, 60),
    (50, 60, 210),
]


def patches(index: int, width: int, height: int) -> np.ndarray:
    del index
    image = np.zeros((height, width, 3), np.uint8)
    for number, color in enumerate(COLORS):
        image[:, number * width // len(COLORS) : (number + 1) * width // len(COLORS)] = color
    return image


@pytest.mark.parametrize(
    ("size", "color", "pix_fmt", "expected"),
    [
        ((96, 64), (1, 1, 1, 1), "yuv420p", (1, 1, 1, 1)),
        ((96, 64), (1, 6, 6, 6), "yuv420p", (1, 6, 6, 6)),
        ((96, 64), (2, 1, 1, 1), "yuv420p", (2, 1, 1, 1)),
        ((96, 64), (2, 5, 6, 6), "yuv420p", (2, 5, 6, 6)),
        ((96, 64), (1, 9, 9, 14), "yuv420p10le", (1, 9, 9, 14)),
        ((96, 64), (0, 2, 2, 2), "yuv420p", (0, 2, 2, 2)),
    ],
)
def test_colours_are_read_by_their_tags(
    tmp_path: Path,
    size: tuple[int, int],
    color: tuple[int, int, int, int],
    pix_fmt: str,
    expected: tuple[int, int, int, int],
) -> None:
    clip = write_clip(
        tmp_path / "a.mkv",
        ticks=(0, 1),
        size=size,
        color=color,
        pix_fmt=pix_fmt,
        image=patches,
        options={"qp": "1"},
    )
    with VideoReader(clip) as reader:
        tags = reader.info.color
        image = next(iter(reader)).image
    assert (tags.color_range, tags.colorspace, tags.color_primaries, tags.color_trc) == expected
    for number, rgb in enumerate(COLORS):
        pixel = image[32, int((number + 0.5) * 96 / len(COLORS))].astype(int)
        assert np.abs(pixel - rgb).max() <= 4, (rgb, pixel)


def test_untagged_hd_is_bt709(tmp_path: Path) -> None:
    def hd(index: int, width: int, height: int) -> np.ndarray:
        return np.full((height, width, 3), (220, 40, 40), np.uint8)

    # Written with BT.709's matrix but without saying so: lossless, not to lose the tags' test.
    recipe = Recipe(ticks=(0,), size=(1280, 720), color=(1, 1, 2, 2), image=hd)
    tagged = write_clip(tmp_path / "tagged.mp4", recipe)
    untagged = tmp_path / "untagged.mkv"
    strip_tags(tagged, untagged)
    with VideoReader(untagged, ReadOptions(max_side=320)) as reader:
        assert reader.info.color.colorspace == 1
        assert reader.info.color.color_primaries == 1
        assert reader.info.color.color_trc == 1
        pixel = next(iter(reader)).image[50, 50].astype(int)
    assert np.abs(pixel - (220, 40, 40)).max() <= 4


def strip_tags(source: Path, target: Path) -> None:
    """Re-encode without any conversion, leaving the colour unspecified."""
    with av.open(str(source)) as reader, av.open(str(target), "w") as writer:
        stream = writer.add_stream("ffv1", 24)
        stream.codec_context.width, stream.codec_context.height = 1280, 720
        stream.codec_context.pix_fmt = "yuv420p"
        for frame in reader.decode(video=0):
            frame.colorspace = frame.color_primaries = frame.color_trc = 2
            frame.color_range = 0
            writer.mux(stream.encode(frame))
        writer.mux(stream.encode(None))


# -- bad input ------------------------------------------------------------------------------


def bad(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / "bad.mp4"
    if kind == "directory":
        path.mkdir()
    elif kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("Dear diary,\nthis is not a video.\n" * 50)
    elif kind == "noise":
        path.write_bytes(np.random.default_rng(0).integers(0, 255, 5000, np.uint8).tobytes())
    elif kind == "sound":
        write_audio(path, Sound())
    elif kind in ("no index", "cut index"):
        content = write_clip(tmp_path / "good.mp4").read_bytes()
        path.write_bytes(content[: content.index(b"moov") + (-4 if kind == "no index" else 200)])
    elif kind == "playlist":
        path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n")
    elif kind == "script":
        path.write_text("ffconcat version 1.0\nfile good.mp4\n")
    return path


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", "no such file"),
        ("directory", "directory"),
        ("empty", "empty"),
        ("text", "not a video"),
        ("noise", "not a video"),
        ("sound", "only sound"),
        ("no index", "truncated"),
        ("cut index", "truncated"),
        ("playlist", "not a video|playlist"),
        ("script", "not a video|playlist"),
    ],
)
def test_bad_input_is_one_clear_line(tmp_path: Path, kind: str, reason: str) -> None:
    path = bad(tmp_path, kind)
    with pytest.raises(InputError) as caught:
        VideoReader(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert re.search(reason, message), message
    assert "\n" not in message


def test_text_file_with_its_own_name(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("FFmpeg would draw this as ANSI art.\n" * 20)
    with pytest.raises(InputError, match="not a video"):
        VideoReader(path)


def test_awkward_names(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4").rename(tmp_path / "http:--x %d é.mp4")
    assert len(read(path)) == 24


# -- damage ---------------------------------------------------------------------------------

LONG = Recipe(ticks=tuple(range(96)), options={"g": "12"}, sounds=(Sound(seconds=4),))


def truncated(tmp_path: Path, suffix: str) -> Path:
    options = FASTSTART if suffix == ".mp4" else {}
    whole = write_clip(
        tmp_path / f"whole{suffix}",
        ticks=LONG.ticks,
        options=LONG.options,
        sounds=LONG.sounds,
        container_options=options,
    )
    content = whole.read_bytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(content[: int(len(content) * 0.6)])
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_truncated_files_give_what_decodes(tmp_path: Path, suffix: str) -> None:
    with VideoReader(truncated(tmp_path, suffix)) as reader:
        frames = list(reader)
        assert 24 <= len(frames) < 96
        assert numbers(frames[:-2]) == list(range(len(frames) - 2))
        assert any(
            re.fullmatch(r"truncated: \d\.\d s of 4\.0 s could be read", warning)
            for warning in reader.warnings
        ), reader.warnings


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_truncated_files_fail_if_strict(tmp_path: Path, suffix: str) -> None:
    path = truncated(tmp_path, suffix)
    with pytest.raises(InputError, match=re.escape(str(path))):
        read(path, strict=True)


def test_a_last_frame_that_claims_to_last_for_years_lasts_as_long_as_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_clip(tmp_path / "a.mkv", Recipe(ticks=tuple(range(6))))
    frames = SourceDecoder.frames

    def claimed(self: SourceDecoder) -> Iterator[VideoFrame]:
        for frame in frames(self):
            frame.duration = 2**40
            yield frame

    monkeypatch.setattr(SourceDecoder, "frames", claimed)
    with VideoReader(source) as reader:
        durations = {frame.duration for frame in reader}
    assert max(durations) <= 2 * min(durations)


def test_the_window_before_the_damage_is_whole(tmp_path: Path) -> None:
    with VideoReader(truncated(tmp_path, ".mp4"), ReadOptions(end=0.5, strict=True)) as reader:
        assert len(list(reader)) == 12
        assert reader.warnings == []


def damaged(tmp_path: Path) -> Path:
    path = write_clip(tmp_path / "a.mkv", ticks=LONG.ticks, options={"g": "12", "bf": "0"})
    with av.open(str(path)) as source:
        packets = [p for p in source.demux(video=0) if p.size]
    content = bytearray(path.read_bytes())
    for packet in packets[40:44]:
        payload = content.index(bytes(packet))
        content[payload + 4 : payload + packet.size] = b"\xff" * (packet.size - 4)
    path.write_bytes(content)
    return path


def test_damage_in_the_middle_is_passed(tmp_path: Path) -> None:
    with VideoReader(damaged(tmp_path)) as reader:
        frames = list(reader)
        assert number_of(frames[0].image) == 0
        assert number_of(frames[-1].image) == 95
        assert len(frames) > 70
        assert any("damaged" in warning for warning in reader.warnings), reader.warnings


def test_damage_in_the_middle_fails_if_strict(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="damaged"):
        read(damaged(tmp_path), strict=True)


def test_a_whole_file_has_no_warnings(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mkv", sounds=(Sound(seconds=2.5),))
    with VideoReader(clip, ReadOptions(strict=True)) as reader:
        assert len(list(reader)) == len(frame_times(clip)) == 24
        assert reader.warnings == []
