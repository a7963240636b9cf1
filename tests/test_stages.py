"""Where the time of a run goes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from clips import Recipe, numbered, write_clip
from sequences.shots import FAST, stylize, write_shot
from toys import toy_style

from vidstyle.frame import Frame
from vidstyle.pipeline.process import process
from vidstyle.pipeline.video import stylize_video
from vidstyle.stages import STAGES, StageTime, StageTimes
from vidstyle.temporal.motion import MotionTracker, TemporalOptions, TrackedFrame
from vidstyle.video import WriteOptions

PAUSE = 0.02


def test_times_add_up() -> None:
    times = StageTimes()
    with times.measure("encode", 3):
        time.sleep(PAUSE)
    times.add("encode", StageTime(starved=1.0, blocked=2.0))
    assert times.timed("decode", divmod)(7, 2) == (3, 1)
    result = times.result()
    assert list(result) == ["decode", "encode"]
    assert result["decode"].items == 1
    encode = result["encode"]
    assert (encode.items, encode.starved, encode.blocked) == (3, 1.0, 2.0)
    assert encode.seconds >= PAUSE


def test_the_first_frame_is_one_that_left_the_last_stage() -> None:
    began, times = time.perf_counter(), StageTimes()
    times.add("inference", StageTime(1))
    times.add("encode", StageTime(starved=1.0))
    assert times.first is None
    time.sleep(PAUSE)
    times.add("encode", StageTime(1))
    first = times.first
    assert first is not None and PAUSE <= first <= time.perf_counter() - began
    time.sleep(PAUSE)
    times.add("encode", StageTime(1))
    assert times.first == first


def test_only_getting_the_items_counts() -> None:
    def slow() -> Iterator[int]:
        for number in range(3):
            time.sleep(PAUSE)
            yield number

    times, began, apart = StageTimes(), time.perf_counter(), 0.0
    for number, item in enumerate(times.each("decode", slow())):
        assert item == number
        since = time.perf_counter()
        time.sleep(5 * PAUSE)
        apart += time.perf_counter() - since
    spent = times.result()["decode"]
    assert spent.items == 3
    assert 3 * PAUSE <= spent.seconds <= time.perf_counter() - began - apart


def test_what_fails_is_no_work() -> None:
    times = StageTimes()
    with pytest.raises(ZeroDivisionError):
        times.timed("flow", lambda: 1 // 0)()
    assert times.result() == {}


def test_threads_share_it() -> None:
    times = StageTimes()

    def work() -> None:
        for _ in range(1000):
            times.add("flow", StageTime(1, 0.5))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert times.result()["flow"] == StageTime(4000, 2000.0)


class Paused:
    """A stylizer and a writer that pause for every frame, and otherwise change nothing."""

    batch_size = 2

    def __init__(self, drawing: float, writing: float) -> None:
        self.drawing = drawing
        self.writing = writing

    def draw(self, frames: Sequence[TrackedFrame]) -> list[np.ndarray]:
        time.sleep(self.drawing * len(frames))
        return [tracked.frame.image for tracked in frames]

    def finish(self, tracked: TrackedFrame, drawing: np.ndarray) -> Frame:
        return tracked.frame

    def write(self, frame: Frame) -> None:
        time.sleep(self.writing)


def run(drawing: float = 0.0, writing: float = 0.0, count: int = 20) -> dict[str, StageTime]:
    """The times of stages that pause for every frame."""
    times, paused = StageTimes(), Paused(drawing, writing)
    frames = (Frame(numbered(index), index, Fraction(1, 24), 1) for index in range(count))
    with MotionTracker(TemporalOptions(temporal=0), threads=1) as tracker:
        process(tracker(frames), paused, paused, times=times)
    return times.result()


def test_a_slow_network_has_the_others_wait() -> None:
    stages = run(drawing=PAUSE)
    assert stages["inference"].items == 20
    assert stages["inference"].seconds >= 20 * PAUSE
    # One batch is drawn and three wait before the reading has to.
    assert stages["decode"].blocked >= 10 * PAUSE
    assert stages["encode"].starved >= 18 * PAUSE
    assert stages["encode"].seconds < stages["inference"].seconds


def test_a_slow_encoder_has_the_others_wait() -> None:
    stages = run(writing=PAUSE)
    assert stages["encode"].items == 20
    assert stages["encode"].seconds >= 20 * PAUSE
    assert stages["blend"].blocked >= 10 * PAUSE
    assert stages["inference"].blocked >= 5 * PAUSE


def test_stages_of_a_video(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", Recipe(ticks=tuple(range(10))))
    write = WriteOptions(preset="ultrafast")
    summary = stylize_video(source, tmp_path / "b.mp4", toy_style(), fast=FAST, write=write)
    assert tuple(summary.stages) == STAGES
    items = {stage: spent.items for stage, spent in summary.stages.items()}
    assert items == dict.fromkeys(STAGES, 10) | {"flow": 9}
    for stage, spent in summary.stages.items():
        assert spent.seconds > 0
        if stage != "flow":  # on several threads
            assert spent.seconds + spent.starved + spent.blocked <= 1.1 * summary.seconds + 0.1


def test_stages_of_a_sequence(tmp_path: Path) -> None:
    source = write_shot(tmp_path / "in", range(1, 6))
    summary = stylize(source, tmp_path / "out")
    items = {stage: spent.items for stage, spent in summary.stages.items()}
    assert items == {"decode": 5, "flow": 4, "inference": 5, "blend": 5, "encode": 5}
