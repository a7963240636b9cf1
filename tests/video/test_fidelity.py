"""What goes in comes back: kinds of video through a whole run into every container.

The run draws nothing (strength 0), so that what differs has been lost on the way. Results are read
with PyAV's demuxer and decoder alone, and pictures by formulae in float64.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition
from clips import (
    Recipe,
    Sound,
    Subtitle,
    corners,
    images,
    number_of,
    numbered,
    packet_times,
    packets,
    write_clip,
)
from toys import identity

from vidstyle.errors import OptionError, OutputError
from vidstyle.frame import ColorTags, Frame, HdrInfo, Mastering, VideoInfo
from vidstyle.pipeline.summary import Summary
from vidstyle.pipeline.video import stylize_video
from vidstyle.stylizers import FastOptions
from vidstyle.temporal.motion import TemporalOptions
from vidstyle.video import ReadOptions, VideoReader, VideoWriter, WriteOptions, plan_output
from vidstyle.video.hdr import SdrView, hlg_to_scene, nits_to_pq, pq_to_nits, scene_to_hlg
from vidstyle.video.writer import is_timecode

CONTAINERS = (
    ".mp4",
    ".mkv",
    *(pytest.param(suffix, marks=pytest.mark.slow) for suffix in (".mov", ".webm")),
)
MILLISECOND = Fraction(1, 1000)
PHOTO = FastOptions(strength=0, device="cpu", precision="fp32")


def through(source: Path, target: Path, **changes: Any) -> Summary:
    """A whole run that draws nothing."""
    read = {name: changes.pop(name) for name in list(changes) if name in READ}
    quick = {} if "codec" in changes or target.suffix == ".webm" else {"preset": "ultrafast"}
    return stylize_video(
        source,
        target,
        identity(),
        fast=PHOTO,
        temporal=TemporalOptions(temporal=0),
        read=ReadOptions(**read),
        write=WriteOptions(**{**quick, **changes}),
    )


READ = ("start", "end", "max_side", "bit_depth", "deinterlace")


def decoded_times(path: Path) -> list[Fraction]:
    """When the frames that a player shows begin, in seconds, in order."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        return [(frame.pts or 0) * stream.time_base for frame in container.decode(stream)]


def first_video(path: Path) -> Fraction:
    return decoded_times(path)[0]


def coarse(path: Path) -> Fraction:
    """How far off rounding may move a timestamp: Matroska counts milliseconds."""
    return MILLISECOND / 2 if path.suffix in (".mkv", ".webm") else Fraction(0)


# -- time, in every container ---------------------------------------------------------------


@dataclass(frozen=True)
class Timed:
    """A kind of timing: the clip, and the file it comes in."""

    name: str
    recipe: Mapping[str, Any] = field(default_factory=dict)
    suffix: str = ".mp4"


NTSC = {"time_base": Fraction(1, 30_000), "rate": Fraction(30_000, 1001), "last_duration": 1001}
TIMED = [
    Timed("constant", {"rate": 24}),
    Timed("ntsc", {**NTSC, "ticks": tuple(range(0, 20_020, 1001))}),
    Timed(
        "variable",
        {"ticks": (0, 40, 120, 130, 300, 310, 500, 505, 560, 600), "last_duration": 70,
         "time_base": Fraction(1, 600)},
    ),
    Timed(
        "variable_matroska",
        {"ticks": (0, 33, 67, 150, 151, 400), "time_base": MILLISECOND, "last_duration": 50},
        ".mkv",
    ),
    Timed("b_frames", {"options": {"bf": "3", "g": "12"}}),
    Timed("start_offset", {"ticks": tuple(range(12, 30))}),
    Timed("far_offset", {"ticks": tuple(range(2**31 + 5, 2**31 + 3 * 3000, 3000)),
                         "time_base": Fraction(1, 90_000), "last_duration": 3000, "rate": 30}),
    Timed("edit_list_hides_frames", {"ticks": tuple(range(-6, 18)), "options": {"bf": "0"}}),
    Timed("sixty", {"ticks": tuple(range(30)), "time_base": Fraction(1, 60), "rate": 60}),
    Timed("hundred_and_twenty",
          {"ticks": tuple(range(30)), "time_base": Fraction(1, 120), "rate": 120}),
    Timed("one_frame", {"ticks": (0,)}),
    Timed("one_pixel", {"ticks": (0, 1, 2), "size": (1, 1), "codec": "ffv1",
                        "pix_fmt": "yuv444p"}, ".mkv"),
]  # fmt: skip


@pytest.mark.parametrize("suffix", CONTAINERS)
@pytest.mark.parametrize("kind", TIMED, ids=lambda kind: kind.name)
def test_every_frame_keeps_its_time(tmp_path: Path, kind: Timed, suffix: str) -> None:
    sound = Sound("libopus" if suffix == ".webm" else "aac", start=0.25)
    sounds = () if kind.name.startswith(("one", "far")) else (sound,)
    name = "in.mkv" if sounds and suffix == ".webm" and kind.suffix == ".mp4" else "in"
    source = tmp_path / f"{name.split('.')[0]}{kind.suffix}"
    write_clip(source, Recipe(**{"size": (64, 48), "sounds": sounds, **kind.recipe}))
    target = tmp_path / f"out{suffix}"
    summary = through(source, target)
    # What edit lists hide is not shown, and what begins before zero moves to it.
    before, after = decoded_times(source), decoded_times(target)
    assert len(after) == len(before) == summary.frames
    for got, want in zip(after, before, strict=True):
        assert abs(got - want) <= coarse(target), (got, want)
    if "size" not in kind.recipe:
        assert [number_of(p) for p in images(target)] == [number_of(p) for p in images(source)]
    if sounds:
        assert packets(target) == packets(source)
        shifts = [
            (got - after[0]) - (want - before[0])
            for got, want in zip(packet_times(target), packet_times(source), strict=True)
        ]
        assert max(map(abs, shifts)) <= MILLISECOND


