"""VideoReader: upright pictures, true colours, exact times, and bad input told apart."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame
from clips import (
    Recipe,
    Sound,
    corners,
    frame_times,
    number_of,
    numbered,
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


@pytest.mark.parametrize(
    "name",
    ["a.jpg", "a.jpeg", "a.png", "a.webp", "a.bmp", "a.tif", "a.jp2", "a.avif", "a.gif", "a"],
)
@pytest.mark.parametrize("size", [(48, 64), (360, 480)])
def test_stills_are_for_another_command(tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    path = tmp_path / name
    suffix = path.suffix or ".jpg"
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    try:
        path.write_bytes(cv2.imencode(suffix, noise)[1].tobytes())
    except cv2.error:
        pytest.skip(f"OpenCV writes no {suffix} here")
    with pytest.raises(InputError, match=r"is a still picture.*vidstyle image"):
        VideoReader(path)


@pytest.mark.parametrize("suffix", [".gif", ".png"])
def test_animated_pictures_are_videos(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    codec, pix_fmt = ("gif", "rgb8") if suffix == ".gif" else ("apng", "rgb24")
    clip = write_clip(
        tmp_path / "a.apng" if codec == "apng" else path,
        codec=codec, pix_fmt=pix_fmt, rate=25, ticks=range(5), time_base=Fraction(1, 25),
    )  # fmt: skip
    assert numbers(read(clip.rename(path))) == list(range(5))


def test_animated_webp_says_what_to_do(tmp_path: Path) -> None:
    animation = cv2.Animation()
    animation.frames = [numbered(index) for index in range(3)]
    animation.durations = [40, 40, 40]
    path = tmp_path / "a.webp"
    assert cv2.imwriteanimation(str(path), animation)
    with pytest.raises(InputError, match=r"animated WebP.*convert it"):
        VideoReader(path)


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
