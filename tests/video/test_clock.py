"""Recordings whose own clock begins anywhere, wraps, starts again or jumps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
from clips import Recipe, Sound, frame_times, number_of, packet_times, packets, write_clip
from video.test_fidelity import through

from vidstyle.errors import InputError
from vidstyle.evaluate.audio import match_sounds
from vidstyle.video import ReadOptions, VideoReader

FRAMES = 50
HOUR = 3600
WRAP = 2**33 / 90_000
"""Seconds after which the clock of MPEG begins again."""
KINDS = [
    (".ts", "libx264", "mp2"),
    (".ts", "libx265", "aac"),
    (".m2ts", "mpeg2video", "ac3"),
    (".mpg", "mpeg2video", "mp2"),
    (".vob", "mpeg2video", "ac3"),
]


def joined(
    tmp_path: Path, starts: Sequence[float], kind: tuple[str, str, str] = KINDS[0], rate: int = 25
) -> Path:
    """Two seconds for each of the starts, in seconds of the file's clock, one after the other."""
    suffix, codec, sound = kind
    options = {"bf": "2", "g": "12"}
    if codec == "libx265":
        options = {"x265-params": "bframes=2:keyint=12:log-level=none"}
    parts = []
    for start in starts:
        recipe = Recipe(
            ticks=range(2 * rate),
            rate=rate,
            time_base=Fraction(1, rate),
            codec=codec,
            options=options,
            sounds=[Sound(sound, seconds=2)],
            container_options={"output_ts_offset": str(start)} if start else {},
        )
        parts.append(write_clip(tmp_path / f"part{suffix}", recipe).read_bytes())
    path = tmp_path / f"in{suffix}"
    path.write_bytes(b"".join(parts))
    return path


def read(path: Path, start: float | None = None) -> tuple[list[int], list[Fraction], list[str]]:
    """Numbers and times of the frames, and what is said of them."""
    with VideoReader(path, ReadOptions(start=start)) as reader:
        frames = list(reader)
        assert reader.warnings == []
    times = [frame.pts * frame.time_base for frame in frames]
    return [number_of(frame.image) for frame in frames], times, reader.notices


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
@pytest.mark.parametrize("starts", [(0, 0), (0, 2 * HOUR), (HOUR, 0), (0, 0, HOUR)], ids=str)
def test_the_clock_goes_on_after_a_break(
    tmp_path: Path, starts: tuple[int, ...], kind: tuple[str, str, str]
) -> None:
    source, parts = joined(tmp_path, starts, kind), len(starts)
    numbers, times, notices = read(source)
    assert numbers == list(range(FRAMES)) * parts
    assert 0 <= times[0] < 0.5
    assert all(0 < after - before <= Fraction(1, 10) for before, after in pairwise(times))
    assert times[-1] - times[0] == pytest.approx(2 * parts - 0.04, abs=0.1 * parts)
    (notice,) = notices
    assert len(re.findall(r"\d\.\d s", notice)) == parts - 1
    numbers, later, _ = read(source, start=2.5)
    assert later == [time for time in times if time - times[0] >= 2.5]
    assert numbers == (list(range(FRAMES)) * parts)[-len(later) :]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("starts", [(0, 0), (0, 2 * HOUR)], ids=str)
def test_sound_stays_in_step_across_a_break(
    tmp_path: Path, starts: tuple[int, int], suffix: str
) -> None:
    source, target = joined(tmp_path, starts), tmp_path / f"out{suffix}"
    summary = through(source, target)
    assert summary.frames == 2 * FRAMES and summary.lost == ()
    assert [w for w in summary.warnings if "clock" in w]
    assert packets(target) == packets(source)
    video, sound = frame_times(target), packet_times(target)
    count = len(sound) // 2
    steps = [video[FRAMES + n] - video[n] - (sound[count + n] - sound[n]) for n in range(3, FRAMES)]
    assert max(map(abs, steps)) <= 0.03
    offset = match_sounds(source, target).offset
    assert offset is not None and abs(offset) <= 0.03
    assert max(after - before for before, after in pairwise(sound)) <= 0.1


