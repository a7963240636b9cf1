"""VideoWriter: what it keeps, what it refuses, and that it leaves no mess; read back with PyAV."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from clips import (
    Sound,
    Subtitle,
    frame_times,
    images,
    number_of,
    packet_times,
    packets,
    peak_frequency,
    video_end,
    write_clip,
)

from vidstyle.errors import InputError, OptionError, OutputError
from vidstyle.frame import ColorTags, Frame, VideoInfo
from vidstyle.video import ReadOptions, VideoReader, VideoWriter, WriteOptions, plan_output

FAST = WriteOptions(preset="ultrafast")
VFR_TICKS = (0, 40, 120, 130, 300, 310, 500, 505, 560, 600)


def convert(
    source: Path,
    target: Path,
    options: WriteOptions = FAST,
    *,
    start: float | None = None,
    end: float | None = None,
) -> VideoWriter:
    """Read and write all frames unchanged; returns the finished writer for its notices."""
    window = ReadOptions(start=start, end=end)
    with (
        VideoReader(source, window) as reader,
        VideoWriter(
            plan_output(target, reader.info, source=source, start=start, end=end, options=options)
        ) as writer,
    ):
        for frame in reader:
            writer.write(frame)
    return writer


def still(index: int, size: tuple[int, int] = (64, 48)) -> Frame:
    image = np.full((size[1], size[0], 3), 10 * index, np.uint8)
    return Frame(image, index, Fraction(1, 24), 1)


INFO = VideoInfo(
    width=64,
    height=48,
    time_base=Fraction(1, 24),
    average_rate=Fraction(24),
    frames=24,
    duration=1.0,
    codec="h264",
    pix_fmt="yuv420p",
)


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# -- what it keeps --------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_frames_and_times(tmp_path: Path, suffix: str) -> None:
    source = write_clip(tmp_path / "in.mp4")
    target = tmp_path / f"out{suffix}"
    convert(source, target)
    assert [number_of(image) for image in images(target)] == list(range(24))
    tolerance = Fraction(1, 2000) if suffix == ".mkv" else 0
    for got, want in zip(frame_times(target), frame_times(source), strict=True):
        assert abs(got - want) <= tolerance
    assert left_in(tmp_path) == ["in.mp4", target.name]


@pytest.mark.parametrize(
    ("codec", "unit"),
    [("libx264", 600), ("libx264", 1000), ("libx264", 90_000), ("libx265", 600),
     ("libsvtav1", 600), ("libvpx-vp9", 1000)],
)  # fmt: skip
def test_variable_rate_is_exact_in_mp4(tmp_path: Path, codec: str, unit: int) -> None:
    source = write_clip(
        tmp_path / "in.mov", ticks=VFR_TICKS, time_base=Fraction(1, unit), last_duration=70
    )
    target = tmp_path / "out.mp4"
    convert(source, target, WriteOptions(codec=codec))
    assert frame_times(target) == [Fraction(tick, unit) for tick in VFR_TICKS]
    assert abs(video_end(target) - Fraction(670, unit)) < Fraction(70, unit)
    if codec == "libx264":
        assert video_end(target) == Fraction(670, unit)


@pytest.mark.parametrize("first", [5, 48, -7])
def test_an_offset_is_kept(tmp_path: Path, first: int) -> None:
    ticks = tuple(range(first, first + 12))
    frames = [replace(still(index), pts=pts) for index, pts in enumerate(ticks)]
    with VideoWriter(plan_output(tmp_path / "out.mp4", INFO, options=FAST)) as writer:
        for frame in frames:
            writer.write(frame)
    # Frames before zero would be hidden in MP4, so those move everything.
    shift = min(first, 0)
    assert frame_times(tmp_path / "out.mp4") == [Fraction(pts - shift, 24) for pts in ticks]


def test_equal_timestamps_are_moved_apart_with_one_notice(tmp_path: Path) -> None:
    info = replace(INFO, time_base=Fraction(1, 1000))
    ticks = (0, 40, 40, 80, 80, 80, 120)
    with VideoWriter(plan_output(tmp_path / "out.mp4", info, options=FAST)) as writer:
        for index, pts in enumerate(ticks):
            writer.write(replace(still(index), pts=pts, time_base=info.time_base, duration=40))
    times = [time * 1000 for time in frame_times(tmp_path / "out.mp4")]
    assert times == [0, 40, 41, 80, 81, 82, 120]
    assert len(writer.notices) == 1
    assert "timestamps" in writer.notices[0]


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [(".mp4", "aac"), (".mp4", "mp3"), (".mp4", "ac3"), (".mp4", "libopus"), (".mkv", "vorbis"),
     (".mkv", "flac"), (".mkv", "aac"), (".mov", "aac"), (".webm", "libopus")],
)  # fmt: skip
def test_sound_is_copied_packet_for_packet(tmp_path: Path, suffix: str, codec: str) -> None:
    source = write_clip(tmp_path / "in.mkv", sounds=[Sound(codec, seconds=1.5)])
    target = tmp_path / f"out{suffix}"
    writer = convert(source, target, WriteOptions())
    assert packets(target) == packets(source)
    for got, want in zip(packet_times(target), packet_times(source), strict=True):
        assert abs(got - want) <= Fraction(1, 1000)
    assert writer.notices == []


@pytest.mark.parametrize("start", [0.0, 0.2105, 3.0])
def test_sound_keeps_its_offset_exactly_from_mp4_to_mp4(tmp_path: Path, start: float) -> None:
    source = write_clip(
        tmp_path / "in.mp4",
        time_base=Fraction(1, 30_000),
        ticks=tuple(range(0, 24_024, 1001)),
        last_duration=1001,
        sounds=[Sound(start=start, rate=44_100)],
    )
    target = tmp_path / "out.mp4"
    convert(source, target)
    assert packets(target) == packets(source)
    assert packet_times(target) == packet_times(source)
    assert frame_times(target) == frame_times(source)


def test_sound_that_begins_before_the_picture_does_not_delay_it_in_matroska(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", sounds=[Sound("aac")])
    assert packet_times(source)[0] < 0  # the encoder's priming
    target = tmp_path / "out.mkv"
    convert(source, target)
    assert frame_times(target)[0] == 0
    assert abs(packet_times(target)[0] - packet_times(source)[0]) <= Fraction(1, 1000)


def test_several_tracks_keep_language_title_and_disposition(tmp_path: Path) -> None:
    source = write_clip(
        tmp_path / "in.mkv",
        sounds=[
            Sound("aac", 440, metadata={"language": "eng", "title": "English"}),
            Sound("ac3", 880, metadata={"language": "fra"}, disposition=Disposition.default),
        ],
        video_metadata={"language": "deu"},
    )
    for suffix in (".mkv", ".mp4"):
        target = tmp_path / f"out{suffix}"
        convert(source, target)
        with av.open(str(target)) as result:
            tracks = result.streams.audio
            assert [track.language for track in tracks] == ["eng", "fra"]
            assert [bool(track.disposition & Disposition.default) for track in tracks] == [
                bool(track.disposition & Disposition.default)
                for track in av.open(str(source)).streams.audio
            ]
            assert result.streams.video[0].language == "deu"
        for index in range(2):
            assert packets(target, index=index) == packets(source, index=index)
    with av.open(str(tmp_path / "out.mkv")) as result:
        assert result.streams.audio[0].metadata["title"] == "English"


@pytest.mark.parametrize(
    ("codec", "suffix", "becomes"),
    [("vorbis", ".mp4", "aac"), ("aac", ".webm", "opus"), ("libopus", ".mov", "aac")],
)
def test_sound_is_transcoded_only_where_it_must(
    tmp_path: Path, codec: str, suffix: str, becomes: str
) -> None:
    source = write_clip(tmp_path / "in.mkv", sounds=[Sound(codec, 1000, 2.0, start=0.5)])
    target = tmp_path / f"out{suffix}"
    writer = convert(source, target, WriteOptions())
    assert len(writer.notices) == 1
    assert "audio stream 1" in writer.notices[0]
    assert "transcoded" in writer.notices[0]
    with av.open(str(target)) as result:
        assert result.streams.audio[0].codec_context.codec.canonical_name == becomes
    assert peak_frequency(target) == pytest.approx(1000, abs=5)
    times = packet_times(target)
    assert float(times[0]) == pytest.approx(0.5, abs=0.05)
    assert float(times[-1]) == pytest.approx(2.5, abs=0.07)


def test_no_sound_if_unwanted(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", sounds=[Sound()])
    convert(source, tmp_path / "out.mp4", replace(FAST, audio="none"))
    with av.open(str(tmp_path / "out.mp4")) as result:
        assert not result.streams.audio


def test_a_source_without_sound(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4")
    assert convert(source, tmp_path / "out.mp4").notices == []


TEXTS = (Subtitle("first", 0.1, 0.3), Subtitle("second", 0.5, 0.3))


def test_subtitles(tmp_path: Path) -> None:
    for suffix in (".mp4", ".mkv"):
        source = write_clip(tmp_path / f"in{suffix}", subtitles=TEXTS)
        target = tmp_path / f"out{suffix}"
        assert convert(source, target).notices == []
        shown = [text for text in packets(target, "subtitles") if b"irst" in text or b"sec" in text]
        assert shown == [
            text for text in packets(source, "subtitles") if b"irst" in text or b"sec" in text
        ]
        assert len(shown) == 2


@pytest.mark.parametrize(
    ("source", "target", "title"),
    [
        (".mkv", ".mp4", "timed text"),
        (".mkv", ".webm", "WebVTT"),
        (".mp4", ".mkv", "SubRip"),
        (".mp4", ".webm", "WebVTT"),
    ],
)
def test_text_is_converted_to_what_a_container_holds(
    tmp_path: Path, source: str, target: str, title: str
) -> None:
    before = write_clip(tmp_path / f"in{source}", subtitles=TEXTS)
    after = tmp_path / f"out{target}"
    (notice,) = convert(before, after, WriteOptions(effort="draft")).notices
    assert re.match(rf"subtitle stream 1 \(\w+\) converted to {title}, its text alone: ", notice)
    assert _shown(after) == _shown(before)


def _shown(path: Path) -> list[tuple[str, float, float]]:
    """Each text, when it comes and how long it stays, as FFmpeg decodes it."""
    with av.open(str(path)) as source:
        stream = source.streams.subtitles[0]
        shown = [(packet, stream.codec_context.decode2(packet)) for packet in source.demux(stream)]
        return [
            (
                subtitle[0].dialogue.decode(),
                float(packet.pts * packet.time_base),
                float(packet.duration * packet.time_base),
            )
            for packet, subtitle in shown
            if subtitle
        ]


def test_subtitles_that_a_container_cannot_hold_are_named(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mkv", subtitles=TEXTS)
    writer = convert(source, tmp_path / "out.avi")
    assert writer.notices == ["not carried into avi: subtitle stream 1 (subrip)"]


def test_the_text_track_of_chapters_is_not_missed(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", chapters=[("One", 0, 0.5), ("Two", 0.5, 1.0)])
    with av.open(str(source)) as before:
        assert [stream.type for stream in before.streams] == ["video", "data"]
    assert convert(source, tmp_path / "out.mkv").notices == []
    with av.open(str(tmp_path / "out.mkv")) as after:
        assert len(after.chapters()) == 2


def test_titles_and_chapters(tmp_path: Path) -> None:
    source = write_clip(
        tmp_path / "in.mkv",
        metadata={"title": "Harbour at dusk", "artist": "Nobody"},
        chapters=[("One", 0, 0.5), ("Two", 0.5, 1.0)],
    )
    for suffix in (".mp4", ".mkv"):
        target = tmp_path / f"out{suffix}"
        convert(source, target)
        with av.open(str(target)) as result:
            tags = {key.lower(): value for key, value in result.metadata.items()}
            chapters = result.chapters()
        assert tags["title"] == "Harbour at dusk"
        assert tags["artist"] == "Nobody"
        assert [chapter["metadata"]["title"] for chapter in chapters] == ["One", "Two"]
        assert [float(c["start"] * c["time_base"]) for c in chapters] == [0, 0.5]


TAGS = [
    ColorTags(1, 1, 1, 1),
    ColorTags(2, 1, 1, 1),
    ColorTags(1, 6, 6, 6),
    ColorTags(2, 5, 5, 6),
    ColorTags(1, 9, 9, 14),
]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
@pytest.mark.parametrize("tags", TAGS)
def test_colours_and_their_tags(tmp_path: Path, tags: ColorTags, suffix: str) -> None:
    info = replace(INFO, color=tags, sample_aspect_ratio=Fraction(3, 2))
    target = tmp_path / f"out{suffix}"
    rgb = (200, 60, 40)
    with VideoWriter(plan_output(target, info, options=WriteOptions(crf=4))) as writer:
        for index in range(3):
            frame = still(index)
            frame.image[:] = rgb
            writer.write(frame)
    with av.open(str(target)) as result:
        stream = result.streams.video[0]
        first = next(result.decode(stream))
        context = stream.codec_context
        shape = Fraction(context.width, context.height) * stream.sample_aspect_ratio
        assert shape == Fraction(64, 48) * Fraction(3, 2)
        got = ColorTags(
            context.color_range, context.colorspace, context.color_primaries, context.color_trc
        )
        # VP9 knows one code for both of BT.601's, the container tells primaries and transfer.
        assert got == tags or (suffix == ".webm" and got.color_range == tags.color_range)
        assert first.color_range == tags.color_range
    with VideoReader(target) as reader:
        pixel = next(iter(reader)).image[24, 32].astype(int)
    assert np.abs(pixel - rgb).max() <= 5


def test_untagged_stays_untagged(tmp_path: Path) -> None:
    with VideoWriter(plan_output(tmp_path / "out.mp4", INFO, options=FAST)) as writer:
        writer.write(still(3))
    with av.open(str(tmp_path / "out.mp4")) as result:
        assert result.streams.video[0].codec_context.colorspace == 2


@pytest.mark.parametrize("size", [(161, 121), (160, 121), (161, 120)])
def test_odd_sizes_are_padded_by_their_edge(tmp_path: Path, size: tuple[int, int]) -> None:
    target = tmp_path / "out.mp4"
    width, height = size
    gradient = np.zeros((height, width, 3), np.uint8)
    gradient[:] = np.linspace(0, 250, width).astype(np.uint8)[None, :, None]
    with VideoWriter(plan_output(target, INFO, size=size, options=replace(FAST, crf=4))) as writer:
        writer.write(Frame(gradient, 0, Fraction(1, 24), 1))
    result = images(target)[0].astype(int)
    assert result.shape == (height + height % 2, width + width % 2, 3)
    assert np.abs(result[:height, :width] - gradient).max() <= 8
    assert np.abs(result[-1, -1] - gradient[-1, -1]).max() <= 8
    assert len(writer.notices) == 1
    assert f"{width}×{height}" in writer.notices[0]


def test_odd_sizes_stay_where_the_format_can(tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    options = WriteOptions(pix_fmt="yuv444p", preset="ultrafast")
    with VideoWriter(plan_output(target, INFO, size=(161, 121), options=options)) as writer:
        writer.write(still(1, (161, 121)))
    assert images(target)[0].shape == (121, 161, 3)
    assert writer.notices == []


@pytest.mark.parametrize(
    ("suffix", "codec", "pix_fmt"),
    [
        (".mov", "prores_ks", None),
        (".mkv", "ffv1", "yuv444p"),
        (".mkv", "libx264rgb", None),
        (".mp4", "libx265", "yuv420p10le"),
        (".webm", "libvpx-vp9", "yuv444p"),
        (".mp4", "mpeg4", None),
    ],
)
def test_other_encoders(tmp_path: Path, suffix: str, codec: str, pix_fmt: str | None) -> None:
    source = write_clip(tmp_path / "in.mp4", color=(1, 1, 1, 1))
    target = tmp_path / f"out{suffix}"
    convert(source, target, WriteOptions(codec=codec, pix_fmt=pix_fmt))
    assert [number_of(image) for image in images(target)] == list(range(24))
    assert len(frame_times(target)) == 24


def test_mp4_starts_with_its_index(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4")
    convert(source, tmp_path / "out.mp4")
    content = (tmp_path / "out.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_the_default_is_h264_yuv420p(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", pix_fmt="yuv444p")
    convert(source, tmp_path / "out.mp4", WriteOptions())
    with av.open(str(tmp_path / "out.mp4")) as result:
        context = result.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert result.streams.video[0].average_rate == 24


# -- windows --------------------------------------------------------------------------------

LONG: dict[str, object] = {
    "ticks": tuple(range(72)),
    "sounds": [Sound(seconds=3.0)],
    "options": {"g": "12"},
}


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(("start", "end"), [(1.0, 2.0), (1.5, None), (None, 1.0), (0.0, 0.5)])
def test_windows_cut_sound_with_the_picture(
    tmp_path: Path, suffix: str, start: float | None, end: float | None
) -> None:
    source = write_clip(tmp_path / f"in{suffix}", **LONG)
    target = tmp_path / f"out{suffix}"
    convert(source, target, start=start, end=end)
    begin, stop = start or 0.0, end or 3.0
    times = frame_times(target)
    assert times[0] == 0
    assert len(times) == round((stop - begin) * 24)
    sound = packet_times(target)
    lead = float(sound[0])
    assert -0.03 <= lead <= 0.03
    if end is not None:
        assert (stop - begin) - 0.03 <= float(sound[-1]) < stop - begin
    # The same packets, as far from their frames as before.
    offset = packets(source).index(packets(target)[1])
    was = float(packet_times(source)[offset])
    assert float(sound[1]) == pytest.approx(was - begin, abs=2e-3)
    assert packets(target)[1:] == packets(source)[offset : offset + len(sound) - 1]


def test_windows_far_into_the_source(tmp_path: Path) -> None:
    source = write_clip(
        tmp_path / "in.mkv",
        ticks=tuple(range(30 * 8)),
        time_base=Fraction(1, 8),
        rate=8,
        sounds=[Sound(seconds=30)],
    )
    target = tmp_path / "out.mp4"
    convert(source, target, start=20, end=22)
    assert [number_of(image) for image in images(target)] == list(range(160, 176))
    assert 0 <= float(packet_times(target)[0]) <= 0.03
    offset = packets(source).index(packets(target)[1])
    assert float(packet_times(source)[offset]) == pytest.approx(
        float(packet_times(target)[1]) + 20, abs=2e-3
    )


def test_windows_cut_chapters_and_subtitles(tmp_path: Path) -> None:
    source = write_clip(
        tmp_path / "in.mkv",
        ticks=tuple(range(72)),
        chapters=[("One", 0, 1), ("Two", 1, 2), ("Three", 2, 3)],
        subtitles=[Subtitle("early", 0.1, 0.3), Subtitle("across", 1.2, 0.6)],
    )
    target = tmp_path / "out.mkv"
    convert(source, target, start=1.5, end=2.5)
    with av.open(str(target)) as result:
        chapters = result.chapters()
    assert [c["metadata"]["title"] for c in chapters] == ["Two", "Three"]
    assert [float(c["start"] * c["time_base"]) for c in chapters] == [0, 0.5]
    assert packets(target, "subtitles") == [b"across"]
    assert packet_times(target, "subtitles") == [0]


# -- refusals -------------------------------------------------------------------------------


def test_existing_files_are_safe(tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    target.write_text("precious")
    with pytest.raises(OutputError, match="exists"):
        VideoWriter(plan_output(target, INFO))
    assert target.read_text() == "precious"
    with VideoWriter(plan_output(target, INFO, options=replace(FAST, overwrite=True))) as writer:
        writer.write(still(0))
    assert len(images(target)) == 1


@pytest.mark.parametrize("alias", ["same", "symbolic", "hard"])
def test_output_must_not_be_the_input(tmp_path: Path, alias: str) -> None:
    source = write_clip(tmp_path / "in.mp4")
    before = source.read_bytes()
    target = tmp_path / "other.mp4"
    if alias == "same":
        target = tmp_path / "." / "in.mp4"
    elif alias == "symbolic":
        target.symlink_to(source)
    else:
        target.hardlink_to(source)
    with pytest.raises(OutputError, match="input itself"):
        VideoWriter(plan_output(target, INFO, source=source, options=WriteOptions(overwrite=True)))
    assert source.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("none/out.mp4", {}, "directory"),
        ("out.xyz", {}, r"\.mp4"),
        ("out", {}, "extension"),
        ("out.png", {}, "picture"),
        ("out.wav", {}, "cannot hold"),
        ("out.mp4", {"codec": "nonsense"}, "nonsense"),
        ("out.mp4", {"codec": "aac"}, "not a video encoder"),
        ("out.webm", {"codec": "libx264"}, "cannot hold libx264"),
        ("out.mp4", {"pix_fmt": "nonsense"}, "nonsense"),
        ("out.mp4", {"pix_fmt": "rgb24"}, "yuv420p"),
        ("out.mp4", {"preset": "nonsense"}, "nonsense"),
    ],
)
def test_what_cannot_work_is_refused_at_once(
    tmp_path: Path, name: str, options: dict[str, str], match: str
) -> None:
    with pytest.raises(OutputError, match=match) as caught:
        encoding = WriteOptions(**options)  # type: ignore[arg-type]
        VideoWriter(plan_output(tmp_path / name, INFO, options=encoding))
    assert "\n" not in str(caught.value)
    assert left_in(tmp_path) == []


def test_a_directory_is_no_output(tmp_path: Path) -> None:
    (tmp_path / "out.mp4").mkdir()
    with pytest.raises(OutputError, match="not a regular file"):
        VideoWriter(plan_output(tmp_path / "out.mp4", INFO, options=WriteOptions(overwrite=True)))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_unwritable_directories(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="permission"):
        VideoWriter(plan_output(tmp_path / "out.mp4", INFO))


@pytest.mark.parametrize(
    "options", [{"audio": "loud"}, {"crf": -1}, {"crf": 64}]
)  # fmt: skip
def test_senseless_options(options: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        WriteOptions(**options)  # type: ignore[arg-type]


def test_options_that_an_encoder_lacks(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="ffv1 has no crf"):
        VideoWriter(
            plan_output(tmp_path / "out.mkv", INFO, options=WriteOptions(codec="ffv1", crf=20))
        )
    assert left_in(tmp_path) == []


def test_a_missing_source(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        VideoWriter(plan_output(tmp_path / "out.mp4", INFO, source=tmp_path / "none.mp4"))
    assert left_in(tmp_path) == []


def test_frames_of_another_size_are_a_mistake(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="32×32"),
        VideoWriter(plan_output(tmp_path / "out.mp4", INFO, options=FAST)) as writer,
    ):
        writer.write(still(0, (32, 32)))
    assert left_in(tmp_path) == []


# -- endings --------------------------------------------------------------------------------


def test_the_name_appears_only_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    with VideoWriter(plan_output(target, INFO, options=FAST)) as writer:
        writer.write(still(0))
        assert not target.exists()
        assert all(name.startswith(".") for name in left_in(tmp_path))
    assert left_in(tmp_path) == ["out.mp4"]


def interrupt(target: Path, source: Path, frames: int) -> None:
    with (
        VideoReader(source) as reader,
        VideoWriter(plan_output(target, reader.info, source=source, options=FAST)) as writer,
    ):
        for index, frame in enumerate(reader):
            if index == frames:
                raise KeyboardInterrupt
            writer.write(frame)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_ctrl_c_keeps_what_was_finished(tmp_path: Path, suffix: str) -> None:
    source = write_clip(tmp_path / "in.mkv", **LONG)
    with pytest.raises(KeyboardInterrupt):
        interrupt(tmp_path / f"out{suffix}", source, 30)
    partial = tmp_path / f"out.partial{suffix}"
    assert left_in(tmp_path) == ["in.mkv", partial.name]
    assert [number_of(image) for image in images(partial)] == list(range(30))
    assert float(packet_times(partial)[-1]) == pytest.approx(30 / 24, abs=0.03)
    with VideoReader(partial, ReadOptions(strict=True)) as reader:
        assert len(list(reader)) == 30


def test_ctrl_c_before_the_first_frame_leaves_nothing(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4")
    with pytest.raises(KeyboardInterrupt):
        interrupt(tmp_path / "out.mp4", source, 0)
    assert left_in(tmp_path) == ["in.mp4"]


def test_an_exception_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        VideoWriter(plan_output(tmp_path / "out.mp4", INFO, options=FAST)) as writer,
    ):
        writer.write(still(0))
        raise ZeroDivisionError
    assert left_in(tmp_path) == []


def test_no_frames_are_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="no frames were decoded"),
        VideoWriter(plan_output(tmp_path / "o.mp4", INFO)),
    ):
        pass
    assert left_in(tmp_path) == []


def test_explicit_endings(tmp_path: Path) -> None:
    writer = VideoWriter(plan_output(tmp_path / "a.mp4", INFO, options=FAST))
    writer.write(still(0))
    assert writer.keep_partial() == writer.partial == tmp_path / "a.partial.mp4"
    writer = VideoWriter(plan_output(tmp_path / "b.mp4", INFO, options=FAST))
    assert writer.keep_partial() is None
    writer.discard()
    with VideoWriter(plan_output(tmp_path / "c.mp4", INFO, options=FAST)) as writer:
        writer.write(still(0))
        assert writer.finish() == tmp_path / "c.mp4"
    assert left_in(tmp_path) == ["a.partial.mp4", "c.mp4"]


def run_with_file_limit(tmp_path: Path, limit: int) -> Sequence[str]:
    """Write noise in a process that may not make files above ``limit`` bytes."""
    script = f"""
        import resource, signal
        from pathlib import Path
        import numpy as np
        from test_encode import INFO, still
        from vidstyle.errors import OutputError
        from vidstyle.video import VideoWriter, plan_output
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
        noise = np.random.default_rng(0)
        try:
            with VideoWriter(plan_output(Path({str(tmp_path)!r}) / "out.mp4", INFO)) as writer:
                for index in range(200):
                    frame = still(index % 20)
                    object.__setattr__(frame, "pts", index)
                    frame.image[:] = noise.integers(0, 255, frame.image.shape, np.uint8)
                    writer.write(frame)
        except OutputError as error:
            print(error)
    """
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)]),
    }
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True, text=True, env=environment, timeout=60, check=True,
    )  # fmt: skip
    return done.stdout.splitlines()


@pytest.mark.parametrize("limit", [100_000, 300_000])
def test_a_full_disk(tmp_path: Path, limit: int) -> None:
    lines = run_with_file_limit(tmp_path, limit)
    assert len(lines) == 1
    assert str(tmp_path / "out.mp4") in lines[0]
    assert "file too large" in lines[0]
    assert left_in(tmp_path) == []
