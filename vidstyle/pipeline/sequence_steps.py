"""What the loop is given for a sequence: motion across gaps; how a frame is composed and kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, groupby

import numpy as np

from vidstyle.frame import Frame, coverage
from vidstyle.options import PictureOptions
from vidstyle.pipeline.journal import Entry, Journal
from vidstyle.pipeline.mattes import composite
from vidstyle.pipeline.passes import PassWriter
from vidstyle.pipeline.resume_plan import SequenceFrame
from vidstyle.pipeline.steady import SteadyStylizer
from vidstyle.sequences.picture import write_picture
from vidstyle.store import EVERY, Checkpoint, Checkpoints
from vidstyle.temporal.motion import MotionTracker, TrackedFrame


class MotionFeed:
    """Tracks the motion of frames that come in groups, and a group in several parts."""

    def __init__(self, tracker: MotionTracker) -> None:
        self.tracker = tracker
        self._last: SequenceFrame | None = None

    def __call__(self, frames: Iterable[SequenceFrame]) -> Iterator[TrackedFrame]:
        for _, group in groupby(frames, key=lambda frame: frame.task.group):
            first = next(group)
            self.tracker.previous = self._previous(first)
            self.tracker.index = first.task.index
            for tracked in self.tracker(chain([first], group)):
                assert isinstance(tracked.frame, SequenceFrame)
                self._last = tracked.frame
                yield tracked._replace(start=tracked.frame.task.start)

    def _previous(self, first: SequenceFrame) -> Frame | None:
        start, last = first.task.start, self._last
        if start is not None:
            return Frame(start.thumbnail, first.pts - 1, first.time_base)
        follows = last is not None and last.task.group == first.task.group
        return last if follows else None


class FrameFinisher:
    """Composes a frame of its pictures in each region's style.

    Args:
        empty_kept: colours where alpha is 0 stay as they are.
        tracked: motion is estimated, so that it is known where shots begin.
    """

    def __init__(self, passes: PassWriter, *, empty_kept: bool, tracked: bool) -> None:
        self.passes = passes
        self.empty_kept = empty_kept
        self.tracked = tracked

    def __call__(self, tracked: TrackedFrame, pictures: Sequence[np.ndarray]) -> Frame:
        frame, motion = tracked.frame, tracked.motion.result()
        assert isinstance(frame, SequenceFrame)
        source = frame.picture
        image = pictures[0]
        if frame.mattes:
            image = composite(source.image, pictures, frame.mattes)
        if self.empty_kept and source.alpha is not None:
            empty = coverage(source.alpha) == 0
            image = np.where(empty[:, :, None], source.image, image)
        self.passes(frame, motion)
        return replace(frame, image=image, cut=self.tracked and motion.flow is None)


class PictureWriter:
    """Writes each frame into its file, and notes that it is there."""

    def __init__(self, journal: Journal, options: PictureOptions) -> None:
        self.journal = journal
        self.options = options

    def write(self, frame: Frame) -> None:
        """Raises OutputError when the disk is full or so."""
        assert isinstance(frame, SequenceFrame)
        task, picture = frame.task, frame.picture
        if not task.write:
            return
        self.journal.start(task.target.name)
        write_picture(task.target, picture, frame.image, options=self.options)
        height, width = picture.image.shape[:2]
        self.journal.finish(
            Entry(
                task.target.name,
                task.link,
                task.target.stat().st_size,
                (width, height),
                str(picture.image.dtype),
                frame.cut,
            )
        )


class StateKeeper:
    """Keeps the state after every so many frames."""

    def __init__(
        self, checkpoints: Checkpoints, stylizer: SteadyStylizer, *, tracked: bool
    ) -> None:
        self.checkpoints = checkpoints
        self.stylizer = stylizer
        self.tracked = tracked

    def state_after(self, frame: Frame) -> Checkpoint | None:
        assert isinstance(frame, SequenceFrame)
        due = self.tracked and frame.task.write and (frame.task.index + 1) % EVERY == 0
        return self.stylizer.state() if due else None

    def keep(self, frame: Frame, state: Checkpoint) -> None:
        assert isinstance(frame, SequenceFrame)
        self.checkpoints.save(frame.task.link, state)
