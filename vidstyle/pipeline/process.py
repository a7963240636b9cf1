"""The loop: how the frames of a file get from the decoder to the encoder.

    read ─▶ estimate motion ─▶ draw ─▶ finish ─▶ write

All steps work at the same time, on different frames, and hand them on through bounded queues, in
order. Videos, picture sequences and both engines go through here; live streams, which drop what is
late, have a loop of their own.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Generic, NamedTuple, Protocol, TypeVar

from vidstyle.frame import Frame
from vidstyle.stages import StageTime, StageTimes
from vidstyle.store import Checkpoint
from vidstyle.temporal.motion import TrackedFrame
from vidstyle.video.prefetch import BackgroundSink, Prefetch

T = TypeVar("T")
D = TypeVar("D")
"""What a stylizer draws of a frame; only its own ``finish`` looks at it."""
logger = logging.getLogger(__name__)

QUEUED_BATCHES = 2
"""Batches that may wait between two steps: enough to overlap, little enough for 4K."""


class FrameStylizer(Protocol[D]):
    """Turns the frames of a clip, in order, into those to be written."""

    @property
    def batch_size(self) -> int:
        """How many frames are drawn at once."""
        ...

    def draw(self, frames: Sequence[TrackedFrame]) -> Iterable[D]:
        """Something for each frame; called on one thread, with no regard to the next step."""
        ...

    def finish(self, frame: TrackedFrame, drawing: D, /) -> Frame:
        """The frame to write, of what was drawn; called on another thread, once motion is known."""
        ...


class Writer(Protocol):
    """Where frames go."""

    def write(self, frame: Frame) -> None: ...


class Store(Protocol):
    """Keeps what is needed to continue the work in another run."""

    def state_after(self, frame: Frame) -> Checkpoint | None:
        """What the frame after this one depends on, where that is to be kept.

        Called for each frame, in order, before the next is finished.
        """
        ...

    def keep(self, frame: Frame, state: Checkpoint) -> None:
        """Keep the state after a frame that has been written."""
        ...


class _Drawn(NamedTuple, Generic[D]):
    frame: TrackedFrame
    drawing: D


class _Finished(NamedTuple):
    frame: Frame
    state: Checkpoint | None


def process(
    frames: Iterable[TrackedFrame],
    stylizer: FrameStylizer[D],
    writer: Writer,
    store: Store | None = None,
    *,
    listener: Callable[[int, float], None] = lambda frames, seconds: None,
    times: StageTimes | None = None,
) -> int:
    """Draw and write all frames of a reader.

    Args:
        listener: called after every batch, with how many frames were drawn, and in how many
            seconds.
        times: to add to.

    Returns:
        How many frames there were.

    Raises:
        Exception: whatever any of the steps raised, once; frames before that one are written.
    """
    times = times or StageTimes()
    count, began = 0, time.perf_counter()

    def finish(drawn: _Drawn[D]) -> None:
        waiting = time.perf_counter()
        drawn.frame.motion.exception()
        times.add("blend", StageTime(starved=time.perf_counter() - waiting))
        with times.measure("blend"):
            frame = stylizer.finish(*drawn)
            state = store.state_after(frame) if store else None
        encoder.put(_Finished(frame, state))

    def write(finished: _Finished) -> None:
        writer.write(finished.frame)
        if store and finished.state:
            store.keep(finished.frame, finished.state)

    queued = QUEUED_BATCHES * stylizer.batch_size
    with (
        Prefetch(batches(frames, stylizer.batch_size), QUEUED_BATCHES) as fetched,
        BackgroundSink(times.timed("encode", write), queued) as encoder,
        BackgroundSink(finish, queued) as finisher,
    ):
        for batch in fetched:
            with times.measure("inference", len(batch)):
                drawings = stylizer.draw(batch)
            for frame, drawing in zip(batch, drawings, strict=True):
                finisher.put(_Drawn(frame, drawing))
            count += len(batch)
            seconds = time.perf_counter() - began
            logger.debug("%d frames in %.3f s", count, seconds)
            listener(count, seconds)
    times.add("decode", StageTime(blocked=fetched.blocked))
    times.add("inference", StageTime(starved=fetched.starved, blocked=finisher.blocked))
    times.add("blend", StageTime(starved=finisher.starved, blocked=encoder.blocked))
    times.add("encode", StageTime(starved=encoder.starved))
    return count


def batches(items: Iterable[T], size: int) -> Iterator[Sequence[T]]:
    """Groups of ``size``; the last may be smaller."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
