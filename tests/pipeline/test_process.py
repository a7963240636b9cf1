"""The loop over frames: all of them, in order, whatever step fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
import pytest
from clips import number_of, numbered

from vidstyle.frame import Frame
from vidstyle.pipeline.process import process
from vidstyle.store import Checkpoint
from vidstyle.temporal.motion import MotionTracker, TemporalOptions, TrackedFrame


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


class Trouble(Exception):
    pass


def frames(count: int, fail_at: int | None = None) -> Iterator[Frame]:
    for index in range(count):
        if index == fail_at:
            raise Trouble("reading")
        yield Frame(numbered(index), index, Fraction(1, 24), 1)


class Unchanged:
    """A stylizer, writer and store that keep what they get, and fail when they are told to."""

    batch_size = 2

    def __init__(
        self, *, draw_fails: bool = False, finish_fails: int = -1, write_fails: int = -1
    ) -> None:
        self.draw_fails = draw_fails
        self.finish_fails = finish_fails
        self.write_fails = write_fails
        self.written: list[int] = []
        self.kept: list[tuple[int, int]] = []

    def draw(self, frames: Sequence[TrackedFrame]) -> list[np.ndarray]:
        if self.draw_fails:
            raise Trouble("drawing")
        return [tracked.frame.image for tracked in frames]

    def finish(self, tracked: TrackedFrame, drawing: np.ndarray) -> Frame:
        if tracked.frame.pts == self.finish_fails:
            raise Trouble("finishing")
        assert np.array_equal(tracked.motion.result().thumbnail, drawing)
        return tracked.frame

    def write(self, frame: Frame) -> None:
        if frame.pts == self.write_fails:
            raise Trouble("writing")
        self.written.append(number_of(frame.image))

    def state_after(self, frame: Frame) -> Checkpoint | None:
        return Checkpoint(frame.image, ()) if frame.pts % 5 == 4 else None

    def keep(self, frame: Frame, state: Checkpoint) -> None:
        self.kept.append((number_of(state.thumbnail), len(self.written)))


def run(source: Iterator[Frame], steps: Unchanged) -> int:
    with MotionTracker(TemporalOptions(temporal=0), threads=2) as tracker:
        return process(tracker(source), steps, steps, steps)


def test_all_frames_pass_in_order() -> None:
    steps = Unchanged()
    assert run(frames(31), steps) == 31
    assert steps.written == list(range(31))


def test_a_state_is_kept_when_its_frame_has_been_written() -> None:
    steps = Unchanged()
    run(frames(17), steps)
    assert steps.kept == [(4, 5), (9, 10), (14, 15)]


def test_an_error_in_reading_is_raised_once() -> None:
    with pytest.raises(Trouble, match="reading"):
        run(frames(50, fail_at=20), Unchanged())


def test_an_error_in_drawing_is_raised_once() -> None:
    with pytest.raises(Trouble, match="drawing"):
        run(frames(50), Unchanged(draw_fails=True))


@pytest.mark.parametrize("position", [0, 20, 49])
def test_an_error_in_finishing_is_raised_once(position: int) -> None:
    steps = Unchanged(finish_fails=position)
    with pytest.raises(Trouble, match="finishing"):
        run(frames(50), steps)
    assert steps.written == list(range(len(steps.written)))
    assert len(steps.written) <= position


@pytest.mark.parametrize("position", [0, 20, 49])
def test_an_error_in_writing_is_raised_once(position: int) -> None:
    steps = Unchanged(write_fails=position)
    with pytest.raises(Trouble, match="writing"):
        run(frames(50), steps)
    assert steps.written == list(range(position))