@pytest.mark.parametrize("start", [10 * HOUR, WRAP - 1.5, WRAP - 3])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_a_recording_begins_at_zero(tmp_path: Path, start: float, suffix: str) -> None:
    source, target = joined(tmp_path, [start]), tmp_path / f"out{suffix}"
    summary = through(source, target)
    assert (summary.frames, summary.warnings) == (FRAMES, ())
    assert packets(target) == packets(source)
    with av.open(str(source)) as container:
        pictures, sound = container.streams.video[0], container.streams.audio[0]
        apart = (pictures.start_time or 0) - (sound.start_time or 0)
    begun = min(frame_times(target)[0], packet_times(target)[0])
    assert suffix == ".ts" or begun == 0
    kept = frame_times(target)[0] - packet_times(target)[0]
    assert float(kept) == pytest.approx(apart / 90_000, abs=0.001)


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_a_window_has_the_sound_that_goes_with_it(
    tmp_path: Path, kind: tuple[str, str, str]
) -> None:
    source, target = joined(tmp_path, [0, 0], kind), tmp_path / "out.mkv"
    dropped = 2 * FRAMES - through(source, target, start=2.5).frames
    assert dropped in (62, 63)  # at the break, sound may outlast the picture
    whole = tmp_path / "whole.mkv"
    through(source, whole)
    kept, every = packets(target), packets(whole)
    first = len(every) - len(kept)
    assert kept == every[first:]
    sound = packet_times(target)[0] - packet_times(whole)[first]
    picture = frame_times(target)[0] - frame_times(whole)[dropped]
    assert abs(sound - picture) <= Fraction(1, 500)
    assert 0 <= packet_times(target)[0] <= 0.1


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_other_formats_keep_their_gaps(tmp_path: Path, suffix: str) -> None:
    ticks = (*range(12), *range(1200, 1213), *range(2400, 2424))
    source = write_clip(tmp_path / f"a{suffix}", ticks=ticks, options={"bf": "3", "g": "9"})
    _, times, notices = read(source)
    assert times[12] - times[11] > 49 and notices == []
    assert times == sorted(times)


@pytest.mark.parametrize("suffix", [".mkv", ".webm"])
def test_matroska_files_one_behind_the_other(tmp_path: Path, suffix: str) -> None:
    codec, sound = ("libx264", "aac") if suffix == ".mkv" else ("libvpx", "libopus")
    source = joined(tmp_path, (0, 0), (suffix, codec, sound))
    numbers, times, notices = read(source)
    assert numbers == list(range(FRAMES)) * 2
    assert all(0 < after - before <= Fraction(1, 10) for before, after in pairwise(times))
    assert len(notices) == 1
    target = tmp_path / f"out{suffix}"
    through(source, target)
    assert packets(target) == packets(source)
    heard = packet_times(target)
    assert all(0 < after - before <= Fraction(1, 10) for before, after in pairwise(heard))


def test_a_stream_that_pauses_is_no_break(tmp_path: Path) -> None:
    sounds = [Sound("mp2", seconds=1), Sound("mp2", seconds=1, start=14)]
    source = write_clip(
        tmp_path / "a.ts", ticks=range(16 * 24), sounds=sounds, options={"preset": "ultrafast"}
    )
    assert read(source)[2] == []


@pytest.mark.parametrize(
    "kind",
    [
        (".flv", "libx264", "aac"),
        (".mkv", "libx264", "aac"),
        (".webm", "libvpx", "libopus"),
        (".ivf", "libvpx", ""),
    ],
)
def test_files_that_ffmpeg_does_not_read_to_their_end_are_named(
    tmp_path: Path, kind: tuple[str, str, str]
) -> None:
    suffix, codec, sound = kind
    sounds = [Sound(sound, seconds=2)] if sound else []
    recipe = Recipe(ticks=range(50), codec=codec, options={"g": "12"}, sounds=sounds)
    part = write_clip(tmp_path / f"part{suffix}", recipe)
    with VideoReader(part) as reader:
        assert len(list(reader)) == 50
        assert reader.warnings == []
    whole = tmp_path / f"in{suffix}"
    whole.write_bytes(part.read_bytes() * 3)
    with VideoReader(whole) as reader:
        frames = len(list(reader))
        (warning,) = reader.warnings
    assert frames < 150
    assert re.match("several files are joined into this one, and FFmpeg reads only", warning)
    with (
        pytest.raises(InputError, match="several files are joined"),
        VideoReader(whole, ReadOptions(strict=True)) as reader,
    ):
        list(reader)