def test_equal_times_are_moved_apart_and_named(tmp_path: Path) -> None:
    milliseconds = (0, 40, 40, 80, 80, 80, 120)
    with av.open(str(tmp_path / "in.flv"), "w") as output:  # which takes equal times
        stream = output.add_stream("flv", 25)
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = 64, 48, "yuv420p"
        written = []
        for index in range(len(milliseconds)):
            picture = av.VideoFrame.from_ndarray(numbered(index), format="rgb24")
            picture.pts, picture.time_base = index, Fraction(1, 25)
            written += stream.encode(picture)
        for packet, time in zip(written + stream.encode(None), milliseconds, strict=True):
            packet.pts = packet.dts = time
            packet.time_base = MILLISECOND
            output.mux(packet)
    source, target = tmp_path / "in.flv", tmp_path / "out.mp4"
    assert [round(1000 * time) for time in decoded_times(source)] == list(milliseconds)
    summary = through(source, target)
    assert [1000 * time for time in decoded_times(target)] == [0, 40, 41, 80, 81, 82, 120]
    assert [number_of(picture) for picture in images(target)] == list(range(7))
    assert sum("moved apart" in warning for warning in summary.warnings) == 1


# -- what travels beside --------------------------------------------------------------------

FONT = bytes(range(256)) * 4
FULL_HOUSE = {
    "metadata": {"title": "Harbour at dusk"},
    "chapters": [("One", 0, 0.5), ("Two", 0.5, 1.0)],
    "subtitles": [Subtitle("across", 0.2, 0.6)],
    "attachments": {"letters.ttf": FONT},
}
LEFT_OUT = {
    ".mkv": set(),
    ".mp4": {"attachment stream 4 (letters.ttf)"},
    ".mov": {"attachment stream 4 (letters.ttf)"},
    ".webm": {"attachment stream 4 (letters.ttf)"},
}


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_tracks_chapters_and_attachments(tmp_path: Path, suffix: str) -> None:
    codecs = ("libopus", "libopus") if suffix == ".webm" else ("aac", "ac3")
    source = write_clip(
        tmp_path / "in.mkv",
        sounds=[
            Sound(codecs[0], 440, metadata={"language": "eng"}, disposition=Disposition(0)),
            Sound(codecs[1], 880, metadata={"language": "fra"}, disposition=Disposition.default),
        ],
        **FULL_HOUSE,
    )
    target = tmp_path / f"out{suffix}"
    summary = through(source, target)
    for index in range(2):
        assert packets(target, index=index) == packets(source, index=index)
    with av.open(str(target)) as result:
        tracks = result.streams.audio
        assert [track.language for track in tracks] == ["eng", "fra"]
        assert [bool(t.disposition & Disposition.default) for t in tracks] == [False, True]
        tags = {key.lower(): value for key, value in result.metadata.items()}
        assert tags["title"] == "Harbour at dusk"
        chapters = result.chapters()
        assert [chapter["metadata"]["title"] for chapter in chapters] == ["One", "Two"]
        kinds = [stream.type for stream in result.streams]
        assert kinds.count("subtitle") == 1
        assert kinds.count("attachment") == (suffix == ".mkv")
        if suffix == ".mkv":
            (font,) = (stream for stream in result.streams if stream.type == "attachment")
            assert font.data == FONT
            assert font.metadata["filename"] == "letters.ttf"
    named = [warning for warning in summary.warnings if "not carried" in warning]
    assert len(named) == bool(LEFT_OUT[suffix])
    if named:
        assert set(named[0].split(": ")[1].split(", ")) == LEFT_OUT[suffix]
    converted = [warning for warning in summary.warnings if "converted to" in warning]
    assert len(converted) == (suffix != ".mkv")
    assert list(summary.warnings) == named + converted


@pytest.mark.parametrize("suffix", CONTAINERS)
@pytest.mark.parametrize(
    ("timecode", "rate"), [("01:00:10:12", 24), ("10:59:00;02", Fraction(30_000, 1001))]
)
def test_timecode(tmp_path: Path, timecode: str, rate: Fraction, suffix: str) -> None:
    source = write_clip(
        tmp_path / "in.mov", rate=rate, time_base=1 / Fraction(rate), ticks=tuple(range(10)),
        video_metadata={"timecode": timecode},
    )  # fmt: skip
    summary = through(source, tmp_path / f"out{suffix}")
    with av.open(str(tmp_path / f"out{suffix}")) as result:
        tags = {key.lower(): v for key, v in result.streams.video[0].metadata.items()}
    assert tags.get("timecode") == (None if suffix == ".webm" else timecode)
    lost = (f"timecode {timecode} left out",)
    assert summary.warnings == (lost if suffix == ".webm" else ())
    summary = through(source, tmp_path / f"cut{suffix}", start=0.2)
    assert summary.warnings == lost


def test_timecodes_that_muxers_refuse() -> None:
    assert is_timecode("23:59:59:24", 25)
    assert is_timecode("00:00:00;29", 30)
    for text, rate in (("00:00:00:25", 25), ("00:00:00;10", 25), ("1:0:0:0", 25), ("", 25)):
        assert not is_timecode(text, rate)


