"""Sound and other streams of the source in every container, read back with PyAV alone."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from clips import Sound, frame_times, packet_times, packets, peak_frequency, write_clip

from vidstyle.video import ReadOptions, VideoReader, VideoWriter, WriteOptions, plan_output

TICKS = tuple(range(10))
LAYOUTS = (
    "mono", "stereo", "2.1", "3.0", "quad", "quad(side)", "4.0", "5.0", "5.1", "5.1(side)", "6.0",
    "hexagonal", "6.1", "7.1", "7.1(wide)", "hexadecagonal",
)  # fmt: skip


@dataclass(frozen=True)
class Copied:
    """What came of a clip, read without vidstyle."""

    notices: list[str]
    codec: str | None
    channels: int
    seconds: float
    start: float
    """Seconds from the first frame to the first sound."""


def clip(path: Path, *sounds: Sound, codec: str = "mpeg4", **more: Any) -> Path:
    changes = {"time_base": Fraction(1, 25), "rate": 25, "options": {}, **more}
    return write_clip(path, **{"ticks": TICKS, **changes}, codec=codec, sounds=sounds)


def convert(source: Path, target: Path, **window: float) -> list[str]:
    """Copy the pictures and all beside them; the notices."""
    with VideoReader(source, ReadOptions(**window)) as reader:  # type: ignore[arg-type]
        options = WriteOptions(effort="draft")
        plan = plan_output(target, reader.info, source=source, options=options, **window)
        with VideoWriter(plan) as writer:
            for frame in reader:
                writer.write(frame)
    return writer.notices


def copied(source: Path, target: Path) -> Copied:
    notices = convert(source, target)
    with av.open(str(target)) as result:
        pictures = [frame.time for frame in result.decode(video=0)]
    assert len(pictures) == len(TICKS)
    with av.open(str(target)) as result:
        if not result.streams.audio:
            return Copied(notices, None, 0, 0.0, 0.0)
        stream = result.streams.audio[0]
        frames = list(result.decode(stream))
        samples = sum(frame.samples for frame in frames)
        first = next(frame.time for frame in frames if frame.time is not None)
        return Copied(
            notices,
            stream.codec_context.codec.canonical_name,
            frames[0].layout.nb_channels,
            samples / frames[0].sample_rate,
            first - (pictures[0] or 0.0),
        )


def heard(result: Copied, seconds: float = 0.4) -> bool:
    return abs(result.seconds - seconds) < 0.3 and abs(result.start) < 0.15


# -- layouts and containers -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("container", "layout"),
    [
        *((".mkv", layout) for layout in LAYOUTS),
        (".avi", "stereo"),
        (".nut", "5.1"),
        (".avi", "quad"),
    ],
)
def test_pcm_whose_layout_the_file_does_not_name(
    tmp_path: Path, container: str, layout: str
) -> None:
    source = clip(tmp_path / f"in{container}", Sound("pcm_s16le", seconds=0.4, layout=layout))
    count = av.AudioLayout(layout).nb_channels
    for suffix in (".mp4", ".mov", ".mkv"):
        result = copied(source, tmp_path / f"out{suffix}")
        assert heard(result) and result.channels == count, result
        assert result.codec == "pcm_s16le" and result.notices == []
        got, want = (b"".join(packets(path)) for path in (tmp_path / f"out{suffix}", source))
        assert got == want


@pytest.mark.parametrize("layout", LAYOUTS)
def test_opus_gets_a_layout_that_it_knows(tmp_path: Path, layout: str) -> None:
    source = clip(tmp_path / "in.mkv", Sound("pcm_s16le", seconds=0.4, layout=layout))
    result = copied(source, tmp_path / "out.webm")
    assert heard(result) and result.codec == "opus", result
    count = av.AudioLayout(layout).nb_channels
    assert result.channels >= min(count, 5)
    assert len(result.notices) == 1
    assert result.channels >= count or "mixed to" in result.notices[0]
    assert peak_frequency(tmp_path / "out.webm") == pytest.approx(440, abs=10)


SOUNDS = (
    (".avi", Sound("adpcm_ms", rate=22_050)),
    (".avi", Sound("adpcm_ima_wav", rate=11_025, layout="mono")),
    (".avi", Sound("pcm_u8", rate=8_000, layout="mono")),
    (".avi", Sound("pcm_mulaw", rate=8_000)),
    (".wmv", Sound("wmav2", rate=44_100)),
    (".mkv", Sound("tta", rate=44_100)),
    (".mkv", Sound("wavpack", rate=96_000, layout="5.1")),
    (".mkv", Sound("pcm_f64le", rate=6_000, layout="5.1")),
    (".mkv", Sound("pcm_f32le", rate=192_000)),
    (".mkv", Sound("eac3", layout="5.1(side)")),
    (".mkv", Sound("libopus", layout="5.1")),
    (".mov", Sound("alac", rate=192_000, layout="stereo")),
    (".mov", Sound("pcm_alaw", rate=8_000, layout="mono")),
    (".ts", Sound("aac")),
)  # fmt: skip


EVERYDAY, OTHERS = (".mp4", ".webm"), (".mkv", ".mov", ".avi", ".ts", ".flv")


@pytest.mark.parametrize("targets", [EVERYDAY, pytest.param(OTHERS, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("suffix", "sound"), SOUNDS, ids=[f"{sound.codec}{suffix}" for suffix, sound in SOUNDS]
)
def test_all_sound_is_heard_in_all_containers(
    tmp_path: Path, suffix: str, sound: Sound, targets: tuple[str, ...]
) -> None:
    codec = "mpeg2video" if suffix == ".ts" else "mpeg4"
    source = clip(tmp_path / f"in{suffix}", replace(sound, seconds=0.4), codec=codec)
    for target in targets:
        result = copied(source, tmp_path / f"out{target}")
        assert heard(result), (target, result)
        kept = result.codec == av.codec.Codec(sound.codec, "w").canonical_name
        assert kept or "transcoded to" in result.notices[0], (target, result)


@pytest.mark.parametrize(
    "suffix",
    [".mpg", ".vob", ".wmv", ".ogv", ".mxf", ".3gp", ".m4v", ".nut", ".ts", ".avi", ".flv"],
)
def test_rarer_containers(tmp_path: Path, suffix: str) -> None:
    source = clip(tmp_path / "in.mkv", Sound("ac3", seconds=0.4, layout="5.1(side)"))
    result = copied(source, tmp_path / f"out{suffix}")
    assert heard(result) and result.channels >= 5, result


def test_a_muxer_that_ends_the_process_ends_no_run(tmp_path: Path) -> None:
    # FFmpeg's FLV muxer asserts that it knows a sound's codec, instead of refusing it.
    source = clip(tmp_path / "in.avi", Sound("pcm_u8", seconds=0.4, rate=22_050, layout="mono"))
    assert heard(copied(source, tmp_path / "out.flv"))


def test_sound_that_changes_its_layout_on_the_way(tmp_path: Path) -> None:
    source = tmp_path / "in.ts"
    with source.open("wb") as file:
        for layout in ("mono", "5.1"):
            sound = Sound("ac3", layout=layout, seconds=1.0)
            part = write_clip(
                tmp_path / f"{layout}.ts", ticks=range(25), time_base=Fraction(1, 25), rate=25,
                codec="mpeg2video", sounds=[sound],
            )  # fmt: skip
            file.write(part.read_bytes())
    convert(source, tmp_path / "out.webm")
    with av.open(str(tmp_path / "out.webm")) as result:
        seconds = [frame.samples / frame.sample_rate for frame in result.decode(audio=0)]
    assert sum(seconds) == pytest.approx(2.0, abs=0.2)


# -- times ----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize(("first", "source"), [(3600, ".ts"), (36_000, ".ts"), (7, ".mkv")])
def test_a_clip_begins_at_zero_whatever_its_clock(
    tmp_path: Path, source: str, first: int, suffix: str
) -> None:
    sound = Sound("mp2", seconds=0.4, start=first + 0.1)
    ticks = range(first * 25, first * 25 + 10)
    path = write_clip(
        tmp_path / f"in{source}",
        ticks=ticks, time_base=Fraction(1, 25), rate=25, codec="mpeg2video", sounds=[sound],
    )  # fmt: skip
    convert(path, tmp_path / f"out{suffix}")
    pictures = frame_times(tmp_path / f"out{suffix}")[0]
    heard = packet_times(tmp_path / f"out{suffix}")[0]
    assert min(pictures, heard) == 0
    apart = packet_times(path)[0] - frame_times(path)[0]
    assert abs((heard - pictures) - apart) <= Fraction(1, 1000)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".ts"])
def test_times_that_are_equal_on_a_coarser_clock(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / "in.mkv"
    sound = Sound("ac3", seconds=0.4, rate=32_000)
    clip(source, sound)
    target = tmp_path / f"out{suffix}"
    times = iter([0, 32, 32, 64, 64, 64, 96, 128, 128, 160, 192])
    with av.open(str(source)) as before, av.open(str(tmp_path / "equal.mkv"), "w") as after:
        streams = {
            stream.index: after.add_stream_from_template(stream, opaque=True)
            for stream in before.streams
        }
        for packet in before.demux():
            if packet.dts is None:
                continue
            if packet.stream.type == "audio" and (time := next(times, None)) is not None:
                packet.pts = packet.dts = time
            packet.stream = streams[packet.stream.index]
            after.mux(packet)
    convert(tmp_path / "equal.mkv", target)
    assert len(packets(target)) == len(packets(source))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".avi"])
def test_sound_that_an_edit_list_hides_stays_hidden(tmp_path: Path, suffix: str) -> None:
    whole = write_clip(
        tmp_path / "whole.mp4",
        ticks=range(50), time_base=Fraction(1, 25), rate=25, sounds=[Sound(seconds=2.0)],
    )  # fmt: skip
    source = cut(whole, tmp_path / "in.mp4", seconds=1.0)
    target = tmp_path / f"out{suffix}"
    convert(source, target)
    times = packet_times(target)
    assert times[0] > -0.05
    assert float(times[-1] - times[0]) == pytest.approx(1.0, abs=0.1)


def cut(source: Path, target: Path, seconds: float) -> Path:
    """Begin later without dropping anything: times before zero are hidden by an edit list."""
    with av.open(str(source)) as before, av.open(str(target), "w") as after:
        streams = {
            stream.index: after.add_stream_from_template(stream, opaque=True)
            for stream in before.streams
        }
        after.container_options["avoid_negative_ts"] = "disabled"
        for packet in before.demux():
            if packet.dts is not None and packet.pts is not None:
                packet.pts -= round(seconds / packet.time_base)
                packet.dts -= round(seconds / packet.time_base)
                packet.stream = streams[packet.stream.index]
                after.mux(packet)
    return target


@pytest.mark.parametrize("suffix", [".ts", ".mpg", ".mkv"])
def test_a_window_late_in_a_file_has_all_of_its_sound(tmp_path: Path, suffix: str) -> None:
    codec = "libx264" if suffix == ".mkv" else "mpeg2video"
    source = write_clip(
        tmp_path / f"in{suffix}",
        ticks=range(16 * 5), time_base=Fraction(1, 5 if codec == "libx264" else 25),
        rate=5 if codec == "libx264" else 25, codec=codec, options={"g": "400"},
        sounds=[Sound("mp2", seconds=16 if codec == "libx264" else 3.2)],
    )  # fmt: skip
    start, end = (11.0, 13.0) if codec == "libx264" else (1.5, 2.5)
    target = tmp_path / "out.mkv"
    convert(source, target, start=start, end=end)
    times = packet_times(target)
    assert times[0] < 0.05
    assert float(times[-1]) == pytest.approx(end - start, abs=0.1)


# -- what is told ---------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["pt-BR", "pt", "por"])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts", ".avi"])
def test_a_language_is_kept_or_named(tmp_path: Path, suffix: str, language: str) -> None:
    sound = Sound("aac", seconds=0.4, metadata={"language": language})
    source = clip(tmp_path / "in.mkv", sound)
    notices = convert(source, tmp_path / f"out{suffix}")
    with av.open(str(tmp_path / f"out{suffix}")) as result:
        kept = result.streams.audio[0].metadata.get("language") == language
    assert kept != any(language in notice for notice in notices)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".mxf", ".avi", ".webm"])
def test_the_timecode_of_mxf_is_kept_or_named(tmp_path: Path, suffix: str) -> None:
    source = clip(tmp_path / "in.mxf", codec="mpeg2video", metadata={"timecode": "01:02:03:04"})
    notices = convert(source, tmp_path / f"out{suffix}")
    with av.open(str(tmp_path / f"out{suffix}")) as result:
        tags = [result.metadata, *(stream.metadata for stream in result.streams)]
    kept = any("01:02:03:04" in tag.values() for tag in tags)
    assert kept != any("01:02:03:04" in notice for notice in notices)


@pytest.mark.parametrize("target", [".mp4", ".mkv", ".mov", ".ts"])
@pytest.mark.parametrize("change", ["layout", "rate"])
def test_sound_that_changes_on_the_way_is_named_or_kept(
    tmp_path: Path, target: str, change: str
) -> None:
    first = Sound("aac", seconds=2)
    second = replace(first, layout="5.1") if change == "layout" else replace(first, rate=32000)
    ticks = range(50)
    parts = [
        clip(tmp_path / f"{n}.ts", sound, codec="libx264", ticks=ticks).read_bytes()
        for n, sound in enumerate((first, second))
    ]
    source = tmp_path / "in.ts"
    source.write_bytes(b"".join(parts))
    notices = [
        notice for notice in convert(source, tmp_path / f"out{target}") if "change" in notice
    ]
    if target == ".ts":
        assert notices == []
        with av.open(str(tmp_path / "out.ts")) as result:
            frames = list(result.decode(audio=0))
        assert len({(frame.layout.nb_channels, frame.sample_rate) for frame in frames}) == 2
    else:
        (notice,) = notices
        assert re.match(r"audio stream 1 \(aac\) changes its channels or rate at 2\.\d s", notice)