def test_text_subtitles_between_mp4_and_mov(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", subtitles=[Subtitle("across", 0.2, 0.6)])
    for suffix in (".mp4", ".mov"):
        assert through(source, tmp_path / f"out{suffix}").warnings == ()
        texts = packets(tmp_path / f"out{suffix}", "subtitles")
        assert [text for text in texts if b"across" in text] == [b"\x00\x06across"]


# -- shape ----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", CONTAINERS)
@pytest.mark.parametrize(
    ("rotation", "hflip"), [(0, True), (90, False), (180, False), (270, False), (90, True)]
)
def test_turned_and_mirrored_clips_come_out_upright(
    tmp_path: Path, rotation: int, hflip: bool, suffix: str
) -> None:
    source = write_clip(
        tmp_path / "in.mp4", ticks=(0, 1), rotation=rotation, hflip=hflip,
        image=lambda index, width, height: corners(width, height),
        aspect=Fraction(4, 3), options={"qp": "4"},
    )  # fmt: skip
    target = tmp_path / f"out{suffix}"
    through(source, target)
    upright = np.rot90(corners(), rotation // 90)
    upright = upright[:, ::-1] if hflip else upright
    with av.open(str(target)) as result:
        stream = result.streams.video[0]
        frame = next(result.decode(stream))
        assert frame.rotation == 0
        picture = frame.to_ndarray(format="rgb24")
        aspect = stream.sample_aspect_ratio
    shape = Fraction(picture.shape[1], picture.shape[0]) * aspect
    expected = Fraction(4, 3) if not rotation % 180 else Fraction(3, 4)
    # VP9 in WebM has no pixel aspect: the picture is widened, to an even width.
    assert float(shape) == pytest.approx(upright.shape[1] / upright.shape[0] * expected, rel=0.02)
    for row in (0.25, 0.75):
        for column in (0.25, 0.75):
            got, want = (
                p[int(row * p.shape[0]), int(column * p.shape[1])].astype(int)
                for p in (picture, upright)
            )
            assert np.abs(got - want).max() <= 40


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_odd_sizes(tmp_path: Path, suffix: str) -> None:
    source = write_clip(
        tmp_path / "in.mkv", ticks=(0, 1), size=(63, 47), codec="ffv1", pix_fmt="yuv444p"
    )
    summary = through(source, tmp_path / f"out{suffix}")
    assert images(tmp_path / f"out{suffix}")[0].shape == (48, 64, 3)
    assert sum("padded" in warning for warning in summary.warnings) == 1


# -- colour ---------------------------------------------------------------------------------

WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
PATCHES = ((16, 16, 16), (128, 128, 128), (235, 235, 235), (200, 60, 50), (60, 180, 80),
           (60, 80, 190))  # fmt: skip


def samples(rgb: np.ndarray, matrix: int, full: bool, bits: int) -> np.ndarray:
    """Y', Cb, Cr as whole numbers of R'G'B' from 0 to 1: last axis of three, float64."""
    red, blue = WEIGHTS[matrix]
    luma = rgb @ np.array([red, 1 - red - blue, blue])
    cb, cr = (rgb[..., 2] - luma) / (2 * (1 - blue)), (rgb[..., 0] - luma) / (2 * (1 - red))
    if full:
        most = 2**bits - 1
        parts = luma * most, cb * most + 2 ** (bits - 1), cr * most + 2 ** (bits - 1)
    else:
        unit = 2 ** (bits - 8)
        parts = (16 + 219 * luma) * unit, (128 + 224 * cb) * unit, (128 + 224 * cr) * unit
    return np.rint(np.stack(parts, axis=-1)).clip(0, 2**bits - 1).astype(np.uint16)


def colors(yuv: np.ndarray, matrix: int, full: bool, bits: int) -> np.ndarray:
    """The inverse of ``samples``, not clipped."""
    red, blue = WEIGHTS[matrix]
    most, unit = 2**bits - 1, 2 ** (bits - 8)
    values = yuv.astype(np.float64)
    if full:
        luma, chroma = values[..., 0] / most, (values[..., 1:] - 2 ** (bits - 1)) / most
    else:
        luma = (values[..., 0] / unit - 16) / 219
        chroma = (values[..., 1:] / unit - 128) / 224
    r, b = luma + 2 * (1 - red) * chroma[..., 1], luma + 2 * (1 - blue) * chroma[..., 0]
    g = (luma - red * r - blue * b) / (1 - red - blue)
    return np.stack([r, g, b], axis=-1)


def planes_of(frame: Any) -> list[np.ndarray]:
    """The samples of a planar frame, as they are stored."""
    size = "<u2" if frame.format.components[0].bits > 8 else "u1"
    rows = [np.frombuffer(memoryview(plane), size).reshape(plane.height, -1)
            for plane in frame.planes]  # fmt: skip
    return [row[:, : plane.width] for row, plane in zip(rows, frame.planes, strict=True)]


def decoded(path: Path) -> list[Any]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def write_samples(
    path: Path,
    yuv: np.ndarray,
    pix_fmt: str,
    tags: ColorTags = ColorTags(1, 1, 1, 1),
    *,
    frames: int = 2,
    codec: str = "ffv1",
    alpha: np.ndarray | None = None,
) -> Path:
    """A lossless clip of exactly these samples, H×W×3; of subsampled chroma, every nth."""
    height, width = yuv.shape[:2]
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, 24)
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = width, height, pix_fmt
        context.color_range, context.colorspace = tags.color_range, tags.colorspace
        context.color_primaries, context.color_trc = tags.color_primaries, tags.color_trc
        picture = av.VideoFrame(width, height, pix_fmt)
        contents = [yuv[..., 0], yuv[..., 1], yuv[..., 2], *([] if alpha is None else [alpha])]
        for plane, content in zip(picture.planes, contents, strict=True):
            part = content[:: height // plane.height, :: width // plane.width]
            deep = picture.format.components[0].bits > 8
            row = np.zeros((plane.height, plane.line_size // (2 if deep else 1)),
                           "<u2" if deep else "u1")  # fmt: skip
            row[:, : plane.width] = part
            plane.update(row.tobytes())
        for index in range(frames):
            picture.pts, picture.time_base = index, Fraction(1, 24)
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
    return path


def patches(width: int = 96, height: int = 32) -> np.ndarray:
    """R'G'B' from 0 to 1 in six upright bars."""
    bars = np.array(PATCHES)[np.arange(width) * len(PATCHES) // width] / 255
    return np.broadcast_to(bars, (height, width, 3))


TAGS = [
    ColorTags(range_, matrix, primaries, transfer)
    for matrix, primaries, transfer in ((1, 1, 1), (6, 6, 6), (5, 5, 6), (9, 9, 14))
    for range_ in (1, 2)
]


def tags_of(path: Path) -> ColorTags:
    with av.open(str(path)) as container:
        c = container.streams.video[0].codec_context
        return ColorTags(*map(int, (c.color_range, c.colorspace, c.color_primaries, c.color_trc)))


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("tags", TAGS, ids=str)
def test_colours_by_their_tags(tmp_path: Path, tags: ColorTags, bits: int) -> None:
    full = tags.color_range == 2
    yuv = samples(patches(), tags.colorspace, full, bits)
    source = write_samples(
        tmp_path / "in.mkv", yuv, "yuv444p" if bits == 8 else "yuv444p10le", tags
    )
    target = tmp_path / "out.mkv"
    assert through(source, target, codec="ffv1", pix_fmt="keep").warnings == ()
    assert tags_of(target) == tags
    result = np.stack(planes_of(decoded(target)[0]), axis=-1)
    assert decoded(target)[0].format.name == ("yuv444p" if bits == 8 else "yuv444p10le")
    error = 255 * np.abs(
        colors(result, tags.colorspace, full, bits) - colors(yuv, tags.colorspace, full, bits)
    )
    assert error.max() <= 4.5 if bits == 8 else error.max() <= 1.2


@pytest.mark.parametrize("suffix", CONTAINERS)
@pytest.mark.parametrize("tags", [TAGS[0], TAGS[1], TAGS[2], TAGS[6]], ids=str)
def test_tags_in_every_container(tmp_path: Path, tags: ColorTags, suffix: str) -> None:
    yuv = samples(patches(), tags.colorspace, tags.color_range == 2, 8)
    source = write_samples(tmp_path / "in.mkv", yuv[::1], "yuv420p", tags)
    target = tmp_path / f"out{suffix}"
    through(source, target, crf=4)
    got = tags_of(target)
    # VP9 has one code for both kinds of BT.601.
    assert got == tags or (suffix == ".webm" and got.color_range == tags.color_range)
    frame = decoded(target)[0]
    luma = planes_of(frame)[0][16].astype(int)
    centres = [int((number + 0.5) * 96 / len(PATCHES)) for number in range(len(PATCHES))]
    assert np.abs(luma[centres] - yuv[16, centres, 0].astype(int)).max() <= 3


@pytest.mark.parametrize(("pix_fmt", "bits"), [("gray", 8), ("gray10le", 10)])
@pytest.mark.parametrize("range_", [0, 1, 2])
def test_grey_video(tmp_path: Path, pix_fmt: str, bits: int, range_: int) -> None:
    """swscale takes grey for the full range, even where its tags say that it is limited."""
    low, high = (16, 235) if range_ == 1 else (0, 255)
    unit, type_ = (1, np.uint8) if bits == 8 else (4, np.uint16)
    high = 2**bits - 1 if high == 255 else high * unit
    with av.open(str(tmp_path / "in.mkv"), "w") as output:
        stream = output.add_stream("ffv1", 24)
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = 64, 48, pix_fmt
        context.color_range = range_
        picture = av.VideoFrame(64, 48, pix_fmt)
        size = picture.planes[0].buffer_size // np.dtype(type_).itemsize
        levels = np.array([low * unit, high], type_)
        picture.planes[0].update(np.repeat(levels, size // 2).tobytes())
        picture.pts, picture.color_range = 0, range_
        output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
    with VideoReader(tmp_path / "in.mkv") as reader:
        image = next(iter(reader)).image
    assert image.dtype == (np.uint8 if bits == 8 else np.float32)
    assert (image[0, 0, 0], image[-1, -1, 0]) == pytest.approx((0, 255), abs=0.01)


# -- chroma and bits ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pix_fmt", "chroma"), [("yuv444p", "4:4:4"), ("yuv422p", "4:2:2"), ("yuv422p10le", "4:2:2")]
)
@pytest.mark.parametrize("suffix", CONTAINERS)
def test_finer_chroma_is_named_or_kept(
    tmp_path: Path, pix_fmt: str, chroma: str, suffix: str
) -> None:
    bits = 10 if "10" in pix_fmt else 8
    yuv = samples(patches(), 1, False, bits)
    source = write_samples(tmp_path / "in.mkv", yuv, pix_fmt)
    target = tmp_path / f"out{suffix}"
    summary = through(source, target)
    assert len(summary.warnings) == 1
    assert f"{chroma} chroma written as 4:2:0" in summary.warnings[0]
    assert decoded(target)[0].format.name == ("yuv420p" if bits == 8 else "yuv420p10le")
    kept = tmp_path / f"kept{suffix}"
    summary = through(source, kept, pix_fmt="keep")
    # Of AV1 only 4:2:0 is to be had.
    if suffix == ".webm" and bits > 8:
        assert "--pix-fmt keep" not in summary.warnings[0]
    else:
        assert summary.warnings == ()
        assert decoded(kept)[0].format.name == pix_fmt


@pytest.mark.parametrize("full", [False, True])
def test_a_ramp_of_ten_bits_keeps_every_level(tmp_path: Path, full: bool) -> None:
    ramp = np.arange(1024, dtype=np.uint16)
    yuv = np.full((16, 1024, 3), 512, np.uint16)
    yuv[..., 0] = ramp if full else ramp.clip(64, 940)
    tags = ColorTags(2 if full else 1, 1, 1, 1)
    source = write_samples(tmp_path / "in.mkv", yuv, "yuv420p10le", tags)
    target = tmp_path / "out.mkv"
    assert through(source, target, codec="ffv1").warnings == ()
    frame = decoded(target)[0]
    assert frame.format.name == "yuv420p10le"
    assert (planes_of(frame)[0] == yuv[..., 0]).all()


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".mp4", "hevc"), (".mov", "hevc"), (".mkv", "hevc"), (".webm", "av1")]
)
def test_ten_bits_in_ten_bits_out(tmp_path: Path, suffix: str, codec: str) -> None:
    yuv = samples(patches(), 1, False, 10)
    source = write_samples(tmp_path / "in.mkv", yuv, "yuv420p10le")
    assert through(source, tmp_path / f"a{suffix}").warnings == ()
    with av.open(str(tmp_path / f"a{suffix}")) as container:
        context = container.streams.video[0].codec_context
        assert context.codec.canonical_name == codec
        assert context.pix_fmt == "yuv420p10le"
        if suffix in (".mp4", ".mov"):
            assert context.codec_tag == "hvc1"
    through(source, tmp_path / f"b{suffix}", bit_depth=8)
    frame = decoded(tmp_path / f"b{suffix}")[0]
    assert frame.format.name == "yuv420p"


def test_narrow_pictures_are_not_for_x265(tmp_path: Path) -> None:
    """With widths of 34 to 48 pixels x265 overruns its memory and takes the process along."""
    yuv = samples(patches(36, 64), 1, False, 10)
    source = write_samples(tmp_path / "in.mkv", yuv, "yuv420p10le", frames=40)
    through(source, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p10le")
    with pytest.raises(OutputError, match="narrower than 64 pixels"):
        through(source, tmp_path / "x.mp4", codec="libx265")


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_clips_too_short_for_b_frames_of_x265(tmp_path: Path, frames: int) -> None:
    """It leaves the decoding times of two frames unset."""
    yuv = samples(patches(), 1, False, 10)
    source = write_samples(tmp_path / "in.mkv", yuv, "yuv420p10le", frames=frames)
    for number in range(3):
        through(source, tmp_path / f"{number}.mp4")
        assert decoded_times(tmp_path / f"{number}.mp4") == decoded_times(source)


def test_codecs_without_ten_bits_say_so(tmp_path: Path) -> None:
    source = write_samples(tmp_path / "in.mkv", samples(patches(), 1, False, 10), "yuv420p10le")
    summary = through(source, tmp_path / "out.mp4", codec="mpeg4")
    assert summary.warnings == ("10 bits written as 8 bits by mpeg4 in yuv420p",)


def test_eight_bits_can_become_ten(tmp_path: Path) -> None:
    yuv = samples(patches(), 1, False, 8)
    source = write_samples(tmp_path / "in.mkv", yuv, "yuv420p")
    assert through(source, tmp_path / "out.mkv", codec="ffv1", bit_depth=10).warnings == ()
    frame = decoded(tmp_path / "out.mkv")[0]
    assert frame.format.name == "yuv420p10le"
    assert np.abs(planes_of(frame)[0].astype(int) - 4 * yuv[..., 0].astype(int)).max() <= 8


def test_ten_bits_become_pictures_of_sixteen(tmp_path: Path) -> None:
    import cv2

    from vidstyle.pipeline.video import stylize_video

    ramp = np.full((16, 877, 3), 512, np.uint16)
    ramp[..., 0] = np.arange(64, 941)
    source = write_samples(tmp_path / "in.mkv", ramp[:, :876], "yuv444p10le", frames=1)
    stylize_video(source, tmp_path / "%d.png", identity(), fast=PHOTO)
    picture = cv2.imread(str(tmp_path / "1.png"), cv2.IMREAD_UNCHANGED)
    assert picture.dtype == np.uint16
    expected = np.arange(876) / 876 * 65535
    assert np.abs(picture[8, :, 1] - expected).max() <= 4


def test_senseless_options() -> None:
    for wrong in ({"bit_depth": 12}, {"bit_depth": "10"}, {"deinterlace": "on"}):
        with pytest.raises(OptionError):
            ReadOptions(**wrong)  # type: ignore[arg-type]
    with pytest.raises(OptionError):
        WriteOptions(hdr="hlg")  # type: ignore[arg-type]


# -- interlaced -----------------------------------------------------------------------------


def combed(index: int, width: int, height: int) -> np.ndarray:
    """A bar that moves 4 pixels a field: the rows of the second field show it further on."""
    image = np.full((height, width, 3), 40, np.uint8)
    for field_ in range(2):
        left = 4 + 8 * index + 4 * field_
        image[field_::2, left : left + 12] = 220
    return image


def combing(luma: np.ndarray) -> float:
    """Mean difference of a row from the mean of its neighbours."""
    rows = luma.astype(np.float64)
    return float(np.abs(rows[1:-1] - (rows[:-2] + rows[2:]) / 2).mean())


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_interlaced_clips(tmp_path: Path, suffix: str) -> None:
    source = write_clip(
        tmp_path / "in.mp4", ticks=(0, 1, 3, 4, 5, 7, 8, 9), size=(128, 64), image=combed,
        options={"x264-params": "tff=1", "qp": "8"},
    )  # fmt: skip
    assert all(frame.interlaced_frame for frame in decoded(source))
    summary = through(source, tmp_path / f"auto{suffix}")
    assert [("deinterlaced" in warning) for warning in summary.warnings] == [True]
    assert through(source, tmp_path / f"off{suffix}", deinterlace="off").warnings == ()
    for name in ("auto", "off"):
        result = tmp_path / f"{name}{suffix}"
        before, after = decoded_times(source), decoded_times(result)
        assert len(after) == len(before)
        assert max(abs(b - a) for a, b in zip(before, after, strict=True)) <= coarse(result)
        assert not any(frame.interlaced_frame for frame in decoded(result))
    teeth = combing(planes_of(decoded(source)[3])[0])
    assert combing(planes_of(decoded(tmp_path / f"auto{suffix}")[3])[0]) < 0.35 * teeth
    assert combing(planes_of(decoded(tmp_path / f"off{suffix}")[3])[0]) > 0.8 * teeth


def test_deinterlaced_frames_do_not_depend_on_where_reading_begins(tmp_path: Path) -> None:
    source = write_clip(
        tmp_path / "in.mp4", size=(128, 64), image=lambda i, w, h: combed(i % 12, w, h),
        options={"x264-params": "tff=1:keyint=6:min-keyint=6:scenecut=0"},
    )  # fmt: skip
    with VideoReader(source) as reader:
        whole = {frame.pts: frame.image for frame in reader}
    for start in (6, 7, 11, 12):
        with VideoReader(source, ReadOptions(start=start / 24)) as reader:
            part = {frame.pts: frame.image for frame in reader}
        assert len(part) == 24 - start
        assert all((whole[pts] == image).all() for pts, image in part.items())


def test_progressive_clips_are_left_alone(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", ticks=(0, 1, 2))
    readings = []
    for mode in ("auto", "off"):
        with VideoReader(source, ReadOptions(deinterlace=mode)) as reader:
            readings.append([frame.image for frame in reader])
            assert reader.notices == []
    assert all((a == b).all() for a, b in zip(*readings, strict=True))


# -- alpha ----------------------------------------------------------------------------------


def ramp_alpha(path: Path) -> Path:
    """A clip of one colour whose alpha rises from left to right; the suffix tells the codec."""
    codec = {".webm": "libvpx-vp9", ".mov": "prores_ks", ".mkv": "libvpx-vp9"}[path.suffix]
    info = VideoInfo(
        64, 48, Fraction(1, 24), Fraction(24), 4, None, "", "rgba", alpha=True,
        color=ColorTags(1, 1, 1, 1),
    )  # fmt: skip
    alpha = np.linspace(0, 65535, 64).astype(np.uint16)[None].repeat(48, axis=0)
    with VideoWriter(plan_output(path, info, alpha=True, options=WriteOptions(codec))) as writer:
        for index in range(4):
            image = np.full((48, 64, 3), (200, 100, 50), np.uint8)
            writer.write(Frame(image, index, Fraction(1, 24), 1, alpha))
    return path


def alpha_of(path: Path) -> list[np.ndarray]:
    """As the decoder has it, from 0 to 1; of VP9 by libvpx, as FFmpeg's own decoder drops it."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        decoder: Any = stream.codec_context
        if decoder.name == "vp9":
            decoder = av.CodecContext.create("libvpx-vp9", "r")
        found: Iterator[Any] = (
            frame for packet in container.demux(stream)
            for frame in decoder.decode(packet if packet.size else None)
        )  # fmt: skip
        return [planes_of(f)[3] / (2 ** f.format.components[3].bits - 1) for f in found]


@pytest.mark.parametrize("source_suffix", [".webm", ".mov", ".mkv"])
@pytest.mark.parametrize(
    ("suffix", "codec"), [(".webm", None), (".mov", "prores_ks"), (".mkv", "ffv1")]
)
def test_alpha_goes_from_codec_to_codec(
    tmp_path: Path, source_suffix: str, suffix: str, codec: str | None
) -> None:
    source = ramp_alpha(tmp_path / f"in{source_suffix}")
    target = tmp_path / f"out{suffix}"
    summary = through(source, target, codec=codec)
    assert not any("alpha" in warning for warning in summary.warnings)
    found = alpha_of(target)
    assert len(found) == 4
    assert np.abs(found[2] - np.linspace(0, 1, 64)).max() <= 0.01


@pytest.mark.parametrize("source_suffix", [".webm", ".mov"])
def test_alpha_over_black_where_there_is_no_room(tmp_path: Path, source_suffix: str) -> None:
    source = ramp_alpha(tmp_path / f"in{source_suffix}")
    summary = through(source, tmp_path / "out.mp4")
    assert sum("alpha is left out" in warning for warning in summary.warnings) == 1
    red = images(tmp_path / "out.mp4")[2][24, :, 0].astype(float)
    assert np.abs(red - np.linspace(0, 200, 64)).max() <= 8


def test_beside_another_picture_alpha_is_black(tmp_path: Path) -> None:
    source = ramp_alpha(tmp_path / "in.webm")
    stylize_video(source, tmp_path / "out.mp4", identity(), fast=PHOTO, compare=True)
    image = images(tmp_path / "out.mp4")[2]
    assert image.shape == (48, 128, 3)
    assert image[24, 0].max() <= 6
    assert image[24, 63, 0] >= 190


def test_alpha_is_turned_and_scaled_with_the_picture(tmp_path: Path) -> None:
    source = ramp_alpha(tmp_path / "in.mov")
    with VideoReader(source, ReadOptions(max_side=32)) as reader:
        assert reader.info.alpha
        frame = next(iter(reader))
    assert frame.alpha is not None
    assert frame.alpha.shape == frame.image.shape[:2] == (24, 32)
    assert frame.alpha.dtype == np.uint16


# -- high dynamic range ---------------------------------------------------------------------

TO_709 = np.array([[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349],
                   [-0.018151, -0.100579, 1.118730]])  # fmt: skip
"""From BT.2020's primaries (ITU-R BT.2087)."""


def shown(signal: np.ndarray, transfer: int) -> np.ndarray:
    """What a grey or little saturated PQ or HLG signal looks like: 0 to 255, by the formulae."""
    if transfer == 16:
        light = pq_to_nits(signal) / 203
    else:
        scene = hlg_to_scene(signal)
        luminance = scene @ np.array([0.2627, 0.6780, 0.0593])
        light = 1000 / 203 * luminance[..., None] ** 0.2 * scene
    light = light @ TO_709.T
    largest = light.max(axis=-1, keepdims=True)
    peak = (1000 / 203 - 0.5) / 0.5
    above = np.maximum(largest - 0.5, 0) / 0.5
    toned = np.minimum(largest, 0.5) + 0.5 * above * (1 + above / peak**2) / (1 + above)
    return 255 * (light * toned / largest).clip(0, 1) ** (1 / 2.4)


MUTED = np.array([(0.2, 0.2, 0.2), (0.38, 0.38, 0.38), (0.58, 0.58, 0.58), (0.5, 0.45, 0.4),
                  (0.45, 0.5, 0.48), (0.4, 0.42, 0.5), (0.7, 0.68, 0.66)])  # fmt: skip
"""Signals of PQ or HLG that lie well inside of BT.709."""


def bars(signals: np.ndarray, width: int = 112, height: int = 32) -> np.ndarray:
    row = signals[np.arange(width) * len(signals) // width]
    return np.broadcast_to(row, (height, width, 3))


def hdr_clip(path: Path, transfer: int) -> tuple[Path, np.ndarray]:
    yuv = samples(bars(MUTED), 9, False, 10)
    return write_samples(path, yuv, "yuv444p10le", ColorTags(1, 9, 9, transfer)), yuv


@pytest.mark.parametrize("suffix", CONTAINERS)
@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_is_written_as_sdr_unless_told_otherwise(
    tmp_path: Path, transfer: int, suffix: str
) -> None:
    source, yuv = hdr_clip(tmp_path / "in.mkv", transfer)
    target = tmp_path / f"out{suffix}"
    summary = through(source, target, crf=4)
    assert sum("written as SDR" in warning for warning in summary.warnings) == 1
    assert tags_of(target) == ColorTags(1, 1, 1, 1)
    frame = decoded(target)[0]
    assert frame.format.name == "yuv420p10le"
    expected = shown(colors(yuv, 9, False, 10), transfer)[16]
    luma = (planes_of(frame)[0][16] / 4.0 - 16) / 219 * 255
    centres = [int((number + 0.5) * 112 / len(MUTED)) for number in range(len(MUTED))]
    wanted = expected @ np.array([0.2126, 0.7152, 0.0722])
    assert np.abs(luma - wanted)[centres].max() <= 2.5


@pytest.mark.parametrize("suffix", CONTAINERS)
@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_is_kept_on_demand(tmp_path: Path, transfer: int, suffix: str) -> None:
    source, yuv = hdr_clip(tmp_path / "in.mkv", transfer)
    target = tmp_path / f"out{suffix}"
    summary = through(source, target, hdr="keep", crf=4)
    assert not any("SDR" in warning for warning in summary.warnings)
    assert tags_of(target) == ColorTags(1, 9, 9, transfer)
    frame = decoded(target)[0]
    assert frame.format.name == "yuv420p10le"
    centres = [int((number + 0.5) * 112 / len(MUTED)) for number in range(len(MUTED))]
    gap = planes_of(frame)[0][16].astype(int) - yuv[16, :, 0].astype(int)
    assert np.abs(gap[centres]).max() <= 6


@pytest.mark.parametrize("transfer", [16, 18])
def test_the_view_can_be_undone(transfer: int) -> None:
    view = SdrView(HdrInfo(ColorTags(1, 9, 9, transfer)))
    rng = np.random.default_rng(0)
    # Up to 500 nits, of which BT.709 makes 830 at most.
    most = nits_to_pq(np.array(500.0)) if transfer == 16 else scene_to_hlg(np.array(0.3))
    signal = (255 * most * rng.random((64, 256, 3))).astype(np.float32)
    seen = view(signal)
    assert seen.dtype == np.float32
    assert seen.min() >= 0 and seen.max() <= 255
    error = np.abs(view.invert(seen) - signal) * 1023 / 255
    assert np.quantile(error, 0.999) < 1
    assert error.mean() < 0.1


@pytest.mark.parametrize("transfer", [16, 18])
def test_the_view_is_what_its_formulae_say(transfer: int) -> None:
    view = SdrView(HdrInfo(ColorTags(1, 9, 9, transfer)))
    signal = bars(MUTED, 14, 1).astype(np.float32)
    assert np.abs(view(255 * signal) - shown(signal.astype(np.float64), transfer)).max() < 0.1
    black = np.zeros((1, 1, 3), np.float32)
    assert view(black).max() == 0
    assert view.invert(black).max() < 0.01
    grey = np.linspace(0, 255, 1024, dtype=np.float32)[None, :, None].repeat(3, axis=2)
    assert np.diff(view(grey)[0, :, 0]).min() > -1e-3
    # Reference white: 58 % of PQ, 75 % of HLG (BT.2408), three quarters of a display's light.
    white = np.full((1, 1, 3), 255 * (0.5807 if transfer == 16 else 0.75), np.float32)
    assert view(white)[0, 0, 0] == pytest.approx(255 * 0.7567 ** (1 / 2.4), abs=1)


def test_transfer_functions_by_published_values() -> None:
    assert pq_to_nits(np.array([0.0, 0.5081, 0.7518, 1.0])) == pytest.approx(
        [0, 100, 1000, 10_000], rel=2e-3
    )
    assert hlg_to_scene(np.array([0.0, 0.5, 1.0])) == pytest.approx([0, 1 / 12, 1], abs=1e-6)
    signals = np.linspace(0, 1, 101)
    assert nits_to_pq(pq_to_nits(signals)) == pytest.approx(signals, abs=1e-6)
    assert scene_to_hlg(hlg_to_scene(signals)) == pytest.approx(signals, abs=1e-6)


MASTERED = HdrInfo(
    ColorTags(1, 9, 9, 16),
    Mastering((0.708, 0.292, 0.17, 0.797, 0.131, 0.046, 0.3127, 0.329), 0.0001, 1000.0),
    (900, 300),
)


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [(".mp4", "libx265"), (".mov", "libx265"), (".mkv", "libx264"), (".webm", "libsvtav1")],
)
def test_mastering_metadata_survives(tmp_path: Path, suffix: str, codec: str) -> None:
    info = VideoInfo(
        64, 48, Fraction(1, 24), Fraction(24), 3, None, "", "yuv420p10le", 10,
        color=ColorTags(1, 1, 1, 1), hdr=MASTERED,
    )  # fmt: skip
    source, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    with VideoWriter(plan_output(source, info, options=WriteOptions(codec, hdr="keep"))) as writer:
        for index in range(3):
            writer.write(Frame(np.full((48, 64, 3), 120, np.float32), index, Fraction(1, 24), 1))
    assert through(source, target, codec=codec, hdr="keep").warnings == ()
    with VideoReader(target) as reader:
        found = reader.info.hdr
    assert found is not None and found.mastering is not None
    assert found.color == MASTERED.color
    assert found.light == MASTERED.light
    assert found.mastering.brightest == 1000
    assert found.mastering.darkest == pytest.approx(0.0001, abs=3e-5)
    assert found.mastering.chromaticities == pytest.approx(
        MASTERED.mastering.chromaticities, abs=2e-4
    )


def test_hdr_needs_ten_bits(tmp_path: Path) -> None:
    source, _ = hdr_clip(tmp_path / "in.mkv", 16)
    with pytest.raises(OutputError, match="PQ needs 10 bits"):
        through(source, tmp_path / "out.mp4", codec="mpeg4", hdr="keep")
    summary = through(source, tmp_path / "out.mp4", codec="mpeg4")
    assert any("written as SDR" in warning for warning in summary.warnings)


# -- real clips -----------------------------------------------------------------------------

REAL = ("bear_odd_161x121.webm", "roadtrip_vp9_10bit.webm", "webcam_vfr.mov",
        "london_30i_tff.mp4", "man_subtitles.mkv", "phone_sideways_rot90.mov",
        "hdr10_av1_vertical.mp4", "london_60fps_5s.mp4", "cockatoo_yuv444.mp4")  # fmt: skip


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("suffix", CONTAINERS)
@pytest.mark.parametrize("name", REAL)
def test_real_clips_in_every_container(data: Path, tmp_path: Path, name: str, suffix: str) -> None:
    source, target = data / "clips" / name, tmp_path / f"out{suffix}"
    summary = through(source, target, max_side=64)
    before, after = decoded_times(source), decoded_times(target)
    assert len(after) == len(before) == summary.frames
    moved = any("moved apart" in warning for warning in summary.warnings)
    bound = 2 * MILLISECOND if moved else max(coarse(target), coarse(source) / 500)
    for got, want in zip(after, before, strict=True):
        assert abs((got - after[0]) - (want - before[0])) <= bound
    assert abs(after[0] - before[0]) <= MILLISECOND
    with av.open(str(source)) as container:
        sounds = len(container.streams.audio)
    transcoded = any("transcoded" in warning for warning in summary.warnings)
    if sounds and not transcoded:
        assert packets(target) == packets(source)
        offsets = [packet_times(path)[0] - decoded_times(path)[0] for path in (source, target)]
        assert abs(offsets[1] - offsets[0]) <= MILLISECOND
